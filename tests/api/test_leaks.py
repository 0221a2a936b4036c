"""Nothing secret in what the ingress writes: not in its log, not in what Prefect gets, not in its answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.api.conftest import UPLOAD
from tests.peers.api_server import Server, serve
from tests.peers.prefect_peer import PrefectPeer
from tests.peers.waiting import eventually
from tests.peers.webhook_peer import Reply, WebhookPeer

pytestmark = pytest.mark.slow
WRONG = "rop_" + "Wr0ng" * 9 + "Keys"
TOKEN, PASSWORD, SIGNATURE = "t0ken-of-the-file-server", "passw0rd-in-the-address", "signed-path-0123456789"
URLS = [
    f"https://crm.invalid/{SIGNATURE}/a.mp3?token={TOKEN}",
    f"http://127.0.0.1:1/{SIGNATURE}/a.mp3?token={TOKEN}#frag",
    f"https://user:{PASSWORD}@crm.invalid/a.mp3",
]


@pytest.fixture
def prefect() -> Iterator[PrefectPeer]:
    with PrefectPeer() as peer:
        yield peer


@pytest.fixture
def server(tmp_path: Path, prefect: PrefectPeer) -> Iterator[Server]:
    more: dict[str, Any] = {"allowed_networks": "127.0.0.1/32", "probe_seconds": "0.3", "rate_limit": "1000", "log_level": "DEBUG"}
    with serve(tmp_path, prefect_api_url=prefect.url, **more) as running:
        yield running


def spellings(name: str) -> list[str]:
    """The parameter's name as servers still understand it."""
    return [name, "api%4Bey", "%61piKey", "apiKe%79", "".join(f"%{ord(c):02X}" for c in name)]


def use_everything(server: Server, prefect: PrefectPeer) -> list[str]:
    """Requests that carry secrets in every place a client can put them; the texts of all answers."""
    answers = []
    with httpx.Client(base_url=f"{server.url}/api/v1", trust_env=False, timeout=30) as client:

        def send(method: str, path: str, **more: Any) -> Any:
            answer = client.request(method, path, **more)
            answers.append(answer.text)
            return answer

        key = {"apiKey": server.key}
        for place in spellings("apiKey"):
            for plain in (server.key, WRONG):
                send("GET", f"/deliveries?{place}={plain}")
                send("GET", f"/nowhere/{plain}?{place}={plain}")
                send("GET", f"/tables/call-ready?tab=t&call=c&{place}={plain}", headers={"Referer": f"http://x/?{place}={plain}"})
        for header in ({"X-API-Key": WRONG}, {"Authorization": f"Bearer {WRONG}"}, {"Authorization": f"Bearer {server.key}"}):
            send("POST", "/calls/audio-upload", headers=header | {"X-Request-ID": WRONG}, data={"call_id": "x"})
        for number, url in enumerate(URLS):
            send("POST", "/calls/audio-upload", params=key, data=UPLOAD | {"call_id": f"c{number}", "audio_url": url, WRONG: "x"})
            send("GET", f"/calls/c{number}", params=key)
        send("POST", "/calls/audio-upload", params=key, content=f'{{"call_id": "{WRONG}'.encode())
        with WebhookPeer([Reply(500, body=f"bad key {WRONG} at {URLS[0]}".encode())]) as crm:
            hook = send(
                "POST", "/settings/webhooks", params=key, json={"kind": "events", "url": crm.url(f"/{SIGNATURE}?token={TOKEN}")}
            ).json()
            send("POST", f"/settings/webhooks/{hook['webhook']['endpoint_id']}/test", params=key)
            answers[-2:] = []
            send("POST", "/self-test", params=key)
            answers.pop()
        eventually(lambda: len(prefect.runs) >= 3)  # all accepted calls are started before the table breaks
        with server.database.begin() as session:
            session.execute(text("ALTER TABLE calls RENAME COLUMN audio_url TO audio_link"))
        for number, url in enumerate(URLS[:2]):
            send("POST", "/calls/audio-upload", params=key, json=UPLOAD | {"call_id": f"late {number}", "audio_url": url})
    return [*answers, hook["secret"]]


def test_no_secret_is_written(server: Server, prefect: PrefectPeer) -> None:
    *answers, signing = use_everything(server, prefect)
    written = {"log": server.log.read_text(), "prefect": json.dumps(prefect.bodies), "answers": "\n".join(answers)}
    assert written["log"].count('"event": "request"') > 30
    for place, content in written.items():
        for secret in (server.key, server.key[4:], WRONG, TOKEN, PASSWORD, SIGNATURE, signing, signing[6:]):
            assert secret not in content, (place, next(line for line in content.splitlines() if secret in line))
