"""Names of the detector pack: what a rule may `use`. The embedded engine implements exactly these."""

from __future__ import annotations

# Name → what it finds, as an editor shows it.
DETECTORS: dict[str, str] = {
    "greeting.hello": "Поздоровался",
    "greeting.self_intro": "Назвал своё имя (не имя собеседника)",
    "needs.open_question": "Открытый вопрос о задаче, потребности или проблеме",
    "qualification.terms": "Вопрос о бюджете, сроках, объёме или о том, кто решает",
    "qualification.budget": "Вопрос о бюджете",
    "qualification.timing": "Вопрос о сроках",
    "qualification.volume": "Вопрос об объёме или количестве",
    "qualification.decision": "Вопрос о том, кто принимает решение",
    "presentation.benefit": "Рассказ о продукте с пользой для этого клиента",
    "objection.raised": "Возражение клиента",
    "objection.answered": "Ответ на возражение доводом или уточняющим вопросом",
    "price.named": "Названа конкретная цена или диапазон",
    "next_step.dated": "Следующий шаг с датой или временем",
    "next_step.agreed": "Следующий шаг без обязательной даты",
    "goodbye.polite": "Вежливое прощание",
}
