"""prefect.yaml: every entrypoint really imports, and the resident worker knows every flow."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.resident import FLOWS

ROOT = Path(__file__).parents[2]
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


def flow_of(entrypoint: str) -> Any:
    path, _, name = entrypoint.partition(":")
    return getattr(import_module(path.removesuffix(".py").replace("/", ".")), name)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["entrypoint"])
def test_an_entrypoint_is_a_flow_that_the_worker_runs(deployment: dict[str, Any]) -> None:
    flow = flow_of(deployment["entrypoint"])
    module, _, attribute = FLOWS[flow.name].partition(":")
    assert getattr(import_module(module), attribute) is flow


def test_the_worker_offers_nothing_that_is_not_deployed() -> None:
    assert {flow_of(d["entrypoint"]).name for d in DEPLOYMENTS} == set(FLOWS)


def test_no_flow_hides_a_room_or_the_standard_library() -> None:
    # Prefect puts flows/ first on the path of a process run: a flows/tasks.py would hide tasks/.
    taken = sys.stdlib_module_names | {folder.name for folder in ROOT.iterdir() if folder.is_dir()}
    assert not taken & {path.stem for path in (ROOT / "flows").glob("*.py")}


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["entrypoint"])
def test_a_run_never_carries_more_than_ids(deployment: dict[str, Any]) -> None:
    parameters = flow_of(deployment["entrypoint"]).parameters.properties
    assert not {"audio_url", "url", "key", "api_key", "secret"} & set(parameters)


def test_nothing_depends_on_a_slot_of_the_server() -> None:
    # A server that is killed loses its leases and keeps the slots taken: the deployment would never run again.
    assert not [d for d in DEPLOYMENTS if "concurrency_limit" in d]
