"""Trains the small models of the rule engine from the written dialogues: `python scripts/train_rules.py`.

Every figure that the later models see of the earlier ones is out of fold: a dialogue and its copies are one group.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import hstack
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from tasks.engines.analyst.rules.phrases import DATA

sys.path.insert(0, str(Path(__file__).parent.parent))

from checklists import loader
from checklists.definitions import Checklist, Window
from checklists.transcript import Transcript, Utterance
from core.ids import content_hash
from scripts import rules_corpus
from tasks.engines.analyst.rules import acts, generic, rubric, semantic
from tasks.engines.analyst.rules.features import bag, features
from tasks.engines.analyst.rules.scene import Scene, scene

TAGS = {
    "hello": "h",
    "name": "i",
    "needs": "n",
    "terms": "q",
    "benefit": "p",
    "objection": "o",
    "answer": "a",
    "price": "r",
    "step": "s",
    "bye": "b",
}
FOLDS = 6
WORDS_C, VECTORS_C, COMBINE_C = 0.3, 2.0, 0.15  # strength of the fits; found on the folds of the training dialogues
SMALL, RARE = 0.02, 0.06  # weights of figures and of words below which they are noise and only make the file long


@dataclass
class Sample:
    """One turn that may be the act, with its answer."""

    group: int
    row: dict[str, float]
    words: dict[str, float]
    vector: Any
    label: int
    key: tuple[int, int]
    bank: bool = False


@dataclass
class Prepared:
    """A dialogue copy ready for training."""

    dialogue: rules_corpus.Dialogue
    group: int
    scene: Scene
    rows: dict[int, dict[str, float]]
    vectors: dict[int, Any]
    objections: dict[int, float] = field(default_factory=dict)


def prepare(dialogues: Sequence[rules_corpus.Dialogue], encoder: semantic.Encoder | None, *, augment: bool = True) -> list[Prepared]:
    """Scenes, figures and vectors of the dialogues and of their copies."""
    made = []
    for group, dialogue in enumerate(dialogues):
        for copy in rules_corpus.copies(dialogue) if augment else [dialogue]:
            stage = scene(copy.transcript())
            vectors = (
                dict(zip([t.place for t in stage.turns], encoder.encode([t.plain for t in stage.turns]), strict=True)) if encoder else {}
            )
            made.append(Prepared(copy, group, stage, acts.rows(stage), vectors))
    return made


def samples(prepared: Sequence[Prepared], act: str) -> list[Sample]:
    """Every turn that may be this act and whose label is not doubtful."""
    tag, found = TAGS[act], list[Sample]()
    for index, one in enumerate(prepared):
        turns = (
            acts.replied(one.scene, one.objections)
            if act == "answer"
            else (
                (t, acts.met_with(one.scene, t, act, {"objection": one.objections}))
                for t in one.scene.turns
                if acts.eligible(one.scene, t, act)
            )
        )
        for turn, extra in turns:
            if tag in one.dialogue.doubt[turn.id]:
                continue
            near = acts.focus(turn, act)
            row = (one.rows[turn.place] if near is turn else features(one.scene, near)) | extra
            words = dict.fromkeys(bag(near), 1.0)
            found.append(
                Sample(one.group, row, words, one.vectors.get(turn.place), int(tag in one.dialogue.tags[turn.id]), (index, turn.place))
            )
    return found


def bank_samples(act: str, encoder: semantic.Encoder | None, first_group: int) -> list[Sample]:
    """The single phrases: they teach words and meaning, not context."""
    found = []
    for group, (tags, speaker, words) in enumerate(rules_corpus.bank(), first_group):
        unclear = ("a" in tags and act in ("needs", "terms", "benefit")) or (act == "answer" and tags & set("npq"))
        for text in dict.fromkeys((words, rules_corpus.noisy(words, random.Random(words)))):  # noqa: S311  reproducible noise, not a secret
            stage = scene(Transcript(utterances=(Utterance(id=0, start=0, end=1, speaker=speaker, text=text),)))
            turns = stage.turns if act == "answer" and speaker == "manager" else [t for t in stage.turns if acts.eligible(stage, t, act)]
            if turns and not unclear:
                near = acts.focus(turns[0], act)
                vector = encoder.encode([turns[0].plain])[0] if encoder else None
                found.append(Sample(group, {}, dict.fromkeys(bag(near), 1.0), vector, int(TAGS[act] in tags), (-1, group), bank=True))
    return found


def fit(matrix: Any, labels: Any, strength: float, *, bias: bool = True) -> LogisticRegression:
    """A logistic model, both answers of equal weight. Without a bias, a turn of unknown words stays undecided."""
    return LogisticRegression(C=strength, max_iter=2000, class_weight="balanced", fit_intercept=bias).fit(matrix, labels)


def out_of_fold(matrix: Any, labels: Any, groups: Any, strength: float, *, bias: bool = True) -> Any:
    """Logits of models that never saw the dialogue."""
    logits = np.zeros(len(labels))
    for train, test in GroupKFold(FOLDS).split(matrix, labels, groups):
        logits[test] = fit(matrix[train], labels[train], strength, bias=bias).decision_function(matrix[test])
    return logits


def train_act(act: str, found: Sequence[Sample], with_vectors: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The models of one act, and their out-of-fold logits by kind."""
    labels, groups = np.array([s.label for s in found]), np.array([s.group for s in found])
    word_names, figure_names = DictVectorizer(), DictVectorizer()
    told = np.array([not s.bank for s in found])
    words = word_names.fit_transform([s.words for s in found])
    figures = figure_names.fit_transform([acts.seen(act, s.row) for s in found if not s.bank])
    kept = np.asarray((words > 0).sum(axis=0)).ravel() >= 3
    words = words[:, kept]
    names = [n for n, keep in zip(word_names.get_feature_names_out(), kept, strict=True) if keep]
    by_words = out_of_fold(words, labels, groups, WORDS_C, bias=False)
    model = fit(words, labels, WORDS_C, bias=False)
    made: dict[str, Any] = {"words": _named(model, names, RARE), "combine": {}}
    logits: dict[str, Any] = {}
    columns, column_names = [by_words[told]], ["by words"]
    logits["plain"] = _combine(made, "plain", figures, figure_names, columns, column_names, labels[told], groups[told])
    if with_vectors:
        vectors = np.stack([s.vector for s in found])
        by_meaning = out_of_fold(vectors, labels, groups, VECTORS_C)
        final = fit(vectors, labels, VECTORS_C)
        made["vectors"] = {"bias": round(float(final.intercept_[0]), 4), "weights": [round(float(w), 4) for w in final.coef_[0]]}
        logits["meaning"] = by_meaning[told]
        both = [*columns, by_meaning[told]], [*column_names, "by meaning"]
        logits["semantic"] = _combine(made, "semantic", figures, figure_names, *both, labels[told], groups[told])
    logits["words"] = by_words[told]
    return made, logits


