"""The compiled language against the slow reference, on generated trees and environments."""

import math
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.expressions import reference
from tests.unit.domain.expressions.generated import ENVIRONMENTS, NAMES, SCOPE, TREES, render
from wardgate.domain.expressions import Environment, ExpressionError, Known, Type, compile_expression
from wardgate.domain.expressions.emit import to_function
from wardgate.domain.expressions.parser import parse
from wardgate.domain.expressions.tree import Node

PYTHON_TYPE = {Type.NUMBER: float, Type.DURATION: float, Type.BOOLEAN: bool, Type.CODE: str}
PIECES = [*NAMES, "and", "or", "not", "in", "missing", "age_of", "if", "min", "max", "true", "180d", "1e-6", '"a"', "5"]
PIECES += ["<", "<=", "==", "!=", "+", "-", "*", "/", "(", ")", "[", "]", ",", " ", "=", "'", "null", "x.y"]


@given(TREES, ENVIRONMENTS)
def test_compiled_is_the_reference(node: Node, environment: Environment) -> None:
    """Text compiled and evaluated gives what the tree-walking reference gives, unknown values included."""
    value = compile_expression(render(node), SCOPE, node.type).evaluate(environment)
    expected = reference.evaluate(node, environment)
    assert (type(value), value) == (type(expected), expected)


@given(TREES, st.lists(ENVIRONMENTS, min_size=2, max_size=6))
def test_evaluation_keeps_nothing(node: Node, environments: list[Environment]) -> None:
    """One compiled expression answers call after call, each from its own environment alone."""
    evaluate = to_function(node)
    for environment in [*environments, *reversed(environments)]:
        assert evaluate(environment) == reference.evaluate(node, environment)


@given(TREES, ENVIRONMENTS)
def test_values_are_of_the_type_and_finite(node: Node, environment: Environment) -> None:
    """A value is unknown, or a plain Python value of the expression's type; a number is finite."""
    value = to_function(node)(environment)
    assert value is None or type(value) is PYTHON_TYPE[node.type]
    assert not isinstance(value, float) or math.isfinite(value)


@given(TREES, st.booleans())
def test_text_round_trip(node: Node, brackets: bool) -> None:
    """A tree written out, with few brackets or with many, parses to the same tree."""
    assert parse(render(node, brackets), SCOPE)[0] == node


@given(TREES, ENVIRONMENTS)
def test_names_are_what_is_read(node: Node, environment: Environment) -> None:
    """An expression's names are all that it reads: nothing else in the environment changes its value."""
    expression = compile_expression(render(node), SCOPE, node.type)
    read = {name: operand for name, operand in environment.items() if name in expression.names}
    assert expression.evaluate(environment) == expression.evaluate(read)
    assert expression.uses_outputs is ("score" in expression.names)


@given(st.text() | st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join), ENVIRONMENTS)
def test_any_text_compiles_or_is_an_expression_error(text: str, environment: Environment) -> None:
    """Whatever the text is, the only exception is ExpressionError, with a remedy and a column inside the text."""
    try:
        expression = compile_expression(text, SCOPE)
    except ExpressionError as error:
        assert error.what and error.remedy
        assert 1 <= error.column <= len(text) + 1
    else:
        assert expression.evaluate(environment) in (True, False, None)


@given(TREES, st.data())
def test_damaged_text_is_an_expression_error_or_an_expression(node: Node, data: st.DataObject) -> None:
    """A sound text with a piece cut out, doubled or put in raises nothing but ExpressionError."""
    text = render(node)
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    piece = data.draw(st.sampled_from(["", text[start:end] * 2, *PIECES]))
    with suppress(ExpressionError):
        compile_expression(text[:start] + piece + text[end:], SCOPE, node.type).evaluate({})


@given(
    TREES,
    st.dictionaries(
        st.sampled_from(sorted(NAMES)),
        st.builds(
            Known,
            st.one_of(st.from_type(type).flatmap(st.from_type), st.binary(), st.lists(st.none())),
            st.one_of(st.text(), st.complex_numbers(), st.decimals()),
        ),
    ),
)
def test_evaluation_never_raises(node: Node, environment: Environment) -> None:
    """Values of types that no scope can declare are unknown; they raise nothing."""
    value = to_function(node)(environment)
    assert value == reference.evaluate(node, environment)
