SELECT day, round(avg(completion), 1) AS mean, count(*) AS n FROM scored GROUP BY day ORDER BY day