def _combine(
    made: dict[str, Any],
    kind: str,
    figures: Any,
    vectorizer: DictVectorizer,
    columns: list[Any],
    names: list[str],
    labels: Any,
    groups: Any,
) -> Any:
    matrix = hstack([figures, np.column_stack(columns)]).tocsr()
    model = fit(matrix, labels, COMBINE_C)
    made["combine"][kind] = _named(model, [*vectorizer.get_feature_names_out(), *names])
    return out_of_fold(matrix, labels, groups, COMBINE_C)


def _named(model: LogisticRegression, names: Sequence[str], least: float = SMALL) -> dict[str, Any]:
    weights = {n: round(float(w), 3) for n, w in zip(names, model.coef_[0], strict=True) if abs(w) >= least}
    return {"bias": round(float(np.ravel(model.intercept_)[0]), 3), "weights": dict(sorted(weights.items()))}


def train(
    prepared: list[Prepared], encoder: semantic.Encoder | None
) -> tuple[dict[str, Any], dict[str, dict[str, dict[tuple[int, int], float]]]]:
    """All models, and out-of-fold probabilities: kind → act → (copy, place)."""
    with_vectors = encoder is not None
    weights: dict[str, Any] = {"words": {}, "vectors": {}, "combine": {"plain": {}, "semantic": {}}}
    probabilities: dict[str, dict[str, dict[tuple[int, int], float]]] = {"plain": {}, "semantic": {}}
    for act in ("objection", *acts.MANAGER_ACTS):
        found = samples(prepared, act)
        bank = bank_samples(act, encoder, len(prepared)) if act != "name" else []
        made, logits = train_act(act, [*found, *bank], with_vectors)
        weights["words"][act] = made["words"]
        weights["vectors"] |= {act: made["vectors"]} if with_vectors else {}
        for kind, model in made["combine"].items():
            weights["combine"][kind][act] = model
            probabilities[kind][act] = {s.key: acts.probability(v) for s, v in zip(found, logits[kind], strict=True)}
        report(act, found, logits)
        if act == "objection":
            _remember(prepared, probabilities["semantic" if with_vectors else "plain"][act])
    return weights, probabilities


