"""The image and its manifests ask for nothing that they do not need, and the gateway runs with so little."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes import sandbox
from tests.fakes.config_tree import sound_config
from tests.fakes.processes import ask, free_port, wait_until
from tests.fakes.sandbox import UID, sandboxed
from wardgate.cli.check import examine
from wardgate.settings import read_settings

ROOT = Path(__file__).parents[2]
DATA = "/var/lib/wardgate"


def _dockerfile() -> list[tuple[str, str]]:
    """Instruction and argument, continued lines joined, comments left out."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in lines if line.strip()]


def _last(instruction: str) -> str:
    return [argument for name, argument in _dockerfile() if name == instruction][-1]


def _command(instruction: str) -> list[str]:
    """In exec form, as this machine runs it: its own interpreter, and not from within the repository."""
    found: list[str] = json.loads(re.sub(r"^.*?CMD (?=\[)", "", _last(instruction)))
    return [sys.executable if word == "/opt/wardgate/bin/python" else word for word in found]


def _environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for name, argument in _dockerfile() if name == "ENV" for pair in argument.split())


def test_the_image_is_pinned_and_has_a_user_of_its_own() -> None:
    """Both stages on one digest; hashes for every package; no package manager, no download, no secret."""
    bases = [argument.split()[0] for name, argument in _dockerfile() if name == "FROM"]
    assert len(bases) == 2 and len(set(bases)) == 1 and re.search(r"@sha256:[0-9a-f]{64}$", bases[0])
    assert _last("USER") == f"{UID}:{UID}" and _last("VOLUME") == DATA
    ran = [argument for name, argument in _dockerfile() if name == "RUN"]
    assert "--require-hashes -r requirements.lock" in ran[0]
    assert not re.search(r"apt|apk|curl|wget|http", " ".join(ran))
    final = _dockerfile()[[name for name, _ in _dockerfile()].index("FROM", 1) :]
    assert not {"RUN", "ADD", "ARG"} & {name for name, _ in final}, "the image itself runs nothing that needs a shell"
    assert not [name for name in _environment() if re.search("KEY|TOKEN|PASSWORD|SECRET", name)]


def test_the_image_takes_what_it_is_made_of_and_nothing_else() -> None:
    """No local configuration, spool or key can come into it by accident."""
    rules = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] not in ("", "#")]
    assert rules[0] == "*"
    copied = [argument.split()[0] for name, argument in _dockerfile() if name == "COPY" and "--from" not in argument]
    assert {f"!{name}" for name in copied} == {rule for rule in rules if rule.startswith("!")}


@contextmanager
def _running(folder: Path) -> "Iterator[tuple[subprocess.Popen[str], dict[str, str], Path]]":
    """The image's own command, under a read-only root; with what its health check needs, and its one folder."""
    admin, config, data = free_port(), folder / "image", folder / "data"
    data.mkdir()
    stores = f"stores: {{durable: 'sqlite:///{sandbox.DATA}/wardgate.db', spool: {sandbox.DATA}/spool}}"
    ports = [("port: 8080", f"port: {free_port()}"), ("port: 8081", f"port: {admin}")]
    sound_config(config, wardgate=[*ports, ("model_hosts:", f"{stores}\nmodel_hosts:")])
    environment = {**_environment(), "PATH": "/nonexistent"}
    environment["WARDGATE_HEALTH"] = environment["WARDGATE_HEALTH"].replace("8081", str(admin))
    started = [*_command("ENTRYPOINT"), *_command("CMD")]
    started[-1] = started[-1].replace("/config", f"{sandbox.CONFIG}/config")
    gateway = sandboxed(started, config, data, environment)
    try:
        yield gateway, environment, data
    finally:
        gateway.kill()
        gateway.communicate()


