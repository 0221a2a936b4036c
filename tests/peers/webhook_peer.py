"""A receiver of webhooks, as a CRM would write it: it checks signatures with the public library and drops repeats by id."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from tests.peers.serving import Serving


@dataclass(frozen=True)
class Reply:
    """What the receiver answers, `after` that many seconds."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    after: float = 0.0


@dataclass(frozen=True)
class Received:
    """One request as it came in; header names in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verifies(self, secret: str) -> bool:
        """Whether the signature holds under `secret`."""
        try:
            Webhook(secret).verify(self.body, dict(self.headers))
        except WebhookVerificationError:
            return False
        return True


class WebhookPeer(Serving):
    """Answers with `replies` in turn, then with the last of them for ever; `received` holds everything that came, over `connections`."""

    def __init__(self, replies: Sequence[Reply] = (Reply(),), host: str = "127.0.0.1") -> None:
        self._replies = list(replies)
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self.received: list[Received] = []
        self.connections = 0
        self._server = _Server((host, 0), _Handler)
        self._server.peer = self
        self.host, self.port = host, self._server.server_address[1]

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        super().__exit__()

    def url(self, path: str = "/hook") -> str:
        """Where to send to."""
        return f"http://{self.host}:{self.port}{path}"

    @property
    def distinct(self) -> dict[str, bytes]:
        """The body of every message once, as a receiver that drops repeats keeps them."""
        return {one.id: one.body for one in self.received}

    def take(self, received: Received) -> Reply:
        """Keep a request and choose the answer."""
        with self._lock:
            self.received.append(received)
            reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        self._closing.wait(reply.after)
        return reply


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    peer: WebhookPeer

    def process_request(self, request: Any, client_address: Any) -> None:
        self.peer.connections += 1
        super().process_request(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionResetError("the sender died in the middle of a message: nothing came")
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.peer.take(Received(self.path, headers, body))
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        return
