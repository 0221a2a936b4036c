CREATE TABLE load_state (
    tables_hash VARCHAR NOT NULL,
    views_hash VARCHAR NOT NULL,
    dimensions_hash VARCHAR NOT NULL,
    public_url VARCHAR NOT NULL,
    loaded_seq BIGINT NOT NULL,
    loaded_at TIMESTAMP NOT NULL,
    changes BIGINT NOT NULL,
    published_changes BIGINT NOT NULL,
    published_at TIMESTAMP,
    publish_seconds DOUBLE NOT NULL
);
COMMENT ON TABLE load_state IS 'Состояние загрузки: всегда одна строка, меняется в той же транзакции, что и данные. // State of the load: always one row, changed in the same transaction as the data.';
COMMENT ON COLUMN load_state.tables_hash IS 'Хеш описания таблиц. // Hash of the table definitions.';
COMMENT ON COLUMN load_state.views_hash IS 'Хеш описания представлений. // Hash of the view definitions.';
COMMENT ON COLUMN load_state.dimensions_hash IS 'Хеш загруженных справочников. // Hash of the loaded dimensions.';
COMMENT ON COLUMN load_state.public_url IS 'Адрес страниц, для ссылок в представлениях. // Address of the pages, for links in views.';
COMMENT ON COLUMN load_state.loaded_seq IS 'Наибольший загруженный номер очереди загрузки. // Highest loaded number of the load queue.';
COMMENT ON COLUMN load_state.loaded_at IS 'Когда данные последний раз изменились, UTC. // When the data last changed, UTC.';
COMMENT ON COLUMN load_state.changes IS 'Сколько раз витрина менялась. // How often the warehouse has changed.';
COMMENT ON COLUMN load_state.published_changes IS 'Сколько из этих изменений опубликовано. // How many of these changes are published.';
COMMENT ON COLUMN load_state.published_at IS 'Когда витрина последний раз опубликована, UTC. // When the warehouse was last published, UTC.';
COMMENT ON COLUMN load_state.publish_seconds IS 'Сколько длилась последняя публикация, секунды. // How long the last publication took, seconds.';