def test_the_gateway_runs_with_a_read_only_root_and_nothing_else(tmp_path: Path) -> None:
    """The image's entry point and health check: another user, no capability, no PATH; what it writes, in one folder."""
    with _running(tmp_path) as (gateway, environment, data):

        def healthy() -> bool:
            return subprocess.run(_command("HEALTHCHECK"), env=environment, capture_output=True).returncode == 0

        assert not healthy()
        wait_until(lambda: gateway.poll() is not None or ask(environment["WARDGATE_HEALTH"])[0] == 200, 60)
        assert gateway.poll() is None, gateway.communicate()
        status = Path(f"/proc/{gateway.pid}/status").read_text(encoding="utf-8")
        assert re.search(r"CapEff:\s+0+\n", status) and re.search(r"CapBnd:\s+0+\n", status)
        assert healthy()
        assert re.search(r"NoNewPrivs:\s+1\n", status)
        assert (data / "wardgate.db").stat().st_mode & 0o077 == 0 and (data / "spool").is_dir()
        gateway.terminate()
        _, log = gateway.communicate(timeout=15)
        assert gateway.returncode == 0, log
        assert not healthy()


def test_the_sandbox_of_the_test_above_lets_nothing_be_written(tmp_path: Path) -> None:
    """Otherwise it would show nothing."""
    (tmp_path / "config").mkdir()
    (tmp_path / "data").mkdir()
    tries = f"""
import errno, pathlib
for folder in ("/", "/var/tmp", {sandbox.CONFIG!r}, {sandbox.DATA!r}):
    try: print(pathlib.Path(folder, "x").write_text("x"))
    except OSError as error: print(errno.errorcode[error.errno])
"""
    told, error = sandboxed([sys.executable, "-c", tries], tmp_path / "config", tmp_path / "data", {}).communicate()
    assert told.split() == ["EROFS", "EROFS", "EROFS", "1"], error


def _hardened(context: dict[str, Any]) -> bool:
    return (
        context["readOnlyRootFilesystem"] is True
        and context["allowPrivilegeEscalation"] is False
        and context["capabilities"] == {"drop": ["ALL"]}
    )


def test_the_manifests_ask_for_no_more_than_the_image_needs() -> None:
    """Kubernetes' restricted profile, probes, a disruption budget, a rule for the network; and no secret in clear."""
    text = (ROOT / "deploy/kubernetes.yaml").read_text(encoding="utf-8")
    found = {document["kind"]: document for document in yaml.safe_load_all(text)}
    pod = found["StatefulSet"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] == UID
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    assert _hardened(container["securityContext"])
    assert {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")} == {
        "startupProbe": "/health/live",
        "livenessProbe": "/health/live",
        "readinessProbe": "/health/ready",
    }
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {DATA, "/tls"}
    replicas = found["StatefulSet"]["spec"]["replicas"]
    assert found["PodDisruptionBudget"]["spec"]["minAvailable"] == replicas - 1
    assert found["HorizontalPodAutoscaler"]["spec"]["minReplicas"] == replicas
    assert found["NetworkPolicy"]["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "Secret" not in found


@pytest.mark.parametrize("service", ["gateway", "redis", "postgres"])
def test_each_container_of_the_composition_is_hardened(service: str) -> None:
    """Read-only, without capabilities, as a user of its own; passwords come from the environment."""
    text = (ROOT / "deploy/compose.yaml").read_text(encoding="utf-8")
    found = yaml.safe_load(text)["services"][service]
    assert found["read_only"] is True and found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"] and not found["user"].startswith("0")
    assert all("${" in line for line in text.splitlines() if re.search("PASSWORD|_KEY", line))


def test_the_configuration_of_the_manifests_is_sound(tmp_path: Path) -> None:
    """Laid over that of the repository, as the image does; what is written lies where the image lets it."""
    for folder in ("config", "cards"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "deploy/wardgate.yaml", tmp_path / "config/wardgate.yaml")
    examination = examine(tmp_path / "config/wardgate.yaml")
    assert not examination.errors and examination.document is not None
    settings = read_settings(examination.document)
    assert settings.spool == f"{DATA}/spool" and settings.environment == "production"
    variables = set(re.findall(r"WARDGATE_[A-Z_]+", (ROOT / "deploy/wardgate.yaml").read_text("utf-8")))
    assert variables <= set(re.findall(r"WARDGATE_[A-Z_]+", (ROOT / "deploy/compose.yaml").read_text("utf-8")))
