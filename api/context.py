"""What the API builds once a process and hands to every request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request

from api.metrics import Metrics
from api.problems import language_of
from api.starter import Starter
from core.http import Guarded
from core.secrets import Secrets, server_secret
from core.settings import Settings
from db.engine import Database
from db.ratelimit import Limiter, limiter
from db.writer import Writer
from tasks.prefect_api import PrefectApi

PROBES = 20  # looks at recordings at once: a file server that hangs must not keep the threads of all other requests


@dataclass(frozen=True)
class Context:
    """The process's tools."""

    settings: Settings
    database: Database
    secret: Secrets
    limiter: Limiter
    writer: Writer
    http: Guarded
    prefect: PrefectApi
    starter: Starter
    probes: CapacityLimiter
    metrics: Metrics

    def close(self) -> None:
        """Let running starts end, then give connections back."""
        self.writer.close()
        self.starter.close()
        self.prefect.close()
        self.limiter.close()
        self.database.dispose()


def build(settings: Settings, database: Database | None) -> Context:
    """Everything from settings; a database that is handed in is used as it is."""
    database = database or Database(settings.db_url)
    prefect = PrefectApi(settings)
    return Context(
        settings=settings,
        database=database,
        secret=server_secret(settings),
        limiter=limiter(database),
        writer=Writer(database),
        http=Guarded(settings),
        prefect=prefect,
        starter=Starter(database, prefect, settings),
        probes=CapacityLimiter(PROBES),
        metrics=Metrics(database),
    )


def context_of(request: Request) -> Context:
    """The tools of the process that serves this request."""
    context: Context = request.app.state.context
    return context


async def _of(request: Request) -> Context:
    return context_of(request)


async def _language(request: Request) -> str:
    return language_of(request.headers)


Ctx = Annotated[Context, Depends(_of)]
Language = Annotated[str, Depends(_language)]
