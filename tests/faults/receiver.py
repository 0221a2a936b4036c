"""A CRM's receiver of webhooks that writes down everything it gets before it answers, so that nothing it saw is lost with an answer."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

from tests.peers.webhook_peer import Received, Reply, WebhookPeer

Behave = Callable[[Received], Reply]


class Reset(OSError):
    """The receiver drops the connection after it has taken the message."""


class Receiver(WebhookPeer):
    """Answers as `behave` says; every message is a line of `log`: id, body in base64, the status that was answered, whether it verifies."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        self.secrets: list[str] = []
        self.behave: Behave = lambda _: Reply()

    def take(self, received: Received) -> Reply:
        try:
            reply = self.behave(received)
        except Reset:
            self._write(received, 0)
            raise
        self._write(received, reply.status)
        self._closing.wait(reply.after)
        return reply

    def _write(self, received: Received, status: int) -> None:
        verified = any(received.verifies(secret) for secret in self.secrets)
        line = {"id": received.id, "body": base64.b64encode(received.body).decode(), "status": status, "verified": verified}
        with self._lock, self.log.open("a", encoding="utf-8") as file:
            self.received.append(received)
            file.write(json.dumps(line) + "\n")
