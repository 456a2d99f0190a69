"""Extractor and reference on real charts: every Observation of every patient in the corpus folder."""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes.features_bundles import BERLIN, SNOMED, disagreement, event, extract, lab
from tests.fakes.features_reference import Json, instant
from wardgate.domain.context.fhir import SLIM, Event, Resource
from wardgate.domain.context.lenient import Unreadable, lenient_resource
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec, FeatureType, Take, Use

DAY = 86400.0
YEAR = 365 * DAY
EGFR, UACR = ("33914-3", "98979-8", "62238-1"), ("9318-7", "14959-1", "32294-1")
CREATININE = ("2160-0", "38483-4")
RXNORM, ACT = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://terminology.hl7.org/CodeSystem/v3-ActCode"
COUNTED = frozenset({*SLIM, "MedicationRequest", "MedicationStatement", "Encounter", "DocumentReference"})

SCHEMA = FeatureSchema(
    "1",
    (
        FeatureSpec(name="age", source="Patient", path="birthDate", as_="years", plausible=(0, 120)),
        FeatureSpec(name="male", source="Patient", path="gender", type=FeatureType.CODE, map={"male": 1, "female": 0}),
        lab("egfr", EGFR, within=YEAR, unit="mL/min/{1.73_m2}", convert={"mL/min": 1}, plausible=(1, 200)),
        lab("uacr", UACR, within=YEAR, unit="mg/g", convert={"mg/mmol": 8.84}, plausible=(0, 25000)),
        lab("creatinine", CREATININE, unit="mg/dL", convert={"umol/L": 0.0113122, "mmol/L": 11.3122}),
        lab("creatinine_delta", CREATININE, take=Take.DELTA, unit="mg/dL", convert={"umol/L": 0.0113122}),
        lab("creatinine_slope", CREATININE, take=Take.SLOPE, unit="mg/dL", within=10 * YEAR),
        lab("creatinine_any_unit", CREATININE),
        lab("sbp", ("8480-6",), unit="mm[Hg]", plausible=(40, 300)),
        lab("dbp_mean", ("8462-4",), take=Take.MEAN, unit="mm[Hg]", within=3 * YEAR),
        lab("pulse", ("8867-4",), unit="/min", plausible=(10, 300)),
        lab("pulse_max", ("8867-4",), take=Take.MAX, within=30 * DAY),
        lab("breaths", ("9279-1",), unit="/min"),
        lab("temperature", ("8310-5",), unit="Cel", plausible=(25, 45)),
        lab("saturation", ("59408-5", "2708-6"), unit="%"),
        lab("haemoglobin", ("718-7",), unit="g/dL", take=Take.MIN),
        lab("sodium", ("2951-2",), unit="mmol/L", convert={"meq/L": 1}),
        lab("bilirubin", ("1975-2",), unit="mg/dL", take=Take.EARLIEST),
        lab("albumin", ("1751-7",), unit="g/dL", convert={"g/L": 0.1}),
        lab("glucose_sum", ("2345-7", "2339-0"), take=Take.SUM),
        lab("weights", ("29463-7", "3141-9"), take=Take.COUNT),
        lab("smoking", ("72166-2",), type=FeatureType.CODE, use=Use.RULE_ONLY),
        lab("diabetes", ("44054006", "73211009"), system=SNOMED, source="Condition", take=Take.ANY),
        lab("hypertension", ("38341003", "59621000"), system=SNOMED, source="Condition", take=Take.COUNT, within=YEAR),
        event("medicines", "MedicationRequest", take=Take.COUNT),
        event("stopped", "MedicationRequest", take=Take.COUNT, statuses=("stopped", "completed")),
        lab("statin", ("259255", "617312", "314231"), system=RXNORM, source="MedicationRequest", take=Take.ANY),
        event("statements", "MedicationStatement", take=Take.ANY),
        event("stays", "Encounter", take=Take.COUNT, within=YEAR),
        lab("emergencies", ("EMER",), system=ACT, source="Encounter", take=Take.COUNT, max_lag=DAY),
        lab("inpatient", ("IMP",), system=ACT, source="Encounter", take=Take.ANY, within=30 * DAY),
        lab(
            "last_class",
            ("IMP", "EMER", "AMB"),
            system=ACT,
            source="Encounter",
            type=FeatureType.CODE,
            map={f"{ACT}|IMP": 2, "EMER": 1, "AMB": 0},
        ),
        event("documents", "DocumentReference", take=Take.COUNT, statuses=("current", "superseded")),
        event("longest", "DocumentReference", path="length", take=Take.MAX, statuses=("current", "superseded")),
        FeatureSpec(name="map", derive="(sbp + 2 * dbp_mean) / 3", plausible=(20, 250)),
        FeatureSpec(name="ratio", derive="pulse / sbp"),
    ),
)


