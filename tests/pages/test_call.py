"""«Звонок»: what it shows, what a person may do there, and how its sound is served."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench._house import CHECKLIST, STAGES, House, talk, tone
from checklists.definitions import Checklist
from checklists.finalise import finalise
from checklists.findings import CriterionFinding, Findings, StageFinding, Usage
from core import clock
from db import calls, definitions, deliveries, erasure, results
from tests.pages.conftest import Visit

PRICE = {"checklist": CHECKLIST, "stage": "price"}


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return tone(tmp_path / "tone.wav", 90)


def stage(page: str, stage_id: str) -> str:
    """The part of the page that is about one stage."""
    found = re.search(
        rf'<li class="stage (?:(?!<li class="stage).)*?id="{CHECKLIST}-{stage_id}".*?(?=<li class="stage|</ol>)', page, re.DOTALL
    )
    assert found is not None
    return found[0]


def test_a_done_call_shows_words_scores_quotes_values_and_its_way(visit: Visit, house: House, sound: Path) -> None:
    house.webhook()
    house.call("c1", passed=[s for s in STAGES if s != "price"], skipped=["objection"], sound=sound)
    house.attempt("c1", 200, "принято")
    page = visit("head").get("/calls/c1").text
    assert page.count('class="line ') == 15
    assert "85,7\u00a0%" in page
    assert "баллы 5 из 7" in page
    assert "«Добрый день! Меня зовут Анна, компания «Маяк». Удобно сейчас говорить?»" in stage(page, "greeting")
    assert "не выполнен" in stage(page, "price")
    assert "Возражений не было." in stage(page, "objection")
    assert re.search(r"Названная цена.*?15000", page, re.DOTALL)
    assert 'data-jump="48.5"' in page
    for step in ("Принят от CRM", "Запись скачана", "Расшифрован", "Оценён по чек-листу", "Webhook 200", "Готов"):
        assert step in page
    assert "принято" in page


def test_a_claim_without_words_is_shown_as_unconfirmed(visit: Visit, house: House) -> None:
    house.call("c1")
    with house.database.begin() as session:
        checklist = definitions.load(session, "checklist", CHECKLIST)
        assert isinstance(checklist, Checklist)
        claimed = StageFinding(stage_id="price", criteria=(CriterionFinding(criterion_id="amount", met=True, evidence=(99,)),))
        scored = finalise("c1", talk(), checklist, Findings(stages=(claimed,), usage=Usage(engine="openai")), clock.now())
        results.save(session, "c1", "checklist", CHECKLIST, checklist.version, scored.model_dump(mode="json"), clock.now())
    shown = stage(visit("head").get("/calls/c1").text, "price")
    assert "не подтверждено цитатой" in shown
    assert "не выполнен" in shown


def test_a_mark_stands_beside_the_machines_and_can_be_taken_back(visit: Visit, house: House) -> None:
    house.call("c1", passed=["greeting"])
    head = visit("head")
    answer = head.post("/calls/c1/mark", data=PRICE | {"score": "1", "reason": "цену назвал в начале"})
    assert answer.headers["location"] == f"/calls/c1#{CHECKLIST}-price"
    page = head.get("/calls/c1").text
    assert "Отметка сохранена." in page
    assert "цену назвал в начале" in stage(page, "price")
    assert "Система: не выполнен" in stage(page, "price")
    assert "25,0\u00a0%" in page
    assert "система поставила 12,5\u00a0%" in page
    undo = re.search(r'action="(/calls/c1/unmark)"><input type="hidden" name="checklist" value="sales">', page)
    assert undo is not None
    head.post(undo[1], data=PRICE)
    assert "цену назвал" not in stage(head.get("/calls/c1").text, "price")


@pytest.mark.parametrize("bad", [{"reason": " "}, {"score": "2"}, {"stage": "nowhere"}, {"checklist": "nothing"}, {"reason": "x" * 2001}])
def test_a_mark_needs_a_stage_a_score_and_a_reason(visit: Visit, house: House, bad: dict[str, str]) -> None:
    house.call("c1")
    head = visit("head")
    answer = head.post(
        "/calls/c1/mark", data=PRICE | {"score": "1", "reason": "да"} | bad, headers={"referer": "http://testserver/calls/c1"}
    )
    assert answer.headers["location"] == "/calls/c1"
    page = head.get("/calls/c1").text
    assert 'class="note flash poor"' in page
    assert "Отметка человека:" not in page


def test_an_appeal_goes_to_the_head_and_the_answer_comes_back(visit: Visit, house: House) -> None:
    house.call("c1", passed=["greeting"])
    manager, head = visit("manager"), visit("head")
    manager.post("/calls/c1/appeal", data=PRICE | {"reason": "я называл цену"})
    assert "Ждёт ответа руководителя." in manager.get("/calls/c1").text
    assert "я называл цену" in head.get("/").text
    asked = re.search(r'name="appeal" value="(\d+)"><input type="hidden" name="score" value="(-?1)"', head.get("/calls/c1").text)
    assert asked is not None
    head.post("/calls/c1/answer", data={"appeal": asked[1], "score": asked[2], "accepted": "yes", "reason": "слышно на 0:48"})
    page = manager.get("/calls/c1").text
    assert "слышно на 0:48" in stage(page, "price")
    assert 'class="stage completed" id="sales-price"' in page


def test_an_answer_belongs_to_its_own_call(visit: Visit, house: House) -> None:
    house.call("c1", passed=[])
    house.call("c2", passed=[])
    visit("manager").post("/calls/c1/appeal", data=PRICE | {"reason": "было"})
    answer = visit("head").post("/calls/c2/answer", data={"appeal": "1", "score": "1", "accepted": "yes", "reason": "да"})
    assert answer.status_code == 404


def test_the_receipt_names_the_rule_the_version_the_engine_and_the_words(visit: Visit, house: House, sound: Path) -> None:
    house.call("c1", sound=sound)
    page = visit("manager").get("/calls/c1/receipt").text
    with house.database.read() as session:
        version = definitions.row(session, "checklist", CHECKLIST).version
        recording = results.recording(session, "c1")
    assert recording is not None
    for proof in (version, recording.sha256, "rules встроенный", "Менеджер назвал конкретную цену", "0:48–0:54"):
        assert proof in page


def test_a_failed_and_a_silent_call_say_so(visit: Visit, house: House) -> None:
    house.fail("bad")
    house.silent("quiet")
    head = visit("head")
    assert "Файл не является аудио MP3, WAV или OGG." in head.get("/calls/bad").text
    quiet = head.get("/calls/quiet").text
    assert "не оценивается" in quiet
    assert 'class="stage ' not in quiet


def test_an_open_page_follows_the_call_and_loads_anew_when_it_is_over(visit: Visit, house: House) -> None:
    house.accept("c1")
    head = visit("head")
    page = head.get("/calls/c1").text
    asks = re.search(r'hx-get="(/calls/c1/state\?seen=\w+)"', page)
    assert asks is not None
    assert "ждёт своей очереди" in head.get(asks[1]).text
    with house.database.begin() as session:
        token = calls.claim(session, "c1", "run", clock.now(), 60).token
        calls.beat(session, "c1", token, clock.now(), status="transcribing", progress=0.4)
    assert head.get(asks[1]).headers["hx-refresh"] == "true"
    fresh = re.search(r'hx-get="(/calls/c1/state\?seen=\w+)"', head.get("/calls/c1").text)
    assert fresh is not None
    assert "Расшифровываем разговор" in head.get(fresh[1]).text


def test_a_webhook_of_the_call_is_sent_again_on_demand(visit: Visit, house: House) -> None:
    house.webhook()
    house.call("c1")
    house.attempt("c1", 200)
    with house.database.read() as session:
        (sent,) = deliveries.log(session, call_id="c1")
    head = visit("head")
    assert head.post("/calls/c1/replay", data={"delivery": "msg_of_another_call"}).status_code == 404
    head.post("/calls/c1/replay", data={"delivery": sent.delivery.delivery_id})
    with house.database.read() as session:
        (again,) = deliveries.log(session, call_id="c1")
    assert (again.delivery.status, again.delivery.body) == ("pending", sent.delivery.body)


@pytest.mark.parametrize(
    ("asked", "code", "span"),
    [
        (None, 200, (0, 720044)),
        ("bytes=0-", 206, (0, 720044)),
        ("bytes=100-199", 206, (100, 200)),
        ("bytes=720000-9999999", 206, (720000, 720044)),
        ("bytes=-44", 206, (720000, 720044)),
        ("bytes=720044-", 416, None),
        ("bytes=5-1", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=-", 200, (0, 720044)),
        ("items=0-1", 200, (0, 720044)),
        ("bytes=0-1,5-6", 200, (0, 720044)),
    ],
)
def test_sound_is_served_by_range(
    visit: Visit, house: House, sound: Path, asked: str | None, code: int, span: tuple[int, int] | None
) -> None:
    house.call("c1", sound=sound)
    answer = visit("manager").get("/calls/c1/audio", headers={} if asked is None else {"range": asked})
    assert answer.status_code == code
    assert answer.headers["cache-control"].startswith("private")
    assert answer.headers["accept-ranges"] == "bytes"
    if span is None:
        assert answer.headers["content-range"] == "bytes */720044"
        return
    assert answer.content == sound.read_bytes()[span[0] : span[1]]
    assert (answer.headers.get("content-range") == f"bytes {span[0]}-{span[1] - 1}/720044") == (code == 206)
    assert (answer.headers["content-type"], answer.headers.get("content-encoding")) == ("audio/wav", None)


def test_a_range_of_another_recording_is_not_mixed_in(visit: Visit, house: House, sound: Path) -> None:
    house.call("c1", sound=sound)
    client = visit("head")
    tag = client.head("/calls/c1/audio").headers["etag"]
    assert client.get("/calls/c1/audio", headers={"range": "bytes=0-9", "if-range": tag}).status_code == 206
    assert client.get("/calls/c1/audio", headers={"range": "bytes=0-9", "if-range": '"old"'}).status_code == 200


def test_without_a_recording_the_words_stay_readable(visit: Visit, house: House) -> None:
    house.call("c1")
    head = visit("head")
    assert head.get("/calls/c1/audio").status_code == 404
    page = head.get("/calls/c1").text
    assert "<audio" not in page
    assert page.count('class="line ') == 15


def test_an_administrator_deletes_a_call_after_a_second_look(visit: Visit, house: House, sound: Path) -> None:
    house.webhook()
    house.call("c1", sound=sound)
    admin = visit("admin")
    page = admin.get("/calls/c1").text
    assert re.search(r"<details[^>]*><summary>Удалить звонок</summary>.*?action=\"/calls/c1/delete\" data-ask=", page, re.DOTALL)
    assert "/calls/c1/delete" not in visit("head").get("/calls/c1").text
    answer = admin.post("/calls/c1/delete")
    assert answer.headers["location"] == "/calls"
    page = admin.get("/calls").text
    assert "Звонок удалён." in page
    assert "/calls/c1" not in page
    assert admin.get("/calls/c1").status_code == 404
    assert "звонок удалён" in admin.get("/settings/audit").text
    assert not [file for file in Path(house.settings.audio_url).rglob("*") if file.is_file()]


def test_a_call_without_its_text_keeps_its_score(visit: Visit, house: House) -> None:
    house.call("c1", passed=["greeting"])
    with house.database.begin() as session:
        erasure.erase_texts(session, ["c1"], clock.now())
    page = visit("head").get("/calls/c1").text
    assert "Текст разговора удалён по сроку хранения." in page
    assert "12,5\u00a0%" in page
    assert "Меня зовут Анна" not in page
