"""What one judgement costs, request by request."""

from __future__ import annotations

from dataclasses import dataclass

from checklists.findings import Usage
from tasks.engines.analyst.openai.reply import Completion

MOST_CHARS_PER_TOKEN = 8  # no tokenizer packs text so tightly
PROMPT_CUT = "prompt_may_be_cut"  # some servers drop the beginning of what exceeds their context, and say nothing


@dataclass
class Meter:
    """Sums of all requests so far; tokens as the server counts them, `seconds` of waiting, `model` as the server names it."""

    model: str = ""
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    cut: bool = False

    def add(self, completion: Completion, characters: int) -> None:
        """`characters` are those of the prompt: a server that counts far too few tokens for them has read only its end."""
        self.cut = self.cut or 0 < completion.prompt_tokens * MOST_CHARS_PER_TOKEN < characters
        self.model = completion.model or self.model
        self.prompt_tokens += completion.prompt_tokens
        self.completion_tokens += completion.completion_tokens
        self.cached_tokens += completion.cached_tokens

    @property
    def flags(self) -> tuple[str, ...]:
        return (PROMPT_CUT,) if self.cut else ()

    def usage(self, prompt_hash: str) -> Usage:
        return Usage(
            engine="openai",
            model=self.model,
            prompt_hash=prompt_hash,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            cached_tokens=self.cached_tokens,
            seconds=round(self.seconds, 3),
            requests=self.requests,
        )
