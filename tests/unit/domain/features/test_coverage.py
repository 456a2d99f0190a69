"""What the prefetch asks for, and what follows where it was not obtained."""

import pytest

from tests.fakes.features_bundles import DAY, KEYS, LABS, LOINC, NOW, SNOMED, event, extract, key, lab
from tests.fakes.features_reference import Json
from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.context.record import KeyState
from wardgate.domain.expressions import Type
from wardgate.domain.features.compile import compile_schema
from wardgate.domain.features.coverage import covered_codes, finds_no_references, narrowing, uncovered
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec, FeatureType, Take, Use
from wardgate.domain.features.vector import FeatureValue, Mark

HOUR = 3600.0
BOTH = lab("x", ("1-1", "2-2"))
FIRST, SECOND = f"{LOINC}|1-1", f"{LOINC}|2-2"
OK, NEWEST, PARTIAL, FAILED = KeyState.OBTAINED, KeyState.PARTIAL_NEWEST, KeyState.PARTIAL, KeyState.UNOBTAINED


@pytest.mark.parametrize(
    ("asked", "codes"),
    [
        (key("k", "Observation"), {FIRST, SECOND}),
        (key("k", "Observation", patient="p", category="laboratory", _sort="-date"), {FIRST, SECOND}),
        (key("k", "Observation", code=FIRST), {FIRST}),
        (key("k", "Observation", code=f"2-2, {FIRST}"), {FIRST, SECOND}),
        (key("k", "Observation", code=f"{LOINC}|"), {FIRST, SECOND}),
        (key("k", "Observation", code=f"{SNOMED}|1-1,|2-2"), set()),
        (key("k", "Observation", combo_code=SECOND), {SECOND}),
        (key("k", "Observation", component_code=SECOND), {SECOND}),
        (key("k", "Observation", code=f"{FIRST},{SECOND}", combo_code=FIRST), {FIRST}),
        (PrefetchKey("k", "", "Observation", False, (), (("code:in", "set"),), True), set()),
        (key("k", "Condition"), set()),
        (key("k", "Observation", read=True), set()),
    ],
)
def test_the_codes_that_a_key_asks_for(asked: PrefetchKey, codes: set[str]) -> None:
    """All without a code filter, else those listed; a modifier proves nothing."""
    assert covered_codes(asked, BOTH) == codes
    assert uncovered(BOTH, (asked,)) == {FIRST, SECOND} - codes


def test_several_keys_cover_together() -> None:
    """Each code by some key is enough."""
    assert uncovered(BOTH, (key("a", "Observation", code="1-1"), key("b", "Observation", code="2-2"))) == frozenset()


def test_a_patient_feature_needs_a_key_that_reads_the_patient() -> None:
    """By instance or by search."""
    age = FeatureSpec(name="age", source="Patient", path="birthDate", as_="years")
    assert uncovered(age, (LABS,)) == {"Patient"}
    assert uncovered(age, (key("p", "Patient", read=True),)) == uncovered(age, (key("p", "Patient", _id="1"),)) == set()


def test_what_may_leave_something_out_is_named() -> None:
    """Everything but patient, code and how the answer is laid out, each once."""
    asked = key("k", "Observation", patient="p", code="1", _sort="-date", _count="5", category="x", date="ge2020")
    assert narrowing(asked) == ("category", "date")
    assert narrowing(
        PrefetchKey("k", "", "Observation", False, (), (("code:in", "s"), ("date", "a"), ("date", "b")), True)
    ) == (
        "code:in",
        "date",
    )
    assert narrowing(key("k", "Patient", _id="1")) == ()


A, B = key("a", "Observation", code=FIRST), key("b", "Observation", code=SECOND)


def result(code: str, value: int) -> Json:
    return {
        "resourceType": "Observation",
        "id": f"{code}.{value}",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "effectiveDateTime": "2026-03-29T11:00:00Z",
        "valueInteger": value,
    }


def one(spec: FeatureSpec, states: dict[str, KeyState], *resources: Json, back_to: float = NOW - DAY) -> FeatureValue:
    """Keys of which only the newest part was read were read back to `back_to`; each result is an hour old."""
    read = {name: back_to for name, state in states.items() if state is NEWEST}
    schema = FeatureSchema("1", (spec,))
    return extract(schema, list(resources), keys=(A, B), states=states, read_back_to=read).values["x"]


UNOBTAINED = FeatureValue("x", None, Mark.MISSING, unobtained=True)


