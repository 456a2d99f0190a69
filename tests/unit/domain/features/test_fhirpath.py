"""General FHIRPath: what may be declared, what an expression yields, and that no call waits for one."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.features_bundles import lab
from wardgate.domain.context.fhir import Component, Resource
from wardgate.domain.features import fhirpath
from wardgate.domain.features.fhirpath import (
    MAX_NODES,
    UNREADABLE,
    Exhausted,
    Steps,
    compile_fhirpath,
    holder_of,
    problem_of,
)
from wardgate.domain.features.schema import FeatureType
from wardgate.domain.features.values import Read, compile_read
from wardgate.domain.features.vector import Mark

PHI = "Zaphod-Beeblebrox"
MMHG = {"unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}


def part(code: str, value: Any) -> dict[str, Any]:
    return {
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "valueQuantity": {"value": value, **MMHG},
    }


PRESSURE: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}], "text": "Blood pressure"},
    "effectiveDateTime": "2026-03-01",
    "component": [part("8480-6", 120.5), part("8462-4", 80)],
    "note": [{"text": PHI}],
    "extension": [
        {"url": "one", "valueInteger": 1},
        {"url": "two", "valueInteger": 2},
        {"url": "two", "valueInteger": 3},
        {"valueInteger": 4},
        "no extension",
    ],
}


def value(expression: str, document: dict[str, Any] = PRESSURE) -> Any:
    assert problem_of(expression) is None
    return compile_fhirpath(expression)(document, Steps())


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("status", "final"),
        ("Observation.status", "final"),
        ("component.count()", 2.0),
        ("component.where(code.coding.exists(code='8480-6')).value.value", 120.5),
        ("component.where(code.coding.exists(code='8480-6')).value", {"value": 120.5, **MMHG}),
        ("component.where(code.coding.exists(code='8480-6')).valueQuantity.value", 120.5),
        (
            "component.where(code.coding.code='8480-6').value.value - component[1].value.value",
            40.5,
        ),
        ("component.value.ofType(Quantity).where(value > 100).value", 120.5),
        ("status = 'final' and component.exists()", True),
        ("code.coding.first()", {"system": "http://loinc.org", "code": "85354-9"}),
        ("iif(component.exists(), 'panel', 'single')", "panel"),
        ("nosuch.thing", None),
        ("{}", None),
        ("value", None),
        ("Patient.status", None),
        ("component.value.value", UNREADABLE),
        ("component.value.value.first() / 'x'", UNREADABLE),
        ("component.value.value.first() / 0", None),
        ("component.first().value > component.last().value", UNREADABLE),
        ("component.first().value = 120.5 'mm[Hg]'", True),
        ("extension('one').value", 1.0),
        ("extension('two').value", UNREADABLE),
        ("extension('two').value.first()", 2.0),
        ("extension('two').count()", 2.0),
        ("extension('none').value", None),
        ("note.extension('two').value", None),
        ("@2026-01-01", UNREADABLE),
        ("5 'mg'", UNREADABLE),
        ("note.text.toInteger()", None),
        ("note.text + 1", UNREADABLE),
        ("$this.status", UNREADABLE),
    ],
)
def test_an_expression_yields_one_plain_value_or_none(expression: str, expected: Any) -> None:
    """Floats, never Decimals; several values, an error, or a literal of the engine's own cannot be read."""
    found = value(expression)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(
    ("expression", "column"),
    [
        ("", 1),
        ("component.where(", 17),
        ("a..b", 3),
        ("a b", 3),
        ("name.given[", 12),
        ("'x", 1),
        ("(a", 3),
        ("1 +", 4),
        ("a 'mg'", 3),
    ],
)
def test_what_is_not_fhirpath_is_told_with_its_column(expression: str, column: int) -> None:
    """The engine's own parser takes nearly all of these, and leaves out what it does not understand."""
    what, _ = problem_of(expression) or ("", "")
    assert what == f"not FHIRPath, at column {column}"


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("now()", "now(): the clock is the call's"),
        ("birthDate > today()", "today(): the clock is the call's"),
        ("`now`()", "now(): the clock is the call's"),
        ("a.where(timeOfDay() > b)", "timeOfDay(): the clock"),
        ("subject.resolve().birthDate", "resolve(): a feature reads one resource"),
        ("name.trace('x')", "trace(): it would write a patient's data"),
        ("a.repeat(b)", "repeat() is not among"),
        ("descendants()", "descendants() is not among"),
        ("a.matches('(a+)+$')", "matches() is not among"),
        ("a.value.sum()", "sum() is not among"),
        ("2.power(1000000)", "power() is not among"),
        ("a.replace('', 'aaaa')", "replace() is not among"),
        ("nosuch()", "nosuch() is not among"),
        ("code.coding.single().code", "single(): the engine takes several values for none"),
        ("value > 6 'mmol/L'", "cannot compare Quantities"),
        ("status = 'final' and (-6.5 'mmol/L') <= value", "cannot compare Quantities"),
        ("component.where(value > 100 'mm[Hg]').exists()", "cannot compare Quantities"),
        ("%resource.id", "no variables"),
        ("a" * 501, "too long"),
        ("(" * 200 + "a" + ")" * 200, "nested too deeply"),
    ],
)
def test_what_a_call_has_no_time_for_is_refused(expression: str, what: str) -> None:
    """And what would read another clock, another resource, or write to a log."""
    told, remedy = problem_of(expression) or ("", "")
    assert what in told and remedy


