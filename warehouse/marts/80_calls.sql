CREATE OR REPLACE VIEW calls AS
SELECT
    c.call_id,
    c.day,
    c.started_local,
    coalesce(m.full_name, c.manager_id) AS manager,
    coalesce(o.title, 'Без офиса') AS office,
    c.manager_id,
    c.office_id,
    c.deal_id,
    c.deal_stage_id,
    c.direction,
    c.status,
    c.duration,
    k.checklist_id,
    k.final_completion AS completion,
    k.total_score,
    k.max_score,
    link_to(c.page, NULL) AS link
FROM fact_call c
LEFT JOIN fact_checklist k ON k.call_id = c.call_id AND k.day = c.day
LEFT JOIN dim_manager m ON m.manager_id = c.manager_id
LEFT JOIN dim_office o ON o.office_id = c.office_id;

COMMENT ON VIEW calls IS 'Звонки с именами и оценками: строка на звонок и чек-лист; звонок без оценки — одна строка. // Calls with names and scores: a row a call and checklist; a call without a score has one row.';
COMMENT ON COLUMN calls.call_id IS 'Звонок. // Call.';
COMMENT ON COLUMN calls.day IS 'День разговора. // Day of the conversation.';
COMMENT ON COLUMN calls.started_local IS 'Начало по времени компании. // Start in the company''s time zone.';
COMMENT ON COLUMN calls.manager IS 'Имя менеджера. // Name of the manager.';
COMMENT ON COLUMN calls.office IS 'Офис на момент разговора. // Office at the time of the conversation.';
COMMENT ON COLUMN calls.manager_id IS 'Менеджер. // Manager.';
COMMENT ON COLUMN calls.office_id IS 'Офис (идентификатор). // Office (its id).';
COMMENT ON COLUMN calls.deal_id IS 'Сделка. // Deal.';
COMMENT ON COLUMN calls.deal_stage_id IS 'Этап сделки. // Stage of the deal.';
COMMENT ON COLUMN calls.direction IS 'Направление: in или out. // Direction: in or out.';
COMMENT ON COLUMN calls.status IS 'Итог: done, no_speech или failed. // Outcome: done, no_speech or failed.';
COMMENT ON COLUMN calls.duration IS 'Длительность, секунды. // Length, seconds.';
COMMENT ON COLUMN calls.checklist_id IS 'Чек-лист; пусто у звонка без оценки. // Checklist; empty for a call without a score.';
COMMENT ON COLUMN calls.completion IS 'Процент выполнения с учётом исправлений. // Completion percentage with corrections.';
COMMENT ON COLUMN calls.total_score IS 'Общий балл. // Total score.';
COMMENT ON COLUMN calls.max_score IS 'Наибольший возможный балл. // Highest possible score.';
COMMENT ON COLUMN calls.link IS 'Страница звонка. // Page of the call.';
