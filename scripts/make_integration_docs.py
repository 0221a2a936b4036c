"""Fills the generated parts of the integrator's guides: `python -m scripts.make_integration_docs`.

A part stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; everything else is written by hand.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal

from api.problems import invalid
from core.settings import MIB, Settings
from db.deliveries import SCHEDULE

Language = Literal["ru", "en"]

ROOT = Path(__file__).resolve().parent.parent
GUIDES: dict[Language, Path] = {"ru": ROOT / "docs/ru/integration.md", "en": ROOT / "docs/en/integration.md"}
BODIES = ("webhook_checklist", "webhook_table", "webhook_call_failed", "webhook_call_no_speech")
UNITS = {"ru": (("ч", 3600), ("мин", 60), ("с", 1)), "en": (("h", 3600), ("min", 60), ("s", 1))}


def main() -> None:
    for language, path in GUIDES.items():
        path.write_text(filled(path.read_text(), language))


def filled(text: str, language: Language) -> str:
    """The guide with every generated part brought up to date."""
    for name, content in _parts(language).items():
        text, count = re.subn(rf"(<!-- begin {name} -->).*?(<!-- end {name} -->)", lambda m: m[1] + content + m[2], text, flags=re.DOTALL)  # noqa: B023
        if count != 1:
            raise SystemExit(f"{GUIDES[language]}: no single part {name}")
    return text


def _parts(language: Language) -> dict[str, str]:
    bodies = {name: _block(json.loads((ROOT / f"tests/golden/{name}.json").read_text())) for name in BODIES}
    return {
        "error": _block(_error(language)),
        "schedule": ", ".join(_span(s, language) for s in SCHEDULE),
        "limits": _limits(language),
    } | bodies


def _error(language: Language) -> dict[str, object]:
    error = invalid([{"type": "missing", "loc": ("deal_id",)}, {"type": "float_parsing", "loc": ("duration",)}], language)
    return {"code": error.reason, "detail": error.text(language), "fields": error.fields["fields"], "request_id": "9b1d5c3e7f20a846"}


def _limits(language: Language) -> str:
    settings = Settings()
    size, seconds, rate = settings.max_audio_bytes // MIB, settings.max_audio_seconds, settings.rate_limit
    body = settings.max_body_bytes // MIB
    rows = {
        "ru": (
            ("Предел", "Значение", "Настройка"),
            ("Размер аудиофайла", f"{size} МБ включительно", "`ROP_MAX_AUDIO_BYTES`"),
            ("Длительность", f"{seconds / 60:g} минут ({seconds:g} секунд) включительно", "`ROP_MAX_AUDIO_SECONDS`"),
            ("Форматы", "MP3, WAV, OGG", ""),
            ("Частота запросов", f"{rate} в минуту на ключ", "`ROP_RATE_LIMIT`"),
            ("Тело запроса", f"{body} МБ", "`ROP_MAX_BODY_BYTES`"),
        ),
        "en": (
            ("Limit", "Value", "Setting"),
            ("Size of a recording", f"{size} MiB inclusive", "`ROP_MAX_AUDIO_BYTES`"),
            ("Duration", f"{seconds / 60:g} minutes ({seconds:g} seconds) inclusive", "`ROP_MAX_AUDIO_SECONDS`"),
            ("Formats", "MP3, WAV, OGG", ""),
            ("Request rate", f"{rate} a minute and key", "`ROP_RATE_LIMIT`"),
            ("Request body", f"{body} MiB", "`ROP_MAX_BODY_BYTES`"),
        ),
    }[language]
    head, *lines = (f"| {' | '.join(row)} |" for row in rows)
    return "\n" + "\n".join([head, "|---|---|---|", *lines]) + "\n"


def _span(seconds: float, language: Language) -> str:
    unit, size = next((u, s) for u, s in UNITS[language] if seconds >= s or s == 1)
    return f"{seconds / size:g} {unit}"


def _block(value: object) -> str:
    return f"\n```json\n{json.dumps(value, ensure_ascii=False, indent=2)}\n```\n"


if __name__ == "__main__":
    main()
