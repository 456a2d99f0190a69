"""Charts as they come: generated resources and schemas with everything that real ones get wrong."""

import base64
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from tests.fakes.features_reference import Answer, Json, Reference
from wardgate.domain.context.fhir import SLIM, Event, Resource
from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.context.record import KeyState, PatientRecord, home_in_context
from wardgate.domain.expressions import Type
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
    pairs = tuple((name[0] + name[1:].replace("_", "-"), value) for name, value in parameters.items())
    return PrefetchKey(name, "", resource_type, read, (), pairs, True)


PATIENT, LABS, PROBLEMS = key("patient", "Patient", read=True), key("labs", "Observation"), key("problems", "Condition")
EVENTS = tuple(
    key(name, name) for name in ("MedicationRequest", "MedicationStatement", "Encounter", "DocumentReference")
)
KEYS = (PATIENT, LABS, PROBLEMS, *EVENTS)


def lab(name: str = "x", codes: tuple[str, ...] = ("1-1",), **other: Any) -> FeatureSpec:
    """A feature from Observation, coded in LOINC."""
    sets = (CodeSet(other.pop("system", LOINC), frozenset(codes)),)
    return FeatureSpec(name=name, source=other.pop("source", "Observation"), codes=sets, **other)


def record_of(
    resources: list[Json],
    patient: Json | None = None,
    states: dict[str, KeyState] | None = None,
    doubtful: frozenset[str] = frozenset(),
    encounter: Json | None = None,
    drafts: dict[str, list[Json]] | None = None,
    read_back_to: dict[str, float] | None = None,
) -> PatientRecord:
    """The record as decoding yields it: through JSON into the slim structs."""
    by_type: dict[str, tuple[Resource, ...]] = {}
    for resource in resources:
        kind = resource["resourceType"]
        by_type[kind] = (*by_type.get(kind, ()), decoded(resource))
    known = dict(states) if states is not None else {key.name: KeyState.OBTAINED for key in KEYS}
    for field, resources in (drafts or {}).items():
        by_type[home_in_context(field)] = tuple(map(decoded, resources))
        known[home_in_context(field)] = KeyState.OBTAINED
    return PatientRecord(patient, encounter, by_type, known, {}, False, doubtful, read_back_to=read_back_to or {})


def decoded(resource: Json) -> Resource:
    shape: type[Resource] = Resource if resource["resourceType"] in SLIM else Event
    return msgspec.json.decode(msgspec.json.encode(resource), type=shape)


def extract(
    schema: FeatureSchema,
    resources: list[Json],
    patient: Json | None = None,
    keys: tuple[PrefetchKey, ...] = KEYS,
    states: dict[str, KeyState] | None = None,
    as_of: float = NOW,
    zone: ZoneInfo = BERLIN,
    doubtful: frozenset[str] = frozenset(),
    encounter: Json | None = None,
    drafts: dict[str, list[Json]] | None = None,
    read_back_to: dict[str, float] | None = None,
) -> FeatureVector:
    assert check_schema(schema) == []
    record = record_of(resources, patient, states, doubtful, encounter, drafts, read_back_to)
    return compile_schema(schema, keys).extract(record, as_of, zone)


def disagreement(
    schema: FeatureSchema,
    resources: list[Json],
    patient: Json | None = None,
    keys: tuple[PrefetchKey, ...] = KEYS,
    states: dict[str, KeyState] | None = None,
    as_of: float = NOW,
    zone: ZoneInfo = BERLIN,
    encounter: Json | None = None,
    drafts: dict[str, list[Json]] | None = None,
    read_back_to: dict[str, float] | None = None,
) -> dict[str, tuple[Answer, Answer]]:
    """Where the extractor and the reference differ: by feature what each of them says."""
    vector = extract(
        schema, resources, patient, keys, states, as_of, zone, frozenset(), encounter, drafts, read_back_to
    )
    known = {
        name: state.value for name, state in (states or dict.fromkeys(map(_name, keys), KeyState.OBTAINED)).items()
    }
    reference = Reference(resources, patient, list(keys), known, as_of, zone, encounter, drafts, read_back_to)
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
        "late": value.late,
    }


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return all(_same(a[name], b[name]) for name in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float):
        return type(b) is float and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    return type(a) is type(b) and bool(a == b)


# Charts and schemas, drawn from a seed: dense enough that ties, corrections and marks meet


