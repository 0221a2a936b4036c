"""The language model's budget: so many checklists and tables a minute, however many workers share the server."""

from __future__ import annotations

import structlog
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import rate_limit

from checklists.definitions import Checklist, Table
from checklists.findings import Findings, TableFindings
from checklists.transcript import Transcript
from tasks.engines.analyst import Analyst, Context
from tasks.prefect_api import LLM_LIMIT

log = structlog.get_logger(__name__)


class Budgeted:
    """An analyst that waits for its turn at the global limit `llm`, which `rop deploy` makes, for at most `seconds`."""

    def __init__(self, analyst: Analyst, seconds: float) -> None:
        self._analyst = analyst
        self._seconds = seconds

    def check(self, transcript: Transcript, checklist: Checklist, context: Context) -> Findings:
        self._wait()
        return self._analyst.check(transcript, checklist, context)

    def extract(self, transcript: Transcript, table: Table, context: Context) -> TableFindings:
        self._wait()
        return self._analyst.extract(transcript, table, context)

    def _wait(self) -> None:
        try:
            rate_limit(LLM_LIMIT, timeout_seconds=self._seconds, strict=True)
        except ConcurrencySlotAcquisitionError as error:
            # A limit nobody made, or Prefect away: the model's server still says no by itself, and its Retry-After is honoured.
            log.warning("llm_budget_unknown", error=str(error))
