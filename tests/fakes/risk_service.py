"""Gateways that stand in front of real model servers: a service for each endpoint, and calls to it."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from tests.fakes.model_servers import Logistic, background, wait_for
from tests.fakes.processes import ask, free_port, wait_until

_FEATURES = """
version: "1"
features:
  - {name: age, from: Observation, code: {system: http://loinc.org, any: ["30525-0"]}, unit: a, required: true}
  - {name: male, from: Patient, path: gender, type: code, map: {male: 1, female: 0}, required: true}
  - {name: egfr, from: Observation, code: {system: http://loinc.org, any: ["98979-8"]}, unit: "mL/min/{1.73_m2}",
     required: true}
  - {name: uacr, from: Observation, code: {system: http://loinc.org, any: ["9318-7"]}, unit: mg/g, required: true}
"""
_SERVICE = """
id: NAME
hook: patient-view
title: Risk
description: A risk from a real model server.
prefetch:
  patient: Patient/{{context.patientId}}
  labs: Observation?patient={{context.patientId}}&code=http://loinc.org%7C30525-0,http://loinc.org%7C98979-8,http://loinc.org%7C9318-7
required_prefetch: [patient, labs]
model: NAME
card: risk
deadline: 3s
risk_tier: low
rollout: {champion: "1", mode: active}
"""
_RELEASE = """
model: NAME
version: "1"
endpoint:
ENDPOINT
  timeout: 2s
probes: {file: probes.json, every: EVERY, tolerance: 1e-9}
features: "1"
score_range: [0, 1]
"""
_CARD = """
bands: [{name: any, from: 0, indicator: info}]
precision: {score: 12}
summary: "{{ score }}"
detail: "{{ reasons | table }}"
source: {label: Test}
"""
PROBE = (70.0, 1.0, 30.0, 300.0)


@dataclass(frozen=True)
class Release:
    """`endpoint` is the release file's mapping but for `timeout`; `expects` is the model that its probes pin."""

    endpoint: str
    expects: Logistic
    every: str = "5m"


@dataclass(frozen=True)
class RunningGateway:
    url: str
    admin: str
    log: Path

    def call(self, service: str, *inputs: float) -> tuple[int, Any]:
        return ask(f"{self.url}/cds-services/{service}", call_of(*inputs))

    def scores(self, service: str, *inputs: float) -> list[float]:
        """Of the cards that came back."""
        status, answer = self.call(service, *inputs)
        assert status == 200, answer
        return [float(card["summary"]) for card in answer["cards"]]

    def wait_for(self, service: str, proof: str) -> None:
        wait_until(lambda: self.proof(service) == proof)

    def proof(self, service: str) -> str:
        return str(ask(f"{self.admin}/health/services")[1][service]["proof"])

    def metrics(self) -> str:
        return str(ask(f"{self.admin}/metrics")[1])


@contextmanager
def gateway(folder: Path, releases: Mapping[str, Release]) -> Iterator[RunningGateway]:
    """A gateway process with a service, a model and a release of this name for each of them."""
    listen, admin = free_port(), free_port()
    files = {"cards/risk.yaml": _CARD}
    for name, release in releases.items():
        model = f"models/{name}"
        endpoint = "\n".join(f"  {line}" for line in release.endpoint.strip().splitlines())
        files |= {
            f"services/{name}.yaml": _SERVICE.replace("NAME", name),
            f"{model}/features.yaml": _FEATURES,
            f"{model}/releases/1.yaml": _RELEASE.replace("NAME", name)
            .replace("ENDPOINT", endpoint)
            .replace("EVERY", release.every),
            f"{model}/releases/probes.json": json.dumps([_probe(release.expects)]),
        }
    hosts = {urlsplit(line.split()[1]).netloc for r in releases.values() for line in _urls(r.endpoint)}
    files["wardgate.yaml"] = json.dumps(
        {
            "environment": "test",
            "insecure_demo": True,
            "listen": {"host": "127.0.0.1", "port": listen},
            "admin": {"listen": {"host": "127.0.0.1", "port": admin}},
            "paths": {"services": "services", "models": "models", "cards": "cards"},
            "clients": [{"name": "test-ehr", "fhir_servers": []}],
            "model_hosts": sorted(hosts),
        }
    )
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    running = RunningGateway(f"http://127.0.0.1:{listen}", f"http://127.0.0.1:{admin}", folder / "gateway.log")
    command = [sys.executable, "-m", "wardgate", "serve", "--config", str(folder / "wardgate.yaml")]
    with background(command, running.log) as server:
        wait_for(f"{running.admin}/health/services", server, running.log)
        yield running


def _urls(endpoint: str) -> list[str]:
    return [line for line in endpoint.splitlines() if line.startswith("url:")]


def _probe(model: Logistic) -> dict[str, Any]:
    inputs = dict(zip(("age", "male", "egfr", "uacr"), PROBE, strict=True))
    return {"inputs": inputs, "outputs": {"score": model.risk(*PROBE)}}


def call_of(age: float, male: float, egfr: float, uacr: float) -> dict[str, Any]:
    """A hook request of one patient, everything prefetched."""

    def lab(code: str, value: float, unit: str) -> dict[str, Any]:
        return {
            "resource": {
                "resourceType": "Observation",
                "id": f"o-{code}",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                "subject": {"reference": "Patient/p1"},
                "effectiveDateTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),  # noqa: TID251
                "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": unit},
            }
        }

    labs = [lab("30525-0", age, "a"), lab("98979-8", egfr, "mL/min/{1.73_m2}"), lab("9318-7", uacr, "mg/g")]
    return {
        "hook": "patient-view",
        "hookInstance": str(uuid4()),  # a repeat would be answered from memory
        "context": {"userId": "Practitioner/u1", "patientId": "p1"},
        "prefetch": {
            "patient": {"resourceType": "Patient", "id": "p1", "gender": "male" if male else "female"},
            "labs": {"resourceType": "Bundle", "type": "searchset", "entry": labs},
        },
    }
