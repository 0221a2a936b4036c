"""Care of the warehouse beside loading: what a night brings, and the hourly look at the data's quality."""

from __future__ import annotations

import structlog
from prefect import task
from prefect.cache_policies import NO_CACHE

from core.settings import Settings
from db.engine import Database
from tasks.load import maintain
from tasks.runtime import Runtime
from warehouse import export, quality, search
from warehouse.extensions import ExtensionMissing
from warehouse.quality import QualityReport
from warehouse.stores import NotPublished

log = structlog.get_logger(__name__)


def night(database: Database, settings: Settings) -> None:
    """Old rows of the outbox go, a lake is compacted, the monthly files and the search index are brought up to date."""
    maintain(database, settings)
    try:
        export.months(settings)
        search.build(settings)
    except NotPublished:
        log.info("warehouse_empty")
    except ExtensionMissing as missing:
        log.info("search_not_indexed", reason=missing.text("ru"))


@task(name="night", cache_policy=NO_CACHE)
def keep_up(runtime: Runtime) -> None:
    """The nightly upkeep; what fails is made up for by the next night."""
    night(runtime.database, runtime.settings)


@task(name="quality", cache_policy=NO_CACHE)
def check_quality(runtime: Runtime) -> QualityReport:
    """The checks of the published data, in a process of their own."""
    return quality.check_apart(runtime.settings)
