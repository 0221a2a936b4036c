-- One row for every rule that the calls of `loading_ids` break, with how often and one example; no rows means the load is right.
-- `first` and `last` bound the days of their rows, old and new.
WITH
calls AS (SELECT * FROM fact_call SEMI JOIN loading_ids USING (call_id) WHERE day BETWEEN '{first}' AND '{last}'),
checklists AS (SELECT * FROM fact_checklist SEMI JOIN loading_ids USING (call_id) WHERE day BETWEEN '{first}' AND '{last}'),
stages AS (SELECT * FROM fact_stage SEMI JOIN loading_ids USING (call_id) WHERE day BETWEEN '{first}' AND '{last}'),
sums AS (
    SELECT call_id, checklist_id, sum(weight * score) AS total, sum(weight) AS most
    FROM stages
    WHERE status <> 'not_applicable'
    GROUP BY call_id, checklist_id
),
facts AS (
    SELECT 'fact_checklist' AS name, call_id, day FROM checklists
    UNION ALL SELECT 'fact_stage', call_id, day FROM stages
    UNION ALL SELECT 'fact_utterance', call_id, day FROM fact_utterance WHERE day BETWEEN '{first}' AND '{last}'
    UNION ALL SELECT 'fact_table', call_id, day FROM fact_table WHERE day BETWEEN '{first}' AND '{last}'
    UNION ALL SELECT 'fact_table_value', call_id, day FROM fact_table_value WHERE day BETWEEN '{first}' AND '{last}'
    UNION ALL SELECT 'fact_delivery', call_id, day FROM fact_delivery WHERE day BETWEEN '{first}' AND '{last}'
),
broken AS (
    SELECT 'call loaded twice' AS rule, call_id FROM calls GROUP BY call_id HAVING count(*) > 1
    UNION ALL
    SELECT 'call missing or left over', coalesce(c.call_id, b.call_id)
    FROM calls c FULL JOIN loading_call b ON b.call_id = c.call_id
    WHERE c.call_id IS NULL OR b.call_id IS NULL
    UNION ALL
    SELECT DISTINCT f.name || ' without its call', f.call_id
    FROM (FROM facts SEMI JOIN loading_ids USING (call_id)) f LEFT JOIN calls c ON c.call_id = f.call_id AND c.day = f.day
    WHERE c.call_id IS NULL
    UNION ALL
    SELECT 'checklist scored twice', call_id FROM checklists GROUP BY call_id, checklist_id HAVING count(*) > 1
    UNION ALL
    SELECT 'totals differ from stages', k.call_id
    FROM checklists k LEFT JOIN sums s ON s.call_id = k.call_id AND s.checklist_id = k.checklist_id
    WHERE k.status = 'ok' AND (k.total_score <> coalesce(s.total, 0) OR k.max_score <> coalesce(s.most, 0))
    UNION ALL
    SELECT 'score out of range', call_id
    FROM stages
    WHERE score NOT IN (1, -1) OR (score IS NULL) <> (status = 'not_applicable')
)
SELECT rule, count(*) AS broken, min(call_id) AS example FROM broken GROUP BY rule ORDER BY rule;
