"""A night under a real Prefect server: what breaks is seen, and keeps nothing else from being done."""

from __future__ import annotations

import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed

from flows.keep_up import HOUSE_TAG, keep_up
from tests.flows.conftest import Worker

pytestmark = pytest.mark.slow  # a server starts in ten seconds


@pytest.mark.parametrize("broken", [False, True])
def test_a_night_shows_what_broke_and_forgets_old_runs_all_the_same(worker: Worker, broken: bool) -> None:
    settings = worker.runtime.settings = worker.runtime.settings.model_copy(update={"house_run_keep_seconds": 0.0})
    if broken:
        (settings.root / "exports").parent.mkdir(parents=True, exist_ok=True)
        (settings.root / "exports").touch()  # where a folder has to be
    with get_client(sync_client=True) as client:
        old = client.create_flow_run(keep_up, tags=[HOUSE_TAG], state=Completed())
        state = worker.work(keep_up, worker.run(keep_up))
        with pytest.raises(ObjectNotFound):
            client.read_flow_run(old.id)
    assert (state.is_failed(), "months: FileExistsError" in str(state.message)) == (broken, broken)
