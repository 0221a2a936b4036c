CREATE TABLE dim_manager (
    manager_id VARCHAR NOT NULL,
    full_name VARCHAR NOT NULL,
    surname VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    middlename VARCHAR NOT NULL,
    is_synced BOOLEAN NOT NULL,
    is_active BOOLEAN NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE dim_manager IS 'Менеджеры: одна строка на менеджера, текущее имя. // Managers: one row a manager, the present name.';
COMMENT ON COLUMN dim_manager.manager_id IS 'Идентификатор менеджера в CRM. // Id of the manager in the CRM.';
COMMENT ON COLUMN dim_manager.full_name IS 'Фамилия, имя и отчество одной строкой; идентификатор, пока имя не пришло из CRM. // Surname, name and middle name in one; the id until the CRM sends the name.';
COMMENT ON COLUMN dim_manager.surname IS 'Фамилия. // Surname.';
COMMENT ON COLUMN dim_manager.name IS 'Имя. // First name.';
COMMENT ON COLUMN dim_manager.middlename IS 'Отчество. // Middle name.';
COMMENT ON COLUMN dim_manager.is_synced IS 'Имя получено из CRM; false — менеджер известен только по звонкам. // The CRM sent the name; false means known from calls only.';
COMMENT ON COLUMN dim_manager.is_active IS 'Менеджер работает. // The manager still works.';
COMMENT ON COLUMN dim_manager.updated_at IS 'Последнее изменение, UTC. // Last change, UTC.';

CREATE TABLE dim_office (
    office_id VARCHAR NOT NULL,
    title VARCHAR NOT NULL,
    is_active BOOLEAN NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE dim_office IS 'Офисы: одна строка на офис. // Offices: one row an office.';
COMMENT ON COLUMN dim_office.office_id IS 'Идентификатор офиса в CRM. // Id of the office in the CRM.';
COMMENT ON COLUMN dim_office.title IS 'Название офиса. // Name of the office.';
COMMENT ON COLUMN dim_office.is_active IS 'Офис действует. // The office still works.';
COMMENT ON COLUMN dim_office.updated_at IS 'Последнее изменение, UTC. // Last change, UTC.';

CREATE TABLE dim_membership (
    manager_id VARCHAR NOT NULL,
    office_id VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    valid_from TIMESTAMP NOT NULL,
    valid_to TIMESTAMP
);
COMMENT ON TABLE dim_membership IS 'Кто и когда работал в офисе или руководил им. По ней у звонка определяется офис на момент разговора. // Who worked in an office or led it, and when. It gives a call the office of its time.';
COMMENT ON COLUMN dim_membership.manager_id IS 'Менеджер или руководитель. // Manager or leader.';
COMMENT ON COLUMN dim_membership.office_id IS 'Офис. // Office.';
COMMENT ON COLUMN dim_membership.role IS 'Роль: manager или leader. // Role: manager or leader.';
COMMENT ON COLUMN dim_membership.valid_from IS 'С какого момента, UTC. // Since when, UTC.';
COMMENT ON COLUMN dim_membership.valid_to IS 'До какого момента, UTC, не включая его; пусто — по настоящее время. // Until when, UTC, exclusive; empty means until now.';

CREATE TABLE dim_checklist (
    checklist_id VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    number INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    is_current BOOLEAN NOT NULL,
    valid_from TIMESTAMP NOT NULL,
    valid_to TIMESTAMP
);
COMMENT ON TABLE dim_checklist IS 'Версии чек-листов: одна строка на версию. // Versions of checklists: one row a version.';
COMMENT ON COLUMN dim_checklist.checklist_id IS 'Идентификатор чек-листа. // Id of the checklist.';
COMMENT ON COLUMN dim_checklist.version IS 'Версия: хеш содержания. // Version: a hash of the content.';
COMMENT ON COLUMN dim_checklist.number IS 'Порядковый номер версии, с 1. // Number of the version, from 1.';
COMMENT ON COLUMN dim_checklist.name IS 'Название чек-листа в этой версии. // Name of the checklist in this version.';
COMMENT ON COLUMN dim_checklist.is_current IS 'По этой версии оцениваются новые звонки. // New calls are scored by this version.';
COMMENT ON COLUMN dim_checklist.valid_from IS 'Когда версия создана, UTC. // When the version was made, UTC.';
COMMENT ON COLUMN dim_checklist.valid_to IS 'Когда создана следующая версия, UTC; пусто у последней. // When the next version was made, UTC; empty for the last.';

CREATE TABLE dim_stage (
    checklist_id VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    stage_id VARCHAR NOT NULL,
    position INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    weight INTEGER NOT NULL,
    threshold DOUBLE NOT NULL,
    criteria INTEGER NOT NULL
);
COMMENT ON TABLE dim_stage IS 'Этапы чек-листов: одна строка на этап версии. // Stages of checklists: one row a stage of a version.';
COMMENT ON COLUMN dim_stage.checklist_id IS 'Чек-лист. // Checklist.';
COMMENT ON COLUMN dim_stage.version IS 'Версия чек-листа. // Version of the checklist.';
COMMENT ON COLUMN dim_stage.stage_id IS 'Идентификатор этапа. // Id of the stage.';
COMMENT ON COLUMN dim_stage.position IS 'Место этапа в чек-листе, с 1. // Place of the stage in the checklist, from 1.';
COMMENT ON COLUMN dim_stage.name IS 'Название этапа. // Name of the stage.';
COMMENT ON COLUMN dim_stage.description IS 'Описание этапа. // Description of the stage.';
COMMENT ON COLUMN dim_stage.weight IS 'Вес этапа. // Weight of the stage.';
COMMENT ON COLUMN dim_stage.threshold IS 'Доля критериев, с которой этап выполнен, 0–100. // Share of criteria from which the stage is completed, 0–100.';
COMMENT ON COLUMN dim_stage.criteria IS 'Сколько критериев в этапе. // How many criteria the stage has.';

CREATE TABLE dim_table (
    table_id VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    number INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    is_current BOOLEAN NOT NULL,
    valid_from TIMESTAMP NOT NULL,
    valid_to TIMESTAMP
);
COMMENT ON TABLE dim_table IS 'Версии аналитических таблиц: одна строка на версию. // Versions of analytical tables: one row a version.';
COMMENT ON COLUMN dim_table.table_id IS 'Идентификатор таблицы. // Id of the table.';
COMMENT ON COLUMN dim_table.version IS 'Версия: хеш содержания. // Version: a hash of the content.';
COMMENT ON COLUMN dim_table.number IS 'Порядковый номер версии, с 1. // Number of the version, from 1.';
COMMENT ON COLUMN dim_table.name IS 'Название таблицы в этой версии. // Name of the table in this version.';
COMMENT ON COLUMN dim_table.is_current IS 'По этой версии разбираются новые звонки. // New calls are read by this version.';
COMMENT ON COLUMN dim_table.valid_from IS 'Когда версия создана, UTC. // When the version was made, UTC.';
COMMENT ON COLUMN dim_table.valid_to IS 'Когда создана следующая версия, UTC; пусто у последней. // When the next version was made, UTC; empty for the last.';

CREATE TABLE dim_field (
    table_id VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    field_name VARCHAR NOT NULL,
    position INTEGER NOT NULL,
    title VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    is_required BOOLEAN NOT NULL
);
COMMENT ON TABLE dim_field IS 'Поля аналитических таблиц: одна строка на поле версии. // Fields of analytical tables: one row a field of a version.';
COMMENT ON COLUMN dim_field.table_id IS 'Таблица. // Table.';
COMMENT ON COLUMN dim_field.version IS 'Версия таблицы. // Version of the table.';
COMMENT ON COLUMN dim_field.field_name IS 'Имя поля. // Name of the field.';
COMMENT ON COLUMN dim_field.position IS 'Место поля в таблице, с 1. // Place of the field in the table, from 1.';
COMMENT ON COLUMN dim_field.title IS 'Заголовок поля. // Heading of the field.';
COMMENT ON COLUMN dim_field.type IS 'Тип поля: string, text, integer, number, money, bool, date, datetime, phone, email, inn, person, enum или list. // Type: string, text, integer, number, money, bool, date, datetime, phone, email, inn, person, enum or list.';
COMMENT ON COLUMN dim_field.is_required IS 'Поле ожидается в каждом звонке. // A value is expected in every call.';
