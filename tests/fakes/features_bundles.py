"""Charts as they come: generated resources and schemas with everything that real ones get wrong."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import strategies as st

from tests.fakes.features_reference import Answer, Json, Reference
from wardgate.domain.context.fhir import Resource
from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.context.record import KeyState, PatientRecord
from wardgate.domain.features.compile import check_schema, compile_schema
from wardgate.domain.features.schema import CodeSet, FeatureSchema, FeatureSpec, FeatureType, Take, Use
from wardgate.domain.features.vector import FeatureVector

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
LOCAL = "urn:lab"
UCUM = "http://unitsofmeasure.org"
NOW = datetime(2026, 3, 29, 12, 0, tzinfo=UTC).timestamp()
"""Noon of the day on which Europe's clocks went forward."""
BERLIN = ZoneInfo("Europe/Berlin")
CODES = ("1-1", "2-2", "3-3")
DAY = 86400.0


def key(name: str, resource_type: str, read: bool = False, **parameters: str) -> PrefetchKey:
    pairs = tuple((name.replace("_", "-"), value) for name, value in parameters.items())
    return PrefetchKey(name, "", resource_type, read, (), pairs, True)


PATIENT, LABS, PROBLEMS = key("patient", "Patient", read=True), key("labs", "Observation"), key("problems", "Condition")
KEYS = (PATIENT, LABS, PROBLEMS)


def lab(name: str = "x", codes: tuple[str, ...] = ("1-1",), **other: Any) -> FeatureSpec:
    """A feature from Observation, coded in LOINC."""
    sets = (CodeSet(other.pop("system", LOINC), frozenset(codes)),)
    return FeatureSpec(name=name, source=other.pop("source", "Observation"), codes=sets, **other)


def record_of(
    resources: list[Json], patient: Json | None = None, states: dict[str, KeyState] | None = None
) -> PatientRecord:
    """The record as decoding yields it: through JSON into the slim structs."""
    decoded = [msgspec.json.decode(msgspec.json.encode(resource), type=Resource) for resource in resources]
    by_type: dict[str, tuple[Resource, ...]] = {}
    for resource in decoded:
        by_type[resource.resourceType] = (*by_type.get(resource.resourceType, ()), resource)
    known = states if states is not None else {key.name: KeyState.OBTAINED for key in KEYS}
    return PatientRecord(patient, None, by_type, known, {}, False)


def extract(
    schema: FeatureSchema,
    resources: list[Json],
    patient: Json | None = None,
    keys: tuple[PrefetchKey, ...] = KEYS,
    states: dict[str, KeyState] | None = None,
    as_of: float = NOW,
    zone: ZoneInfo = BERLIN,
) -> FeatureVector:
    assert check_schema(schema) == []
    return compile_schema(schema, keys).extract(record_of(resources, patient, states), as_of, zone)


def disagreement(
    schema: FeatureSchema,
    resources: list[Json],
    patient: Json | None = None,
    keys: tuple[PrefetchKey, ...] = KEYS,
    states: dict[str, KeyState] | None = None,
    as_of: float = NOW,
    zone: ZoneInfo = BERLIN,
) -> dict[str, tuple[Answer, Answer]]:
    """Where the extractor and the reference differ: by feature what each of them says."""
    vector = extract(schema, resources, patient, keys, states, as_of, zone)
    known = {
        name: state.value for name, state in (states or dict.fromkeys(map(_name, keys), KeyState.OBTAINED)).items()
    }
    reference = Reference(resources, patient, list(keys), known, as_of, zone)
    expected = reference.extract(schema)
    found = {name: _answer_of(vector, name) for name in vector.values}
    differing = {name: (found[name], expected[name]) for name in expected if not _same(found[name], expected[name])}
    if vector.deceased != reference.deceased():
        differing["deceased"] = ({"value": vector.deceased}, {"value": reference.deceased()})
    return differing


def _name(key: PrefetchKey) -> str:
    return key.name


def _answer_of(vector: FeatureVector, name: str) -> Answer:
    value = vector.values[name]
    assert value.name == name and (value.value is None) == (value.mark is not None)
    return {
        "value": value.value,
        "mark": None if value.mark is None else value.mark.value,
        "at": value.at,
        "age": value.age,
        "shown": value.shown,
        "unobtained": value.unobtained,
        "trend": [(point.at, point.value) for point in value.trend],
    }


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return all(_same(a[name], b[name]) for name in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float):
        return type(b) is float and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    return type(a) is type(b) and bool(a == b)


