"""Calls that no model was trained on: the promised quality, with the encoder and without it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from checklists import evaluation
from checklists.definitions import Checklist
from checklists.evaluation import Label, LabelledCall, LabelledUtterance, Verdict
from checklists.loader import builtin
from core.settings import Settings
from scripts import rules_corpus
from tasks.engines.analyst.rules import RulesAnalyst
from tasks.evaluate import judge, load

LEAST = {
    True: {"balanced_accuracy": 0.88, "f1": 0.90, "right_quote": 0.88},
    False: {"balanced_accuracy": 0.86, "f1": 0.88, "right_quote": 0.88},
}
LEAST_CONFIDENT = 0.93  # balanced accuracy without the least confident 15 % of the stages
SALES = next(d for d in builtin() if isinstance(d, Checklist) and d.id == "sales")


def labelled(dialogue: rules_corpus.Dialogue) -> LabelledCall:
    call = dialogue.transcript()
    rows = tuple(LabelledUtterance(id=u.id, speaker=u.speaker, start=u.start, end=u.end, text=u.text) for u in call.utterances)
    told = {stage.id: dialogue.label(stage.id) for stage in SALES.stages}
    labels = {stage: Label(label=label[0], quotes=tuple(label[1])) for stage, label in told.items() if label}
    return LabelledCall(call_id=dialogue.id, utterances=rows, labels=labels)


def calls() -> Iterator[LabelledCall]:
    """The dialogues, and the folders in the format of `rop evaluate`."""
    yield from (labelled(dialogue) for dialogue in rules_corpus.read("held_out"))
    for folder in sorted(path for path in rules_corpus.CORPUS.glob("held_out_*") if path.is_dir()):
        yield from load(folder)


def verdicts(analyst: RulesAnalyst) -> list[Verdict]:
    return [v for call in calls() for v in judge(call, SALES, analyst)]


@pytest.mark.slow
@pytest.mark.parametrize("semantic", [True, False], ids=["with vectors", "words alone"])
def test_the_promised_quality(semantic: bool) -> None:
    found = verdicts(RulesAnalyst(Settings(), encoder=semantic))
    figures = evaluation.overall(found)
    short = {name: figures[name] for name, least in LEAST[semantic].items() if (figures[name] or 0) < least}
    assert not short
    assert (evaluation.overall(evaluation.most_confident(found))["balanced_accuracy"] or 0) >= LEAST_CONFIDENT
