"""A gateway for worked examples of published scores: real processes, a service for each score, and what to ask them.

Each card's summary is the score with twelve decimals, so that a figure can be compared as it was published. NEWS2 is
the demo's rule, word for word but for `shown_from`, behind a model that no server has.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.fakes.gateway import DEMO
from tests.fakes.processes import ask, free_port, line_from, process, wait_until
from wardgate.lab.models import MODELS

Row = Mapping[str, float | None]

_CODES = {
    "age": ("30525-0", "a"),
    "egfr": ("98979-8", "mL/min/{1.73_m2}"),
    "uacr": ("9318-7", "mg/g"),
    "creatinine": ("2160-0", "mg/dL"),
    "hrt": ("8867-4", "/min"),
    "resp": ("9279-1", "/min"),
    "temp": ("8310-5", "Cel"),
    "meanbp": ("8478-0", "mm[Hg]"),
    "wblc": ("6690-2", "10*3/uL"),
    "crea": ("2160-0", "mg/dL"),
    "sod": ("2951-2", "mmol/L"),
    "alb": ("1751-7", "g/dL"),
    "bili": ("1975-2", "mg/dL"),
    "heart_rate": ("8867-4", "/min"),
    "resp_rate": ("9279-1", "/min"),
    "temperature": ("8310-5", "Cel"),
    "sbp": ("8480-6", "mm[Hg]"),
    "spo2": ("59408-5", "%"),
    "o2_flow": ("3151-8", "L/min"),
}
_GENDERED = {"male": "{male: 1, female: 0}", "female": "{female: 1, male: 0}"}
_FILL = {"hrt": 80, "resp": 16, "temp": 37, "meanbp": 85, "wblc": 9, "crea": 1.01, "sod": 140, "alb": 3.5, "bili": 1.01}
_CLIP = (
    "{age: [18, 102], hrt: [30, 220], resp: [4, 60], temp: [31, 42], meanbp: [20, 190], wblc: [0.1, 80],"
    " crea: [0.2, 15], sod: [110, 170], alb: [0.8, 6], bili: [0.1, 40]}"
)
_PROBES = {
    "kfre": (70.0, 1.0, 30.0, 300.0),
    "support2": (63.0, 80.0, 16.0, 37.0, 85.0, 9.0, 1.01, 140.0, 3.5, 1.01),
    "ckd_epi_2021": (1.2, 50.0, 1.0),
}


@contextmanager
def worked_examples(folder: Path) -> Iterator[str]:
    """The URL of a gateway with all the services, the models proven."""
    listen, admin = free_port(), free_port()
    with process("wardgate.lab.model_server", "--port", "0") as server:
        url = line_from(server, r"model (http://\S+)")
        config = _write(folder, url, listen, admin)
        with process("wardgate", "serve", "--config", str(config)) as gateway:
            wait_until(lambda: _proven(ask(f"http://127.0.0.1:{admin}/health/services")[1]), of=gateway)
            yield f"http://127.0.0.1:{listen}"


def _proven(services: Mapping[str, Mapping[str, str]]) -> bool:
    """All but the one of NEWS2, which never is."""
    return all((state["proof"] == "passed") is (name != "news2") for name, state in services.items())


def _write(folder: Path, url: str, listen: int, admin: int) -> Path:
    files: dict[str, str] = {"wardgate.yaml": _gateway(url, listen, admin)}
    for name, versions in MODELS.items():
        for version, model in versions.items():
            files |= _model(f"{name}-{version}", name, version, model.features, url, _age_measured)
    files |= _model("kfre-birth-date", "kfre", "1", MODELS["kfre"]["1"].features, url, _age_by_birth_date)
    files |= _news2(url)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder / "wardgate.yaml"


def _gateway(url: str, listen: int, admin: int) -> str:
    return f"""
