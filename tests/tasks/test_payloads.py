"""Webhook bodies against the golden files that integrators rely on, and against the published format."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from checklists.findings import Usage
from checklists.results import ChecklistResult, FieldResult, NotApplicable, StageResult, TableResult
from core.settings import Settings
from db.models import Call
from tasks import payloads

GOLDEN = Path(__file__).parents[1] / "golden"
AT = datetime(2026, 11, 23, 12, 30, 15, 250_000, tzinfo=timezone(timedelta(hours=3)))
USAGE = Usage(engine="openai", model="gpt-4o-mini", prompt_hash="0a1b2c3d4e5f")

# The published format: names, types and order.
CHECKLIST = {
    "call_id": str,
    "manager_id": str,
    "checklist_name": str,
    "total_score": int,
    "max_score": int,
    "completion_percentage": float,
    "stages": list,
    "timestamp": str,
}
STAGE = {"stage_id": str, "stage_name": str, "score": int, "percentage": float, "status": str, "comment": str, "quote": str}
TABLE = {"call_id": str, "table_id": str, "table_name": str, "extracted_data": dict, "processing_time": float, "timestamp": str}


def settings(*, strict: bool) -> Settings:
    return Settings(webhook_strict=strict)


def call(**fields: Any) -> Call:
    known = {"call_id": "call_12345", "manager_id": "mgr_001", "deal_id": "deal_5678", "deal_stage_id": "stage_qualification"}
    return Call(**(known | {"status": "done", "attempt": 1, "reason_code": None, "reason": None} | fields))


def checklist() -> ChecklistResult:
    hello = StageResult(
        stage_id="greeting",
        stage_name="Приветствие",
        score=1,
        percentage=100,
        status="completed",
        comment="Менеджер представился.",
        quote="Добрый день, меня зовут Иван, компания «Ромашка».",
        quote_start=0.4,
        quote_end=3.1,
        speaker="manager",
        confidence=0.98,
    )
    needs = StageResult(
        stage_id="needs",
        stage_name="Выявление потребностей",
        score=-1,
        percentage=33.3,
        status="failed",
        comment="Не спросил о бюджете.",
        quote="",
        weight=2,
        confidence=0.7,
    )
    return ChecklistResult(
        call_id="call_12345",
        checklist_id="CHK_sales",
        checklist_name="Скрипт продаж",
        checklist_version="a1b2c3d4e5f6",
        total_score=-1,
        max_score=3,
        completion_percentage=33.3,
        stages=(hello, needs),
        not_applicable=(NotApplicable(stage_id="objections", stage_name="Возражения", reason="Возражений не было."),),
        usage=USAGE,
        flags=("doubtful_speakers",),
        timestamp=AT,
    )


def table() -> TableResult:
    values: dict[str, Any] = {
        "budget": 1_500_000,
        "city": "Тверь",
        "next_call": "2026-11-25",
        "products": ["CRM", "телефония"],
        "vip": False,
    }
    found = tuple(FieldResult(name=name, value=value, evidence=(1,)) for name, value in values.items())
    return TableResult(
        call_id="call_12345",
        table_id="TBL_1755863365",
        table_name="Сделка",
        table_version="0f1e2d3c4b5a",
        fields=(*found, FieldResult(name="inn", reason="ИНН не назван.")),
        usage=USAGE,
        processing_time=2,
        timestamp=AT,
    )


def failed() -> Call:
    reason = {"ru": "Запись длиннее 2700 секунд.", "en": "The recording is longer than 2700 seconds."}
    return call(status="failed", attempt=2, reason_code="too_long", reason=reason)


def bodies() -> dict[str, bytes]:
    """Every body that we send, by the name of its golden file."""
    strict, whole = settings(strict=True), settings(strict=False)
    return {
        "webhook_checklist.json": payloads.checklist_body(checklist(), call(), whole, 7),
        "webhook_checklist_strict.json": payloads.checklist_body(checklist(), call(), strict, 7),
        "webhook_table.json": payloads.table_body(table(), call(), whole, 3),
        "webhook_table_strict.json": payloads.table_body(table(), call(), strict, 3),
        "webhook_call_failed.json": payloads.event_body("call.failed", failed(), whole, AT),
        "webhook_call_no_speech.json": payloads.event_body("call.no_speech", call(status="no_speech"), whole, AT),
        "webhook_test.json": payloads.event_body("test", None, whole, AT),
    }


@pytest.mark.parametrize("name", sorted(bodies()))
def test_every_body_is_the_golden_file(name: str) -> None:
    """The files are indented for people; a change here is a change of the contract."""
    shown = json.dumps(json.loads(bodies()[name]), ensure_ascii=False, indent=2) + "\n"
    assert shown == (GOLDEN / name).read_text("utf-8")


@pytest.mark.parametrize("strict", [True, False])
def test_the_published_fields_come_first_in_their_order_with_their_types(strict: bool) -> None:
    chosen = settings(strict=strict)
    one = json.loads(payloads.checklist_body(checklist(), call(), chosen))
    other = json.loads(payloads.table_body(table(), call(), chosen))
    for body, published in ((one, CHECKLIST), (other, TABLE), *((stage, STAGE) for stage in one["stages"])):
        names = list(body)
        assert names[: len(published)] == list(published)
        assert [type(body[name]) for name in published] == list(published.values())
        assert (len(names) == len(published)) is strict


def test_round_percentages_stay_floats_on_the_wire() -> None:
    """`60` instead of `60.0` breaks receivers that declare the field as a float."""
    body = payloads.checklist_body(checklist().model_copy(update={"completion_percentage": 60}), call(), settings(strict=True))
    assert b'"completion_percentage":60.0' in body
    assert b'"percentage":100.0' in body


def test_moments_are_utc_with_an_offset() -> None:
    body = json.loads(payloads.table_body(table(), call(), settings(strict=True)))
    assert body["timestamp"] == "2026-11-23T09:30:15.250+00:00"
    assert datetime.fromisoformat(body["timestamp"]).astimezone(UTC) == AT


def test_the_same_result_gives_the_same_bytes() -> None:
    assert bodies() == bodies()


def test_russian_text_is_sent_as_utf8_and_half_a_character_does_not_stop_it() -> None:
    broken = checklist().model_copy(update={"checklist_name": "Скрипт \ud83d"})
    body = payloads.checklist_body(broken, call(), settings(strict=True))
    assert json.loads(body)["checklist_name"] == "Скрипт ?"
    assert "Приветствие".encode() in body
