SELECT count(*) AS n, round(avg(completion), 1) AS mean,
    (SELECT count(*) FROM fact_call c WHERE c.day BETWEEN $since AND $until
        AND ($manager IS NULL OR c.manager_id = $manager) AND ($office IS NULL OR c.office_id = $office)) AS calls
FROM scored
