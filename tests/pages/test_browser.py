"""The pages in a real Chromium: main tasks, keyboard, without script, on a phone, for who does not see well."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from bench import _house as houses
from bench._browser import Seen, browser, visitor
from bench._house import CHECKLIST, STAGES, TABLE, TALK, House, served, tone
from tasks.load import load_pending
from warehouse import data_docs, quality

expect.set_options(timeout=20_000)

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"
PAGES = (
    "/",
    "/calls",
    "/calls?q=заявки&low=10",
    "/calls/good",
    "/calls/failed",
    "/calls/waiting",
    "/calls/good/receipt",
    "/managers",
    "/managers/mgr_001",
    "/offices",
    "/settings/checklists",
    f"/settings/checklists/{CHECKLIST}",
    f"/settings/checklists/{CHECKLIST}/yaml",
    f"/settings/checklists/{CHECKLIST}/versions",
    "/settings/checklists/new",
    f"/settings/tables/{TABLE}",
    "/settings/rescoring?since=2026-01-01",
    "/settings/quality",
    "/settings/connection",
    "/settings/people",
    "/settings/audit",
    "/account",
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    try:
        with browser() as started:
            yield started
    except LookupError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Some weeks of calls, one with sound, one that failed, one that waits, one that wants to be a script."""
    folder = tmp_path_factory.mktemp("browser")
    made = houses.build(folder / "home")
    made.furnish()
    made.webhook()
    made.month(calls_a_day=1)
    made.call("good", passed=[s for s in STAGES if s != "price"], sound=tone(folder / "tone.wav", 90))
    made.attempt("good", 200)
    made.call("evil", said=(f"М: {EVIL}", *TALK[1:]), deal_id=EVIL)
    made.fail("failed")
    made.accept("waiting")
    load_pending(made.database, made.settings)
    _check_data(made)
    yield made
    made.database.dispose()


def _check_data(made: House) -> None:
    """A quality report as the hourly checks leave it, without their half a minute."""
    docs = quality.docs(made.settings)
    (docs / "expectations").mkdir(parents=True)
    (docs / "expectations" / "fact_call.html").write_text(f"<html><head></head><body><h1>fact_call</h1>{EVIL}</body></html>")
    data_docs.seal(docs)
    broken = {"table": "fact_call", "about": "Звонок встречается один раз.", "severity": "critical", "count": 1, "examples": [EVIL]}
    found = {"checks": 79, "broken": [broken], "pages": "", "at": "2026-11-23T09:00:00+00:00", "seconds": 4.2}
    (quality.folder(made.settings) / quality.REPORT).write_text(json.dumps(found))


@pytest.fixture(scope="module")
def base(house: House) -> Iterator[str]:
    with served(house) as address:
        yield address


@pytest.fixture
def head(chromium: Browser, base: str) -> Iterator[Seen]:
    with visitor(chromium, base, "head") as seen:
        yield seen
        assert seen.trouble == []


@pytest.mark.slow
def test_every_page_is_quiet_accessible_and_fits_a_phone(chromium: Browser, base: str) -> None:
    with visitor(chromium, base, "admin") as seen:
        for path in PAGES:
            for theme in ("light", "dark"):
                seen.page.emulate_media(color_scheme=theme)
                seen.open(path)
                assert seen.complaints() == [], (path, theme)
            seen.page.set_viewport_size({"width": 360, "height": 740})
            assert not seen.overflows(), path
            seen.page.set_viewport_size({"width": 1440, "height": 900})
            assert not seen.overflows(), path
        assert seen.trouble == []


def test_the_sign_in_is_quiet_and_accessible(chromium: Browser, base: str) -> None:
    with visitor(chromium, base, None) as seen:
        seen.open("/sign-in")
        assert seen.complaints() == []
        assert seen.trouble == []


def test_a_quote_is_heard_where_it_was_said(head: Seen) -> None:
    page = head.open("/calls/good")
    page.wait_for_selector("#player[data-ready]")
    page.click(f"#{CHECKLIST}-needs blockquote a")
    expect(page.locator("#u2")).to_have_attribute("aria-current", "true")
    assert page.evaluate("document.getElementById('audio').currentTime") >= 12
    head.until("document.getElementById('audio').currentTime > 12.6")
    page.click("#controls [data-do=play]")
    assert page.evaluate("document.getElementById('audio').paused")
    page.click("#u8 .at")
    expect(page.locator("#u8")).to_have_attribute("aria-current", "true")
    expect(page.locator("[data-now]")).to_have_text(re.compile(r"0:(4[89]|5\d)"))
    page.select_option("#speed", "1.5")
    assert page.evaluate("document.getElementById('audio').playbackRate") == 1.5


