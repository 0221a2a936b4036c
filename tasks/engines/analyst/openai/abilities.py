"""What a server can do beside answering: structured output and a temperature. It is learned from its complaints, once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import openai
import structlog

from core.settings import Settings
from tasks.engines.analyst.openai.forms import Form

Structure = Literal["json_schema", "json_object", "none"]
Complaint = Literal["structure", "temperature", "unnamed"]

log = structlog.get_logger(__name__)

LADDER: tuple[Structure, ...] = ("json_schema", "json_object", "none")
COMPLAINTS = {400, 404, 415, 422, 500, 501}  # how servers refuse what they do not know; llama.cpp's own answers 500
STRUCTURE_WORDS = ("response_format", "json_schema", "json_object", "structured", "grammar", "guided", "input should be 'text'")
CONTEXT_WORDS = ("context_length", "context length", "context size", "maximum context", "context window", "prompt is too long")
BODY_READ = 4000  # characters of an error that are searched for these words
SURE = 2  # refusals without a reason before they are taken for a missing ability and not for a passing fault


@dataclass(frozen=True)
class Abilities:
    """What is asked of the server beside the words."""

    structure: Structure
    temperature: float | None

    def request(self, form: Form[Any]) -> dict[str, Any]:
        """The parameters of a request that use them."""
        asked: dict[str, Any] = {} if self.temperature is None else {"temperature": self.temperature}
        if self.structure == "json_schema":
            schema = {"name": form.name, "strict": True, "schema": form.schema}
            return {**asked, "response_format": {"type": "json_schema", "json_schema": schema}}
        return {**asked, "response_format": {"type": "json_object"}} if self.structure == "json_object" else asked


class Learned:
    """The abilities of one server as far as this process knows them. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._auto = settings.llm_structured == "auto"
        structure = LADDER[0] if settings.llm_structured == "auto" else settings.llm_structured
        self.abilities = Abilities(structure, settings.llm_temperature)
        self._unnamed = 0
        self._lock = threading.Lock()

    def weaker(self, abilities: Abilities, complaint: Complaint, earlier: set[Complaint]) -> Abilities | None:
        """What to try next; None when nothing is left to leave out, or when the server has failed twice without saying why."""
        if complaint == "temperature":
            return None if abilities.temperature is None else replace(abilities, temperature=None)
        lower = LADDER[LADDER.index(abilities.structure) + 1 :]
        if not lower or not self._auto or (complaint == "unnamed" and earlier):
            return None
        return replace(abilities, structure=lower[0])

    def keep(self, found: Abilities, complaints: set[Complaint]) -> None:
        """Remember what worked after these complaints; one without a reason may have been a passing fault."""
        if not complaints:
            return
        with self._lock:
            self._unnamed = self._unnamed + 1 if "unnamed" in complaints else 0
            if complaints != {"unnamed"} or self._unnamed >= SURE:
                self.abilities = found
                log.info("llm_abilities", structure=found.structure, temperature=found.temperature)


def complaint(error: openai.APIStatusError) -> Complaint | None:
    """What the server seems not to know; None when a weaker request would not help either."""
    status = error.status_code
    if status not in COMPLAINTS or context_exceeded(error):
        return None
    if status in (400, 422) and _says(error, ("temperature",)):
        return "temperature"
    if _says(error, STRUCTURE_WORDS):
        return "structure"
    return "unnamed" if status >= 500 or (status in (400, 422) and not short_code(error)) else None


def context_exceeded(error: openai.APIStatusError) -> bool:
    """Whether the prompt does not fit the model."""
    return error.status_code in (400, 413, 422, 500) and _says(error, CONTEXT_WORDS)


def short_code(error: openai.APIStatusError) -> str:
    """The server's short code, such as `model_not_found`; empty unless it looks like one, because it may hold anything."""
    body = error.body if isinstance(error.body, Mapping) else {}
    code = body.get("code") or ""
    return code if isinstance(code, str) and code.isascii() and code.replace("_", "").isalpha() and len(code) <= 40 else ""


def _says(error: openai.APIStatusError, words: tuple[str, ...]) -> bool:
    text = error.response.text[:BODY_READ].lower()
    return any(word in text for word in words)
