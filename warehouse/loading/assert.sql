-- One row for every rule that the calls of `loading_ids` break, with how often and one example; no rows means the load is right.
WITH
calls AS (SELECT f.* FROM fact_call f SEMI JOIN loading_ids i ON i.call_id = f.call_id),
stages AS (
    SELECT call_id, checklist_id, sum(weight * score) AS total, sum(weight) AS most
    FROM fact_stage SEMI JOIN loading_ids USING (call_id)
    WHERE status <> 'not_applicable'
    GROUP BY call_id, checklist_id
),
checklists AS (SELECT f.* FROM fact_checklist f SEMI JOIN loading_ids i ON i.call_id = f.call_id),
facts AS (
    SELECT 'fact_utterance' AS name, call_id, day FROM fact_utterance SEMI JOIN loading_ids USING (call_id)
    UNION ALL SELECT 'fact_checklist', call_id, day FROM checklists
    UNION ALL SELECT 'fact_stage', call_id, day FROM fact_stage SEMI JOIN loading_ids USING (call_id)
    UNION ALL SELECT 'fact_table', call_id, day FROM fact_table SEMI JOIN loading_ids USING (call_id)
    UNION ALL SELECT 'fact_table_value', call_id, day FROM fact_table_value SEMI JOIN loading_ids USING (call_id)
    UNION ALL SELECT 'fact_delivery', call_id, day FROM fact_delivery SEMI JOIN loading_ids USING (call_id)
),
broken AS (
    SELECT 'call loaded twice' AS rule, call_id FROM calls GROUP BY call_id HAVING count(*) > 1
    UNION ALL
    SELECT 'call missing or left over', coalesce(c.call_id, b.call_id)
    FROM calls c FULL JOIN loading_call b ON b.call_id = c.call_id
    WHERE c.call_id IS NULL OR b.call_id IS NULL
    UNION ALL
    SELECT DISTINCT f.name || ' without its call', f.call_id
    FROM facts f LEFT JOIN calls c ON c.call_id = f.call_id AND c.day = f.day
    WHERE c.call_id IS NULL
    UNION ALL
    SELECT 'checklist scored twice', call_id FROM checklists GROUP BY call_id, checklist_id HAVING count(*) > 1
    UNION ALL
    SELECT 'totals differ from stages', k.call_id
    FROM checklists k LEFT JOIN stages s ON s.call_id = k.call_id AND s.checklist_id = k.checklist_id
    WHERE k.status = 'ok' AND (k.total_score <> coalesce(s.total, 0) OR k.max_score <> coalesce(s.most, 0))
    UNION ALL
    SELECT 'score out of range', call_id
    FROM fact_stage SEMI JOIN loading_ids USING (call_id)
    WHERE score NOT IN (1, -1) OR (score IS NULL) <> (status = 'not_applicable')
)
SELECT rule, count(*) AS broken, min(call_id) AS example FROM broken GROUP BY rule ORDER BY rule;
