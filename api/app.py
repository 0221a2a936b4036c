"""The application: everything the CRM talks to. Pages are one more router."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api import assets, openapi, problems
from api import context as contexts
from api.metrics import PREFIX
from api.middleware import CallIdPaths, RequestLog
from api.pages import site
from api.routes import calls, deliveries, directory, health, rework, search, selftest, tables, trials, upload, webhooks
from core import logging
from core import settings as settings_module
from core.settings import Settings
from db import migrate
from db.engine import Database

# The busiest first: routes are tried in order.
ROUTERS = (
    upload.router,
    tables.router,
    calls.router,
    rework.router,
    search.router,
    deliveries.router,
    directory.router,
    webhooks.router,
    trials.router,
    selftest.router,
)


def create_app(settings: Settings, database: Database | None = None) -> FastAPI:
    """The API on an existing, migrated database; without one it opens that of the settings."""
    context = contexts.build(settings, database)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        context.close()

    app = FastAPI(
        title="Цифровой РОП", version=openapi.VERSION, lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url="/openapi.json"
    )
    app.router.redirect_slashes = False  # a redirect would carry the key of the query string into another place
    app.state.context = context
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    app.include_router(health.router)
    assets.install(app)
    problems.install(app)
    openapi.install(app)
    site.install(app, context)
    app.add_middleware(RequestLog, observe=context.metrics.observe)
    app.add_middleware(CallIdPaths, prefix=f"{PREFIX}/calls/")
    return app


def from_environment() -> FastAPI:
    """The application of `uvicorn --factory api.app:from_environment --no-access-log`: settings from `ROP_…`, schema brought up to date."""
    settings = settings_module.load()
    logging.configure(settings)
    database = Database(settings.db_url)
    migrate.upgrade(database)
    app = create_app(settings, database)
    # What is loaded by now stays for good; walking over it in every full collection would stop all requests for 0.2 s.
    gc.collect()
    gc.freeze()
    return app
