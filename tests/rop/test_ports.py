"""Ports: a taken one is named together with the way out."""

from __future__ import annotations

import socket

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
