"""The servers that an operator names may have a certificate of the company's own authority."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.errors import Unreachable
from core.settings import Settings
from tasks.engines.asr.openai import OpenAITranscriber
from tasks.prefect_api import PrefectApi
from tests.peers.certificates import certificate, server_context
from tests.peers.file_peer import FilePeer, serve


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Settings]:
    """Settings that name a Prefect and a recogniser on `localhost`, and the authority of both."""
    authority = certificate(tmp_path / "a.pem", "localhost")
    routes = {"/api/health": serve(b"true"), "/v1/models": serve(b"{}")}
    with FilePeer(routes, tls=server_context(tmp_path / "a.pem")) as peer:
        address = peer.url("", "localhost")
        yield Settings(home=tmp_path, prefect_api_url=f"{address}/api", asr_engine="openai", asr_url=address, ca_file=authority)


@pytest.fixture
def stranger(own: Settings) -> Settings:
    return own.model_copy(update={"ca_file": None})


def test_prefect(own: Settings, stranger: Settings) -> None:
    for settings, healthy in ((own, True), (stranger, False)):
        with closing(PrefectApi(settings)) as prefect:
            assert prefect.healthy() is healthy


def test_a_recogniser(own: Settings, stranger: Settings) -> None:
    OpenAITranscriber(own).load()
    with pytest.raises(Unreachable):
        OpenAITranscriber(stranger).load()
