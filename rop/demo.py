"""`rop demo`: the main job on real recordings, from the CRM's post to the analyst's query."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from core import settings as settings_module
from core.errors import PermanentError
from core.settings import Settings
from rop import record
from rop.crm import Crm
from rop.stack import worker_grace

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
CHECKLIST, TABLE = "sales", "TBL_1755863365"
START_SECONDS, CALLS_SECONDS, LOAD_SECONDS = 240.0, 900.0, 180.0
RANKING = "SELECT call_id, manager, status, round(duration) AS seconds, completion FROM calls ORDER BY call_id"
console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)


class DemoFailed(PermanentError):
    """Something of the main job did not happen; the text says what."""

    code = "demo_failed"


@dataclass(frozen=True)
class Sample:
    """One recording of the demo and the state its call must end in."""

    file: str
    manager: str
    ends: str

    @property
    def call_id(self) -> str:
        return f"demo_{Path(self.file).stem}"


CALLS = (
    Sample("good_call.ogg", "mgr_001", "done"),
    Sample("average_call.mp3", "mgr_002", "done"),
    Sample("bad_call.wav", "mgr_003", "done"),
    Sample("silent_call.ogg", "mgr_003", "no_speech"),
)


def demo(
    home: Annotated[Path, typer.Option("--home", help="Folder of the demo; emptied at every start.")] = Path("var/demo"),
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running.")] = False,
) -> None:
    """Run the main job: start the stack, post four recorded calls, receive the webhooks, show scores and a query."""
    crm = Crm(SAMPLES)
    try:
        with _stack(home.resolve(), keep) as stack:
            key = _setup(home, crm)
            _run(stack, home, crm, key)
            _farewell(stack, home, keep)
    finally:
        crm.close()


def _run(stack: dict[str, Any], home: Path, crm: Crm, key: str) -> None:
    with httpx.Client(base_url=f"{stack['api_url']}/api/v1", params={"apiKey": key}, trust_env=False, timeout=30) as api:
        for sample in CALLS:
            _post(api, sample, crm)
        _follow(api)
    _wait_for_webhooks(crm)
    for sample in CALLS:
        _show(sample, crm)
    _show_query(settings_module.load(home))


@contextmanager
def _stack(home: Path, keep: bool) -> Iterator[dict[str, Any]]:
    """The stack in a process of its own, as `rop up` starts it, on free ports."""
    record.stop(home)
    record.end_remains(home, worker_grace(settings_module.load(home)))
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    console.print("[bold]1. Запуск[/]: Prefect, API, воркеры (до минуты)…")
    command = [sys.executable, "-m", "rop", "up", "--home", str(home), "--api-port", "0", "--prefect-port", "0"]
    environment = os.environ | {"ROP_ALLOWED_NETWORKS": "127.0.0.1/32", "ROP_RATE_LIMIT": "600"}
    with (home / "up.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
    try:
        yield _ready(process, home)
    except BaseException:
        keep = False
        raise
    finally:
        if not keep:
            process.terminate()
            process.wait(60)


def _ready(process: subprocess.Popen[bytes], home: Path) -> dict[str, Any]:
    deadline = time.monotonic() + START_SECONDS
    file = home / record.FILE
    while not file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise DemoFailed(ru=f"Стек не запустился:\n{(home / 'up.log').read_text(encoding='utf-8')}\nЖурналы: {home / 'logs'}")
        time.sleep(0.2)
    stack: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return stack


def _setup(home: Path, crm: Crm) -> str:
    """A key, and an address for the results of the built-in checklist and table."""
    key = _rop("key", "create", "--home", str(home), "--label", "demo", "--manager-channel", "left", "--plain")
    for kind, name in (("checklist", CHECKLIST), ("table", TABLE)):
        path = f"/hooks/{kind}"
        crm.inbox.secrets[path] = _rop(kind, "webhook", name, f"{crm.url}{path}", "--home", str(home), "--plain")
    return key


def _rop(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "rop", *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise DemoFailed(ru=f"rop {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def _post(api: httpx.Client, sample: Sample, crm: Crm) -> None:
    """What the integrator's curl --form does: multipart, every value in quotes."""
    fields = {"manager_id": sample.manager, "call_id": sample.call_id, "deal_id": "deal_5678", "deal_stage_id": "stage_qualification"}
    fields["audio_url"] = f"{crm.url}/{sample.file}"
    answer = api.post("/calls/audio-upload", files={name: (None, f'"{value}"') for name, value in fields.items()})
    console.print(f"[bold]2. POST[/] /calls/audio-upload {sample.file} → {answer.status_code} {answer.text}")
    answer.raise_for_status()


