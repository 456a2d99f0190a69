"""Which Observations count, and what each of them says."""

from typing import Any

import pytest

from tests.fakes.features_bundles import DAY, LOCAL, LOINC, NOW, UCUM, extract, lab
from tests.fakes.features_reference import Json
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec, FeatureType, Take, Use
from wardgate.domain.features.vector import FeatureValue, Mark

MG = {"unit": "mg/dL", "system": UCUM, "code": "mg/dL"}
NOON = "2026-03-29T12:00:00Z"
HOUR_AGO = "2026-03-29T11:00:00Z"


def observation(value: Any = 5, code: str = "1-1", at: str | None = HOUR_AGO, **other: Any) -> Json:
    """A final LOINC Observation; a number stands in mg/dL, a dict is fields, None is no value."""
    fields = {"valueQuantity": {"value": value, **MG}} if isinstance(value, int | float) else value or {}
    time = {} if at is None else {"effectiveDateTime": at}
    code_ = {"coding": [{"system": LOINC, "code": code}]}
    return {"resourceType": "Observation", "id": "o", "status": "final", "code": code_, **time, **fields, **other}


def one(spec: FeatureSpec, *resources: Json, as_of: float = NOW) -> FeatureValue:
    return extract(FeatureSchema("1", (spec,)), list(resources), as_of=as_of).values[spec.name]


def outcome(spec: FeatureSpec, *resources: Json) -> float | bool | str | None:
    """The value, or the name of the mark."""
    found = one(spec, *resources)
    return found.value if found.mark is None else found.mark.value


def test_a_plain_result() -> None:
    """Value, time, age and unit of the only result; no mark, no text, no trend."""
    found = one(lab("x", unit="mg/dL"), observation(5))
    assert found == FeatureValue("x", 5.0, at=NOW - 3600, age=3600.0, unit="mg/dL")
    assert type(found.value) is float


def codings(*pairs: tuple[str | None, str | None]) -> Json:
    return {"coding": [{"system": system, "code": code} for system, code in pairs], "text": "anything"}


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        (codings((LOCAL, "a"), (LOINC, "1-1")), True),
        (codings((f" {LOINC} ", " 1-1\n")), True),
        (codings((LOCAL, "1-1")), False),
        (codings((None, "1-1")), False),
        (codings((LOINC, "1-10")), False),
        (codings((LOINC, None)), False),
        ({"text": "1-1"}, False),
        ({"coding": []}, False),
    ],
)
def test_any_coding_with_the_exact_system_and_code_counts(code: Json, counts: bool) -> None:
    """Several codings are alternatives; white space around them means nothing, all else does."""
    assert outcome(lab("x"), {**observation(), "code": code}) == (5.0 if counts else "missing")


def test_an_observation_with_two_matching_codings_counts_once() -> None:
    """A sum over codes does not double what carries both."""
    both = {**observation(4), "code": codings((LOINC, "1-1"), (LOINC, "2-2"))}
    assert outcome(lab("x", ("1-1", "2-2"), take=Take.SUM), both) == 4.0
    assert outcome(lab("x", ("1-1", "2-2"), take=Take.COUNT), both) == 1.0


def panel(**other: Any) -> Json:
    parts = [
        {"code": codings((LOINC, "8480-6")), "valueQuantity": {"value": 120, "code": "mm[Hg]"}},
        {"code": codings((LOINC, "8462-4")), "valueQuantity": {"value": 80, "code": "mm[Hg]"}},
    ]
    return {**observation(None, code="85354-9"), "component": parts, **other}


def test_a_component_has_its_own_value_and_its_parents_time_and_status() -> None:
    """Blood pressures come as components of a panel."""
    assert one(lab("x", ("8480-6",), unit="mm[Hg]"), panel()) == FeatureValue(
        "x", 120.0, None, NOW - 3600, 3600.0, "mm[Hg]"
    )
    assert outcome(lab("x", ("8462-4",)), panel()) == 80.0
    assert outcome(lab("x", ("8462-4",)), panel(status="cancelled")) == "missing"


def test_an_observation_and_several_of_its_components_count_once() -> None:
    """`count` counts Observations; values are those of each component."""
    assert outcome(lab("x", ("8480-6", "8462-4"), take=Take.COUNT), panel()) == 1.0
    assert outcome(lab("x", ("8480-6", "8462-4"), take=Take.MEAN), panel()) == 100.0


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        ("final", True),
        ("amended", True),
        ("corrected", True),
        (" Final ", True),
        ("preliminary", False),
        ("registered", False),
        ("entered-in-error", False),
        ("entered-in-error ", False),
        ("Cancelled", False),
        (None, False),
    ],
)
def test_statuses_by_default(status: str | None, counts: bool) -> None:
    """Final, amended and corrected results count, whatever the case and the white space."""
    assert (outcome(lab("x"), observation(status=status)) == 5.0) is counts