# Resources


def times() -> st.SearchStrategy[str]:
    """Near one another, so that ties and corrections happen, and in every spelling."""
    moments = st.integers(-40, 2).map(lambda hours: datetime.fromtimestamp(NOW, UTC) + timedelta(hours=7 * hours))
    spellings = st.sampled_from(
        [
            "%Y-%m-%dT%H:%M:%SZ",
            "%Y-%m-%dT%H:%M:%SZ",
            "%Y-%m-%dT%H:%M:%S+00:00",
            "%Y-%m-%dT%H:%M:%S-05:00",
            "%Y-%m-%dT%H:%M:%S.250Z",
            "%Y-%m-%dT%H:%M:%S.2500001+02:00",
            "%Y-%m-%dT%H:%M:%S",
            "%Y-%m-%dT%H:%MZ",
            "%Y-%m-%d",
            "%Y-%m",
            "%Y",
            " %Y-%m-%dT%H:%M:%SZ ",
            "%Y-%m-%dT%H:%M:60Z",
        ]
    )
    bad = st.sampled_from(
        [
            "yesterday",
            "",
            " ",
            "2026-02-30",
            "2026-02-30T10:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01t10:00:00z",
            "2026-W10-1T10:00:00Z",
            "20260301T100000Z",
            "2026-03-01T10:00:00+15:00",
            "2026-03-01T10:00:00+01:75",
            "2026-03-01 10:00:00",
            "2026-03-01T10Z",
            "0000-01-01",
            "2026-03-29T02:30:00",
            "2025-10-26T02:30:00",
            "2026-03-29T12:04:59Z",
            "2026-03-29T12:05:01Z",
        ]
    )
    return st.one_of(
        st.builds(datetime.strftime, moments, spellings), st.builds(datetime.strftime, moments, spellings), bad
    )


