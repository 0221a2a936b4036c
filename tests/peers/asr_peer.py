"""A transcription server on loopback: it really measures the sound it gets, and misbehaves as scripted."""

from __future__ import annotations

import email
import email.policy
import io
import json
import threading
import time
import wave
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Upload:
    """One request for a transcript: form fields (lists where repeated), the headers, and the length of the wav in seconds."""

    fields: dict[str, list[str]]
    headers: dict[str, str]
    seconds: float
    size: int


@dataclass(frozen=True)
class Say:
    """An answer: a status, headers, and a body (JSON unless bytes); `drop` closes the connection instead, after `wait` seconds."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    wait: float = 0.0


Reply = Callable[[Upload], Say]


def words_every(step: float, *, language: str = "russian", punctuated: bool = True) -> Reply:
    """A server that hears the words «слово1», «слово2», … one every `step` seconds of whatever it gets."""

    def reply(upload: Upload) -> Say:
        count = int(upload.seconds / step)
        words = [{"word": f"слово{i + 1}", "start": i * step, "end": (i + 0.8) * step} for i in range(count)]
        text = " ".join(str(w["word"]) for w in words) + ("." if punctuated else "")
        segment = {"id": 0, "start": 0.0, "end": upload.seconds, "text": text, "avg_logprob": -0.1, "no_speech_prob": 0.01}
        return Say({"language": language, "duration": upload.seconds, "text": text, "words": words, "segments": [segment]})

    return reply


@dataclass
class AsrPeer:
    """Answers with the scripted replies in turn, then with the last one for ever; `uploads` holds what it was sent."""

    replies: list[Say | Reply] = field(default_factory=lambda: [words_every(0.5)])
    key: str | None = None
    max_bytes: int = 25 * 1024 * 1024
    uploads: list[Upload] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def answer(self, upload: Upload) -> Say:
        self.uploads.append(upload)
        if self.key and upload.headers.get("authorization") != f"Bearer {self.key}":
            return error(401, "Incorrect API key provided")
        if upload.size > self.max_bytes:
            return error(413, "Maximum content size limit exceeded")
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return reply if isinstance(reply, Say) else reply(upload)


def error(status: int, message: str, code: str | None = None, **headers: str) -> Say:
    """An error in OpenAI's form."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Say({"error": {"message": message, "type": "error", "code": code}}, status, named)


def _handler(peer: AsrPeer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/audio/transcriptions":
                self._say(peer.answer(_upload(body, dict(self.headers.items()))))
            else:
                self._say(error(404, "no such path"))

        def do_GET(self) -> None:
            refused = peer.key and self.headers.get("Authorization") != f"Bearer {peer.key}"
            self._say(error(401, "Incorrect API key provided") if refused else Say({"object": "list", "data": []}))

        def _say(self, say: Say) -> None:
            time.sleep(say.wait)
            if say.drop:
                self.close_connection = True
                return
            body = say.body if isinstance(say.body, bytes) else json.dumps(say.body, ensure_ascii=False).encode()
            self.send_response(say.status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **say.headers}.items():
                self.send_header(name, value)
            with suppress(ConnectionError):  # who asked was killed meanwhile
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _upload(body: bytes, headers: dict[str, str]) -> Upload:
    lowered = {name.lower(): value for name, value in headers.items()}
    message = email.message_from_bytes(b"Content-Type: " + lowered["content-type"].encode() + b"\r\n\r\n" + body, policy=email.policy.HTTP)
    assert isinstance(message, email.message.EmailMessage)
    fields: dict[str, list[str]] = {}
    seconds = 0.0
    for part in message.iter_parts():
        name, content = str(part.get_param("name", header="content-disposition")), part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if part.get_filename():
            with wave.open(io.BytesIO(content)) as file:
                seconds = file.getnframes() / file.getframerate()
        else:
            fields.setdefault(name, []).append(content.decode())
    return Upload(fields, lowered, seconds, len(body))
