"""Care of the warehouse beside loading: what a night brings, and the hourly look at the data's quality."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import structlog
from prefect import task
from prefect.cache_policies import NO_CACHE

from core.errors import RopError, TransientError
from core.settings import Settings
from db.engine import Database
from tasks.load import maintain
from tasks.runtime import Runtime
from warehouse import export, leftovers, quality, search
from warehouse.extensions import ExtensionMissing
from warehouse.quality import QualityReport
from warehouse.stores import NotPublished

log = structlog.get_logger(__name__)


class NightFailed(TransientError):
    """Some of the nightly upkeep broke, the rest was done; `why` names each part with the code or the class of its error."""

    code = "night_failed"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Ночное обслуживание выполнено не полностью ({why}). Подробности — в журнале служебного воркера.",
        "en": "Some of the nightly upkeep failed ({why}). The log of the housekeeping worker tells more.",
    }


def night(database: Database, settings: Settings) -> None:
    """Leftovers and old rows of the outbox go, a lake is compacted, the monthly files and the search index are brought up to date.

    Raises:
        NightFailed: some of it broke, which kept nothing else from being done.
    """
    parts: dict[str, Callable[[], object]] = {
        "leftovers": lambda: leftovers.sweep(settings),  # first: a full disk may be why the others fail
        "maintain": lambda: maintain(database, settings),
        "months": lambda: export.months(settings),
        "search": lambda: search.build(settings),
    }
    failed = [f"{name}: {why}" for name, part in parts.items() if (why := _trouble(name, part))]
    if failed:
        raise NightFailed(why="; ".join(failed))


def _trouble(name: str, part: Callable[[], object]) -> str | None:
    """Why this part of the night broke, if it did. A foreign error is named alone: its text may hold the password of the catalog."""
    try:
        part()
    except NotPublished:
        log.info("warehouse_empty")
    except ExtensionMissing as missing:
        log.info("search_not_indexed", reason=missing.text("ru"))
    except Exception as error:  # whatever it is, a deleted call has to leave the other files
        log.exception("night_part_failed", part=name)
        return error.reason if isinstance(error, RopError) else type(error).__name__
    return None


@task(name="night", cache_policy=NO_CACHE)
def keep_up(runtime: Runtime) -> None:
    """The nightly upkeep; what fails is made up for by the next night."""
    night(runtime.database, runtime.settings)


@task(name="quality", cache_policy=NO_CACHE)
def check_quality(runtime: Runtime) -> QualityReport:
    """The checks of the published data, in a process of their own."""
    return quality.check_apart(runtime.settings)
