"""A definition while it is edited: form fields in and out, buttons that add, move and remove, the problems it still has."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from checklists import loader
from checklists.definitions import Definition
from core.errors import BadDefinition

Content = dict[str, Any]

SOURCE = "описание"
NOT_TEXT = {"line": 1, "path": "", "what": "в тексте есть недопустимые знаки", "fix": "наберите его заново, не вставляя из другого файла"}
STARTERS: dict[str, Content] = {
    "checklist": {
        "schema": "checklist/v1",
        "id": "",
        "name": "",
        "stages": [{"id": "greeting", "name": "Приветствие", "criteria": [{"id": "hello", "ask": "Менеджер поздоровался с клиентом"}]}],
    },
    "table": {"schema": "table/v1", "id": "", "name": "", "fields": [{"name": "client_name", "type": "person", "title": "Имя клиента"}]},
}
NEW_ITEMS: dict[str, Content] = {
    "stages": {"name": "", "criteria": [{"id": "main", "ask": ""}]},
    "criteria": {"ask": ""},
    "fields": {"type": "string", "title": ""},
}
WHOLE = {"synonyms"}  # mappings that a form shows whole: what is not in it was taken away
# What an item of a list is called by, and what a new one is called.
NAMED_BY = {"stages": ("id", "stage"), "criteria": ("id", "criterion"), "fields": ("name", "field")}
LISTS = {"vocabulary", "examples", "counter_examples", "any", "none", "cues", "values", "deal_stages", "offices", "managers"}
NUMBERS = {"weight", "threshold", "first_seconds", "last_seconds", "first_utterances", "last_utterances"}


@dataclass(frozen=True)
class Checked:
    """A draft that was looked at: the definition when it is sound, else what is wrong with it."""

    definition: Definition | None
    problems: tuple[dict[str, Any], ...] = ()

    @property
    def bad_fields(self) -> frozenset[str]:
        """Names of the form fields that the problems are about."""
        return frozenset(re.sub(r"\[(\d+)\]", r".\1", problem["path"]) for problem in self.problems)


def check(text: str) -> Checked:
    """The definition that the YAML text is, or all its problems."""
    try:
        return Checked(loader.load_text(text, SOURCE))
    except BadDefinition as error:
        return Checked(None, tuple(error.fields["problems"]))
    except yaml.YAMLError:
        return Checked(None, (NOT_TEXT,))


def dump(content: Content) -> str:
    """The draft as YAML, also an unsound one; what is empty is left out."""
    return yaml.safe_dump(_pruned(content), allow_unicode=True, sort_keys=False, width=120)


def of_definition(definition: Definition) -> Content:
    """A stored definition as a draft, without default values."""
    found = yaml.safe_load(loader.dump(definition))
    assert isinstance(found, dict)  # noqa: S101  for the type checker: a definition is a mapping
    found.pop("webhook", None)
    return found


def of_text(text: str) -> Content | None:
    """YAML text as a draft, None for what is no mapping."""
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def of_form(form: Mapping[str, str]) -> Content:
    """The draft in a posted form: its fields over what the form carried along for what it does not show."""
    carried: Content = _json(form.get("carried", ""))
    tree: Content = {}
    for name, value in form.items():
        if name.startswith("d."):
            _put(tree, name.split(".")[1:], value)
    merged: Content = _merged(carried, _shaped(tree))
    return merged


def edited(content: Content, action: str) -> Content:
    """The draft after a button: `add:stages`, `add:stages.0.criteria`, `up:…`, `down:…`, `remove:stages.2`; others change nothing."""
    verb, _, path = action.partition(":")
    parts = path.split(".")
    if verb == "add":
        items = _at(content, parts)
        if isinstance(items, list) and parts[-1] in NEW_ITEMS:
            items.append(_new(items, parts[-1]))
        return content
    items, place = _at(content, parts[:-1]), parts[-1]
    if not isinstance(items, list) or not place.isdecimal() or int(place) >= len(items):
        return content
    index = int(place)
    if verb == "remove" and len(items) > 1:
        items.pop(index)
    target = {"up": index - 1, "down": index + 1}.get(verb)
    if target is not None and 0 <= target < len(items):
        items[index], items[target] = items[target], items[index]
    return content


def lines(value: Any) -> str:
    """A list as the lines of a text field."""
    return "\n".join(str(one) for one in value) if isinstance(value, list | tuple) else str(value or "")


def synonyms(value: Any) -> str:
    """`value: word, word` by line."""
    return "\n".join(f"{key}: {', '.join(words)}" for key, words in value.items()) if isinstance(value, dict) else ""


def _json(text: str) -> Content:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _put(tree: Content, path: list[str], value: str) -> None:
    *parents, last = path
    for part in parents:
        below = tree.setdefault(part, {})
        if not isinstance(below, dict):
            return
        tree = below
    tree[last] = value


def _shaped(value: Any, name: str = "") -> Any:
    """Texts as what the field holds; numbered mappings as lists."""
    if not isinstance(value, dict):
        return _value(value, name)
    if value and all(key.isdecimal() for key in value):
        return [_shaped(value[key]) for key in sorted(value, key=int)]
    return {key: _shaped(one, key) for key, one in value.items()}


def _value(text: str, name: str) -> Any:
    if name in LISTS:
        return [line.strip() for line in text.splitlines() if line.strip()]
    if name == "synonyms":
        pairs = (line.partition(":") for line in text.splitlines() if line.strip())
        return {key.strip(): [word.strip() for word in words.split(",") if word.strip()] for key, _, words in pairs}
    return _number(text) if name in NUMBERS else text.replace("\r\n", "\n").strip()


def _number(text: str) -> Any:
    """A number as a number; anything else stays text, so that the check can name it."""
    plain = text.strip().replace(",", ".")
    for kind in (int, float):
        try:
            return kind(plain)
        except ValueError:
            continue
    return plain or None


def _merged(old: Any, new: Any) -> Any:
    """`new` over `old`: mappings by key, items of lists by the id they had when the form was made."""
    if isinstance(new, dict) and isinstance(old, dict):
        return old | {key: value if key in WHOLE else _merged(old.get(key), value) for key, value in new.items() if key != "origin"}
    if isinstance(new, list) and new and isinstance(new[0], dict):
        known = {str(one.get("id") or one.get("name")): one for one in old or [] if isinstance(one, dict)} if isinstance(old, list) else {}
        return [_merged(known.get(str(one.get("origin")), {}), one) for one in new]
    return new


def _at(content: Any, parts: list[str]) -> Any:
    for part in parts:
        if isinstance(content, dict):
            content = content.setdefault(part, []) if part in NEW_ITEMS else content.get(part)
        elif isinstance(content, list) and part.isdecimal() and int(part) < len(content):
            content = content[int(part)]
        else:
            return None
    return content


def _new(items: list[Any], name: str) -> Content:
    key, word = NAMED_BY[name]
    taken = {str(one.get(key)) for one in items if isinstance(one, dict)}
    number = next(n for n in range(len(items) + 1, len(items) + 1000) if f"{word}_{n}" not in taken)
    return {key: f"{word}_{number}", **json.loads(json.dumps(NEW_ITEMS[name]))}


def _pruned(value: Any) -> Any:
    """Without what is empty: an empty field says nothing."""
    if isinstance(value, dict):
        pruned = {key: _pruned(one) for key, one in value.items()}
        return {key: one for key, one in pruned.items() if one not in ("", None, [], {}, False) or key == "semantic"}
    return [_pruned(one) for one in value] if isinstance(value, list) else value
