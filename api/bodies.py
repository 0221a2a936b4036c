"""Bodies of every POST: multipart, urlencoded or JSON, one pydantic model behind all three (C8)."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, ClassVar, TypeVar, get_origin
from urllib.parse import parse_qsl

import structlog
from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.formparsers import MultiPartException, MultiPartParser

from api.context import context_of
from api.problems import invalid, language_of
from core.errors import InvalidInput, PermanentError

MAX_FIELDS = 10_000  # form fields of one request: an office sync in bracket notation has a field a member
MAX_DEPTH = 4  # of bracket notation: `offices[0][managers_ids][0]` needs three
LOGGED_NAMES = 20
Pairs = list[tuple[str, str]]
Body = TypeVar("Body", bound=BaseModel)

log = structlog.get_logger(__name__)


class BodyTooLarge(PermanentError):
    """The body is over `max_body_bytes`."""

    code = "body_too_large"
    status = 413
    texts: ClassVar[dict[str, str]] = {
        "ru": "Тело запроса больше {limit} байт.",
        "en": "The request body is larger than {limit} bytes.",
    }


class BadBody(InvalidInput):
    """The body cannot be read as what its Content-Type says."""

    code = "invalid_body"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Тело запроса не разбирается. Допустимы multipart/form-data, application/x-www-form-urlencoded и application/json (UTF-8).",
        "en": "The body cannot be parsed. Send multipart/form-data, application/x-www-form-urlencoded or application/json (UTF-8).",
    }


def body(model: type[Body]) -> Callable[[Request], Awaitable[Body]]:
    """A dependency that is the body as `model`."""

    async def dependency(request: Request) -> Body:
        return await read(request, model)

    return dependency


async def read(request: Request, model: type[Body]) -> Body:
    """The body in any of the three encodings as `model`; raises `InvalidInput` that names every wrong field at once."""
    raw = await _bytes(request, context_of(request).settings.max_body_bytes)
    values = await _decode(request, raw, model)
    _log_unknown(values, model)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_input=False), language_of(request.headers)) from None


async def _bytes(request: Request, limit: int) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and (len(announced) > 15 or int(announced) > limit):
        raise BodyTooLarge(limit=limit)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit=limit)
        chunks.append(chunk)
    return b"".join(chunks)


async def _decode(request: Request, raw: bytes, model: type[BaseModel]) -> dict[str, Any]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return _nested(await _multipart(request, raw), model)
    if kind == "application/json" or kind.endswith("+json"):
        return _json(raw)
    if kind in ("application/x-www-form-urlencoded", ""):
        # `curl -d '{…}'` calls its JSON urlencoded; no form begins with a brace.
        return _json(raw) if raw.lstrip()[:1] == b"{" else _nested(_urlencoded(raw), model)
    raise BadBody


def _json(raw: bytes) -> dict[str, Any]:
    if not raw.strip():
        return {}
    try:
        value = from_json(raw, allow_inf_nan=False)
    except ValueError:
        raise BadBody from None
    if not isinstance(value, dict):
        raise BadBody
    return value


def _urlencoded(raw: bytes) -> Pairs:
    try:
        return parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise BadBody from None


async def _multipart(request: Request, raw: bytes) -> Pairs:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield raw

    parser = MultiPartParser(request.headers, stream(), max_files=20, max_fields=MAX_FIELDS, max_part_size=len(raw))
    try:
        form = await parser.parse()
    except (MultiPartException, UnicodeDecodeError, ValueError):
        raise BadBody from None
    try:
        return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    finally:
        await form.close()


def _unquoted(value: str) -> str:
    """Without one pair of literal quotes: the document's examples send `manager_id="mgr_001"` with them."""
    quoted = len(value) >= 2 and value[0] == value[-1] == '"'
    return value[1:-1] if quoted else value


def _nested(pairs: Pairs, model: type[BaseModel]) -> dict[str, Any]:
    """Form fields as an object; an empty optional field was not sent.

    A list is `offices[0][office_id]`, or one field with a JSON array, or a repeated field with one JSON object each.
    """
    tree: dict[str, Any] = {}
    repeated: dict[str, list[str]] = {}
    for name, value in pairs:
        if name in tree and _is_list(model, name):
            repeated.setdefault(name, []).append(value)
        else:
            _put(tree, [name.split("[")[0], *re.findall(r"\[([^\[\]]*)\]", name)], _unquoted(value))
    for name, field in model.model_fields.items():
        if tree.get(name) == "" and not field.is_required():
            del tree[name]
        elif name in tree and _is_list(model, name):
            tree[name] = _listed([tree[name], *repeated.get(name, [])])
    return tree


def _is_list(model: type[BaseModel], name: str) -> bool:
    field = model.model_fields.get(name)
    return field is not None and get_origin(field.annotation) is list


def _put(tree: dict[str, Any], path: list[str], value: str) -> None:
    *parents, last = path
    if len(parents) > MAX_DEPTH:
        raise BadBody
    for part in parents:
        tree = tree.setdefault(part or str(len(tree)), {})
        if not isinstance(tree, dict):
            raise BadBody
    tree[last or str(len(tree))] = value


def _listed(values: list[Any]) -> Any:
    """All values of a list field as one list."""
    items = [_numbered(one) if isinstance(one, dict) else _parsed(one) for one in values]
    return items[0] if len(items) == 1 and not isinstance(items[0], dict) else items


def _numbered(value: dict[str, Any]) -> Any:
    """`{"0": …, "1": …}` as a list."""
    items = {key: _numbered(one) if isinstance(one, dict) else one for key, one in value.items()}
    return list(items.values()) if all(key.isdigit() for key in items) else items


def _parsed(value: str) -> Any:
    try:
        return from_json(value, allow_inf_nan=False)
    except ValueError:
        return value


def _log_unknown(values: dict[str, Any], model: type[BaseModel]) -> None:
    if unknown := sorted(values.keys() - _names(model)):
        log.info("unknown_fields", fields=[name[:64] for name in unknown[:LOGGED_NAMES]], count=len(unknown))


def _names(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}
