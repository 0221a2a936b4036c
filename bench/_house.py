"""A house for the pages: real rows through the repositories, the real application on a real port, people who may sign in."""

from __future__ import annotations

import hashlib
import math
import random
import threading
import time
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import uvicorn
from sqlalchemy import event

from api.app import create_app
from checklists import loader
from checklists.definitions import Checklist, Table
from checklists.finalise import finalise, finalise_table
from checklists.findings import CriterionFinding, FieldFinding, Findings, StageFinding, TableFindings, Usage
from checklists.transcript import Transcript, Utterance
from core import clock, ids
from core.errors import BadAudio, RopError
from core.secrets import server_secret
from core.settings import Settings
from core.storage import Storage
from db import calls, definitions, deliveries, directory, endpoints, migrate, results, users
from db.deliveries import Attempt
from db.directory import ManagerInput, OfficeInput
from db.engine import Database
from db.models import Recording, TranscriptRow, User
from tasks import payloads

PASSWORD = "correct horse battery"
CHECKLIST, TABLE = "sales", "TBL_1755863365"
STEP = 6.0  # seconds of one utterance
TALK = (
    "М: Добрый день! Меня зовут Анна, компания «Маяк». Удобно сейчас говорить?",
    "К: Здравствуйте, да, минут десять есть.",
    "М: Расскажите, какую задачу вы хотите решить?",
    "К: Теряем заявки, администраторы ведут запись в тетради.",
    "М: Сколько человек будет работать и к какому сроку нужно запуститься?",
    "К: Двенадцать человек, хорошо бы к сентябрю.",
    "М: Система сама напоминает пациентам о записи, поэтому неявок становится меньше на треть.",
    "К: А сколько это стоит?",
    "М: Стоимость пятнадцать тысяч рублей в месяц.",
    "К: Дорого, я подумаю.",
    "М: Понимаю. А с чем сравниваете? В эту цену уже входят настройка и обучение.",
    "К: Ладно, пришлите предложение.",
    "М: Тогда созвонимся в четверг, 21 августа, в одиннадцать.",
    "К: Хорошо, договорились.",
    "М: Спасибо за звонок, всего доброго!",
)
# Which utterance proves which stage of the built-in checklist.
PROOF = {
    "greeting": 0,
    "needs": 2,
    "qualification": 4,
    "presentation": 6,
    "objection": 10,
    "price": 8,
    "next_step": 12,
    "goodbye": 14,
}
STAGES = tuple(PROOF)
MANAGERS = (
    ManagerInput("mgr_001", "Анна", "Соколова", "Игоревна"),
    ManagerInput("mgr_002", "Павел", "Андреев", "Сергеевич"),
    ManagerInput("mgr_003", "Мария", "Кузнецова", "Олеговна"),
    ManagerInput("mgr_004", "Дмитрий", "Васильев", ""),
    ManagerInput("mgr_005", "Екатерина", "Новикова", "Павловна"),
)
OFFICES = (
    OfficeInput("office_001", "Офис продаж Центр", ["mgr_003"], ["mgr_001", "mgr_002"]),
    OfficeInput("office_002", "Офис продаж Север", [], ["mgr_004", "mgr_005"]),
)


