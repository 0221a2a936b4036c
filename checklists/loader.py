"""YAML in, definitions out; every mistake is reported at once with file, line and the way to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from checklists.definitions import Checklist, Definition, Table
from checklists.problems import Problem, explain
from checklists.sanity import unscorable
from core.errors import BadDefinition

BUILTIN = Path(__file__).parent / "builtin"
FIRST_START = ("sales", "TBL_1755863365")
MAX_DEFINITION_BYTES = 256 * 1024  # the longest script met in practice is 20 KiB; parsing cost grows with the text
KINDS: dict[str, type[Checklist | Table]] = {"checklist/v1": Checklist, "table/v1": Table}

Place = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """Dates stay text: an enum value such as 2024-01-01 is a name here, not a day."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML reads this exact attribute
        first: [(tag, pattern) for tag, pattern in pairs if tag != "tag:yaml.org,2002:timestamp"]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def load_text(text: str, source: str) -> Definition:
    """One definition from YAML or JSON text; `source` is the name errors speak of. Raises `BadDefinition`."""
    if len(text.encode()) > MAX_DEFINITION_BYTES:
        raise refused(source, [Problem(1, "", f"описание длиннее {MAX_DEFINITION_BYTES // 1024} КиБ", "разделите его на несколько")])
    data, lines = _parse(text, source)
    model = _model(data, source, lines)
    try:
        definition = model.model_validate(data)
    except ValidationError as error:
        raise refused(source, [_at(lines, place, *told) for place, *told in explain(error, model)]) from None
    if problems := [_at(lines, place, what, fix) for place, what, fix in unscorable(definition)]:
        raise refused(source, problems)
    return definition


def load_file(path: Path) -> Definition:
    """One definition from a UTF-8 file. Raises `BadDefinition`, also for a file that is missing or is no text."""
    try:
        return load_text(path.read_text(encoding="utf-8-sig"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise refused(path.name, [Problem(1, "", f"файл не читается: {error}", "проверьте путь; кодировка нужна UTF-8")]) from error


def builtin() -> list[Definition]:
    """Everything that ships with the product; `FIRST_START` names what a new installation applies."""
    return [load_file(path) for path in sorted(BUILTIN.glob("*.yaml"))]


def dump(definition: Definition) -> str:
    """YAML that loads back to the same version; default values are left out."""
    data = definition.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    data = {"schema": definition.schema_} | data
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=120)


def refused(source: str, problems: list[Problem]) -> BadDefinition:
    """The error of a definition: one line a problem, in order of the file."""
    problems = sorted(problems, key=lambda p: p.line)
    text = "\n".join(p.line_of_text(source) for p in problems).replace("{", "{{").replace("}", "}}")
    return BadDefinition(ru=text, source=source, line=problems[0].line, problems=[p.as_dict() for p in problems])


def _parse(text: str, source: str) -> tuple[Any, dict[Place, int]]:
    """The value and the line of every place in it, lines counted from 1."""
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        line, what = text.count("\n", 0, error.position) + 1, f"в тексте есть недопустимый знак с кодом {error.character:#06x}"
        raise refused(source, [Problem(line, "", what, "уберите его и сохраните файл как обычный текст UTF-8")]) from None
    try:
        node = loader.get_single_node()
        if node is None:
            raise refused(source, [Problem(1, "", "файл пуст", "начните со строки `schema: checklist/v1` или `schema: table/v1`")])
        lines = dict(_lines(node, (), set(), source))
        return loader.construct_document(node), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = f"это не YAML: {error.problem or error.context}"
        raise refused(source, [Problem(mark.line + 1 if mark else 1, "", what, "проверьте отступы, кавычки и двоеточия")]) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise refused(source, [Problem(1, "", f"это не YAML: {error}", "сохраните файл как обычный текст UTF-8")]) from None
    finally:
        loader.dispose()


def _lines(node: yaml.Node, place: Place, seen: set[int], source: str) -> Iterator[tuple[Place, int]]:
    """Walks the nodes; refuses repeated keys and references, which would hide or multiply content."""
    line = node.start_mark.line + 1
    yield place, line
    if not isinstance(node, yaml.CollectionNode):
        return
    if id(node) in seen:
        raise refused(source, [Problem(line, "", "ссылки YAML (& и *) не поддерживаются", "повторите содержимое явно")])
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _lines(item, (*place, index), seen, source)
        return
    keys: set[str] = set()
    for key, value in node.value:
        name = str(key.value)
        if name in keys:
            raise refused(source, [Problem(key.start_mark.line + 1, name, "ключ повторяется", "оставьте одну из двух строк")])
        keys.add(name)
        yield from _lines(value, (*place, name), seen, source)
        yield (*place, name), key.start_mark.line + 1


def _model(data: Any, source: str, lines: dict[Place, int]) -> type[Checklist | Table]:
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema in KINDS:
        return KINDS[schema]
    what = "не сказано, что это" if schema is None else f"неизвестный вид описания «{schema}»"
    fix = "первой строкой напишите `schema: checklist/v1` или `schema: table/v1`"
    raise refused(source, [Problem(lines.get(("schema",), 1), "schema", what, fix)])


def _at(lines: dict[Place, int], place: Place, what: str, fix: str) -> Problem:
    known = place
    while known and known not in lines:
        known = known[:-1]
    return Problem(lines.get(known, 1), _path(place), what, fix)


def _path(place: Place) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place).lstrip(".")