def _remember(prepared: list[Prepared], found: dict[tuple[int, int], float]) -> None:
    for (index, place), value in found.items():
        prepared[index].objections[place] = value


def report(act: str, found: Sequence[Sample], logits: dict[str, Any]) -> None:
    """One line an act: how well each model ranks turns it never saw."""
    labels = [s.label for s in found if not s.bank]
    line = "  ".join(f"{kind} {roc_auc_score(labels, values):.3f}" for kind, values in logits.items())
    print(f"{act:10} {len(labels):6} turns {sum(labels):5} positive   AUC out of fold: {line}")


# Detector of the pack → its act, and the stage windows of the built-in checklist it is calibrated within.
DETECTORS = {
    "greeting.hello": ("hello", Window(first_utterances=10)),
    "greeting.self_intro": ("name", Window(first_utterances=10)),
    "needs.open_question": ("needs", None),
    "qualification.terms": ("terms", None),
    "presentation.benefit": ("benefit", None),
    "objection.raised": ("objection", None),
    "objection.answered": ("answer", None),
    "price.named": ("price", None),
    "next_step.dated": ("step", None),
    "goodbye.polite": ("bye", Window(last_utterances=8)),
}


def calibrate(prepared: Sequence[Prepared], probabilities: dict[str, dict[tuple[int, int], float]]) -> dict[str, list[float]]:
    """Slope and offset of every detector, from the best out-of-fold candidate of every dialogue."""
    made = {}
    for name, (act, window) in DETECTORS.items():
        best: dict[int, float] = {}
        for (index, place), value in probabilities[act].items():
            if not prepared[index].dialogue.snippet and prepared[index].scene.inside(prepared[index].scene.turns[place], window):
                best[index] = max(best.get(index, 0.0), value)
        kept = [(logit(value), label) for index, value in best.items() if (label := met(prepared[index], act)) is not None]
        values, labels = np.array([[v] for v, _ in kept]), np.array([label for _, label in kept])
        model = fit(values, labels, 10.0)
        made[name] = [round(float(model.coef_[0][0]), 4), round(float(model.intercept_[0]), 4)]
    return made


def logit(value: float) -> float:
    value = min(max(value, 1e-6), 1 - 1e-6)
    return float(np.log(value / (1 - value)))


def met(one: Prepared, act: str) -> int | None:
    """Whether the dialogue contains the act; None where that is doubtful."""
    tag = TAGS[act]
    if any(tag in tags for tags in one.dialogue.tags):
        return 1
    return None if any(tag in doubt for doubt in one.dialogue.doubt) else 0


# Criteria of the built-in checklist that stand in for those that nobody trained for, and their acts.
STAND_INS = {
    "open_question": "needs",
    "terms": "terms",
    "benefit": "benefit",
    "answered": "answer",
    "amount": "price",
    "dated": "step",
    "polite": "bye",
    "hello": "hello",
}


