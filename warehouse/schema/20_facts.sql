CREATE TABLE fact_call (
    call_id VARCHAR NOT NULL,
    day DATE NOT NULL,
    started_at TIMESTAMP NOT NULL,
    started_local TIMESTAMP NOT NULL,
    received_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP,
    manager_id VARCHAR NOT NULL,
    office_id VARCHAR,
    deal_id VARCHAR NOT NULL,
    deal_stage_id VARCHAR NOT NULL,
    direction VARCHAR,
    language VARCHAR,
    status VARCHAR NOT NULL,
    reason_code VARCHAR,
    attempt INTEGER NOT NULL,
    warnings VARCHAR[] NOT NULL,
    duration DOUBLE,
    format VARCHAR,
    codec VARCHAR,
    channels INTEGER,
    audio_bytes BIGINT,
    asr_engine VARCHAR,
    asr_model VARCHAR,
    is_partial BOOLEAN,
    utterances INTEGER NOT NULL,
    manager_words INTEGER NOT NULL,
    customer_words INTEGER NOT NULL,
    manager_seconds DOUBLE NOT NULL,
    customer_seconds DOUBLE NOT NULL,
    silence_seconds DOUBLE,
    longest_monologue DOUBLE NOT NULL,
    manager_questions INTEGER NOT NULL,
    speaker_switches INTEGER NOT NULL,
    interruptions INTEGER NOT NULL,
    page VARCHAR NOT NULL
);
COMMENT ON TABLE fact_call IS 'Звонки, обработка которых закончена: одна строка на звонок. // Calls whose processing has ended: one row a call.';
COMMENT ON COLUMN fact_call.call_id IS 'Идентификатор звонка в CRM. // Id of the call in the CRM.';
COMMENT ON COLUMN fact_call.day IS 'День разговора по времени компании (ROP_TIME_ZONE). // Day of the conversation in the company''s time zone (ROP_TIME_ZONE).';
COMMENT ON COLUMN fact_call.started_at IS 'Начало разговора, UTC; время приёма, если CRM его не прислала. // Start of the conversation, UTC; the time of receipt when the CRM did not send it.';
COMMENT ON COLUMN fact_call.started_local IS 'Начало разговора по времени компании. // Start of the conversation in the company''s time zone.';
COMMENT ON COLUMN fact_call.received_at IS 'Когда звонок принят от CRM, UTC. // When the call was accepted from the CRM, UTC.';
COMMENT ON COLUMN fact_call.finished_at IS 'Когда обработка закончена, UTC. // When the processing ended, UTC.';
COMMENT ON COLUMN fact_call.manager_id IS 'Менеджер. // Manager.';
COMMENT ON COLUMN fact_call.office_id IS 'Офис менеджера на момент разговора; пусто, если неизвестен. // Office of the manager at the time of the conversation; empty when unknown.';
COMMENT ON COLUMN fact_call.deal_id IS 'Сделка в CRM. // Deal in the CRM.';
COMMENT ON COLUMN fact_call.deal_stage_id IS 'Этап сделки в CRM на момент звонка. // Stage of the deal in the CRM at the time of the call.';
COMMENT ON COLUMN fact_call.direction IS 'Направление: in или out; пусто, если CRM не прислала. // Direction: in or out; empty when the CRM did not send it.';
COMMENT ON COLUMN fact_call.language IS 'Язык разговора. // Language of the conversation.';
COMMENT ON COLUMN fact_call.status IS 'Итог: done, no_speech или failed. // Outcome: done, no_speech or failed.';
COMMENT ON COLUMN fact_call.reason_code IS 'Код причины для failed. // Code of the reason of failed.';
COMMENT ON COLUMN fact_call.attempt IS 'Который раз CRM прислала звонок, с 1. // Which time the CRM sent the call, from 1.';
COMMENT ON COLUMN fact_call.warnings IS 'Предупреждения обработки. // Warnings of the processing.';
COMMENT ON COLUMN fact_call.duration IS 'Длительность записи, секунды. // Length of the recording, seconds.';
COMMENT ON COLUMN fact_call.format IS 'Формат записи: mp3, wav или ogg. // Format of the recording: mp3, wav or ogg.';
COMMENT ON COLUMN fact_call.codec IS 'Кодек записи. // Codec of the recording.';
COMMENT ON COLUMN fact_call.channels IS 'Каналов в записи. // Channels of the recording.';
COMMENT ON COLUMN fact_call.audio_bytes IS 'Размер записи, байты. // Size of the recording, bytes.';
COMMENT ON COLUMN fact_call.asr_engine IS 'Чем распознана речь. // What recognised the speech.';
COMMENT ON COLUMN fact_call.asr_model IS 'Модель распознавания. // Model of the recognition.';
COMMENT ON COLUMN fact_call.is_partial IS 'Распознана не вся запись. // Only a part of the recording was recognised.';
COMMENT ON COLUMN fact_call.utterances IS 'Реплик в разговоре. // Utterances in the conversation.';
COMMENT ON COLUMN fact_call.manager_words IS 'Слов менеджера. // Words of the manager.';
COMMENT ON COLUMN fact_call.customer_words IS 'Слов клиента. // Words of the customer.';
COMMENT ON COLUMN fact_call.manager_seconds IS 'Сколько говорил менеджер, секунды. // How long the manager spoke, seconds.';
COMMENT ON COLUMN fact_call.customer_seconds IS 'Сколько говорил клиент, секунды. // How long the customer spoke, seconds.';
COMMENT ON COLUMN fact_call.silence_seconds IS 'Тишина, секунды: длительность без времени, когда говорил хоть кто-то. // Silence, seconds: the length without the time in which anybody spoke.';
COMMENT ON COLUMN fact_call.longest_monologue IS 'Самая длинная речь менеджера без реплик клиента, секунды. // Longest speech of the manager without a word of the customer, seconds.';
COMMENT ON COLUMN fact_call.manager_questions IS 'Вопросов менеджера. // Questions of the manager.';
COMMENT ON COLUMN fact_call.speaker_switches IS 'Сколько раз слово переходило от одного к другому. // How often the word passed from one to the other.';
COMMENT ON COLUMN fact_call.interruptions IS 'Сколько раз менеджер начал говорить, пока говорил клиент. // How often the manager began while the customer still spoke.';
COMMENT ON COLUMN fact_call.page IS 'Путь страницы звонка. // Path of the call''s page.';

