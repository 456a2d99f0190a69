"""Features by FHIRPath: which resources are looked at, what comes of their values, and what is told of the rest."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes.features_bundles import BERLIN, DAY, LOINC, NOW, lab
from wardgate.adapters.files.models import read_schema
from wardgate.domain.context.assemble import Answer, assemble
from wardgate.domain.context.ownership import Owner
from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.context.record import KeyState, PatientRecord
from wardgate.domain.context.resources import decode_value
from wardgate.domain.features import compile as compiling
from wardgate.domain.features.compile import check_schema, compile_schema
from wardgate.domain.features.evaluated import MAX_RESOURCES
from wardgate.domain.features.export import export_keys
from wardgate.domain.features.fhirpath import Steps
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec, FeatureType, Take
from wardgate.domain.features.vector import FeatureValue, Mark

PAGE = Path(__file__).parents[4] / "docs" / "features.md"
SYSTOLIC = "component.where(code.coding.code = '8480-6').value"
PANEL = "85354-9"
Json = dict[str, Any]


def feature(expression: str, source: str = "Observation", **other: Any) -> FeatureSpec:
    return FeatureSpec(name="x", source=source, expression=expression, **other)


def pressure(systolic: float, day: int, **changes: Any) -> Json:
    """A panel of so many days ago."""
    quantity = {"value": systolic, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
    return {
        "resourceType": "Observation",
        "id": f"o{day}-{systolic}",
        "status": "final",
        "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": LOINC, "code": PANEL}]},
        "effectiveDateTime": datetime.fromtimestamp(NOW - day * DAY, UTC).isoformat(),
        "component": [{"code": {"coding": [{"system": LOINC, "code": "8480-6"}]}, "valueQuantity": quantity}],
        **changes,
    }


def record_of(spec: FeatureSpec, resources: list[Json], patient: Json | None = None) -> PatientRecord:
    """As the gatherer makes it of a call's prefetch."""
    bundle = {"resourceType": "Bundle", "entry": [{"resource": resource} for resource in resources]}
    answers = []
    for key in export_keys(FeatureSchema("1", (spec,))):
        raw = json.dumps(patient if key.resource_type == "Patient" else bundle).encode()
        page = decode_value(raw, key.resource_type, key.whole)
        assert page is not None
        answers.append(Answer(key, [page], KeyState.OBTAINED))
    return assemble(answers, Owner("p", None, frozenset()), None, wrong_patient=False)


def value(spec: FeatureSpec, *resources: Json, patient: Json | None = None) -> FeatureValue:
    schema = FeatureSchema("1", (spec,))
    assert check_schema(schema) == []
    extractor = compile_schema(schema, export_keys(schema))
    return extractor.extract(record_of(spec, list(resources), patient), NOW, BERLIN).values["x"]


def of_panel(**other: Any) -> FeatureSpec:
    return feature(SYSTOLIC, codes=lab(codes=(PANEL,)).codes, **other)


def test_the_newest_resource_that_has_a_value_is_taken() -> None:
    """With time, age and trend as of any feature; a resource without a value is passed over."""
    found = value(of_panel(unit="mm[Hg]"), pressure(120, 3), pressure(140, 2), pressure(9, 1, component=[]))
    assert (found.value, found.mark, found.age) == (140.0, None, 2 * DAY)
    assert [point.value for point in found.trend] == [120.0, 140.0]


@pytest.mark.parametrize(
    ("take", "expected"),
    [
        (Take.EARLIEST, 120.0),
        (Take.MIN, 110.0),
        (Take.MAX, 140.0),
        (Take.MEAN, (120 + 140 + 110) / 3),
        (Take.DELTA, -10.0),
        (Take.COUNT, 3.0),
        (Take.ANY, True),
    ],
)
def test_every_take_works_on_what_expressions_yield(take: Take, expected: float) -> None:
    """Over those that have a value, within the window."""
    charts = (pressure(120, 3), pressure(140, 2), pressure(110, 1), pressure(9, 0, component=[]), pressure(1, 28))
    found = value(of_panel(take=take, within=10 * DAY), *charts)
    assert found.value == pytest.approx(expected)


HIGH = "component.first().value.value > 130"
TORN = {"component": [{"valueQuantity": {"value": "many"}}]}


@pytest.mark.parametrize(
    ("take", "charts", "expected", "mark"),
    [
        (Take.ANY, (pressure(120, 1, **TORN),), None, Mark.NOT_NUMERIC),
        (Take.ANY, (pressure(120, 2), pressure(120, 1, **TORN)), None, Mark.NOT_NUMERIC),
        (Take.ANY, (pressure(140, 2), pressure(120, 1, **TORN)), True, None),
        (Take.ANY, (pressure(120, 1, **TORN), pressure(140, 20)), None, Mark.NOT_NUMERIC),
        (Take.COUNT, (pressure(140, 2), pressure(120, 1, **TORN)), None, Mark.NOT_NUMERIC),
        (Take.COUNT, (pressure(140, 2), pressure(120, 20, **TORN)), 1.0, None),
        (Take.ANY, (pressure(120, 20, **TORN),), False, None),
    ],
)
def test_what_cannot_be_told_is_neither_counted_nor_taken_for_none(
    take: Take, charts: tuple[Json, ...], expected: object, mark: Mark | None
) -> None:
    """An expression that fails on a resource of the window says nothing of it; a true one elsewhere is enough."""
    found = value(feature(HIGH, codes=lab(codes=(PANEL,)).codes, take=take, within=10 * DAY), *charts)
    assert (found.value, found.mark) == (expected, mark)
    assert mark is None or (found.age == DAY and not found.unobtained)


