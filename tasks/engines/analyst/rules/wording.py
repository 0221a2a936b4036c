"""Reasons in Russian: what was found, or what was missing and what came nearest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from checklists.definitions import Criterion, Stage
from tasks.engines.analyst.rules.analysis import Analysis
from tasks.engines.analyst.rules.pack import Candidate
from tasks.engines.analyst.rules.scene import Scene, Turn

LONGEST = 12  # words of a reply that a reason repeats
NEAR = 0.2  # probability from which a candidate that failed is worth naming

FOUND = {
    "greeting.hello": "Поздоровался",
    "greeting.self_intro": "Назвал своё имя",
    "needs.open_question": "Задал открытый вопрос о потребности",
    "qualification.terms": "Задал уточняющий вопрос об условиях",
    "qualification.budget": "Спросил о бюджете",
    "qualification.timing": "Спросил о сроках",
    "qualification.volume": "Спросил об объёме",
    "qualification.decision": "Спросил, кто принимает решение",
    "presentation.benefit": "Рассказал о пользе для клиента",
    "objection.raised": "Клиент возразил",
    "objection.answered": "Ответил на возражение",
    "price.named": "Назвал цену",
    "next_step.dated": "Договорился о следующем шаге с датой",
    "next_step.agreed": "Договорился о следующем шаге",
    "goodbye.polite": "Вежливо попрощался",
    "by rule": "Сказано прямо",
    "by meaning": "Похоже по смыслу",
}
MISSING = {
    "greeting.hello": "Не поздоровался в начале разговора",
    "greeting.self_intro": "Не назвал своего имени",
    "needs.open_question": "Не задал открытого вопроса о задаче или проблеме клиента",
    "qualification.terms": "Не спросил ни о бюджете, ни о сроках, ни об объёме, ни о том, кто решает",
    "qualification.budget": "Не спросил о бюджете",
    "qualification.timing": "Не спросил о сроках",
    "qualification.volume": "Не спросил об объёме или количестве",
    "qualification.decision": "Не спросил, кто принимает решение",
    "presentation.benefit": "Не рассказал, чем предложение полезно клиенту",
    "objection.raised": "Клиент не возражал",
    "objection.answered": "Возражение осталось без довода и уточняющего вопроса",
    "price.named": "Не назвал конкретной цены",
    "next_step.dated": "Не договорился о следующем шаге с датой или временем",
    "next_step.agreed": "Не договорился о следующем шаге",
    "goodbye.polite": "Не попрощался вежливо в конце разговора",
}
SUBJECTS = {"ask.budget": "бюджет", "ask.timing": "сроки", "ask.volume": "объём", "ask.decider": "кто решает"}


def comment(analysis: Analysis, criterion: Criterion, name: str, *, met: bool, found: Sequence[Candidate]) -> str:
    """One sentence or two about one criterion."""
    if met:
        best = found[0].turn
        return f"{FOUND[name]}{_subject(name, best)}: «{excerpt(best)}» ({clock(best)})"
    if name not in MISSING:
        near = found[0] if found and found[0].probability >= NEAR else None
        return f"Не найдено: {criterion.ask}" + (f"; ближе всего «{excerpt(near.turn)}»" if near else "")
    return f"{MISSING[name]}{_detail(analysis.scene, name, found)}"


def not_applicable(stage: Stage) -> str:
    """Why a stage was left out."""
    if stage.applies_if and stage.applies_if.use == "objection.raised":
        return "Клиент не возражал, этап не оценивается"
    return f"Повода для этапа не было: {stage.applies_ask or stage.name}"


def excerpt(turn: Turn) -> str:
    """The first words of a turn, as they were transcribed."""
    words = turn.said.split()
    return " ".join(words[:LONGEST]) + ("…" if len(words) > LONGEST else "")


def clock(turn: Turn) -> str:
    """Minutes and seconds from the start of the recording."""
    return f"{int(turn.seconds[0]) // 60:02d}:{int(turn.seconds[0]) % 60:02d}"


def _subject(name: str, turn: Turn) -> str:
    if name != "qualification.terms":
        return ""
    told = [word for group, word in SUBJECTS.items() if group in turn.groups]
    return f" ({', '.join(told)})" if told else ""


def _detail(scene: Scene, name: str, found: Sequence[Candidate]) -> str:
    manager = [t for t in scene.turns if scene.may(t, "manager")]
    if name == "price.named":
        return _price(scene, manager)
    if name == "next_step.dated":
        return _step(manager, found)
    if name == "objection.answered" and found:
        return f": ответ был «{excerpt(found[0].turn)}»"
    if name == "greeting.self_intro" and any(t.people for t in manager[:4]):
        return "; прозвучавшее имя похоже на обращение к собеседнику"
    near = found[0] if found and found[0].probability >= NEAR else None
    return f"; ближе всего «{excerpt(near.turn)}»" if near else ""


def _price(scene: Scene, manager: Iterable[Turn]) -> str:
    refused = next((t for t in manager if {"price.refused"} & (t.groups | t.negated)), None)
    if refused is not None:
        return f": ответ отложен («{excerpt(refused)}»)"
    if any(t.money for t in scene.turns if t.speaker == "customer"):
        return "; сумму называл только клиент"
    return ""


def _step(manager: Iterable[Turn], found: Sequence[Candidate]) -> str:
    if found and found[0].probability >= NEAR:
        return f"; ближе всего «{excerpt(found[0].turn)}»"
    vague = next((t for t in reversed(list(manager)) if {"step.vague", "step.action"} & t.groups), None)
    return f": осталось без срока («{excerpt(vague)}»)" if vague else ""