def test_declared_statuses_replace_the_default() -> None:
    """With preliminary declared, final no longer counts."""
    spec = lab("x", statuses=("Preliminary",))
    assert outcome(spec, observation(status="preliminary")) == 5.0
    assert outcome(spec, observation(status="final")) == "missing"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"valueQuantity": {"unit": "mg/dL"}},
        {"valueQuantity": {"value": " "}},
        {"valueString": " "},
        {"valueCodeableConcept": {"coding": []}},
        {"valueQuantity": {"value": 5}, "dataAbsentReason": {"text": "error"}},
        {"valueQuantity": {"value": 5}, "dataAbsentReason": {}},
    ],
)
def test_without_a_value_it_is_no_candidate(fields: Json) -> None:
    """An empty newest one does not hide the older result, and is not counted."""
    empty = observation(fields, at=NOON)
    assert outcome(lab("x"), observation(3), empty) == 3.0
    assert outcome(lab("x", take=Take.ANY), empty) is False
    assert outcome(lab("x", take=Take.COUNT), empty) == 0.0


def test_a_components_own_data_absent_reason_counts() -> None:
    """The part that is read decides, not the other parts."""
    part = {"code": codings((LOINC, "8480-6")), "valueQuantity": {"value": 1}, "dataAbsentReason": {"text": "no"}}
    assert outcome(lab("x", ("8480-6",)), panel(component=[part])) == "missing"
    assert outcome(lab("x", ("8480-6",)), panel(dataAbsentReason={"text": "no"})) == 120.0


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"effectiveDateTime": HOUR_AGO, "effectiveInstant": NOON}, 3600.0),
        ({"effectiveInstant": HOUR_AGO, "effectivePeriod": {"end": NOON}}, 3600.0),
        ({"effectivePeriod": {"start": "2026-03-01", "end": HOUR_AGO}}, 3600.0),
        ({"effectivePeriod": {"start": HOUR_AGO}}, 3600.0),
        ({"effectiveDateTime": "2026-03-29"}, 13 * 3600.0),
        ({"effectiveDateTime": "2026-03-29T12:05:00Z"}, 0.0),
    ],
)
def test_the_time_of_an_observation(fields: Json, expected: float) -> None:
    """The effective time, the end of a period before its start; never an age below zero."""
    assert one(lab("x"), observation(5, at=None, **fields)).age == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"issued": HOUR_AGO},
        {"effectiveDateTime": "soon", "effectiveInstant": HOUR_AGO},
        {"effectivePeriod": {}},
        {"effectiveDateTime": "2026-03-29T12:05:00.001Z"},
    ],
)
def test_undated_and_future_ones_are_not_the_latest(fields: Json) -> None:
    """`issued` is no substitute, an unreadable time is none, and more than five minutes ahead is no measurement."""
    assert outcome(lab("x"), observation(5, at=None, **fields)) == "missing"


@pytest.mark.parametrize(
    ("take", "expected"),
    [
        (Take.LATEST, 3.0),
        (Take.EARLIEST, 3.0),
        (Take.DELTA, "missing"),
        (Take.SLOPE, "missing"),
        (Take.MIN, 1.0),
        (Take.MAX, 3.0),
        (Take.MEAN, 2.0),
        (Take.SUM, 4.0),
        (Take.COUNT, 2.0),
        (Take.ANY, True),
    ],
)
def test_undated_ones_count_where_time_does_not_matter(take: Take, expected: float | str) -> None:
    """Without `within`, they enter into sums and counts."""
    assert outcome(lab("x", take=take), observation(3), observation(1, at=None)) == expected


