SELECT
    coalesce(m.office_id, '') AS office_id, o.title, m.n, m.managers, c.calls,
    round(100.0 * m.n / c.calls, 1) AS coverage,
    round(m.mean, 1) AS mean,
    round(greatest(0, m.mean - t_quantile(m.n - 1) * m.deviation / sqrt(m.n)), 1) AS low,
    round(least(100, m.mean + t_quantile(m.n - 1) * m.deviation / sqrt(m.n)), 1) AS high
FROM (
    SELECT office_id, count(*) AS n, count(DISTINCT manager_id) AS managers, avg(completion) AS mean, stddev_samp(completion) AS deviation
    FROM scored GROUP BY office_id
) m
JOIN (
    SELECT office_id, count(*) AS calls FROM fact_call WHERE day BETWEEN $since AND $until GROUP BY office_id
) c ON c.office_id IS NOT DISTINCT FROM m.office_id
LEFT JOIN dim_office o ON o.office_id = m.office_id
ORDER BY m.mean DESC, m.office_id
