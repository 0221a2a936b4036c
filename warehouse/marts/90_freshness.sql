CREATE OR REPLACE VIEW freshness AS
SELECT
    s.loaded_at,
    s.published_at,
    round(epoch(now()) - epoch(coalesce(s.published_at, s.loaded_at)), 1) AS age_seconds,
    s.loaded_seq,
    c.calls,
    c.newest_call,
    c.newest_result
FROM load_state s, (SELECT count(*) AS calls, max(started_at) AS newest_call, max(finished_at) AS newest_result FROM fact_call) c;

COMMENT ON VIEW freshness IS 'Насколько свежи данные: одна строка. // How fresh the data is: one row.';
COMMENT ON COLUMN freshness.loaded_at IS 'Когда данные последний раз изменились, UTC. // When the data last changed, UTC.';
COMMENT ON COLUMN freshness.published_at IS 'Когда этот файл опубликован, UTC. // When this file was published, UTC.';
COMMENT ON COLUMN freshness.age_seconds IS 'Сколько секунд прошло с публикации. // Seconds since the publication.';
COMMENT ON COLUMN freshness.loaded_seq IS 'Наибольший загруженный номер очереди. // Highest loaded number of the load queue.';
COMMENT ON COLUMN freshness.calls IS 'Звонков в витрине. // Calls in the warehouse.';
COMMENT ON COLUMN freshness.newest_call IS 'Начало самого нового звонка, UTC. // Start of the newest call, UTC.';
COMMENT ON COLUMN freshness.newest_result IS 'Когда закончена обработка последнего звонка, UTC. // When the last call''s processing ended, UTC.';