def test_several_values_are_not_counted_as_one() -> None:
    """Whether there is any is for the expression to ask: `exists()`."""
    two = pressure(120, 1)
    two["component"] *= 2
    several = feature("component.value.value", take=Take.COUNT)
    assert value(several, two).mark is Mark.NOT_NUMERIC
    assert value(feature("component.value.exists()", take=Take.COUNT), two).value == 1.0


def test_a_code_chooses_a_resource_once_also_by_its_component() -> None:
    """Without a code all resources of the type count."""
    by_component = feature("component.count()", codes=lab(codes=("8480-6",)).codes, take=Take.SUM)
    assert value(by_component, pressure(120, 1), pressure(130, 2)).value == 2.0
    other = pressure(120, 1, code={"coding": [{"system": LOINC, "code": "1-1"}]}, component=[])
    assert value(by_component, other).mark is Mark.MISSING
    assert value(feature("code.coding.count()", take=Take.SUM), other, pressure(130, 2)).value == 2.0


def test_statuses_time_and_corrections_decide_as_always() -> None:
    """Entered in error, in the future, replaced: none of them counts, whatever the expression says."""
    charts = (
        pressure(120, 3),
        pressure(121, 2, status="entered-in-error"),
        pressure(122, -3),
        pressure(119, 3, status="corrected", id="c"),
    )
    assert value(of_panel(take=Take.SUM), *charts).value == 119.0


@pytest.mark.parametrize(
    ("changes", "spec", "mark"),
    [
        ({"component": pressure(1, 1)["component"] * 2}, {}, Mark.NOT_NUMERIC),
        ({}, {"unit": "kPa"}, Mark.WRONG_UNIT),
        ({}, {"plausible": (1, 2)}, Mark.IMPLAUSIBLE),
        ({"note": [{"text": "x"}] * 2000}, {}, Mark.NOT_NUMERIC),
    ],
)
def test_a_value_that_cannot_be_used_is_marked(changes: Json, spec: Json, mark: Mark) -> None:
    """Several values, another unit, out of bounds, a resource too large to look at; never an older value instead."""
    found = value(of_panel(**spec), pressure(120, 3), pressure(130, 1, **changes))
    assert (found.value, found.mark) == (None, mark) and found.age is not None


def test_more_resources_than_the_bound_leave_what_needs_all_of_them_unobtained() -> None:
    """`latest` needs the newest alone, and `any` one; a sum over a part would be another number."""
    charts = [pressure(100 + number, number % 20, id=str(number)) for number in range(MAX_RESOURCES + 1)]
    assert value(of_panel(take=Take.SUM), *charts[:-1]).value is not None
    cut = value(of_panel(take=Take.SUM), *charts)
    assert (cut.value, cut.mark, cut.unobtained) == (None, Mark.MISSING, True)
    assert value(of_panel(), *charts).value is not None
    assert value(of_panel(take=Take.ANY), *charts).value is True
    assert value(of_panel(take=Take.SUM, within=5 * DAY), *charts).value is not None