@pytest.mark.parametrize("take", [take for take in Take if take is not Take.LATEST])
@pytest.mark.parametrize("state", [NEWEST, PARTIAL, FAILED])
def test_a_failed_read_is_no_evidence_of_absence(take: Take, state: KeyState) -> None:
    """Neither a zero nor a false nor a sum of what happened to arrive."""
    spec = lab("x", ("1-1", "2-2"), take=take)
    assert one(spec, {"a": OK, "b": state}, result("1-1", 5), result("2-2", 6)) == UNOBTAINED
    assert one(spec, {"a": OK}, result("1-1", 5)) == UNOBTAINED


def test_an_empty_answer_is_an_answer() -> None:
    """Asked and nothing there: missing from the chart."""
    assert one(BOTH, {"a": OK, "b": OK}) == FeatureValue("x", None, Mark.MISSING)
    assert one(lab("x", take=Take.COUNT), {"a": OK, "b": FAILED}) == FeatureValue("x", 0.0)


def test_latest_may_rest_on_the_newest_part() -> None:
    """Where something was found that is newer than all that is unread."""
    assert one(BOTH, {"a": OK, "b": NEWEST}, result("2-2", 6)).value == 6.0
    assert one(BOTH, {"a": NEWEST, "b": NEWEST}, result("1-1", 5), result("2-2", 6)).value == 6.0
    assert one(BOTH, {"a": OK, "b": NEWEST}, result("1-1", 5)).value == 5.0
    for back_to in (NOW - HOUR, NOW - HOUR / 2):
        assert one(BOTH, {"a": OK, "b": NEWEST}, result("1-1", 5), back_to=back_to) == UNOBTAINED
    assert one(BOTH, {"a": OK, "b": NEWEST}) == UNOBTAINED
    assert one(BOTH, {"a": OK, "b": PARTIAL}, result("2-2", 6)) == UNOBTAINED


@pytest.mark.parametrize("take", list(Take))
def test_none_in_the_window_is_known_where_the_key_was_read_beyond_it(take: Take) -> None:
    """A chart of years cannot be read to its end, and nobody asks for more than the last hours of it."""
    spec, states = lab("x", ("1-1", "2-2"), take=take, within=6 * HOUR), {"a": OK, "b": NEWEST}
    found = one(spec, states, back_to=NOW - 6 * HOUR - 1)
    expected = {Take.COUNT: 0.0, Take.ANY: False}.get(take)
    assert found == FeatureValue("x", expected, Mark.MISSING if expected is None else None)
    assert one(spec, states, back_to=NOW - 6 * HOUR) == UNOBTAINED
    assert one(spec, {"a": OK, "b": PARTIAL}) == UNOBTAINED


def test_of_results_before_the_window_only_those_that_are_the_newest_are_named() -> None:
    """One that is older than what is unread is not known to be the last one."""
    spec, states = lab("x", ("1-1", "2-2"), within=HOUR / 2), {"a": OK, "b": NEWEST}
    assert one(spec, states, result("1-1", 5), back_to=NOW - DAY).mark is Mark.STALE
    assert one(spec, states, result("1-1", 5), back_to=NOW - HOUR) == FeatureValue("x", None, Mark.MISSING)


def test_what_no_key_asks_for_was_not_obtained() -> None:
    """Also if a resource of that code came with another key."""
    found = extract(FeatureSchema("1", (BOTH,)), [result("2-2", 6)], keys=(A,), states={"a": OK}).values["x"]
    assert found == UNOBTAINED


def test_a_second_key_for_the_same_code_is_enough() -> None:
    """One of them failed, the other did not."""
    states = {"a": FAILED, "labs": OK}
    found = extract(FeatureSchema("1", (lab("x"),)), [result("1-1", 5)], keys=(A, LABS), states=states)
    assert found.values["x"].value == 5.0


