"""A conversation as the model sees it: numbered, without personal numbers, without words to the judge; and the way back."""

from __future__ import annotations

import hmac
import json
import re
from dataclasses import dataclass
from functools import cached_property

from checklists.definitions import Party, Window
from checklists.transcript import Transcript, Utterance
from core.digits import Line
from core.redact import Redacted, redact
from tasks.engines.analyst.rules.scene import without_check_talk
from tasks.engines.analyst.rules.text import repair, tokens

CUT = "[…]"
SENTENCE = re.compile(r"(?<=[.!?;…])\s+")
WHO = {"manager": "М", "customer": "К", "unknown": "?"}
FEWEST_WORDS = 5  # below this there was no conversation to judge
INJECTION, UNSURE = "prompt_injection", "unsure_speakers"
UNSURE_SPEAKERS = 0.8  # what a doubtful diarisation leaves of a confidence


@dataclass(frozen=True)
class Case:
    """`shown.texts[i]` is what the model reads of utterance i; `nonce` fences the conversation off from the task."""

    transcript: Transcript
    shown: Redacted
    nonce: str

    @property
    def flags(self) -> tuple[str, ...]:
        """What a person should know: somebody spoke to the judge (those words were not sent), or the speakers are a guess."""
        spoken = any(CUT in text for text in self.shown.texts)
        return ((INJECTION,) if spoken else ()) + (() if self.transcript.speakers_sure else (UNSURE,))

    @property
    def trust(self) -> float:
        """What of a confidence remains, 0 to 1."""
        return 1.0 if self.transcript.speakers_sure else UNSURE_SPEAKERS

    @property
    def abstention(self) -> str:
        """Why the call cannot be judged fairly; empty when it can."""
        if sum(len(re.findall(r"\w+", self.shown.texts[i])) for i in self.telling) < FEWEST_WORDS:
            return "Разговор слишком короткий: оценивать нечего."
        if not any(self.may_speak(i, "manager") for i in self.telling):
            return "Реплик менеджера в записи нет: оценивать нечего."
        return ""

    @cached_property
    def telling(self) -> tuple[int, ...]:
        """Utterances that may prove something: there are words left in them."""
        return tuple(i for i, text in enumerate(self.shown.texts) if re.search(r"\w", text))

    def inside(self, window: Window | None) -> frozenset[int]:
        """The telling utterances of a window, counted over those alone; `after_stage` is settled by `checklists.order`."""
        if window is None:
            return frozenset(self.telling)
        spoken = self.transcript.utterances
        end = self.transcript.duration or (spoken[-1].end if spoken else 0.0)
        return frozenset(
            i
            for place, i in enumerate(self.telling)
            if _below(place, window.first_utterances)
            and _below(len(self.telling) - 1 - place, window.last_utterances)
            and _below(spoken[i].start, window.first_seconds)
            and _below(end - spoken[i].end, window.last_seconds)
        )

    def may_speak(self, number: int, party: Party) -> bool:
        """Whether the words of an utterance may count for `party`; a doubtful diarisation relaxes the rule."""
        speaker = self.transcript.utterances[number].speaker
        return party == "any" or speaker in (party, "unknown") or not self.transcript.speakers_sure

    def lines(self, number: int, longest: int) -> list[str]:
        """The utterance as the model reads it; one of more than `longest` characters takes several lines with the same number."""
        utterance = self.transcript.utterances[number]
        return [_line(number, utterance, piece) for piece in _pieces(self.shown.texts[number], longest)]


def case(transcript: Transcript, *, hide: bool, secret: bytes) -> Case:
    """The conversation made ready to leave the house. `hide` replaces personal numbers; `secret` makes a nonce no speaker can guess,
    yet the same for every question about this conversation, so that servers can cache their common beginning.
    """
    doubtful = not transcript.speakers_sure
    lines = [Line("" if doubtful else u.speaker, without_words_to_the_judge(u.text)) for u in transcript.utterances]
    shown = redact(lines) if hide else Redacted(tuple(line.text for line in lines))
    nonce = hmac.new(secret, transcript.text.encode(), "sha256").hexdigest()[:12]
    return Case(transcript, shown, nonce)


def without_words_to_the_judge(text: str) -> str:
    """The text with sentences about scores, the checklist or the judge replaced by `CUT` (C25)."""
    plain = " ".join(text.replace(CUT, "…").split())
    return " ".join(_sentence(sentence) for sentence in SENTENCE.split(plain))


def _sentence(sentence: str) -> str:
    words = tokens(repair(sentence))
    kept = without_check_talk(words)
    if len(kept) == len(words):
        return sentence
    rest = " ".join(t.norm for t in kept)
    return f"{rest} {CUT}" if any(t.is_word for t in kept) else CUT


def _below(value: float, limit: float | None) -> bool:
    return limit is None or value < limit


def _line(number: int, utterance: Utterance, text: str) -> str:
    """JSON quoting keeps the words in one line and inside their quotes, whatever they are."""
    minutes, seconds = divmod(int(utterance.start), 60)
    return f"[{number}] {WHO[utterance.speaker]} {minutes:02}:{seconds:02} {json.dumps(text, ensure_ascii=False)}"


def _pieces(text: str, longest: int) -> list[str]:
    """The text cut between words; a single word longer than that is cut too."""
    pieces = [""]
    for word in (whole[i : i + longest] for whole in text.split() for i in range(0, len(whole), longest)):
        if pieces[-1] and len(pieces[-1]) + len(word) >= longest:
            pieces.append("")
        pieces[-1] = f"{pieces[-1]} {word}".strip()
    return pieces
