-- Results that count, with the marks of people; every report but the list of checklists begins with them.
WITH scored AS (
    SELECT k.call_id, k.day, c.manager_id, c.office_id, c.started_at, k.final_completion AS completion
    FROM fact_checklist k JOIN fact_call c ON c.call_id = k.call_id AND c.day = k.day
    WHERE k.checklist_id = $checklist AND k.day BETWEEN $since AND $until AND k.final_completion IS NOT NULL
      AND ($manager IS NULL OR c.manager_id = $manager) AND ($office IS NULL OR c.office_id = $office)
)