class Draw:
    """Draws one chart, patient and schema; the same ones from the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.calm = self.random.random() < 0.4  # a tidy chart: without it longer takes would hardly ever have a value

    def one(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def fields(self, share: float, **drawers: Callable[[], Any]) -> Json:
        """Each field with that probability."""
        return {name: draw() for name, draw in drawers.items() if self.chance(share)}

    # Resources

    def chart(self) -> list[Json]:
        kinds = [*[self.observation] * 6, *[self.condition] * 2, self.order, self.statement, self.stay, self.document]
        resources = [self.one(*kinds)() for _ in range(self.random.randrange(20))]
        for number, resource in enumerate(resources):
            resource["id"] = f"r{number * 5 % 21:02d}"
        return [*resources, *self.medicines()]

    def drafts(self) -> dict[str, list[Json]]:
        fields = [field for field in DRAFTS if self.chance(0.8)]
        return {field: [self.draft() for _ in range(self.random.randrange(4))] for field in fields}

    def time(self) -> str:
        """Near one another, so that times meet, and in every spelling; some are no times."""
        if self.chance(0.1):
            return str(self.one(*_ODD_TIMES))
        moment = datetime.fromtimestamp(NOW, UTC) + timedelta(hours=self.one(6, 24) * self.random.randint(-12, 0))
        plain = moment.strftime("%Y-%m-%dT%H:%M:%S")
        if self.chance(0.5):
            return plain + "Z"
        return moment.strftime(self.one(*_SPELLINGS))

    def concept(self, *codes: str) -> Json:
        if self.calm:
            return {"coding": [{"system": LOINC, "code": self.one(*codes[:2])}]}
        return {
            **self.fields(0.3, text=lambda: self.one("Text", " ")),
            **self.fields(0.95, coding=lambda: [self.coding(*codes) for _ in range(self.one(0, 1, 1, 1, 2, 3))]),
        }

    def coding(self, *codes: str) -> Json:
        return {
            **self.fields(0.95, system=lambda: self.one(*[LOINC] * 8, f" {LOINC}", LOCAL, "")),
            **self.fields(0.97, code=lambda: self.one(*codes * 3, f"{codes[0]} ", "9-9", "")),
            **self.fields(0.3, display=lambda: self.one("Test", " ")),
        }

    def quantity(self) -> Json:
        if self.chance(0.6):
            return {"value": self.random.randint(1, 30), "unit": "mg/dL", "system": UCUM, "code": "mg/dL"}
        return self.fields(
            0.7,
            value=lambda: self.one(self.random.randint(-5, 20), self.random.uniform(0, 30), *_ODD_VALUES),
            comparator=lambda: self.one("", " ", "", "<", ">=", "ad", " > "),
            unit=lambda: self.one("mg/dL", "mg/dl", "mmol/L", "milligrams", " "),
            system=lambda: self.one(UCUM, UCUM, UCUM, LOCAL, "", f"{UCUM} "),
            code=lambda: self.one("mg/dL", "mg/dl", "mg/dL ", "mmol/l", "mmol/L", "g/L", ""),
        )

    def value(self) -> Json:
        if self.calm:
            return {"valueQuantity": {"value": self.random.uniform(1, 15), "unit": "mg/dL"}}
        value: Json = {}
        for _ in range(self.one(1, 1, 1, 1, 1, 0, 2)):
            kind = self.one("quantity", "quantity", "quantity", "integer", "string", "boolean", "concept", "other")
            match kind:
                case "quantity":
                    value["valueQuantity"] = self.quantity()
                case "integer":
                    value["valueInteger"] = self.random.randint(-3, 40)
                case "string":
                    value["valueString"] = self.one(*_TEXTS)
                case "boolean":
                    value["valueBoolean"] = self.chance(0.5)
                case "other":
                    name, other = self.one(*_OTHER_VALUES)
                    value[name] = other
                case _:
                    value["valueCodeableConcept"] = self.concept("yes", "no", "maybe")
        return {**value, **self.fields(0.06, dataAbsentReason=lambda: {"text": "unknown"})}

    def period(self) -> Json:
        return self.fields(0.7, start=self.time, end=self.time)

    def identity(self) -> Json:
        return self.fields(0.6, issued=self.time, meta=lambda: self.fields(0.6, lastUpdated=self.time))

    def observation(self) -> Json:
        if self.chance(0.8):
            when = {"effectiveDateTime": self.time()}
        else:
            when = self.fields(0.6, effectiveInstant=self.time, effectivePeriod=self.period)
        return {
            "resourceType": "Observation",
            **self.fields(0.97, status=lambda: self.one(*["final"] * 10, *_ODD_STATUSES)),
            **self.identity(),
            **when,
            **self.fields(0.97, code=lambda: self.concept(*CODES)),
            **self.value(),
            **self.fields(0.3, component=lambda: [self.component() for _ in range(self.one(0, 1, 2, 3))]),
        }

    def component(self) -> Json:
        return {**self.fields(0.95, code=lambda: self.concept(*CODES)), **self.value()}

    def condition(self) -> Json:
        return {
            "resourceType": "Condition",
            **self.identity(),
            "code": self.concept(*CODES),
            **self.fields(
                0.7, clinicalStatus=lambda: self.status("active", "Active ", "recurrence", "resolved", "inactive", "")
            ),
            **self.fields(
                0.4, verificationStatus=lambda: self.status("confirmed", "confirmed", "refuted", "Entered-in-Error", "")
            ),
            **self.fields(
                0.4,
                onsetDateTime=self.time,
                onsetPeriod=self.period,
                recordedDate=self.time,
                assertedDate=self.time,
                abatementDateTime=self.time,
            ),
            **self.fields(
                0.1,
                abatementPeriod=self.period,
                abatementAge=lambda: self.one({"value": 40}, {}),
                abatementRange=lambda: {"low": {"value": 40}},
                abatementString=lambda: self.one("in childhood", ""),
                abatementBoolean=lambda: self.chance(0.5),
            ),
        }

    def medicines(self) -> list[Json]:
        kinds = [{"resourceType": "Medication", "id": name, "code": self.concept(*CODES)} for name in ("m1", "m2")]
        return [medicine for medicine in kinds if self.chance(0.6)]

    def medicine(self) -> Json:
        if self.chance(0.6):
            return {"medicationCodeableConcept": self.concept(*CODES)}
        reference = self.one(
            "Medication/m1", "Medication/m1", "urn:uuid:m2", "#a", "#b", "https://e/Medication/m2", "x"
        )
        contained = {"contained": [{"resourceType": "Medication", "id": "a", "code": self.concept(*CODES)}]}
        return {"medicationReference": {"reference": reference}, **contained} if self.chance(0.9) else {}

    def order(self) -> Json:
        return {
            "resourceType": "MedicationRequest",
            **self.identity(),
            **self.fields(0.95, status=lambda: self.one(*["active"] * 6, "Active ", "completed", "draft", "cancelled")),
            **self.fields(
                0.9, intent=lambda: self.one(*["order"] * 6, "proposal", " Plan", "option", "instance-order")
            ),
            **self.fields(0.1, doNotPerform=lambda: self.chance(0.5)),
            **self.fields(0.9, authoredOn=self.time),
            **self.medicine(),
        }

    def statement(self) -> Json:
        return {
            "resourceType": "MedicationStatement",
            **self.identity(),
            **self.fields(0.95, status=lambda: self.one(*["active"] * 6, "recorded", "not-taken", "completed")),
            **self.fields(0.2, taken=lambda: self.one("y", "n", "N ", "unk")),
            **self.fields(0.5, effectiveDateTime=self.time, effectivePeriod=self.period, dateAsserted=self.time),
            **self.medicine(),
        }

    def stay(self) -> Json:
        return {
            "resourceType": "Encounter",
            **self.identity(),
            **self.fields(0.95, status=lambda: self.one(*["finished"] * 4, "in-progress", "planned", "cancelled")),
            **self.fields(0.9, period=self.period),
            "class": self.one(self.coding(*CODES), {"coding": [self.coding(*CODES)]}, [self.concept(*CODES)]),
            **self.fields(0.5, type=lambda: [self.concept(*CODES) for _ in range(self.one(1, 2))]),
        }

    def document(self) -> Json:
        return {
            "resourceType": "DocumentReference",
            **self.identity(),
            **self.fields(0.95, status=lambda: self.one(*["current"] * 4, "superseded", "entered-in-error")),
            **self.fields(0.2, docStatus=lambda: self.one("final", "entered-in-error", "preliminary")),
            **self.fields(0.6, date=self.time, indexed=self.time, created=self.time),
            **self.fields(0.95, type=lambda: self.concept(*CODES)),
            "content": [{"attachment": self.attachment()} for _ in range(self.one(0, 1, 1, 1, 2))],
        }

    def attachment(self) -> Json:
        text = base64.b64encode(b"x" * self.random.randrange(40)).decode()
        data = self.one(text, text, f"{text[:8]}\r\n{text[8:]}", f" {text}", "not base64!", "")
        return self.fields(0.6, size=lambda: self.one(5, 12, 0, "7", "many", -1, " "), data=lambda: data)

    def draft(self) -> Json:
        concept = self.one("code", "vaccineCode", "codeCodeableConcept", "itemCodeableConcept", "serviceType", "type")
        return {
            "resourceType": self.one("MedicationRequest", "ServiceRequest"),
            **self.identity(),
            **self.fields(0.9, status=lambda: self.one(*["draft"] * 4, "active", "stopped", "Entered-in-Error")),
            **self.fields(0.1, doNotPerform=lambda: self.chance(0.5)),
            **self.one({concept: self.concept(*CODES)}, self.medicine()),
        }

    def encounter(self) -> Json | None:
        if self.chance(0.2):
            return None
        return {"resourceType": "Encounter", "class": self.coding("yes", "no"), "period": self.period()}

    def status(self, *codes: str) -> Any:
        code = self.one(*codes)
        concept = {"coding": [{"code": self.one(*codes)} for _ in range(self.one(0, 1, 1, 2))], "text": code}
        return self.one(code, concept, {"text": code})

    def patient(self) -> Json | None:
        if self.chance(0.1):
            return None
        return {
            "resourceType": "Patient",
            **self.fields(
                0.8,
                birthDate=lambda: self.one(*_BIRTHS),
                gender=lambda: self.one("male", "female", " male ", "other", "", 1, True),
                multipleBirthInteger=lambda: self.one(1, 2, 2.5, 3, "2", "<3", True, 10**400, [], {}),
                active=lambda: self.one(True, False, "yes", "no", 1),
                address=lambda: [
                    self.fields(0.8, state=lambda: self.one("A", "B", None)) for _ in range(self.one(0, 1, 2))
                ],
            ),
            **self.fields(
                0.3, deceasedBoolean=lambda: self.chance(0.3), deceasedDateTime=lambda: self.one(self.time(), 5)
            ),
        }

    # Schemas

    def schema(self) -> FeatureSchema:
        drawers = [*[self.number] * 3, self.coded, self.counted, self.problem, self.event, self.event, self.length]
        coded = [self.one(*drawers)(f"f{i}") for i in range(self.random.randint(1, 8))]
        drafts = [self.drafted(f"d{i}") for i in range(self.random.randrange(3))]
        derived = [self.derived(f"x{i}", coded) for i in range(self.random.randrange(3))]
        features = [*PATIENT_FEATURES, *ENCOUNTER_FEATURES, *coded, *drafts, *derived]
        return FeatureSchema("1", tuple(self.random.sample(features, len(features))))

    def common(self) -> dict[str, Any]:
        return {
            "max_lag": self.one(None, None, 0.25 * DAY, 2 * DAY),
            "codes": self.one(("1-1",), ("2-2",), ("1-1", "2-2"), CODES),
            "within": self.one(None, None, 2 * DAY, 0.5 * DAY, 6 * DAY, 400 * DAY),
            "statuses": self.one(None, None, None, ("final",), ("Preliminary", "corrected", "final")),
        }

    def number(self, name: str) -> FeatureSpec:
        factors = {"mmol/L": 18.0, "g/L": 100.0}
        unit, convert = self.one((None, {}), (None, {}), ("mg/dL", {}), ("mg/dL", factors), ("g/l", {"mg/dL": 0.01}))
        take = self.one(Take.LATEST, Take.LATEST, *(t for t in Take if t not in (Take.ANY, Take.COUNT)))
        plausible = self.one(None, None, (0.0, 20.0), (1, 250.5))
        return lab(name, take=take, unit=unit, convert=convert, plausible=plausible, **self.common())

    def coded(self, name: str) -> FeatureSpec:
        if self.chance(0.3):
            take = self.one(Take.SUM, Take.MAX, Take.DELTA)
            return lab(name, take=take, type=FeatureType.CODE, map={"yes": 1, "no": 0.5, "maybe": 3}, **self.common())
        kind = self.one(
            {"type": FeatureType.BOOLEAN, "map": {"yes": True, "no": False, "true": True}},
            {"type": FeatureType.BOOLEAN},
            {"type": FeatureType.CODE, "map": {"yes": 1, "no": 0}},
            {"type": FeatureType.CODE, "use": Use.RULE_ONLY},
        )
        return lab(name, take=self.one(Take.LATEST, Take.EARLIEST), **kind, **self.common())

    def counted(self, name: str) -> FeatureSpec:
        return lab(name, take=self.one(Take.ANY, Take.COUNT), **self.common())

    def problem(self, name: str) -> FeatureSpec:
        common = {**self.common(), "statuses": self.one(None, None, ("active",), ("resolved", "Inactive"))}
        return lab(name, source="Condition", take=self.one(Take.ANY, Take.COUNT), **common)

    def event(self, name: str) -> FeatureSpec:
        source = self.one(
            "MedicationRequest", "MedicationRequest", "MedicationStatement", "Encounter", "DocumentReference"
        )
        statuses = {"MedicationRequest": ("Active", "completed"), "Encounter": ("finished",)}.get(source)
        common = {**self.common(), "statuses": self.one(None, None, statuses)}
        if self.chance(0.2):
            common["codes"] = ()
        return self.of_codes(name, source, common)

    def of_codes(self, name: str, source: str, common: dict[str, Any]) -> FeatureSpec:
        if common["codes"] and self.chance(0.5):
            take = Take.LATEST if source == "context" else self.one(Take.LATEST, Take.EARLIEST)
            table = self.one({"1-1": 1, "2-2": 2}, {f"{LOINC}|1-1": 1, "2-2": 2, f"{LOCAL}|1-1": 3})
            return lab(name, source=source, take=take, type=FeatureType.CODE, map=table, **common)
        return event(name, source, take=self.one(Take.ANY, Take.COUNT), **common)

    def length(self, name: str) -> FeatureSpec:
        take = self.one(Take.LATEST, Take.EARLIEST, Take.SUM, Take.MAX, Take.MEAN, Take.DELTA)
        common = {**self.common(), "statuses": None}
        return event(name, "DocumentReference", path="length", take=take, plausible=self.one(None, (1, 30)), **common)

    def drafted(self, name: str) -> FeatureSpec:
        common = {"codes": self.one((), ("1-1",), ("1-1", "2-2")), "path": self.one(*DRAFTS)}
        return self.of_codes(name, "context", common)

    def derived(self, name: str, specs: list[FeatureSpec]) -> FeatureSpec:
        numbers = [spec.name for spec in specs if spec.yields is Type.NUMBER] + ["whole_age"]
        a, b = self.one(*numbers), self.one(*numbers)
        text = self.one(f"({a} + 2 * {b}) / 3", f"{a} / ({b} - {a})", f"max({a}, {b}) - 3", f"-{a} * 1e300 * {b}")
        return FeatureSpec(name=name, derive=text, plausible=self.one(None, None, (-5, 40)))


def event(name: str, source: str, codes: tuple[str, ...] = (), **other: Any) -> FeatureSpec:
    """A feature by codes, or by none."""
    return FeatureSpec(name=name, source=source, codes=(CodeSet(LOINC, frozenset(codes)),) if codes else (), **other)


DRAFTS = ("draftOrders", "selections")

_SPELLINGS = (
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
)
_ODD_TIMES = (
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
    "2026-03-01T10:00:00.Z",
    "2026-03-01T102030.1Z",
    "0000-01-01",
    "2026-03-29T02:30:00",
    "2025-10-26T02:30:00",
    "2026-03-29T12:04:59Z",
    "2026-03-29T12:05:01Z",
    "2027-01-01",
)
_ODD_VALUES = ("5.4", " 7 ", "1,5", "<5", ">= 90", "1e400", "high", " ", ".5", "5.", "+2e1", "nan", 1e15, 1.7e308, -0.0)
_OTHER_VALUES: tuple[tuple[str, Any], ...] = (
    ("valueRange", {"low": {"value": 3}, "high": {"value": 5}}),
    ("valueRange", {}),
    ("valueRatio", {"numerator": {"value": 1}, "denominator": {"value": 128}}),
    ("valueDateTime", "2026-03-01"),
    ("valueDateTime", " "),
    ("valueTime", "10:00:00"),
    ("valuePeriod", {"start": "2026-03-01"}),
    ("valueSampledData", {"period": 10, "dimensions": 1}),
)
_TEXTS = ("5.4", "<5", ">= 90 mg", "< x", "yes", " no ", "a" * 100, "", "1e1", "٣", "≤ 3")
_ODD_STATUSES = (
    "corrected",
    "corrected",
    "amended",
    " Final",
    "FINAL",
    "entered-in-error ",
    "cancelled",
    "preliminary",
    "registered",
)
_BIRTHS = (
    "1980-02-29",
    "2008-03-29",
    "2008-03-30",
    "2008",
    "2008-03",
    "2026",
    "2026-04-01",
    "0000",
    "",
    " 1990-01-01",
    "1990-01-01T10:00:00Z",
    "1990-13-01",
    "1990-01-01T25:00:00Z",
    1990,
    "2026-03-29",
    "2026-03",
    "1850-01-01",
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

ENCOUNTER_FEATURES = (
    FeatureSpec(name="hours", source="Encounter", path="period.start", as_="hours"),
    FeatureSpec(name="days", source="Encounter", path="period.end", as_="days", plausible=(0, 3)),
    FeatureSpec(name="kind", source="Encounter", path="class.code", type=FeatureType.CODE, map={"yes": 1, "no": 0}),
)
