"""Listeners below HTTP: a canary that must never be visited, and a server that says exactly the bytes it was given."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Self

Talk = Callable[[socket.socket], None]


class Listener:
    """Accepts connections on loopback, counts them and hands each to `talk` in a thread of its own."""

    def __init__(self, talk: Talk, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self._talk = talk
        self._tls = tls
        self._listening = socket.create_server((host, 0), backlog=64)
        self.host, self.port = host, self._listening.getsockname()[1]
        self.connections = 0
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    @property
    def url(self) -> str:
        """Base URL of the listener, without a slash at the end."""
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}"

    def pause(self, seconds: float) -> bool:
        """Sleep unless the test is over; true when it is."""
        return self._closing.wait(seconds)

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._talk(connection)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


@contextlib.contextmanager
def canary(host: str = "127.0.0.1") -> Iterator[Listener]:
    """A listener that nothing may connect to."""
    with Listener(lambda connection: connection.close(), host) as listener:
        yield listener


def read_head(connection: socket.socket) -> bytes:
    """The request up to its empty line."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        if not piece:
            break
        head += piece
    return head
