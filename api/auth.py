"""Who calls: the key from any of three places, live and within its rate limit (C1, C2, C7)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy import Connection

from api.context import Context, Ctx
from core import clock
from core.errors import NotAuthenticated, RateLimited
from db import keys


@dataclass(frozen=True)
class Caller:
    """The integration that sent the request; `key_id` stays the same through rotations. Nobody has None."""

    key_id: str | None
    defaults: dict[str, Any]


NOBODY = Caller(None, {})


def required_caller(request: Request, context: Ctx) -> Caller:
    """The holder of a live key within its limit; raises `NotAuthenticated` and `RateLimited`."""
    with context.database.engine.connect() as connection:
        found = _identify(request, context, connection)
    if found is None:
        raise NotAuthenticated
    return _admit(request, context, found, "api")


def polling_caller(request: Request, context: Context, connection: Connection) -> Caller:
    """Who polls: a key within its own limit, or `NOBODY` where the settings let everybody ask."""
    found = _identify(request, context, connection)
    if found is not None:
        return _admit(request, context, found, "poll")
    if context.settings.call_ready_auth == "required":
        raise NotAuthenticated
    _count(context, f"poll:{request.client.host if request.client else ''}")
    return NOBODY


def _identify(request: Request, context: Context, connection: Connection) -> keys.Key | None:
    """The live key of the request, None without any; raises `NotAuthenticated` for a wrong one or two different ones."""
    given = {one for one in _given(request) if one}
    if not given:
        return None
    if len(given) > 1:
        raise NotAuthenticated
    key = keys.find(connection, context.secret, given.pop(), clock.now())
    if key is None:
        raise NotAuthenticated
    return key


def _given(request: Request) -> list[str]:
    bearers = [value.partition(" ") for value in request.headers.getlist("authorization")]
    return [
        *request.query_params.getlist("apiKey"),
        *request.headers.getlist("x-api-key"),
        *(token.strip() for scheme, _, token in bearers if scheme.lower() == "bearer"),
    ]


def _admit(request: Request, context: Context, key: keys.Key, bucket: str) -> Caller:
    caller = Caller(keys.integration(key.key_id), key.defaults)
    request.state.logged["key_id"] = key.key_id
    _count(context, f"{bucket}:{caller.key_id}")
    at = clock.now()
    if keys.needs_touch(key, at):
        # Nobody waits for it: a request is answered even while the database takes no writes.
        context.writer.submit(partial(keys.touch, key_id=key.key_id, at=at))
    return caller


def _count(context: Context, bucket: str) -> None:
    wait = context.limiter.admit(bucket, context.settings.rate_limit, clock.now().timestamp())
    if wait is not None:
        raise RateLimited(retry_after=max(1, math.ceil(wait)))


RequiredKey = Annotated[Caller, Depends(required_caller)]
