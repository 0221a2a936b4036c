"""What the pages ask the published warehouse: the same facts that analysts see, a minute old at most."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb

from core.settings import Settings
from warehouse import connect
from warehouse.stores import NotPublished

# Every period is compared with the one before it; `scored` are results that count, with the people's marks.
_SCORED = """
    WITH scored AS (
        SELECT k.call_id, k.day, c.manager_id, c.office_id, c.started_at, k.final_completion AS completion
        FROM fact_checklist k JOIN fact_call c ON c.call_id = k.call_id AND c.day = k.day
        WHERE k.checklist_id = $checklist AND k.day BETWEEN $since AND $until AND k.final_completion IS NOT NULL
          AND ($manager IS NULL OR c.manager_id = $manager) AND ($office IS NULL OR c.office_id = $office)
    )
"""
CHECKLISTS = """
    SELECT d.checklist_id, any_value(d.name) AS name, count(k.call_id) AS n
    FROM dim_checklist d LEFT JOIN fact_checklist k ON k.checklist_id = d.checklist_id AND k.day BETWEEN $since AND $until
    WHERE d.is_current GROUP BY d.checklist_id ORDER BY n DESC, d.checklist_id
"""
TOTALS = f"""{_SCORED}
    SELECT count(*) AS n, round(avg(completion), 1) AS mean,
        (SELECT count(*) FROM fact_call c WHERE c.day BETWEEN $since AND $until
            AND ($manager IS NULL OR c.manager_id = $manager) AND ($office IS NULL OR c.office_id = $office)) AS calls
    FROM scored
"""
TREND = f"{_SCORED} SELECT day, round(avg(completion), 1) AS mean, count(*) AS n FROM scored GROUP BY day ORDER BY day"
STAGES = f"""{_SCORED}
    SELECT s.stage_id, arg_max(s.stage_name, s.day) AS name, arg_max(s.position, s.day) AS position, count(s.final_score) AS n,
        round(100.0 * count(*) FILTER (s.final_score = 1) / nullif(count(s.final_score), 0), 1) AS rate
    FROM fact_stage s SEMI JOIN scored USING (call_id, day) WHERE s.checklist_id = $checklist
    GROUP BY s.stage_id ORDER BY position, s.stage_id
"""
HEAT = f"""{_SCORED}
    SELECT c.manager_id, s.stage_id, count(s.final_score) AS n,
        round(100.0 * count(*) FILTER (s.final_score = 1) / nullif(count(s.final_score), 0), 1) AS rate
    FROM fact_stage s JOIN scored c USING (call_id, day) WHERE s.checklist_id = $checklist
    GROUP BY c.manager_id, s.stage_id
"""
RANKING = f"""{_SCORED}
    SELECT r.rank, r.manager_id, r.manager, r.n, r.calls, r.coverage, r.mean, r.low, r.high, b.mean AS before, b.n AS before_n
    FROM manager_ranking_between($since, $until) r
    LEFT JOIN manager_ranking_between($before, $since - 1) b ON b.manager_id = r.manager_id AND b.checklist_id = r.checklist_id
    WHERE r.checklist_id = $checklist AND r.manager_id IN (SELECT manager_id FROM scored)
    ORDER BY r.rank NULLS LAST, r.mean DESC, r.manager_id
"""
WEEKS = f"""{_SCORED}
    SELECT coalesce({{by}}, '') AS id, date_trunc('week', day)::DATE AS week, avg(completion) AS mean, count(*) AS n
    FROM scored GROUP BY ALL ORDER BY id, week
"""
OFFICES = f"""{_SCORED},
    calls AS (SELECT office_id, count(*) AS calls FROM fact_call WHERE day BETWEEN $since AND $until GROUP BY office_id),
    measured AS (
        SELECT office_id, count(*) AS n, count(DISTINCT manager_id) AS managers, avg(completion) AS mean, stddev_samp(completion) AS deviation
        FROM scored GROUP BY office_id
    )
    SELECT coalesce(m.office_id, '') AS office_id, o.title, m.n, m.managers, c.calls, round(100.0 * m.n / c.calls, 1) AS coverage,
        round(m.mean, 1) AS mean,
        round(greatest(0, m.mean - t_quantile(m.n - 1) * m.deviation / sqrt(m.n)), 1) AS low,
        round(least(100, m.mean + t_quantile(m.n - 1) * m.deviation / sqrt(m.n)), 1) AS high
    FROM measured m JOIN calls c ON c.office_id IS NOT DISTINCT FROM m.office_id LEFT JOIN dim_office o ON o.office_id = m.office_id
    ORDER BY m.mean DESC, m.office_id
"""
MOMENTS = f"""{_SCORED}
    SELECT w.call_id, w.started_local, w.stage, w.comment, w.completion, w.seconds
    FROM worst_moments w SEMI JOIN scored USING (call_id) WHERE w.checklist_id = $checklist LIMIT $limit
"""
FRESH = "SELECT published_at FROM load_state"


@dataclass(frozen=True)
class Asked:
    """Which days, checklist, manager and office a page is about; `before` is where the period of comparison begins."""

    since: date
    until: date
    checklist: str = ""
    manager: str | None = None
    office: str | None = None

    @property
    def days(self) -> int:
        return (self.until - self.since).days + 1

    @property
    def before(self) -> date:
        return self.since - timedelta(days=self.days)

    @property
    def earlier(self) -> Asked:
        """The same for the period before."""
        return Asked(self.before, self.since - timedelta(days=1), self.checklist, self.manager, self.office)


class Reports:
    """One look at the published warehouse; everything read through it belongs to one moment."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def rows(self, sql: str, asked: Asked | None = None, **more: Any) -> list[dict[str, Any]]:
        """The rows of a query of this module as dictionaries; names that the query does not use are left out."""
        values = (
            {} if asked is None else {name: getattr(asked, name) for name in ("since", "until", "before", "checklist", "manager", "office")}
        )
        used = {name: value for name, value in (values | more).items() if f"${name}" in sql}
        found = self._connection.execute(sql, used or None)
        names = [column[0] for column in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def checklists(self, asked: Asked) -> list[tuple[str, str]]:
        """Ids and names, the most used one first."""
        return [(row["checklist_id"], row["name"]) for row in self.rows(CHECKLISTS, asked)]


@contextmanager
def opened(settings: Settings) -> Iterator[Reports | None]:
    """The warehouse as it is now, None while nothing was published."""
    try:
        connection = connect(settings)
    except NotPublished:
        yield None
        return
    try:
        yield Reports(connection)
    finally:
        connection.close()