@pytest.fixture(scope="module")
def charts(corpus: Path | None) -> list[tuple[Json | None, list[Json]]]:
    if corpus is None:
        pytest.skip("no corpus: give its folder with --corpus")
    return [chart for folder in ("patients", "messy") for chart in _charts(corpus / folder)]


def test_the_extractor_agrees_with_the_reference_on_real_charts(charts: list[tuple[Json | None, list[Json]]]) -> None:
    """At the end of each chart and in the middle of it, each feature is what the reference says."""
    seen: Counter[str] = Counter()
    for patient, resources in charts:
        for as_of in _clocks(resources):
            assert disagreement(SCHEMA, resources, patient, as_of=as_of) == {}
            vector = extract(SCHEMA, resources, patient, as_of=as_of)
            seen.update(name for name, found in vector.values.items() if found.value not in (None, 0.0, False))
    assert seen


def test_every_code_of_the_corpus_can_be_a_feature(charts: list[tuple[Json | None, list[Json]]]) -> None:
    """For each coded measurement there is: its latest and its mean, without a unit, agree with the reference."""
    for patient, resources in charts:
        schema = _schema_of_all(resources)
        if schema is not None:
            as_of = _clocks(resources)[-1]
            assert disagreement(schema, resources, patient, as_of=as_of) == {}


def _schema_of_all(resources: list[Json]) -> FeatureSchema | None:
    pairs = {
        ((coding.get("system") or "").strip(), (coding.get("code") or "").strip())
        for resource in resources
        for part in (resource, *(resource.get("component") or ()))
        for coding in (part.get("code") or {}).get("coding") or ()
    }
    specs = [
        lab(f"f{number}_{take.value}", (code,), system=system, take=take)
        for number, (system, code) in enumerate(sorted(pairs))
        if system and code
        for take in (Take.LATEST, Take.MEAN)
    ]
    return FeatureSchema("1", tuple(specs)) if specs else None


def _clocks(resources: list[Json]) -> list[float]:
    times = sorted(
        time for resource in resources if (time := instant(resource.get("effectiveDateTime"), BERLIN)) is not None
    )
    return [times[len(times) // 2], times[-1] + DAY] if times else [1.75e9]


def _charts(folder: Path) -> Iterator[tuple[Json | None, list[Json]]]:
    """Patient by patient, of each file; what names no subject is a chart of its own."""
    for path in sorted(folder.rglob("*.json*")):
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if path.suffix == ".jsonl":
            continue
        try:
            document = json.loads(text)
        except ValueError:
            continue
        patients: dict[str, Json] = {}
        charts: dict[str, dict[str, Json]] = defaultdict(dict)
        medicines: list[Json] = []
        for full_url, resource in _resources(document, ""):
            if resource.get("resourceType") == "Patient":
                patients[str(resource.get("id"))] = resource
            elif resource.get("resourceType") == "Medication" and (slim := _readable(resource)):
                medicines.append(slim)
            elif resource.get("resourceType") in COUNTED and (slim := _readable(resource)):
                subject = str((resource.get("subject") or {}).get("reference")).rpartition("/")[2]
                charts[subject.removeprefix("urn:uuid:")][f"{resource.get('id')}{full_url}"] = slim
        for subject, resources in charts.items():
            yield patients.get(subject), [*resources.values(), *medicines]


def _resources(document: Any, full_url: str) -> Iterator[tuple[str, Json]]:
    if isinstance(document, list):
        for number, one in enumerate(document):
            yield from _resources(one, f"{full_url}{number}")
    elif isinstance(document, dict) and document.get("resourceType") == "Bundle":
        for number, entry in enumerate(document.get("entry") or ()):
            if isinstance(entry, dict):
                yield from _resources(entry.get("resource"), f"{full_url}{number}")
    elif isinstance(document, dict):
        if "resourceType" in document:
            yield full_url, document
        else:
            for name, value in document.items():
                yield from _resources(value, f"{full_url}{name}")


def _readable(resource: Json) -> Json | None:
    """As it stands, where it fits the slim shapes; else what the second look leaves of it."""
    raw = msgspec.json.encode(resource)
    try:
        msgspec.json.decode(raw, type=Resource if resource["resourceType"] in SLIM else Event)
        return resource
    except msgspec.ValidationError:
        pass
    try:
        left: Json = msgspec.to_builtins(lenient_resource(raw))
    except Unreadable:
        return None
    return left
