"""The connection under the client library: one deadline for the whole exchange, a bound on the answer, no proxies of the machine.

The library's own timeouts bound single waits, so a server that sends a byte now and then could hold a worker for hours.
"""

from __future__ import annotations

from collections.abc import Iterable

import httpcore
import httpx2

from core.settings import Settings
from core.transport import PORTS, Backend, Deadline, explained, system_addresses, tls_context
from tasks.engines.analyst.openai.errors import BadAnswer

OURS = {b"accept-encoding", b"connection"}
SPENT = {b"content-encoding", b"transfer-encoding", b"content-length"}  # the body is whole and plain by the time they are read


def http_client(settings: Settings) -> httpx2.Client:
    """What the client library sends through; redirects are answers like any other."""
    return httpx2.Client(transport=Transport(settings), trust_env=False, follow_redirects=False)


class Transport(httpx2.BaseTransport):
    """One connection for one request; everything ends `llm_seconds` after it began. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tls = tls_context(settings)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """The whole answer, already read; raises `Unreachable`, and `BadAnswer` for one over `llm_answer_bytes`."""
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port or PORTS[request.url.scheme],
            target=request.url.raw_path,
        )
        headers = [(name, value) for name, value in request.headers.raw if name.lower() not in OURS]
        headers += [(b"Accept-Encoding", b"identity"), (b"Connection", b"close")]
        connecting = {"timeout": {"connect": self._settings.connect_seconds}}
        sent = httpcore.Request(request.method, url, headers=headers, content=request.read(), extensions=connecting)
        backend = _Open(self._settings, system_addresses, Deadline(self._settings.llm_seconds))
        with explained(request.url.host), httpcore.HTTPConnection(url.origin, self._tls, network_backend=backend) as connection:
            answer = connection.handle_request(sent)
            body = _bounded(answer.iter_stream(), self._settings.llm_answer_bytes)
            answer.close()
        return httpx2.Response(answer.status, headers=[h for h in answer.headers if h[0].lower() not in SPENT], content=body)


class _Open(Backend):
    """The server is the operator's own choice and no stranger's: private networks are open."""

    def vetted(self, host: str, port: int) -> list[str]:
        return self._resolve(host, port, self.deadline.within(self._settings.connect_seconds))


def _bounded(chunks: Iterable[bytes], limit: int) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > limit:
            raise BadAnswer(what=f"ответ больше {limit} байт")
    return bytes(body)
