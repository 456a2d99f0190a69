"""Features that are computed from other features."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.fakes.features_bundles import BERLIN, DAY, KEYS, NOW, PATIENT, extract, key, lab, record_of
from tests.fakes.features_reference import Json
from wardgate.domain.context.record import KeyState
from wardgate.domain.expressions import Type, words_in
from wardgate.domain.features import derived as module
from wardgate.domain.features.check import check_schema
from wardgate.domain.features.compile import compile_schema
from wardgate.domain.features.coverage import uncovered
from wardgate.domain.features.schema import CodeSet, FeatureSchema, FeatureSpec, FeatureType, Take, Use
from wardgate.domain.features.vector import FeatureValue, Mark

SBP, DBP = lab("sbp", ("1-1",), unit="mm[Hg]", use=Use.RULE_ONLY), lab("dbp", ("2-2",), unit="mm[Hg]")
AGE = FeatureSpec(name="age", source="Patient", path="birthDate", as_="whole_years")
MEAN = FeatureSpec(name="meanbp", derive="(sbp + 2 * dbp) / 3", unit="mm[Hg]")


def measured(code: str, value: float | None, days_ago: float = 0.0, unit: str = "mm[Hg]") -> Json:
    return {
        "resourceType": "Observation",
        "id": f"{code}{days_ago}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "effectiveDateTime": datetime.fromtimestamp(NOW - days_ago * DAY, UTC).isoformat(),
        "valueQuantity": {"value": value, "unit": unit, "code": unit},
    }


def derived(*resources: Json, spec: FeatureSpec = MEAN, others: tuple[FeatureSpec, ...] = (), **known: Any) -> Any:
    return extract(FeatureSchema("1", (spec, SBP, DBP, AGE, *others)), list(resources), **known).values[spec.name]


def test_the_value_is_the_expressions_and_the_time_is_the_oldest_inputs() -> None:
    """(120 + 2 * 60) / 3 = 80, no fresher than the older of the two pressures."""
    found = derived(measured("1-1", 120, days_ago=2), measured("2-2", 60, days_ago=5))
    assert found == FeatureValue("meanbp", 80.0, None, NOW - 5 * DAY, 5 * DAY, "mm[Hg]")


@pytest.mark.parametrize(
    ("resources", "mark"),
    [
        ((measured("2-2", 60),), Mark.MISSING),
        ((measured("1-1", 120, unit="kPa"), measured("2-2", 60)), Mark.WRONG_UNIT),
        ((measured("1-1", 120, unit="kPa"),), Mark.WRONG_UNIT),
        ((measured("1-1", 120),), Mark.MISSING),
    ],
)
def test_an_input_without_value_leaves_it_without_value(resources: tuple[Json, ...], mark: Mark) -> None:
    """With the mark of the first such input, in the order of the expression; one that cannot be used goes first."""
    found = derived(*resources)
    assert (found.value, found.mark, found.unobtained) == (None, mark, False)


def test_what_is_absent_is_not_blamed_for_what_is_unreadable() -> None:
    """`if(absent(sbp), dbp, sbp)` can do without an sbp; what it lacks is a dbp that is there and cannot be used."""
    spec = FeatureSpec(name="x", derive="if(absent(sbp), dbp, sbp)")
    found = derived(measured("2-2", 60, unit="kPa"), spec=spec)
    assert (found.mark, found.lacks, found.unobtained) == (Mark.WRONG_UNIT, "dbp", False)
    assert derived(spec=spec).lacks == "sbp"
    keys = (PATIENT, key("one", "Observation", code="1-1"), key("two", "Observation", code="2-2"))
    states = {"patient": KeyState.OBTAINED, "one": KeyState.OBTAINED, "two": KeyState.UNOBTAINED}
    unread = derived(spec=spec, keys=keys, states=states)
    assert (unread.mark, unread.lacks, unread.unobtained) == (Mark.MISSING, "dbp", True)


def test_one_that_is_derived_twice_names_what_was_measured() -> None:
    """The name of a feature that somebody can look for in the chart."""
    twice = FeatureSpec(name="twice", derive="2 * meanbp")
    assert derived(measured("1-1", 120), spec=twice, others=(MEAN,)).lacks == "dbp"


def test_what_could_not_be_fetched_is_not_missing() -> None:
    """The first input without value was not obtained, and so is what is derived from it."""
    keys = (PATIENT, key("one", "Observation", code="1-1"), key("two", "Observation", code="2-2"))
    states = {"patient": KeyState.OBTAINED, "one": KeyState.UNOBTAINED, "two": KeyState.OBTAINED}
    found = derived(measured("2-2", 60), keys=keys, states=states)
    assert (found.mark, found.unobtained) == (Mark.MISSING, True)


@pytest.mark.parametrize("text", ["sbp / (dbp - dbp)", "sbp * 1e308 * 1e10", "0 / (sbp - sbp) + dbp"])
def test_what_is_no_finite_number_is_a_mark(text: str) -> None:
    """Division by zero, and what is too large, are never an infinite input of the model."""
    spec = FeatureSpec(name="x", derive=text)
    found = derived(measured("1-1", 120), measured("2-2", 60), spec=spec)
    assert (found.value, found.mark) == (None, Mark.NOT_NUMERIC)


def test_plausible_is_about_the_result() -> None:
    """Bounds are inclusive, as those of a measurement."""
    spec = msgspec.structs.replace(MEAN, plausible=(20.0, 80.0))
    assert derived(measured("1-1", 120), measured("2-2", 60), spec=spec).value == 80.0
    found = derived(measured("1-1", 121), measured("2-2", 60), spec=spec)
    assert (found.value, found.mark, found.age) == (None, Mark.IMPLAUSIBLE, 0.0)


def test_derived_ones_may_build_on_derived_ones_in_any_order() -> None:
    """The schema's order is the reader's; each is computed behind its inputs."""
    twice = FeatureSpec(name="twice", derive="meanbp + pressure")
    pressure = FeatureSpec(name="pressure", derive="sbp - dbp")
    found = derived(measured("1-1", 120), measured("2-2", 60, days_ago=1), spec=twice, others=(MEAN, pressure))
    assert (found.value, found.age) == (140.0, DAY)


def test_an_expression_may_ask_whether_an_input_is_there() -> None:
    """It says itself what it needs: only then does an input without value leave it without value."""
    spec = FeatureSpec(name="x", derive="if(missing(sbp), dbp, sbp)")
    assert derived(measured("2-2", 60), spec=spec).value == 60.0
    assert derived(measured("1-1", 120), spec=spec).value == 120.0
    assert derived(spec=spec).mark is Mark.MISSING


def test_a_boolean_and_an_age() -> None:
    """A comparison is a boolean; ages of inputs are durations, and one by the other a number."""
    wide = FeatureSpec(name="wide", derive="sbp - dbp > 40 and age > 18", type=FeatureType.BOOLEAN)
    days = FeatureSpec(name="days", derive="age_of(dbp) / 1d")
    chart = (measured("1-1", 120), measured("2-2", 60, days_ago=3))
    assert derived(*chart, spec=wide, patient={"birthDate": "1950"}).value is True
    assert derived(*chart, spec=days).value == pytest.approx(3.0)


def test_age_of_a_derived_one_needs_inputs_that_have_ages() -> None:
    """A patient's age has no time, so neither has what is computed with it."""
    pulse = FeatureSpec(name="pulse", derive="sbp - dbp")
    index = FeatureSpec(name="index", derive="pulse / age")
    more = FeatureSpec(name="more", derive="pulse * 2")
    hidden = lab("hidden", ("3-3",), use=Use.COHORT_ONLY)
    extractor = compile_schema(FeatureSchema("1", (index, more, pulse, SBP, DBP, AGE, hidden)), KEYS)
    names, timed = extractor.scope()
    assert timed == {"sbp", "dbp", "pulse", "more"}
    assert names["index"] is Type.NUMBER
    assert "hidden" not in names


