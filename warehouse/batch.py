"""What one load transaction brings: plain rows by table, exactly as the tables are declared in `schema/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

from core.errors import PermanentError
from core.ids import content_hash

Rows = Sequence[Mapping[str, Any]]
Rules = Sequence[tuple[str, int, str | None]]

FACTS = ("fact_call", "fact_utterance", "fact_checklist", "fact_stage", "fact_table", "fact_table_value", "fact_delivery")
DIMENSIONS = ("dim_manager", "dim_office", "dim_membership", "dim_checklist", "dim_stage", "dim_table", "dim_field")


class LoadRefused(PermanentError):
    """The rows contradict each other or do not fit the tables. `rules` are (rule, how often, an example call)."""

    code = "load_refused"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Данные не прошли проверку при загрузке в витрину: {rules}",
        "en": "The data failed the check of the warehouse load: {rules}",
    }


@dataclass(frozen=True)
class Dimensions:
    """All rows of all dimensions as they are now."""

    rows: Mapping[str, Rows]

    @cached_property
    def fingerprint(self) -> str:
        """Equal for equal content, whatever the order of rows."""
        return content_hash({name: sorted(repr(sorted(row.items())) for row in self.rows.get(name, ())) for name in DIMENSIONS}, 32)


@dataclass(frozen=True)
class Batch:
    """The present state of `call_ids`: their old rows are replaced by `rows`; a call without rows is removed.

    `seq` is the highest sequence of the outbox in it.
    """

    call_ids: tuple[str, ...]
    rows: Mapping[str, Rows] = field(default_factory=dict)
    seq: int = 0
    dimensions: Dimensions | None = None

    def halves(self) -> tuple[Batch, Batch]:
        """The batch as two of half as many calls."""
        middle = len(self.call_ids) // 2
        return self._only(self.call_ids[:middle]), self._only(self.call_ids[middle:])

    def _only(self, call_ids: tuple[str, ...]) -> Batch:
        wanted = set(call_ids)
        rows = {name: [row for row in rows if row["call_id"] in wanted] for name, rows in self.rows.items()}
        return replace(self, call_ids=call_ids, rows=rows)
