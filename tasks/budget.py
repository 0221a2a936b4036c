"""The language model's budget: so many requests a minute, however many workers share the server."""

from __future__ import annotations

import structlog
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import rate_limit

from tasks.prefect_api import LLM_LIMIT

log = structlog.get_logger(__name__)


def wait_for_turn(seconds: float) -> None:
    """Wait for one's turn at the global limit `llm`, which `rop deploy` makes; raises `TimeoutError` after `seconds`."""
    try:
        rate_limit(LLM_LIMIT, timeout_seconds=seconds, strict=True)
    except ConcurrencySlotAcquisitionError as error:
        # A limit nobody made, or Prefect away: the model's server still says no by itself, and its Retry-After is honoured.
        log.warning("llm_budget_unknown", error=str(error))
