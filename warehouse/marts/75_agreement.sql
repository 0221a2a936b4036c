CREATE OR REPLACE VIEW agreement AS
WITH
marks AS (
    SELECT checklist_id, stage_id, stage_name, coalesce(score, 0) AS machine, person_score AS person
    FROM fact_stage
    WHERE person_score IS NOT NULL
),
counted AS (
    SELECT
        checklist_id,
        stage_id,
        CASE WHEN grouping(stage_id) = 0 THEN any_value(stage_name) END AS stage,
        count(*) AS n,
        avg((machine = person)::INTEGER) AS agreed,
        avg((machine = 1)::INTEGER) AS machine_completed,
        avg((person = 1)::INTEGER) AS person_completed,
        avg((machine = 1)::INTEGER) * avg((person = 1)::INTEGER)
            + avg((machine = -1)::INTEGER) * avg((person = -1)::INTEGER)
            + avg((machine = 0)::INTEGER) * avg((person = 0)::INTEGER) AS by_chance
    FROM marks
    GROUP BY GROUPING SETS ((checklist_id, stage_id), (checklist_id))
)
SELECT
    checklist_id,
    stage_id,
    stage,
    n,
    round(100 * agreed, 1) AS agreed,
    round(100 * machine_completed, 1) AS machine_completed,
    round(100 * person_completed, 1) AS person_completed,
    CASE WHEN by_chance < 1 THEN round((agreed - by_chance) / (1 - by_chance), 3) END AS kappa
FROM counted
ORDER BY checklist_id, stage_id NULLS FIRST;

COMMENT ON VIEW agreement IS 'Согласие системы и людей на этапах, которые люди отметили; строка без этапа — весь чек-лист. Люди чаще отмечают то, с чем не согласны. // Agreement of machine and people on the stages that people marked; the row without a stage is the whole checklist. People mark more often what they disagree with.';
COMMENT ON COLUMN agreement.checklist_id IS 'Чек-лист. // Checklist.';
COMMENT ON COLUMN agreement.stage_id IS 'Этап; пусто — весь чек-лист. // Stage; empty for the whole checklist.';
COMMENT ON COLUMN agreement.stage IS 'Название этапа. // Name of the stage.';
COMMENT ON COLUMN agreement.n IS 'Отметок людей. // Marks of people.';
COMMENT ON COLUMN agreement.agreed IS 'Доля совпавших, 0–100. // Share that agree, 0–100.';
COMMENT ON COLUMN agreement.machine_completed IS 'Доля «выполнен» у системы, 0–100. // Share of completed by the machine, 0–100.';
COMMENT ON COLUMN agreement.person_completed IS 'Доля «выполнен» у людей, 0–100. // Share of completed by people, 0–100.';
COMMENT ON COLUMN agreement.kappa IS 'Каппа Коэна: 1 — полное согласие, 0 — как при случайных оценках; пусто, если у всех одна и та же оценка. // Cohen''s kappa: 1 is full agreement, 0 is chance; empty when all marks are the same.';
