"""The wire under `core.http`: vetted connections, each for one name, and every wait within one deadline."""

from __future__ import annotations

import ipaddress
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Self

import certifi
import httpcore
import httpx

from core import addresses, clock
from core.errors import AddressRefused, Unreachable
from core.settings import Settings

Resolve = Callable[[str, int, float], list[str]]
PORTS = {"http": 80, "https": 443}
KEEP_SECONDS = 5.0  # most servers hang up later than that


class Deadline:
    """A moment by which something has to be over."""

    def __init__(self, seconds: float) -> None:
        self._at = clock.monotonic() + seconds

    def left(self) -> float:
        """Seconds that remain, never below zero."""
        return max(self._at - clock.monotonic(), 0.0)

    def within(self, seconds: float | None) -> float:
        """The shorter of `seconds` and what is left."""
        return self.left() if seconds is None else min(seconds, self.left())


class Line:
    """A connection to one name. It serves one request at a time, within the deadline its backend was given last."""

    def __init__(self, origin: httpcore.Origin, tls: ssl.SSLContext, backend: Backend) -> None:
        self.origin = origin
        self.backend = backend
        self.connection = httpcore.HTTPConnection(origin, tls, keepalive_expiry=KEEP_SECONDS, network_backend=backend)


class Lines:
    """Connections kept open for further posts to the same name; close it when the posts are done. Thread-safe."""

    def __init__(self) -> None:
        self._idle: list[Line] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for line in self._idle:
            line.connection.close()

    def take(self, origin: httpcore.Origin) -> Line | None:
        """A line to exactly this scheme, name and port that seems to be alive."""
        with self._lock:
            mine = next((line for line in self._idle if line.origin == origin), None)
            if mine is not None:
                self._idle.remove(mine)
        if mine is not None and mine.connection.has_expired():
            mine.connection.close()
            return None
        return mine

    def give(self, line: Line) -> None:
        """Keep a line that is idle; close any other."""
        if not line.connection.is_idle():
            line.connection.close()
            return
        with self._lock:
            self._idle.append(line)