@dataclass
class Likeness:
    """Rows for the model of criteria without a detector: one a turn and criterion."""

    rows: list[dict[str, float]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    owners: list[str] = field(default_factory=list)
    calls: list[tuple[str, int]] = field(default_factory=list)

    def add(self, prepared: Sequence[Prepared], criterion: str, meanings: Sequence[rubric.Meaning], *, semantic_too: bool) -> None:
        """Every manager's turn, by turns with and without the examples of the criterion."""
        for index, one in enumerate(prepared):
            for turn in one.scene.turns:
                if one.scene.may(turn, "manager") and len(turn.words) > 1:
                    vector = one.vectors[turn.place] if semantic_too else None
                    self.rows.append(generic.likeness(one.scene, turn, meanings[(index + turn.place) % 2], vector))
                    self.labels.append(int(TAGS[STAND_INS[criterion]] in one.dialogue.tags[turn.id]))
                    self.owners.append(criterion)
                    self.calls.append((criterion, index))


def train_likeness(prepared: Sequence[Prepared], encoder: semantic.Encoder | None) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """One model for all criteria without a detector, and its calibration; each stand-in is left out once to see how it carries over."""
    made: dict[str, Any] = {}
    calibrations: dict[str, list[float]] = {}
    for kind in ("plain", "semantic") if encoder else ("plain",):
        found = _likeness_rows(prepared, encoder if kind == "semantic" else None)
        names = DictVectorizer()
        matrix, answers = names.fit_transform(found.rows), np.array(found.labels)
        made[kind] = _named(fit(matrix, answers, 1.0), list(names.get_feature_names_out()))
        owners = sorted(set(found.owners))
        logits = out_of_fold(matrix, answers, np.array([owners.index(o) for o in found.owners]), 1.0)
        calibrations[kind] = _calibrate_likeness(logits, answers, found.calls)
        for owner in owners:
            mask = np.array([o == owner for o in found.owners])
            print(f"likeness {kind:9} {owner:14} AUC when left out: {roc_auc_score(answers[mask], logits[mask]):.3f}")
    return made, calibrations


def _likeness_rows(prepared: Sequence[Prepared], encoder: semantic.Encoder | None) -> Likeness:
    checklist = next(d for d in loader.builtin() if isinstance(d, Checklist) and d.id == "sales")
    found = Likeness()
    for stage, one in ((s, c) for s in checklist.stages for c in s.criteria if c.id in STAND_INS):
        rest = rubric.others(checklist, stage, one)
        meanings = [
            rubric.meaning(one.ask, (), (), encoder, rest),
            rubric.meaning(one.ask, one.examples, one.counter_examples, encoder, rest),
        ]
        found.add(prepared, one.id, meanings, semantic_too=encoder is not None)
    return found


def _calibrate_likeness(logits: Any, labels: Any, calls: Sequence[tuple[str, int]]) -> list[float]:
    best: dict[tuple[str, int], tuple[float, int]] = {}
    for value, label, call in zip(logits, labels, calls, strict=True):
        old = best.get(call, (-99.0, 0))
        best[call] = (max(old[0], float(value)), max(old[1], int(label)))
    model = fit(np.array([[v] for v, _ in best.values()]), np.array([label for _, label in best.values()]), 10.0)
    return [round(float(model.coef_[0][0]), 4), round(float(model.intercept_[0]), 4)]


def readable(weights: dict[str, Any]) -> str:
    """Indented JSON, each vector on one line."""
    return (
        re.sub(r"\[\s+([-0-9.,\s]+?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", json.dumps(weights, ensure_ascii=False, indent=1))
        + "\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=DATA / "weights.json")
    parser.add_argument("--files", nargs="*", default=["train"])
    options = parser.parse_args()
    with threadpool_limits(1):  # several threads add up in any order, and the weights would differ in their last digits
        make(options.out, options.files)


def make(out: Path, files: Sequence[str]) -> None:
    """Train on the named files of the corpus and write the weights."""
    encoder = semantic.load()
    dialogues = rules_corpus.read(*files)
    prepared = prepare(dialogues, encoder)
    print(f"{len(dialogues)} dialogues, {len(prepared)} with copies")
    weights, probabilities = train(prepared, encoder)
    weights["likeness"], likeness = train_likeness(prepared, encoder)
    weights["calibrations"] = {
        kind: calibrate(prepared, found) | {"by meaning": likeness[kind]} for kind, found in probabilities.items() if found
    }
    weights = {"version": content_hash(weights)} | weights
    out.write_text(readable(weights), encoding="utf-8")
    print(f"{out.name}: {out.stat().st_size // 1024} KiB, version {weights['version']}")


if __name__ == "__main__":
    main()
