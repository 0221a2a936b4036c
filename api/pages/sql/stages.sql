SELECT s.stage_id, arg_max(s.stage_name, s.day) AS name, arg_max(s.position, s.day) AS position, count(s.final_score) AS n,
    round(100.0 * count(*) FILTER (s.final_score = 1) / nullif(count(s.final_score), 0), 1) AS rate
FROM fact_stage s SEMI JOIN scored USING (call_id, day) WHERE s.checklist_id = $checklist
GROUP BY s.stage_id ORDER BY position, s.stage_id
