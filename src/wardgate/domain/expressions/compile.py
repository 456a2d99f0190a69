"""Compile an expression once, at start."""

from dataclasses import dataclass, field

from wardgate.domain.expressions.checks import result
from wardgate.domain.expressions.emit import Evaluate, to_function
from wardgate.domain.expressions.language import ExpressionError, Scope, Type
from wardgate.domain.expressions.parser import parse
from wardgate.domain.expressions.tokens import Kind, tokenize


@dataclass(frozen=True, slots=True)
class Expression:
    """A sound expression. `evaluate(environment)` gives its value, or None where that is unknown.

    `names` are all names that it reads, also inside `missing` and `age_of`. Durations are seconds.
    """

    text: str
    type: Type
    names: frozenset[str]
    uses_outputs: bool
    evaluate: Evaluate = field(repr=False, compare=False)


def compile_expression(text: str, scope: Scope, expected: Type = Type.BOOLEAN) -> Expression:
    """Raises ExpressionError, with column and remedy, for what does not parse, type-check or yield `expected`."""
    node, names = parse(text, scope)
    result(node, expected)
    return Expression(text, node.type, names, not names.isdisjoint(scope.outputs), to_function(node))


def words_in(text: str) -> tuple[str, ...]:
    """The words of a text, each once and in its order, whatever else is wrong; none where it has no tokens."""
    try:
        return tuple(dict.fromkeys(token.text for token in tokenize(text) if token.kind is Kind.NAME))
    except ExpressionError:
        return ()
