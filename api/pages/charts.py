"""Geometry of the small charts: numbers in, SVG paths out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

WIDTH, HEIGHT = 640, 190
LEFT, RIGHT, TOP, BOTTOM = 34, 632, 10, 164
TICKS = 6


@dataclass(frozen=True)
class Trend:
    """A line over days on a scale from 0 to 100."""

    path: str
    area: str
    dots: tuple[dict[str, Any], ...]
    grid: tuple[dict[str, Any], ...]
    ticks: tuple[dict[str, Any], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = RIGHT


def trend(points: Sequence[dict[str, Any]], since: date, until: date) -> Trend | None:
    """The line through points with `day`, `mean` and `n`; None without any."""
    if not points:
        return None
    days = max((until - since).days, 1)
    dots = tuple(
        {
            "x": _round(LEFT + (RIGHT - LEFT) * (p["day"] - since).days / days),
            "y": _y(p["mean"]),
            "day": p["day"],
            "value": p["mean"],
            "n": p["n"],
        }
        for p in points
    )
    path = "M" + "L".join(f"{dot['x']} {dot['y']}" for dot in dots)
    area = f"{path}L{dots[-1]['x']} {BOTTOM}L{dots[0]['x']} {BOTTOM}Z"
    grid = tuple({"value": value, "y": _y(value)} for value in (0, 25, 50, 75, 100))
    step = max(1, -(-days // TICKS))
    marked = [date.fromordinal(since.toordinal() + offset) for offset in range(0, days + 1, step)]
    ticks = tuple({"x": _round(LEFT + (RIGHT - LEFT) * (day - since).days / days), "day": day} for day in marked)
    return Trend(path, area, dots, grid, ticks)


def spark(values: Sequence[float]) -> str:
    """A path in a box of 112 by 26 on a scale from 0 to 100; empty for fewer than two values."""
    if len(values) < 2:
        return ""
    step = 108 / (len(values) - 1)
    return "M" + "L".join(f"{_round(2 + i * step)} {_round(24 - 22 * value / 100)}" for i, value in enumerate(values))


def heat(rate: float | None) -> str:
    """The class of a heat cell."""
    return "hn" if rate is None else f"h{min(int(rate // 20), 4) if rate < 90 else 5}"


def _y(value: float) -> float:
    return _round(BOTTOM - (BOTTOM - TOP) * value / 100)


def _round(value: float) -> float:
    return round(value, 1)