@pytest.mark.parametrize("take", [Take.MIN, Take.COUNT, Take.SUM, Take.LATEST])
def test_undated_ones_never_count_within_a_window(take: Take) -> None:
    """What has no time cannot be shown to be recent."""
    found = outcome(lab("x", take=take, within=DAY), observation(1, at=None))
    assert found == (0.0 if take is Take.COUNT else "missing")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"valueQuantity": {"value": "5.4"}}, 5.4),
        ({"valueQuantity": {"value": 7}}, 7.0),
        ({"valueInteger": 7}, 7.0),
        ({"valueString": " -1.5e1 "}, -15.0),
        ({"valueString": "+.5"}, 0.5),
        ({"valueString": "5."}, 5.0),
        ({"valueString": "1,5"}, "not_numeric"),
        ({"valueString": "1_000"}, "not_numeric"),
        ({"valueString": "0x10"}, "not_numeric"),
        ({"valueString": "٣"}, "not_numeric"),
        ({"valueString": "nan"}, "not_numeric"),
        ({"valueString": "inf"}, "not_numeric"),
        ({"valueString": "1e999"}, "not_numeric"),
        ({"valueString": "5 mg"}, "not_numeric"),
        ({"valueString": "positive"}, "not_numeric"),
        ({"valueString": "<5"}, "comparator"),
        ({"valueString": ">= 90"}, "comparator"),
        ({"valueString": "≤.5 mg/L"}, "comparator"),
        ({"valueString": "< low"}, "not_numeric"),
        ({"valueQuantity": {"value": "<5"}}, "comparator"),
        ({"valueQuantity": {"value": 5, "comparator": "<"}}, "comparator"),
        ({"valueQuantity": {"value": 5, "comparator": "ad"}}, "comparator"),
        ({"valueQuantity": {"value": 5, "comparator": "~"}}, "comparator"),
        ({"valueQuantity": {"value": "high", "comparator": "<"}}, "comparator"),
        ({"valueQuantity": {"value": 5, "comparator": " "}}, 5.0),
        ({"valueBoolean": True}, "not_numeric"),
        ({"valueCodeableConcept": {"coding": [{"code": "5"}]}}, "not_numeric"),
    ],
)
def test_reading_a_number(fields: Json, expected: float | str) -> None:
    """Plain decimal numbers only; bounds are no numbers, and neither is anything else."""
    assert outcome(lab("x"), observation(fields)) == expected


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ({"code": "mg/dL", "system": UCUM}, 10.0),
        ({"code": "mg/dl", "system": f"{UCUM} "}, 10.0),
        ({"code": " mg/dL"}, 10.0),
        ({"code": "mg/dL", "unit": "milligrams", "system": UCUM}, 10.0),
        ({"unit": "mg/dL"}, 10.0),
        ({"unit": "mg/dl", "system": UCUM}, 10.0),
        ({"code": "umol/L"}, 5.0),
        ({"code": "umol/l"}, 5.0),
        ({"unit": "umol/l"}, 5.0),
        ({}, "wrong_unit"),
        ({"code": "mg/mL", "unit": "mg/dL"}, "wrong_unit"),
        ({"code": "MG/DL"}, "wrong_unit"),
        ({"code": "mg/dL", "system": LOCAL}, "wrong_unit"),
        ({"unit": "mg/dL", "system": LOCAL}, "wrong_unit"),
    ],
)
def test_units_are_compared_never_guessed(quantity: Json, expected: float | str) -> None:
    """The UCUM code, or the text where there is none; declared factors, and no others."""
    spec = lab("x", unit="mg/dL", convert={"umol/L": 0.5})
    assert outcome(spec, observation({"valueQuantity": {"value": 10, **quantity}})) == expected


def test_a_number_without_a_quantity_has_no_unit() -> None:
    """Where a unit is declared, an integer or a text cannot be taken to stand in it."""
    for fields in ({"valueInteger": 5}, {"valueString": "5"}):
        assert outcome(lab("x", unit="mg/dL"), observation(fields)) == "wrong_unit"


@pytest.mark.parametrize(("value", "usable"), [(1, True), (10, True), (0.999, False), (10.001, False)])
def test_plausible_bounds_are_inclusive_and_apply_after_conversion(value: float, usable: bool) -> None:
    """Both bounds count as plausible; 0.5 and 5 are those bounds in the chart's unit."""
    spec = lab("x", unit="mg/dL", convert={"g/L": 2.0}, plausible=(1.0, 10.0))
    assert (one(spec, observation(value)).mark is None) is usable
    converted = observation({"valueQuantity": {"value": value / 2, "code": "g/L"}})
    assert one(spec, converted).mark is (None if usable else Mark.IMPLAUSIBLE)


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ({"value": "abc", "comparator": "<", "code": "kg"}, "comparator"),
        ({"value": "abc", "code": "kg"}, "not_numeric"),
        ({"value": 1000, "code": "kg"}, "wrong_unit"),
        ({"value": 1000, "code": "mg/dL"}, "implausible"),
    ],
)
def test_the_precedence_of_marks(quantity: Json, expected: str) -> None:
    """Of several marks that fit the first of the documented order stands."""
    spec = lab("x", unit="mg/dL", plausible=(0.0, 10.0))
    assert outcome(spec, observation({"valueQuantity": quantity})) == expected


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"valueQuantity": {"value": 60, "comparator": ">", "unit": "mL/min"}}, "> 60 mL/min"),
        ({"valueQuantity": {"value": 60.25, "code": "kg"}}, "60.25 kg"),
        ({"valueString": " positive "}, "positive"),
        ({"valueString": "x" * 100}, "x" * 79 + "…"),
        ({"valueInteger": 7}, "7"),
        ({"valueBoolean": False}, "false"),
        ({"valueCodeableConcept": {"text": "Reactive", "coding": [{"code": "r"}]}}, "Reactive"),
        ({"valueCodeableConcept": {"coding": [{"code": "r"}]}}, "r"),
    ],
)
def test_a_marked_value_is_shown_as_charted(fields: Json, shown: str) -> None:
    """What cannot be a number is kept as text for the card."""
    found = one(lab("x", unit="mg/dL"), observation(fields))
    assert found.mark is not None and found.shown == shown and found.age == 3600.0


