"""Fetches the browser assets from npm into api/static/vendor and writes their hashes: `python scripts/vendor_assets.py`.

Versions live here alone. Large files are stored compressed; the application sends them as they are.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent / "api" / "static" / "vendor"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Package:
    """One npm package: its exact version, the registry's sha512 of its archive, and the files we serve."""

    name: str
    version: str
    sha512: str
    files: tuple[str, ...]


PACKAGES = (
    Package(
        "swagger-ui-dist",
        "5.35.0",
        "U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ==",
        ("swagger-ui-bundle.js", "swagger-ui.css", "LICENSE", "NOTICE"),
    ),
    Package(
        "htmx.org",
        "4.0.1",
        "oF7JgXhDW9UXCy/k1ZYFUQgzu/rm19ORWPSPNL91vPluB2PB9+MV55tyQdH/w7o2EAbTYUG5SDW1R60mdkdqGg==",
        ("dist/htmx.min.js", "LICENSE"),
    ),
    Package(
        "uplot",
        "1.6.32",
        "KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==",
        ("dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE"),
    ),
)
COMPRESSED = (".js", ".css")


def main() -> None:
    written = {}
    for package in PACKAGES:
        for path, content in _files(package).items():
            target = VENDOR / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            written[path] = hashlib.sha256(content).hexdigest()
    (VENDOR / MANIFEST).write_text(json.dumps(written, indent=1, sort_keys=True) + "\n")
    print(f"{len(written)} files in {VENDOR}")


def _files(package: Package) -> dict[str, bytes]:
    """Path below the vendor folder and content of every file we serve."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", f"{package.name}@{package.version}", "--pack-destination", folder, "--silent"]
        name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        archive = Path(folder) / name
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if digest != package.sha512:
            raise SystemExit(f"{package.name} {package.version}: the archive has another hash: {digest}")
        with tarfile.open(archive) as tar:
            return dict(_stored(package, name, _read(tar, f"package/{name}")) for name in package.files)


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise SystemExit(f"{name} is no file")
    return file.read()


def _stored(package: Package, name: str, content: bytes) -> tuple[str, bytes]:
    path = f"{package.name}/{name.removeprefix('dist/')}"
    if name.endswith(COMPRESSED):
        return f"{path}.gz", gzip.compress(content, 9, mtime=0)
    return path, content


if __name__ == "__main__":
    main()
