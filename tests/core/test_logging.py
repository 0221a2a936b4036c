"""Log lines: one form for every logger, and nothing secret in any of them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from core.logging import configure, scrub
from core.settings import Settings

KEY = "rop_" + "a1B2" * 12 + "x"
SECRETS = [
    KEY,
    f"apiKey={KEY[4:]}",
    f"?api%4Bey={KEY[4:]}&x=1",
    f"?%61pi%4b%65y={KEY[4:]}",
    f"api_key: {KEY[4:]}",
    f"Authorization: Bearer {KEY[4:]}",
    f"whsec_{KEY[4:]}=",
    f"GET https://user:{KEY[4:]}@crm.example/files/call.mp3",
    f"https://crm.example/files/call.mp3?token={KEY[4:]}#x",
    f"https://crm.example/{KEY[4:]}/call.mp3",
]


@pytest.fixture
def lines(settings: Settings) -> Iterator[io.StringIO]:
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    stream = io.StringIO()
    configure(settings, stream)
    yield stream
    root.handlers[:] = before
    structlog.reset_defaults()


@pytest.mark.parametrize("text", SECRETS)
def test_scrub_leaves_nothing_secret(text: str) -> None:
    assert KEY[4:] not in scrub(text)


@pytest.mark.parametrize("text", ["call call_12345 done", "https://crm.example", "keys: 3", "status=200"])
def test_scrub_leaves_plain_text_readable(text: str) -> None:
    assert scrub(text).startswith(text)


def test_our_lines_and_those_of_libraries_have_one_form(lines: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger("ours").info("took", call_id="c1")
        logging.getLogger("theirs").warning("saw %s", "x")
    ours, theirs = (json.loads(line) for line in lines.getvalue().splitlines())
    assert (ours["event"], ours["call_id"], ours["request_id"], ours["level"]) == ("took", "c1", "r1", "info")
    assert (theirs["event"], theirs["logger"], theirs["request_id"]) == ("saw x", "theirs", "r1")


@pytest.mark.parametrize("text", SECRETS)
def test_no_way_of_logging_shows_a_secret(lines: io.StringIO, text: str) -> None:
    log = structlog.get_logger("ours")
    log.info("event", value=text, nested={"a": [text, {"b": text}]}, error=ValueError(text))
    log.info(text)
    logging.getLogger("theirs").warning("%s", text, extra={"more": text})
    log.error("failed", exc_info=RuntimeError(text))
    assert KEY[4:] not in lines.getvalue()
    assert len(lines.getvalue().splitlines()) == 4


def test_libraries_that_log_whole_addresses_are_quiet(lines: io.StringIO) -> None:
    for name in ("httpx", "httpx2", "uvicorn.access"):
        logging.getLogger(name).info("GET http://x/?apiKey=1")
    assert lines.getvalue() == ""


def test_a_terminal_gets_text(settings: Settings) -> None:
    stream = io.StringIO()
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    configure(settings.model_copy(update={"log_json": False}), stream)
    structlog.get_logger("ours").info("took", url=SECRETS[-1])
    root.handlers[:] = before
    structlog.reset_defaults()
    assert "took" in stream.getvalue()
    assert KEY[4:] not in stream.getvalue()
