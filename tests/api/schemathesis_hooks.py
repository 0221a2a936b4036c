"""What the tool needs to know: lists in urlencoded forms travel as JSON, as the document's `encoding` says."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import schemathesis


@schemathesis.serializer("application/x-www-form-urlencoded")
def form(_context: Any, value: Any) -> bytes | None:
    """Form fields; what is no object is sent as it is."""
    if isinstance(value, dict):
        return urlencode({name: json.dumps(one) if isinstance(one, (dict, list)) else one for name, one in value.items()}).encode()
    return value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