CREATE TABLE fact_utterance (
    call_id VARCHAR NOT NULL,
    day DATE NOT NULL,
    utterance_id INTEGER NOT NULL,
    start_seconds DOUBLE NOT NULL,
    end_seconds DOUBLE NOT NULL,
    speaker VARCHAR NOT NULL,
    channel INTEGER,
    text VARCHAR NOT NULL,
    words INTEGER NOT NULL,
    confidence DOUBLE NOT NULL
);
COMMENT ON TABLE fact_utterance IS 'Реплики разговоров. // Utterances of conversations.';
COMMENT ON COLUMN fact_utterance.call_id IS 'Звонок. // Call.';
COMMENT ON COLUMN fact_utterance.day IS 'День разговора по времени компании. // Day of the conversation in the company''s time zone.';
COMMENT ON COLUMN fact_utterance.utterance_id IS 'Номер реплики в разговоре, с 0. // Number of the utterance in the conversation, from 0.';
COMMENT ON COLUMN fact_utterance.start_seconds IS 'Начало реплики от начала записи, секунды. // Start of the utterance in the recording, seconds.';
COMMENT ON COLUMN fact_utterance.end_seconds IS 'Конец реплики от начала записи, секунды. // End of the utterance in the recording, seconds.';
COMMENT ON COLUMN fact_utterance.speaker IS 'Кто говорит: manager, customer или unknown. // Who speaks: manager, customer or unknown.';
COMMENT ON COLUMN fact_utterance.channel IS 'Канал записи; пусто у одноканальной. // Channel of the recording; empty for mono.';
COMMENT ON COLUMN fact_utterance.text IS 'Текст реплики. // Text of the utterance.';
COMMENT ON COLUMN fact_utterance.words IS 'Слов в реплике. // Words in the utterance.';
COMMENT ON COLUMN fact_utterance.confidence IS 'Уверенность распознавания, 0–1. // Confidence of the recognition, 0–1.';

