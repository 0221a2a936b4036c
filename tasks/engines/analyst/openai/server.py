"""One chat server: one question is one request, and an answer that cannot be read gets one repair.

The client library never retries: the Prefect task does, and it reads `retry_after` of the error.
"""

from __future__ import annotations

from typing import Any

import openai
from openai import Omit, OpenAI
from openai.types.chat import ChatCompletionMessageParam

from core import clock
from core.errors import RateLimited, RopError, Unavailable
from core.http import retry_after
from core.settings import Settings
from core.transport import unreachable
from tasks.engines.analyst import Turn
from tasks.engines.analyst.openai import reply
from tasks.engines.analyst.openai.abilities import Abilities, Complaint, Learned, complaint, context_exceeded, short_code
from tasks.engines.analyst.openai.errors import BadAnswer, KeyRefused, NotConfigured, PromptTooLong, QuotaSpent, RequestRefused
from tasks.engines.analyst.openai.forms import A, Form
from tasks.engines.analyst.openai.meter import Meter
from tasks.engines.analyst.openai.reply import Completion, Malformed
from tasks.engines.analyst.openai.wire import http_client

REPAIR = "\n\nПРОШЛЫЙ ОТВЕТ НЕ ПРИНЯТ: {what}. Пришли ещё раз полный ответ: только JSON по форме, без пояснений."

Messages = list[ChatCompletionMessageParam]


class Server:
    """Questions to `llm_url`, each request in its `turn`; thread-safe. Raises `NotConfigured` without an address."""

    def __init__(self, settings: Settings, turn: Turn) -> None:
        self._settings = settings
        self._turn = turn
        self._client = _client(settings)
        self._host = self._client.base_url.host
        # The library insists on a key; a server without one must not see a made-up one.
        self._headers: dict[str, str | Omit] = {} if settings.llm_api_key else {"Authorization": Omit()}
        self._learned = Learned(settings)

    def ask(self, system: str, question: str, form: Form[A], meter: Meter) -> A:
        """The answer in its form, after at most one repair; raises the errors of `errors`."""
        try:
            return reply.read(self._complete(system, question, form, meter), form)
        except Malformed as problem:
            question += REPAIR.format(what=problem)
        try:
            return reply.read(self._complete(system, question, form, meter), form)
        except Malformed as problem:
            raise BadAnswer(what=str(problem)) from None

    def _complete(self, system: str, question: str, form: Form[A], meter: Meter) -> str:
        """The model's words; steps down while the server complains of what it cannot do, and remembers where it stood."""
        messages: Messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
        abilities = self._learned.abilities
        complaints: set[Complaint] = set()
        while True:
            try:
                completion = self._post(messages, form, abilities, meter)
            except openai.APIStatusError as error:
                named = complaint(error)
                weaker = self._learned.weaker(abilities, named, complaints) if named else None
                if named is None or weaker is None:
                    raise self._explained(error) from None
                abilities = weaker
                complaints.add(named)
                continue
            self._learned.keep(abilities, complaints)
            return completion.content

    def _post(self, messages: Messages, form: Form[A], abilities: Abilities, meter: Meter) -> Completion:
        """One request; raises `openai.APIStatusError` and the errors of the tree."""
        self._turn()
        started = clock.monotonic()
        meter.requests += 1
        try:
            raw = self._client.chat.completions.with_raw_response.create(
                model=self._settings.llm_model, messages=messages, extra_headers=self._headers, **abilities.request(form)
            )
        except openai.APIConnectionError:
            raise unreachable("broken", self._host) from None
        finally:
            meter.seconds += clock.monotonic() - started
        completion = reply.opened(raw.content, self._host)
        meter.add(completion, sum(len(str(m["content"])) for m in messages))
        return completion

    def _explained(self, error: openai.APIStatusError) -> RopError:
        """The error of the tree; only the status and the server's short code are kept of its answer."""
        status, code = error.status_code, short_code(error)
        facts: dict[str, Any] = {"host": self._host, "http_status": status, "server_code": code}
        if status == 402 or (status == 429 and code == "insufficient_quota"):
            return QuotaSpent(**facts)
        if status in (401, 403):
            return KeyRefused(**facts)
        if context_exceeded(error):
            return PromptTooLong(limit=self._settings.llm_input_tokens, **facts)
        if status == 429:
            return _slow_down(_wait(error), facts)
        if status >= 500 or status in (408, 409, 425):
            return _down(_wait(error), facts)
        return RequestRefused(**facts)


def _client(settings: Settings) -> OpenAI:
    """The library's client with everything it would take from the environment taken away."""
    if not settings.llm_url:
        raise NotConfigured
    base = settings.llm_url.rstrip("/").removesuffix("/chat/completions")
    key = settings.llm_api_key.get_secret_value() if settings.llm_api_key else ""
    client = OpenAI(
        base_url=base if base.count("/") > 2 else f"{base}/v1",
        api_key=key or "none",
        http_client=http_client(settings),
        max_retries=0,
        timeout=settings.llm_seconds,
    )
    client.organization = client.project = None
    return client


def _slow_down(wait: float | None, facts: dict[str, Any]) -> RateLimited:
    return RateLimited(
        "llm_rate_limited",
        ru="Сервер модели {host} просит подождать" + (" {retry_after:g} с." if wait is not None else "."),
        en="The model server {host} asks to wait" + (" {retry_after:g} s." if wait is not None else "."),
        retry_after=wait,
        **facts,
    )


def _down(wait: float | None, facts: dict[str, Any]) -> Unavailable:
    return Unavailable(
        "llm_unavailable",
        ru="Сервер модели {host} временно не работает: ответ {http_status}.",
        en="The model server {host} is down: {http_status}.",
        retry_after=wait,
        **facts,
    )


def _wait(error: openai.APIStatusError) -> float | None:
    """Seconds the server asks us to wait: `retry-after-ms` is finer where both are given."""
    exact = error.response.headers.get("retry-after-ms", "")
    if exact.isascii() and exact.isdigit():
        return int(exact[:12]) / 1000
    return retry_after(error.response.headers)