def test_steps_that_are_used_up_leave_it_unobtained(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the rest had not been there to look at."""
    monkeypatch.setattr(compiling, "Steps", lambda: Steps(100))
    charts = [pressure(100 + number, number) for number in range(3)]
    assert value(of_panel(take=Take.SUM), *charts).unobtained
    assert value(of_panel(), *charts).value == 100.0


def test_any_and_count_are_of_what_is_so() -> None:
    """An expression that says no is no finding."""
    severe = {"severity": {"coding": [{"code": "24484000"}]}}
    spec = feature("severity.coding.exists(code = '24484000')", "Condition", take=Take.COUNT)
    assert value(spec, condition("a"), condition("b", **severe)).value == 1.0
    assert value(feature(spec.expression or "", "Condition", take=Take.ANY), condition("a")).value is False


def condition(name: str, **changes: Any) -> Json:
    status = {"coding": [{"code": "active"}]}
    return {
        "resourceType": "Condition",
        "id": name,
        "clinicalStatus": status,
        "subject": {"reference": "Patient/p"},
    } | changes


@pytest.mark.parametrize("shape", ["bundle", "loose", "wrapped"])
def test_whole_resources_come_with_every_shape_of_a_prefetch(shape: str) -> None:
    """A Bundle, one with a misfit somewhere in it, and the wrapped one of before 1.0."""
    spec = of_panel()
    charts = [pressure(120, 1), *([pressure(1, 2, status=5)] if shape == "loose" else [])]
    bundle: Json = {"resourceType": "Bundle", "entry": [{"resource": one} for one in charts]}
    sent = {"response": {"status": "200 OK"}, "resource": bundle} if shape == "wrapped" else bundle
    key = PrefetchKey("Observation", "", "Observation", False, (), (), True, whole=True)
    page = decode_value(json.dumps(sent).encode(), "Observation", whole=True)
    assert page is not None
    record = assemble([Answer(key, [page], KeyState.OBTAINED)], Owner("p", None, frozenset()), None, False)
    found = compile_schema(FeatureSchema("1", (spec,)), (key,)).extract(record, NOW, BERLIN).values["x"]
    assert found.value == 120.0


def test_without_such_a_feature_nothing_is_kept_whole() -> None:
    """The cost of FHIRPath is borne by those who use it."""
    keys = export_keys(FeatureSchema("1", (lab(),)))
    assert not any(key.whole for key in keys)
    record = record_of(lab(), [pressure(120, 1), pressure(1, 2, status=5)], {"resourceType": "Patient", "id": "p"})
    assert record.wholes == {}


PATIENT: Json = {
    "resourceType": "Patient",
    "id": "p",
    "birthDate": "1980-03-29",
    "extension": [{"url": "http://x/weeks", "valueQuantity": {"value": 30, "unit": "wk", "code": "wk"}}],
    "name": [{"use": "official", "given": ["A", "B"]}, {"use": "nickname"}],
    "multipleBirthInteger": 2,
}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (feature("birthDate", "Patient", as_="years"), (46.0, None)),
        (feature("name.where(use = 'official').given.count()", "Patient"), (2.0, None)),
        (feature("multipleBirth", "Patient", plausible=(0, 1)), (None, Mark.IMPLAUSIBLE)),
        (feature("extension('http://x/weeks').value", "Patient", unit="wk"), (30.0, None)),
        (feature("extension('http://x/weeks').value", "Patient", unit="d", convert={"wk": 7}), (210.0, None)),
        (feature("name.given", "Patient"), (None, Mark.NOT_NUMERIC)),
        (feature("name.given.first() + 1", "Patient"), (None, Mark.NOT_NUMERIC)),
        (feature("contact.name", "Patient"), (None, Mark.MISSING)),
        (feature("name.use.first()", "Patient", type=FeatureType.CODE, map={"official": 1}), (1.0, None)),
        (feature("name.exists()", "Patient", type=FeatureType.BOOLEAN), (True, None)),
    ],
)
def test_the_patient_is_read_whole_in_any_case(spec: FeatureSpec, expected: tuple[Any, Mark | None]) -> None:
    """Dates by `as`; everything else as a value of an Observation is read."""
    found = value(spec, patient=PATIENT)
    assert (pytest.approx(found.value, abs=0.01) if found.value is not None else None, found.mark) == expected


def problems(**spec: Any) -> dict[str, str]:
    return {problem.key: problem.what for problem in check_schema(FeatureSchema("1", (FeatureSpec(name="x", **spec),)))}


def test_what_cannot_be_declared_is_told() -> None:
    """Sources whose texts are not read, expressions that are none, takes that need numbers."""
    assert "does not read DocumentReference" in problems(source="DocumentReference", expression="status")["engine"]
    assert "does not read context" in problems(source="context", expression="status")["engine"]
    assert problems(source="Observation", expression="a..b") == {"path": "not FHIRPath, at column 3"}
    assert "from its expression alone" in problems(derive="age", expression="a")["engine"]
    assert problems(source="Condition", expression="onset", take=Take.LATEST) == {}
    assert "needs numbers" in problems(source="Encounter", expression="a", take=Take.SUM, type=FeatureType.CODE)["take"]
    assert "one value" in problems(source="Patient", expression="name", take=Take.COUNT)["take"]


def test_the_example_of_the_page_finds_what_it_says(tmp_path: Path) -> None:
    """Only the pressure that was taken standing, with its unit."""
    block = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[-1]
    path = tmp_path / "features.yaml"
    path.write_text(block, encoding="utf-8")
    schema, errors = read_schema(path)
    assert errors == [] and schema is not None
    position = {
        "url": "http://hl7.org/fhir/StructureDefinition/observation-bodyPosition",
        "valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "10904000"}]},
    }
    (spec,) = schema.schema.features
    charts = [pressure(131, 5, extension=[position]), pressure(140, 2)]
    assert value(msgspec.structs.replace(spec, name="x"), *charts).value == 131.0


def test_the_steps_of_a_call_are_shared_by_all_its_features() -> None:
    """Regression, law 1: each of many expressions had a budget of its own."""
    spec = of_panel(take=Take.SUM)
    charts = [pressure(100 + number, number % 20, id=str(number)) for number in range(MAX_RESOURCES)]
    record = record_of(spec, charts)
    specs = tuple(msgspec.structs.replace(spec, name=f"x{number}") for number in range(20))
    schema = FeatureSchema("1", specs)
    values = compile_schema(schema, export_keys(schema)).extract(record, NOW, BERLIN).values
    known = [not values[each.name].unobtained for each in specs]
    assert known[0] and not known[-1] and known == sorted(known, reverse=True)
