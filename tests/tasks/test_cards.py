"""The score card: what was said in a call is shown as text, never obeyed as Markdown."""

from __future__ import annotations

from db.models import Call
from tasks.cards import card, escape


def test_markup_from_a_call_is_shown_as_text() -> None:
    assert escape("[жми](http://x) <b>|**") == r"\[жми\]\(http://x\) \<b\>\|\*\*"


def test_a_quote_stays_in_its_table_cell() -> None:
    assert "\n" not in escape("раз\nдва")


def test_a_card_leads_to_the_page_of_its_call() -> None:
    told = card(Call(call_id="звонок/1", manager_id="m", deal_id="d", status="no_speech"), [], "https://rop.company.ru/")
    assert "(https://rop.company.ru/calls/%D0%B7%D0%B2%D0%BE%D0%BD%D0%BE%D0%BA%2F1)" in told
