"""A file server on loopback that can misbehave the way real ones do."""

from __future__ import annotations

import itertools
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from tests.peers.sockets import Listener, read_head


@dataclass(frozen=True)
class Request:
    """What was asked; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


Behaviour = Callable[["FilePeer", socket.socket, Request], None]


@dataclass
class FilePeer:
    """Answers every path by its behaviour; `requests` holds all that was asked, in order."""

    routes: dict[str, Behaviour] = field(default_factory=dict)
    host: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.listener = Listener(self._talk, self.host, self.tls).__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.__exit__()

    def url(self, path: str = "/", host: str | None = None) -> str:
        """The URL of `path`, by the listening address or by a name."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{host or self.host}:{self.listener.port}{path}"

    def _talk(self, connection: socket.socket) -> None:
        head = read_head(connection).decode("latin-1")
        if not head:
            return
        first, *lines = head.split("\r\n\r\n")[0].split("\r\n")
        method, path, _ = first.split(" ", 2)
        request = Request(method, path, {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)})
        self.requests.append(request)
        self.routes.get(path.partition("?")[0], status(404))(self, connection, request)


def answer(code: int, headers: Mapping[str, object], body: bytes = b"") -> bytes:
    """The bytes of an HTTP answer; `headers` are sent as they are."""
    lines = [f"HTTP/1.1 {code} Whatever", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def status(code: int, **headers: object) -> Behaviour:
    """An answer without a body; `_` in a header's name stands for `-`."""

    def behave(_peer: FilePeer, connection: socket.socket, _request: Request) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.sendall(answer(code, {"Content-Length": 0, **named}))

    return behave


def redirect(to: str, code: int = 302) -> Behaviour:
    """A redirect to `to`."""
    return status(code, Location=to)


def serve(content: bytes, etag: str | None = '"one"', *, ranges: bool = True, **headers: object) -> Behaviour:
    """A well-behaved file; without `ranges` every request gets the whole."""

    def behave(_peer: FilePeer, connection: socket.socket, request: Request) -> None:
        code, own, body = _ranged(content, etag, request) if ranges else (200, {}, content)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.sendall(answer(code, {"Content-Length": len(body), **({"ETag": etag} if etag else {}), **own, **named}, body))

    return behave


def breaking(content: bytes, *breaks: int, etag: str | None = '"one"', ranges: bool = True) -> Behaviour:
    """A file whose n-th answer breaks off after `breaks[n]` bytes of its body; later answers are whole."""
    left = list(breaks)

    def behave(_peer: FilePeer, connection: socket.socket, request: Request) -> None:
        code, own, body = _ranged(content, etag, request) if ranges else (200, {}, content)
        until = left.pop(0) if left else len(body)
        connection.sendall(answer(code, {"Content-Length": len(body), **({"ETag": etag} if etag else {}), **own}, body[:until]))

    return behave


def drip(content: bytes, seconds: float, piece: int = 1) -> Behaviour:
    """A file that comes `piece` bytes at a time with a pause of `seconds` between."""

    def behave(peer: FilePeer, connection: socket.socket, _request: Request) -> None:
        connection.sendall(answer(200, {"Content-Length": len(content)}))
        for start in range(0, len(content), piece):
            connection.sendall(content[start : start + piece])
            if peer.listener.pause(seconds):
                return

    return behave


def endless(first: bytes, block: bytes = bytes(65536), **headers: object) -> Behaviour:
    """A body that never ends, in chunks."""

    def behave(_peer: FilePeer, connection: socket.socket, _request: Request) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.sendall(answer(200, {"Transfer-Encoding": "chunked", **named}))
        for piece in itertools.chain([first], itertools.repeat(block)):
            connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")

    return behave


def silent(seconds: float = 60.0) -> Behaviour:
    """No answer at all."""

    def behave(peer: FilePeer, _connection: socket.socket, _request: Request) -> None:
        peer.listener.pause(seconds)

    return behave


def _ranged(content: bytes, etag: str | None, request: Request) -> tuple[int, dict[str, object], bytes]:
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    fresh = request.headers.get("if-range") in {None, etag}
    if not wanted or not fresh:
        return 200, {}, content
    start, end = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
    if start >= len(content):
        return 416, {"Content-Range": f"bytes */{len(content)}"}, b""
    return 206, {"Content-Range": f"bytes {start}-{end}/{len(content)}"}, content[start : end + 1]