def test_without_the_engine_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything of it is imported."""
    monkeypatch.setattr(fhirpath, "find_spec", lambda name: None)
    what, remedy = problem_of("status") or ("", "")
    assert "fhirpathpy" in what and "pip install 'wardgate[fhirpath]'" in remedy


def test_every_allowed_function_is_one_that_the_engine_has() -> None:
    """A misspelt one would fail in calls only."""
    from fhirpathpy.engine.invocations import invocation_registry

    assert fhirpath._FUNCTIONS <= invocation_registry.keys()


def test_steps_are_counted_over_all_resources() -> None:
    """A few are used for a small resource, and the next one finds what is left."""
    evaluate, steps = compile_fhirpath("component.value.value.first()"), Steps()
    assert evaluate(PRESSURE, steps) == 120.5
    used = fhirpath.MAX_STEPS - steps.left
    assert 20 < used < 100
    few = Steps(used)
    evaluate(PRESSURE, few)
    with pytest.raises(Exhausted):
        evaluate(PRESSURE, few)


def test_a_resource_beyond_the_bound_is_not_looked_at() -> None:
    """Neither wide, nor deep, nor long: no step is spent on it."""
    wide = {**PRESSURE, "component": [part("8480-6", 1)] * MAX_NODES}
    deep: Any = {}
    for _ in range(MAX_NODES + 1):
        deep = {"a": deep}
    long = {**PRESSURE, "note": [{"text": "9" * 64 * MAX_NODES}]}
    for document in (wide, deep, long):
        steps = Steps()
        assert compile_fhirpath("component.count()")(document, steps) is UNREADABLE
        assert steps.left == fhirpath.MAX_STEPS


def test_a_deep_resource_within_the_bound_does_not_end_the_call() -> None:
    """Recursion of the engine is an error of the expression, as any other."""
    deep: Any = {"status": "final"}
    for _ in range(MAX_NODES - 2):
        deep = {"a": deep}
    assert compile_fhirpath("a")(deep, Steps()) is UNREADABLE


def test_two_expressions_do_not_disturb_one_another() -> None:
    """The engine keeps global state; steps are counted for whoever asked."""
    first, second = compile_fhirpath("status"), compile_fhirpath("component.count()")
    ours, theirs = Steps(), Steps()
    assert (first(PRESSURE, ours), second(PRESSURE, theirs), first(PRESSURE, ours)) == ("final", 2.0, "final")
    assert ours.left != fhirpath.MAX_STEPS != theirs.left


def test_the_resource_stays_as_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is changed in it, and nothing of it is printed, also where the expression fails."""
    document = copy.deepcopy(PRESSURE)
    for expression in ("component.value", "note.text + 1", "note.text & 'x'", "code", "note.text.toInteger()"):
        value(expression, document)
    assert json.dumps(document) == json.dumps(PRESSURE)
    assert capfd.readouterr() == ("", "")


RESOURCE = Resource(resourceType="Observation")


def read_of(**spec: Any) -> Read:
    return compile_read(lab(**spec))


@pytest.mark.parametrize(
    ("spec", "found", "expected"),
    [
        ({}, 5.0, (5.0, None)),
        ({}, "5.5", (5.5, None)),
        ({}, "<5", (None, Mark.COMPARATOR)),
        ({}, True, (None, Mark.NOT_NUMERIC)),
        ({}, UNREADABLE, (None, Mark.NOT_NUMERIC)),
        ({}, {"value": 5.0}, (5.0, None)),
        ({}, {"value": 5.0, "comparator": ">"}, (None, Mark.COMPARATOR)),
        ({}, {"value": []}, (None, Mark.NOT_NUMERIC)),
        ({}, {"coding": 5}, (None, Mark.NOT_NUMERIC)),
        ({}, [5.0], (None, Mark.NOT_NUMERIC)),
        ({"unit": "mm[Hg]"}, {"value": 5.0, **MMHG}, (5.0, None)),
        ({"unit": "kPa", "convert": {"mm[Hg]": 0.1333}}, {"value": 10.0, **MMHG}, (1.333, None)),
        ({"unit": "kPa"}, {"value": 5.0, **MMHG}, (None, Mark.WRONG_UNIT)),
        ({"unit": "kPa"}, 5.0, (None, Mark.WRONG_UNIT)),
        ({"plausible": (10, 20)}, 5.0, (None, Mark.IMPLAUSIBLE)),
        ({"type": FeatureType.BOOLEAN}, True, (True, None)),
        ({"type": FeatureType.CODE}, "amb", ("amb", None)),
        ({"type": FeatureType.CODE}, {"system": "s", "code": "amb"}, ("amb", None)),
        ({"type": FeatureType.CODE, "map": {"amb": 1}}, {"coding": [{"code": "x"}, {"code": "amb"}]}, (1.0, None)),
    ],
)
def test_a_value_is_read_as_if_it_were_the_resources_own(spec: dict[str, Any], found: Any, expected: Any) -> None:
    """Units, maps, bounds and marks are those of any other feature."""
    assert read_of(**spec)(holder_of(RESOURCE, found)) == expected