environment: test
insecure_demo: true
listen: {{host: 127.0.0.1, port: {listen}}}
admin: {{listen: {{host: 127.0.0.1, port: {admin}}}}}
paths: {{services: services, models: models, cards: cards, rules: rules}}
clients: [{{name: test-ehr, fhir_servers: []}}]
model_hosts: ["{url.removeprefix("http://")}"]
"""


def _age_measured() -> str:
    return _feature("age", required=True)


def _age_by_birth_date() -> str:
    return "  - {name: age, from: Patient, path: birthDate, as: years, required: true}"


def _feature(name: str, required: bool) -> str:
    if name in _GENDERED:
        return f"  - {{name: {name}, from: Patient, path: gender, type: code, map: {_GENDERED[name]}, required: true}}"
    code, unit = _CODES[name]
    needed = ", required: true" if required else ""
    return (
        f'  - {{name: {name}, from: Observation, code: {{system: http://loinc.org, any: ["{code}"]}}, unit: "{unit}"'
        f"{needed}}}"
    )


def _model(id_: str, name: str, version: str, order: Sequence[str], url: str, age: Any) -> dict[str, str]:
    fill = _FILL if name == "support2" else {}
    model = MODELS[name][version]
    features = [age() if each == "age" else _feature(each, required=each not in fill) for each in order]
    row = _PROBES["kfre" if name.startswith("kfre") else name]
    codes = [_CODES[each][0] for each in order if each in _CODES]
    return {
        f"models/{id_}/features.yaml": "\n".join(['version: "1"', "features:", *features]),
        f"models/{id_}/releases/1.yaml": _release(
            id_, name, version, url, list(order), fill, _CLIP if name == "support2" else "{}", model.output
        ),
        f"models/{id_}/releases/probes.json": json.dumps(
            [{"inputs": dict(zip(order, row, strict=True)), "outputs": {"score": model.answer(row)[0]}}]
        ),
        f"services/{id_}.yaml": _service(id_, codes),
        f"cards/{id_}.yaml": _CARD,
    }


_CARD = """
bands: [{name: any, from: 0, indicator: info}]
precision: {score: 12}
summary: "{{ score }}"
source: {label: Test}
"""


def _release(
    id_: str,
    name: str,
    version: str,
    url: str,
    order: Sequence[str],
    fill: Mapping[str, float],
    clip: str,
    output: str,
    schema: str = "1",
) -> str:
    return f"""
model: {id_}
version: "1"
endpoint:
  protocol: oip
  url: {url}
  model_name: {name}
  model_version: "{version}"
  timeout: 1s
  inputs: {{tensor: features, shape: row, order: [{", ".join(order)}], fill: {json.dumps(fill)}, clip: {clip}}}
  outputs: {{score: {output}}}
probes: {{file: probes.json, every: 5m, tolerance: 1e-6}}
features: "{schema}"
score_range: [0, 1000]
"""


def _service(id_: str, codes: Sequence[str], more: str = "") -> str:
    asked = ",".join(code if "%7C" in code else f"http://loinc.org%7C{code}" for code in codes)
    return f"""
id: {id_}
hook: patient-view
title: Worked examples
description: Published figures.
prefetch:
  patient: Patient/{{{{context.patientId}}}}
  labs: Observation?patient={{{{context.patientId}}}}&code={asked}
  problems: Condition?patient={{{{context.patientId}}}}
  stays: Encounter?patient={{{{context.patientId}}}}
required_prefetch: [patient, labs]
model: {id_}
card: {id_}
deadline: 2s
risk_tier: low
rollout: {{champion: "1", mode: active}}
{more}
"""


def _news2(url: str) -> dict[str, str]:
    """The demo's schema, so that what is tested is what is shipped; its inputs are optional here."""
    schema = (DEMO.parent / "models/deterioration/features.yaml").read_text(encoding="utf-8")
    rule = (DEMO.parent / "rules/news2.yaml").read_text(encoding="utf-8")
    schema = schema.replace("required: true", "required: false")
    codes = re.findall(r"(?:http://loinc.org|http://snomed.info/sct)%7C\d[\d-]*", _demo_service())
    return {
        "models/news2/features.yaml": schema,
        "models/news2/releases/1.yaml": _release(
            "news2", "no-such-model", "1", url, ["age"], {"age": 50}, "{}", "none", "2026.11"
        ),
        "models/news2/releases/probes.json": '[{"inputs": {"age": 50}, "outputs": {"score": 1}}]',
        "services/news2.yaml": _service("news2", codes, "fallback: [{rule: news2}, none]"),
        "cards/news2.yaml": _CARD,
        "rules/news2.yaml": rule.replace("shown_from: low-medium\n", ""),
    }


def _demo_service() -> str:
    return (DEMO.parent / "services/deterioration.yaml").read_text(encoding="utf-8")


# -- what is asked -------------------------------------------------------------------------------------


def score(url: str, service: str, values: Row) -> float:
    """What the one card of the answer says."""
    (card,) = _cards(url, service, values)
    return float(card["summary"])


def news2(url: str, values: Row, alert: bool, hypercapnic: bool) -> tuple[float, str]:
    """Points and band, as the card says them."""
    (card,) = _cards(url, "news2", values, alert=alert, hypercapnic=hypercapnic)
    found = re.fullmatch(r"Rule, no model: NEWS2 (\d+) \((\S+) risk\)", card["summary"])
    assert found is not None, card["summary"]
    return float(found[1]), found[2]


def _cards(
    url: str, service: str, values: Row, alert: bool | None = None, hypercapnic: bool = False
) -> list[dict[str, Any]]:
    now = datetime.now(UTC)  # noqa: TID251 - the gateway's clock is the machine's
    patient: dict[str, Any] = {"resourceType": "Patient", "id": "p1"}
    for name in _GENDERED:
        if name in values:
            patient["gender"] = name if values[name] else {"male": "female", "female": "male"}[name]
    if service == "kfre-birth-date":
        patient["birthDate"] = _born(float(values["age"] or 0), now.date()).isoformat()
    elif service == "news2":
        patient["birthDate"] = _born(50, now.date()).isoformat()
    observations = [_observation(name, value, now) for name, value in values.items() if _is_charted(name, value)]
    if alert is not None:
        observations.append(_consciousness(alert, now))
    status, answer = ask(
        f"{url}/cds-services/{service}",
        {
            "hook": "patient-view",
            "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
            "context": {"userId": "Practitioner/u1", "patientId": "p1"},
            "prefetch": {
                "patient": patient,
                "labs": _bundle(observations),
                "problems": _bundle([_hypercapnia()] if hypercapnic else []),
                "stays": _bundle([]),
            },
        },
    )
    assert status == 200
    cards: list[dict[str, Any]] = answer["cards"]
    return cards


def _born(years: float, today: date) -> date:
    return today - timedelta(days=round(years * 365.2425))


def _is_charted(name: str, value: float | None) -> bool:
    return value is not None and name not in _GENDERED


def _observation(name: str, value: float | None, now: datetime) -> dict[str, Any]:
    code, unit = _CODES[name]
    return {
        **_coded(code, now),
        "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": unit},
    }


def _coded(code: str, now: datetime) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o-{code}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _consciousness(alert: bool, now: datetime) -> dict[str, Any]:
    code = "248234008" if alert else "300202002"
    return {
        **_coded("67775-7", now),
        "valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": code}]},
    }


def _hypercapnia() -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": "c1",
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "J96.12"}]},
        "subject": {"reference": "Patient/p1"},
    }


def _bundle(resources: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in resources]}
