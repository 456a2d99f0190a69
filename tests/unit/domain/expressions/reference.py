"""The language a second time: slow, obvious, and written from docs/expressions.md alone.

It walks the tree and looks every truth value up in a table. It shares nothing with the compiler but the tree.
"""

import math
from collections.abc import Sequence

from wardgate.domain.expressions import Environment, Type
from wardgate.domain.expressions.tree import (
    Absent,
    AgeOf,
    Arithmetic,
    Choice,
    Compare,
    Extreme,
    Literal,
    Logical,
    Membership,
    Missing,
    Name,
    Negate,
    Node,
    Not,
)

Value = float | bool | str | None

AND: dict[tuple[Value, Value], bool | None] = {
    (True, True): True,
    (True, False): False,
    (True, None): None,
    (False, True): False,
    (False, False): False,
    (False, None): False,
    (None, True): None,
    (None, False): False,
    (None, None): None,
}
OR: dict[tuple[Value, Value], bool | None] = {
    (True, True): True,
    (True, False): True,
    (True, None): True,
    (False, True): True,
    (False, False): False,
    (False, None): None,
    (None, True): True,
    (None, False): None,
    (None, None): None,
}
NOT: dict[Value, bool | None] = {True: False, False: True, None: None}


def evaluate(node: Node, environment: Environment) -> Value:
    """The value of `node`; None is unknown."""
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Name):
        return as_declared(environment[node.name].value if node.name in environment else None, node.type)
    if isinstance(node, AgeOf):
        return as_declared(environment[node.name].age if node.name in environment else None, Type.DURATION)
    if isinstance(node, Missing):
        return missing(node.name, environment)
    if isinstance(node, Absent):
        return absent(node.name, environment)
    if isinstance(node, Not):
        return NOT[evaluate(node.operand, environment)]
    if isinstance(node, Logical):
        table = AND if node.operator == "and" else OR
        total = evaluate(node.operands[0], environment)
        for operand in node.operands[1:]:
            total = table[total, evaluate(operand, environment)]
        return total
    if isinstance(node, Choice):
        condition = evaluate(node.condition, environment)
        if condition is None:
            return None
        return evaluate(node.yes if condition else node.no, environment)
    if isinstance(node, Arithmetic):
        total = evaluate(node.first, environment)
        for operator, operand in node.rest:
            total = reckon(total, operator, evaluate(operand, environment))
        return total
    if isinstance(node, Negate):
        return reckon(0.0, "-", evaluate(node.operand, environment))
    if isinstance(node, Compare):
        return compare(evaluate(node.left, environment), node.operator, evaluate(node.right, environment))
    if isinstance(node, Membership):
        item = evaluate(node.item, environment)
        if item is None:
            return None
        found = any(item == option.value for option in node.options)
        return not found if node.negated else found
    assert isinstance(node, Extreme)
    return extreme(node.function, [evaluate(operand, environment) for operand in node.operands])


def as_declared(value: object, type_: Type) -> Value:
    """The value if it is of the declared type, and finite where that is a number; else unknown."""
    if type_ is Type.BOOLEAN:
        return value if isinstance(value, bool) else None
    if type_ is Type.CODE:
        return value if isinstance(value, str) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return finite(value)


def finite(value: float) -> float | None:
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def missing(name: str, environment: Environment) -> bool | None:
    if name not in environment:
        return None
    operand = environment[name]
    if operand.value is not None:
        return False
    return None if operand.unobtained else True


def absent(name: str, environment: Environment) -> bool | None:
    is_missing = missing(name, environment)
    if is_missing is not True:
        return is_missing
    mark = environment[name].mark
    return None if mark is None else mark in ("missing", "stale")


def reckon(left: Value, operator: str, right: Value) -> float | None:
    """One step of arithmetic."""
    if left is None or right is None:
        return None
    assert isinstance(left, float) and isinstance(right, float)
    if operator == "+":
        return finite(left + right)
    if operator == "-":
        return finite(left - right)
    if operator == "*":
        return finite(left * right)
    return None if right == 0 else finite(left / right)


def compare(left: Value, operator: str, right: Value) -> bool | None:
    if left is None or right is None:
        return None
    if operator == "==":
        return left == right
    if operator == "!=":
        return left != right
    assert isinstance(left, float) and isinstance(right, float)
    below, same = left < right, left == right
    return {"<": below, "<=": below or same, ">": not below and not same, ">=": not below}[operator]


def extreme(function: str, values: Sequence[Value]) -> Value:
    if any(value is None for value in values):
        return None
    ordered = sorted(value for value in values if isinstance(value, float))
    return ordered[0] if function == "min" else ordered[-1]
