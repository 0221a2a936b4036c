"""The detector pack: what each name that a rule may `use` finds in a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from tasks.engines.analyst.rules.acts import REPLY_TURNS
from tasks.engines.analyst.rules.analysis import Analysis
from tasks.engines.analyst.rules.scene import Scene, Turn
from tasks.engines.analyst.rules.text import repair

MIXED = 0.3  # what a second act in the same turn takes from its rank
LISTED = 0.97  # probability of an introduction by a name from the staff list
WEAK = 0.35  # what remains of a probability when the subject that was asked for was not named


@dataclass(frozen=True, slots=True)
class Candidate:
    """A turn that may prove a criterion, with its probability 0 to 1; `rank` orders the evidence where it differs."""

    turn: Turn
    probability: float
    rank: float | None = None

    @property
    def order(self) -> float:
        return self.probability if self.rank is None else self.rank


Detector = Callable[[Analysis], list[Candidate]]


def _act(act: str, analysis: Analysis) -> list[Candidate]:
    return [Candidate(turn, p) for turn, p in analysis.best(act)]


def _rather(act: str, than: str, analysis: Analysis) -> list[Candidate]:
    """Turns of an act, those that are as likely another act last: a plain need is better evidence than one inside a qualification."""
    other = analysis.acts[than]
    found = [Candidate(turn, p, p * (1 - MIXED * other.get(turn.place, 0.0))) for turn, p in analysis.best(act)]
    return sorted(found, key=lambda c: -c.order)


def _answered(analysis: Analysis) -> list[Candidate]:
    """Answers, those to the likeliest objection first."""
    objections = analysis.acts["objection"]
    found = [Candidate(turn, p, p * _objected(objections, turn)) for turn, p in analysis.best("answer")]
    return sorted(found, key=lambda c: -c.order)


def _objected(objections: Mapping[int, float], turn: Turn) -> float:
    return max((objections.get(turn.place - back, 0.0) for back in range(1, REPLY_TURNS + 1)), default=0.0)


def named_first(analysis: Analysis, found: Sequence[Candidate], names: Sequence[str]) -> list[Candidate]:
    """A name that is known to be the manager's introduces the manager, whatever the dictionary takes it for."""
    known = {repair(word) for name in names for word in name.split()}
    listed = [t for t in analysis.scene.turns if analysis.scene.may(t, "manager") and any(w.norm in known for w in t.words)]
    others = [c for c in found if c.turn not in listed]
    return sorted([*(Candidate(t, LISTED) for t in listed), *others], key=lambda c: -c.order)


def _about(group: str, analysis: Analysis) -> list[Candidate]:
    """Questions of the qualification that name one subject."""
    found = [Candidate(turn, p if group in turn.groups else p * WEAK) for turn, p in analysis.best("terms")]
    return sorted(found, key=lambda c: -c.probability)


def _agreed(analysis: Analysis) -> list[Candidate]:
    """A next step, dated or not: the dated model, or the words of a step without the words of vagueness."""
    dated = dict(analysis.acts["step"])
    scene = analysis.scene
    found = [Candidate(t, max(dated.get(t.place, 0.0), _step_by_words(scene, t))) for t in scene.turns if scene.may(t, "manager")]
    return sorted(found, key=lambda c: -c.probability)


def _step_by_words(scene: Scene, turn: Turn) -> float:
    promised = any({"1per", "futr"} <= w.grammar.tags for w in turn.words) or "step.propose" in turn.groups
    if "step.action" not in turn.groups or not promised or "step.vague" in turn.groups:
        return 0.05
    answer = scene.following(turn)
    agreed = answer is not None and "yes" in answer.groups and "no" not in answer.groups
    return 0.75 if agreed else 0.45


PACK: Mapping[str, Detector] = {
    "greeting.hello": partial(_act, "hello"),
    "greeting.self_intro": partial(_act, "name"),
    "needs.open_question": partial(_rather, "needs", "terms"),
    "qualification.terms": partial(_act, "terms"),
    "qualification.budget": partial(_about, "ask.budget"),
    "qualification.timing": partial(_about, "ask.timing"),
    "qualification.volume": partial(_about, "ask.volume"),
    "qualification.decision": partial(_about, "ask.decider"),
    "presentation.benefit": partial(_rather, "benefit", "answer"),
    "objection.raised": partial(_act, "objection"),
    "objection.answered": _answered,
    "price.named": partial(_act, "price"),
    "next_step.dated": partial(_act, "step"),
    "next_step.agreed": _agreed,
    "goodbye.polite": partial(_act, "bye"),
}
