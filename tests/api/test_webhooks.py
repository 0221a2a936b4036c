"""Webhook addresses and the delivery log over HTTP, with a real receiver."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from checklists.definitions import Table
from core import clock
from core.secrets import server_secret
from db import definitions, deliveries, endpoints, keys
from db.models import Delivery
from tests.api.conftest import Api
from tests.peers.sockets import canary
from tests.peers.webhook_peer import Reply, WebhookPeer

TABLE = Table.model_validate({"id": "TBL_1", "name": "Сделка", "fields": [{"name": "budget"}]})


def set_table(api: Api, url: str) -> dict[str, Any]:
    """Give the table an address; the whole answer."""
    with api.database.begin() as session:
        definitions.apply(session, TABLE, "test", clock.now())
    answer = api.post("/settings/webhooks", {"kind": "table", "id": "TBL_1", "url": url})
    assert answer.status_code == 200, answer.text
    return answer.json()


def enqueue(api: Api, endpoint_id: str, **state: Any) -> str:
    """A delivery to the address, in whatever state."""
    with api.database.begin() as session:
        endpoint = endpoints.by_id(session, endpoint_id)
        row = deliveries.enqueue(
            session,
            call_id="call_1",
            event="table.completed",
            endpoint=endpoint,
            kind="table",
            definition_id="TBL_1",
            version="v1",
            revision=1,
            body=b"{}",
            at=clock.now(),
        )
        assert row is not None
        for name, value in state.items():
            setattr(row, name, value)
        return row.delivery_id


def test_an_address_is_set_listed_changed_and_removed(both: Api) -> None:
    made = set_table(both, "http://127.0.0.1:9/a")
    assert (made["webhook"]["kind"], made["webhook"]["id"], made["secret"][:6]) == ("table", "TBL_1", "whsec_")
    changed = set_table(both, "http://127.0.0.1:9/b")
    assert (changed["webhook"]["url"], changed["secret"]) == ("http://127.0.0.1:9/b", made["secret"])
    events = both.post("/settings/webhooks", {"kind": "events", "url": "http://127.0.0.1:9/e"}).json()
    listed = both.get("/settings/webhooks").json()["webhooks"]
    assert {(w["kind"], w["url"]) for w in listed} == {("table", "http://127.0.0.1:9/b"), ("events", "http://127.0.0.1:9/e")}
    assert "whsec_" not in str(listed)
    path = f"/api/v1/settings/webhooks/{events['webhook']['endpoint_id']}"
    assert both.client.delete(path, headers={"X-API-Key": both.key}).json() == {"status": "deleted"}
    assert both.client.delete(path, headers={"X-API-Key": both.key}).status_code == 404
    assert [w["kind"] for w in both.get("/settings/webhooks").json()["webhooks"]] == ["table"]


def test_the_events_address_is_the_key_s_own(api: Api) -> None:
    api.post("/settings/webhooks", {"kind": "events", "url": "http://127.0.0.1:9/e"})
    with api.database.begin() as session:
        other = keys.create(session, server_secret(api.settings), "other", clock.now())
        successor = keys.rotate(session, server_secret(api.settings), api.key_id, clock.now(), timedelta(hours=1))
    assert api.client.get("/api/v1/settings/webhooks", headers={"X-API-Key": other.plain}).json() == {"webhooks": []}
    mine = api.client.get("/api/v1/settings/webhooks", headers={"X-API-Key": successor.plain}).json()["webhooks"]
    assert [w["kind"] for w in mine] == ["events"]
    with api.database.read() as session:
        assert endpoints.get(session, "key", api.key_id) is not None


def test_what_cannot_be_an_address(api: Api) -> None:
    with canary("127.0.0.2") as forbidden:
        refused = api.post("/settings/webhooks", {"kind": "events", "url": forbidden.url})
        assert (refused.status_code, refused.json()["code"]) == (400, "address_refused")
        assert "ROP_ALLOWED_NETWORKS" in refused.json()["detail"]
        assert forbidden.connections == 0
    assert api.post("/settings/webhooks", {"kind": "table", "url": "http://127.0.0.1:9/"}).json()["fields"].keys() == {"id"}
    assert api.post("/settings/webhooks", {"kind": "table", "id": "none", "url": "http://127.0.0.1:9/"}).status_code == 404
    assert api.post("/settings/webhooks", {"kind": "all", "url": "ftp://x"}).json()["fields"].keys() == {"kind", "url"}


def test_two_secrets_sign_during_a_rotation(api: Api) -> None:
    with WebhookPeer() as crm:
        made = set_table(api, crm.url())
        path = f"/settings/webhooks/{made['webhook']['endpoint_id']}"
        new = api.post(f"{path}/rotate-secret", {"overlap_hours": 1}).json()["secret"]
        assert api.post(f"{path}/test").json()["delivered"] is True
        assert all(crm.received[0].verifies(secret) for secret in (made["secret"], new))
        newest = api.post(f"{path}/rotate-secret", {"overlap_hours": 0}).json()["secret"]
        api.post(f"{path}/test")
        assert [crm.received[1].verifies(secret) for secret in (made["secret"], new, newest)] == [False, False, True]


def test_a_test_event_shows_what_the_crm_answered(both: Api) -> None:
    with WebhookPeer([Reply(500, body=b"no"), Reply()]) as crm:
        made = set_table(both, crm.url())
        path = f"/settings/webhooks/{made['webhook']['endpoint_id']}/test"
        failed = both.post(path).json()
        assert (failed["delivered"], failed["status_code"], failed["response"]) == (False, 500, "no")
        passed = both.post(path).json()
        assert (passed["delivered"], passed["status_code"], passed["error_code"]) == (True, 200, None)
        assert passed["delivery_id"] == crm.received[1].id
    assert both.post("/settings/webhooks/none/test").status_code == 404


def test_the_log_and_replay(both: Api) -> None:
    both.upload()
    with WebhookPeer([Reply(500)]) as crm:
        endpoint = set_table(both, crm.url())["webhook"]["endpoint_id"]
        delivery = enqueue(both, endpoint, status="dead", attempts=8, next_attempt_at=None)
    mine = both.get("/calls/call_1/deliveries").json()["deliveries"]
    assert [(d["delivery_id"], d["status"], d["call_id"]) for d in mine] == [(delivery, "dead", "call_1")]
    assert both.get("/deliveries", status="dead").json()["deliveries"] == mine
    assert both.get("/deliveries", status="pending").json()["deliveries"] == []
    assert both.post(f"/deliveries/{delivery}/replay").json() == {"status": "ok", "replayed": 1}
    with both.database.read() as session:
        assert session.get_one(Delivery, delivery).status == "pending"
    assert both.post("/deliveries/none/replay").status_code == 404


def test_replay_of_everything_since(both: Api) -> None:
    both.upload()
    endpoint = set_table(both, "http://127.0.0.1:9/")["webhook"]["endpoint_id"]
    enqueue(both, endpoint, status="dead")
    hour = timedelta(hours=1)
    late, early = ((clock.now() + shift).isoformat() for shift in (hour, -hour))
    assert both.post("/deliveries/replay", {"since": late}).json()["replayed"] == 0
    assert both.post("/deliveries/replay", {"since": early, "endpoint_id": "none"}).status_code == 404
    assert both.post("/deliveries/replay", {"since": early, "endpoint_id": endpoint}).json()["replayed"] == 1
    assert both.post("/deliveries/replay", {"since": early}).json()["replayed"] == 0
    assert both.post("/deliveries/replay", {}).json()["fields"].keys() == {"since"}


def test_a_disabled_address_is_switched_on_again(api: Api) -> None:
    endpoint = set_table(api, "http://127.0.0.1:9/")["webhook"]["endpoint_id"]
    with api.database.begin() as session:
        endpoints.disable(session, endpoint, clock.now(), "gone")
    assert api.get("/settings/webhooks").json()["webhooks"][0]["disabled_reason"] == "gone"
    assert api.post(f"/settings/webhooks/{endpoint}/enable").json()["disabled_at"] is None