@dataclass
class House:
    """A home folder with its database and what was put into it."""

    settings: Settings
    database: Database
    people: dict[str, User] = field(default_factory=dict)

    def furnish(self) -> None:
        """Definitions, staff and one person of every role, all with the same password."""
        at = clock.now() - timedelta(days=120)
        hashed = password_hash()
        with self.database.begin() as session:
            for definition in loader.builtin():
                if definition.id in loader.FIRST_START:
                    definitions.apply(session, definition, "rop", at)
            directory.sync_managers(session, MANAGERS, at)
            directory.sync_offices(session, OFFICES, at)
            for role in users.ROLES:
                manager = "mgr_001" if role == "manager" else None
                name = {"admin": "Ольга Админова", "head": "Игорь Ромов", "analyst": "Ася Данные", "manager": "Анна Соколова"}[role]
                self.people[role] = users.create(session, role, role, at, name=name, manager_id=manager)
                users.set_password(session, self.people[role].user_id, hashed)

    def know(self) -> None:
        """Meet the people of a house that was furnished before."""
        with self.database.read() as session:
            self.people = {user.role: user for user in users.listed(session)}

    def webhook(self, url: str = "https://crm.example.ru/hooks/checklist") -> None:
        """An address for the results of the checklist."""
        with self.database.begin() as session:
            endpoints.set_url(session, server_secret(self.settings), "checklist", CHECKLIST, url, clock.now())

    def accept(self, call_id: str, manager: str = "mgr_001", at: datetime | None = None, **fields: object) -> None:
        """A call as the CRM sends it."""
        at = at or clock.now()
        given = {"deal_id": "deal_5678", "deal_stage_id": "Квалификация", "audio_url": "http://crm.invalid/a.wav", "key_id": None}
        with self.database.begin() as session:
            calls.accept(session, calls.NewCall(call_id, manager, started_at=at, **(given | fields)), at)  # type: ignore[arg-type]

    def call(
        self,
        call_id: str,
        manager: str = "mgr_001",
        at: datetime | None = None,
        passed: Sequence[str] = STAGES,
        skipped: Sequence[str] = (),
        said: Sequence[str] = TALK,
        sound: Path | None = None,
        **fields: object,
    ) -> None:
        """A call that is done: heard, judged, and its webhook queued. `sound` is a WAV file to keep as its recording."""
        at = at or clock.now()
        self.accept(call_id, manager, at, **fields)
        heard = talk(said)
        with self.database.begin() as session:
            token = calls.claim(session, call_id, f"run-{call_id}", at, 60).token
        if sound is not None:
            self._record(call_id, sound, at)
        with self.database.begin() as session:
            row = TranscriptRow(call_id=call_id, engine="whisper", model="base", swapped=False, created_at=at + timedelta(seconds=20))
            row.content, row.peaks, row.text = heard.model_dump(mode="json"), peaks(heard), heard.text
            results.save_transcript(session, row)
            self._judge(session, call_id, heard, passed, skipped, at)
            calls.finish(session, call_id, token, "done", at + timedelta(seconds=25))

    def fail(self, call_id: str, reason: RopError | None = None, manager: str = "mgr_001", at: datetime | None = None) -> None:
        """A call that could not be processed."""
        self.accept(call_id, manager, at)
        self.finish(call_id, "failed", reason or BadAudio(), at)

    def silent(self, call_id: str, manager: str = "mgr_001", at: datetime | None = None) -> None:
        """A call in which nobody speaks."""
        self.accept(call_id, manager, at)
        self.finish(call_id, "no_speech", at=at)

    def finish(self, call_id: str, status: str, reason: RopError | None = None, at: datetime | None = None) -> None:
        """Bring an accepted call to its end, as a flow would."""
        at = at or clock.now()
        with self.database.begin() as session:
            token = calls.claim(session, call_id, f"run-{call_id}", at, 60).token
            calls.finish(session, call_id, token, status, at, reason)

    def attempt(self, call_id: str, status_code: int | None, response: str = "", error_code: str | None = None) -> None:
        """What the CRM answered to the webhooks of the call."""
        at = clock.now()
        with self.database.begin() as session:
            for row in deliveries.claim_due(session, at + timedelta(seconds=1), 10, 60, call_id):
                made = Attempt(at, 0.12, status_code, error_code, response, hopeless=status_code == 400)
                deliveries.record(session, row, made, self.settings)

    def month(self, calls_a_day: int = 4, seed: int = 7) -> None:
        """Calls of the last 40 days by all managers, each as good as the manager usually is."""
        chance = random.Random(seed)
        skill = {"mgr_001": 0.9, "mgr_002": 0.62, "mgr_003": 0.74, "mgr_004": 0.45, "mgr_005": 0.8}
        stages = ("Новая заявка", "Квалификация", "Предложение отправлено")
        now = clock.now()
        for day in range(40, 0, -1):
            for number in range(calls_a_day):
                manager = chance.choice(list(skill) if day > 20 else [m for m in skill if m != "mgr_005"])
                at = now - timedelta(days=day) + timedelta(minutes=30 * number)
                passed = [
                    stage for stage in STAGES if chance.random() < skill[manager] - (0.25 if stage in ("next_step", "objection") else 0)
                ]
                skipped = ["objection"] if chance.random() < 0.3 else []
                kept = [stage for stage in passed if stage not in skipped]
                self.call(f"call_{day:02}_{number}", manager, at, kept, skipped, deal_stage_id=chance.choice(stages), deal_id=f"deal_{day}")

    def _judge(self, session, call_id: str, heard: Transcript, passed: Sequence[str], skipped: Sequence[str], at: datetime) -> None:  # type: ignore[no-untyped-def]
        checklist, table = definitions.load(session, "checklist", CHECKLIST), definitions.load(session, "table", TABLE)
        assert isinstance(checklist, Checklist)
        assert isinstance(table, Table)
        scored = finalise(call_id, heard, checklist, findings(checklist, passed, skipped), at + timedelta(seconds=24))
        row = results.save(session, call_id, "checklist", CHECKLIST, checklist.version, scored.model_dump(mode="json"), scored.timestamp)
        fields = (FieldFinding(name="users", value=12, evidence=(5,)), FieldFinding(name="price", value=15000, evidence=(8,)))
        found = TableFindings(fields=fields, usage=Usage(engine="rules"))
        filled = finalise_table(call_id, heard, table, found, at + timedelta(seconds=24), 0.2)
        results.save(session, call_id, "table", TABLE, table.version, filled.model_dump(mode="json"), filled.timestamp)
        endpoint = endpoints.get(session, "checklist", CHECKLIST)
        if endpoint is not None:
            body = payloads.checklist_body(scored, calls.get(session, call_id), self.settings)
            kind = {"kind": "checklist", "definition_id": CHECKLIST, "version": row.version, "revision": row.revision}
            deliveries.enqueue(session, call_id=call_id, event="checklist.completed", endpoint=endpoint, body=body, at=at, **kind)  # type: ignore[arg-type]

    def _record(self, call_id: str, sound: Path, at: datetime) -> None:
        storage, path = Storage(self.settings), f"{ids.stable_id('rec', call_id)}.wav"
        content = sound.read_bytes()
        part = storage.part(path)
        part.write_bytes(content)
        storage.put(part, path)
        with wave.open(str(sound)) as file:
            seconds, rate, channels = file.getnframes() / file.getframerate(), file.getframerate(), file.getnchannels()
        row = Recording(call_id=call_id, path=path, bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), format="wav")
        row.codec, row.channels, row.sample_rate, row.duration, row.created_at = (
            "pcm_u8",
            channels,
            rate,
            seconds,
            at + timedelta(seconds=3),
        )
        with self.database.begin() as session:
            results.save_recording(session, row)


