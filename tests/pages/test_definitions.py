"""«Скрипты и промты» and «Таблицы»: the form and the text say the same, nothing is lost, everything can be taken back."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest

from api.pages import draft
from bench._house import CHECKLIST, STAGES, TABLE, House
from checklists import loader
from checklists.definitions import Checklist
from core import clock
from db import definitions, endpoints, marks, trials
from tasks.runtime import Runtime
from tasks.trial import run_trial
from tests.pages.conftest import Visit
from tests.peers.webhook_peer import Reply, WebhookPeer

PAGE = f"/settings/checklists/{CHECKLIST}"


def fields(page: str) -> dict[str, str]:
    """What a browser would send of the editor's form, buttons apart."""
    form = re.search(r'<form id="editor".*?</form>', page, re.DOTALL)
    assert form is not None
    found: dict[str, str] = {}
    for tag, attributes, rest in re.findall(r"<(input|textarea|select)\b([^>]*)>((?:(?!<input|<textarea|<select).)*)", form[0], re.DOTALL):
        name = re.search(r'\bname="([^"]*)"', attributes)
        if name is None:
            continue
        value = re.search(r'\bvalue="([^"]*)"', attributes)
        text = value[1] if value else ""
        if tag == "textarea":
            text = rest.split("</textarea>")[0]
        if tag == "select":
            chosen = re.search(r'<option value="([^"]*)" selected', rest) or re.search(r'<option value="([^"]*)"', rest)
            text = chosen[1] if chosen else ""
        found[html.unescape(name[1])] = html.unescape(text)
    return found


def stored(house: House, kind: definitions.Kind = "checklist", key: str = CHECKLIST) -> Any:
    with house.database.read() as session:
        return definitions.load(session, kind, key)


@pytest.mark.parametrize("definition", loader.builtin(), ids=lambda one: one.id)
def test_a_definition_survives_the_form_unchanged(visit: Visit, house: House, definition: Any) -> None:
    with house.database.begin() as session:
        definitions.apply(session, definition, "test", clock.now())
    kinds = "checklists" if isinstance(definition, Checklist) else "tables"
    head = visit("head")
    sent = fields(head.get(f"/settings/{kinds}/{definition.id}").text) | {"do": "save"}
    answer = head.post(f"/settings/{kinds}/draft", data=sent)
    assert answer.status_code == 303, answer.text
    assert "Сохранено, версия та же." in head.get(answer.headers["location"]).text


def test_a_change_becomes_a_version_that_can_be_undone(visit: Visit, house: House) -> None:
    before = stored(house)
    head = visit("head")
    sent = fields(head.get(PAGE).text) | {
        "d.stages.0.weight": "3",
        "d.stages.1.criteria.0.examples": "Что болит?\nЧто мешает?",
        "do": "save",
    }
    page = head.get(head.post("/settings/checklists/draft", data=sent).headers["location"]).text
    after = stored(house)
    assert "действует версия 2" in page
    assert after.stages[0].weight == 3
    assert after.stages[1].criteria[0].examples == ("Что болит?", "Что мешает?")
    assert after.stages[4].applies_if == before.stages[4].applies_if
    undo = re.search(rf'action="({PAGE}/activate)"><input type="hidden" name="version" value="({before.version})"', page)
    assert undo is not None
    head.post(undo[1], data={"version": undo[2]})
    assert stored(house).version == before.version


def test_buttons_add_move_and_remove_without_saving(visit: Visit, house: House) -> None:
    head = visit("head")
    page = head.get(PAGE).text
    page = head.post("/settings/checklists/draft", data=fields(page) | {"do": "down:stages.0"}).text
    page = head.post("/settings/checklists/draft", data=fields(page) | {"do": "remove:stages.7"}).text
    page = head.post("/settings/checklists/draft", data=fields(page) | {"do": "add:stages"}).text
    sent = fields(page)
    assert [sent[f"d.stages.{n}.id"] for n in (0, 1, 7)] == ["needs", "greeting", "stage_8"]
    page = head.post("/settings/checklists/draft", data=sent | {"do": "add:stages.7.criteria"}).text
    assert fields(page)["d.stages.7.criteria.1.id"] == "criterion_2"
    assert "ошибки" in page or "ошибок" in page
    assert len(stored(house).stages) == 8
    assert stored(house).stages[0].id == "greeting"