def test_the_wave_and_the_keys_move_through_the_call(head: Seen) -> None:
    page = head.open("/calls/good")
    page.wait_for_selector("#player[data-ready]")
    box = page.locator(".wave").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    assert page.evaluate("document.getElementById('audio').currentTime") == pytest.approx(45, abs=1)
    page.locator("#h-transcript").click()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.getElementById('audio').currentTime") == pytest.approx(40, abs=1)
    page.keyboard.press("KeyJ")
    expect(page.locator("#u7")).to_have_attribute("aria-current", "true")
    page.keyboard.press("Space")
    assert not page.evaluate("document.getElementById('audio').paused")
    page.keyboard.press("Space")
    assert page.evaluate("document.getElementById('audio').paused")
    twice = "for (const _ of [1, 2]) document.querySelector('[data-do=play]').click()"
    page.evaluate(f"audio.load(); {twice}")  # the pause comes before the sound
    page.wait_for_timeout(200)


def test_a_link_with_a_time_opens_the_call_there(head: Seen) -> None:
    page = head.open("/calls/good?t=49")
    page.wait_for_selector("#player[data-ready]")
    expect(page.locator("#u8")).to_have_attribute("aria-current", "true")


def test_a_mark_is_made_and_taken_back_by_mouse(head: Seen) -> None:
    page = head.open("/calls/good")
    stage = page.locator(f"#{CHECKLIST}-price")
    stage.get_by_text("Своя отметка").click()
    stage.get_by_text("выполнен", exact=True).last.click()
    stage.get_by_label("Почему").fill("цена названа на 0:48")
    stage.get_by_text("Сохранить отметку").click()
    expect(page.locator(f"#{CHECKLIST}-price")).to_contain_text("цена названа на 0:48")
    expect(page.locator(".flash")).to_contain_text("Отметка сохранена.")
    page.locator(".flash").get_by_text("Отменить").click()
    expect(page.locator(".flash")).to_contain_text("Отметка снята.")
    expect(page.locator(f"#{CHECKLIST}-price")).not_to_contain_text("цена названа")


def test_the_main_way_needs_only_a_keyboard(chromium: Browser, base: str) -> None:
    with visitor(chromium, base, None) as seen:
        page = seen.open("/sign-in")
        seen.until("document.activeElement.id === 'login'")
        for key in ("head", "Tab", houses.PASSWORD):
            page.keyboard.press(key) if key == "Tab" else page.keyboard.type(key)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{base}/")
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        tab_to(seen, "a[href='/calls']")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{base}/calls")
        tab_to(seen, "a[href='/calls/good']")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{base}/calls/good")
        page.wait_for_selector("#player[data-ready]")
        tab_to(seen, "[data-do=play]")
        page.keyboard.press("Enter")
        seen.until("!document.getElementById('audio').paused")
        tab_to(seen, "#u4 .at")
        page.keyboard.press("Enter")
        expect(page.locator("#u4")).to_have_attribute("aria-current", "true")
        assert seen.trouble == []


def test_reading_and_marking_need_no_script(chromium: Browser, base: str) -> None:
    with visitor(chromium, base, "head", java_script_enabled=False) as seen:
        page = seen.open("/calls?status=done")
        page.get_by_label("Слова из разговора").fill("рассрочка")
        page.get_by_role("button", name="Показать").click()
        expect(page.get_by_text("Ничего не нашлось")).to_be_visible()
        page = seen.open("/calls/good")
        expect(page.locator("audio")).to_be_visible()
        expect(page.locator(".line")).to_have_count(len(TALK))
        assert page.locator("#u2 .at").get_attribute("href") == "/calls/good/audio#t=12.5"
        stage = page.locator(f"#{CHECKLIST}-needs")
        stage.get_by_text("Своя отметка").click()
        stage.get_by_text("не применим").last.click()
        stage.get_by_label("Почему").fill("звонок по сервису")
        stage.get_by_text("Сохранить отметку").click()
        expect(page.locator(f"#{CHECKLIST}-needs")).to_contain_text("звонок по сервису")
        page.locator(".flash").get_by_text("Отменить").click()