class Transport(httpx.BaseTransport):
    """One request, over a kept line where there is one."""

    def __init__(self, tls: ssl.SSLContext, backend: Backend, lines: Lines | None = None) -> None:
        self._tls = tls
        self._backend = backend
        self._lines = lines
        self._line: Line | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(scheme=request.url.raw_scheme, host=request.url.raw_host, port=port_of(request.url), target=request.url.raw_path)
        sent = httpcore.Request(request.method, url, headers=request.headers.raw, content=request.read(), extensions=request.extensions)
        answer = self._over_kept_line(sent)
        if answer is None:
            self._line = Line(url.origin, self._tls, self._backend)
            answer = self._line.connection.handle_request(sent)
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    def close(self) -> None:
        if self._line is None:
            return
        if self._lines is None:
            self._line.connection.close()
        else:
            self._lines.give(self._line)

    def _over_kept_line(self, sent: httpcore.Request) -> httpcore.Response | None:
        """The answer, or None where no line was kept or the server hung up on the one that was."""
        self._line = self._lines.take(sent.url.origin) if self._lines else None
        if self._line is None:
            return None
        self._line.backend.deadline = self._backend.deadline
        try:
            return self._line.connection.handle_request(sent)
        except (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError):
            self._line.connection.close()
            return None


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class Backend(httpcore.NetworkBackend):
    """Connects to vetted addresses only, within the deadline."""

    def __init__(self, settings: Settings, resolve: Resolve, deadline: Deadline) -> None:
        self._settings = settings
        self._resolve = resolve
        self.deadline = deadline
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        connecting = Deadline(self.deadline.within(timeout))
        failure: Exception | None = None
        for address in self.vetted(host, port):
            try:
                stream = self._plain.connect_tcp(address, port, connecting.left() or 0.001, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            return _TimedStream(stream, self)
        raise failure or httpcore.ConnectError("no address")

    def vetted(self, host: str, port: int) -> list[str]:
        """The addresses of `host`, all of them allowed; raises `AddressRefused` or `Unreachable`."""
        found = _literal(host) or self._resolve(host, port, self.deadline.within(self._settings.connect_seconds))
        for address in found:
            rule = addresses.refusal(address, self._settings.allowed_networks)
            if rule is not None:
                raise AddressRefused(host=host, rule=rule)
        return found


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every wait ends with the deadline at the latest."""

    def __init__(self, stream: httpcore.NetworkStream, backend: Backend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._wait(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # Not the stream's own write: there a peer that takes single bytes renews the whole wait with each of them.
        connection: socket.socket = self._stream.get_extra_info("socket")
        left = memoryview(buffer)
        try:
            while left:
                connection.settimeout(self._wait(timeout, httpcore.WriteTimeout))
                left = left[connection.send(left) :]
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        wait = self._wait(timeout, httpcore.ConnectTimeout)
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, wait), self._backend)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)

    def _wait(self, timeout: float | None, too_late: type[httpcore.TimeoutException]) -> float:
        wait = self._backend.deadline.within(timeout)
        if wait <= 0:
            raise too_late("deadline")
        return wait


def system_addresses(host: str, port: int, seconds: float) -> list[str]:
    """Every address the system's resolver knows for `host`; raises `Unreachable` after `seconds`."""
    # getaddrinfo takes no timeout, so it waits in a thread of its own that dies with the process.
    answers: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()
    threading.Thread(target=_look_up, args=(host, port, answers), daemon=True, name="resolve").start()
    try:
        answer = answers.get(timeout=max(seconds, 0.001))
    except queue.Empty:
        raise unreachable("timeout", host) from None
    if isinstance(answer, OSError):
        raise unreachable("dns_failed", host) from answer
    return answer


def _look_up(host: str, port: int, answers: queue.SimpleQueue[list[str] | OSError]) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        answers.put(list(dict.fromkeys(str(entry[4][0]) for entry in found)))
    except (OSError, UnicodeError) as error:
        answers.put(error if isinstance(error, OSError) else OSError(str(error)))


def _literal(host: str) -> list[str] | None:
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        return None


def tls_context(settings: Settings) -> ssl.SSLContext:
    """The system's authorities, those of certifi, and the company's own."""
    return _trusting(settings.ca_file)


@cache  # OpenSSL reads the authorities for a fifth of a second
def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    if ca_file is not None:
        context.load_verify_locations(str(ca_file))
    return context


def port_of(url: httpx.URL) -> int:
    """The port of the URL, or that of its scheme."""
    return PORTS[url.scheme] if url.port is None else url.port


_REASONS = {
    "dns_failed": ("Имя {host} не найдено.", "The name {host} was not found."),
    "timeout": ("Сервер {host} не ответил вовремя.", "The server {host} did not answer in time."),
    "tls_failed": ("Не удалось проверить сертификат сервера {host}.", "The certificate of {host} could not be verified."),
    "connect_failed": ("Не удалось соединиться с {host}.", "Could not connect to {host}."),
    "broken": ("Соединение с {host} оборвалось.", "The connection to {host} broke."),
}


def unreachable(code: str, host: str) -> Unreachable:
    """The error of that code, naming the host alone."""
    ru, en = _REASONS[code]
    return Unreachable(code, ru=ru, en=en, host=host)


@contextmanager
def explained(host: str) -> Iterator[None]:
    """Every failure of the exchange as `Unreachable`."""
    try:
        yield
    except httpcore.ConnectError as error:
        raise unreachable("tls_failed" if isinstance(error.__cause__, ssl.SSLError) else "connect_failed", host) from error
    except (httpcore.TimeoutException, httpx.TimeoutException) as error:
        raise unreachable("timeout", host) from error
    except (httpcore.NetworkError, httpcore.ProtocolError, httpx.HTTPError, httpx.StreamError) as error:
        raise unreachable("broken", host) from error