YES = {"coding": [{"system": LOCAL, "code": "y"}, {"system": LOCAL, "code": " yes "}]}


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ({"type": FeatureType.BOOLEAN}, {"valueBoolean": False}, False),
        ({"type": FeatureType.BOOLEAN, "map": {"yes": True}}, {"valueCodeableConcept": YES}, True),
        ({"type": FeatureType.BOOLEAN, "map": {"yes": True}}, {"valueString": " yes"}, True),
        ({"type": FeatureType.BOOLEAN, "map": {"yes": True}}, {"valueString": "no"}, "not_numeric"),
        ({"type": FeatureType.BOOLEAN}, {"valueString": "yes"}, "not_numeric"),
        ({"type": FeatureType.BOOLEAN}, {"valueInteger": 1}, "not_numeric"),
        ({"type": FeatureType.CODE, "map": {"yes": 2}}, {"valueCodeableConcept": YES}, 2.0),
        ({"type": FeatureType.CODE, "map": {"true": 2, "false": 0}}, {"valueBoolean": False}, 0.0),
        ({"type": FeatureType.CODE, "map": {"Yes": 2}}, {"valueString": "yes"}, "not_numeric"),
        ({"type": FeatureType.CODE, "use": Use.RULE_ONLY}, {"valueCodeableConcept": YES}, "y"),
        ({"type": FeatureType.CODE, "use": Use.RULE_ONLY}, {"valueString": " free "}, "free"),
        ({"type": FeatureType.CODE, "use": Use.RULE_ONLY}, {"valueCodeableConcept": {"text": "y"}}, "not_numeric"),
        ({"type": FeatureType.CODE, "use": Use.RULE_ONLY}, {"valueQuantity": {"value": 5}}, "not_numeric"),
    ],
)
def test_booleans_and_codes(kind: dict[str, Any], fields: Json, expected: float | bool | str) -> None:
    """Through a map where one is declared; a map to numbers makes a number."""
    found = outcome(lab("x", **kind), observation(fields))
    assert found == expected and type(found) is type(expected)


def test_what_belongs_to_no_feature_is_not_looked_at() -> None:
    """A chart full of other codes leaves a feature missing, with neither time nor text."""
    found = one(lab("x", unit="mg/dL"), observation(5, code="9-9"))
    assert found == FeatureValue("x", None, Mark.MISSING, unit="mg/dL")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"valueRange": {"low": {"value": 3}, "high": {"value": 5}}}, "a range"),
        ({"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}}, "a ratio"),
        ({"valueDateTime": "2026-03-01"}, "a date"),
        ({"valueTime": "10:00:00"}, "a time"),
        ({"valuePeriod": {"start": "2026-03-01"}}, "a period"),
        ({"valueSampledData": {"period": 10}}, "a series of samples"),
    ],
)
def test_a_value_that_no_feature_reads_is_still_a_value(value: Json, shown: str) -> None:
    """Regression: a newest result given as a range looked valueless, and an older number answered for it."""
    older = observation(7, at="2026-03-28T11:00:00Z", id="older")
    found = one(lab("x"), older, observation(value))
    assert (found.value, found.mark, found.shown) == (None, Mark.NOT_NUMERIC, shown)
    panel = observation({"component": [{"code": codings((LOINC, "1-1")), **value}]}, code="9-9")
    assert outcome(lab("x"), older, panel) == "not_numeric"
    assert one(lab("x", take=Take.COUNT), older, observation(value)).value == 2.0


@pytest.mark.parametrize("value", [{"valueRange": {}}, {"valueDateTime": " "}, {"valueTime": None}])
def test_an_empty_one_is_none(value: Json) -> None:
    """As a blank text is none."""
    assert outcome(lab("x"), observation(7, at="2026-03-28T11:00:00Z", id="older"), observation(value)) == 7.0
