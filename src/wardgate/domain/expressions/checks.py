"""Which types go together. Each check returns its node, or raises ExpressionError at the operand's column."""

from wardgate.domain.expressions.language import ExpressionError, Type
from wardgate.domain.expressions.tree import Node

_MEASURES = (Type.NUMBER, Type.DURATION)
_A = {Type.NUMBER: "a number", Type.BOOLEAN: "true or false", Type.CODE: "a code", Type.DURATION: "a duration"}
_TO_BOOLEAN = {
    Type.NUMBER: "compare it with a number, as in x > 0",
    Type.CODE: 'compare it with a code, as in x == "a"',
    Type.DURATION: "compare it with a duration, as in x > 180d",
}


def boolean(node: Node, column: int, where: str) -> Node:
    if node.type is not Type.BOOLEAN:
        raise ExpressionError(
            f"{where} takes what is true or false, and this is {_A[node.type]}", _TO_BOOLEAN[node.type], column
        )
    return node


def measure(node: Node, column: int, where: str) -> Node:
    """Numbers and durations: what can be ordered and reckoned with."""
    if node.type not in _MEASURES:
        raise ExpressionError(
            f"{where} takes numbers or durations, and this is {_A[node.type]}",
            "use == or !=" if where in ("<", "<=", ">", ">=") else "use a feature of type number",
            column,
        )
    return node


def same(wanted: Type, node: Node, column: int, where: str) -> Node:
    if node.type is not wanted:
        raise ExpressionError(f"{where} joins {_A[wanted]} with {_A[node.type]}", _remedy(wanted, node.type), column)
    return node


def arithmetic_type(left: Type, operator: str, right: Node, column: int) -> Type:
    """Durations add, are scaled by numbers, and divided by a duration give a number."""
    types = (left, right.type)
    if operator in "+-":
        return same(left, right, column, operator).type
    if operator == "*" and types == (Type.DURATION, Type.DURATION):
        raise ExpressionError("a duration times a duration", "multiply a duration by a number", column)
    if operator == "/" and types == (Type.NUMBER, Type.DURATION):
        raise ExpressionError("a number divided by a duration", "divide a duration by a number", column)
    if operator == "/":
        return Type.NUMBER if types == (Type.DURATION, Type.DURATION) else left
    return Type.DURATION if Type.DURATION in types else Type.NUMBER


def result(node: Node, wanted: Type) -> Node:
    """The whole expression has the type that its place needs."""
    if node.type is not wanted:
        remedy = (
            _TO_BOOLEAN[node.type] if wanted is Type.BOOLEAN else f"write an expression whose value is {_A[wanted]}"
        )
        raise ExpressionError(f"the expression is {_A[node.type]}, and {_A[wanted]} is wanted", remedy, 1)
    return node


def _remedy(wanted: Type, found: Type) -> str:
    if {wanted, found} == {Type.NUMBER, Type.DURATION}:
        return "write the number with a unit, as in 180d"
    if {wanted, found} == {Type.NUMBER, Type.CODE}:
        return "write numbers without quotes"
    if Type.CODE in (wanted, found):
        return "write codes in quotes, and compare codes with codes"
    return "use two values of the same type"
