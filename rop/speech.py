"""`rop transcribe` and `rop doctor`: the recogniser alone, without a stack."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from checklists.transcript import Utterance
from core import settings as settings_module
from core.errors import BadAudio
from rop.context import Home
from tasks.audio import sniff
from tasks.engines import asr

SNIFF_BYTES = 4096


def transcribe(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="MP3, WAV or OGG.")],
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON: words, confidences, talk metrics.")] = False,
    language: Annotated[str | None, typer.Option(help="Language such as ru, or auto.")] = None,
    manager_channel: Annotated[str | None, typer.Option(help="Channel of the manager: left or right; default: guessed.")] = None,
) -> None:
    """Transcribe one recording and print who said what."""
    settings = settings_module.load(home)
    with file.open("rb") as head:
        kind = sniff.kind(head.read(SNIFF_BYTES))
    if kind is None:
        raise BadAudio
    spoken = language or settings.asr_language
    job = asr.Job(file, kind, None if spoken == "auto" else spoken, manager_channel)  # type: ignore[arg-type]
    heard = asr.build(settings).transcribe(job, _percent if sys.stderr.isatty() else _quiet)
    if as_json:
        from tasks.engines.asr import report

        print(json.dumps(report.as_json(heard), ensure_ascii=False))
        return
    for utterance in heard.transcript.utterances:
        print(_line(utterance))


def _line(utterance: Utterance) -> str:
    names = {"manager": "Менеджер", "customer": "Клиент", "unknown": "?"}
    return f"{int(utterance.start) // 60}:{int(utterance.start) % 60:02d}  {names[utterance.speaker]:9} {utterance.text}"


def _percent(fraction: float) -> None:
    print(f"\r{fraction:4.0%}", end="", file=sys.stderr, flush=True)


def _quiet(_fraction: float) -> None:
    return


def doctor(home: Home = None) -> None:
    """Show what would be used on this machine and why, and the cure for what is missing; exit code 1 when something is."""
    from tasks.engines.asr.doctor import doctor as examine

    lines = examine(settings_module.load(home))
    for name, text, works in lines:
        print(f"{'✓' if works else '✗'} {name}: {text}")
    if not all(works for _, _, works in lines):
        raise typer.Exit(1)
