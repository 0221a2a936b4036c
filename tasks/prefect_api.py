"""The few REST calls to Prefect that start and move runs. No Prefect import: the ingress must stay light."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

import httpx

from core import clock
from core.errors import NotFound, Unavailable
from core.settings import Settings
from core.transport import tls_context

BUSY = 503  # the server on SQLite could not write now; nothing was done
AWAY = {429, 502, 503, 504}  # what the server, or a proxy before it, says to everybody
BUSY_TRIES = 3
BUSY_SECONDS = 0.5
LOCKED = 423
LEAST_WAIT_SECONDS = 0.1
LLM_LIMIT = "llm"  # the global limit that language models are asked under
PAGE = 200  # the most runs that the server returns at once
DELETED_AT_ONCE = 50  # the most runs that it deletes at once
RESIDENT = "resident"  # the type of our own worker's pools
NO_VARIABLES = {"job_configuration": {"env": {}}, "variables": {"type": "object", "properties": {}}}  # each run has to pass this schema
KEEPALIVE_SECONDS = 2.0  # below the five after which the server closes a quiet connection, perhaps under the next request


class PrefectUnavailable(Unavailable):
    """The Prefect API did not answer; the call is stored and the reconciler starts it later."""

    code = "prefect_unavailable"


class PrefectRefused(PrefectUnavailable):
    """Prefect answers, and does not do this one thing; what else there is to do may go through."""


@dataclass(frozen=True)
class Run:
    """A flow run as Prefect has it: when made, state `type` (`RUNNING`, …), its time and name, when and where due, flow, worker, call."""

    id: str
    created: datetime
    type: str
    since: datetime
    due: datetime
    pool: str | None
    queue: str | None
    flow: str = ""
    worker: str = ""
    call_id: str = ""
    state: str = ""

    @classmethod
    def of(cls, body: dict[str, Any]) -> Self:
        """From the API's own form."""
        created = datetime.fromisoformat(body["created"])
        state = body["state"] or {"type": "PENDING", "timestamp": body["created"], "name": "Pending"}
        since = datetime.fromisoformat(state["timestamp"])
        due = datetime.fromisoformat(body.get("next_scheduled_start_time") or body["expected_start_time"] or body["created"])
        worker = (body["infrastructure_pid"] or "").rpartition(":")[0]
        call_id = str(body["parameters"].get("call_id", ""))
        pool, queue = body["work_pool_name"], body["work_queue_name"]
        return cls(body["id"], created, state["type"], since, due, pool, queue, body["flow_id"], worker, call_id, state["name"])


