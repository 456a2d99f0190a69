"""The published examples of the Kidney Failure Risk Equation, from a hook call to the card, through real processes."""

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.fakes.model import kfre
from tests.fakes.processes import ask, free_port, line_from, process, wait_until

# age, male, eGFR, UACR in mg/g → two-year risk, non-North-American calibration. Source: kfre 0.1.18
# (MIT, lshpaner/kfre@0747223, `kfre_person` and the table in its README), after Tangri et al., JAMA 2016.
EXAMPLES = [
    (65, 1, 19, 30, 0.06312266168952707),
    (70, 0, 50, 35, 0.0015495442401257664),
    (60, 0, 45, 25, 0.002893129625300972),
    (75, 1, 22, 40, 0.04175743094093043),
    (80, 0, 30, 50, 0.0134574086070961),
    (50, 1, 60, 30, 0.0009438783764682546),
    (45, 0, 12, 1200, 0.597704424832348),
    (72, 1, 15, 1762, 0.42171940444551215),
]

_FEATURES = """
version: "1"
features:
  - {name: age, from: Observation, code: {system: http://loinc.org, any: ["30525-0"]}, unit: a, required: true}
  - {name: male, from: Patient, path: gender, type: code, map: {male: 1, female: 0}, required: true}
  - {name: egfr, from: Observation, code: {system: http://loinc.org, any: ["98979-8"]}, within: 365d,
     unit: "mL/min/{1.73_m2}", convert: {mL/min: 1}, plausible: [1, 200], required: true}
  - {name: uacr, from: Observation, code: {system: http://loinc.org, any: ["9318-7"]}, within: 365d,
     unit: mg/g, convert: {mg/mmol: 8.84}, plausible: [0, 25000], required: true}
"""
_SERVICE = """
id: kidney-failure
hook: patient-view
title: Kidney failure risk
description: Two-year risk, for the published examples.
prefetch:
  patient: Patient/{{context.patientId}}
  labs: Observation?patient={{context.patientId}}&code=http://loinc.org%7C30525-0,http://loinc.org%7C98979-8,http://loinc.org%7C9318-7
required_prefetch: [patient, labs]
model: kfre
card: kfre
deadline: 2s
risk_tier: low
rollout: {champion: "1", mode: active}
"""
_RELEASE = """
model: kfre
version: "1"
endpoint:
  protocol: oip
  url: MODEL
  model_name: kfre
  model_version: "1"
  timeout: 1s
  inputs: {tensor: features, shape: row, datatype: FP64, order: [age, male, egfr, uacr]}
  outputs: {score: risk_2y, contributions: contributions}
probes: {file: probes.json, every: 5m, tolerance: 1e-6}
features: "1"
score_range: [0, 1]
"""
_CARD = """
bands: [{name: any, from: 0, indicator: info}]
precision: {score: 12}
summary: "{{ score }}"
source: {label: Test}
"""
_GATEWAY = """
environment: test
insecure_demo: true
listen: {host: 127.0.0.1, port: GATEWAY}
admin: {listen: {host: 127.0.0.1, port: ADMIN}}
paths: {services: services, models: models, cards: cards}
clients: [{name: test-ehr, fhir_servers: []}]
model_hosts: ["HOST"]
HTTP_CLIENT
"""


def write_config(folder: Path, model_url: str, gateway: int, admin: int, http_client: str) -> Path:
    files = {
        "services/kidney-failure.yaml": _SERVICE,
        "models/kfre/features.yaml": _FEATURES,
        "models/kfre/releases/1.yaml": _RELEASE.replace("MODEL", model_url),
        "cards/kfre.yaml": _CARD,
        "models/kfre/releases/probes.json": json.dumps(
            [
                {
                    "inputs": {"age": 70, "male": 1, "egfr": 30, "uacr": 300},
                    "outputs": {"score": kfre(70, 1, 30, 300)},
                }
            ]
        ),
        "wardgate.yaml": _GATEWAY.replace("GATEWAY", str(gateway))
        .replace("ADMIN", str(admin))
        .replace("HOST", model_url.removeprefix("http://"))
        .replace("HTTP_CLIENT", f"http_client: {http_client}"),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "wardgate.yaml"


@pytest.fixture(scope="module", params=["aiohttp", "pyreqwest"])
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A model server and a gateway before it; yields the URLs of both listeners."""
    listen, admin = free_port(), free_port()
    with process("wardgate.lab.model_server", "--port", "0") as model:
        model_url = line_from(model, r"model (http://\S+)")
        config = write_config(tmp_path_factory.mktemp("config"), model_url, listen, admin, request.param)
        with process("wardgate", "serve", "--config", str(config)) as serving:
            wait_until(
                lambda: ask(f"http://127.0.0.1:{admin}/health/services")[1]["kidney-failure"]["proof"] == "passed",
                of=serving,
            )
            yield f"http://127.0.0.1:{listen}", f"http://127.0.0.1:{admin}"


def _call(age: float, male: int, egfr: float, uacr: float) -> dict[str, Any]:
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
        "hookInstance": str(uuid4()),
        "context": {"userId": "Practitioner/u1", "patientId": "p1"},
        "prefetch": {
            "patient": {"resourceType": "Patient", "id": "p1", "gender": "male" if male else "female"},
            "labs": {"resourceType": "Bundle", "type": "searchset", "entry": labs},
        },
    }


@pytest.mark.parametrize("age, male, egfr, uacr, published", EXAMPLES)
def test_a_published_example_comes_back_on_the_card(
    gateway: tuple[str, str], age: float, male: int, egfr: float, uacr: float, published: float
) -> None:
    """|Δ| ≤ 1e-6 between the card and the published figure."""
    status, answer = ask(f"{gateway[0]}/cds-services/kidney-failure", _call(age, male, egfr, uacr))
    assert status == 200
    (card,) = answer["cards"]
    assert math.isclose(float(card["summary"]), published, rel_tol=0, abs_tol=1e-6)


def test_every_call_is_counted_as_it_ended(gateway: tuple[str, str]) -> None:
    """The metric carries service, hook, mode, arm, outcome, reason and step."""
    ask(f"{gateway[0]}/cds-services/kidney-failure", _call(65, 1, 19, 30))
    ask(f"{gateway[0]}/cds-services/nothing-here", _call(65, 1, 19, 30))
    _, metrics = ask(f"{gateway[1]}/metrics")
    assert (
        'wardgate_calls_total{arm="champion",hook="patient-view",mode="active",outcome="shown",'
        'reason="no_threshold",service_id="kidney-failure",step="model"}' in metrics
    )
    assert 'reason="not_found",service_id="unknown"' in metrics


@pytest.mark.requirement("DIS-8", "PF-13")
def test_discovery_offers_the_service_with_its_prefetch(gateway: tuple[str, str]) -> None:
    """What an EHR reads before it calls."""
    status, answer = ask(f"{gateway[0]}/cds-services")
    (service,) = answer["services"]
    assert status == 200 and service["id"] == "kidney-failure" and set(service["prefetch"]) == {"patient", "labs"}