def test_coverage_is_proved_for_the_inputs() -> None:
    """The derived feature itself needs no prefetch."""
    assert uncovered(MEAN, ()) == frozenset()
    assert uncovered(SBP, ()) == {"http://loinc.org|1-1"}


def test_the_record_need_not_hold_anything() -> None:
    """With an empty chart all are missing, and nothing raises."""
    extractor = compile_schema(FeatureSchema("1", (MEAN, SBP, DBP)), KEYS)
    assert extractor.extract(record_of([]), NOW, BERLIN).values["meanbp"].mark is Mark.MISSING


@pytest.mark.parametrize(
    ("changes", "key", "what"),
    [
        ({"derive": "sbp +"}, "derive", "at column"),
        ({"derive": "sbp + tbp"}, "derive", "tbp"),
        ({"derive": "sbp > 5"}, "derive", "true or false"),
        ({"derive": "age_of(sbp)"}, "derive", "duration"),
        ({"derive": "age_of(age)"}, "derive", "age"),
        ({"derive": "1 + 1"}, "derive", "no feature"),
        ({"derive": "meanbp + 1"}, "derive", "wait for one another"),
        ({"derive": "deceased"}, "derive", "deceased"),
        ({"derive": "secret + 1"}, "derive", "cohort_only"),
        ({"source": "Observation"}, "from", "expression alone"),
        ({"codes": (CodeSet("s", frozenset({"a"})),)}, "code", "expression alone"),
        ({"path": "a"}, "path", "expression alone"),
        ({"within": 5.0}, "within", "expression alone"),
        ({"max_lag": 5.0}, "max_lag", "expression alone"),
        ({"feed": "lab"}, "source", "expression alone"),
        ({"statuses": ("final",)}, "statuses", "expression alone"),
        ({"convert": {"g": 2}}, "convert", "expression alone"),
        ({"take": Take.MAX}, "take", "one value"),
        ({"type": FeatureType.CODE, "unit": None, "use": Use.RULE_ONLY, "derive": "sbp"}, "type", "code"),
        ({"plausible": (2, 1)}, "plausible", "reversed"),
        ({"bins": (2, 1)}, "bins", "ascend"),
        ({"name": "Mean"}, "name", "legal"),
    ],
)
def test_each_error_is_found_under_its_key(changes: dict[str, Any], key: str, what: str) -> None:
    """What the schema says wrongly is told with a remedy."""
    changed = msgspec.structs.replace(MEAN, **changes)
    secret = lab("secret", ("3-3",), use=Use.COHORT_ONLY)
    problems = check_schema(FeatureSchema("1", (SBP, DBP, AGE, secret, changed)))
    assert [(problem.feature, problem.key) for problem in problems[:1]] == [(changed.name, key)]
    assert what in problems[0].what and problems[0].remedy
    assert {problem.feature for problem in problems} == {changed.name}


