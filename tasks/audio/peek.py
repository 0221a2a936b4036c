"""A short look at a recording while its sender waits for our answer (C4)."""

from __future__ import annotations

from core.errors import SourceRefused, Unreachable
from core.http import Deadline, Guarded, Incoming
from core.settings import Settings
from tasks.audio.probe import bad_audio, too_large
from tasks.audio.sniff import kind


def peek(url: str, settings: Settings, http: Guarded) -> None:
    """Return unless the first `probe_bytes` prove that this is no recording we could use; whatever is slow or unreachable passes.

    Raises:
        BadAudio: positive proof: another format, nothing at all, or larger than the limit.
        AddressRefused: the URL or a redirect leads where we do not go. It proves nothing about the recording: the ingress takes the call
            with a warning, and the download ends it with this reason unless the address is opened first.
    """
    wanted = {"Range": f"bytes=0-{settings.probe_bytes - 1}"}
    try:
        with http.get_stream(url, wanted, deadline=Deadline(settings.probe_seconds)) as answer:
            head = _head(answer, settings)
    except (Unreachable, SourceRefused):
        return
    if head is None:
        return
    if not head:
        raise bad_audio("empty_audio")
    if kind(head) is None:
        raise bad_audio("not_audio")


def _head(answer: Incoming, settings: Settings) -> bytes | None:
    """The first bytes, or None for an answer that proves nothing."""
    if answer.status not in {200, 206} or answer.start != 0 or answer.encoding:
        return None
    if (answer.total or 0) > settings.max_audio_bytes:
        raise too_large(settings)
    head = b""
    for chunk in answer.chunks:
        head += chunk
        if len(head) >= settings.probe_bytes:
            break
    return head[: settings.probe_bytes]
