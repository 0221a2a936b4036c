"""Types of single fields: what is accepted, and how the OpenAPI document says it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
MAX_URL = 8192
# Any name or address without a login; spaces and Cyrillic in the path occur in real file names.
URL = re.compile(
    r"https?://([^\x00-\x20\x7f/?#@:\\\[\]]+|\[[0-9A-Fa-f:.]+\])(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}))?([/?#][^\x00-\x1f\x7f]*)?"
)


def _number_as_text(value: Any) -> Any:
    """CRMs with numeric ids send them as JSON numbers."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _http_url(value: str) -> str:
    if not URL.fullmatch(value):
        texts = {"ru": "ожидается адрес http:// или https:// без логина и пароля", "en": "must be an http(s) URL without a login"}
        raise PydanticCustomError("rop", "url", texts)
    return value


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("float_type", "must be a number")
    return value


def _written_out(value: Any) -> Any:
    """A date that people can read; a bare number could mean seconds or milliseconds."""
    if not isinstance(value, datetime) and not (isinstance(value, str) and re.match(r"\d{4}-", value)):
        raise PydanticCustomError("datetime_parsing", "must be ISO 8601")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]
Seconds = Annotated[
    float,
    BeforeValidator(_no_bool),
    Field(ge=0, allow_inf_nan=False),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0, "maximum": 2700}, {"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,3})?$"}]},
        mode="validation",
    ),
]
Hours = Annotated[
    float,
    BeforeValidator(_no_bool),
    Field(ge=0, le=720, allow_inf_nan=False),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0, "maximum": 720}, {"type": "string", "pattern": r"^[1-6]?[0-9]{1,2}$"}]},
        mode="validation",
    ),
]
Score = Annotated[
    int,
    BeforeValidator(_no_bool),
    Field(ge=-1, le=1),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": -1, "maximum": 1}, {"enum": ["1", "-1", "0"]}]}, mode="validation"),
]
Id = Annotated[
    str,
    BeforeValidator(_number_as_text),
    StringConstraints(min_length=1, max_length=128, pattern=NO_CONTROL),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "minLength": 1, "maxLength": 128, "pattern": NO_CONTROL}, {"type": "integer"}]}, mode="validation"
    ),
]
Name = Annotated[str, StringConstraints(max_length=200, pattern=NO_CONTROL)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_CONTROL)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")]
Url = Annotated[
    str,
    StringConstraints(max_length=MAX_URL),
    AfterValidator(_http_url),
    WithJsonSchema({"type": "string", "maxLength": MAX_URL, "pattern": f"^{URL.pattern}$"}, mode="validation"),
]
Language = Annotated[str, StringConstraints(pattern=r"^([a-z]{2}|auto)$")]
PublicStatus = Literal["queued", "processing", "done", "failed", "no_speech"]
