SELECT r.rank, r.manager_id, r.manager, r.n, r.calls, r.coverage, r.mean, r.low, r.high, b.mean AS before, b.n AS before_n
FROM manager_ranking_between($since, $until) r
LEFT JOIN manager_ranking_between($before, $since - 1) b ON b.manager_id = r.manager_id AND b.checklist_id = r.checklist_id
WHERE r.checklist_id = $checklist AND r.manager_id IN (SELECT manager_id FROM scored)
ORDER BY r.rank NULLS LAST, r.mean DESC, r.manager_id
