"""Styles and scripts of the pages, read once, compressed once, named by their content so that browsers keep them for good."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.assets import STATIC
from core.errors import NotFound

VENDOR = ("htmx.org/htmx.min.js", "uplot/uPlot.iife.min.js", "uplot/uPlot.min.css")
FOREVER = "public, max-age=31536000, immutable"
router = APIRouter()


@dataclass(frozen=True)
class Asset:
    """One file in both forms; `mark` changes with the content."""

    plain: bytes
    packed: bytes
    kind: str
    mark: str


class Assets:
    """All files of `static/app` by their path there, and the vendored ones by their own name."""

    def __init__(self, root: Path = STATIC) -> None:
        app = root / "app"
        own = {path.relative_to(app).as_posix(): path.read_bytes() for path in sorted(app.rglob("*")) if path.is_file()}
        vendor = {Path(name).name: gzip.decompress((root / "vendor" / f"{name}.gz").read_bytes()) for name in VENDOR}
        self._all = {name: _asset(name, content) for name, content in (own | vendor).items()}

    def url(self, name: str) -> str:
        """The address of a file as it is now."""
        return f"/assets/{name}?v={self._all[name].mark}"

    def get(self, name: str) -> Asset:
        """The file; raises `NotFound`."""
        if name not in self._all:
            raise NotFound
        return self._all[name]


@cache
def stored() -> Assets:
    """The product's own files: they do not change while the process lives."""
    return Assets()


@router.get("/assets/{name:path}")
def serve(request: Request, name: str) -> Response:
    """A file, compressed for who takes it."""
    asset: Asset = request.app.state.assets.get(name)
    headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.packed, media_type=asset.kind, headers=headers | {"Content-Encoding": "gzip"})
    return Response(asset.plain, media_type=asset.kind, headers=headers)


def _asset(name: str, content: bytes) -> Asset:
    kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Asset(content, gzip.compress(content, 9, mtime=0), kind, hashlib.sha256(content).hexdigest()[:12])
