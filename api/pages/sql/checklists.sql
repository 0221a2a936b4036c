SELECT d.checklist_id, any_value(d.name) AS name, count(k.call_id) AS n
FROM dim_checklist d LEFT JOIN fact_checklist k ON k.checklist_id = d.checklist_id AND k.day BETWEEN $since AND $until
WHERE d.is_current GROUP BY d.checklist_id ORDER BY n DESC, d.checklist_id