# Whatever is declared and whatever is sent: an answer, in bounded steps

LEAVES = ("component", "value", "code.coding", "status", "note.text", "$this", "1", "0.5", "'a'", "true", "{}", "@2026")
CALLS = (
    "where({})",
    "exists({})",
    "all({})",
    "select({})",
    "iif({}, {})",
    "first()",
    "count()",
    "toString()",
    "length()",
)
OPERATORS = ("+", "-", "*", "/", "div", "mod", "&", "|", "=", "~", "<", ">=", "and", "or", "in", "contains", "implies")


def expressions() -> st.SearchStrategy[str]:
    return st.recursive(
        st.sampled_from(LEAVES),
        lambda inner: st.one_of(
            st.builds("{}.{}".format, inner, st.sampled_from(LEAVES[:5])),
            st.builds("({} {} {})".format, inner, st.sampled_from(OPERATORS), inner),
            st.builds(lambda a, call, b, c: f"{a}.{call.format(b, c)}", inner, st.sampled_from(CALLS), inner, inner),
            st.builds("{}[{}]".format, inner, st.sampled_from(("0", "1", "'a'"))),
        ),
        max_leaves=8,
    )


NAMES = ("component", "value", "valueQuantity", "code", "coding", "status", "note", "text", "extension", "resourceType")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from((PHI, "5", "2026-01-01", "")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=20,
)


@given(expressions(), st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6))
def test_no_expression_and_no_resource_ends_a_call(expression: str, document: dict[str, Any]) -> None:
    """It yields none, one plain value, or something that cannot be read; or it says that its steps are used up."""
    if problem_of(expression) is not None:
        return
    steps = Steps(2000)
    try:
        found = compile_fhirpath(expression)(document, steps)
    except Exhausted as error:
        assert str(error) == ""
        return
    assert found is None or found is UNREADABLE or isinstance(found, bool | float | str | dict)
    assert isinstance(holder_of(RESOURCE, found), Component)


@pytest.mark.parametrize("inner", [[], [1], [{"valueString": "x"}]])
def test_a_list_in_a_list_cannot_be_read(inner: list[Any]) -> None:
    """FHIR has none, so what it means nobody knows."""
    assert compile_fhirpath("component")({"component": [inner]}, Steps(2000)) is UNREADABLE


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("status & '-' & code.text", "final-Blood pressure"),
        ("status & nothing", "final"),
        ("nothing & nothing", ""),
        ("status & component.value.value", UNREADABLE),
        ("status & 1", UNREADABLE),
        ("status + '-' + code.text", "final-Blood pressure"),
        ("status + nothing", None),
        ("1 + 2 * 3", 7.0),
        ("component.value.value.first() * 2", 241.0),
        ("component.value.value.first() + 0.5", 121.0),
        ("status * 2", UNREADABLE),
        ("nothing * 2", None),
        ("component.value.value * 2", UNREADABLE),
        ("component.value.code.join('/')", "mm[Hg]/mm[Hg]"),
        ("component.value.code.join()", "mm[Hg]mm[Hg]"),
        ("component.value.value.join()", UNREADABLE),
        ("(effectiveDateTime + 1 day) > @2026-03-01", True),
    ],
)
def test_what_may_grow_means_what_it_meant(expression: str, expected: Any) -> None:
    """The operators that count are those of the engine."""
    found = value(expression)
    assert found is expected or found == expected


@pytest.mark.parametrize(
    "expression",
    [
        "note.text" + ".select($this & $this)" * 22,
        "note.text.first()" + ".select($this + $this)" * 21,
        "note.text" + ".select(($this|'a').join($this))" * 14,
    ],
)
def test_a_text_costs_steps_as_it_grows(expression: str) -> None:
    """Regression, law 1: doubled 22 times, 100 letters were 400 megabytes in 70 steps."""
    steps = Steps()
    with pytest.raises(Exhausted):
        compile_fhirpath(expression)({**PRESSURE, "note": [{"text": "x" * 100}]}, steps)
    with pytest.raises(Exhausted):
        compile_fhirpath("status")(PRESSURE, steps)


def test_a_whole_number_has_an_end() -> None:
    """Regression, law 1: squared 22 times, 9 has four million digits."""
    assert value("9" + ".select($this * $this)" * 22) is UNREADABLE
    assert value("9" + ".select($this * $this)" * 8) == 9.0**256
    assert value("9.5" + ".select($this * $this)" * 12) is UNREADABLE, "there is no such float"
