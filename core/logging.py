"""Log lines of every process: structured, with the request's or the call's ids, and never with a key or an address's secret part."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from core.settings import Settings

# Their lines hold whole addresses with their query; ours say what is needed.
HTTP = ("httpx", "httpcore", "httpx2", "uvicorn.access", "urllib3", "openai", "botocore")
QUIET = (*HTTP, "fsspec", "multipart", "python_multipart", "alembic")

# `apiKey` and `api_key` with any letter percent-encoded: a server decodes the name, so a log must know every spelling.
_ANY_SPELLING = "".join(f"(?:{c}|%{ord(c):02x}|%{ord(c.upper()):02x})" for c in "api") + r"(?:[_-]|%5f|%2d)?"
_ANY_SPELLING += "".join(f"(?:{c}|%{ord(c):02x}|%{ord(c.upper()):02x})" for c in "key")

_SECRETS = (
    (re.compile(r"(?i)\b(https?|ftp)(://)(?:[^\s/?#'\"<>@]*@)?([^\s/?#'\"<>\\]*)[^\s'\"<>]*"), r"\1\2\3/…"),
    (re.compile(r"rop_[0-9A-Za-z]{8,}"), "rop_…"),
    (re.compile(r"whsec_[0-9A-Za-z+/=_-]{8,}"), "whsec_…"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[0-9A-Za-z._~+/=-]{8,}"), r"\1 …"),
    (re.compile(rf"(?i)({_ANY_SPELLING})(\s*[=:]\s*)[^\s&'\",}}]+"), r"\1\2…"),
)


def scrub(text: str) -> str:
    """The text without keys, tokens and anything behind the host of an address."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Send every logger of this process, ours and the libraries', through one handler; harmless to repeat."""
    logging.captureWarnings(capture=True)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter(settings))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def formatter(settings: Settings) -> logging.Formatter:
    """The one form of a line: JSON, or coloured text for a terminal."""
    tail: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if settings.log_json:
        tail += [structlog.processors.format_exc_info, _scrub_event, structlog.processors.JSONRenderer(ensure_ascii=False, default=str)]
    else:
        tail += [structlog.processors.format_exc_info, _scrub_event, structlog.dev.ConsoleRenderer()]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=[*_shared(), structlog.stdlib.ExtraAdder()], processors=tail)


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _scrub_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {key: _scrubbed(value) for key, value in event.items()}


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {key: _scrubbed(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_scrubbed(one) for one in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return scrub(str(value))
