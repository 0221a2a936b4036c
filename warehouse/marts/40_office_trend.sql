CREATE OR REPLACE VIEW office_trend AS
WITH weeks AS (
    SELECT
        checklist_id,
        office_id,
        date_trunc('week', day)::DATE AS week,
        count(*) AS n,
        count(DISTINCT manager_id) AS managers,
        avg(final_completion) AS mean
    FROM fact_checklist
    WHERE final_completion IS NOT NULL
    GROUP BY ALL
)
SELECT
    checklist_id,
    office_id,
    coalesce(o.title, 'Без офиса') AS office,
    week,
    n,
    managers,
    round(mean, 1) AS mean,
    round(mean - lag(mean) OVER weeks, 1) AS change,
    round(sum(mean * n) OVER month / sum(n) OVER month, 1) AS mean_4_weeks
FROM weeks LEFT JOIN dim_office o USING (office_id)
WINDOW
    weeks AS (PARTITION BY checklist_id, office_id ORDER BY week),
    month AS (PARTITION BY checklist_id, office_id ORDER BY week RANGE BETWEEN INTERVAL 3 WEEKS PRECEDING AND CURRENT ROW)
ORDER BY checklist_id, office_id, week;

COMMENT ON VIEW office_trend IS 'Выполнение скрипта по офисам и неделям; офис — на момент звонка. // Completion by office and week; the office is that of the time of the call.';
COMMENT ON COLUMN office_trend.checklist_id IS 'Чек-лист. // Checklist.';
COMMENT ON COLUMN office_trend.office_id IS 'Офис; пусто у звонков без известного офиса. // Office; empty for calls whose office is unknown.';
COMMENT ON COLUMN office_trend.office IS 'Название офиса. // Name of the office.';
COMMENT ON COLUMN office_trend.week IS 'Понедельник недели. // Monday of the week.';
COMMENT ON COLUMN office_trend.n IS 'Оценённых звонков. // Scored calls.';
COMMENT ON COLUMN office_trend.managers IS 'Менеджеров, чьи звонки оценены. // Managers with scored calls.';
COMMENT ON COLUMN office_trend.mean IS 'Средний процент выполнения за неделю. // Mean completion percentage of the week.';
COMMENT ON COLUMN office_trend.change IS 'Изменение к предыдущей неделе со звонками, процентных пунктов. // Change from the previous week that had calls, percentage points.';
COMMENT ON COLUMN office_trend.mean_4_weeks IS 'Средний процент выполнения за четыре недели. // Mean completion percentage of four weeks.';
