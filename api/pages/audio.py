"""The sound of a call for who may hear it, in ranges, as a player needs for seeking."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from api.pages.call import visible
from api.pages.view import Viewer
from api.routes.calls import CallId
from core.errors import NotFound
from core.storage import Storage
from db import results

KINDS = {"mp3": "audio/mpeg", "wav": "audio/wav", "ogg": "audio/ogg"}
CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(?=-?\d)(\d{0,15})-(\d{0,15})$", re.ASCII)
router = APIRouter()


@router.api_route("/calls/{call_id}/audio", methods=["GET", "HEAD"])
def audio(view: Viewer, call_id: CallId) -> Response:
    """The recording or one range of it; 416 for a range that lies outside."""
    with view.context.database.read() as session:
        visible(session, view, call_id)
        recording = results.recording(session, call_id)
    if recording is None or recording.deleted_at is not None:
        raise NotFound(ru="Записи нет: она ещё не скачана или уже удалена.", en="There is no recording: not fetched yet, or deleted.")
    storage = Storage(view.context.settings)
    size, tag = storage.size(recording.path), f'"{recording.sha256[:32]}"'
    headers = {"Accept-Ranges": "bytes", "ETag": tag, "Cache-Control": "private, max-age=3600", "Content-Type": KINDS[recording.format]}
    asked = view.request.headers.get("range") if view.request.headers.get("if-range", tag) == tag else None
    span = _span(asked, size)
    if span is None:
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    start, end = span
    headers["Content-Length"] = str(end - start)
    partial = asked is not None and (_RANGE.match(asked) is not None)
    if partial:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    if view.request.method == "HEAD":
        return Response(status_code=206 if partial else 200, headers=headers)
    return StreamingResponse(_bytes(storage, recording.path, start, end), 206 if partial else 200, headers)


def _span(asked: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one behind the last; the whole for no range or one in another unit, None for an impossible one."""
    found = _RANGE.match(asked or "")
    if found is None:
        return 0, size
    first, last = found.groups()
    if not first:
        return (max(0, size - int(last)), size) if int(last) else None
    start, end = int(first), min(int(last) + 1 if last else size, size)
    return (start, end) if start < end else None


def _bytes(storage: Storage, path: str, start: int, end: int) -> Iterator[bytes]:
    with storage.open(path) as file:
        file.seek(start)
        while start < end and (chunk := file.read(min(CHUNK, end - start))):
            start += len(chunk)
            yield chunk
