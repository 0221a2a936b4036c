"""Clips hold as much speech as fits, and a word in a clip finds its place in the recording."""

from __future__ import annotations

import pytest

from tasks.audio.speech import Piece
from tasks.engines.asr.packs import Clip, pack


def test_pieces_fill_clips_in_order() -> None:
    pieces = [Piece(0, i * 20.0, i * 20.0 + 12.0) for i in range(5)]
    assert [len(clip.pieces) for clip in pack(pieces, 29.5)] == [2, 2, 1]
    assert [len(clip.pieces) for clip in pack(pieces, 5.0)] == [1] * 5
    assert list(pack([], 29.5)) == []


def test_a_word_is_placed_in_the_last_piece_whose_speech_it_reaches() -> None:
    clip = Clip((Piece(0, 10.0, 12.0), Piece(0, 50.0, 53.0)))
    assert clip.seconds == 5.0
    assert clip.at(0.5, 1.0) == (10.5, 11.0)
    assert clip.at(2.5, 3.0) == (50.5, 51.0)
    assert clip.at(1.8, 2.9) == pytest.approx((50.0, 50.9))
    assert clip.at(4.9, 5.4) == pytest.approx((52.9, 53.0))
    assert clip.holds(51.0)
    assert not clip.holds(30.0)


def test_silence_beside_a_word_is_not_part_of_it() -> None:
    clip = Clip((Piece(0, 10.0, 12.0, 0.4, 0.4), Piece(0, 50.0, 53.0, 0.4, 0.4)))
    assert clip.at(1.2, 2.0) == pytest.approx((11.2, 11.7))
    assert clip.at(1.6, 2.6) == pytest.approx((50.3, 50.6))
    assert clip.at(1.5, 2.43) == pytest.approx((11.5, 11.7))
    assert clip.at(1.65, 1.7) == pytest.approx((11.65, 11.7))
