"""A load generator that costs little: prepared bytes over kept connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit


@dataclass(frozen=True)
class Sample:
    """One answered request: when it was sent, seconds to the whole answer, status."""

    sent: float
    seconds: float
    status: int


def form(path: str, fields: dict[str, str], key: str = "") -> bytes:
    """A POST of form fields."""
    body = urlencode(fields).encode()
    auth = f"X-API-Key: {key}\r\n" if key else ""
    kind = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
    return f"POST {path} HTTP/1.1\r\nHost: bench\r\n{auth}{kind}\r\n".encode() + body


def get(path: str, key: str = "") -> bytes:
    """A GET."""
    auth = f"X-API-Key: {key}\r\n" if key else ""
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n{auth}\r\n".encode()


def run(url: str, requests: Iterable[bytes], clients: int) -> list[Sample]:
    """Send all requests over `clients` connections, each as soon as the one before was answered."""
    return asyncio.run(_run(url, iter(requests), clients))


def steady(url: str, requests: Sequence[bytes], interval: float) -> list[Sample]:
    """Send one request every `interval` seconds, whether or not the one before was answered."""
    return asyncio.run(_steady(url, requests, interval))


async def _run(url: str, requests: Iterable[bytes], clients: int) -> list[Sample]:
    async def client() -> list[Sample]:
        reader, writer = await _connect(url)
        answered = [await _exchange(reader, writer, request) for request in requests]
        writer.close()
        return answered

    return [sample for answered in await asyncio.gather(*(client() for _ in range(clients))) for sample in answered]


async def _steady(url: str, requests: Sequence[bytes], interval: float) -> list[Sample]:
    async def one(number: int, request: bytes) -> Sample:
        await asyncio.sleep(number * interval)
        reader, writer = await _connect(url)
        sample = await _exchange(reader, writer, request)
        writer.close()
        return sample

    return list(await asyncio.gather(*(one(*item) for item in enumerate(requests))))


async def _connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    return await asyncio.open_connection(parts.hostname, parts.port)


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> Sample:
    begun = time.perf_counter()
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    await reader.readexactly(int(lengths[0].partition(b":")[2]))
    return Sample(begun, time.perf_counter() - begun, int(head[9:12]))
