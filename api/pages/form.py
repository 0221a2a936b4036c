"""What a form on a page sends: urlencoded text fields, bounded in size and number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qsl, unquote

from fastapi import Depends, Request

from api.bodies import MAX_FIELDS, BadBody, BodyTooLarge
from api.context import Context


async def _fields(request: Request) -> Mapping[str, str]:
    context: Context = request.app.state.context
    limit, raw = context.settings.max_body_bytes, b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > limit:
            raise BodyTooLarge(limit=limit)
    try:
        return dict(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))
    except ValueError:
        raise BadBody from None


def _segment(request: Request) -> str:
    return unquote(request.path_params["key"])


Form = Annotated[Mapping[str, str], Depends(_fields)]
# The `{key}` of a path: any string, encoded as one segment.
Key = Annotated[str, Depends(_segment)]
