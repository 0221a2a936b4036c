"""A Prefect API as far as a deletion needs one: flow runs by tag, their task runs and artifacts, and all of them deleted one by one."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.peers.serving import Serving

Thing = dict[str, Any]
LONG_AGO = "2020-01-01T00:00:00+00:00"
USUAL: Thing = {
    "expected_start_time": LONG_AGO,
    "infrastructure_pid": None,
    "work_pool_name": "calls",
    "work_queue_name": "default",
    "flow_id": "f",
}


class RunsPeer(Serving):
    """`runs`, `tasks` and `artifacts` by id; while `down` every answer is 503."""

    def __init__(self) -> None:
        self.runs: dict[str, Thing] = {}
        self.tasks: dict[str, Thing] = {}
        self.artifacts: dict[str, Thing] = {}
        self.down = False
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.peer = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api"

    def run(self, run_id: str, call_id: str, created: str, state: str = "COMPLETED", since: str = LONG_AGO) -> None:
        """Add a run of the call, in this state `since` then, with one task and one artifact."""
        self.runs[run_id] = USUAL | {
            "id": run_id,
            "tags": [f"call:{call_id}", "manager:m"],
            "created": created,
            "state": {"type": state, "name": state.title(), "timestamp": since},
            "parameters": {"call_id": call_id},
        }
        self.tasks[f"task-{run_id}"] = {"id": f"task-{run_id}", "flow_run_id": run_id}
        self.artifacts[f"artifact-{run_id}"] = {"id": f"artifact-{run_id}", "flow_run_id": run_id}

    def find(self, kind: str, asked: Thing) -> list[Thing]:
        """What a filter names, from `offset`, at most `limit`."""
        if kind == "flow_runs":
            wanted = set(asked["flow_runs"]["tags"]["all_"])
            found = [thing for thing in self.runs.values() if wanted <= set(thing["tags"])]
        else:
            wanted = set(asked["artifacts"]["flow_run_id"]["any_"])
            found = [thing for thing in self.artifacts.values() if thing["flow_run_id"] in wanted]
        return found[asked["offset"] :][: asked["limit"]]

    def delete(self, kind: str, thing_id: str) -> bool:
        """Whether it was there; tasks go with their run."""
        if kind == "flow_runs":
            self.tasks = {name: task for name, task in self.tasks.items() if task["flow_run_id"] != thing_id}
        return {"flow_runs": self.runs, "artifacts": self.artifacts}[kind].pop(thing_id, None) is not None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    peer: RunsPeer


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, True)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._answer(200, self.server.peer.find(self.path.split("/")[2], asked))

    def do_DELETE(self) -> None:
        _, _, kind, thing_id = self.path.split("/")
        self._answer(204 if self.server.peer.delete(kind, thing_id) else 404, None)

    def _answer(self, status: int, body: Any) -> None:
        status = 503 if self.server.peer.down else status
        content = b"" if status == 204 else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        return