def build(home: Path, database: Database | None = None, **settings: object) -> House:
    """An empty house on `database`, or on SQLite in `home`; no Prefect answers."""
    closed = {
        "prefect_api_url": "http://127.0.0.1:1/api",
        "allowed_networks": "127.0.0.1/32",
        "sign_in_limit": 1000,
    }
    made = Settings(**({"home": home} | closed | settings))  # type: ignore[arg-type]
    own = database or Database(made.db_url)
    if own.is_sqlite:
        # Thousands of small commits: a test's rows need not survive a power cut.
        event.listen(own.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    if database is None and not (made.root / "rop.sqlite").exists():
        migrate.upgrade(own)
    return House(made, own)


@cache
def password_hash() -> str:
    """The hash of everybody's password, worked out once a run."""
    return users.hash_password(PASSWORD)


def talk(said: Sequence[str] = TALK) -> Transcript:
    """The transcript of lines that begin with «М: » or «К: »."""
    who = {"М": "manager", "К": "customer", "?": "unknown"}
    utterances = tuple(
        Utterance(id=i, start=i * STEP + 0.5, end=(i + 1) * STEP, speaker=who[line[0]], text=line[3:]) for i, line in enumerate(said)
    )
    sides = ("manager", "customer")
    shares = dict.fromkeys(sides, 0.46)
    metrics = {
        "talk": dict.fromkeys(sides, 40.0),
        "talk_share": shares,
        "longest_monologue": dict.fromkeys(sides, 5.5),
        "words_per_minute": dict.fromkeys(sides, 120.0),
        "questions": {"manager": 4, "customer": 1},
        "interruptions": {"manager": 0, "customer": 1},
        "reaction": {"manager": 0.6, "customer": 0.4},
        "silence_share": 0.08,
        "longest_silence": 1.2,
    }
    return Transcript(duration=len(said) * STEP, utterances=utterances, metrics=metrics)


def findings(checklist: Checklist, passed: Sequence[str], skipped: Sequence[str] = ()) -> Findings:
    """What an engine would answer when these stages are met and those do not apply."""

    def stage(stage_id: str, criteria: Sequence[str]) -> StageFinding:
        if stage_id in skipped:
            return StageFinding(stage_id=stage_id, applicable=False, comment="Возражений не было.")
        met = stage_id in passed
        evidence = (PROOF.get(stage_id, 0),) if met else ()
        found = (CriterionFinding(criterion_id=c, met=met, evidence=evidence, confidence=0.9) for c in criteria)
        return StageFinding(stage_id=stage_id, criteria=tuple(found), comment="" if met else "Этого в разговоре нет.", confidence=0.9)

    stages = tuple(stage(s.id, [c.id for c in s.criteria]) for s in checklist.stages)
    return Findings(stages=stages, usage=Usage(engine="rules", model="встроенный"))


def peaks(heard: Transcript, count: int = 900) -> list[float]:
    """Loudness that looks like speech: loud in words, quiet between."""
    chance = random.Random(3)
    times = [heard.duration * i / count for i in range(count)]
    spoken = [any(u.start <= at < u.end for u in heard.utterances) for at in times]
    return [round((0.25 + 0.6 * abs(math.sin(i / 3.1)) * chance.random()) if loud else 0.03, 3) for i, loud in enumerate(spoken)]


def tone(path: Path, seconds: float, rate: int = 8000) -> Path:
    """A WAV file of a quiet tone."""
    one = bytes(128 + int(20 * math.sin(2 * math.pi * 440 * i / rate)) for i in range(rate))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(rate)
        for _ in range(int(seconds)):
            file.writeframes(one)
        file.writeframes(one[: int(rate * (seconds % 1))])
    return path


@contextmanager
def served(house: House) -> Iterator[str]:
    """The application on a free port of loopback; its base address."""
    config = uvicorn.Config(create_app(house.settings, house.database), host="127.0.0.1", port=0, access_log=False, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
