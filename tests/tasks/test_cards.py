"""The score card: what was said in a call is shown as text, never obeyed as Markdown."""

from __future__ import annotations

from tasks.cards import escape


def test_markup_from_a_call_is_shown_as_text() -> None:
    assert escape("[жми](http://x) <b>|**") == r"\[жми\]\(http://x\) \<b\>\|\*\*"


def test_a_quote_stays_in_its_table_cell() -> None:
    assert "\n" not in escape("раз\nдва")
