"""Fetches the browser assets from npm into api/static/vendor, and what only tests use beside them, and writes their hashes.

Run `python scripts/vendor_assets.py` after a change of a version.

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

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "api" / "static" / "vendor"
FOR_TESTS = ROOT / "tests" / "pages" / "vendor"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Package:
    """One npm package: its exact version, the registry's sha512 of its archive, the files we take, and where they go."""

    name: str
    version: str
    sha512: str
    files: tuple[str, ...]
    folder: Path = VENDOR


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
    Package(
        "axe-core",
        "4.14.1",
        "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
        ("axe.min.js", "LICENSE"),
        FOR_TESTS,
    ),
)
COMPRESSED = (".js", ".css")


def main() -> None:
    written: dict[Path, dict[str, str]] = {}
    for package in PACKAGES:
        for path, content in _files(package).items():
            target = package.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            written.setdefault(package.folder, {})[path] = hashlib.sha256(content).hexdigest()
    for folder, hashes in written.items():
        (folder / MANIFEST).write_text(json.dumps(hashes, indent=1, sort_keys=True) + "\n")
        print(f"{len(hashes)} files in {folder}")


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
