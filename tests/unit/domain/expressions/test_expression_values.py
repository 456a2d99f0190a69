"""What each rule of docs/expressions.md gives, one by one."""

import math
import re
from enum import StrEnum
from pathlib import Path

import pytest

from wardgate.domain.expressions import RESERVED, Expression, Known, Operand, Scope, Type, compile_expression
from wardgate.domain.expressions.emit import Value
from wardgate.domain.features.vector import FeatureValue, Mark

NUMBER, BOOLEAN, CODE, DURATION = Type.NUMBER, Type.BOOLEAN, Type.CODE, Type.DURATION
SCOPE = Scope(
    {
        "age": NUMBER,
        "egfr": NUMBER,
        "uacr": NUMBER,
        "gone": NUMBER,
        "has_dialysis": BOOLEAN,
        "smoker": BOOLEAN,
        "sex": CODE,
        "score": NUMBER,
    },
    outputs=frozenset({"score"}),
    timed=frozenset({"egfr", "uacr", "gone"}),
)
DAY = 86400.0
ENVIRONMENT: dict[str, Operand] = {
    "age": Known(70),
    "egfr": FeatureValue("egfr", 30.0, age=200 * DAY),
    "uacr": FeatureValue("uacr", None, Mark.STALE, age=400 * DAY),
    "gone": FeatureValue("gone", None, Mark.MISSING, unobtained=True),
    "has_dialysis": Known(False),
    "smoker": Known(None),
    "sex": Known("female"),
    "score": Known(0.25),
}


def compiled(text: str, type_: Type = BOOLEAN) -> Expression:
    return compile_expression(text, SCOPE, type_)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("age >= 18 and egfr < 60", True),
        ("age < 70", False),
        ("age <= 70", True),
        ("age > 70", False),
        ("age == 70", True),
        ("age != 70", False),
        ("has_dialysis", False),
        ("not has_dialysis", True),
        ("has_dialysis == false", True),
        ("has_dialysis != (age > 18)", True),
        ("not age > 18", False),
        ("not not true", True),
        ('sex == "female"', True),
        ("sex != 'female'", False),
        ('sex in ["male", "other"]', False),
        ('sex not in ["male", "other"]', True),
        ("age in [70, 80]", True),
        ("egfr - 60 in [-30]", True),
        ("age_of(egfr) in [200d]", True),
        ("score > .2", True),
        ("score > 1e-6", True),
        ("true or false and false", True),
        ("(true or false) and false", False),
        ("1 + 2 * 3 == 7", True),
        ("(1 + 2) * 3 == 9", True),
        ("10 - 4 - 3 == 3", True),
        ("16 / 4 / 2 == 2", True),
        ("-age + 80 == 10", True),
        ("- - age == 70", True),
        ("max(0, age - 65) / 10 == .5", True),
        ("min(age, egfr, 40) == 30", True),
        ("if(has_dialysis, 4, if(egfr < 45, 2, 0)) == 2", True),
        ('if(true, sex, "x") == "female"', True),
        ("if(age > 18, not has_dialysis, false)", True),
    ],
)
def test_known_values(text: str, expected: bool) -> None:
    """Operators and functions on values that are there, with the precedence that the page states."""
    assert compiled(text).evaluate(ENVIRONMENT) is expected


@pytest.mark.parametrize(
    "text",
    [
        "uacr > 30",
        "uacr != uacr",
        "gone + 1 > 0",
        "-gone < 0",
        "uacr in [30]",
        "uacr not in [30]",
        "min(uacr, 5) == 5",
        "max(5, gone) == 5",
        "smoker",
        "not smoker",
        "smoker and true",
        "smoker or false",
        "smoker == smoker",
        "if(smoker, true, true)",
        "if(egfr < 60, smoker, true)",
        "age / 0 > 1",
        "age / (egfr - 30) > 1",
        "1e308 * age > 1",
        "1e308 * 10 * 0 == 0",
        "-1e308 - 1e308 < 0",
        "missing(gone)",
        "age_of(gone) > 1d",
    ],
)
def test_unknown_values(text: str) -> None:
    """What an unknown operand, a zero divisor or an overflow makes unknown."""
    assert compiled(text).evaluate(ENVIRONMENT) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("smoker and has_dialysis", False),
        ("has_dialysis and smoker", False),
        ("smoker and age > 18 and has_dialysis", False),
        ("smoker or age > 18", True),
        ("age > 18 or smoker", True),
        ("smoker or has_dialysis or age > 18", True),
        ("uacr > 30 and age < 18", False),
        ("missing(uacr) or uacr > 30", True),
        ("not missing(egfr) and egfr < 60", True),
        ("if(egfr < 60, true, smoker)", True),
    ],
)
def test_what_decides_in_spite_of_the_unknown(text: str, expected: bool) -> None:
    """`and` and `or` are known where the known part decides (Kleene), in every order; `if` reads one branch."""
    assert compiled(text).evaluate(ENVIRONMENT) is expected


@pytest.mark.parametrize(
    ("operand", "expected"),
    [
        (FeatureValue("egfr", None, Mark.MISSING), True),
        (FeatureValue("egfr", None, Mark.STALE, age=DAY), True),
        (FeatureValue("egfr", None, Mark.MISSING, unobtained=True), None),
        (FeatureValue("egfr", 30.0), False),
        (FeatureValue("egfr", 30.0, unobtained=True), False),
        (FeatureValue("egfr", 0.0), False),
        (FeatureValue("egfr", math.nan), False),
        (None, None),
    ],
)
def test_missing(operand: FeatureValue | None, expected: bool | None) -> None:
    """Missing means that there is no value; what could not be fetched, or is not there at all, is unknown."""
    assert compiled("missing(egfr)").evaluate({} if operand is None else {"egfr": operand}) is expected