def test_form_and_text_show_the_same_draft(visit: Visit, house: House) -> None:
    head = visit("head")
    page = head.post("/settings/checklists/draft", data=fields(head.get(PAGE).text) | {"d.name": "Новое имя", "do": "yaml"}).text
    text = fields(page)
    assert "name: Новое имя" in text["text"]
    back = head.post("/settings/checklists/draft", data=text | {"do": "form"}).text
    assert fields(back)["d.name"] == "Новое имя"
    assert stored(house).name == "Базовый скрипт продаж"


def test_mistakes_are_named_while_somebody_types(visit: Visit) -> None:
    head = visit("head")
    text = fields(head.get(f"{PAGE}/yaml").text)
    assert "Ошибок нет" in head.post("/settings/checklists/check", data=text).text
    broken = text | {"text": text["text"].replace("greeting.hello", "greeting.helo").replace("criteria:", "criterias:", 1)}
    answer = head.post("/settings/checklists/check", data=broken).text
    assert "criterias" in answer
    refused = head.post("/settings/checklists/draft", data=broken | {"do": "save"})
    assert refused.status_code == 400
    assert fields(refused.text)["text"] == broken["text"].strip() + "\n" or fields(refused.text)["text"] == broken["text"]


@pytest.mark.parametrize(
    "text", ["", "- a", "schema: checklist/v1\nid: [", "&a [*a]", "\x00", "schema: table/v1\nid: t\nname: t\nfields: [{name: a}]"]
)
def test_text_that_is_no_checklist_is_refused_kindly(visit: Visit, text: str) -> None:
    answer = visit("head").post("/settings/checklists/draft", data={"shape": "yaml", "key": "", "text": text, "do": "save"})
    assert answer.status_code == 400


def test_a_new_definition_does_not_take_the_id_of_another(visit: Visit, house: House) -> None:
    head = visit("head")
    sent = fields(head.get("/settings/checklists/new").text) | {"d.name": "Второй", "do": "save"}
    taken = head.post("/settings/checklists/draft", data=sent | {"d.id": CHECKLIST})
    assert taken.status_code == 409
    assert "уже занят" in taken.text
    made = head.post("/settings/checklists/draft", data=sent | {"d.id": "second"})
    assert made.headers["location"] == "/settings/checklists/second"
    assert stored(house, key="second").name == "Второй"


def test_a_switched_off_definition_judges_no_new_call(visit: Visit, house: House) -> None:
    head = visit("head")
    head.post(f"{PAGE}/switch", data={"active": "no"})
    with house.database.read() as session:
        assert definitions.active(session, "checklist") == []
    assert "Отменить" in head.get(PAGE).text
    head.post(f"{PAGE}/switch", data={"active": "yes"})
    with house.database.read() as session:
        assert [one.id for one in definitions.active(session, "checklist")] == [CHECKLIST]


def test_versions_show_what_changed(visit: Visit, house: House) -> None:
    head = visit("head")
    head.post("/settings/checklists/draft", data=fields(head.get(PAGE).text) | {"d.stages.0.name": "Здравствуйте", "do": "save"})
    page = head.get(f"{PAGE}/versions").text
    assert re.search(r'class="add">\+\s+name: Здравствуйте', page)
    assert re.search(r'class="del">-\s+name: Приветствие и представление', page)


def test_a_table_keeps_its_types_values_and_synonyms(visit: Visit, house: House) -> None:
    head = visit("head")
    sent = fields(head.get(f"/settings/tables/{TABLE}").text)
    number = next(name.split(".")[2] for name, value in sent.items() if name.endswith(".name") and value == "objection")
    sent |= {f"d.fields.{number}.synonyms": "дорого: кусается, ого\nподумать: потом", "do": "save"}
    assert head.post("/settings/tables/draft", data=sent).status_code == 303
    field = next(one for one in stored(house, "table", TABLE).fields if one.name == "objection")
    assert field.synonyms == {"дорого": ("кусается", "ого"), "подумать": ("потом",)}
    assert field.type == "enum"


