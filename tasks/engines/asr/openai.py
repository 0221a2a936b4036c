"""Recognition by any server that speaks OpenAI's `/v1/audio/transcriptions`."""

from __future__ import annotations

import io
import threading
import wave
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import numpy as np

from core.errors import PermanentError, RateLimited, RopError, Unavailable, Unreachable
from core.http import retry_after
from core.settings import Settings
from core.transport import tls_context
from tasks.audio.sound import RATE, Samples
from tasks.engines.asr import Job, Progress, Recognition
from tasks.engines.asr.hearing import Heard
from tasks.engines.asr.pipeline import recognise
from tasks.engines.asr.verbose import heard

WAV_HEADER_BYTES = 44
BYTES_PER_SECOND = 2 * RATE
ASKED = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"], "temperature": "0"}
DETAIL_CHARS = 200


class OpenAITranscriber:
    """`Transcriber` over a server; the recording is cut by its speech here, so nothing but speech leaves the house."""

    engine = "openai"
    batch = 1

    def __init__(self, settings: Settings) -> None:
        self.model = settings.asr_url_model
        room = (settings.asr_url_bytes - WAV_HEADER_BYTES) / BYTES_PER_SECOND
        self.clip_seconds = min(settings.asr_url_clip_seconds, room)
        self._settings = settings
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None

    def load(self) -> None:
        """Raises with the cure when no server is set, it does not answer, or it refuses the key."""
        answer = self._send("GET", "models")
        if answer.status_code in {401, 403}:
            raise _refusal(answer)

    def transcribe(self, job: Job, progress: Progress) -> Recognition:
        return recognise(job, self, self._settings, progress)

    def hear(self, clips: Sequence[Samples], language: str | None, hotwords: Sequence[str]) -> list[Heard]:
        return [self._hear(clip, language, hotwords) for clip in clips]

    def _hear(self, clip: Samples, language: str | None, hotwords: Sequence[str]) -> Heard:
        form: dict[str, Any] = {**ASKED, "model": self.model}
        if language:
            form["language"] = language
        if hotwords and self._settings.asr_url_hotwords:
            form[self._settings.asr_url_hotwords] = ", ".join(hotwords)
        answer = self._send("POST", "audio/transcriptions", data=form, files={"file": ("clip.wav", _wav(clip), "audio/wav")})
        if answer.status_code != 200:
            raise _refusal(answer)
        try:
            body = answer.json()
        except ValueError as error:
            raise Unavailable("asr_bad_answer", ru="Сервер распознавания ответил не JSON.", en="The answer is not JSON.") from error
        return heard(body, language, len(clip) / RATE)

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            return self._connected().request(method, path, **content)
        except httpx.TransportError as error:
            raise Unreachable("asr_unreachable", host=httpx.URL(self._settings.asr_url or "").host, why=type(error).__name__) from error

    def _connected(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                self._client = _client(self._settings)
            return self._client


def _client(settings: Settings) -> httpx.Client:
    """The server is the operator's choice, not a stranger's: plain HTTP without the guard, but without proxies of the machine too."""
    if not settings.asr_url:
        raise PermanentError(
            "asr_url_missing",
            ru="Для ROP_ASR_ENGINE=openai нужен адрес сервера в ROP_ASR_URL.",
            en="ROP_ASR_ENGINE=openai needs the address of a server in ROP_ASR_URL.",
        )
    key = settings.asr_api_key.get_secret_value() if settings.asr_api_key else ""
    base = settings.asr_url.rstrip("/").removesuffix("/audio/transcriptions")
    return httpx.Client(
        base_url=base if base.endswith("/v1") else f"{base}/v1",
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=httpx.Timeout(settings.asr_url_seconds, connect=settings.connect_seconds),
        verify=tls_context(settings),
        trust_env=False,
    )


def _wav(samples: Samples) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()


def _refusal(answer: httpx.Response) -> RopError:
    """The error of the tree that decides whether a repeat can help."""
    code, detail = _detail(answer)
    fields: Mapping[str, Any] = {"status": answer.status_code, "detail": detail, "retry_after": retry_after(answer.headers)}
    if answer.status_code == 429 and code != "insufficient_quota":
        return RateLimited("asr_rate_limited", **{**fields, "retry_after": fields["retry_after"] or 1.0})
    if answer.status_code >= 500 or answer.status_code in {408, 425}:
        return Unavailable("asr_unavailable", **fields)
    if answer.status_code in {401, 403}:
        return PermanentError(
            "asr_key_refused",
            ru="Сервер распознавания не принял ключ: проверьте ROP_ASR_API_KEY.",
            en="The transcription server refused the key: check ROP_ASR_API_KEY.",
            **fields,
        )
    return PermanentError(
        "asr_refused",
        ru="Сервер распознавания отклонил запрос ({status}): {detail}",
        en="The transcription server refused the request ({status}): {detail}",
        **fields,
    )


def _detail(answer: httpx.Response) -> tuple[str, str]:
    """Code and message of an error in OpenAI's form, or the first characters of whatever came."""
    try:
        error = answer.json()["error"]
        return str(error.get("code") or ""), str(error.get("message") or "")[:DETAIL_CHARS]
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", answer.text[:DETAIL_CHARS]
