-- A mean of fewer than 10 calls says more about luck than about the manager: such rows have no rank.
CREATE OR REPLACE MACRO manager_ranking_between(since, until) AS TABLE
WITH
calls AS (
    SELECT manager_id, count(*) AS calls FROM fact_call WHERE day BETWEEN since AND until GROUP BY manager_id
),
scored AS (
    SELECT manager_id, checklist_id, count(*) AS n, avg(final_completion) AS mean, stddev_samp(final_completion) AS deviation
    FROM fact_checklist
    WHERE day BETWEEN since AND until AND final_completion IS NOT NULL
    GROUP BY manager_id, checklist_id
),
measured AS (
    SELECT s.*, c.calls, CASE WHEN n > 1 THEN t_quantile(n - 1) * deviation / sqrt(n) END AS margin
    FROM scored s JOIN calls c USING (manager_id)
)
SELECT
    checklist_id,
    CASE WHEN n >= 10 THEN rank() OVER (PARTITION BY checklist_id, n >= 10 ORDER BY mean DESC) END AS rank,
    manager_id,
    coalesce(d.full_name, manager_id) AS manager,
    n,
    calls,
    round(100.0 * n / calls, 1) AS coverage,
    round(mean, 1) AS mean,
    round(greatest(0, mean - margin), 1) AS low,
    round(least(100, mean + margin), 1) AS high
FROM measured LEFT JOIN dim_manager d USING (manager_id);

CREATE OR REPLACE VIEW manager_ranking AS
FROM manager_ranking_between(DATE '0001-01-01', DATE '9999-12-31')
ORDER BY checklist_id, rank NULLS LAST, mean DESC, manager_id;

COMMENT ON VIEW manager_ranking IS 'Рейтинг менеджеров по каждому чек-листу за всё время; за период — manager_ranking_between(с, по). // Ranking of managers by each checklist over all time; for a period, manager_ranking_between(since, until).';
COMMENT ON COLUMN manager_ranking.checklist_id IS 'Чек-лист. // Checklist.';
COMMENT ON COLUMN manager_ranking.rank IS 'Место; пусто, если оценено меньше 10 звонков. // Place; empty under 10 scored calls.';
COMMENT ON COLUMN manager_ranking.manager_id IS 'Менеджер. // Manager.';
COMMENT ON COLUMN manager_ranking.manager IS 'Имя менеджера. // Name of the manager.';
COMMENT ON COLUMN manager_ranking.n IS 'Сколько звонков оценено по этому чек-листу. // How many calls were scored by this checklist.';
COMMENT ON COLUMN manager_ranking.calls IS 'Сколько всего звонков у менеджера. // How many calls the manager has in all.';
COMMENT ON COLUMN manager_ranking.coverage IS 'Доля оценённых звонков, 0–100. // Share of calls that were scored, 0–100.';
COMMENT ON COLUMN manager_ranking.mean IS 'Средний процент выполнения с учётом исправлений людей. // Mean completion percentage with people''s corrections.';
COMMENT ON COLUMN manager_ranking.low IS 'Нижняя граница 95 % доверительного интервала среднего. // Lower bound of the 95 % confidence interval of the mean.';
COMMENT ON COLUMN manager_ranking.high IS 'Верхняя граница 95 % доверительного интервала среднего. // Upper bound of the 95 % confidence interval of the mean.';
