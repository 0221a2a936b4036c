"""Definitions from YAML: what ships loads and survives a round trip, what is broken says where and how to mend it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from checklists import loader, schema
from checklists.definitions import Checklist, Table
from core.errors import BadDefinition

HEAD = "schema: checklist/v1\nid: x\nname: Проверка\nstages:\n"
STAGE = "  - id: a\n    name: Этап\n    criteria:\n"
GOOD = HEAD + STAGE + "      - {id: c, ask: Менеджер поздоровался}\n"


def refused(text: str) -> BadDefinition:
    with pytest.raises(BadDefinition) as caught:
        loader.load_text(text, "мой.yaml")
    return caught.value


class TestBuiltin:
    def test_everything_ships_and_the_first_start_is_among_it(self) -> None:
        ids = {d.id for d in loader.builtin()}
        assert set(loader.FIRST_START) <= ids
        assert {"b2b_cold_call", "service_booking", "retention", "TBL_BOOKING"} <= ids

    def test_the_sales_checklist_has_the_eight_stages(self) -> None:
        sales = next(d for d in loader.builtin() if d.id == "sales")
        assert isinstance(sales, Checklist)
        names = "greeting needs qualification presentation objection price next_step goodbye"
        assert [s.id for s in sales.stages] == names.split()

    @pytest.mark.parametrize("definition", loader.builtin(), ids=lambda d: d.id)
    def test_a_dump_loads_back_to_the_same_version(self, definition: Checklist | Table) -> None:
        assert loader.load_text(loader.dump(definition), "x").version == definition.version


class TestGood:
    def test_json_is_yaml_too(self) -> None:
        data = {
            "schema": "checklist/v1",
            "id": "x",
            "name": "y",
            "stages": [{"id": "a", "name": "A", "criteria": [{"id": "c", "ask": "да?"}]}],
        }
        assert loader.load_text(json.dumps(data), "x").id == "x"

    def test_a_date_stays_a_name(self) -> None:
        table = loader.load_text("schema: table/v1\nid: t\nname: T\nfields:\n  - {name: d, type: enum, values: [2024-01-01]}\n", "x")
        assert isinstance(table, Table)
        assert table.fields[0].values == ("2024-01-01",)

    def test_the_webhook_is_no_part_of_the_version(self) -> None:
        plain, hooked = loader.load_text(GOOD, "x"), loader.load_text(GOOD + "webhook: {url: https://crm.example/hook}\n", "x")
        assert plain.version == hooked.version

    def test_a_file_with_a_byte_order_mark(self, tmp_path: Path) -> None:
        path = tmp_path / "x.yaml"
        path.write_text(GOOD, encoding="utf-8-sig")
        assert loader.load_file(path).id == "x"


BROKEN = {
    "no YAML": ("a: [1,", 1, "не YAML"),
    "a control character": (GOOD.replace("поздоровался", "по\x00здоровался"), 8, "0x0000"),
    "empty": ("", 1, "файл пуст"),
    "not said what it is": ("id: x\n", 1, "schema"),
    "unknown kind": ("schema: checklist/v9\n", 1, "checklist/v9"),
    "a repeated key": (HEAD.replace("name:", "id: y\nname:") + STAGE, 3, "ключ повторяется"),
    "a reference": (GOOD + "vocabulary: &w [да]\nroute: {offices: *w}\n", 9, "ссылки YAML"),
    "a misspelt field": (HEAD + "  - id: a\n    naem: Этап\n    criteria: [{id: c, ask: Спросил}]\n", 6, "возможно, имелось в виду «name»"),
    "a weight of nothing": (GOOD.replace("    criteria", "    weight: 0\n    criteria"), 7, "не меньше 1"),
    "a number for a text": (GOOD.replace("name: Проверка", "name: 5"), 3, "в кавычки"),
    "no stages": (HEAD + "  []\n", 4, "список пуст"),
    "two stages of one name": (GOOD + STAGE + "      - {id: c, ask: Спросил}\n", 1, "повторяется id: a"),
    "a bad expression": (GOOD.replace("поздоровался}", 'поздоровался, rule: {any: ["re:("]}}'), 8, "регулярное выражение"),
    "an unknown detector": (GOOD.replace("поздоровался}", "поздоровался, rule: {use: price.name}}"), 8, "«price.named»"),
    "a phrase without words": (GOOD.replace("поздоровался}", 'поздоровался, rule: {any: ["…"]}}'), 8, "нет ни одного слова"),
    "wanted and forbidden": (GOOD.replace("поздоровался}", "поздоровался, rule: {all: [да], none: [да]}}"), 8, "одно и то же"),
    "the wrong speaker": (GOOD.replace("поздоровался}", "поздоровался, rule: {any: [да], speaker: customer}}"), 8, "customer"),
    "a stage after nothing": (GOOD.replace("    criteria", "    window: {after_stage: z}\n    criteria"), 1, "«z»"),
    "a stage after itself": (GOOD.replace("    criteria", "    window: {after_stage: a}\n    criteria"), 7, "ждёт сам себя"),
    "a webhook without scheme": (GOOD + "webhook: {url: crm.example}\n", 9, "http"),
    "an enum without values": ("schema: table/v1\nid: t\nname: T\nfields:\n  - {name: z, type: enum}\n", 5, "values"),
    "one word of two values": (
        "schema: table/v1\nid: t\nname: T\nfields:\n  - name: z\n    type: enum\n    values: [да, нет]\n    synonyms: {да: [нет]}\n",
        8,
        "двум значениям",
    ),
}  # fmt: skip


class TestBroken:
    @pytest.mark.parametrize(("text", "line", "told"), BROKEN.values(), ids=BROKEN.keys())
    def test_says_the_file_the_line_and_the_way_out(self, text: str, line: int, told: str) -> None:
        error = refused(text)
        assert error.fields["source"] == "мой.yaml"
        assert f"мой.yaml, строка {error.fields['line']}" in error.text()
        assert "Как исправить" in error.text()
        told_there = [f"{p['path']}: {p['what']}; {p['fix']}" for p in error.fields["problems"] if p["line"] == line]
        assert any(told in row for row in told_there), error.text()

    def test_all_mistakes_at_once_in_order(self) -> None:
        error = refused(GOOD.replace("id: x", "id: 5").replace("name: Этап", "nmae: Этап"))
        assert [p["line"] for p in error.fields["problems"]] == sorted(p["line"] for p in error.fields["problems"])
        assert len(error.fields["problems"]) == 3

    def test_a_long_text_is_refused_before_it_is_parsed(self) -> None:
        assert "КиБ" in refused("a: " + "х" * loader.MAX_DEFINITION_BYTES).text()

    def test_a_deep_text_is_refused(self) -> None:
        assert "не YAML" in refused("[" * 5000).text()

    def test_braces_of_the_file_do_not_break_the_message(self) -> None:
        assert "{}" in refused(GOOD.replace("name: Проверка", "name: {}")).text()

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(BadDefinition, match=r"нет\.yaml"):
            loader.load_file(tmp_path / "нет.yaml")


class TestSchema:
    @pytest.mark.parametrize("name", schema.FILES)
    def test_the_published_file_is_up_to_date(self, name: str) -> None:
        assert (schema.BUILTIN / name).read_text(encoding="utf-8") == schema.text(schema.FILES[name])

    @pytest.mark.parametrize("definition", loader.builtin(), ids=lambda d: d.id)
    def test_what_ships_follows_it(self, definition: Checklist | Table) -> None:
        data = json.loads(definition.model_dump_json(by_alias=True, exclude_defaults=True)) | {"schema": definition.schema_}
        jsonschema.validate(data, schema.schema(type(definition)))

    def test_it_knows_the_detectors(self) -> None:
        data = {"schema": "checklist/v1", "id": "x", "name": "y", "stages": [{"id": "a", "name": "A", "criteria": []}]}
        data["stages"][0]["criteria"] = [{"id": "c", "ask": "да?", "rule": {"use": "нет такого"}}]  # type: ignore[index]
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(data, schema.schema(Checklist))
