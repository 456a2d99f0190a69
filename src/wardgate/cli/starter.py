"""The files that `wardgate new` writes: short, with comments that teach, and sound as they stand.

They describe a model of two inputs, which everybody replaces by her own: what is written must be a configuration that
passes `check`, so that the first error a newcomer sees is about something that she has changed.
"""

import re
from collections.abc import Mapping
from string import Template

import msgspec

from wardgate.adapters.files.yaml_documents import resolve

URL = "http://127.0.0.1:8082"
"""Where the lab's model server and the tutorial's listen."""

GATEWAY = """\
# The gateway: who may call it, and which model hosts it may ask. Every key: docs/configuration.md.
environment: test                # production | staging | test | demo
insecure_demo: true              # no authentication: loopback and one client only; never for care
listen: {host: 127.0.0.1, port: 8080}            # for the EHR: /cds-services
admin: {listen: {host: 127.0.0.1, port: 8081}}   # for operators: /health/services, /metrics
paths: {services: services, models: models, rules: rules, cards: cards}   # from this file's folder
clients:                         # the EHRs; under insecure_demo exactly one
  - name: test-ehr
    fhir_servers: ["http://127.0.0.1:8083/fhir"]                # no other FHIR base is ever read
    origins: ["http://localhost:*", "http://127.0.0.1:*"]       # browsers that may call
    site: test
model_hosts: ["$host"]   # no other host is ever asked for a score
telemetry: {server_timing: true}                 # answers tell how long each stage took; not for a real EHR
"""

SERVICE = """\
# A CDS service: when it answers, what it asks for, when it stays silent. Every key: docs/configuration.md.
id: $name    # the end of its URL: /cds-services/$service
hook: $hook    # the moment in the EHR: patient-view, order-sign, encounter-start, …
title: $title
description: "$words: say in a sentence what the score means."
prefetch:                        # what the EHR sends along; what it leaves out is read from its FHIR server
  patient: Patient/{{context.patientId}}
  labs: Observation?patient={{context.patientId}}&code=http://loinc.org%7C2823-3&_sort=-date&_count=50
required_prefetch: [patient, labs]               # where one cannot be had, the call is refused (412)
model: $name    # the folder models/$service
card: $name    # the file $service.yaml of the folder of cards
threshold: {default: 0.2}        # a card is shown from this score on
population: "age >= 18"          # who the model is for (docs/expressions.md); for others there is no card
exclusions:                      # four standard questions: {when: …}, {not_applicable: …}, or not_checked
  pregnancy: not_checked         # what nobody checked stands on the card
  dialysis: not_checked
  transplant: not_checked
  deceased: {when: deceased}     # built in, from Patient
defer:                           # hands the question back to the clinician; the first rule that holds decides
  - {when: "age_of(potassium) > 30d", reason: input_stale, show: card}
  - {when: "missing(potassium)", reason: input_missing, show: card}
absence_means: nothing           # screened_negative where no card would be read as "no risk"
rollout: {champion: "1.0.0", mode: $mode}        # off | shadow | silent | canary | active
risk_tier: low                   # low | medium | high: how much approval each step of the rollout needs
"""

FEATURES = """\
# What the model takes, and how each value is found in a chart (docs/features.md).
version: "1"
features:
  - name: age
    from: Patient
    path: birthDate
    as: years
    plausible: [0, 120]
    required: true
  - name: potassium
    from: Observation
    code: {system: http://loinc.org, any: ["2823-3"]}   # every code that your hospital uses for it
    take: latest                 # latest | earliest | min | max | mean | sum | count | any | delta | slope
    within: 90d                  # older ones do not count
    unit: mmol/L                 # UCUM
    convert: {meq/L: 1}          # declared factors only: a value in any other unit is not used
    plausible: [1, 10]           # a value outside is not used either
    required: true               # without it there is no score; an optional one needs `fill` in the release
"""

RELEASE = """\
# A release: one version of the model, the proof that it runs, and what it is for. Every key: docs/configuration.md.
model: $name
version: "1.0.0"                 # as the file is named; what was approved is never edited: write 1.0.1.yaml
changelog: First release.
endpoint:
$endpoint  timeout: 200ms                 # of one attempt; the whole call has 500 ms
  inputs:
$inputs    order: [age, potassium]      # the features that leave for the model, and no other
    clip: {potassium: [2, 8]}    # bounds of what the model was trained on; stands on the card where it acts
${outputs}probes: {file: probes.json, every: 5m, tolerance: 1e-6}   # while an answer differs, no score is shown
features: "1"                    # the version of features.yaml
score_range: [0, 1]              # a reply outside is refused
intended_use: Say for whom, in which place, and for which decision.
limitations: [{text: Not validated below 18 years., check: population}]
"""

