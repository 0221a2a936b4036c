"""Judging a conversation: a transcript and a definition in, findings with utterance numbers out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from checklists.definitions import Checklist, Table
from checklists.findings import Findings, TableFindings
from checklists.transcript import Transcript
from core.settings import Settings


@dataclass(frozen=True)
class Context:
    """What is known about the call beside its words. `at` is its aware start time; relative dates count from it in `time_zone`."""

    at: datetime
    time_zone: str = "Europe/Moscow"
    manager_names: tuple[str, ...] = field(default=())


Turn = Callable[[], None]  # returns when a model may be asked


def at_once() -> None:
    """The turn of who may always ask."""


class Analyst(Protocol):
    """Never quotes and never adds up: `checklists.finalise` does. Thread-safe.

    Raises `PermanentError` when a repeat cannot help and `TransientError` when it may.
    """

    def check(self, transcript: Transcript, checklist: Checklist, context: Context) -> Findings:
        """One verdict for every criterion of every applicable stage."""

    def extract(self, transcript: Transcript, table: Table, context: Context) -> TableFindings:
        """A value, or None with a reason, for every field."""


def build(settings: Settings, name: str | None = None, turn: Turn = at_once) -> Analyst:
    """The engine called `name` (`rules` or `openai`), or the one the settings choose; a model is asked nothing before its `turn`.

    Heavy imports happen here alone.
    """
    if (name or settings.analyst_engine) == "openai":
        from tasks.engines.analyst.openai import OpenAIAnalyst

        return OpenAIAnalyst(settings, turn)
    from tasks.engines.analyst.rules import RulesAnalyst

    return RulesAnalyst(settings)
