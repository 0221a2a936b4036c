-- Office of the manager at the time of the call, for the calls of `loading_call`.
-- A manager's first membership also covers earlier calls: a CRM sends calls before it sends offices.
CREATE OR REPLACE TEMP TABLE loading_office AS
WITH spans AS (
    SELECT manager_id, office_id, role, valid_from, valid_to, min(valid_from) OVER (PARTITION BY manager_id) AS first_from
    FROM dim_membership
)
SELECT c.call_id, arg_min(s.office_id, (s.role <> 'manager', -epoch_us(s.valid_from), s.office_id)) AS office_id
FROM loading_call c
JOIN spans s
    ON s.manager_id = c.manager_id
    AND (s.valid_from <= c.started_at OR s.valid_from = s.first_from)
    AND (s.valid_to IS NULL OR c.started_at < s.valid_to)
GROUP BY c.call_id;