def _maybe(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.one_of(st.just({}), values.map(lambda value: {name: value}))


def _joined(*parts: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.tuples(*parts).map(lambda found: {name: value for part in found for name, value in part.items()})


def concepts(codes: tuple[str, ...] = CODES) -> st.SearchStrategy[Json]:
    coding = st.fixed_dictionaries(
        {},
        optional={
            "system": st.sampled_from([LOINC, LOINC, LOINC, f" {LOINC}", LOCAL, ""]),
            "code": st.sampled_from([*codes, *codes, f"{codes[0]} ", "9-9", ""]),
            "display": st.sampled_from(["Test", " "]),
        },
    )
    return _joined(_maybe("text", st.sampled_from(["Text", " "])), _maybe("coding", st.lists(coding, max_size=3)))


def quantities() -> st.SearchStrategy[Json]:
    numbers = st.one_of(
        st.integers(-5, 20), st.floats(0.25, 30, width=16), st.sampled_from([1e15, 1e300, 0, -0.0, 250.5])
    )
    texts = st.sampled_from(["5.4", " 7 ", "1,5", "<5", ">= 90", "1e400", "high", " ", "-3", ".5", "5.", "+2e1", "nan"])
    return _joined(
        _maybe("value", st.one_of(numbers, numbers, texts)),
        _maybe("comparator", st.sampled_from(["", "<", ">=", "ad", " > "])),
        _maybe("unit", st.sampled_from(["mg/dL", "mg/dl", "mmol/L", "milligrams", " "])),
        _maybe("system", st.sampled_from([UCUM, UCUM, UCUM, LOCAL, "", f"{UCUM} "])),
        _maybe("code", st.sampled_from(["mg/dL", "mg/dl", "mg/dL ", "mmol/l", "mmol/L", "g/L", ""])),
    )


def values() -> st.SearchStrategy[Json]:
    answers = concepts(("yes", "no", "maybe"))
    texts = st.sampled_from(["5.4", "<5", ">= 90 mg", "< x", "yes", " no ", "a" * 100, "", "1e5", "٣"])
    usual = st.one_of(
        st.integers(1, 30).map(
            lambda n: {"valueQuantity": {"value": n, "unit": "mg/dL", "system": UCUM, "code": "mg/dL"}}
        ),
        quantities().map(lambda quantity: {"valueQuantity": quantity}),
        st.integers(-3, 40).map(lambda number: {"valueInteger": number}),
        texts.map(lambda text: {"valueString": text}),
        st.booleans().map(lambda flag: {"valueBoolean": flag}),
        answers.map(lambda concept: {"valueCodeableConcept": concept}),
    )
    absent = st.sampled_from([{}, {}, {}, {}, {"dataAbsentReason": {"text": "unknown"}}])
    return _joined(usual, st.one_of(st.just({}), st.just({}), usual), absent)


def _effective() -> st.SearchStrategy[Json]:
    period = _joined(_maybe("start", times()), _maybe("end", times()))
    when = times().map(lambda time: {"effectiveDateTime": time})
    return st.one_of(when, when, when, _joined(_maybe("effectiveInstant", times()), _maybe("effectivePeriod", period)))


def _identity() -> st.SearchStrategy[Json]:
    return _joined(
        _maybe("issued", times()), _maybe("meta", _maybe("lastUpdated", times())), _maybe("code", concepts())
    )


def observations() -> st.SearchStrategy[Json]:
    status = st.sampled_from(
        ["final"] * 6
        + ["corrected", "amended", " Final", "FINAL", "entered-in-error ", "cancelled", "preliminary", "registered"]
    )
    component = _joined(_maybe("code", concepts()), st.one_of(st.just({}), values()))
    return _joined(
        st.just({"resourceType": "Observation"}),
        _maybe("status", status),
        _identity(),
        _effective(),
        st.one_of(st.just({}), values(), values()),
        _maybe("component", st.lists(component, max_size=3)),
    )


def conditions() -> st.SearchStrategy[Json]:
    def status(*codes: str) -> st.SearchStrategy[Any]:
        code = st.sampled_from(codes)
        coded = st.lists(code.map(lambda c: {"code": c}), max_size=2).map(lambda found: {"coding": found})
        return st.one_of(code, coded, code.map(lambda c: {"text": c}))

    return _joined(
        st.just({"resourceType": "Condition"}),
        _identity(),
        _maybe("clinicalStatus", status("active", "Active ", "recurrence", "resolved", "inactive", "")),
        _maybe("verificationStatus", status("confirmed", "refuted", "Entered-in-Error", "")),
        _maybe("onsetDateTime", times()),
        _maybe("onsetPeriod", _maybe("start", times())),
        _maybe("recordedDate", times()),
        _maybe("assertedDate", times()),
        _maybe("abatementDateTime", times()),
    )


def charts() -> st.SearchStrategy[list[Json]]:
    """Up to twelve resources with distinct ids, as after assembly."""
    found = st.lists(st.one_of(observations(), observations(), observations(), conditions()), max_size=12)
    return found.map(lambda all_: [{**one, "id": f"r{i * 7 % 12:02d}"} for i, one in enumerate(all_)])


def patients() -> st.SearchStrategy[Json | None]:
    birth = st.sampled_from(
        ["1980-02-29", "2008-03-29", "2008-03-30", "2008", "2008-03", "2026", "2026-04-01", "0000", "", " 1990-01-01"]
        + ["1990-01-01T10:00:00Z", "1990-13-01", "1990-01-01T25:00:00Z", 1990, "2026-03-29", "2026-03"]
    )
    full = st.fixed_dictionaries(
        {"resourceType": st.just("Patient")},
        optional={
            "birthDate": birth,
            "gender": st.sampled_from(["male", "female", " male ", "other", "", 1, True]),
            "multipleBirthInteger": st.sampled_from([1, 2.5, "3", "<3", True, 10**400, [], {}]),
            "active": st.sampled_from([True, False, "yes", "no", 1]),
            "address": st.lists(st.fixed_dictionaries({"state": st.sampled_from(["A", "B", None])}), max_size=2),
            "deceasedBoolean": st.booleans(),
            "deceasedDateTime": st.one_of(times(), st.just(5)),
        },
    )
    return st.one_of(st.none(), full, full)


# Schemas


def schemas() -> st.SearchStrategy[FeatureSchema]:
    feature = st.one_of(_labs(), _labs(), _problems())
    return st.lists(feature, min_size=1, max_size=6).map(
        lambda found: FeatureSchema(
            "1",
            (*PATIENT_FEATURES, *(msgspec.structs.replace(spec, name=f"f{i}") for i, spec in enumerate(found))),
        )
    )


PATIENT_FEATURES = (
    FeatureSpec(name="age", source="Patient", path="birthDate", as_="years", plausible=(0.0, 120.0)),
    FeatureSpec(name="whole_age", source="Patient", path="birthDate", as_="whole_years"),
    FeatureSpec(name="male", source="Patient", path="gender", type=FeatureType.CODE, map={"male": 1, "female": 0}),
    FeatureSpec(name="births", source="Patient", path="multipleBirthInteger", plausible=(1, 2)),
    FeatureSpec(name="active", source="Patient", path="active", type=FeatureType.BOOLEAN, map={"yes": True}),
    FeatureSpec(name="plain", source="Patient", path="active", type=FeatureType.BOOLEAN),
    FeatureSpec(name="state", source="Patient", path="address.state", type=FeatureType.CODE, use=Use.RULE_ONLY),
    FeatureSpec(name="first", source="Patient", path="address[0].state", type=FeatureType.CODE, use=Use.RULE_ONLY),
)

_YES = {"yes": True, "no": False, "true": True}


def _codes() -> st.SearchStrategy[tuple[str, ...]]:
    return st.sampled_from([("1-1",), ("2-2",), ("1-1", "2-2"), CODES])


def _within() -> st.SearchStrategy[float | None]:
    return st.sampled_from([None, None, 2 * DAY, 7 * 3600.0, 6 * DAY, 400 * DAY])


def _labs() -> st.SearchStrategy[FeatureSpec]:
    statuses = st.sampled_from([None, None, ("final",), ("Preliminary", "corrected")])
    units = st.sampled_from(
        [(None, {}), ("mg/dL", {}), ("mg/dL", {"mmol/L": 18.0, "g/L": 100.0}), ("g/l", {"mg/dL": 0.01})]
    )
    numbers = st.builds(
        lambda codes, take, within, unit, plausible, states: lab(
            codes=codes,
            take=take,
            within=within,
            unit=unit[0],
            convert=unit[1],
            plausible=plausible,
            statuses=states,
        ),
        _codes(),
        st.sampled_from([take for take in Take if take not in (Take.ANY, Take.COUNT)]),
        _within(),
        units,
        st.sampled_from([None, (0.0, 15.0), (1, 250.5)]),
        statuses,
    )
    kinds = st.sampled_from(
        [
            {"type": FeatureType.BOOLEAN, "map": _YES},
            {"type": FeatureType.BOOLEAN},
            {"type": FeatureType.CODE, "map": {"yes": 1, "no": 0}},
            {"type": FeatureType.CODE, "use": Use.RULE_ONLY},
        ]
    )
    coded = st.builds(
        lambda codes, take, within, kind: lab(codes=codes, take=take, within=within, **kind),
        _codes(),
        st.sampled_from([Take.LATEST, Take.EARLIEST]),
        _within(),
        kinds,
    )
    mapped = st.builds(
        lambda codes, take: lab(codes=codes, take=take, type=FeatureType.CODE, map={"yes": 1, "no": 0.5, "maybe": 3}),
        _codes(),
        st.sampled_from([Take.SUM, Take.MAX, Take.DELTA]),
    )
    counted = st.builds(
        lambda codes, take, within, states: lab(codes=codes, take=take, within=within, statuses=states),
        _codes(),
        st.sampled_from([Take.ANY, Take.COUNT]),
        _within(),
        statuses,
    )
    return st.one_of(numbers, numbers, numbers, coded, mapped, counted)


def _problems() -> st.SearchStrategy[FeatureSpec]:
    return st.builds(
        lambda codes, take, within, states: lab(
            codes=codes, source="Condition", take=take, within=within, statuses=states
        ),
        _codes(),
        st.sampled_from([Take.ANY, Take.COUNT]),
        _within(),
        st.sampled_from([None, None, ("active",), ("resolved", "Inactive")]),
    )