def test_the_address_its_secret_its_rotation_and_a_test(visit: Visit, house: House) -> None:
    with WebhookPeer([Reply(), Reply(status=500, body=b"<b>no</b>")]) as crm:
        head = visit("head")
        shown = head.post(f"{PAGE}/webhook", data={"url": crm.url("/hook")}).text
        (secret,) = re.findall(r"whsec_[\w+/=]+", shown)
        assert "whsec_" not in head.get(PAGE).text
        assert secret in head.post(f"{PAGE}/webhook/reveal").text
        head.post(f"{PAGE}/webhook/test")
        assert "CRM ответила 200" in head.get(PAGE).text
        (fresh,) = re.findall(r"whsec_[\w+/=]+", head.post(f"{PAGE}/webhook/rotate").text)
        assert fresh != secret
        head.post(f"{PAGE}/webhook/test")
        assert "Проверка не прошла: 500" in head.get(PAGE).text
        assert crm.received[0].verifies(secret)
        assert crm.received[1].verifies(secret)
        assert crm.received[1].verifies(fresh)
        head.post(f"{PAGE}/webhook", data={"url": ""})
    with house.database.read() as session:
        assert endpoints.get(session, "checklist", CHECKLIST) is None


@pytest.mark.parametrize(
    "url", ["ftp://x/y", "http://user:pw@x/", "http://169.254.169.254/latest", "http://10.0.0.1/hook", "не адрес", "http://[::1/"]
)
def test_an_address_we_would_never_send_to_is_refused(visit: Visit, house: House, url: str) -> None:
    head = visit("head")
    answer = head.post(f"{PAGE}/webhook", data={"url": url}, headers={"referer": f"http://testserver{PAGE}"})
    assert answer.headers["location"] == PAGE
    assert 'class="note flash poor"' in head.get(PAGE).text
    with house.database.read() as session:
        assert endpoints.get(session, "checklist", CHECKLIST) is None


def test_a_draft_is_tried_on_real_calls_and_only_then_put_in_force(visit: Visit, house: House) -> None:
    house.call("c1", passed=["greeting"])
    house.call("c2", "mgr_002")
    with house.database.begin() as session:
        marks.add(session, "c1", CHECKLIST, "price", 1, "цена названа", "head", clock.now())
    head = visit("head")
    sent = fields(head.get(PAGE).text)
    sent |= {"d.stages.0.name": "Начало", "do": "try", "try_last": "10"}
    where = head.post("/settings/checklists/draft", data=sent).headers["location"]
    assert "Проверка не состоялась" in head.get(where).text  # nobody runs flows here: the page says so
    run_trial(Runtime(house.settings), where.rsplit("/", 1)[1])
    page = head.get(where).text
    assert "Соколова Анна" in page
    assert re.search(r"Озвучивание цены: не выполнен → <strong>выполнен</strong>", page)
    assert "0 → 1" in page
    assert stored(house).stages[0].name == "Приветствие и представление"
    assert fields(head.get(f"{PAGE}?trial={where.rsplit('/', 1)[1]}").text)["d.stages.0.name"] == "Начало"
    head.post(f"{where}/apply")
    assert stored(house).stages[0].name == "Начало"


def test_a_trial_of_a_table_compares_fields(visit: Visit, house: House) -> None:
    house.call("c1")
    head = visit("head")
    sent = fields(head.get(f"/settings/tables/{TABLE}").text) | {"do": "try", "try_call": "c1"}
    where = head.post("/settings/tables/draft", data=sent).headers["location"]
    run_trial(Runtime(house.settings), where.rsplit("/", 1)[1])
    with house.database.read() as session:
        (outcome,) = trials.get(session, where.rsplit("/", 1)[1]).outcomes
    assert outcome["before"] == 2
    assert outcome["after"] >= 2
    assert head.get(where).status_code == 200


def test_a_trial_names_a_call_that_is_not_there(visit: Visit, house: House) -> None:
    head = visit("head")
    sent = fields(head.get(PAGE).text) | {"do": "try", "try_call": "nothing"}
    assert head.post("/settings/checklists/draft", data=sent).status_code == 404


def test_buttons_of_a_tampered_form_change_nothing() -> None:
    content = {"stages": [{"id": "a", "criteria": [{"id": "x"}]}]}
    for action in (
        "remove:stages.9",
        "up:stages.0",
        "add:nothing",
        "remove:stages.0",
        "down:stages.x",
        "add:stages.5.criteria",
        "?",
        "remove:",
    ):
        assert draft.edited(json.loads(json.dumps(content)), action) == content


def test_every_stage_of_the_house_is_one_of_the_checklist() -> None:
    (sales,) = [one for one in loader.builtin() if one.id == CHECKLIST]
    assert isinstance(sales, Checklist)
    assert tuple(stage.id for stage in sales.stages) == STAGES
