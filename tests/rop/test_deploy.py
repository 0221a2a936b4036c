"""Everything that `rop deploy` brings to a real Prefect server that asks for a password, and that it is really obeyed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from prefect import flow, task
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect.settings import Settings as PrefectSettings

from checklists.definitions import Checklist
from core import clock
from core.errors import Cancelled, PermanentError, RateLimited, Unreachable
from core.settings import Settings
from db import calls, migrate
from rop import automations, deploy
from tasks import alerts, budget
from tasks import lease as leases
from tasks import runtime as runtimes
from tasks.dispatch import try_draft
from tasks.engines.analyst import Context
from tasks.policy import RETRIED
from tasks.prefect_api import LLM_LIMIT, NO_VARIABLES, PrefectApi, PrefectUnavailable
from tasks.runtime import Runtime
from tests.peers import prefect_server
from tests.peers.llm_peer import LlmPeer, answer, good
from tests.peers.prefect_peer import PrefectPeer
from tests.peers.talks import sale
from tests.peers.waiting import eventually
from tests.peers.webhook_peer import WebhookPeer

pytestmark = pytest.mark.e2e  # the server and two deployments take half a minute
LOGIN = "ops:s3cret:with:colons"


@pytest.fixture(scope="module")
def chat() -> Iterator[WebhookPeer]:
    with WebhookPeer() as peer:
        yield peer


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, chat: WebhookPeer) -> Iterator[Settings]:
    """The settings of a server that was deployed to twice."""
    home = tmp_path_factory.mktemp("prefect")
    wanted = Settings(home=home, prefect_auth=LOGIN, alert_url=chat.url("/alerts"), llm_per_minute=60)
    with prefect_server.running(home, wanted) as url:
        settings = wanted.model_copy(update={"prefect_api_url": url})
        environment = deploy.client_environment(settings) | {"PREFECT_HOME": str(home)}
        for _ in range(2):
            deploy.apply(settings, environment)
        yield settings


@pytest.fixture
def prefect(deployed: Settings) -> Iterator[PrefectApi]:
    with closing(PrefectApi(deployed)) as client:
        yield client


@pytest.fixture
def client_settings(deployed: Settings) -> Iterator[None]:
    """This process as a worker of that server; Prefect would go on sending events to the server of an earlier test."""
    EventsWorker.drain_all(timeout=10)
    with temporary_settings({PREFECT_API_URL: deployed.prefect_api_url, PREFECT_API_AUTH_STRING: LOGIN}):
        yield
        EventsWorker.drain_all(timeout=10)


def test_prefect_understands_how_long_it_shall_remember(monkeypatch: pytest.MonkeyPatch) -> None:
    told = deploy.server_environment(Settings(run_keep_seconds=7200, event_keep_seconds=5400))
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    server = PrefectSettings().server
    assert server.services.db_vacuum.enabled_vacuum_types == {"events", "flow_runs", "orphans"}
    assert server.services.db_vacuum.retention_period.total_seconds() == 7200
    assert server.events.retention_period.total_seconds() == 5400


def test_nobody_gets_in_without_the_password(deployed: Settings) -> None:
    with closing(PrefectApi(deployed.model_copy(update={"prefect_auth": None}))) as stranger, pytest.raises(PrefectUnavailable) as refused:
        stranger.cancelling()
    assert refused.value.fields == {"status": 401}


def test_the_password_is_in_no_log(deployed: Settings) -> None:
    assert not [path for path in Path(deployed.home).rglob("*.log") if "s3cret" in path.read_text()]


def test_everything_is_there_once(prefect: PrefectApi) -> None:
    names = [one["name"] for one in prefect.request("POST", "/automations/filter", {"limit": 200})]
    assert sorted(names) == sorted(automations.PREFIX + one.name for one in automations.alerts_of(Settings()))
    deployments = prefect.request("POST", "/deployments/filter", {})
    assert len(deployments) == len({(one["flow_id"], one["name"]) for one in deployments}) >= 10
    scheduled = {one["description"] for one in deployments if one["schedules"]}
    assert len(scheduled) == 6


def test_trials_that_go_on_leave_places_to_the_housekeeping(prefect: PrefectApi, deployed: Settings) -> None:
    for number in range(4):
        try_draft(prefect, f"trial-{number}")
    given = _given(prefect, deployed)
    assert len(given) == deployed.trials_at_once == 2
    for run in given:
        prefect.force(run, "RUNNING", "a test")
    assert _given(prefect, deployed) == []
    prefect.force(given[0], "COMPLETED", "a test")
    assert len(_given(prefect, deployed)) == 1


def _given(prefect: PrefectApi, settings: Settings) -> list[str]:
    """The trials that free workers of the house would be given now."""
    wanted = {"limit": 10, "work_queue_names": [settings.trial_queue]}
    return [one["flow_run"]["id"] for one in prefect.request("POST", f"/work_pools/{settings.house_pool}/get_scheduled_flow_runs", wanted)]


@pytest.mark.parametrize(("kind", "renewed"), [("resident", True), ("kubernetes", False)])
def test_only_a_pool_of_our_kind_gets_the_job_template_of_this_version(prefect: PrefectApi, kind: str, renewed: bool) -> None:
    earlier = {"job_configuration": {"env": {}}, "variables": {"type": "object", "properties": {"image": {"type": "string"}}}}
    prefect.request("POST", "/work_pools/", {"name": f"of-{kind}", "type": kind, "base_job_template": earlier, "concurrency_limit": 3})
    prefect.ensure_pool(f"of-{kind}")
    pool = prefect.request("GET", f"/work_pools/of-{kind}")
    assert (pool["base_job_template"] == NO_VARIABLES) is renewed
    assert (pool["type"], pool["concurrency_limit"]) == (kind, 3)


def test_a_first_look_for_lost_calls_is_scheduled(prefect: PrefectApi) -> None:
    runs = prefect.request("POST", "/flow_runs/filter", {"flow_runs": {"name": {"any_": ["сверка"]}}})
    assert any(not one["auto_scheduled"] for one in runs)


def test_a_failed_run_is_told_to_the_chat(prefect: PrefectApi, chat: WebhookPeer) -> None:
    run = prefect.start("process-call/calls", {"call_id": "c 1"}, key="failed", name="c 1", tags=[])
    prefect.force(run, "RUNNING", "")
    prefect.force(run, "FAILED", 'Сервер "crm" не отдал запись')
    text = eventually(lambda: _told(chat, "Не удался"))
    assert "«c 1»" in text
    assert 'Сервер "crm" не отдал запись' in text
    assert run in text, "with a link"


def test_a_late_housekeeping_run_is_told_to_the_chat(prefect: PrefectApi, chat: WebhookPeer) -> None:
    run = prefect.start("reconcile/house", {}, key="late", name="сверка", tags=[])
    prefect.force(run, "SCHEDULED", "", "Late")
    assert run in eventually(lambda: _told(chat, "Опаздывает"))


@pytest.mark.usefixtures("client_settings")
def test_what_is_no_state_of_a_run_is_told_too(deployed: Settings, chat: WebhookPeer, tmp_path: Path) -> None:
    runtime = Runtime(deployed.model_copy(update={"home": tmp_path}))
    migrate.upgrade(runtime.database)
    new = calls.NewCall("c1", "m", "d", "s", "http://crm/a.mp3", None)
    with runtime.database.begin() as session:
        calls.accept(session, new, clock.now().replace(year=2020))
    alerts.dead_letters(0)
    alerts.dead_letters(3)
    alerts.watch_queue(runtime)
    alerts.watch_outage(runtime)
    with runtime.database.begin() as session:
        token = calls.claim(session, "c1", "run", clock.now(), 60).token
        calls.postpone(session, "c1", token, Unreachable(), clock.now() + timedelta(hours=1), clock.now() - timedelta(hours=1))
    alerts.watch_outage(runtime)
    runtime.database.dispose()
    assert "3" in eventually(lambda: _told(chat, "Вебхуки"))
    assert eventually(lambda: _told(chat, "Звонок ждёт"))
    assert "unreachable (1)" in eventually(lambda: _told(chat, "Звонки отложены"))


def test_without_an_address_there_are_no_alerts(deployed: Settings, prefect: PrefectApi) -> None:
    own = automations.alerts_of(deployed)[0].automation(automations._block(prefect, "http://127.0.0.1:9")) | {"name": "a person's own"}
    prefect.request("POST", "/automations/", own)
    automations.apply(prefect, deployed.model_copy(update={"alert_url": None}))
    assert [one["name"] for one in prefect.request("POST", "/automations/filter", {"limit": 200})] == ["a person's own"]


def test_the_model_is_asked_no_more_often_than_the_budget_allows(prefect: PrefectApi, deployed: Settings) -> None:
    prefect.ensure_rate(LLM_LIMIT, 60)
    checklist = Checklist.model_validate(
        {"id": "a", "name": "А", "stages": [{"id": "s", "name": "С", "criteria": [{"id": "c", "ask": "Поздоровался"}]}]}
    )
    runtimes.use(Runtime(deployed))
    with LlmPeer(replies=[answer("не JSON"), good()] * 4) as peer:
        limited = Runtime(deployed.model_copy(update={"llm_url": peer.url})).analyst("openai")
        started = clock.monotonic()
        for _ in range(4):
            limited.check(sale(), checklist, Context(at=clock.now()))
    assert len(peer.asked) == 8, "each of the four questions was asked twice"
    assert clock.monotonic() - started >= 2, "five at once, then one a second"


def test_who_waits_for_a_turn_hears_cancel_and_is_given_the_time(prefect: PrefectApi, deployed: Settings, tmp_path: Path) -> None:
    settings = deployed.model_copy(update={"home": tmp_path})
    prefect.request("DELETE", f"/v2/concurrency_limits/{LLM_LIMIT}")
    prefect.ensure_rate(LLM_LIMIT, 1)
    runtime = Runtime(settings)
    migrate.upgrade(runtime.database)
    with runtime.database.begin() as session:
        calls.accept(session, calls.NewCall("c1", "m", "d", "s", "http://crm/a.mp3", None), clock.now())
    with runtime.holding(leases.claim(runtime.database, settings, "c1", "run"), "run") as lease:
        budget.wait_for_turn(settings)
        lease.enter("analysing", 1.5)
        threading.Timer(3, lease.stop, [Cancelled()]).start()
        begun = clock.monotonic()
        with pytest.raises(Cancelled):
            budget.wait_for_turn(settings)
        assert 3 <= clock.monotonic() - begun < 10, "twice the time of the step, which is not to blame"
    runtime.database.dispose()


def test_a_busy_prefect_is_asked_again_for_a_turn(deployed: Settings, tmp_path: Path) -> None:
    with PrefectPeer() as peer:
        peer.busy = 2
        budget.wait_for_turn(deployed.model_copy(update={"prefect_api_url": peer.url}))
    assert len(peer.bodies) == 3


def test_a_budget_that_nobody_made_stops_nothing(prefect: PrefectApi, deployed: Settings) -> None:
    prefect.request("DELETE", f"/v2/concurrency_limits/{LLM_LIMIT}")
    budget.wait_for_turn(deployed)


@pytest.mark.usefixtures("client_settings")
@pytest.mark.parametrize(("error", "tries", "seconds"), [(RateLimited(retry_after=1.5), 2, 1.5), (PermanentError(), 1, 0.0)])
def test_a_wish_to_wait_is_waited_out(settings: Settings, error: Exception, tries: int, seconds: float) -> None:
    runtimes.use(Runtime(settings))
    times: list[float] = []

    @task(**RETRIED | {"retry_delay_seconds": 0.01})
    def step() -> None:
        times.append(clock.monotonic())
        if len(times) == 1:
            raise error

    @flow
    def work() -> None:
        step(return_state=True)

    work(return_state=True)
    assert len(times) == tries
    assert times[-1] - times[0] >= seconds


def _told(chat: WebhookPeer, beginning: str) -> str | None:
    texts: list[str] = [json.loads(one.body)["text"] for one in chat.received]
    return next((text for text in texts if text.startswith(beginning)), None)
