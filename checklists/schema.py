"""JSON Schema of the YAML files, for editors: `python -m checklists.schema` writes it beside the built-in definitions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from checklists.definitions import Checklist, Table
from checklists.detectors import DETECTORS

BUILTIN = Path(__file__).parent / "builtin"
FILES: dict[str, type[Checklist | Table]] = {"checklist.schema.json": Checklist, "table.schema.json": Table}

# What an editor shows beside a field, by model and name.
HINTS: dict[str, dict[str, str]] = {
    "Checklist": {
        "schema": "Всегда checklist/v1",
        "id": "Постоянное имя чек-листа: по нему он узнаётся в вебхуках и отчётах",
        "name": "Название, которое видят люди",
        "language": "Язык разговоров",
        "prompt": "Общие указания для языковой модели",
        "engine": "Кто оценивает: rules - встроенный движок, openai - языковая модель, default - как в настройках",
        "webhook": "Куда отправлять результаты",
        "route": "Для каких звонков; пустые списки - для всех",
        "vocabulary": "Слова вашей отрасли: помогают распознаванию",
        "stages": "Этапы скрипта",
    },
    "Table": {
        "schema": "Всегда table/v1",
        "id": "Постоянное имя таблицы, например TBL_1755863365",
        "name": "Название, которое видят люди",
        "prompt": "Общие указания для языковой модели",
        "engine": "Кто извлекает: rules, openai или default",
        "webhook": "Куда отправлять результаты",
        "route": "Для каких звонков; пустые списки - для всех",
        "fields": "Поля таблицы",
    },
    "Stage": {
        "weight": "Вес этапа в общей оценке, целое число от 1",
        "speaker": "Чьи слова засчитываются",
        "window": "Часть разговора, в которой этап может быть выполнен",
        "applies_if": "Правило: этап оценивается, только если оно выполнено",
        "applies_ask": "То же вопросом для языковой модели",
        "threshold": "Доля выполненных критериев в процентах, с которой этап пройден",
        "criteria": "Вопросы «да или нет»",
    },
    "Criterion": {
        "ask": "Вопрос «да или нет» о разговоре; его достаточно",
        "rule": "Условия для встроенного движка",
        "examples": "Фразы, за которые критерий засчитывается",
        "counter_examples": "Похожие фразы, за которые он не засчитывается",
        "speaker": "Чьи слова засчитываются, если не те, что у этапа",
        "semantic": "false запрещает встроенному движку судить по смыслу, без точных слов",
    },
    "Rule": {
        "use": "Детектор встроенного движка",
        "any": "Достаточно одной из фраз, в любой форме слов; re:… - регулярное выражение",
        "all": "Нужны все фразы",
        "none": "Ни одной из фраз быть не должно",
        "entity": "Что должно быть названо",
        "question": "true - только вопросы, false - только утверждения",
        "speaker": "Кто это говорит",
        "min_words": "Сколько слов в реплике не меньше",
    },
    "TableField": {
        "name": "Имя поля латиницей: под ним значение уйдёт в вебхук",
        "type": "Тип значения",
        "title": "Название поля для людей",
        "description": "Что это за значение",
        "speaker": "Кто его называет",
        "cues": "Слова, рядом с которыми стоит значение",
        "values": "Допустимые значения для enum и list",
        "synonyms": "Как ещё называют значение",
        "required": "Отмечать в отчётах, если значения нет",
    },
}


def schema(model: type[Checklist | Table]) -> dict[str, Any]:
    """The schema of one kind of file, with hints in Russian and the names of the detectors."""
    found = model.model_json_schema(by_alias=True)
    for name, definition in ((model.__name__, found), *found.get("$defs", {}).items()):
        for field, text in HINTS.get(name, {}).items():
            definition["properties"][field]["description"] = text
    if "Rule" in found.get("$defs", {}):
        use = found["$defs"]["Rule"]["properties"]["use"]
        use["anyOf"] = [{"enum": list(DETECTORS), "description": "; ".join(f"{k}: {v}" for k, v in DETECTORS.items())}, {"type": "null"}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | found


def text(model: type[Checklist | Table]) -> str:
    """The file as it is published."""
    return json.dumps(schema(model), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    for file, kind in FILES.items():
        (BUILTIN / file).write_text(text(kind), encoding="utf-8")
