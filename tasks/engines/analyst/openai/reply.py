"""What a chat server sent back: the envelope, and the JSON inside the model's words."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from core.errors import Unavailable, Unreachable
from tasks.engines.analyst.openai.errors import AnswerCut, AnswerFiltered, ModelRefused
from tasks.engines.analyst.openai.forms import A, Form

THOUGHTS = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
STARTS_TRIED = 50  # braces in the prose around the JSON
ERRORS_SHOWN = 5


class Malformed(Exception):
    """The answer cannot be read; the text says why, in Russian, for the model and for people."""


@dataclass(frozen=True)
class Completion:
    """One answer of a server; tokens are zero where it does not count them."""

    content: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


def opened(body: bytes, host: str) -> Completion:
    """The completion in an answer with status 200.

    Raises `ModelRefused`, `AnswerCut`, `AnswerFiltered`; `Unavailable` for an error in the envelope, `Unreachable` for anything else.
    """
    try:
        envelope = json.loads(body)
        choice = envelope["choices"][0]
        message = choice.get("message") or {}
    except (ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError):
        raise _no_completion(body, host) from None
    _refuse(choice.get("finish_reason"), message.get("refusal"))
    usage = envelope.get("usage")
    return Completion(
        content=_text(message.get("content")),
        model=str(envelope.get("model") or "")[:200],
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
        cached_tokens=_count(usage, "prompt_tokens_details", "cached_tokens"),
    )


def read(content: str, form: Form[A]) -> A:
    """The answer in its form; raises `Malformed`."""
    value = _json(THOUGHTS.sub(" ", content))
    try:
        return form.answer.model_validate(value)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in error.errors()[:ERRORS_SHOWN]]
        raise Malformed("поля не того вида (" + ", ".join(wrong) + ")") from None


def _refuse(finish: Any, refusal: Any) -> None:
    if refusal:
        raise ModelRefused
    if finish == "content_filter":
        raise AnswerFiltered
    if finish == "length":
        raise AnswerCut


def _no_completion(body: bytes, host: str) -> Unavailable | Unreachable:
    """Some gateways answer 200 with an error inside."""
    if b'"error"' in body[:200]:
        return Unavailable("llm_unavailable", ru="Сервер модели {host} вернул ошибку.", en="The model server {host} failed.", host=host)
    return Unreachable("llm_no_answer", ru="Сервер {host} ответил не как сервер модели.", en="{host} is no chat server.", host=host)


def _text(content: Any) -> str:
    """Text, also where a server sends it in parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _count(usage: Any, *path: str) -> int:
    for name in path:
        usage = usage.get(name) if isinstance(usage, dict) else None
    return usage if isinstance(usage, int) and not isinstance(usage, bool) and usage > 0 else 0


def _json(text: str) -> dict[str, Any]:
    """The largest JSON object in the text; models like to put a sentence or a fence around it."""
    if not text.strip():
        raise Malformed("пустой ответ")
    decoder = json.JSONDecoder()
    best: dict[str, Any] = {}
    longest, end = 0, 0
    for start in [m.start() for m in re.finditer(r"\{", text)][:STARTS_TRIED]:
        if start < end:
            continue
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if end - start > longest:
            best, longest = value, end - start
    if not best:
        raise Malformed("это не JSON или он оборван")
    return best
