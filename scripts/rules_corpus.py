"""The written dialogues of the rule engine: their format, their labels, and the copies that imitate recognisers."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from num2words import num2words

from checklists.transcript import Transcript, Utterance
from tasks.engines.analyst import rules
from tasks.engines.analyst.rules.numbers import numbers
from tasks.engines.analyst.rules.text import repair, tokens

CORPUS = Path(rules.__path__[0]) / "data" / "corpus"
STAGES = {"needs": "n", "qualification": "q", "presentation": "p", "price": "r", "next_step": "s", "goodbye": "b"}
SPEAKERS = {"М": "manager", "К": "customer"}
LINE = re.compile(r"^([МК])(?: ([a-z?]+))?: ?(.*)$")
SECONDS_A_WORD = 0.4


@dataclass(frozen=True)
class Dialogue:
    """`tags[i]` are the acts of utterance i; `doubt[i]` those on which fair people differ; `style` is clean or asr.

    A snippet is a piece of a call: its turns teach, but nothing is said about the call as a whole.
    """

    id: str
    industry: str
    style: str
    speakers: tuple[str, ...]
    texts: tuple[str, ...]
    tags: tuple[frozenset[str], ...]
    doubt: tuple[frozenset[str], ...]
    snippet: bool = False

    def transcript(self) -> Transcript:
        """With plausible times."""
        utterances, at = [], 1.0
        for index, (speaker, text) in enumerate(zip(self.speakers, self.texts, strict=True)):
            end = at + 0.6 + SECONDS_A_WORD * len(text.split())
            utterances.append(Utterance(id=index, start=at, end=end, speaker=speaker, text=text))
            at = end + 0.5
        return Transcript(utterances=tuple(utterances), duration=at)

    def label(self, stage: str) -> tuple[str, list[int]] | None:
        """`pass`, `fail` or `na` with the utterances that prove it; None where the label is doubtful."""
        if stage == "greeting":
            return self._greeting()
        if stage == "objection":
            return self._objection()
        tag = STAGES[stage]
        quotes = [i for i, tags in enumerate(self.tags) if tag in tags]
        if not quotes and any(tag in doubt for doubt in self.doubt):
            return None
        return ("pass", quotes) if quotes else ("fail", [])

    def _greeting(self) -> tuple[str, list[int]]:
        early = range(min(10, len(self.tags)))
        hello, name = [i for i in early if "h" in self.tags[i]], [i for i in early if "i" in self.tags[i]]
        return ("pass", sorted({*name, *hello})) if hello and name else ("fail", [])

    def _objection(self) -> tuple[str, list[int]] | None:
        if not any("o" in tags for tags in self.tags):
            return None if any("o" in doubt for doubt in self.doubt) else ("na", [])
        quotes = [i for i, tags in enumerate(self.tags) if "a" in tags]
        if not quotes and any("a" in doubt for doubt in self.doubt):
            return None
        return ("pass", quotes) if quotes else ("fail", [])


def read(*names: str) -> list[Dialogue]:
    """The dialogues of the named files of the corpus."""
    return [
        dialogue for name in names for path in sorted(CORPUS.glob(f"{name}*.txt")) for dialogue in parse(path.read_text(encoding="utf-8"))
    ]


def parse(text: str) -> Iterator[Dialogue]:
    """`@ id | industry | style`, then lines `М tags: words`; a `?` after a tag marks doubt."""
    for block in re.split(r"^@ ", text, flags=re.MULTILINE)[1:]:
        head, *body = [line for line in block.splitlines() if line.strip() and not line.startswith("#")]
        name, industry, style = (part.strip() for part in head.split("|"))
        rows = [LINE.match(line) for line in body]
        if not all(rows):
            raise ValueError(f"{name}: {[line for line, row in zip(body, rows, strict=True) if not row]}")
        marks = [re.findall(r"([a-z])(\??)", row.group(2) or "") for row in rows if row]
        yield Dialogue(
            name,
            industry,
            style.split()[0],
            tuple(SPEAKERS[row.group(1)] for row in rows if row),
            tuple(row.group(3) for row in rows if row),
            tuple(frozenset(tag for tag, doubt in mark if not doubt) for mark in marks),
            tuple(frozenset(tag for tag, doubt in mark if doubt) for mark in marks),
            "snippet" in style,
        )


def bank() -> Iterator[tuple[frozenset[str], str, str]]:
    """(tags, speaker, words) of the single phrases; `k` and `o` are a customer's."""
    for path in sorted(CORPUS.glob("bank*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                tags, words = line.split(": ", 1)
                yield frozenset(tags), "customer" if set(tags) & {"k", "o"} else "manager", words


def copies(dialogue: Dialogue, seed: int = 1) -> list[Dialogue]:
    """The dialogue itself, with figures instead of number words, and as a recogniser would hear it."""
    rng = random.Random(f"{dialogue.id}/{seed}")  # noqa: S311  reproducible noise, not a secret
    made = [dialogue, replace(dialogue, style="asr", texts=tuple(noisy(t, rng) for t in dialogue.texts))]
    if dialogue.style == "clean":
        made.append(replace(dialogue, texts=tuple(figures(t) for t in dialogue.texts)))
    if not dialogue.snippet:
        made.append(merged(rng.choice(made), rng))
    return made


def merged(dialogue: Dialogue, rng: random.Random) -> Dialogue:
    """The same call where the manager talks on instead of waiting for short remarks: long turns of several acts."""
    rows = list(zip(dialogue.speakers, dialogue.texts, dialogue.tags, dialogue.doubt, strict=True))
    out: list[tuple[str, str, frozenset[str], frozenset[str]]] = []
    for index, row in enumerate(rows):
        remark = row[0] == "customer" and not row[2] and not row[3] and len(row[1].split()) <= 6
        if remark and 0 < index < len(rows) - 1 and rng.random() < 0.6:
            continue
        if out and out[-1][0] == row[0]:
            out[-1] = (row[0], f"{out[-1][1]} {row[1]}", out[-1][2] | row[2], out[-1][3] | row[3])
        else:
            out.append(row)
    speakers, texts, tags, doubt = zip(*out, strict=True)
    return replace(dialogue, speakers=speakers, texts=texts, tags=tags, doubt=doubt)


def figures(text: str) -> str:
    """«восемнадцать тысяч шестьсот» → «18 600»; ordinals and small counts stay words."""
    plain = repair(text)
    row = tokens(plain)
    for number in reversed(numbers(row)):
        if number.ordinal or number.digits or number.value < 10 or number.value != int(number.value):
            continue
        written = f"{number.value:,.0f}".replace(",", " ")
        plain = plain[: row[number.start].start] + written + plain[row[number.end - 1].end :]
    return plain


def noisy(text: str, rng: random.Random) -> str:
    """Lower case, no marks, figures as words, and a few of the mistakes of recognisers."""
    text = re.sub(r"\d+", lambda m: num2words(int(m.group()), lang="ru"), text.lower())
    words = re.sub(r"[^\w\s@-]|_", " ", text.replace("ё", "е")).replace(" - ", " ").split()
    out: list[str] = []
    for word in words:
        roll = rng.random()
        if roll < 0.012 and len(word) <= 3:
            continue
        heard = _misheard(word, rng) if roll < 0.03 and len(word) > 4 else word
        if roll > 0.992 and out:
            out[-1] += heard
        else:
            out.append(heard)
    return " ".join(out)


def _misheard(word: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(word) - 1)
    swap = {"о": "а", "а": "о", "е": "и", "и": "е", "т": "д", "д": "т", "б": "п", "п": "б", "з": "с", "с": "з", "в": "ф", "я": "е"}
    return word[:at] + swap.get(word[at], "") + word[at + 1 :]
