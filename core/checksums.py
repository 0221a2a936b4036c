"""Control digits of the numbers that people dictate; a wrong one is a misheard number."""

from __future__ import annotations


def valid_card(digits: str) -> bool:
    """The Luhn sum of a payment card."""
    doubled = (int(d) * (2 if i % 2 else 1) for i, d in enumerate(reversed(digits)))
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def valid_snils(digits: str) -> bool:
    """The control number of eleven digits of a SNILS."""
    total = sum(int(d) * (9 - i) for i, d in enumerate(digits[:9]))
    return len(digits) == 11 and total % 101 % 100 == int(digits[9:])


def valid_inn(digits: str) -> bool:
    """The control digits of a tax number of ten or twelve digits."""
    tail = (2, 4, 10, 3, 5, 9, 4, 6, 8)
    weights: dict[int, list[tuple[int, ...]]] = {10: [tail], 12: [(7, *tail), (3, 7, *tail)]}
    rows = weights.get(len(digits), [])
    return bool(rows) and all(sum(w * int(d) for w, d in zip(row, digits, strict=False)) % 11 % 10 == int(digits[len(row)]) for row in rows)
