"""The only door to the outside: guarded, synchronous HTTP for recordings and webhooks.

The transport resolves a name once, refuses it if any of its addresses is refused, and connects to an address it has vetted: a name that
answers differently a moment later changes nothing. A connection serves one request, or several to the same scheme, name and port within
one pass of deliveries: a name never rides on a connection that was verified for another. TLS verifies the name.

A deadline covers the whole attempt: every single wait of connecting, TLS, sending and reading is capped by what is left of it, so a
server that keeps sending single bytes is cut off in time.

Errors name the host alone, never a path, a query or a password.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpcore
import httpx

from core import clock
from core.errors import AddressRefused, SourceRefused, Unreachable
from core.settings import Settings
from core.transport import PORTS, Backend, Deadline, Lines, Resolve, Transport, explained, port_of, system_addresses, tls_context

__all__ = ["Answer", "Deadline", "Guarded", "Incoming", "Lines", "retry_after"]

USER_AGENT = "DigitalROP/1"
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CONTENT_RANGE = re.compile(r"bytes (?:(?P<start>\d{1,15})-\d{1,15}|\*)/(?:(?P<total>\d{1,15})|\*)$", re.ASCII)
# What must not follow a redirect to wherever it leads.
CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})

for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # below that they log whole URLs, with the tokens inside


@dataclass(frozen=True)
class Incoming:
    """An answer whose body is still to come. `chunks` are the raw bytes of the body; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    host: str
    chunks: Iterator[bytes]

    @property
    def start(self) -> int | None:
        """The place of the first byte in the whole; None for a partial answer that does not say."""
        return 0 if self.status != 206 else self._range("start")

    @property
    def total(self) -> int | None:
        """Bytes of the whole, as far as the server says."""
        if self.status in {206, 416}:
            return self._range("total")
        length = self.headers.get("content-length", "")
        return int(length) if length.isascii() and length.isdigit() else None

    @property
    def encoding(self) -> str:
        """The content encoding, though we asked for none; empty for plain bytes."""
        value = self.headers.get("content-encoding", "").strip().lower()
        return "" if value == "identity" else value

    def _range(self, part: str) -> int | None:
        found = _CONTENT_RANGE.match(self.headers.get("content-range", ""))
        return int(found[part]) if found and found[part] else None


@dataclass(frozen=True)
class Answer:
    """A finished answer: the first bytes of its body, and the seconds of the whole exchange."""

    status: int
    headers: Mapping[str, str]
    body_head: bytes
    seconds: float


