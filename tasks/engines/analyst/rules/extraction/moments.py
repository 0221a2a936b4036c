"""Days and times: those of an agreed step, or those beside their cue."""

from __future__ import annotations

from datetime import datetime

from checklists.definitions import TableField
from tasks.engines.analyst.rules import almanac, dates
from tasks.engines.analyst.rules.acts import moments_near
from tasks.engines.analyst.rules.extraction.found import Call, Found, Missing, cues_of, nearness
from tasks.engines.analyst.rules.phrases import house_lexicon
from tasks.engines.analyst.rules.rubric import content_words
from tasks.engines.analyst.rules.scene import Turn
from tasks.engines.analyst.rules.text import repair, tokens, words_of

STEP_WORDS = words_of("шаг встреча созвон звонок визит замер показ договориться договоренность контакт следующий")
AGREED = 0.5  # probability of a step from which its date counts


def moment(call: Call, field: TableField) -> Found | Missing:
    """The calendar form of the best day or time; a field about the next step takes it from the agreed step."""
    rows = _of_steps(call) if is_step(field) else _beside_cues(call, field)
    if not rows:
        said = any(m.concrete for t in call.scene.turns for m in t.moments)
        return Missing("Даты звучали, но не о том, что нужно этому полю." if said else "Дата или время не названы.", 0.6 if said else 0.8)
    return _form(max(rows, key=lambda row: row[0])[1], field)


def is_step(field: TableField) -> bool:
    """Whether the field asks for the date of what was agreed."""
    told = content_words(" ".join((field.title, field.description))) | {t.lemma for t in tokens(repair(" ".join(field.cues)))}
    cued = {h.group for h in house_lexicon().hits(tokens(repair(" ".join(field.cues))))}
    return bool(told & STEP_WORDS) or "step.action" in cued


Row = tuple[tuple[float, ...], Found]


def _of_steps(call: Call) -> list[Row]:
    """Moments of likely steps; those with day and time first, then the later ones: agreements get more exact."""
    rows: list[Row] = []
    calibrate = call.analysis.models.calibrations[call.analysis.kind]["next_step.dated"]
    for turn, raw in call.analysis.best("step"):
        chance = calibrate(raw)
        if chance < AGREED:
            continue
        near = {t.id: t for t in call.scene.turns if t.id in moments_near(call.scene, turn)}
        for source in [turn] if turn.id in near else list(near.values()):
            rows += _moments(call, source, (turn.id,) if source is turn else (turn.id, source.id), chance)
    return rows


def _beside_cues(call: Call, field: TableField) -> list[Row]:
    cues = cues_of(field)
    rows: list[Row] = []
    for turn in call.turns(field):
        for one in turn.moments:
            near = nearness(call, cues, turn, one.start, one.end)
            if near >= 0.3:
                rows += [((near, *row[0]), row[1]) for row in _moments(call, turn, (turn.id,), 0.4 + 0.5 * near, only=one)]
    return rows


def _moments(call: Call, turn: Turn, evidence: tuple[int, ...], chance: float, only: dates.Moment | None = None) -> list[Row]:
    rows: list[Row] = []
    for one in turn.moments if only is None else (only,):
        when = almanac.resolve(one, call.at) if one.concrete else None
        if when is not None and not one.past:
            exact = (one.day is not None) + (one.clock is not None and one.clock.sure)
            rows.append(((float(exact), round(chance, 1), float(turn.place)), Found(when, evidence, round(min(chance, 0.95), 3))))
    return rows


def _form(found: Found, field: TableField) -> Found:
    """ISO text, a date alone where no time was said or wanted."""
    when = found.value
    if field.type == "date" and isinstance(when, datetime):
        when = when.date()
    return Found(when.isoformat(), found.evidence, found.confidence)
