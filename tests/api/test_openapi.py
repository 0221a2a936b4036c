"""The published document: golden, honest about codes and bodies, and readable offline."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from api.assets import STATIC
from api.openapi import ENCODINGS, dump
from tests.api.conftest import Api

GOLDEN = Path(__file__).parents[2] / "docs" / "openapi.json"
OPERATIONS = [
    ("POST", "/api/v1/calls/audio-upload"),
    ("POST", "/api/v1/settings/offices-update"),
    ("POST", "/api/v1/settings/managers-update"),
    ("GET", "/api/v1/tables/call-ready"),
]


@pytest.fixture
def document(api: Api) -> dict[str, Any]:
    return api.client.get("/openapi.json").json()


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(method.upper(), path, one) for path, methods in document["paths"].items() for method, one in methods.items()]


def test_the_document_is_the_committed_one(api: Api) -> None:
    assert dump(api.client.app) == GOLDEN.read_text(), "run scripts/make_openapi.py and review the difference"  # type: ignore[arg-type]


def test_the_agreed_operations_are_there(document: dict[str, Any]) -> None:
    assert set(OPERATIONS) <= {(method, path) for method, path, _ in operations(document)}


def test_no_422_and_no_trace_of_it(document: dict[str, Any]) -> None:
    assert all("422" not in one["responses"] for _, _, one in operations(document))
    assert "HTTPValidationError" not in json.dumps(document)


def test_every_error_is_a_problem(document: dict[str, Any]) -> None:
    for _, path, one in operations(document):
        for code, response in one["responses"].items():
            if code >= "400" and path.startswith("/api/"):
                assert list(response["content"]) == ["application/problem+json"], path


def test_every_body_takes_three_encodings(document: dict[str, Any]) -> None:
    bodies = [one["requestBody"] for method, _, one in operations(document) if method == "POST" and "requestBody" in one]
    assert len(bodies) >= 7
    assert all(list(body["content"]) == list(ENCODINGS) for body in bodies)


def test_every_operation_speaks_russian_and_has_an_example_for_mandatory_fields(document: dict[str, Any]) -> None:
    for _, path, one in operations(document):
        assert re.search("[А-Яа-я]", one["summary"] + one["description"]), path
    for field in document["components"]["schemas"]["Upload"]["required"]:
        assert document["components"]["schemas"]["Upload"]["properties"][field]["examples"]


def test_the_key_may_be_in_three_places(document: dict[str, Any]) -> None:
    assert set(document["components"]["securitySchemes"]) == {"apiKey", "X-API-Key", "Bearer"}


def test_the_pages_of_the_document_need_no_other_server(api: Api) -> None:
    page = api.client.get("/docs")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) == 4
    for link in links:
        if not link.startswith("data:"):
            assert link.startswith("/static/")
            assert api.client.get(link).status_code == 200


def test_compressed_files_travel_as_they_are(api: Api) -> None:
    path = "/static/vendor/swagger-ui-dist/swagger-ui.css"
    packed = api.client.get(path, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["content-type"] == "text/css; charset=utf-8"
    plain = api.client.get(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == packed.content == gzip.decompress((STATIC / f"vendor/{path[15:]}.gz").read_bytes())
    again = api.client.get(path, headers={"If-None-Match": packed.headers["etag"], "Accept-Encoding": "gzip"})
    assert again.status_code == 304
    for outside in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/none.js"):
        assert api.client.get(outside).status_code == 404


def test_vendored_files_match_their_hashes() -> None:
    vendor = STATIC / "vendor"
    listed = json.loads((vendor / "manifest.json").read_text())
    found = {p.relative_to(vendor).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in vendor.rglob("*") if p.is_file()}
    found.pop("manifest.json")
    assert found == listed
