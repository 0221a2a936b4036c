SELECT
    coalesce(CASE $by WHEN 'manager' THEN manager_id ELSE office_id END, '') AS id,
    date_trunc('week', day)::DATE AS week,
    avg(completion) AS mean,
    count(*) AS n
FROM scored
GROUP BY ALL
ORDER BY id, week