def _follow(api: httpx.Client) -> None:
    """Print every change of every call until all are finished."""
    deadline = time.monotonic() + CALLS_SECONDS
    seen: dict[str, str] = {}
    while len([s for s in seen.values() if s.split()[0] in ("done", "failed", "no_speech")]) < len(CALLS):
        for sample in CALLS:
            call = api.get(f"/calls/{sample.call_id}").json()
            state = _state(call)
            if seen.get(sample.call_id) != state:
                seen[sample.call_id] = state
                console.print(f"   {sample.call_id:22} {state}")
        if time.monotonic() > deadline:
            raise DemoFailed(ru=f"Звонки не обработаны за {CALLS_SECONDS:.0f} с: {seen}")
        time.sleep(1)
    wrong = [s.call_id for s in CALLS if not seen[s.call_id].startswith(s.ends)]
    if wrong:
        raise DemoFailed(ru=f"Не тот итог: { ({one: seen[one] for one in wrong}) }")


def _state(call: dict[str, Any]) -> str:
    if call["status"] != "processing":
        return str(call["status"])
    tens = int(call.get("progress", 0) * 10) * 10
    return f"{call['stage']} {tens} %" if call["stage"] == "transcribing" else str(call["stage"])


def _wait_for_webhooks(crm: Crm) -> None:
    wanted = [(f"/hooks/{kind}", s.call_id) for s in CALLS if s.ends == "done" for kind in ("checklist", "table")]
    deadline = time.monotonic() + LOAD_SECONDS
    while not all(crm.inbox.of(path, call_id) for path, call_id in wanted):
        if time.monotonic() > deadline:
            raise DemoFailed(ru="Не все вебхуки пришли.")
        time.sleep(0.2)
    if crm.inbox.refused:
        raise DemoFailed(ru=f"Вебхуков с неверной подписью: {crm.inbox.refused}")
    console.print(f"[bold]3. Вебхуки[/]: получено {len(wanted)}, подпись каждого проверена (Standard Webhooks)")


def _show(sample: Sample, crm: Crm) -> None:
    scores, values = crm.inbox.of("/hooks/checklist", sample.call_id), crm.inbox.of("/hooks/table", sample.call_id)
    if scores is None or values is None:
        console.print(f"\n[bold]{sample.call_id}[/]: в записи нет речи, оценка не ставится")
        return
    share = scores["completion_percentage"]
    card = Table(title=f"{sample.call_id} · {scores['checklist_name']} · {share} % ({scores['total_score']} из {scores['max_score']})")
    for column in ("Этап", "Оценка", "Цитата", "Время"):
        card.add_column(column)
    for stage in scores["stages"]:
        start = stage.get("quote_start")
        card.add_row(
            stage["stage_name"], f"{stage['score']:+d}", stage["quote"] or stage["comment"], "" if start is None else _clock(start)
        )
    console.print(card)
    console.print("   " + "; ".join(f"{name} = {value}" for name, value in values["extracted_data"].items() if value is not None))


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _show_query(settings: Settings) -> None:
    """One analyst's question, once the loader has published the calls."""
    import warehouse

    deadline = time.monotonic() + LOAD_SECONDS
    rows: list[Any] = []
    while len(rows) < len(CALLS):
        if time.monotonic() > deadline:
            raise DemoFailed(ru="Хранилище не загрузилось.")
        time.sleep(1)
        if (settings.warehouse_dir / "reports.duckdb").exists():
            columns, rows = warehouse.query(RANKING, settings)
    console.print(f"\n[bold]4. DuckDB[/]: {RANKING}")
    table = Table(*columns)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    console.print(table)


def _farewell(stack: dict[str, Any], home: Path, keep: bool) -> None:
    database = home.resolve() / "warehouse" / "reports.duckdb"
    console.print(f"\nPrefect UI  {stack['prefect_url']}\nAPI, страницы  {stack['pages_url']}\nБаза  {database}")
    console.print(
        f"Стек работает. Остановить: make down HOME_DIR={home}" if keep else "Стек остановлен; make demo KEEP=1 оставляет его работать."
    )
