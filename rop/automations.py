"""Alerts as code: Prefect automations that post to `ROP_ALERT_URL`, brought to exactly this state by every deploy.

Prefect keeps the address in a block, encrypted. Each alert is limited to one in its `every_seconds`: a chat must stay readable when a
file server dies and a hundred calls fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import NotFound
from core.settings import Settings
from tasks import alerts
from tasks.prefect_api import PrefectApi

PREFIX = "rop: "  # automations with this beginning are ours; people's own are left alone
BLOCK = "rop-alerts"
RUN = "flow.name ~ ' «' ~ flow_run.name ~ '»'"
LINK = "(flow_run | ui_url)"
MESSAGE = "event.payload.message"


@dataclass(frozen=True)
class Alert:
    """What is told and when: `text` is a Jinja expression over the event, `related` narrows it to runs of a pool or queue."""

    name: str
    events: tuple[str, ...]
    text: str
    every_seconds: float
    related: Mapping[str, Any] = field(default_factory=dict)

    def automation(self, block_id: str) -> dict[str, Any]:
        """The form of the Prefect API."""
        trigger = {
            "type": "event",
            "posture": "Reactive",
            "expect": list(self.events),
            "match_related": dict(self.related),
            "threshold": 1,
            "within": self.every_seconds,
        }
        action = {"type": "call-webhook", "block_document_id": block_id, "payload": '{"text": {{ (' + self.text + ") | tojson }}}"}
        description = f"Не чаще раза в {self.every_seconds:.0f} с."
        return {"name": PREFIX + self.name, "description": description, "enabled": True, "trigger": trigger, "actions": [action]}


def alerts_of(settings: Settings) -> list[Alert]:
    """Every alert there is."""
    pools = {"prefect.resource.role": "work-pool", "prefect.resource.name": [settings.work_pool, settings.house_pool]}
    house = {"prefect.resource.role": "work-pool", "prefect.resource.name": settings.house_pool}
    failed = ("prefect.flow-run.Failed", "prefect.flow-run.Crashed")
    return [
        Alert("запуск не удался", failed, f"'Не удался запуск ' ~ {RUN} ~ ': ' ~ flow_run.state.message ~ ' ' ~ {LINK}", 60, pools),
        Alert(
            "служебный запуск опаздывает",
            ("prefect.flow-run.Late",),
            f"'Опаздывает запуск ' ~ {RUN} ~ '. Работает ли воркер? ' ~ {LINK}",
            900,
            house,
        ),
        Alert("вебхуки не доставлены", (alerts.DEAD_LETTERS,), MESSAGE, 600),
        Alert("очередь растёт", (alerts.OLD_QUEUE,), MESSAGE, 3600),
        Alert("сбой снаружи", (alerts.OUTAGE,), MESSAGE, 3600),
        Alert("ошибки в данных", (alerts.BAD_DATA,), MESSAGE, 3600),
    ]


def apply(prefect: PrefectApi, settings: Settings) -> None:
    """Make the automations what they should be: none without an address, each once with it; harmless when repeated."""
    present = {one["name"]: one["id"] for one in prefect.request("POST", "/automations/filter", {"limit": 200})}
    wanted: dict[str, dict[str, Any]] = {}
    if settings.alert_url is not None:
        block = _block(prefect, settings.alert_url.get_secret_value())
        wanted = {body["name"]: body for body in (alert.automation(block) for alert in alerts_of(settings))}
    for name, body in wanted.items():
        method, path = ("PUT", f"/automations/{present[name]}") if name in present else ("POST", "/automations/")
        prefect.request(method, path, body)
    for name in present.keys() - wanted.keys():
        if name.startswith(PREFIX):
            prefect.request("DELETE", f"/automations/{present[name]}")


def _block(prefect: PrefectApi, url: str) -> str:
    """The id of the block that holds the address."""
    data = {"method": "POST", "url": url, "headers": {"Content-Type": "application/json"}}
    try:
        known = prefect.request("GET", f"/block_types/slug/webhook/block_documents/name/{BLOCK}")
    except NotFound:
        return _new_block(prefect, data)
    prefect.request("PATCH", f"/block_documents/{known['id']}", {"data": data, "merge_existing_data": False})
    return str(known["id"])


def _new_block(prefect: PrefectApi, data: dict[str, Any]) -> str:
    kind = prefect.request("GET", "/block_types/slug/webhook")["id"]
    schema = prefect.request("POST", "/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind]}}})[0]["id"]
    body = {"name": BLOCK, "data": data, "block_type_id": kind, "block_schema_id": schema}
    return str(prefect.request("POST", "/block_documents/", body)["id"])
