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

from core.settings import Settings
from deploy import scale_out
from rop.cli import app

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = ("1.32", "1.34", "1.36")
EXPOSURE = 20  # of 100, by `systemd-analyze security`; a unit without any measure has 96
LONG_LIVED = ("Deployment", "StatefulSet", "DaemonSet")
BIN = Path(sys.executable).parent


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


def test_kustomize_builds_all_of_it() -> None:
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


def test_compose_follows_the_usual_rules_of_safety() -> None:
    # CL-0019 asks for image digests, which every house takes from its own registry.
    done = subprocess.run(
        [BIN / "compose-lint", "check", "--fail-on", "low", DEPLOY / "compose.yaml"], capture_output=True, text=True, check=False
    )
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
        judge = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", unit]
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
    config = next(m["data"] for m in manifests() if m["kind"] == "ConfigMap")
    image = set(re.findall(r"\b((?:ROP|PREFECT)_[A-Z_]+)=", (DEPLOY / "Dockerfile").read_text()))
    named = {
        *example(),
        *config,
        *image,
        *compose()["x-hosts"],
        *(entry["name"] for _, spec in pods() for one in containers(spec) for entry in one.get("env", ())),
    }
    assert {name for name in named if name.startswith(("ROP_", "PREFECT_"))} <= known | elsewhere


def test_several_prefect_servers_share_the_same_everywhere() -> None:
    config = next(m["data"] for m in manifests() if m["kind"] == "ConfigMap")
    for told in (example(), config):
        assert told.items() >= scale_out.REDIS_MODULES.items() | scale_out.MIGRATED.items()


def test_the_image_leaves_out_what_is_not_the_product() -> None:
    kept = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    assert all((ROOT / name).exists() for name in kept)
    assert not kept & {"tests", "bench", "docs", "scripts", "research"}