def test_mistakes_show_while_somebody_types(head: Seen) -> None:
    page = head.open(f"/settings/checklists/{CHECKLIST}/yaml")
    expect(page.locator("#problems")).to_contain_text("Ошибок нет")
    text = page.locator("#text")
    text.fill(text.input_value().replace("greeting.hello", "greeting.helo"))
    expect(page.locator("#problems")).to_contain_text("greeting.helo")
    text.fill(text.input_value().replace("greeting.helo", "greeting.hello"))
    expect(page.locator("#problems")).to_contain_text("Ошибок нет")


def test_a_stage_is_added_by_the_form(head: Seen) -> None:
    page = head.open("/settings/checklists/new")
    page.get_by_label("Название", exact=True).first.fill("Короткий скрипт")
    page.get_by_label("id", exact=True).first.fill("short")
    page.get_by_role("button", name="Добавить этап").click()
    page.locator("[id='stages.1.name']").fill("Прощание")
    page.locator("[id='stages.1.criteria.0.ask']").fill("Менеджер попрощался")
    expect(page.locator("#problems")).to_contain_text("Ошибок нет")
    page.get_by_role("button", name="Сохранить и включить").click()
    expect(page.locator(".flash")).to_contain_text("действует версия 1")
    expect(page.locator("h1")).to_have_text("Короткий скрипт")
    page.get_by_role("button", name="Выключить").click()


def test_a_tab_takes_the_draft_along(head: Seen) -> None:
    page = head.open(f"/settings/checklists/{CHECKLIST}")
    page.get_by_label("Название", exact=True).first.fill("Недописанное имя")
    page.get_by_role("link", name="YAML").click()
    expect(page.locator("#text")).to_have_value(re.compile("name: Недописанное имя"))
    page.get_by_role("link", name="Форма").click()
    expect(page.get_by_label("Название", exact=True).first).to_have_value("Недописанное имя")


def test_an_open_page_notices_that_the_call_is_over(head: Seen, house: House) -> None:
    house.accept("soon")
    page = head.open("/calls/soon")
    expect(page.locator("#state")).to_contain_text("ждёт своей очереди")
    house.finish("soon", "no_speech")
    expect(page.get_by_text("В записи нет речи").first).to_be_visible()


def test_hostile_text_stays_text(head: Seen) -> None:
    page = head.open("/calls/evil")
    expect(page.locator("#u0 .words")).to_contain_text("<script>alert(1)</script>")
    head.open("/calls")


def test_the_theme_and_the_language_change_by_a_button(head: Seen) -> None:
    page = head.open("/calls")
    page.get_by_role("button", name="Тёмная тема").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="English").click()
    expect(page.locator("h1")).to_have_text("Calls")
    page.get_by_role("button", name="Русский").click()


def test_the_data_docs_open_from_the_connection_page_without_script(chromium: Browser, base: str) -> None:
    with visitor(chromium, base, "analyst") as seen:
        page = seen.open("/settings/connection")
        page.get_by_role("link", name="Качество данных").click()
        expect(page.get_by_text("Звонок встречается один раз.")).to_be_visible()
        page.get_by_role("link", name="Подробно по таблицам").click()
        page.get_by_role("link", name="ожидания").click()
        expect(page.locator("h1")).to_have_text("fact_call")
        assert page.evaluate("self.origin") == "null"
        assert seen.trouble == []


def test_calls_are_counted_before_they_are_scored_again(head: Seen) -> None:
    page = head.open("/settings/checklists")
    page.get_by_role("link", name="Пересчитать звонки").click()
    page.get_by_role("button", name="Посчитать звонки").click()
    expect(page.get_by_role("heading", name="Будет пересчитано")).to_be_visible()
    page.get_by_role("button", name="Начать пересчёт").click()
    expect(page.locator(".flash")).to_contain_text("Prefect не отвечает")


def test_the_menu_of_a_phone_opens(chromium: Browser, base: str) -> None:
    with visitor(chromium, base, "head", viewport={"width": 390, "height": 800}) as seen:
        page = seen.open("/calls")
        expect(page.get_by_role("link", name="Менеджеры")).not_to_be_visible()
        page.locator(".menu summary").click()
        page.get_by_role("link", name="Менеджеры").click()
        expect(page.locator("h1")).to_have_text("Менеджеры")
        assert seen.trouble == []


def tab_to(seen: Seen, selector: str, most: int = 120) -> None:
    """Press Tab until the element has the focus, as a person would."""
    for _ in range(most):
        seen.page.keyboard.press("Tab")
        if seen.page.evaluate("selector => document.activeElement?.matches(selector) ?? false", selector):
            return
    pytest.fail(f"{selector} is not reached by Tab")