def test_the_scope_of_expressions() -> None:
    """Each feature with the type of its value, `deceased` besides; ages for what is observed."""
    specs = (
        lab("number"),
        lab("flag", type=FeatureType.BOOLEAN),
        lab("word", type=FeatureType.CODE, use=Use.RULE_ONLY),
        lab("points", type=FeatureType.CODE, map={"a": 1}),
        lab("truth", type=FeatureType.CODE, map={"a": True}),
        lab("ever", take=Take.ANY),
        lab("times", take=Take.COUNT),
        lab("problem", source="Condition", take=Take.ANY),
        FeatureSpec(name="age", source="Patient", path="birthDate", as_="years"),
    )
    names, timed = compile_schema(FeatureSchema("1", specs), KEYS).scope()
    assert names == {
        "number": Type.NUMBER,
        "flag": Type.BOOLEAN,
        "word": Type.CODE,
        "points": Type.NUMBER,
        "truth": Type.BOOLEAN,
        "ever": Type.BOOLEAN,
        "times": Type.NUMBER,
        "problem": Type.BOOLEAN,
        "age": Type.NUMBER,
        "deceased": Type.BOOLEAN,
    }
    assert timed == {"number", "flag", "word", "points", "truth", "ever", "times"}


ORDERS = event("x", "MedicationRequest", ("1-1", "2-2"), take=Take.ANY)
NAMED = ("", "encounterId", "")
ENCOUNTER = PrefetchKey("encounter", "", "Encounter", True, NAMED, (), False)
BY_ID = PrefetchKey("encounter", "", "Encounter", False, NAMED, (("_id", "{{context.encounterId}}"),), False)
INSIDE = FeatureSpec(name="x", source="Encounter", path="period.start", as_="hours")


@pytest.mark.parametrize(
    ("spec", "keys", "missing"),
    [
        (ORDERS, (key("a", "MedicationRequest"),), set()),
        (ORDERS, (key("a", "MedicationRequest", code=f"{LOINC}|1-1"),), {f"{LOINC}|2-2"}),
        (ORDERS, (key("a", "MedicationStatement"),), {f"{LOINC}|1-1", f"{LOINC}|2-2"}),
        (ORDERS, (key("a", "MedicationRequest", read=True),), {f"{LOINC}|1-1", f"{LOINC}|2-2"}),
        (event("x", "MedicationRequest", take=Take.COUNT), (key("a", "MedicationRequest"),), set()),
        (event("x", "MedicationRequest", take=Take.COUNT), (key("a", "MedicationRequest", code="1"),), {ORDERS.source}),
        (event("x", "Encounter", ("1-1",), take=Take.ANY), (key("a", "Encounter", type="1-1"),), set()),
        (event("x", "Encounter", ("1-1",), take=Take.ANY), (key("a", "Encounter", type="2-2"),), {f"{LOINC}|1-1"}),
        (event("x", "Encounter", take=Take.COUNT), (key("a", "Encounter", status="finished"),), set()),
        (event("x", "Encounter", take=Take.COUNT), (ENCOUNTER,), {"Encounter"}),
        (event("x", "Encounter", take=Take.COUNT), (BY_ID,), {"Encounter"}),
        (INSIDE, (ENCOUNTER,), set()),
        (INSIDE, (BY_ID,), set()),
        (INSIDE, (key("a", "Encounter"),), {"Encounter"}),
        (event("x", "DocumentReference", ("1-1",)), (key("a", "DocumentReference", category="n"),), set()),
        (event("x", "DocumentReference", ("1-1",)), (key("a", "DocumentReference", type="2-2"),), {f"{LOINC}|1-1"}),
        (event("x", "context", ("1-1",), path="draftOrders", take=Take.ANY), (), set()),
    ],
)
def test_coverage_of_every_source(spec: FeatureSpec, keys: tuple[PrefetchKey, ...], missing: set[str]) -> None:
    """By code where there are codes; every resource of the type where there are none; the call's own by its id."""
    assert uncovered(spec, keys) == missing


def test_a_key_that_asks_for_one_encounter_is_not_narrow() -> None:
    """It is the very one that a path reads."""
    assert narrowing(BY_ID) == ()
    assert narrowing(key("a", "Encounter", type="1", status="finished")) == ("status",)
    assert finds_no_references(key("a", "MedicationRequest", code="1"))
    assert not finds_no_references(key("a", "MedicationRequest"))
    assert not finds_no_references(key("a", "Observation", code="1"))


@pytest.mark.parametrize("state", [state for state in KeyState if state is not KeyState.OBTAINED])
def test_medicines_that_were_not_all_read_are_not_known(state: KeyState) -> None:
    """Neither that there is none, nor how many, nor which was the last."""
    states = {"a": state}
    for take in (Take.ANY, Take.COUNT):
        schema = FeatureSchema("1", (event("x", "MedicationRequest", ("1-1",), take=take),))
        assert extract(schema, [], keys=(key("a", "MedicationRequest"),), states=states).values["x"].unobtained