class PrefectApi:
    """A client of the Prefect API that the settings name; every request is bounded by `prefect_seconds`. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        login = settings.prefect_auth.get_secret_value().partition(":") if settings.prefect_auth else None
        self._client = httpx.Client(
            base_url=settings.prefect_api_url,
            timeout=settings.prefect_seconds,
            limits=httpx.Limits(keepalive_expiry=KEEPALIVE_SECONDS),
            auth=httpx.BasicAuth(login[0], login[2]) if login else None,
            verify=tls_context(settings),
            trust_env=False,
        )
        self._deployments: dict[str, str] = {}
        self._flows: dict[str, str] = {}

    def start(
        self,
        deployment: str,
        parameters: dict[str, Any],
        *,
        key: str,
        name: str,
        tags: list[str],
        queue: str | None = None,
        at: datetime | None = None,
    ) -> str:
        """Create a flow run of `flow/deployment` for now or for `at`, once per idempotency `key`; its id."""
        when = {"state_details": {"scheduled_time": at.isoformat()}} if at else {}
        body = {"parameters": parameters, "idempotency_key": key, "name": name, "tags": tags, "state": {"type": "SCHEDULED"} | when}
        if queue:
            body["work_queue_name"] = queue
        try:
            answer = self.request("POST", f"/deployments/{self._deployment(deployment)}/create_flow_run", body)
        except NotFound:
            # Deployed anew under another id: look it up once more.
            self._deployments.pop(deployment, None)
            answer = self.request("POST", f"/deployments/{self._deployment(deployment)}/create_flow_run", body)
        return str(answer["id"])

    def requeue(self, flow_run_id: str, message: str) -> None:
        """Schedule an existing run again, whatever its state; raises `NotFound` when Prefect does not know it."""
        self.force(flow_run_id, "SCHEDULED", message, "AwaitingRetry")

    def postpone(self, flow_run_id: str, name: str, message: str, due: datetime) -> None:
        """Let a run wait until `due` in a state of this name, unless it is being cancelled; raises `NotFound`."""
        state = {"type": "SCHEDULED", "name": name, "message": message, "state_details": {"scheduled_time": due.isoformat()}}
        self.request("POST", f"/flow_runs/{flow_run_id}/set_state", {"state": state})

    def force(self, flow_run_id: str, type: str, message: str, name: str | None = None) -> None:
        """Set the state of a run whatever its present one; raises `NotFound`."""
        state = {"type": type, "name": name, "message": message}
        self.request("POST", f"/flow_runs/{flow_run_id}/set_state", {"state": state, "force": True})

    def runs(self, flow_run_ids: Sequence[str]) -> dict[str, Run]:
        """What Prefect knows of these runs, by id; one that was deleted is missing."""
        found: dict[str, Run] = {}
        for start in range(0, len(flow_run_ids), PAGE):
            found |= {run.id: run for run in self._filter({"id": {"any_": list(flow_run_ids[start : start + PAGE])}})}
        return found

    def tagged(self, tag: str) -> list[Run]:
        """Every run with the tag."""
        return [Run.of(found) for found in self.pages("/flow_runs/filter", {"flow_runs": {"tags": {"all_": [tag]}}})]

    def cancelling(self) -> list[Run]:
        """Runs that were asked to stop and have not stopped."""
        return self._filter({"state": {"type": {"any_": ["CANCELLING"]}}})

    def going(self) -> list[Run]:
        """Runs that are being worked on, as far as Prefect knows, the oldest first."""
        return self._filter({"state": {"type": {"any_": ["PENDING", "RUNNING"]}}})

    def delete_completed(self, tag: str, older_seconds: float, limit: int) -> int:
        """Delete runs with the tag that ended well longer ago than this, at most about `limit`; how many."""
        before = (clock.now() - timedelta(seconds=older_seconds)).isoformat()
        wanted = {"tags": {"all_": [tag]}, "state": {"type": {"any_": ["COMPLETED"]}}, "end_time": {"before_": before}}
        count = 0
        while count < limit:
            gone = self.request("POST", "/flow_runs/bulk_delete", {"flow_runs": wanted, "limit": DELETED_AT_ONCE})["deleted"]
            count += len(gone)
            if len(gone) < DELETED_AT_ONCE:
                break
        return count

    def progress(self, flow_run_id: str) -> tuple[str, float]:
        """The state of a run, such as `RUNNING`, and the percentage it shows; raises `NotFound` when Prefect does not know it."""
        state = self.request("GET", f"/flow_runs/{flow_run_id}")["state_type"]
        shown = {"artifacts": {"flow_run_id": {"any_": [flow_run_id]}, "type": {"any_": ["progress"]}}, "sort": "CREATED_DESC", "limit": 1}
        found = self.request("POST", "/artifacts/filter", shown)
        return str(state), float(found[0]["data"]) if found else 0.0

    def ensure_pool(self, name: str) -> None:
        """A work pool for our own worker; one of another kind, such as `kubernetes`, is the operators' own and stays as it is."""
        template = {"base_job_template": NO_VARIABLES}
        try:
            kind = self.pool_kind(name)
        except NotFound:
            self.request("POST", "/work_pools/", {"name": name, "type": RESIDENT} | template)
            return
        if kind == RESIDENT:  # perhaps made by an earlier version
            self.request("PATCH", f"/work_pools/{name}", template)

    def ensure_queue(self, pool: str, name: str, priority: int, at_once: int | None = None) -> None:
        """Create the queue of the pool unless it exists; a lower `priority` is served first, `at_once` runs of it go on together."""
        limit = {"concurrency_limit": at_once} if at_once else {}  # one that somebody has set by hand is left alone
        try:
            self.request("PATCH", f"/work_pools/{pool}/queues/{name}", limit)
        except NotFound:
            self.request("POST", f"/work_pools/{pool}/queues", {"name": name, "priority": priority} | limit)

    def ensure_rate(self, name: str, per_minute: int) -> None:
        """A global limit that lets through `per_minute` slots a minute, in bursts of a twelfth; an earlier figure is replaced."""
        wanted = {"limit": max(per_minute // 12, 1), "slot_decay_per_second": per_minute / 60, "active": True}
        try:
            self.request("PATCH", f"/v2/concurrency_limits/{name}", wanted)
        except NotFound:
            self.request("POST", "/v2/concurrency_limits/", {"name": name} | wanted)

    def take_slot(self, name: str) -> float:
        """Take a slot of a global limit: 0, or the seconds after which to ask again.

        Raises:
            NotFound: nobody made the limit.
        """
        answer = self._asked("POST", "/v2/concurrency_limits/increment", {"names": [name], "slots": 1, "mode": "rate_limit"})
        if answer.status_code == LOCKED:
            return max(float(answer.headers["Retry-After"]), LEAST_WAIT_SECONDS)
        if not _content(answer):
            raise NotFound(ru="Prefect не знает такого предела.", en=f"Prefect does not know the limit {name}.")
        return 0.0

    def pool_kind(self, pool: str) -> str:
        """The type of the pool, such as `resident` or `kubernetes`."""
        return str(self.request("GET", f"/work_pools/{pool}")["type"])

    def workers(self, pool: str) -> list[str]:
        """The names of the workers of the pool that are online."""
        found = self.request("POST", f"/work_pools/{pool}/workers/filter", {"workers": {"status": {"any_": ["ONLINE"]}}})
        return [str(worker["name"]) for worker in found]

    def flow(self, name: str) -> str:
        """The id of the flow; raises `NotFound` when it was never deployed."""
        if name not in self._flows:
            self._flows[name] = str(self.request("GET", f"/flows/name/{name}")["id"])
        return self._flows[name]

    def healthy(self) -> bool:
        """Whether the API answers."""
        try:
            return self._client.get("/health").is_success
        except httpx.HTTPError:
            return False

    def close(self) -> None:
        self._client.close()

    def pages(self, path: str, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        """Everything that a filter finds, page by page."""
        found: list[dict[str, Any]] = []
        while page := self.request("POST", path, wanted | {"limit": PAGE, "offset": len(found)}):
            found += page
            if len(page) < PAGE:
                break
        return found

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One request below the API's address; its answer. Raises `NotFound`, `PrefectRefused` and `PrefectUnavailable`."""
        answer = self._asked(method, path, body)
        if answer.status_code == 404:
            raise NotFound(ru="Prefect не знает такого объекта.", en=f"Prefect does not know {path}.")
        return _content(answer)

    def _asked(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        """The answer; a server that is busy is asked again."""
        answer = self._send(method, path, body)
        for _ in range(BUSY_TRIES):
            if answer.status_code != BUSY:
                break
            time.sleep(BUSY_SECONDS)
            answer = self._send(method, path, body)
        return answer

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        try:
            return self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise PrefectUnavailable(why=type(error).__name__) from error

    def _deployment(self, name: str) -> str:
        if name not in self._deployments:
            self._deployments[name] = str(self.request("GET", f"/deployments/name/{name}")["id"])
        return self._deployments[name]

    def _filter(self, wanted: dict[str, Any]) -> list[Run]:
        body = {"flow_runs": wanted, "limit": PAGE, "sort": "EXPECTED_START_TIME_ASC"}
        return [Run.of(found) for found in self.request("POST", "/flow_runs/filter", body)]


def _content(answer: httpx.Response) -> Any:
    if not answer.is_success:
        raise (PrefectUnavailable if answer.status_code in AWAY else PrefectRefused)(status=answer.status_code)
    return answer.json() if answer.content else None
