-- Ordered inside, so that a LIMIT is taken before names and links are put together.
CREATE OR REPLACE VIEW worst_moments AS
SELECT
    w.call_id,
    w.day,
    w.started_local,
    coalesce(w.full_name, w.manager_id) AS manager,
    coalesce(w.title, 'Без офиса') AS office,
    w.deal_stage_id,
    w.checklist_id,
    w.final_completion AS completion,
    w.stage_id,
    w.stage_name AS stage,
    w.weight,
    coalesce(w.person_reason, w.comment) AS comment,
    w.moment_quote AS quote,
    w.moment_seconds AS seconds,
    link_to(w.page, w.moment_seconds) AS link
FROM (
    SELECT s.*, k.final_completion, k.deal_stage_id, k.manager_id, c.started_local, c.page, m.full_name, o.title
    FROM fact_stage s
    JOIN fact_checklist k ON k.call_id = s.call_id AND k.checklist_id = s.checklist_id AND k.day = s.day
    JOIN fact_call c ON c.call_id = s.call_id AND c.day = s.day
    LEFT JOIN dim_manager m ON m.manager_id = k.manager_id
    LEFT JOIN dim_office o ON o.office_id = k.office_id
    WHERE s.final_score = -1
    ORDER BY s.weight DESC, k.final_completion, s.call_id, s.position
) w;

COMMENT ON VIEW worst_moments IS 'Невыполненные этапы, самые важные первыми: с чего начать разбор звонков. // Failed stages, the weightiest first: where coaching starts.';
COMMENT ON COLUMN worst_moments.call_id IS 'Звонок. // Call.';
COMMENT ON COLUMN worst_moments.day IS 'День разговора; условие по нему ускоряет запрос. // Day of the conversation; a condition on it makes the query fast.';
COMMENT ON COLUMN worst_moments.started_local IS 'Начало разговора по времени компании. // Start of the conversation in the company''s time zone.';
COMMENT ON COLUMN worst_moments.manager IS 'Имя менеджера. // Name of the manager.';
COMMENT ON COLUMN worst_moments.office IS 'Офис на момент разговора. // Office at the time of the conversation.';
COMMENT ON COLUMN worst_moments.deal_stage_id IS 'Этап сделки. // Stage of the deal.';
COMMENT ON COLUMN worst_moments.checklist_id IS 'Чек-лист. // Checklist.';
COMMENT ON COLUMN worst_moments.completion IS 'Процент выполнения всего звонка. // Completion percentage of the whole call.';
COMMENT ON COLUMN worst_moments.stage_id IS 'Невыполненный этап. // The failed stage.';
COMMENT ON COLUMN worst_moments.stage IS 'Название этапа. // Name of the stage.';
COMMENT ON COLUMN worst_moments.weight IS 'Вес этапа. // Weight of the stage.';
COMMENT ON COLUMN worst_moments.comment IS 'Что не так: причина человека или комментарий анализа. // What is wrong: a person''s reason or the comment of the analysis.';
COMMENT ON COLUMN worst_moments.quote IS 'Цитата этапа, а без неё — последнего выполненного этапа до него. // Quote of the stage, or else of the last completed stage before it.';
COMMENT ON COLUMN worst_moments.seconds IS 'Время этой цитаты от начала записи, секунды. // Time of this quote in the recording, seconds.';
COMMENT ON COLUMN worst_moments.link IS 'Страница звонка на этой секунде. // Page of the call at this second.';
