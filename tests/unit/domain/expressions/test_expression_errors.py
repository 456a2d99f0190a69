"""Every error of the language: what it says, how to mend it, and where."""

import pytest

from wardgate.domain.expressions import ExpressionError, Scope, Type, compile_expression

NUMBER, BOOLEAN, CODE, DURATION = Type.NUMBER, Type.BOOLEAN, Type.CODE, Type.DURATION
SCOPE = Scope(
    {"age": NUMBER, "egfr": NUMBER, "has_dialysis": BOOLEAN, "sex": CODE, "score": NUMBER},
    outputs=frozenset({"score"}),
    timed=frozenset({"egfr"}),
)


def error_of(text: str, expected: Type = BOOLEAN, scope: Scope = SCOPE) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text, scope, expected)
    return caught.value


@pytest.mark.parametrize(
    ("text", "column", "what", "remedy"),
    [
        ("", 1, "empty", "age >= 18"),
        ("  \n", 1, "empty", "age >= 18"),
        ("age > ", 7, "ends where a value", "write a name"),
        ("age > 18 egfr", 10, "egfr stands where an operator", "join two conditions"),
        ("(age > 18", 10, "ends where )", "close the bracket"),
        ("age > 18)", 9, ") stands where", "join"),
        ("age > * 3", 7, "* stands where a value", "write a name"),
        ("age = 18", 5, "= is not part", "write == to compare"),
        ("age > 18 && egfr < 60", 10, "&& is not part", "write and"),
        ("age > 18 || egfr < 60", 10, "|| is not part", "write or"),
        ("!has_dialysis", 1, "! is not part", "write not"),
        ("age <> 18", 5, "<> is not part", "write !="),
        ("age ** 2 > 4", 5, "** is not part", "multiply"),
        ("age // 2 > 4", 5, "// is not part", "write /"),
        ("age % 2 == 0", 5, "'%' means nothing", "use names"),
        ("age > 18\u00a0and true", 9, "'\\xa0' means nothing", "use names"),
        ("egfr.value > 3", 5, ". is not part", "a name has none"),
        ('sex == "female', 8, "a string without end", "close the string"),
        ("sex == 'fe\nmale'", 8, "a string without end", "close the string"),
        ("age > 18 AND egfr < 60", 10, "AND stands where", "write and, in lower case"),
        ("has_dialysis == True", 17, "True is neither", "write true"),
        ("egfr == null", 9, "null is neither", "missing(x)"),
        ("True", 1, "True is neither", "write true"),
    ],
)
def test_errors_of_form(text: str, column: int, what: str, remedy: str) -> None:
    """What does not parse, with the column at which it stops and what to write instead."""
    error = error_of(text)
    assert (what in error.what, remedy in error.remedy, error.column) == (True, True, column), vars(error)


@pytest.mark.parametrize("text", ["18 < age < 80", "age == egfr == 3", "age in [1] == true", "1 < age not in [3]"])
def test_comparisons_do_not_chain(text: str) -> None:
    """A chain is refused at its second operator, because Python and SQL read it differently."""
    error = error_of(text)
    assert error.what == "comparisons do not chain"
    assert "write a < b and b < c" in error.remedy
    assert error.column == len(text.rsplit(" ", 3 if "not" in text else 2)[0]) + 2


@pytest.mark.parametrize(
    ("text", "column", "what", "remedy"),
    [
        ("egrf < 60", 1, "egrf is neither a feature nor a declared output", "did you mean egfr?"),
        ("age > 3 and haz_dialysis", 13, "haz_dialysis is neither", "did you mean has_dialysis?"),
        ("uncertainty > 0.3", 1, "uncertainty is neither", "as an output of the release"),
        ("missing(egrf)", 9, "egrf is neither", "did you mean egfr?"),
        ("age_of(egrf) > 1d", 8, "egrf is neither", "did you mean egfr?"),
        ("x" * 60 + " > 1", 1, "x" * 39 + "\u2026 is neither", "declare it"),
        ("mising(egfr)", 1, "mising is not a function", "did you mean missing?"),
        ("sqrt(egfr) > 2", 1, "sqrt is not a function", "missing, absent, age_of, if, min, max"),
        ("missing(score)", 9, "output of the model", "ask for a feature"),
        ("absent(score)", 8, "output of the model", "ask for a feature"),
        ("absent(3)", 8, "takes one name", "write absent(x)"),
        ("missing(egfr + 1)", 14, "+ stands where )", "write missing(x)"),
        ("missing(3)", 9, "takes one name", "write missing(x)"),
        ("missing()", 9, "takes one name", "write missing(x)"),
        ("missing(true)", 9, "true is not a name", "name of a feature"),
        ("missing egfr", 9, "egfr stands where (", "write missing(x)"),
        ("age_of(age) > 1d", 8, "age has no time", "names that have an age: egfr"),
        ("age_of(score) > 1d", 8, "score has no time", "names that have an age: egfr"),
    ],
)
def test_errors_of_names(text: str, column: int, what: str, remedy: str) -> None:
    """Names that are not declared, or not for this use; the nearest declared one is suggested."""
    error = error_of(text)
    assert (what in error.what, remedy in error.remedy, error.column) == (True, True, column), vars(error)


