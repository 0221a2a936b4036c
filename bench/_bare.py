"""The rival of the ingress bench: the shortest FastAPI application that stores a posted call in SQLite and looks one up.

Beside it, so that one more process can play Prefect: the two requests that start a flow run.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from typing import Annotated

from fastapi import FastAPI, Form, HTTPException

app = FastAPI()
_local = threading.local()


def _database() -> sqlite3.Connection:
    """One connection a thread, as durable as ours: an answered call survives a power cut."""
    if not hasattr(_local, "connection"):
        connection = sqlite3.connect(os.environ["BARE_DATABASE"], timeout=30)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        columns = "call_id TEXT PRIMARY KEY, manager_id TEXT, deal_id TEXT, deal_stage_id TEXT, audio_url TEXT"
        connection.execute(f"CREATE TABLE IF NOT EXISTS calls ({columns})")
        _local.connection = connection
    found: sqlite3.Connection = _local.connection
    return found


@app.post("/api/v1/calls/audio-upload")
def upload(
    call_id: Annotated[str, Form()],
    manager_id: Annotated[str, Form()],
    deal_id: Annotated[str, Form()],
    deal_stage_id: Annotated[str, Form()],
    audio_url: Annotated[str, Form()],
) -> dict[str, str]:
    with _database() as connection:
        connection.execute("INSERT INTO calls VALUES (?, ?, ?, ?, ?)", (call_id, manager_id, deal_id, deal_stage_id, audio_url))
    return {"status": "queued", "call_id": call_id}


@app.get("/api/v1/tables/call-ready")
def ready(tab: str, call: str) -> dict[str, str]:
    row = _database().execute("SELECT manager_id FROM calls WHERE call_id = ?", (call,)).fetchone()
    if row is None:
        raise HTTPException(404)
    return {"table": tab, "manager_id": row[0]}


@app.get("/api/deployments/name/{flow}/{name}")
def deployment(flow: str, name: str) -> dict[str, str]:
    return {"id": f"{flow}-{name}"}


@app.post("/api/deployments/{deployment_id}/create_flow_run")
def run(deployment_id: str) -> dict[str, str]:
    return {"id": deployment_id}
