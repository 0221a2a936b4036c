"""A Prefect API as far as the ingress needs one: deployments by name, and flow runs that are made once a key."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.peers.serving import Serving


class PrefectPeer(Serving):
    """`runs` holds the id of the run of every idempotency key, `bodies` everything that was sent; all runs are in `state`.

    While `down` it hangs up; it makes no runs for the calls in `refused`; it is too busy for the next `busy` posts.
    """

    def __init__(self) -> None:
        self.runs: dict[str, str] = {}
        self.bodies: list[dict[str, Any]] = []
        self.state, self.percent = "SCHEDULED", 0.0
        self.down, self.refused, self.busy = False, set[str](), 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.peer = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api"

    def create(self, body: dict[str, Any]) -> str:
        """The run of the body's idempotency key, new or known."""
        with self._lock:
            self.bodies.append(body)
            return self.runs.setdefault(body["idempotency_key"], f"run-{len(self.runs)}")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    peer: PrefectPeer


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if not self._hangs_up():
            self._answer({"id": "deployment", "state_type": self.server.peer.state})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self._hangs_up():
            return
        if self.server.peer.busy:
            self.server.peer.busy -= 1
            self.server.peer.bodies.append(body)
            self._answer({"detail": "database is locked"}, 503)
            return
        if self.path.endswith("/increment"):
            self.server.peer.bodies.append(body)
            self._answer([{"id": "limit"}])
            return
        if body.get("parameters", {}).get("call_id") in self.server.peer.refused:
            self._answer({"detail": "refused"}, 422)
            return
        if self.path.endswith("/artifacts/filter"):
            self._answer([{"data": self.server.peer.percent}] if self.server.peer.percent else [])
            return
        self._answer({"id": self.server.peer.create(body)})

    def _hangs_up(self) -> bool:
        self.close_connection |= self.server.peer.down
        return self.server.peer.down

    def _answer(self, body: Any, status: int = 200) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        return