CREATE TABLE fact_checklist (
    call_id VARCHAR NOT NULL,
    day DATE NOT NULL,
    checklist_id VARCHAR NOT NULL,
    checklist_version VARCHAR NOT NULL,
    manager_id VARCHAR NOT NULL,
    office_id VARCHAR,
    deal_stage_id VARCHAR NOT NULL,
    revision INTEGER NOT NULL,
    status VARCHAR NOT NULL,
    total_score INTEGER,
    max_score INTEGER,
    completion DOUBLE,
    final_completion DOUBLE,
    engine VARCHAR,
    model VARCHAR,
    prompt_hash VARCHAR,
    prompt_tokens BIGINT,
    completion_tokens BIGINT,
    seconds DOUBLE,
    flags VARCHAR[] NOT NULL,
    scored_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE fact_checklist IS 'Оценки звонков: одна строка на звонок и чек-лист, только действующая ревизия. // Scores of calls: one row a call and checklist, the current revision only.';
COMMENT ON COLUMN fact_checklist.call_id IS 'Звонок. // Call.';
COMMENT ON COLUMN fact_checklist.day IS 'День разговора по времени компании. // Day of the conversation in the company''s time zone.';
COMMENT ON COLUMN fact_checklist.checklist_id IS 'Чек-лист. // Checklist.';
COMMENT ON COLUMN fact_checklist.checklist_version IS 'Версия чек-листа, по которой выставлена оценка. // Version of the checklist that the score is by.';
COMMENT ON COLUMN fact_checklist.manager_id IS 'Менеджер звонка. // Manager of the call.';
COMMENT ON COLUMN fact_checklist.office_id IS 'Офис менеджера на момент разговора; пусто, если неизвестен. // Office of the manager at the time of the conversation; empty when unknown.';
COMMENT ON COLUMN fact_checklist.deal_stage_id IS 'Этап сделки на момент звонка. // Stage of the deal at the time of the call.';
COMMENT ON COLUMN fact_checklist.revision IS 'Номер ревизии оценки, с 1. // Number of the revision of the score, from 1.';
COMMENT ON COLUMN fact_checklist.status IS 'Итог: ok или failed (оценить не удалось). // Outcome: ok, or failed when it could not be scored.';
COMMENT ON COLUMN fact_checklist.total_score IS 'Общий балл: сумма вес × балл по применимым этапам; бывает отрицательным. // Total: the sum of weight × score over applicable stages; may be negative.';
COMMENT ON COLUMN fact_checklist.max_score IS 'Наибольший возможный балл: сумма весов применимых этапов. // Highest possible total: the sum of weights of applicable stages.';
COMMENT ON COLUMN fact_checklist.completion IS 'Процент выполнения по оценке системы, 0–100. // Completion by the machine''s scores, 0–100 percent.';
COMMENT ON COLUMN fact_checklist.final_completion IS 'Процент выполнения с учётом исправлений людей, 0–100; пусто, если не применим ни один этап. // Completion with people''s corrections, 0–100 percent; empty when no stage applies.';
COMMENT ON COLUMN fact_checklist.engine IS 'Движок анализа: rules или openai. // Engine of the analysis: rules or openai.';
COMMENT ON COLUMN fact_checklist.model IS 'Модель движка. // Model of the engine.';
COMMENT ON COLUMN fact_checklist.prompt_hash IS 'Хеш запроса к модели. // Hash of the request to the model.';
COMMENT ON COLUMN fact_checklist.prompt_tokens IS 'Токенов в запросе. // Tokens of the request.';
COMMENT ON COLUMN fact_checklist.completion_tokens IS 'Токенов в ответе. // Tokens of the answer.';
COMMENT ON COLUMN fact_checklist.seconds IS 'Сколько длился анализ, секунды. // How long the analysis took, seconds.';
COMMENT ON COLUMN fact_checklist.flags IS 'Отметки движка о разговоре. // Marks of the engine about the conversation.';
COMMENT ON COLUMN fact_checklist.scored_at IS 'Когда выставлена оценка, UTC. // When it was scored, UTC.';

CREATE TABLE fact_stage (
    call_id VARCHAR NOT NULL,
    day DATE NOT NULL,
    checklist_id VARCHAR NOT NULL,
    checklist_version VARCHAR NOT NULL,
    deal_stage_id VARCHAR NOT NULL,
    stage_id VARCHAR NOT NULL,
    stage_name VARCHAR NOT NULL,
    position INTEGER NOT NULL,
    weight INTEGER,
    status VARCHAR NOT NULL,
    score INTEGER,
    percentage DOUBLE,
    final_score INTEGER,
    is_carried BOOLEAN NOT NULL,
    quote VARCHAR NOT NULL,
    quote_start DOUBLE,
    quote_end DOUBLE,
    speaker VARCHAR,
    moment_quote VARCHAR,
    moment_seconds DOUBLE,
    comment VARCHAR NOT NULL,
    confidence DOUBLE,
    is_verified BOOLEAN NOT NULL,
    person_score INTEGER,
    person_reason VARCHAR,
    person VARCHAR,
    person_at TIMESTAMP
);
COMMENT ON TABLE fact_stage IS 'Оценки этапов: одна строка на звонок, чек-лист и этап. // Scores of stages: one row a call, checklist and stage.';
COMMENT ON COLUMN fact_stage.call_id IS 'Звонок. // Call.';
COMMENT ON COLUMN fact_stage.day IS 'День разговора по времени компании. // Day of the conversation in the company''s time zone.';
COMMENT ON COLUMN fact_stage.checklist_id IS 'Чек-лист. // Checklist.';
COMMENT ON COLUMN fact_stage.checklist_version IS 'Версия чек-листа. // Version of the checklist.';
COMMENT ON COLUMN fact_stage.deal_stage_id IS 'Этап сделки на момент звонка. // Stage of the deal at the time of the call.';
COMMENT ON COLUMN fact_stage.stage_id IS 'Этап. // Stage.';
COMMENT ON COLUMN fact_stage.stage_name IS 'Название этапа на момент оценки. // Name of the stage when it was scored.';
COMMENT ON COLUMN fact_stage.position IS 'Место этапа в его версии чек-листа, с 1. // Place of the stage in its version of the checklist, from 1.';
COMMENT ON COLUMN fact_stage.weight IS 'Вес этапа. // Weight of the stage.';
COMMENT ON COLUMN fact_stage.status IS 'Оценка системы: completed, failed или not_applicable. // Score of the machine: completed, failed or not_applicable.';
COMMENT ON COLUMN fact_stage.score IS 'Балл системы: 1 или -1; пусто у неприменимого. // Score of the machine: 1 or -1; empty when not applicable.';
COMMENT ON COLUMN fact_stage.percentage IS 'Доля выполненных критериев, 0–100; пусто у неприменимого. // Share of criteria met, 0–100; empty when not applicable.';
COMMENT ON COLUMN fact_stage.final_score IS 'Балл с учётом исправления человека: 1, -1 или пусто, если этап не применим. // Score with a person''s correction: 1, -1, or empty when not applicable.';
COMMENT ON COLUMN fact_stage.is_carried IS 'Этап и все применимые этапы до него выполнены. // The stage and every applicable stage before it are completed.';
COMMENT ON COLUMN fact_stage.quote IS 'Дословная цитата из разговора; пустая строка, если её нет. // Verbatim quote of the conversation; an empty string when there is none.';
COMMENT ON COLUMN fact_stage.quote_start IS 'Начало цитаты от начала записи, секунды. // Start of the quote in the recording, seconds.';
COMMENT ON COLUMN fact_stage.quote_end IS 'Конец цитаты от начала записи, секунды. // End of the quote in the recording, seconds.';
COMMENT ON COLUMN fact_stage.speaker IS 'Чья цитата. // Whose quote.';
COMMENT ON COLUMN fact_stage.moment_quote IS 'У невыполненного этапа: его цитата, а без неё — последнего выполненного до него; так видно, где в разговоре он упущен. // Of a failed stage: its quote, or else that of the last completed stage before it; it shows where in the call the stage was missed.';
COMMENT ON COLUMN fact_stage.moment_seconds IS 'Время этой цитаты от начала записи, секунды. // Time of this quote in the recording, seconds.';
COMMENT ON COLUMN fact_stage.comment IS 'Комментарий анализа; у неприменимого этапа — причина. // Comment of the analysis; the reason of a stage that does not apply.';
COMMENT ON COLUMN fact_stage.confidence IS 'Уверенность движка, 0–1. // Confidence of the engine, 0–1.';
COMMENT ON COLUMN fact_stage.is_verified IS 'Доказательство найдено в расшифровке. // The evidence was found in the transcript.';
COMMENT ON COLUMN fact_stage.person_score IS 'Оценка человека: 1, -1 или 0 (не применим); пусто, если человек этап не смотрел. // Mark of a person: 1, -1 or 0 (not applicable); empty when nobody looked.';
COMMENT ON COLUMN fact_stage.person_reason IS 'Почему человек поставил свою оценку. // Why the person gave this mark.';
COMMENT ON COLUMN fact_stage.person IS 'Кто поставил. // Who gave it.';
COMMENT ON COLUMN fact_stage.person_at IS 'Когда поставил, UTC. // When it was given, UTC.';

CREATE TABLE fact_table (
    call_id VARCHAR NOT NULL,
    day DATE NOT NULL,
    table_id VARCHAR NOT NULL,
    table_version VARCHAR NOT NULL,
    revision INTEGER NOT NULL,
    status VARCHAR NOT NULL,
    fields INTEGER NOT NULL,
    filled INTEGER NOT NULL,
    engine VARCHAR,
    model VARCHAR,
    prompt_hash VARCHAR,
    prompt_tokens BIGINT,
    completion_tokens BIGINT,
    seconds DOUBLE,
    flags VARCHAR[] NOT NULL,
    extracted_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE fact_table IS 'Разборы звонков по аналитическим таблицам: одна строка на звонок и таблицу, только действующая ревизия. // Readings of calls by analytical tables: one row a call and table, the current revision only.';
COMMENT ON COLUMN fact_table.call_id IS 'Звонок. // Call.';
COMMENT ON COLUMN fact_table.day IS 'День разговора по времени компании. // Day of the conversation in the company''s time zone.';
COMMENT ON COLUMN fact_table.table_id IS 'Таблица. // Table.';
COMMENT ON COLUMN fact_table.table_version IS 'Версия таблицы. // Version of the table.';
COMMENT ON COLUMN fact_table.revision IS 'Номер ревизии разбора, с 1. // Number of the revision of the reading, from 1.';
COMMENT ON COLUMN fact_table.status IS 'Итог: ok или failed (разобрать не удалось). // Outcome: ok, or failed when it could not be read.';
COMMENT ON COLUMN fact_table.fields IS 'Полей в таблице. // Fields of the table.';
COMMENT ON COLUMN fact_table.filled IS 'Из них найдено значений. // How many of them have a value.';
COMMENT ON COLUMN fact_table.engine IS 'Движок анализа: rules или openai. // Engine of the analysis: rules or openai.';
COMMENT ON COLUMN fact_table.model IS 'Модель движка. // Model of the engine.';
COMMENT ON COLUMN fact_table.prompt_hash IS 'Хеш запроса к модели. // Hash of the request to the model.';
COMMENT ON COLUMN fact_table.prompt_tokens IS 'Токенов в запросе. // Tokens of the request.';
COMMENT ON COLUMN fact_table.completion_tokens IS 'Токенов в ответе. // Tokens of the answer.';
COMMENT ON COLUMN fact_table.seconds IS 'Сколько длился разбор, секунды. // How long the reading took, seconds.';
COMMENT ON COLUMN fact_table.flags IS 'Отметки движка о разговоре. // Marks of the engine about the conversation.';
COMMENT ON COLUMN fact_table.extracted_at IS 'Когда разобран, UTC. // When it was read, UTC.';

CREATE TABLE fact_table_value (
    call_id VARCHAR NOT NULL,
    day DATE NOT NULL,
    table_id VARCHAR NOT NULL,
    table_version VARCHAR NOT NULL,
    field_name VARCHAR NOT NULL,
    is_filled BOOLEAN NOT NULL,
    value_text VARCHAR,
    value_number DOUBLE,
    value_bool BOOLEAN,
    value_date DATE,
    value_time TIMESTAMP,
    value_list VARCHAR[],
    reason VARCHAR NOT NULL,
    quote VARCHAR NOT NULL,
    quote_start DOUBLE,
    confidence DOUBLE NOT NULL
);
COMMENT ON TABLE fact_table_value IS 'Значения аналитических таблиц: одна строка на звонок, таблицу и поле. Удобнее представления table_…: одна колонка на поле. // Values of analytical tables: one row a call, table and field. The views table_… are handier: one column a field.';
COMMENT ON COLUMN fact_table_value.call_id IS 'Звонок. // Call.';
COMMENT ON COLUMN fact_table_value.day IS 'День разговора по времени компании. // Day of the conversation in the company''s time zone.';
COMMENT ON COLUMN fact_table_value.table_id IS 'Таблица. // Table.';
COMMENT ON COLUMN fact_table_value.table_version IS 'Версия таблицы. // Version of the table.';
COMMENT ON COLUMN fact_table_value.field_name IS 'Поле. // Field.';
COMMENT ON COLUMN fact_table_value.is_filled IS 'Значение найдено. // A value was found.';
COMMENT ON COLUMN fact_table_value.value_text IS 'Значение текстом, каким бы ни был его тип. // The value as text, whatever its type.';
COMMENT ON COLUMN fact_table_value.value_number IS 'Число или сумма. // Number or amount.';
COMMENT ON COLUMN fact_table_value.value_bool IS 'Да или нет. // Yes or no.';
COMMENT ON COLUMN fact_table_value.value_date IS 'Дата; у момента времени — его день. // Date; of a moment, its day.';
COMMENT ON COLUMN fact_table_value.value_time IS 'Момент времени, как он назван в разговоре. // Moment, as it was named in the conversation.';
COMMENT ON COLUMN fact_table_value.value_list IS 'Список значений. // List of values.';
COMMENT ON COLUMN fact_table_value.reason IS 'Почему значения нет. // Why there is no value.';
COMMENT ON COLUMN fact_table_value.quote IS 'Реплика, из которой взято значение; пустая строка, если её нет. // Utterance the value was taken from; an empty string when there is none.';
COMMENT ON COLUMN fact_table_value.quote_start IS 'Начало этой реплики от начала записи, секунды. // Start of this utterance in the recording, seconds.';
COMMENT ON COLUMN fact_table_value.confidence IS 'Уверенность движка, 0–1. // Confidence of the engine, 0–1.';

CREATE TABLE fact_delivery (
    delivery_id VARCHAR NOT NULL,
    call_id VARCHAR NOT NULL,
    day DATE NOT NULL,
    event VARCHAR NOT NULL,
    endpoint_id VARCHAR NOT NULL,
    owner_kind VARCHAR NOT NULL,
    owner_id VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    attempts INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    first_attempt_at TIMESTAMP,
    last_attempt_at TIMESTAMP,
    delivered_at TIMESTAMP,
    last_status_code INTEGER,
    last_error_code VARCHAR,
    attempt_seconds DOUBLE NOT NULL
);
COMMENT ON TABLE fact_delivery IS 'Уведомления (webhook): одна строка на уведомление о звонке. // Webhooks: one row a webhook of a call.';
COMMENT ON COLUMN fact_delivery.delivery_id IS 'Идентификатор уведомления (заголовок webhook-id). // Id of the webhook (the webhook-id header).';
COMMENT ON COLUMN fact_delivery.call_id IS 'Звонок. // Call.';
COMMENT ON COLUMN fact_delivery.day IS 'День разговора по времени компании. // Day of the conversation in the company''s time zone.';
COMMENT ON COLUMN fact_delivery.event IS 'Событие. // Event.';
COMMENT ON COLUMN fact_delivery.endpoint_id IS 'Адрес получателя (его идентификатор). // Address it goes to (its id).';
COMMENT ON COLUMN fact_delivery.owner_kind IS 'Чей адрес: checklist, table или key. // Whose address: checklist, table or key.';
COMMENT ON COLUMN fact_delivery.owner_id IS 'Идентификатор чек-листа, таблицы или ключа. // Id of the checklist, table or key.';
COMMENT ON COLUMN fact_delivery.status IS 'Состояние уведомления. // State of the webhook.';
COMMENT ON COLUMN fact_delivery.attempts IS 'Сделано попыток. // Attempts made.';
COMMENT ON COLUMN fact_delivery.created_at IS 'Когда уведомление поставлено в очередь, UTC. // When the webhook was queued, UTC.';
COMMENT ON COLUMN fact_delivery.first_attempt_at IS 'Первая попытка, UTC. // First attempt, UTC.';
COMMENT ON COLUMN fact_delivery.last_attempt_at IS 'Последняя попытка, UTC. // Last attempt, UTC.';
COMMENT ON COLUMN fact_delivery.delivered_at IS 'Когда получен ответ 2xx, UTC. // When a 2xx answer came, UTC.';
COMMENT ON COLUMN fact_delivery.last_status_code IS 'Код последнего ответа. // Status code of the last answer.';
COMMENT ON COLUMN fact_delivery.last_error_code IS 'Код последней ошибки, если ответа не было. // Code of the last error when there was no answer.';
COMMENT ON COLUMN fact_delivery.attempt_seconds IS 'Сколько длились все попытки вместе, секунды. // How long all attempts took together, seconds.';
