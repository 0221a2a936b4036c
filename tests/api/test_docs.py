"""The integrator's guides: every command runs with the real curl, and every claim that can be checked is."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import api.routes.calls
import api.routes.rework
import api.routes.tables
from api import bodies, problems
from api.openapi import SECURITY
from checklists.definitions import Table
from checklists.findings import Usage
from checklists.results import FieldResult, TableResult
from core import clock, errors
from core.errors import RopError
from core.settings import Settings
from db import calls, definitions, marks, results, speakers
from db.calls import NewCall
from scripts.make_integration_docs import GUIDES, Language, filled
from tasks.webhooks import signed_headers
from tests.api.conftest import Api
from tests.api.test_live import curl
from tests.peers.api_server import Server, serve

LANGUAGES: tuple[Language, ...] = ("ru", "en")
EXAMPLE = re.compile(r"```sh\n(.*?)```\n(?:Ответ|Answer) (\d+):\n```json\n(.*?)```", re.DOTALL)
CLOSED = "http://127.0.0.1:1"  # stands for the CRM of the examples: tests speak to nobody outside
# What differs from one installation and moment to the next: only its presence and type are compared.
VOLATILE = {"request_id", "received_at", "created_at", "at", "endpoint_id", "secret", "delivery_id", "seconds", "response", "error_code"}
TABLE = Table.model_validate(
    {"id": "TBL_1755863365", "name": "Сделка", "fields": [{"name": n} for n in ("client_name", "budget", "objection")]}
)
READY = {"client_name": "Сергей", "budget": 150000, "objection": None}


def guide(language: Language) -> str:
    return GUIDES[language].read_text()


def furnish(server: Server) -> None:
    """What the examples presuppose: a table, and a call that is done."""
    at = clock.now()
    fields = tuple(FieldResult(name=name, value=value) for name, value in READY.items())
    known: dict[str, Any] = {
        "call_id": "call_12344_20250618",
        "table_id": TABLE.id,
        "table_name": TABLE.name,
        "table_version": TABLE.version,
    }
    result = TableResult(**known, fields=fields, usage=Usage(engine="rules"), processing_time=1, timestamp=at)
    with server.database.begin() as session:
        definitions.apply(session, TABLE, "test", at)
        calls.accept(session, NewCall("call_12344_20250618", "m", "d", "s", "http://crm.invalid/a.mp3", None), at)
        results.save(session, "call_12344_20250618", "table", TABLE.id, TABLE.version, result.model_dump(mode="json"), at)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    closed = "http://127.0.0.1:1/api"
    with serve(tmp_path, prefect_api_url=closed, probe="off", rate_limit="500", allowed_networks="127.0.0.1/32") as running:
        furnish(running)
        yield running


def same(documented: Any, found: Any, name: str = "") -> bool:
    """Equal but for what is volatile."""
    if name in VOLATILE:
        return type(documented) is type(found) or None in (documented, found)
    if isinstance(documented, dict):
        return documented.keys() == found.keys() and all(same(documented[key], found[key], key) for key in documented)
    if isinstance(documented, list):
        return len(documented) == len(found) and all(same(*pair) for pair in zip(documented, found, strict=True))
    return bool(documented == found)


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_documented_command_answers_as_documented(server: Server, language: Language) -> None:
    text = guide(language).replace("https://crm.company.com", CLOSED)
    examples = EXAMPLE.findall(text)
    assert len(examples) == text.count("```sh") == 12
    for command, status, body in examples:
        documented, (code, found) = json.loads(body), curl(server, command)
        documented, found = _settled(documented), _settled(found)
        assert code == int(status), (command, found)
        assert same(documented, found), (command, documented, found)


def _settled(body: dict[str, Any]) -> dict[str, Any]:
    """Without what a random id or a moment makes different."""
    text = re.sub(r"selftest_[0-9a-f]{12}", "selftest_x", json.dumps(body))
    settled: dict[str, Any] = json.loads(re.sub(r'"stage": "(received|queued)"', '"stage": "queued"', text))
    if "steps" in settled:
        settled["steps"][0]["detail"] = "moment"
        settled["tests"] = settled["tests"][:1]
    return settled


@pytest.mark.parametrize("language", LANGUAGES)
def test_generated_parts_are_up_to_date(language: Language) -> None:
    assert filled(guide(language), language) == guide(language), "run python -m scripts.make_integration_docs"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_the_api_answers_with_is_documented(language: Language) -> None:
    modules = (api.routes.calls, api.routes.rework, api.routes.tables, bodies, problems, errors, calls, marks, speakers)
    named = {code for module in modules for code in re.findall(r'NotFound\(\s*"(\w+)"', Path(str(module.__file__)).read_text())}
    public = (400, 401, 404, 405, 409, 413, 429)
    kinds = {sub for sub in _every(RopError) if sub.status in public and sub.__module__.startswith(("api.", "core.errors"))}
    codes = named | {sub.code for sub in kinds} - {"conflict", "bad_definition"}
    assert {code for code in codes if f"`{code}`" not in guide(language)} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_named_setting_exists(language: Language) -> None:
    settings = {f"ROP_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"ROP_[A-Z_]+", guide(language))) <= settings


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_named_path_is_in_the_document(api: Api, language: Language) -> None:
    document = api.client.get("/openapi.json").json()
    named = re.findall(r"`(?:GET|POST|DELETE) ((?:/[\w{}-]+)+)", guide(language))
    assert {_template(path) for path in named} <= {_template(path) for path in document["paths"]}
    assert all(name in guide(language) for name in SECURITY)


def _template(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path).removeprefix("/api/v1")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_documented_verification_works(language: Language) -> None:
    code = re.search(r"```python\n(.*?)```", guide(language), re.DOTALL)
    assert code is not None
    namespace: dict[str, Any] = {}
    exec(code[1], namespace)
    secrets = ["whsec_" + "A" * 32 + "=" * 0, "whsec_" + "B" * 32]
    body = '{"call_id":"звонок"}'.encode()
    headers = signed_headers("msg_1", body, secrets, clock.now())
    assert all(namespace["verify"](secret, headers, body) for secret in secrets)
    assert not namespace["verify"]("whsec_" + "C" * 32, headers, body)
    assert not namespace["verify"](secrets[0], headers, body + b" ")
    late = headers | {"webhook-timestamp": str(int(time.time()) - 301)}
    assert not namespace["verify"](secrets[0], late, body)


def _every(kind: type[RopError]) -> set[type[RopError]]:
    return {kind}.union(*(_every(sub) for sub in kind.__subclasses__()))