@pytest.mark.parametrize("mark", list(Mark))
def test_absent(mark: Mark) -> None:
    """Nothing is charted, or nothing of late. A value that is there and cannot be used is no sign of its absence."""
    found = compiled("absent(egfr)").evaluate({"egfr": FeatureValue("egfr", None, mark, age=DAY)})
    assert found is (mark in (Mark.MISSING, Mark.STALE))


def test_what_is_not_known_to_be_absent() -> None:
    """Not fetched, not asked for, or not known without a reason; a value is there, however odd."""
    assert compiled("absent(gone)").evaluate(ENVIRONMENT) is None
    assert compiled("absent(egfr)").evaluate({}) is None
    assert compiled("absent(smoker)").evaluate(ENVIRONMENT) is None
    assert compiled("absent(egfr)").evaluate({"egfr": FeatureValue("egfr", 0.0)}) is False
    assert compiled("absent(egfr) or absent(uacr)").evaluate(ENVIRONMENT) is True


def test_age_of_a_stale_value() -> None:
    """A stale feature has no value but an age."""
    assert compiled("age_of(uacr) > 365d and missing(uacr)").evaluate(ENVIRONMENT) is True


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("10s", 10.0),
        ("30m", 1800.0),
        ("12h", 43200.0),
        ("1.5d", 129600.0),
        ("-1d", -86400.0),
        ("1d + 12h - 30m", 127800.0),
        ("2 * 1d", 172800.0),
        ("1d * 2 / 4", 43200.0),
        ("-age_of(egfr)", -200 * DAY),
        ("max(age_of(egfr), 1d)", 200 * DAY),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """Units, and the arithmetic of durations, in seconds."""
    assert compiled(text, DURATION).evaluate(ENVIRONMENT) == seconds


def test_a_ratio_of_durations_is_a_number() -> None:
    """A duration divided by a duration counts, for rules that give points by age."""
    assert compiled("age_of(egfr) / 1d", NUMBER).evaluate(ENVIRONMENT) == 200.0


class Sex(StrEnum):
    FEMALE = "female"


@pytest.mark.parametrize(
    ("name", "type_", "value", "expected"),
    [
        ("age", NUMBER, 70, 70.0),
        ("age", NUMBER, "70", None),
        ("age", NUMBER, True, None),
        ("age", NUMBER, math.nan, None),
        ("age", NUMBER, math.inf, None),
        ("age", NUMBER, -math.inf, None),
        ("age", NUMBER, 10**400, None),
        ("has_dialysis", BOOLEAN, 1, None),
        ("has_dialysis", BOOLEAN, 1.0, None),
        ("has_dialysis", BOOLEAN, "true", None),
        ("sex", CODE, 1.0, None),
        ("sex", CODE, Sex.FEMALE, "female"),
    ],
)
def test_a_value_of_another_type_is_unknown(name: str, type_: Type, value: float | bool | str, expected: Value) -> None:
    """What is not of the declared type is unknown; whole numbers count as numbers, and come out as floats."""
    result = compiled(name, type_).evaluate({name: Known(value)})
    assert (type(result), result) == (type(expected), expected)


@pytest.mark.parametrize("text", ["age == 1", "age != 1", "age in [1]", 'sex == "x"', "has_dialysis == true"])
def test_a_value_of_another_type_never_compares(text: str) -> None:
    """Equality, which Python answers for any two values, is unknown as well."""
    wrong: dict[str, Operand] = {"age": Known("1"), "sex": Known(1.0), "has_dialysis": Known("yes")}
    assert compiled(text).evaluate(wrong) is None


def test_what_an_expression_says_of_itself() -> None:
    """Names count wherever they stand, also inside `missing` and `age_of`; outputs are told apart."""
    expression = compiled("missing(uacr) or age_of(egfr) > 180d or if(smoker, age, 3) > 2")
    assert expression.text == "missing(uacr) or age_of(egfr) > 180d or if(smoker, age, 3) > 2"
    assert expression.type is BOOLEAN
    assert expression.names == {"uacr", "egfr", "smoker", "age"}
    assert not expression.uses_outputs
    assert compiled("age > 18 and score > 0.1").uses_outputs


def test_quotes_and_codes_are_only_text() -> None:
    """Codes reach the compiled function as values, whatever is in them."""
    hostile = 'sex == "\'); __import__(\\x22os\\x22).system(1) #{0}%s\\n\u2028\U0001f480"'
    code = hostile[len('sex == "') : -1]
    assert compiled(hostile).evaluate({"sex": Known(code)}) is True
    assert compiled(hostile).evaluate(ENVIRONMENT) is False


def test_names_are_only_text() -> None:
    """Names that mean something to Python are looked up in the environment like any other."""
    names = ["env", "type", "None", "lambda", "v1", "__class__", "float", "return"]
    scope = Scope(dict.fromkeys(names, NUMBER))
    expression = compile_expression(" + ".join(names) + " == 36", scope)
    assert expression.evaluate({name: Known(number) for number, name in enumerate(names, 1)}) is True


def test_names_that_no_feature_can_have() -> None:
    """The reserved words are those that the page lists."""
    page = (Path(__file__).parents[4] / "docs/expressions.md").read_text()
    line = re.search(r"`([a-z_ ]+)` cannot be names", page)
    assert line is not None
    assert set(line[1].split()) == RESERVED


def test_examples_of_the_page() -> None:
    """Every example at the head of docs/expressions.md compiles in the scope of these tests."""
    page = (Path(__file__).parents[4] / "docs/expressions.md").read_text()
    examples = page.split("```")[1].strip().splitlines()
    assert len(examples) >= 6
    for example in examples:
        assert compiled(example).evaluate(ENVIRONMENT) in (True, False, None)
