"""The short look at ingress: a refusal on proof, patience with everything else."""

from __future__ import annotations

import socket
import time

import pytest

from core.errors import AddressRefused, BadAudio
from core.http import Guarded
from core.settings import Settings
from tasks.audio.peek import peek
from tests.peers.file_peer import FilePeer, Request, answer, breaking, drip, redirect, serve, silent, status
from tests.peers.sockets import canary

MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(100_000)
PAGE = b"<!DOCTYPE html><title>Not found</title>" * 500


@pytest.mark.parametrize(
    "behaviour",
    [
        serve(MP3),
        serve(MP3, ranges=False),
        redirect("/mp3"),
        status(404),
        status(403),
        status(500),
        status(429),
        status(302),
        redirect("/loop"),
        breaking(PAGE, 10),
        serve(b"\x1f\x8b" + bytes(5000), Content_Encoding="gzip"),
    ],
)
def test_a_recording_or_a_doubt_passes(settings: Settings, behaviour: object) -> None:
    with FilePeer({"/a": behaviour, "/mp3": serve(MP3), "/loop": redirect("/loop")}) as peer:  # type: ignore[dict-item]
        peek(peer.url("/a"), settings, Guarded(settings))


@pytest.mark.parametrize(
    ("content", "code"), [(PAGE, "not_audio"), (b"{}", "not_audio"), (b"", "empty_audio"), (b"#EXTM3U\nfile:///etc/passwd", "not_audio")]
)
@pytest.mark.parametrize("ranges", [True, False])
def test_proof_is_a_refusal(settings: Settings, content: bytes, code: str, ranges: bool) -> None:
    with FilePeer({"/a": serve(content, ranges=ranges and bool(content))}) as peer, pytest.raises(BadAudio) as caught:
        peek(peer.url("/a"), settings, Guarded(settings))
    assert caught.value.reason == code


@pytest.mark.parametrize("partial", [True, False])
def test_a_size_over_the_limit_is_proof(settings: Settings, partial: bool) -> None:
    size = settings.max_audio_bytes + 1

    def large(_peer: FilePeer, connection: socket.socket, _request: Request) -> None:
        headers = {"Content-Range": f"bytes 0-4095/{size}", "Content-Length": 4096} if partial else {"Content-Length": size}
        connection.sendall(answer(206 if partial else 200, headers, MP3[:4096]))

    with FilePeer({"/a": large}) as peer, pytest.raises(BadAudio) as caught:
        peek(peer.url("/a"), settings, Guarded(settings))
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("behaviour", [silent(), drip(PAGE, 0.05)])
def test_who_is_slow_passes_within_the_budget(settings: Settings, behaviour: object) -> None:
    hasty = settings.model_copy(update={"probe_seconds": 0.4})
    with FilePeer({"/a": behaviour}) as peer:  # type: ignore[dict-item]
        begun = time.monotonic()
        peek(peer.url("/a"), hasty, Guarded(hasty))
    assert time.monotonic() - begun < 15  # the peers would go on for a minute


def test_no_more_than_the_first_bytes_are_read(settings: Settings) -> None:
    with FilePeer({"/a": serve(MP3)}) as peer:
        peek(peer.url("/a"), settings, Guarded(settings))
        assert peer.requests[0].headers["range"] == "bytes=0-4095"


def test_a_name_that_does_not_exist_passes(settings: Settings) -> None:
    peek("http://no-such-name.invalid/a.mp3", settings, Guarded(settings))


def test_a_forbidden_address_is_told_and_never_visited(settings: Settings) -> None:
    with canary("127.0.0.2") as bird, FilePeer({"/a": redirect(bird.url)}) as peer:
        for url in (bird.url, peer.url("/a"), "file:///etc/passwd"):
            with pytest.raises(AddressRefused):
                peek(url, settings, Guarded(settings))
    assert bird.connections == 0