@pytest.mark.parametrize(
    ("text", "column", "what", "remedy"),
    [
        ("age", 1, "is a number, and true or false is wanted", "compare it with a number"),
        ("sex", 1, "is a code, and true or false", "compare it with a code"),
        ("age_of(egfr)", 1, "is a duration, and true or false", "compare it with a duration"),
        ("age and has_dialysis", 1, "and takes what is true or false, and this is a number", "compare it"),
        ("has_dialysis or sex", 17, "or takes what is true or false, and this is a code", "compare it"),
        ("not age", 5, "not takes what is true or false", "compare it"),
        ("age_of(egfr) > 180", 16, "> joins a duration with a number", "with a unit, as in 180d"),
        ("age > 18d", 7, "> joins a number with a duration", "with a unit"),
        ("age_of(egfr) + 1 > 2d", 16, "+ joins a duration with a number", "with a unit"),
        ("age_of(egfr) * 1d > 2d", 16, "a duration times a duration", "by a number"),
        ("1 / age_of(egfr) > 2", 5, "a number divided by a duration", "divide a duration"),
        ("age_of(egfr) in [180]", 18, "in joins a duration with a number", "with a unit"),
        ('age == "70"', 8, "== joins a number with a code", "without quotes"),
        ('sex < "m"', 1, "< takes numbers or durations, and this is a code", "use == or !="),
        ("has_dialysis > false", 1, "> takes numbers or durations, and this is true or false", "use == or !="),
        ("has_dialysis == 1", 17, "== joins true or false with a number", "same type"),
        ("has_dialysis == sex", 17, "== joins true or false with a code", "compare codes with codes"),
        ('sex + "a" == "b"', 1, "+ takes numbers or durations", "type number"),
        ("1 + has_dialysis > 2", 5, "+ takes numbers or durations", "type number"),
        ("-sex == sex", 2, "- takes numbers or durations", "type number"),
        ("has_dialysis in [true]", 1, "in looks for", "write x, or not x"),
        ("age in [egfr]", 9, "literals only", "joined by or"),
        ("age in [1 + 2]", 11, "+ stands where ]", "close the list"),
        ("age in []", 9, "] stands where a value", "write"),
        ("age in [1", 10, "ends where ]", "close the list"),
        ("age in (1, 2)", 8, "( stands where [", "square brackets"),
        ("age not [1]", 9, "[ stands where in", "not in"),
        ("age == not has_dialysis", 8, "not stands inside a comparison", "(not x)"),
        ("if(age, 1, 2) > 1", 4, "the condition of if takes", "compare it"),
        ('if(true, 1, "a") == 1', 13, "if joins a number with a code", "without quotes"),
        ("if(true, 1) == 1", 11, ") stands where ,", "if(condition, then, else)"),
        ("if has_dialysis", 4, "has_dialysis stands where (", "if(condition, then, else)"),
        ("min(age) > 1", 8, ") stands where ,", "two or more values"),
        ("min(1, 1d) > 1", 8, "min joins a number with a duration", "with a unit"),
        ('max(sex, "a") == "a"', 5, "max takes numbers or durations", "type number"),
        ("age > 5days", 7, "not a duration", "ms, s, m (minutes), h or d"),
        ("age > 5e", 7, "not a duration", "ms, s, m (minutes), h or d"),
        ("age_of(egfr) > 180 d", 20, "a space before a unit", "directly behind its number"),
        ("age > 1e999", 7, "too large", "below 1.8e308"),
        ("age_of(egfr) > " + "9" * 310 + "d", 16, "too large", "below 1.8e308"),
    ],
)
def test_errors_of_type(text: str, column: int, what: str, remedy: str) -> None:
    """Types that do not go together are refused before any patient is met, at the operand that does not fit."""
    error = error_of(text)
    assert (what in error.what, remedy in error.remedy, error.column) == (True, True, column), vars(error)


def test_another_result_may_be_wanted() -> None:
    """The place of an expression says its type; points want a number."""
    assert compile_expression("age * 2", SCOPE, NUMBER).type is NUMBER
    error = error_of("age > 2", NUMBER)
    assert error.what == "the expression is true or false, and a number is wanted"
    assert error.remedy == "write an expression whose value is a number"


def test_no_name_with_an_age() -> None:
    """Where no feature has a time, the remedy says so."""
    assert error_of("age_of(age) > 1d", scope=Scope({"age": NUMBER})).remedy == "no name of this schema has an age"


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("(", ")"),
        ("not ", ""),
        ("not (", ")"),
        ("true and (", ")"),
        ("true == (", ")"),
        ("true or true and true == (", ")"),
        ("if(true, ", ", true)"),
    ],
)
def test_nesting_is_bounded(opening: str, closing: str) -> None:
    """Depth is refused before it can reach any stack, and what is allowed still compiles and evaluates."""
    depth = 1
    while True:
        text = opening * depth + "true" + closing * depth
        try:
            assert compile_expression(text, SCOPE).evaluate({}) in (True, False)
        except ExpressionError as error:
            assert error.what == "the expression is nested more than 50 deep"
            break
        depth += 1
    assert 9 < depth <= 50
    longest = opening * 1000 + "true" + closing * 1000
    assert error_of(longest[:2000]).what == "the expression is nested more than 50 deep"


@pytest.mark.parametrize(
    "text",
    [
        "+".join(["1"] * 999) + "==1",
        "/".join(["1"] * 999) + "==1",
        " and ".join(["true"] * 220),
        " or ".join(["age<1"] * 220),
        f"max({','.join(['1'] * 990)})==1",
        f"age in [{','.join(['1'] * 990)}]",
    ],
)
def test_length_costs_no_depth(text: str) -> None:
    """Chains, arguments and lists may be as long as the text may be."""
    assert len(text) <= 2000
    assert compile_expression(text, SCOPE).evaluate({}) in (True, False, None)


def test_length_is_bounded() -> None:
    """2,000 characters are an expression, 2,001 are not."""
    text = "age > 1".ljust(2000)
    assert compile_expression(text, SCOPE).text == text
    error = error_of(text + " ")
    assert error.what == "the expression is longer than 2000 characters"
    assert (error.remedy, error.column) == ("split it into several rules", 2001)
