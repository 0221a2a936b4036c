"""A small CRM on loopback for the demo: serves recordings and receives signed webhooks."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from rop.ports import LOOPBACK

MAX_BODY_BYTES = 4 * 1024 * 1024


@dataclass
class Inbox:
    """Verified webhooks by path, and how many were refused."""

    secrets: dict[str, str] = field(default_factory=dict)
    received: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, path: str, body: bytes, headers: Mapping[str, str]) -> bool:
        """Verify the signature and keep the body; False for a wrong one."""
        try:
            Webhook(self.secrets[path]).verify(body, dict(headers))
        except (KeyError, WebhookVerificationError):
            with self.lock:
                self.refused += 1
            return False
        with self.lock:
            self.received.setdefault(path, []).append(json.loads(body))
        return True

    def of(self, path: str, call_id: str) -> dict[str, Any] | None:
        """The webhook of that call, if it came."""
        with self.lock:
            return next((body for body in self.received.get(path, []) if body["call_id"] == call_id), None)


class Crm:
    """The running CRM; `url` is its base address."""

    def __init__(self, recordings: Path) -> None:
        self.inbox = Inbox()
        self._server = ThreadingHTTPServer((LOOPBACK, 0), partial(_Handler, self.inbox, directory=str(recordings)))
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, inbox: Inbox, *args: Any, **options: Any) -> None:
        self.inbox = inbox
        super().__init__(*args, **options)

    def do_POST(self) -> None:
        size = min(int(self.headers.get("content-length", 0)), MAX_BODY_BYTES)
        accepted = self.inbox.take(self.path, self.rfile.read(size), {k.lower(): v for k, v in self.headers.items()})
        self.send_response(204 if accepted else 401)
        self.end_headers()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """A caller that has seen enough hangs up: the probe of the ingress reads the first bytes alone."""
        with suppress(ConnectionError):
            super().copyfile(source, outputfile)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the demo prints its own story."""
