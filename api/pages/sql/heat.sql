SELECT c.manager_id, s.stage_id, count(s.final_score) AS n,
    round(100.0 * count(*) FILTER (s.final_score = 1) / nullif(count(s.final_score), 0), 1) AS rate
FROM fact_stage s JOIN scored c USING (call_id, day) WHERE s.checklist_id = $checklist
GROUP BY c.manager_id, s.stage_id
