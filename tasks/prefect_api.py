"""The few REST calls to Prefect that start and move runs. No Prefect import: the ingress must stay light."""

from __future__ import annotations

from typing import Any

import httpx

from core.errors import NotFound, Unavailable
from core.settings import Settings


class PrefectUnavailable(Unavailable):
    """The Prefect API did not answer; the call is stored and the reconciler starts it later."""

    code = "prefect_unavailable"


class PrefectApi:
    """A client of the Prefect API that the settings name; every request is bounded by `prefect_seconds`. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        login = settings.prefect_auth.get_secret_value().partition(":") if settings.prefect_auth else None
        self._client = httpx.Client(
            base_url=settings.prefect_api_url,
            timeout=settings.prefect_seconds,
            auth=httpx.BasicAuth(login[0], login[2]) if login else None,
            trust_env=False,
        )
        self._deployments: dict[str, str] = {}

    def start(self, deployment: str, parameters: dict[str, Any], *, key: str, name: str, tags: list[str], queue: str | None = None) -> str:
        """Create a flow run of `flow/deployment`, once per idempotency `key`; its id."""
        body = {"parameters": parameters, "idempotency_key": key, "name": name, "tags": tags, "state": {"type": "SCHEDULED"}}
        if queue:
            body["work_queue_name"] = queue
        try:
            answer = self._post(f"/deployments/{self._deployment(deployment)}/create_flow_run", body)
        except NotFound:
            # Deployed anew under another id: look it up once more.
            self._deployments.pop(deployment, None)
            answer = self._post(f"/deployments/{self._deployment(deployment)}/create_flow_run", body)
        return str(answer["id"])

    def requeue(self, flow_run_id: str, message: str) -> None:
        """Schedule an existing run again, whatever its state; raises `NotFound` when Prefect does not know it."""
        state = {"type": "SCHEDULED", "name": "AwaitingRetry", "message": message}
        self._post(f"/flow_runs/{flow_run_id}/set_state", {"state": state, "force": True})

    def ensure_pool(self, name: str, kind: str) -> None:
        """Create the work pool unless it exists."""
        try:
            self._request("GET", f"/work_pools/{name}")
        except NotFound:
            self._post("/work_pools/", {"name": name, "type": kind})

    def ensure_queue(self, pool: str, name: str, priority: int) -> None:
        """Create the queue of the pool unless it exists; a lower `priority` is served first."""
        try:
            self._request("GET", f"/work_pools/{pool}/queues/{name}")
        except NotFound:
            self._post(f"/work_pools/{pool}/queues", {"name": name, "priority": priority})

    def has_worker(self, pool: str) -> bool:
        """Whether a worker of the pool is online."""
        workers = self._post(f"/work_pools/{pool}/workers/filter", {"workers": {"status": {"any_": ["ONLINE"]}}})
        return bool(workers)

    def healthy(self) -> bool:
        """Whether the API answers."""
        try:
            return self._client.get("/health").is_success
        except httpx.HTTPError:
            return False

    def close(self) -> None:
        self._client.close()

    def _deployment(self, name: str) -> str:
        if name not in self._deployments:
            self._deployments[name] = str(self._request("GET", f"/deployments/name/{name}")["id"])
        return self._deployments[name]

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return self._request("POST", path, body)

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            answer = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise PrefectUnavailable from error
        if answer.status_code == 404:
            raise NotFound(ru="Prefect не знает такого объекта.", en=f"Prefect does not know {path}.")
        if not answer.is_success:
            raise PrefectUnavailable(status=answer.status_code)
        return answer.json() if answer.content else None
