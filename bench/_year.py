"""A synthetic year of a sales company, the same for the same seed: call states as `db.export` gives them, and its directory.

`python -m bench._year HOME 20000` fills a warehouse with it.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from core.settings import Settings
from db.models import (
    Base,
    Call,
    DefinitionRow,
    DefinitionVersion,
    Delivery,
    DeliveryAttempt,
    Endpoint,
    LoadOutbox,
    Manager,
    Membership,
    Office,
    Override,
    Recording,
    Result,
    TranscriptRow,
)
from warehouse import dimensions, publish, scores
from warehouse.facts import Flattener
from warehouse.loader import Loader

State = dict[str, Any]

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
OFFICES = 12
MANAGERS = 120
DEAL_STAGES = ("lead", "qualification", "offer", "closing")
SURNAMES = ("Иванов", "Петрова", "Сидоренко", "Кузнецова", "Орлов", "Белова", "Гончар", "Мельник", "Фомина", "Щукин")
NAMES = ("Анна", "Пётр", "Ольга", "Игорь", "Мария", "Степан", "Юлия", "Артём")
STAGES = (
    ("greeting", "Приветствие", 1),
    ("name", "Имя клиента", 1),
    ("needs", "Выявление потребности", 3),
    ("budget", "Бюджет", 2),
    ("deadline", "Срок", 1),
    ("decision", "Кто принимает решение", 2),
    ("offer", "Презентация", 3),
    ("price", "Цена", 2),
    ("objection", "Работа с возражением", 3),
    ("upsell", "Допродажа", 1),
    ("contract", "Договор", 2),
    ("next_step", "Следующий шаг", 3),
    ("contacts", "Контакты", 1),
    ("farewell", "Прощание", 1),
)
MANAGER_SAYS = (
    "Добрый день, компания «Горизонт», меня зовут {name}.",
    "Подскажите, какой бюджет вы закладываете на этот проект?",
    "Когда вам нужна поставка?",
    "Мы можем предложить скидку пять процентов при предоплате.",
    "Давайте я отправлю вам коммерческое предложение на почту.",
    "Созвонимся завтра в одиннадцать?",
    "Спасибо за звонок, хорошего дня!",
)
CUSTOMER_SAYS = (
    "Здравствуйте, хотел узнать про условия доставки.",
    "У нас около двухсот тысяч рублей.",
    "Дорого, у конкурентов дешевле.",
    "Нужно до конца месяца.",
    "Решение принимает директор.",
    "Хорошо, присылайте договор.",
)


def directory() -> dict[str, list[dict[str, Any]]]:
    """Managers, offices, memberships and definitions, as `db.export.dimensions` gives them; every tenth manager moves in July."""
    managers = [_manager(number) for number in range(MANAGERS)]
    offices = [{"office_id": f"office_{n:03}", "title": f"Офис № {n + 1}", "active": True, "updated_at": NEW_YEAR} for n in range(OFFICES)]
    memberships = [row for number in range(MANAGERS) for row in _memberships(number)]
    fields = {"budget": "money", "deadline": "date"}
    versions = [_checklist(), _table(1, fields), _table(2, fields | {"urgent": "bool"})]
    current = {(v["kind"], v["definition_id"]): v["version"] for v in versions}
    definitions = [{"kind": kind, "definition_id": id, "version": version} for (kind, id), version in current.items()]
    return {
        "managers": managers,
        "offices": offices,
        "memberships": memberships,
        "definitions": definitions,
        "definition_versions": versions,
    }


def states(count: int, seed: int = 1, first: int = 0) -> Iterator[State]:
    """`count` calls from number `first` on; a year holds a million of them, in order of time."""
    for number in range(first, first + count):
        yield state(number, random.Random(f"{seed}-{number}"))


def state(number: int, chance: random.Random, step: timedelta = timedelta(seconds=31.5)) -> State:
    """One call: 4 to 20 utterances, 8 to 14 stages of one checklist, one table, one webhook."""
    at = NEW_YEAR + number * step
    manager = chance.randrange(MANAGERS)
    call = _call(number, manager, at, chance)
    utterances = list(_utterances(chance, SURNAMES[manager % len(SURNAMES)]))
    spoke = call["status"] == "done"
    return {
        "call": call,
        "recording": _recording(utterances),
        "transcript": _transcript(utterances) if spoke else None,
        "results": [_score(call, utterances, chance, manager), _extract(call, chance)] if spoke else [],
        "overrides": [],
        "deliveries": [_delivery(call, chance)] if spoke else [],
    }


def _manager(number: int) -> dict[str, Any]:
    return {
        "manager_id": f"mgr_{number:03}",
        "name": NAMES[number % len(NAMES)],
        "surname": SURNAMES[number % len(SURNAMES)],
        "middlename": "",
        "synced": True,
        "active": True,
        "updated_at": NEW_YEAR,
    }


def _memberships(number: int) -> list[dict[str, Any]]:
    july = datetime(2026, 7, 1, tzinfo=UTC)
    row = {"manager_id": f"mgr_{number:03}", "office_id": f"office_{number % OFFICES:03}", "role": "manager"}
    if number % 10:
        return [row | {"valid_from": NEW_YEAR, "valid_to": None}]
    moved = row | {"office_id": f"office_{(number + 1) % OFFICES:03}", "valid_from": july, "valid_to": None}
    return [row | {"valid_from": NEW_YEAR, "valid_to": july}, moved]


def _checklist() -> dict[str, Any]:
    stages = [{"id": id, "name": name, "weight": weight, "criteria": [{"id": "met", "ask": name}]} for id, name, weight in STAGES]
    return _version("checklist", "sales", 1, "Скрипт продаж", {"stages": stages})


def _table(number: int, fields: dict[str, str]) -> dict[str, Any]:
    content = {"fields": [{"name": name, "type": type} for name, type in fields.items()]}
    return _version("table", "deal", number, "Карточка сделки", content)


def _version(kind: str, id: str, number: int, name: str, content: dict[str, Any]) -> dict[str, Any]:
    same = {"kind": kind, "definition_id": id, "version": f"{kind}{number}", "number": number, "name": name}
    return same | {"content": content, "author": "", "created_at": NEW_YEAR + timedelta(days=number)}


def _call(number: int, manager: int, at: datetime, chance: random.Random) -> dict[str, Any]:
    status = chance.choices(("done", "no_speech", "failed"), (96, 3, 1))[0]
    return {
        "call_id": f"call_{chance.getrandbits(64):016x}_{number}",
        "key_id": None,
        "manager_id": f"mgr_{manager:03}",
        "deal_id": f"deal_{chance.randrange(10**6)}",
        "deal_stage_id": chance.choice(DEAL_STAGES),
        "audio_url": "https://crm.example/a.mp3",
        "direction": chance.choice(("in", "out")),
        "language": "ru",
        "started_at": at,
        "received_at": at + timedelta(minutes=5),
        "finished_at": at + timedelta(minutes=5, seconds=chance.randrange(5, 90)),
        "attempt": 1,
        "status": status,
        "reason_code": "not_audio" if status == "failed" else None,
        "warnings": [],
    }


def _recording(utterances: list[dict[str, Any]]) -> dict[str, Any]:
    duration = utterances[-1]["end"] + 1.0
    return {"bytes": int(duration * 4000), "format": "mp3", "codec": "mp3float", "channels": 2, "duration": duration}


def _transcript(utterances: list[dict[str, Any]]) -> dict[str, Any]:
    whole = {"language": "ru", "duration": utterances[-1]["end"] + 1.0, "partial": False, "utterances": utterances}
    return whole | {"engine": "whisper", "model": "base"}


def _utterances(chance: random.Random, name: str) -> Iterator[dict[str, Any]]:
    at = 0.0
    for number in range(chance.randrange(4, 21)):
        speaker = ("manager", "customer")[number % 2]
        text = chance.choice(MANAGER_SAYS if speaker == "manager" else CUSTOMER_SAYS).format(name=name)
        length = round(len(text) / 14, 2)
        yield {"id": number, "start": at, "end": at + length, "speaker": speaker, "channel": number % 2, "text": text, "confidence": 0.9}
        at = round(at + length + chance.uniform(-0.5, 1.5), 2)


def _score(call: dict[str, Any], utterances: list[dict[str, Any]], chance: random.Random, manager: int) -> dict[str, Any]:
    applicable = chance.randrange(8, len(STAGES) + 1)
    stages = [_stage(stage, utterances, chance, 0.4 + manager % 10 / 20) for stage in STAGES[:applicable]]
    left_out = [{"stage_id": id, "stage_name": name, "reason": "Не было повода."} for id, name, _ in STAGES[applicable:]]
    most = sum(s["weight"] for s in stages)
    done = sum(s["weight"] for s in stages if s["score"] == 1)
    content = {
        "call_id": call["call_id"],
        "total_score": 2 * done - most,
        "max_score": most,
        "completion_percentage": round(100 * done / most, 1),
        "stages": stages,
        "not_applicable": left_out,
        "usage": {"engine": "rules", "model": "", "prompt_hash": "", "prompt_tokens": 0, "completion_tokens": 0, "seconds": 0.4},
        "flags": [],
    }
    return _result(call, "checklist", "sales", "checklist1", content)


def _stage(stage: tuple[str, str, int], utterances: list[dict[str, Any]], chance: random.Random, skill: float) -> dict[str, Any]:
    id, name, weight = stage
    met = chance.random() < skill
    said = chance.choice(utterances) if met else {"text": "", "start": None, "end": None, "speaker": None}
    return {
        "stage_id": id,
        "stage_name": name,
        "score": 1 if met else -1,
        "percentage": 100.0 if met else 0.0,
        "status": "completed" if met else "failed",
        "comment": "" if met else "Этап не найден в разговоре.",
        "weight": weight,
        "confidence": round(chance.uniform(0.5, 1), 3),
        "verified": True,
        "quote": said["text"],
        "quote_start": said["start"],
        "quote_end": said["end"],
        "speaker": said["speaker"],
    }


def _extract(call: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    number = 1 if call["started_at"] < datetime(2026, 6, 1, tzinfo=UTC) else 2
    values = {"budget": chance.choice((None, 100000, 250000.5)), "deadline": chance.choice((None, "2026-12-31"))}
    if number == 2:
        values["urgent"] = chance.choice((None, True, False))
    fields = [_field(name, value) for name, value in values.items()]
    usage = {"engine": "rules", "model": "", "prompt_hash": "", "prompt_tokens": 0, "completion_tokens": 0}
    return _result(call, "table", "deal", f"table{number}", {"fields": fields, "usage": usage, "flags": [], "processing_time": 0.2})


def _field(name: str, value: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "evidence": [0] if value else [], "reason": "" if value else "не названо"}


def _result(call: dict[str, Any], kind: str, id: str, version: str, content: dict[str, Any]) -> dict[str, Any]:
    same = {"call_id": call["call_id"], "kind": kind, "definition_id": id, "version": version}
    return same | {"revision": 1, "status": "ok", "content": content, "created_at": call["finished_at"]}


def _delivery(call: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    at = call["finished_at"] + timedelta(seconds=1)
    return {
        "delivery_id": f"msg_{call['call_id']}",
        "event": "checklist.completed",
        "endpoint_id": "ep_1",
        "owner_kind": "checklist",
        "owner_id": "sales",
        "status": "delivered",
        "attempts": 1,
        "created_at": call["finished_at"],
        "delivered_at": at,
        "attempts_made": [{"at": at, "seconds": round(chance.uniform(0.05, 0.6), 3), "status_code": 200, "error_code": None}],
    }


def store_directory(session: Session) -> None:
    """Write the directory and the one webhook address into the operational database."""
    source = directory()
    for model, key in ((Manager, "managers"), (Office, "offices")):
        session.add_all(model(**row) for row in source[key])
    session.flush()
    session.add_all(Membership(**row) for row in source["memberships"])
    session.add_all(DefinitionRow(**row, updated_at=NEW_YEAR) for row in source["definitions"])
    session.add_all(DefinitionVersion(**row) for row in source["definition_versions"])
    session.add(Endpoint(endpoint_id="ep_1", owner_kind="checklist", owner_id="sales", url="https://crm.example/hook", created_at=NEW_YEAR))
    session.flush()


def store(session: Session, states: Iterable[State], pending: bool = True) -> list[str]:
    """Write calls with all that hangs on them, and ask for their load; returns their ids."""
    ids = []
    for one in states:
        ids.append(one["call"]["call_id"])
        session.add(Call(**one["call"]))
        session.flush()
        session.add_all(_rows(one))
        if pending:
            session.add(LoadOutbox(call_id=ids[-1], created_at=one["call"]["finished_at"]))
    session.flush()
    return ids


def _rows(one: State) -> Iterator[Base]:
    call = {"call_id": one["call"]["call_id"]}
    at = {"created_at": one["call"]["finished_at"]}
    yield Recording(**call, **at, **one["recording"], path="a.mp3", sha256="", sample_rate=8000)
    if one["transcript"]:
        content = {k: v for k, v in one["transcript"].items() if k not in ("engine", "model")}
        yield TranscriptRow(**call, **at, engine="whisper", model="base", content=content)
    for result in one["results"]:
        yield Result(**result)
    for override in one["overrides"]:
        yield Override(**call, **override)
    for delivery in one["deliveries"]:
        own = {k: v for k, v in delivery.items() if k not in ("owner_kind", "owner_id", "attempts_made")}
        yield Delivery(**call, **own, body=b"{}")
        for number, attempt in enumerate(delivery["attempts_made"], start=1):
            yield DeliveryAttempt(delivery_id=delivery["delivery_id"], number=number, **attempt)


def fill(settings: Settings, calls: int, seed: int = 1) -> None:
    """A published warehouse of that many calls, every fiftieth of the year's, some with people's marks."""
    source = dimensions.build(directory())
    flattener = Flattener(settings.time_zone, scores.places(source.rows["dim_stage"]))
    with Loader(settings) as loader:
        for first in range(0, calls, 1000):
            made = [state(n * 50, random.Random(f"{seed}-{n}")) for n in range(first, min(first + 1000, calls))]
            for one in made[::10]:
                one["overrides"] = list(_marks(one, random.Random(one["call"]["call_id"])))
            batch, _ = flattener.batch(made, (), first, source)
            loader.load(batch)
    publish.publish(settings)


def _marks(one: State, chance: random.Random) -> Iterator[dict[str, Any]]:
    """A person listened: they mostly agree."""
    for result in one["results"][:1]:
        for stage in result["content"]["stages"][:4]:
            score = stage["score"] if chance.random() < 0.85 else -stage["score"]
            same = {"checklist_id": "sales", "stage_id": stage["stage_id"], "score": score, "reason": "прослушано"}
            yield same | {"author": "head", "created_at": one["call"]["finished_at"] + timedelta(days=1)}


if __name__ == "__main__":
    fill(Settings(home=Path(sys.argv[1])), int(sys.argv[2]))
