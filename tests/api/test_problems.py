"""Errors: one shape, two languages, a request id, and no 422 anywhere."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from api import middleware, problems
from api.problems import language_of
from core.errors import RateLimited
from tests.api.conftest import Api


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("", "ru"),
        ("*", "ru"),
        ("de", "ru"),
        ("en", "en"),
        ("en-US,en;q=0.9", "en"),
        ("ru,en;q=0.9", "ru"),
        ("en;q=0.3, ru;q=0.8", "ru"),
        ("de, en;q=0.5", "en"),
        ("en;q=nonsense", "en"),
        ("en;q=0", "ru"),
    ],
)
def test_language(accept: str, language: str) -> None:
    assert language_of({"accept-language": accept}) == language


def test_unknown_paths_and_methods(api: Api) -> None:
    missing = api.client.get("/api/v1/nowhere")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert missing.headers["content-type"] == "application/problem+json"
    wrong = api.client.get("/api/v1/calls/audio-upload", headers={"X-API-Key": api.key})
    assert wrong.status_code == 404
    put = api.client.put("/api/v1/tables/call-ready")
    assert (put.status_code, put.json()["code"], put.headers["allow"]) == (405, "method_not_allowed", "GET")


def test_english_on_request(api: Api) -> None:
    answer = api.client.post("/api/v1/calls/audio-upload", headers={"X-API-Key": api.key, "Accept-Language": "en"}, data={"call_id": "x"})
    assert answer.json()["detail"] == "Invalid request parameters: manager_id, deal_id, deal_stage_id, audio_url."
    assert answer.json()["fields"]["deal_id"] == "required field is missing"


def test_the_request_id_comes_back(api: Api) -> None:
    given = api.client.get("/api/v1/nowhere", headers={"X-Request-ID": "crm-42"})
    assert given.headers["x-request-id"] == given.json()["request_id"] == "crm-42"
    for odd in ("a b", "x" * 65, "<script>", ""):
        made = api.client.get("/healthz", headers={"X-Request-ID": odd}).headers["x-request-id"]
        assert len(made) == 16


def test_a_slash_too_many_is_no_redirect(api: Api) -> None:
    answer = api.client.get(f"/api/v1/deliveries/?apiKey={api.key}", follow_redirects=False)
    assert (answer.status_code, "location" in answer.headers) == (404, False)


def test_query_parameters_are_validated_like_bodies(api: Api) -> None:
    answer = api.get("/deliveries", limit="many", status="lost")
    assert answer.status_code == 400
    assert answer.json()["fields"] == {
        "status": "допустимые значения: 'pending', 'delivered' or 'dead'",
        "limit": "ожидается целое число",
    }


@pytest.fixture
def broken() -> TestClient:
    """An application whose routes fail in the ways a server can."""
    app = FastAPI()
    problems.install(app)
    app.add_middleware(middleware.RequestLog, observe=lambda *_: None)

    @app.get("/bug")
    def bug() -> None:
        raise ZeroDivisionError

    @app.get("/locked")
    def locked() -> None:
        raise OperationalError("INSERT", {"url": "https://crm/secret"}, Exception("database is locked"))

    @app.get("/busy")
    def busy() -> None:
        raise RateLimited(retry_after=2.1)

    return TestClient(app, raise_server_exceptions=False)


def test_a_bug_is_500_in_the_same_shape(broken: TestClient) -> None:
    answer = broken.get("/bug")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_locked_database_is_503_and_says_nothing_more(broken: TestClient) -> None:
    answer = broken.get("/locked")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "secret" not in answer.text


def test_retry_after_is_whole_seconds_rounded_up(broken: TestClient) -> None:
    assert broken.get("/busy").headers["retry-after"] == "3"
