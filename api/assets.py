"""Static files: those that are stored compressed travel compressed."""

from __future__ import annotations

import gzip
import mimetypes
import os
from pathlib import Path

from anyio import to_thread
from fastapi import FastAPI
from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"
# Swagger UI sets styles on elements; nothing of it comes from elsewhere.
DOCS_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"


class Precompressed(StaticFiles):
    """`name.js` is answered from `name.js.gz` when only that is there."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        answer = super().file_response(full_path, stat_result, scope, status_code)
        answer.headers["Cache-Control"] = "public, max-age=3600"
        return answer

    async def get_response(self, path: str, scope: Scope) -> Response:
        full_path, stat = self.lookup_path(f"{path}.gz")
        if stat is None:
            return await super().get_response(path, scope)
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        if "gzip" not in Headers(scope=scope).get("accept-encoding", ""):
            return Response(await to_thread.run_sync(_unpacked, full_path), media_type=kind)
        answer = self.file_response(full_path, stat, scope)
        if answer.status_code == 200:
            answer.headers["Content-Type"] = f"{kind}; charset=utf-8"
            answer.headers["Content-Encoding"] = "gzip"
            answer.headers["Vary"] = "Accept-Encoding"
        return answer


def _unpacked(path: str) -> bytes:
    return gzip.decompress(Path(path).read_bytes())


def install(app: FastAPI) -> None:
    """Serve `/static` and the offline `/docs`."""
    app.mount("/static", Precompressed(directory=STATIC), name="static")

    @app.get("/docs", include_in_schema=False)
    def docs() -> FileResponse:
        return FileResponse(STATIC / "docs" / "index.html", headers={"Content-Security-Policy": DOCS_POLICY})
