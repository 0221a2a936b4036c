"""Ports of the stack: the one that was asked for, or any free one."""

from __future__ import annotations

import errno
import random
import socket
from typing import ClassVar

from core.errors import PermanentError

LOOPBACK = "127.0.0.1"
# Below what systems give to outgoing connections, one of which would take a free port before its server has begun to listen.
QUIET = range(20_000, 30_000)
# What another port may cure; every other refusal is about the host.
TAKEN = (errno.EADDRINUSE, errno.EACCES)


class PortTaken(PermanentError):
    """Another program listens there; the message names the way out."""

    code = "port_taken"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Порт {port} занят другой программой. Освободите его или укажите другой: {option} N (0 — любой свободный).",
        "en": "Port {port} is taken by another program. Free it or choose another one: {option} N (0 takes any free port).",
    }


class HostUnusable(PermanentError):
    """Nothing can listen at that host, whatever the port; `why` is the system's word."""

    code = "host_unusable"
    texts: ClassVar[dict[str, str]] = {
        "ru": "По адресу {host} нельзя принимать соединения ({why}). Укажите в ROP_API_HOST адрес IPv4 или имя этого компьютера.",
        "en": "Nothing can listen at {host} ({why}). Set ROP_API_HOST to an IPv4 address or a name of this computer.",
    }


def choose(port: int, option: str, host: str = LOOPBACK) -> int:
    """`port` if it is free, any free port for 0; raises `PortTaken`, or `HostUnusable` at once."""
    for one in [port] if port else random.sample(QUIET, len(QUIET)):
        if _free(one, host):
            return one
    raise PortTaken(port=port, option=option)


def _free(port: int, host: str) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in TAKEN:
                return False
            raise HostUnusable(host=host, why=error.strerror) from error
    return True
