"""Bodies and answers of the API. Unknown fields are ignored; ids are opaque strings (C12)."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.fields import Hours, Id, Language, Moment, Name, PublicStatus, Score, Seconds, Text, Title, Url
from checklists.results import ChecklistResult
from checklists.transcript import Speaker

MAX_OFFICES = 5_000
MAX_MEMBERS = 20_000
MAX_MANAGERS = 20_000


class Request(BaseModel):
    """Base of every body."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=False)


class Answer(BaseModel):
    """Base of every answer; made of a record, it takes the attributes of its own names."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)


class Upload(Request):
    """Ссылка на запись звонка и то, что CRM о нём знает."""

    manager_id: Id = Field(description="ID менеджера из CRM", examples=["mgr_001"])
    call_id: Id = Field(description="Уникальный ID звонка", examples=["call_12345_20250619"])
    deal_id: Id = Field(description="ID сделки в CRM", examples=["deal_5678"])
    deal_stage_id: Id = Field(description="ID этапа сделки", examples=["stage_qualification"])
    audio_url: Url = Field(description="URL для скачивания аудио", examples=["https://crm.company.com/files/audio/call_12345.mp3"])
    duration: Seconds | None = Field(None, description="Длительность в секундах, подсказка; больше 2700 не принимается", examples=[312])
    manager_channel: Literal["left", "right"] | None = Field(None, description="Канал менеджера в стереозаписи")
    direction: Literal["in", "out"] | None = Field(None, description="Направление звонка")
    language: Language | None = Field(None, description="Язык разговора, две буквы ISO 639-1 или auto", examples=["ru"])
    started_at: Moment | None = Field(
        None, description="Начало разговора, ISO 8601 с часовым поясом", examples=["2025-06-19T10:00:00+03:00"]
    )


class Accepted(Answer):
    """Звонок принят и поставлен в очередь."""

    status: Literal["queued"] = "queued"
    call_id: str = Field(examples=["call_12345_20250619"])


def _unique(name: str) -> AfterValidator:
    """Refuses two items with the same `name` in one list."""

    def check(items: list[Any]) -> list[Any]:
        counts = Counter(getattr(item, name) for item in items)
        if twice := ", ".join(value for value, count in counts.items() if count > 1):
            texts = {"ru": f"повторяется {name}: {twice}", "en": f"{name} occurs twice: {twice}"}
            raise PydanticCustomError("rop", "duplicate", texts)
        return items

    return AfterValidator(check)


class OfficeBody(Request):
    """Офис; списки сотрудников заменяют прежние."""

    office_title: Title = Field(description="Название офиса", examples=["Офис продаж Центр"])
    office_id: Id = Field(description="ID офиса", examples=["office_001"])
    leader_ids: list[Id] = Field(default_factory=list, max_length=MAX_MEMBERS, description="ID руководителей")
    managers_ids: list[Id] = Field(default_factory=list, max_length=MAX_MEMBERS, description="ID менеджеров")


class OfficesUpdate(Request):
    """Структура офисов."""

    offices: Annotated[list[OfficeBody], _unique("office_id")] = Field(min_length=1, max_length=MAX_OFFICES, description="Офисы")
    mode: Literal["merge", "full"] = Field("merge", description="full закрывает офисы, которых нет в запросе")


class ManagerBody(Request):
    """Менеджер."""

    manager_id: Id = Field(description="ID менеджера", examples=["manager_789"])
    name: Name = Field(description="Имя", examples=["Иван"])
    surname: Name = Field(description="Фамилия", examples=["Иванов"])
    middlename: Name = Field("", description="Отчество", examples=["Иванович"])


class ManagersUpdate(Request):
    """Данные менеджеров."""

    managers: Annotated[list[ManagerBody], _unique("manager_id")] = Field(min_length=1, max_length=MAX_MANAGERS, description="Менеджеры")
    mode: Literal["merge", "full"] = Field("merge", description="full отключает менеджеров, которых нет в запросе")


class Synced(Answer):
    """Что изменила синхронизация."""

    status: Literal["ok"] = "ok"
    created: int
    updated: int
    unchanged: int
    deactivated: int | None = Field(None, description="Отключено записей, которых не было в запросе с mode=full")


class Reason(Answer):
    """Почему обработка не удалась или отложена."""

    code: str
    detail: str


class Ready(Answer):
    """Результаты готовы: поля таблицы, null там, где ничего не найдено."""

    ready: Literal[True] = True
    data: dict[str, Any] = Field(examples=[{"field1": "значение1", "field2": "значение2", "custom_field": "результат анализа"}])


class NotReady(Answer):
    """Результатов ещё нет или не будет: `status` говорит, что со звонком."""

    ready: Literal[False] = False
    status: Literal["queued", "processing", "failed", "no_speech"]
    error: Reason | None = None


class Readiness(Answer):
    """Ответ без ключа: только готовность."""

    ready: bool


class Step(Answer):
    """Шаг обработки звонка."""

    at: AwareDatetime
    name: str
    attempt: int
    detail: dict[str, Any]


class CallAnswer(Answer):
    """Состояние звонка: `stage` уточняет `status`, `progress` от 0 до 1 внутри этапа."""

    call_id: str
    status: PublicStatus
    stage: str
    progress: float
    error: Reason | None
    warnings: list[str]
    attempt: int
    manager_id: str
    deal_id: str
    deal_stage_id: str
    duration: float | None = Field(description="Длительность записи в секундах")
    received_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    timeline: list[Step]


class MarkBody(Request):
    """Отметка человека: 1 выполнено, -1 не выполнено, 0 этап не относится к разговору."""

    checklist_id: Id = Field(examples=["sales"])
    stage_id: Id = Field(examples=["greeting"])
    score: Score
    reason: Text = Field(description="Почему", examples=["Представился до записи разговора"])
    author: Title = Field(description="Кто отметил", examples=["Петрова А. И."])


class Mark(Answer):
    """Действующая отметка человека."""

    checklist_id: str
    stage_id: str
    score: int
    reason: str
    author: str
    created_at: AwareDatetime


class ChecklistItem(Answer):
    """Результат одного чек-листа: `result` при `status` ok, `error` при failed."""

    checklist_id: str
    version: str
    revision: int
    status: Literal["ok", "failed"]
    result: ChecklistResult | None = None
    error: Reason | None = None
    marks: list[Mark]


class ChecklistsAnswer(Answer):
    """Результаты звонка по чек-листам."""

    call_id: str
    checklists: list[ChecklistItem]


class AttemptAnswer(Answer):
    """Одна попытка доставки: код ответа CRM или причина, по которой ответа нет."""

    number: int
    at: AwareDatetime
    seconds: float
    status_code: int | None
    error_code: str | None
    response: str = Field(description="Начало ответа CRM")


class DeliveryAnswer(Answer):
    """Одно webhook-уведомление с попытками."""

    delivery_id: str = Field(description="Совпадает с заголовком webhook-id")
    call_id: str | None
    event: str
    endpoint_id: str
    status: Literal["pending", "delivered", "dead"]
    created_at: AwareDatetime
    next_attempt_at: AwareDatetime | None
    delivered_at: AwareDatetime | None
    attempts: list[AttemptAnswer]


class DeliveriesAnswer(Answer):
    """Доставки, новые сначала."""

    deliveries: list[DeliveryAnswer]


class ReplayBody(Request):
    """С какого момента повторить; без `endpoint_id` по всем адресам."""

    since: Moment = Field(examples=["2025-06-19T00:00:00+03:00"])
    endpoint_id: Id | None = None


class Replayed(Answer):
    """Сколько доставок поставлено в очередь заново."""

    status: Literal["ok"] = "ok"
    replayed: int


def _either(schema: dict[str, Any]) -> None:
    """An id belongs to a checklist or a table, and events have none."""
    fields = schema.pop("properties")
    owned = {"kind": {"enum": ["checklist", "table"]}, "id": fields["id"]["anyOf"][0], "url": fields["url"]}
    events = {"kind": {"const": "events"}, "url": fields["url"]}
    schema.pop("required")
    schema["anyOf"] = [
        {"type": "object", "properties": owned, "required": ["kind", "id", "url"]},
        {"type": "object", "properties": events, "required": ["kind", "url"]},
    ]


class WebhookBody(Request):
    """Куда отправлять результаты: чек-листа или таблицы `id`, либо события (`call.failed`, `call.no_speech`) этого ключа."""

    model_config = ConfigDict(json_schema_extra=_either)
    kind: Literal["checklist", "table", "events"]
    id: Id | None = Field(None, description="ID чек-листа или таблицы", examples=["TBL_1755863365"])
    url: Url = Field(examples=["https://crm.company.com/webhooks/rop"])


class RotateBody(Request):
    """Сколько часов прежний секрет подписывает рядом с новым."""

    overlap_hours: Hours = Field(24, description="Часы, от 0 до 720")


class EndpointAnswer(Answer):
    """Адрес webhook."""

    endpoint_id: str
    kind: Literal["checklist", "table", "events"]
    id: str | None
    url: str
    created_at: AwareDatetime
    disabled_at: AwareDatetime | None
    disabled_reason: str | None
    failing_since: AwareDatetime | None


class EndpointsAnswer(Answer):
    """Адреса webhook."""

    webhooks: list[EndpointAnswer]


class SecretAnswer(Answer):
    """Адрес и действующий секрет его подписи (`whsec_…`)."""

    webhook: EndpointAnswer
    secret: str


class TestAnswer(Answer):
    """Что ответила CRM на проверочное событие."""

    endpoint_id: str
    delivery_id: str
    delivered: bool
    status_code: int | None
    error_code: str | None
    seconds: float
    response: str


class Removed(Answer):
    """Удалено."""

    status: Literal["deleted"] = "deleted"


class RescoreBody(Request):
    """Какой чек-лист пересчитать; без него все."""

    checklist_id: Id | None = Field(None, examples=["sales"])


class Requested(Answer):
    """Принято в работу; новые результаты появятся следующей ревизией."""

    status: Literal["queued"] = "queued"
    call_id: str


class TrialBody(Request):
    """Черновик чек-листа или таблицы для проверки на готовых звонках."""

    definition: Annotated[str, Field(min_length=1, description="Описание целиком, YAML или JSON", examples=["schema: checklist/v1 …"])]
    last: int | None = Field(None, ge=1, description="Сколько последних готовых звонков проверить; не больше настройки ROP_TRIAL_CALLS")


class TrialChange(Answer):
    """Этап или поле: в скольких звонках стало выполнено (заполнено), перестало, изменилось иначе."""

    id: str
    name: str
    gained: int
    lost: int
    other: int


class TrialCall(Answer):
    """Один звонок: процент или число заполненных полей прежде и теперь, или почему проверить не удалось."""

    call_id: str
    before: float | None = None
    after: float | None = None
    problem: str | None = None


class TrialAnswer(Answer):
    """Проверка черновика; прежние результаты не меняются."""

    trial_id: str
    status: Literal["waiting", "running", "done", "failed"]
    kind: Literal["checklist", "table"]
    definition_id: str
    asked: int = Field(description="Сколько звонков проверяется")
    judged: int = Field(description="Сколько уже проверено")
    better: int
    worse: int
    before: float | None = Field(description="Среднее по действующей версии: проценты или число заполненных полей")
    after: float | None = Field(description="Среднее по черновику")
    marks: int = Field(description="Отметок людей в этих звонках")
    agreed_before: int
    agreed_after: int
    tokens: int
    seconds: float
    changes: list[TrialChange]
    calls: list[TrialCall]
    problem: str | None = None


class SelfTestStep(Answer):
    """Шаг самопроверки."""

    name: Literal["accepted", "transcribed", "checklists", "tables", "webhooks"]
    status: Literal["ok", "waiting", "failed"]
    detail: str


class SelfTestAnswer(Answer):
    """Ход самопроверки: шаги образцового звонка и что CRM ответила на каждое уведомление."""

    call_id: str
    status: PublicStatus
    steps: list[SelfTestStep]
    tests: list[TestAnswer] = Field(description="Проверочные события, отправленные при запуске")
    deliveries: list[DeliveryAnswer] = Field(description="Доставки результатов образцового звонка")


class FoundCall(Answer):
    """Звонок, где это прозвучало, и самая подходящая реплика."""

    call_id: str
    started_at: AwareDatetime
    manager: str = Field(description="Имя менеджера или его ID")
    speaker: Speaker
    seconds: float = Field(description="Начало реплики в секундах от начала записи")
    text: str


class Found(Answer):
    """Найденные звонки: сначала новые, которых ещё нет в ночном индексе, затем по близости к запросу."""

    found: list[FoundCall]


class ProblemBody(BaseModel):
    """Ошибка: `code` постоянный, `detail` для людей."""

    code: str
    detail: str
    fields: dict[str, str] | None = Field(None, description="Что не так с каждым полем")
    status: PublicStatus | None = Field(None, description="Состояние уже принятого звонка (409)")
    received_at: AwareDatetime | None = Field(None, description="Когда звонок был принят (409)")
    call_id: str | None = None
    request_id: str
