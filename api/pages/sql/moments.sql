SELECT w.call_id, w.started_local, w.stage, w.comment, w.completion, w.seconds
FROM worst_moments w SEMI JOIN scored USING (call_id) WHERE w.checklist_id = $checklist LIMIT $limit
