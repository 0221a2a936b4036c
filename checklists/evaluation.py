"""Figures of an engine against labelled calls: pure sums over verdicts and labels, as a reader of a report expects them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from checklists.transcript import Speaker, Transcript, Utterance

Answer = Literal["pass", "fail", "na"]


class LabelledUtterance(BaseModel):
    """One utterance of a labelled call; times in seconds."""

    model_config = ConfigDict(extra="ignore")

    id: int
    speaker: Speaker
    start: float
    end: float
    text: str


class Label(BaseModel):
    """What a fair head of sales says of one stage; `quotes` are the utterances that may prove a pass."""

    label: Answer
    quotes: tuple[int, ...] = ()


class LabelledCall(BaseModel):
    """One file of a folder of labelled calls."""

    model_config = ConfigDict(extra="ignore")

    call_id: str
    title: str = ""
    kind: str = ""
    utterances: tuple[LabelledUtterance, ...]
    labels: dict[str, Label] = Field(default_factory=dict)
    table: dict[str, Any] = Field(default_factory=dict)
    doubtful: tuple[str, ...] = ()

    def transcript(self) -> Transcript:
        """The utterances renumbered by place, as a transcript numbers them."""
        rows = (Utterance(id=i, start=u.start, end=u.end, speaker=u.speaker, text=u.text) for i, u in enumerate(self.utterances))
        return Transcript(utterances=tuple(rows), duration=max((u.end for u in self.utterances), default=0.0))

    def label_of(self, utterance: int) -> int:
        """The id a label uses for the utterance at this place."""
        return self.utterances[utterance].id


class Verdict(BaseModel):
    """What an engine said of one stage of one call, beside the label."""

    model_config = ConfigDict(frozen=True)

    call_id: str
    stage: str
    truth: Answer
    said: Answer
    confidence: float
    first: int | None = None
    quotes: tuple[int, ...] = ()

    @property
    def right_quote(self) -> bool:
        return self.first is not None and self.first in self.quotes


def figures(verdicts: Sequence[Verdict]) -> dict[str, float | int | None]:
    """Precision, recall, F1, accuracy, balanced accuracy and right quote; None where nothing was there to count.

    A stage is positive when it is completed. `na` is right only when the stage was left out, and stands outside precision and recall;
    leaving out a stage that applies is a miss.
    """
    judged = [v for v in verdicts if v.truth != "na"]
    hits = [v for v in judged if v.truth == v.said == "pass"]
    false_passes = sum(v.truth == "fail" and v.said == "pass" for v in judged)
    passes, fails = sum(v.truth == "pass" for v in judged), sum(v.truth == "fail" for v in judged)
    precision, recall = _ratio(len(hits), len(hits) + false_passes), _ratio(len(hits), passes)
    right_fails = sum(v.truth == v.said == "fail" for v in judged)
    quotable = [v for v in hits if v.quotes]
    return {
        "precision": precision,
        "recall": recall,
        "f1": _ratio(2 * len(hits), 2 * len(hits) + false_passes + passes - len(hits)),
        "accuracy": _ratio(sum(v.truth == v.said for v in verdicts), len(verdicts)),
        "balanced_accuracy": _mean([(len(hits), passes), (right_fails, fails)]),
        "right_quote": _ratio(sum(v.right_quote for v in quotable), len(quotable)),
        "count": len(verdicts),
    }


def overall(verdicts: Sequence[Verdict]) -> dict[str, float | int | None]:
    """The figures of all stages together, without their number."""
    return {name: value for name, value in figures(verdicts).items() if name != "count"}


def most_confident(verdicts: Sequence[Verdict], left_out: float = 0.15) -> list[Verdict]:
    """Without the least confident share: what remains when a person looks at the doubtful ones."""
    ranked = sorted(verdicts, key=lambda v: -v.confidence)
    return ranked[: len(ranked) - int(len(ranked) * left_out)]


def confusions(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    """Every verdict that differs from its label, and every right pass with a wrong quote, surest first."""
    wrong = [v for v in verdicts if v.said != v.truth or (v.truth == "pass" and v.quotes and not v.right_quote)]
    return [
        {
            "call_id": v.call_id,
            "stage": v.stage,
            "label": v.truth,
            "said": v.said,
            "confidence": v.confidence,
            "utterance": v.first,
            "quotes": list(v.quotes),
        }
        for v in sorted(wrong, key=lambda v: (v.said == v.truth, -v.confidence))
    ]


def field_figures(pairs: Iterable[tuple[str, bool, bool, bool]]) -> dict[str, Any]:
    """Accuracy by field from (name, expected, given, equal); `found` and `right` count values, `accuracy` counts silence too."""
    rows = list(pairs)
    names = sorted({name for name, *_ in rows})
    return {"overall": _field_row(rows), "fields": {n: _field_row([r for r in rows if r[0] == n]) for n in names}}


def _field_row(rows: Sequence[tuple[str, bool, bool, bool]]) -> dict[str, float | int | None]:
    expected, given = sum(r[1] for r in rows), sum(r[2] for r in rows)
    equal = sum(r[1] and r[2] and r[3] for r in rows)
    silent = sum(not r[1] and not r[2] for r in rows)
    return {
        "accuracy": _ratio(equal + silent, len(rows)),
        "recall": _ratio(equal, expected),
        "precision": _ratio(equal, given),
        "expected": expected,
        "given": given,
        "count": len(rows),
    }


def plain(value: Any) -> str:
    """A value for comparison: lower case, ё as е, without marks and repeated spaces; whole numbers without their zero fraction."""
    if isinstance(value, bool):
        return "да" if value else "нет"
    if isinstance(value, float) and value == int(value):
        value = int(value)
    if isinstance(value, (list, tuple)):
        return " ".join(sorted(plain(v) for v in value))
    return " ".join(re.sub(r"[^\w@.+ -]", " ", str(value).lower().replace("ё", "е")).split()).strip(" .")


def report(result: dict[str, Any], names: Callable[[str], str] = str) -> str:
    """The figures as a table for people."""
    columns = ("precision", "recall", "f1", "accuracy", "balanced_accuracy", "right_quote")
    head = f"{'этап':16}{'n':>5}" + "".join(f"{c:>19}" for c in columns)
    total = {**result["overall"], "count": sum(row["count"] for row in result["stages"].values())}
    rows = [*((names(stage), row) for stage, row in result["stages"].items()), ("всего", total)]
    lines = [head, *(f"{name:16}{row['count']:>5}" + "".join(f"{_shown(row[c]):>19}" for c in columns) for name, row in rows)]
    lines += ["", f"{'поле':18}{'верно':>8}{'полнота':>9}{'точность':>10}{'ждали':>7}{'дали':>6}"]
    table = result["table"]
    for name, row in [*table["fields"].items(), ("всего", table["overall"])]:
        shown = (_shown(row[c]) for c in ("accuracy", "recall", "precision"))
        lines.append(f"{name:18}{next(shown):>8}{next(shown):>9}{next(shown):>10}{row['expected']:>7}{row['given']:>6}")
    lines += ["", f"расхождений: {len(result['confusions'])}"]
    lines += [
        f"  {c['call_id']} {c['stage']}: {c['label']} → {c['said']} ({c['confidence']:.2f}), реплика {c['utterance']}"
        for c in result["confusions"]
    ]
    return "\n".join(lines)


def _shown(value: float | None) -> str:
    return "—" if value is None else f"{value:.3f}"


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _mean(shares: Sequence[tuple[int, int]]) -> float | None:
    """The mean of the shares that have a whole."""
    known = [part / whole for part, whole in shares if whole]
    return round(sum(known) / len(known), 4) if known else None