class Guarded:
    """Outbound HTTP that strangers may point at. Thread-safe; keeps no state between requests."""

    def __init__(self, settings: Settings, resolve: Resolve | None = None) -> None:
        self._settings = settings
        self._resolve = resolve or system_addresses
        self._tls = tls_context(settings)

    def check(self, url: str) -> None:
        """Raise `AddressRefused` for a URL that would be refused now; a name that does not resolve passes."""
        target = _target(url)
        try:
            self._backend(Deadline(self._settings.connect_seconds)).vetted(target.host, port_of(target))
        except Unreachable:
            return

    @contextmanager
    def get_stream(
        self, url: str, headers: Mapping[str, str] | None = None, *, deadline: Deadline, read_seconds: float | None = None
    ) -> Iterator[Incoming]:
        """A GET whose body is read inside the block; redirects are followed, each vetted anew and without credentials.

        Raises:
            AddressRefused: the URL or a redirect leads where we do not go.
            SourceRefused: more than `max_redirects` redirects.
            Unreachable: no answer, or its body broke off or came too late.
        """
        target, sent = _target(url), dict(headers or {})
        for _ in range(self._settings.max_redirects + 1):
            with self._answered("GET", target, sent, deadline, read_seconds=read_seconds) as response:
                if not (response.status_code in REDIRECTS and "location" in response.headers):
                    yield Incoming(response.status_code, response.headers, target.host, response.iter_raw())
                    return
                target = _redirected(target, response.headers["location"])
                sent = {name: value for name, value in sent.items() if name.lower() not in CREDENTIALS}
        raise SourceRefused(
            "too_many_redirects",
            ru="Сервер {host} перенаправляет больше {limit} раз.",
            en="The server {host} redirects more than {limit} times.",
            host=target.host,
            limit=self._settings.max_redirects,
        )

    def post(self, url: str, content: bytes, headers: Mapping[str, str], deadline: Deadline, lines: Lines | None = None) -> Answer:
        """One POST. A redirect is an answer like any other; the status counts even if the body after it breaks off.

        `lines` keeps the connection for the next post to the same name. Raises `AddressRefused` and `Unreachable`.
        """
        started = clock.monotonic()
        with self._answered("POST", _target(url), headers, deadline, content=content, lines=lines) as response:
            head = _head(response, self._settings.webhook_read_bytes)
            return Answer(response.status_code, response.headers, head, clock.monotonic() - started)

    @contextmanager
    def _answered(
        self,
        method: str,
        target: httpx.URL,
        headers: Mapping[str, str],
        deadline: Deadline,
        *,
        content: bytes | None = None,
        read_seconds: float | None = None,
        lines: Lines | None = None,
    ) -> Iterator[httpx.Response]:
        own = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", "Connection": "close" if lines is None else "keep-alive"}
        timeout = httpx.Timeout(read_seconds, connect=self._settings.connect_seconds)
        transport = Transport(self._tls, self._backend(deadline), lines)
        with explained(target.host), httpx.Client(transport=transport, trust_env=False, timeout=timeout) as client:
            request = client.build_request(method, target, headers={**own, **headers}, content=content)
            with closing(client.send(request, stream=True)) as response:
                yield response

    def _backend(self, deadline: Deadline) -> Backend:
        return Backend(self._settings, self._resolve, deadline)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the other side asks us to wait (a number or an HTTP date), or None."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    moment = _date(value)
    return None if moment is None else max((moment - clock.now()).total_seconds(), 0.0)


def clock_ahead(headers: Mapping[str, str]) -> float | None:
    """By how many seconds the other side's clock is before ours (behind it, if negative), or None when it does not tell its time."""
    moment = _date(headers.get("date", ""))
    return None if moment is None else (moment - clock.now()).total_seconds()


def _date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _target(url: str | httpx.URL) -> httpx.URL:
    """The parsed URL; raises `AddressRefused` unless it is a plain http(s) URL with a host and without a password."""
    try:
        target = httpx.URL(url)
    except (httpx.InvalidURL, ValueError, TypeError):
        raise _refused("bad_url", "") from None
    if target.scheme not in PORTS:
        raise _refused("scheme", target.host)
    if not target.host or "%" in target.host or not 0 < port_of(target) < 65536:
        raise _refused("bad_url", target.host)
    if target.userinfo:
        raise _refused("userinfo", target.host)
    return target


def _redirected(target: httpx.URL, location: str) -> httpx.URL:
    try:
        new = _target(target.join(location))
    except (httpx.InvalidURL, ValueError):
        raise _refused("bad_url", target.host) from None
    if target.scheme == "https" and new.scheme == "http":
        raise _refused("downgrade", new.host)
    return new


def _refused(rule: str, host: str) -> AddressRefused:
    return AddressRefused(
        "url_refused",
        ru="Ссылка не принимается: нужен адрес http:// или https:// без логина и пароля ({rule}).",
        en="The link is not accepted: it must be http:// or https:// without a user name ({rule}).",
        host=host,
        rule=rule,
    )


def _head(response: httpx.Response, limit: int) -> bytes:
    """The first `limit` bytes of the body, or what came of them."""
    head = b""
    try:
        for chunk in response.iter_raw():
            head += chunk
            if len(head) >= limit:
                break
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
        pass
    return head[:limit]