def test_a_circle_is_told_at_each_of_its_members() -> None:
    """And at what waits for it."""
    a, b = FeatureSpec(name="a", derive="b + sbp"), FeatureSpec(name="b", derive="a + dbp")
    problems = check_schema(FeatureSchema("1", (SBP, DBP, a, b, FeatureSpec(name="c", derive="a"))))
    assert [problem.feature for problem in problems] == ["a", "b", "c"]
    assert all("wait for one another" in problem.what for problem in problems)


def test_a_chain_of_derived_features_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: each round read every expression again, so that a file of 1 MiB took hours to check."""
    read: list[str] = []

    def counting(text: str) -> tuple[str, ...]:
        read.append(text)
        return words_in(text)

    monkeypatch.setattr(module, "words_in", counting)
    chain = [lab("f0"), *(FeatureSpec(name=f"f{n}", derive=f"f{n - 1} + 1") for n in range(1, 300))][::-1]
    ordered, waiting = module.in_order(chain)
    assert [spec.name for spec in ordered] == [f"f{n}" for n in range(1, 300)] and not waiting
    assert module.dependants(chain, ["f0"]) == {spec.name for spec in chain}
    assert len(read) < 5 * len(chain)


def test_a_long_circle_is_told_in_short() -> None:
    """Its features, but for a few, by their number."""
    circle = tuple(FeatureSpec(name=f"f{n}", derive=f"f{(n + 1) % 300} + 1") for n in range(300))
    problems = check_schema(FeatureSchema("1", circle))
    assert len(problems) == 300
    assert problems[0].what == "f0, f1, f2, f3, f4, f5, f6, f7 and 292 more wait for one another"
