"""The score card of a call as Markdown, for the Prefect UI. Every text from outside is escaped."""

from __future__ import annotations

import re
from urllib.parse import quote

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact

from checklists.results import ChecklistResult, StageResult, TableResult
from core.ids import stable_id
from db import calls, results
from db.models import Call, Result
from tasks.runtime import Runtime

MARKS = {"completed": "✅", "failed": "❌"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~-])")


def show_card(runtime: Runtime, call_id: str) -> str:
    """Attach the card to the flow run; the one-line outcome for its state. What fails here is no failure of the call, which has ended."""
    try:
        return _publish_card(runtime, call_id)
    except Exception:  # noqa: BLE001  whatever it is
        get_run_logger().warning("the card of %s cannot be shown", call_id, exc_info=True)
        return "Обработано."


def _publish_card(runtime: Runtime, call_id: str) -> str:
    with runtime.database.read() as session:
        call = calls.get(session, call_id)
        found = [*results.current(session, call_id, "checklist"), *results.current(session, call_id, "table")]
    key = stable_id("call", call_id).replace("_", "-")
    create_markdown_artifact(key=key, markdown=card(call, found, runtime.settings.public_url), description=f"Звонок {call_id}")
    return outcome(call, found)


def outcome(call: Call, found: list[Result]) -> str:
    """One sentence on how the call ended."""
    if call.status == "no_speech":
        return "В записи нет речи, оценка не ставится."
    scores = [ChecklistResult.model_validate(r.content) for r in found if r.kind == "checklist" and r.status == "ok"]
    return "; ".join(f"{s.checklist_name}: {s.completion_percentage} %" for s in scores) or "Обработано."


def card(call: Call, found: list[Result], pages_url: str | None = None) -> str:
    """The whole card: a link to the call's page, then one section a checklist or table."""
    head = f"# Звонок {escape(call.call_id)}\n\nМенеджер: {escape(call.manager_id)} · сделка: {escape(call.deal_id)}\n"
    if pages_url:
        head += f"\n[Открыть страницу звонка]({pages_url.rstrip('/')}/calls/{quote(call.call_id, safe='')})\n"
    return "\n".join([head, outcome(call, found), *(_section(row) for row in found)])


def escape(text: str) -> str:
    """Text from outside, so that Markdown shows it and never obeys it."""
    return _SPECIAL.sub(r"\\\1", text.replace("\n", " "))


def _section(row: Result) -> str:
    if row.status != "ok":
        return f"\n## {escape(row.definition_id)}\n\nНе удалось: {escape(str(row.content.get('ru', '')))}\n"
    if row.kind == "checklist":
        return _checklist(ChecklistResult.model_validate(row.content))
    return _table(TableResult.model_validate(row.content))


def _checklist(result: ChecklistResult) -> str:
    title = f"\n## {escape(result.checklist_name)}: {result.completion_percentage} %\n"
    rows = ["| | Этап | % | Комментарий | Цитата |", "|---|---|---|---|---|", *(_stage(s) for s in result.stages)]
    skipped = [f"\nНе применимо: {escape(n.stage_name)} ({escape(n.reason)})" for n in result.not_applicable]
    return "\n".join([title, *rows, *skipped])


def _stage(stage: StageResult) -> str:
    moment = "" if stage.quote_start is None else f" ({_clock(stage.quote_start)})"
    quote = f"«{escape(stage.quote)}»{moment}" if stage.quote else "—"
    return f"| {MARKS[stage.status]} | {escape(stage.stage_name)} | {stage.percentage} | {escape(stage.comment)} | {quote} |"


def _table(result: TableResult) -> str:
    rows = (f"| {escape(f.name)} | {'—' if f.value is None else escape(str(f.value))} |" for f in result.fields)
    return "\n".join([f"\n## {escape(result.table_name)}\n", "| Поле | Значение |", "|---|---|", *rows])


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
