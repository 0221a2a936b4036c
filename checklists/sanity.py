"""Definitions that parse and could still never be scored: they are refused before the first call is judged by them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from checklists.definitions import Checklist, Criterion, Definition, Rule, Stage, TableField, Webhook
from checklists.detectors import DETECTORS

Place = tuple[str | int, ...]
Found = tuple[Place, str, str]


def unscorable(definition: Definition) -> Iterator[Found]:
    """Place, mistake and remedy of everything that could never be met."""
    if definition.webhook:
        yield from _webhook(definition.webhook)
    if isinstance(definition, Checklist):
        for index, stage in enumerate(definition.stages):
            yield from _stage(definition, ("stages", index), stage)
        return
    for index, field in enumerate(definition.fields):
        yield from _field(("fields", index), field)


def _webhook(webhook: Webhook) -> Iterator[Found]:
    if not re.match(r"https?://[^/\s]+", webhook.url):
        yield ("webhook", "url"), "адрес не начинается с http:// или https://", "напишите полный адрес, например https://crm.example/hook"


def _stage(checklist: Checklist, place: Place, stage: Stage) -> Iterator[Found]:
    if stage.window and stage.window.after_stage and stage.id in _before(checklist, stage):
        yield (*place, "window", "after_stage"), "этап ждёт сам себя", "укажите этап, который идёт раньше, или уберите after_stage"
    if stage.applies_if:
        yield from _rule((*place, "applies_if"), stage.applies_if)
    for index, criterion in enumerate(stage.criteria):
        yield from _criterion((*place, "criteria", index), stage, criterion)


def _before(checklist: Checklist, stage: Stage) -> set[str]:
    """Ids of all stages that `stage` waits for, directly or through others."""
    waits = {s.id: s.window.after_stage for s in checklist.stages if s.window and s.window.after_stage}
    found: set[str] = set()
    name = waits.get(stage.id)
    while name and name not in found:
        found.add(name)
        name = waits.get(name)
    return found


def _criterion(place: Place, stage: Stage, criterion: Criterion) -> Iterator[Found]:
    if criterion.rule is None:
        return
    yield from _rule((*place, "rule"), criterion.rule)
    party = criterion.speaker or stage.speaker
    if criterion.rule.speaker and "any" not in (party, criterion.rule.speaker) and criterion.rule.speaker != party:
        what = f"правило ждёт слов «{criterion.rule.speaker}», а критерий засчитывается за слова «{party}»"
        yield (*place, "rule", "speaker"), what, "сделайте speaker одинаковым или уберите его из правила"


def _rule(place: Place, rule: Rule) -> Iterator[Found]:
    if rule.use is not None and rule.use not in DETECTORS:
        close = difflib.get_close_matches(rule.use, DETECTORS, n=1)
        hint = f"возможно, имелся в виду «{close[0]}»; " if close else ""
        yield (*place, "use"), f"детектора «{rule.use}» нет", f"{hint}есть: {', '.join(DETECTORS)}"
    for name in ("any", "all", "none"):
        for index, phrase in enumerate(getattr(rule, name)):
            if not phrase.startswith("re:") and not re.search(r"\w", phrase):
                yield (*place, name, index), f"во фразе «{phrase}» нет ни одного слова", "напишите слова или уберите строку"
    if both := set(rule.all) & set(rule.none) or (set(rule.any) if rule.any and set(rule.any) <= set(rule.none) else set()):
        yield (*place, "none"), f"требуется и запрещается одно и то же: {', '.join(sorted(both))}", "уберите фразу из одного из списков"


def _field(place: Place, field: TableField) -> Iterator[Found]:
    owners: dict[str, str] = {}
    for value, words in [(v, (v, *field.synonyms.get(v, ()))) for v in field.values]:
        for word in words:
            if owners.setdefault(word.casefold(), value) != value:
                yield (*place, "synonyms"), f"«{word}» относится сразу к двум значениям", "оставьте слово у одного значения"
