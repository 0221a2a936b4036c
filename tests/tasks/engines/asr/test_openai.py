"""The remote recogniser against a real server on loopback that measures what it gets and misbehaves as scripted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.errors import PermanentError, RateLimited, RopError, Unavailable, Unreachable
from core.settings import Settings
from tasks.engines.asr import Job, build
from tasks.engines.asr.openai import OpenAITranscriber
from tests.peers.asr_peer import AsrPeer, Say, error, words_every
from tests.peers.sounds import read, write

Remote = Callable[..., OpenAITranscriber]


@pytest.fixture
def remote(settings: Settings) -> Remote:
    def make(peer: AsrPeer, **changes: object) -> OpenAITranscriber:
        return OpenAITranscriber(settings.model_copy(update={"asr_engine": "openai", "asr_url": peer.url, **changes}))

    return make


def silent(fraction: float) -> None:
    pass


def test_channels_are_sent_apart_and_come_back_in_order_of_time(remote: Remote, dialogue: Path) -> None:
    with AsrPeer() as peer:
        result = remote(peer).transcribe(Job(dialogue, "ogg", manager_channel="left"), silent)
    transcript = result.transcript
    assert (result.engine, result.model) == ("openai", "whisper-1")
    assert len(peer.uploads) == 2
    assert [u.speaker for u in transcript.utterances][:2] == ["manager", "customer"]
    starts = [u.start for u in transcript.utterances]
    assert starts == sorted(starts)
    assert transcript.language == "ru"
    assert transcript.utterances[0].text.startswith("слово1 слово2")
    asked = peer.uploads[0].fields
    assert asked["response_format"] == ["verbose_json"]
    assert asked["timestamp_granularities[]"] == ["word", "segment"]
    assert (asked["model"], asked["language"]) == (["whisper-1"], ["ru"])
    assert "authorization" not in peer.uploads[0].headers


def test_every_upload_fits_the_limit_of_the_server(remote: Remote, dialogue: Path, tmp_path: Path) -> None:
    long = write(tmp_path / "a.wav", np.tile(read(dialogue), 4), "pcm_mulaw")
    with AsrPeer(max_bytes=700_000) as peer:
        fractions: list[float] = []
        remote(peer, asr_url_bytes=650_000).transcribe(Job(long, "wav"), fractions.append)
    assert len(peer.uploads) >= 6
    assert max(upload.size for upload in peer.uploads) <= 655_000
    assert len([f for f in fractions if f > 0]) >= len(peer.uploads)


def test_the_key_is_sent_and_checked_at_start(remote: Remote, dialogue: Path) -> None:
    from pydantic import SecretStr

    with AsrPeer(key="k-123") as peer:
        good = remote(peer, asr_api_key=SecretStr("k-123"))
        good.load()
        good.transcribe(Job(dialogue, "ogg"), silent)
        with pytest.raises(PermanentError, match="ROP_ASR_API_KEY") as refused:
            remote(peer, asr_api_key=SecretStr("wrong-key")).load()
    assert "wrong-key" not in str(refused.value)
    with pytest.raises(Unreachable):
        good.load()


def test_without_an_address_the_worker_does_not_start(settings: Settings) -> None:
    engine = build(settings.model_copy(update={"asr_engine": "openai"}))
    with pytest.raises(PermanentError, match="ROP_ASR_URL"):
        engine.load()


@pytest.mark.parametrize(
    ("say", "kind", "code", "wait"),
    [
        (error(429, "slow down", retry_after="7"), RateLimited, "asr_rate_limited", 7.0),
        (error(429, "slow down"), RateLimited, "asr_rate_limited", 1.0),
        (error(429, "no money", "insufficient_quota"), PermanentError, "asr_refused", None),
        (error(503, "loading", retry_after="30"), Unavailable, "asr_unavailable", 30.0),
        (error(500, "oops"), Unavailable, "asr_unavailable", None),
        (error(401, "bad key"), PermanentError, "asr_key_refused", None),
        (error(404, "The model does not exist", "model_not_found"), PermanentError, "asr_refused", None),
        (Say(b"<html>502</html>", 502), Unavailable, "asr_unavailable", None),
        (Say(b"<html>hello</html>"), Unavailable, "asr_bad_answer", None),
        (Say({"words": 1}), PermanentError, "asr_bad_answer", None),
        (Say({"text": "без времени"}), PermanentError, "asr_bad_answer", None),
        (Say(drop=True), Unreachable, "asr_unreachable", None),
        (Say(b'{"text": "', headers={"Content-Length": "5000"}), Unreachable, "asr_unreachable", None),
    ],
    ids=lambda value: str(value.body if isinstance(value, Say) else value)[:30],
)
def test_every_failure_has_its_class(remote: Remote, dialogue: Path, say: Say, kind: type[RopError], code: str, wait: float | None) -> None:
    with AsrPeer([say]) as peer, pytest.raises(kind) as failed:
        remote(peer).transcribe(Job(dialogue, "ogg"), silent)
    assert failed.value.reason == code
    assert getattr(failed.value, "retry_after", None) == wait


def test_a_server_that_hangs_is_given_up(remote: Remote, dialogue: Path) -> None:
    with AsrPeer([Say({"text": ""}, wait=1.5)]) as peer, pytest.raises(Unreachable):
        remote(peer, asr_url_seconds=0.3).transcribe(Job(dialogue, "ogg"), silent)


def test_a_failure_in_the_middle_loses_only_this_attempt(remote: Remote, dialogue: Path) -> None:
    with AsrPeer([words_every(0.5), error(503, "busy"), words_every(0.5)]) as peer:
        engine = remote(peer)
        with pytest.raises(Unavailable):
            engine.transcribe(Job(dialogue, "ogg"), silent)
        assert engine.transcribe(Job(dialogue, "ogg"), silent).transcript.utterances


def test_a_detected_language_is_asked_for_once(remote: Remote, dialogue: Path) -> None:
    with AsrPeer([words_every(0.5, language="ukrainian")]) as peer:
        transcript = remote(peer).transcribe(Job(dialogue, "ogg", language=None), silent).transcript
    assert transcript.language == "uk"
    assert "language" not in peer.uploads[0].fields
    assert peer.uploads[1].fields["language"] == ["uk"]


def test_names_go_where_the_server_takes_them(remote: Remote, dialogue: Path) -> None:
    job = Job(dialogue, "ogg", hotwords=("Вектор Софт", "Анна"))
    with AsrPeer() as peer:
        remote(peer).transcribe(job, silent)
        remote(peer, asr_url_hotwords="hotwords").transcribe(job, silent)
    assert "hotwords" not in peer.uploads[0].fields
    assert peer.uploads[-1].fields["hotwords"] == ["Вектор Софт, Анна"]
