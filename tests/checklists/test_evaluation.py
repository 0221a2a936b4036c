"""The figures against sums done by hand."""

from __future__ import annotations

from checklists.evaluation import Answer, Verdict, confusions, field_figures, figures, most_confident, plain


def verdict(truth: Answer, said: Answer, first: int | None = None, quotes: tuple[int, ...] = (), confidence: float = 0.9) -> Verdict:
    return Verdict(call_id="c", stage="s", truth=truth, said=said, confidence=confidence, first=first, quotes=quotes)


def test_the_figures_by_hand() -> None:
    row = figures(
        [
            verdict("pass", "pass", 3, (3, 4)),
            verdict("pass", "pass", 5, (3,)),
            verdict("pass", "fail"),
            verdict("fail", "pass", 1),
            verdict("fail", "fail"),
        ]
    )
    assert row["precision"] == row["recall"] == row["f1"] == 0.6667
    assert row["accuracy"] == 0.6
    assert row["balanced_accuracy"] == round((2 / 3 + 1 / 2) / 2, 4)
    assert row["right_quote"] == 0.5


def test_a_stage_that_does_not_apply_is_right_only_when_left_out() -> None:
    row = figures([verdict("na", "na"), verdict("na", "fail"), verdict("na", "pass"), verdict("fail", "na"), verdict("pass", "na")])
    assert row["accuracy"] == 0.2
    assert row["precision"] is None
    assert row["recall"] == 0.0
    assert row["balanced_accuracy"] == 0.0


def test_nothing_to_count_is_no_number() -> None:
    assert set(figures([]).values()) == {None, 0}


def test_the_doubtful_ones_are_left_out() -> None:
    rows = [verdict("pass", "pass", confidence=c / 20) for c in range(20)]
    assert min(v.confidence for v in most_confident(rows)) == 0.15


def test_confusions_are_surest_first_and_name_wrong_quotes_last() -> None:
    rows = confusions(
        [verdict("pass", "pass", 9, (1,)), verdict("pass", "fail", confidence=0.6), verdict("fail", "pass", 2, confidence=0.8)]
    )
    assert [r["said"] for r in rows] == ["pass", "fail", "pass"]
    assert rows[0]["label"] == "fail"
    assert rows[-1]["utterance"] == 9


def test_fields_count_silence_as_right() -> None:
    rows = field_figures(
        [("price", True, True, True), ("price", False, False, False), ("price", False, True, False), ("price", True, False, False)]
    )
    assert rows["overall"] == {"accuracy": 0.5, "recall": 0.5, "precision": 0.5, "expected": 2, "given": 2, "count": 4}


def test_plain_forms() -> None:
    assert plain("  «Ёлки»  и Палки. ") == "елки и палки"
    assert plain(18600.0) == plain("18600") == "18600"
    assert plain(["б", "а"]) == "а б"
    assert plain(True) == "да"
