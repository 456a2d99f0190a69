"""A sound configuration in a temporary folder, and edits that break it: the kidney-failure service, whole."""

from collections.abc import Mapping, Sequence
from pathlib import Path

Edit = tuple[str, str]

FILES: Mapping[str, tuple[str, str]] = {
    "wardgate": (
        "config/wardgate.yaml",
        """\
environment: test
insecure_demo: true
public_url: http://127.0.0.1:8080
listen: {host: 127.0.0.1, port: 8080}
admin: {listen: {host: 127.0.0.1, port: 8081}}
clients:
  - name: ehr
    fhir_servers: ["http://127.0.0.1:8083/fhir"]
    origins: ["http://localhost:*"]
    site: hospital_a
model_hosts: ["127.0.0.1:8082"]
""",
    ),
    "service": (
        "config/services/kidney-failure.yaml",
        """\
id: kidney-failure
hook: patient-view
title: Kidney failure risk
description: Two-year risk of kidney failure.
prefetch:
  patient: Patient/{{context.patientId}}
  labs: Observation?patient={{context.patientId}}&code=http://loinc.org%7C33914-3,http://loinc.org%7C62238-1,http://loinc.org%7C9318-7
  problems: Condition?patient={{context.patientId}}
required_prefetch: [patient, labs]
model: kidney-failure
card: kidney-failure
deadline: 500ms
threshold:
  default: 0.10
  sites: {hospital_b: 0.12}
  indeterminate: 0.01
population: "age >= 18 and egfr < 60"
exclusions:
  pregnancy: {not_applicable: No input depends on it.}
  dialysis: {when: has_dialysis}
  deceased: {when: deceased}
defer:
  - {when: "age_of(egfr) > 180d", reason: input_stale, show: card}
  - {when: "missing(uacr)", reason: input_missing, show: card}
rollout: {champion: "1.0.0", mode: active}
""",
    ),
    "features": (
        "config/models/kidney-failure/features.yaml",
        """\
version: "2026.03"
features:
  - name: egfr
    from: Observation
    code: {system: http://loinc.org, any: ["33914-3", "62238-1"]}
    within: 365d
    unit: mL/min/{1.73_m2}
    plausible: [1, 200]
    required: true
    bins: [15, 30, 45, 60, 90]
  - {name: age, from: Patient, path: birthDate, as: years, plausible: [0, 120], required: true}
  - {name: male, from: Patient, path: gender, type: code, map: {male: 1, female: 0}, required: true}
  - name: uacr
    from: Observation
    code: {system: http://loinc.org, any: ["9318-7"]}
    within: 365d
    unit: mg/g
    convert: {mg/mmol: 8.84}
    required: true
  - name: has_dialysis
    from: Condition
    code: {system: http://snomed.info/sct, any: ["265764009"]}
    take: any
    use: rule_only
""",
    ),
    "release": (
        "config/models/kidney-failure/releases/1.0.0.yaml",
        """\
model: kidney-failure
version: "1.0.0"
endpoint:
  protocol: oip
  url: http://127.0.0.1:8082
  model_name: kfre
  model_version: "1"
  timeout: 200ms
  inputs:
    order: [age, male, egfr, uacr]
    clip: {uacr: [1, 10000]}
  outputs: {score: risk_2y, contributions: contributions}
probes: {file: probes.json, every: 5m, tolerance: 1e-6}
features: "2026.03"
score_range: [0, 1]
limitations:
  - {text: Not validated in transplant recipients., check: transplant}
  - {text: Not validated below 18 years., check: population}
""",
    ),
    "probes": (
        "config/models/kidney-failure/releases/probes.json",
        """\
[
  {"inputs": {"age": 70, "male": 1, "egfr": 30, "uacr": 300},
   "outputs": {"score": 0.04732493292698903}}
]
""",
    ),
    "card": (
        "cards/kidney-failure.yaml",
        """\
bands:
  - {name: raised, from: 0.10, indicator: info}
  - {name: high, from: 0.20, indicator: warning}
precision: {score: 2}
summary: "Kidney failure risk in 2 years: {{ score | percent }} ({{ band }})"
detail: |
  {{ reasons | table }}
source: {label: Nephrology CDS}
""",
    ),
    "rule": (
        "config/rules/ckd-stage.yaml",
        """\
population: "age >= 18"
points:
  - {feature: egfr, steps: [{lt: 15, points: 4}, {lt: 30, points: 3}], else: 0}
threshold: 3
bands: [{name: G4, from: 3, indicator: info}, {name: G5, from: 4, indicator: warning}]
summary: "CKD stage {{ band }} (rule, no model)"
""",
    ),
}
"""By short name: path and text."""


def sound_config(folder: Path, **edits: Edit | Sequence[Edit]) -> Path:
    """Write the whole tree under `folder` and return the path of its wardgate.yaml.

    `edits` are by short name: (old, new), or several; `old` must stand exactly once in the file, so that no edit
    is lost. `sound_config(tmp_path, service=("mode: active", "mode: silent"))`.
    """
    for name, (relative, text) in FILES.items():
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_edited(text, edits.get(name, ())), encoding="utf-8")
    unknown = edits.keys() - FILES.keys()
    assert not unknown, f"no such file: {unknown}"
    return folder / FILES["wardgate"][0]


def _edited(text: str, edits: Edit | Sequence[Edit]) -> str:
    for old, new in listed(edits):
        assert text.count(old) == 1, f"stands {text.count(old)} times: {old}"
        text = text.replace(old, new)
    return text


def listed(edits: Edit | Sequence[Edit]) -> list[Edit]:
    match edits:
        case (str(old), str(new)):
            return [(old, new)]
        case _:
            return [(str(old), str(new)) for old, new in edits]
