"""What is in `deploy/` would be taken by what it is for: Kubernetes, compose, systemd, and our own settings."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from compose_spec import PyCompose
from prefect.settings import Settings as PrefectSettings
from prefect.settings.legacy import _get_valid_setting_names
from sqlalchemy.pool import QueuePool

from core.settings import Settings
from db.engine import Database
from deploy import scale_out
from rop import deploy, stack
from rop.cli import app

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = ("1.32", "1.34", "1.36")
EXPOSURE = 20  # of 100, by `systemd-analyze security`; a unit without any measure has 96
LONG_LIVED = ("Deployment", "StatefulSet", "DaemonSet")
BIN = Path(sys.executable).parent
HOME = "/var/lib/rop"  # the only folder that is written
OUTSIDE = {"api", "worker", "house", "prefect-services"}  # they fetch recordings, deliver webhooks, post alerts
PRIVACY = {"PREFECT_SERVER_ANALYTICS_ENABLED", "DO_NOT_TRACK", "GX_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY"}


def manifests() -> list[dict[str, Any]]:
    files = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    return [document for file in files if file.name != "kustomization.yaml" for document in yaml.safe_load_all(file.read_text())]


def pods() -> list[tuple[str, dict[str, Any]]]:
    return [
        (m["metadata"]["name"], m["spec"]["template"]["spec"]) for m in manifests() if "template" in m["spec" if "spec" in m else "kind"]
    ]


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [*spec.get("initContainers", ()), *spec["containers"]]


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def example() -> dict[str, str]:
    lines = (DEPLOY / "rop.env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def config() -> dict[str, str]:
    found: dict[str, str] = next(m["data"] for m in manifests() if m["kind"] == "ConfigMap")
    return found


def image() -> dict[str, str]:
    """What the image tells every process."""
    environment = re.findall(r"^ENV PATH=.*(?:\n    .*)*", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)[0]
    return dict(re.findall(r"(\w+)=(\S+)", environment))


def whole_stack() -> dict[str, str]:
    """What `rop up` tells every process."""
    return stack.environment(Settings(), stack.Addresses("http://127.0.0.1:8000", "http://127.0.0.1:4200"))


def unit_lines(key: str) -> dict[str, list[str]]:
    """The values of that key in every unit."""
    files = (DEPLOY / "systemd").iterdir()
    return {file.name: re.findall(rf"^{key}=(.*)$", file.read_text(), re.MULTILINE) for file in files}


def commands() -> Iterator[list[str]]:
    """Every command line of ours, wherever it stands."""
    yield from (one["command"] for _, spec in pods() for one in containers(spec))
    yield from (
        service["command"]
        for service in compose()["services"].values()
        if service["image"].startswith("digital-rop") and "command" in service
    )
    for unit in (DEPLOY / "systemd").iterdir():
        yield from (line.partition("=")[2].split() for line in unit.read_text().splitlines() if line.startswith("ExecStart"))
    yield yaml.safe_load(re.findall(r"^CMD (.*)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)[0])


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_knows_every_field(version: str) -> None:
    for manifest in manifests():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_kustomization_lists_every_file() -> None:
    listed = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())["resources"]
    assert sorted([*listed, "kustomization.yaml"]) == sorted(file.name for file in (DEPLOY / "kubernetes").iterdir())


@pytest.mark.parametrize(("name", "spec"), pods(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_pod_may_do_no_more_than_it_must(name: str, spec: dict[str, Any]) -> None:
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    for one in containers(spec):
        context = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        assert one["securityContext"] == context
        assert {mount["mountPath"] for mount in one["volumeMounts"]} == {"/var/lib/rop", "/tmp"}
        assert one["resources"].keys() == {"requests", "limits"}
        assert not [entry for entry in one.get("env", ()) if re.search("SECRET|PASSWORD|KEY|AUTH", entry["name"])]


def test_everything_that_serves_has_probes_and_a_budget() -> None:
    budgets = {m["spec"]["selector"]["matchLabels"]["app"] for m in manifests() if m["kind"] == "PodDisruptionBudget"}
    lasting = {m["metadata"]["name"]: m["spec"] for m in manifests() if m["kind"] in LONG_LIVED}
    single = {name for name, spec in lasting.items() if spec["strategy"].get("type") == "Recreate"}
    assert single == {"house", "prefect-services"}
    assert budgets == lasting.keys() - single
    for name in lasting.keys() - {"prefect-services"}:
        (one,) = lasting[name]["template"]["spec"]["containers"]
        assert one["livenessProbe"]
        assert one["startupProbe"]


def test_compose_knows_every_field_and_refers_to_what_is_there() -> None:
    given = PyCompose.from_yaml(yaml.safe_dump(compose()))  # it knows no merge keys
    given.validate()
    given.to_spec()


def test_compose_follows_the_usual_rules_of_safety(tmp_path: Path) -> None:
    checked = shutil.copy(DEPLOY / "compose.yaml", tmp_path)  # a checkout below /root would be a mount of /root
    # CL-0019 asks for image digests, which every house takes from its own registry.
    done = subprocess.run([BIN / "compose-lint", "check", "--fail-on", "low", checked], capture_output=True, text=True, check=False)
    assert set(re.findall(r"CL-\d{4}", done.stdout)) <= {"CL-0019"}


def test_the_image_follows_the_usual_rules() -> None:
    done = subprocess.run([BIN / "hadolint", DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The units with this checkout in the place of /opt/rop, instances named."""
    root, binaries = tmp_path / "rop", tmp_path / "bin"  # a unit takes no path with a space
    root.symlink_to(ROOT)
    binaries.symlink_to(BIN)
    for unit in (DEPLOY / "systemd").iterdir():
        path = tmp_path / unit.name.replace("@.", "@1.")
        path.write_text(unit.read_text().replace("/opt/rop/.venv/bin", str(binaries)).replace("/opt/rop", str(root)))
    return sorted(tmp_path.glob("*.service"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_units_and_finds_them_closed(units: list[Path]) -> None:
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for unit in units:
        judge = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", str(unit)]
        assert subprocess.run(judge, capture_output=True, check=False).returncode == 0, unit.name


def test_every_command_exists() -> None:
    ours = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    scripts = {entry.name for entry in entry_points(group="console_scripts")}
    for command in commands():
        program, *arguments = command
        assert Path(program).name in scripts
        if Path(program).name == "rop":
            assert arguments[0] in ours


def test_every_setting_exists() -> None:
    known = {f"ROP_{name.upper()}" for name in Settings.model_fields} | set(_get_valid_setting_names(PrefectSettings))
    elsewhere = {"PREFECT_REDIS_MESSAGING_URL", "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL"}  # of prefect-redis
    named = {
        *example(),
        *config(),
        *image(),
        *compose()["x-hosts"],
        *(entry["name"] for _, spec in pods() for one in containers(spec) for entry in one.get("env", ())),
    }
    assert {name for name in named if name.startswith(("ROP_", "PREFECT_"))} <= known | elsewhere


def test_several_prefect_servers_share_the_same_everywhere() -> None:
    for told in (example(), config()):
        assert told.items() >= scale_out.REDIS_MODULES.items() | scale_out.MIGRATED.items()


def test_the_image_leaves_out_what_is_not_the_product() -> None:
    kept = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    assert all((ROOT / name).exists() for name in kept)
    assert not kept & {"tests", "bench", "docs", "scripts", "research"}


def test_the_pages_of_prefect_lie_where_the_server_may_write() -> None:
    # Prefect copies them beside its own code otherwise, which is read-only: every page would be 404.
    assert image()["PREFECT_UI_STATIC_DIRECTORY"].startswith(f"{HOME}/")
    assert whole_stack()["PREFECT_UI_STATIC_DIRECTORY"].startswith(whole_stack()["ROP_HOME"])
    servers = [name for name, started in unit_lines("ExecStart").items() if "prefect server start" in started[0]]
    assert servers
    for name in servers:
        assert f"PREFECT_UI_STATIC_DIRECTORY={HOME}/prefect/ui" in " ".join(unit_lines("Environment")[name]).split()


def test_a_browser_asks_the_host_that_its_page_came_from() -> None:
    for told in (example(), config(), compose()["x-hosts"]):
        assert told["PREFECT_API_URL"].startswith("http://")  # a name that only the processes know
        assert told["PREFECT_UI_API_URL"] == "/api"


def test_links_for_people_lead_somewhere() -> None:
    for told in (example(), config()):
        assert {"ROP_PUBLIC_URL", "ROP_PREFECT_UI_URL", "PREFECT_UI_URL"} <= told.keys()
        assert told["ROP_PREFECT_UI_URL"] == told["PREFECT_UI_URL"]
        assert "CHANGE_ME" in told["ROP_PUBLIC_URL"]


def test_every_file_that_compose_wants_is_told_of_and_kept_to_the_house() -> None:
    header = (DEPLOY / "compose.yaml").read_text().partition("\nname:")[0]
    files = {secret["file"] for secret in compose()["secrets"].values()} | set(compose()["x-image"]["env_file"])
    assert files == {"postgres_password", "rop.env"}
    for name in files:
        assert f"> deploy/{name}" in header or f".example deploy/{name}" in header
        assert f"/deploy/{name}" in (ROOT / ".gitignore").read_text().splitlines()
        ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
        assert ignored.index(f"deploy/{name}") > ignored.index("!deploy")  # the last match counts


def test_compose_builds_its_image_and_says_how_to_build_it_anew() -> None:
    header, services = (DEPLOY / "compose.yaml").read_text().partition("\nname:")[0], compose()["services"]
    assert [name for name, service in services.items() if "build" in service] == re.findall(
        "built here, see `(.*)`", DEPLOY.joinpath("compose.yaml").read_text()
    )
    assert all("--build" in line for line in header.splitlines() if " up " in line)


def test_compose_lets_out_who_speaks_to_others() -> None:
    networks, services = compose()["networks"], compose()["services"]
    assert networks["inside"]["internal"]
    assert not networks["outside"]
    out = {name for name, service in services.items() if "outside" in service["networks"]}
    assert out == OUTSIDE | {"prefect"}  # a port of the host needs a network that is not internal


def test_the_files_that_a_worker_keeps_in_memory_leave_it_enough() -> None:
    worker = compose()["services"]["worker"]
    files = sum(int(size) for one in worker["tmpfs"] for size in re.findall(r"size=(\d+)g", one))
    assert int(worker["mem_limit"].removesuffix("g")) >= files + 2  # the process itself with two long calls
    assert not [volume for _, spec in pods() for volume in spec["volumes"] if "medium" in volume.get("emptyDir", {})]


def test_a_large_model_is_downloaded_beside_its_former_copy() -> None:
    homes = {
        name: volume["emptyDir"] for name, spec in pods() for volume in spec["volumes"] if volume["name"] == "home" and name == "worker-gpu"
    }
    assert int(homes["worker-gpu"]["sizeLimit"].removesuffix("Gi")) >= 2 * 3 + 4  # eight calls with their samples, and the rest


def test_postgresql_takes_every_connection_that_its_processes_may_open() -> None:
    pool = Database("postgresql://rop@postgres/rop").engine.pool
    assert isinstance(pool, QueuePool)
    theirs = PrefectSettings().server.database.sqlalchemy
    assert (pool.size() + pool._max_overflow, theirs.pool_size + theirs.max_overflow) == (20, 15), "docs/*/sizing.md reckon with them"
    command = " ".join(compose()["services"]["postgres"]["command"])
    allowed = int(command.partition("max_connections=")[2])
    assert allowed >= 2 * 24 + 5 * 20 + 2 * 17


def test_what_ended_well_stays_down() -> None:
    assert unit_lines("Restart")["rop.service"] == ["on-failure"]


def test_nobody_works_before_the_schema_is_there() -> None:
    after = {name: " ".join(lines).split() for name, lines in unit_lines("After").items()}
    assert {name for name, units in after.items() if "rop-deploy.service" in units} == {"rop-house.service", "rop-worker@.service"}


def test_a_fleet_gets_its_deployments_everywhere() -> None:
    started = unit_lines("ExecStart")
    assert [name for name, lines in started.items() if lines == ["/opt/rop/.venv/bin/rop deploy"]] == ["rop-deploy.service"]
    assert ["rop", "deploy"] in [one["command"] for _, spec in pods() for one in containers(spec)]
    assert compose()["services"]["deploy"]["command"] == ["rop", "deploy"]


def test_prefect_remembers_as_long_in_a_fleet_as_on_one_machine() -> None:
    remembers = deploy.server_environment(Settings(prefect_auth=None))
    assert len(remembers) == 3
    for told in (example(), config()):
        assert told.items() >= remembers.items()


def test_nothing_reports_home_from_anywhere() -> None:
    wanted = {name: value for name, value in whole_stack().items() if name in PRIVACY}
    assert wanted.keys() == PRIVACY
    for told in (image(), example()):
        assert told.items() >= wanted.items()


def test_deployments_take_the_pools_and_queues_of_the_settings() -> None:
    names = deploy.pools(Settings(work_pool="other"))
    assert names["ROP_WORK_POOL"] == "other"
    for one in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]:
        for value in one["work_pool"].values():
            assert re.sub(r"^{{ \$(\w+) }}$", r"\1", value) in names


def test_both_languages_give_the_same_commands() -> None:
    texts = [(ROOT / "docs" / language / "operations.md").read_text() for language in ("en", "ru")]
    english, russian = ([line.partition("  #")[0].rstrip() for line in re.findall(r"^\$ .*$", text, re.MULTILINE)] for text in texts)
    assert english == russian


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_second_worker_is_told_what_the_first_is_told(language: str) -> None:
    document = (ROOT / "docs" / language / "operations.md").read_text()
    told = dict(one.split("=", 1) for line in re.findall(r"^\$ export (.*)$", document, re.MULTILINE) for one in line.split())
    first = whole_stack()
    home = first["ROP_HOME"]
    assert told.keys() >= {"ROP_HOME", "PREFECT_HOME", "ROP_PREFECT_API_URL", "PREFECT_API_URL", "OMP_NUM_THREADS"}
    assert {name: value.replace("DIR", home) for name, value in told.items()}.items() <= first.items()
