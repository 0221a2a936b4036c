"""Ports: a taken one, or a host nobody can listen at, is named together with the way out."""

from __future__ import annotations

import socket
from unittest import mock

import pytest

from rop import ports


def test_zero_takes_any_free_port() -> None:
    assert ports.choose(0, "--api-port") > 0


def test_a_taken_port_names_the_option() -> None:
    with socket.socket() as taken:
        taken.bind((ports.LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ports.PortTaken) as refused:
            ports.choose(port, "--api-port")
    assert str(port) in refused.value.text("ru")
    assert "--api-port" in refused.value.text("ru")


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1", "::1"])
@pytest.mark.parametrize("port", [0, 20_000])
def test_an_unusable_host_is_tried_once_and_named(host: str, port: int) -> None:
    with mock.patch.object(ports, "_free", wraps=ports._free) as tried, pytest.raises(ports.HostUnusable) as refused:
        ports.choose(port, "--api-port", host)
    assert tried.call_count == 1
    for language in ("ru", "en"):
        assert host in refused.value.text(language)
        assert "ROP_API_HOST" in refused.value.text(language)
