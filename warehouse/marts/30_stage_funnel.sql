CREATE OR REPLACE MACRO stage_funnel_between(since, until) AS TABLE
WITH counted AS (
    SELECT
        checklist_id,
        checklist_version,
        deal_stage_id,
        stage_id,
        any_value(position) AS position,
        any_value(stage_name) AS stage,
        count(*) AS calls,
        count(final_score) AS applicable,
        count(*) FILTER (final_score = 1) AS completed,
        count(*) FILTER (is_carried) AS carried
    FROM fact_stage
    WHERE day BETWEEN since AND until
    GROUP BY checklist_id, checklist_version, deal_stage_id, stage_id
)
SELECT
    c.checklist_id,
    c.deal_stage_id,
    arg_max(c.position, coalesce(d.number, 0)) AS position,
    c.stage_id,
    arg_max(c.stage, coalesce(d.number, 0)) AS stage,
    sum(c.calls)::BIGINT AS calls,
    sum(c.applicable)::BIGINT AS applicable,
    sum(c.completed)::BIGINT AS completed,
    round(100.0 * sum(c.completed) / nullif(sum(c.applicable), 0), 1) AS rate,
    sum(c.carried)::BIGINT AS carried
FROM counted c
LEFT JOIN dim_checklist d ON d.checklist_id = c.checklist_id AND d.version = c.checklist_version
GROUP BY c.checklist_id, c.deal_stage_id, c.stage_id;

CREATE OR REPLACE VIEW stage_funnel AS
FROM stage_funnel_between(DATE '0001-01-01', DATE '9999-12-31')
ORDER BY checklist_id, deal_stage_id, position, stage_id;

COMMENT ON VIEW stage_funnel IS 'Воронка этапов скрипта по этапам сделки за всё время; за период — stage_funnel_between(с, по). // Funnel of script stages by deal stage over all time; for a period, stage_funnel_between(since, until).';
COMMENT ON COLUMN stage_funnel.checklist_id IS 'Чек-лист. // Checklist.';
COMMENT ON COLUMN stage_funnel.deal_stage_id IS 'Этап сделки на момент звонка. // Stage of the deal at the time of the call.';
COMMENT ON COLUMN stage_funnel.position IS 'Место этапа в новейшей версии чек-листа, где он есть. // Place of the stage in the newest version that has it.';
COMMENT ON COLUMN stage_funnel.stage_id IS 'Этап скрипта. // Stage of the script.';
COMMENT ON COLUMN stage_funnel.stage IS 'Название этапа. // Name of the stage.';
COMMENT ON COLUMN stage_funnel.calls IS 'Оценённых звонков. // Scored calls.';
COMMENT ON COLUMN stage_funnel.applicable IS 'Из них этап применим. // In how many of them the stage applies.';
COMMENT ON COLUMN stage_funnel.completed IS 'Из них этап выполнен. // In how many of those it is completed.';
COMMENT ON COLUMN stage_funnel.rate IS 'Доля выполненных среди применимых, 0–100. // Share completed of those that apply, 0–100.';
COMMENT ON COLUMN stage_funnel.carried IS 'В скольких звонках выполнен этот и все применимые этапы до него. // Calls that completed this and every applicable stage before it.';