PROBES = """\
[
  {"inputs": {"age": 70, "potassium": 5.6}, "outputs": {"score": 0.111111}},
  {"inputs": {"age": 55, "potassium": 4.1}, "outputs": {"score": 0.222222}},
  {"inputs": {"age": 82, "potassium": 4.9}, "outputs": {"score": 0.333333}}
]
"""
"""Scores that no model gives: until they are replaced, no score is shown."""

CARD = """\
# What the clinician reads (docs/cards.md). Templates see the score, the band, and each feature by its name.
bands:                           # the lowest reaches down to the threshold
  - {name: raised, from: 0.2, indicator: info}     # info | warning | critical
  - {name: high, from: 0.5, indicator: warning}
precision: {score: 2}            # decimals; rounding never crosses a threshold or a band
summary: "$words: {{ score | percent }} ({{ band }})"   # 139 characters at most
detail: |                        # Markdown; what it leaves out of what a card must state is added below it
  {{ reasons | table }}
source: {label: $title}
override_reasons:                # class: disagree | already_done | not_applicable | patient_choice | workflow
  - {system: "https://hospital.example/cds/override", code: disagree, display: I do not agree, class: disagree}
deferred: {summary: "$words not calculated: {{ reason.display }}", indicator: info}
unavailable: {summary: "$words is not available at the moment", indicator: info}
"""


class _Wire(msgspec.Struct, frozen=True):
    """What of a release's endpoint differs by protocol."""

    endpoint: str
    inputs: str
    outputs: str


_WIRES = {
    "oip": _Wire(
        """\
  protocol: oip                  # the Open Inference Protocol, version 2: MLServer, Triton, KServe, …
  url: $url
  model_name: $name
  model_version: "1"             # in the path of each call, and checked in each reply
""",
        """\
    tensor: features             # the name of the input tensor
    shape: row                   # one tensor [1, n]; named: one tensor a feature
    datatype: FP64
""",
        """\
  outputs: {score: score}        # the tensor that holds the score, or {tensor: predict_proba, index: 1}
""",
    ),
    "mlflow": _Wire(
        """\
  protocol: mlflow               # MLflow's scoring server: POST {url}/invocations
  url: $url
  model_version: "1"             # for the reader: no reply of MLflow names it, so that the probes alone prove it
""",
        """\
    datatype: FP64               # the columns are named after the features
""",
        """\
  outputs: {score: {tensor: predictions, index: 1}}   # one number for each class; {score: name} for a named column
""",
    ),
    "json": _Wire(
        """\
  protocol: json                 # any server that takes and gives JSON
  url: $url    # the whole URL that is posted to
  model_version: "1"
  version_at: /version           # where each reply names it (a JSON Pointer), to be checked
  request: {age: $$age, potassium: $$potassium}   # what is sent; $$age stands for the number of the input age
""",
        "",
        """\
  outputs: {score: /score}       # where the reply holds the score (a JSON Pointer)
""",
    ),
}

PROTOCOLS = tuple(_WIRES)


def texts(service: str, hook: str, protocol: str, url: str, mode: str) -> dict[str, str]:
    """Each file's text, by kind."""
    words = _words(service)
    values = {
        "service": service,
        "name": _scalar(service),
        "words": words,
        "title": _scalar(words),
        "hook": hook,
        "mode": mode,
        "url": url,
        "host": url.split("/")[2],
    }
    wire = _WIRES[protocol]
    values |= {"endpoint": _filled(wire.endpoint, values), "inputs": wire.inputs, "outputs": wire.outputs}
    kinds = {
        "gateway": GATEWAY,
        "service": SERVICE,
        "features": FEATURES,
        "release": RELEASE,
        "probes": PROBES,
        "card": CARD,
    }
    return {kind: _aligned(_filled(text, values)) for kind, text in kinds.items()}


def _filled(text: str, values: Mapping[str, str]) -> str:
    return Template(text).substitute(values)


def _aligned(text: str) -> str:
    """Comments that stand four spaces or more from their key begin in one column, if the key leaves room."""

    def moved(match: re.Match[str]) -> str:
        return f"{match[1]:<32} # " if len(match[1]) < 32 else f"{match[1]}   # "

    return re.sub(r"^(.+?) {4,}# ", moved, text, flags=re.MULTILINE)


def _words(service: str) -> str:
    """A title from an id: `kidney-failure` is `Kidney failure`."""
    words = " ".join(re.split(r"[._-]+", service))
    return words[:1].upper() + words[1:]


def _scalar(text: str) -> str:
    """In quotes where YAML would read a number, or true."""
    return text if isinstance(resolve(text), str) else f'"{text}"'
