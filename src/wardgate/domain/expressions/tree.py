"""The typed tree of an expression. Only well-typed trees are built (by parser.py), at most 50 levels deep.

Chains of one precedence are one node (`a + b - c`, `p and q and r`), so that depth is nesting and not length.
"""

from dataclasses import dataclass

from wardgate.domain.expressions.language import Type


@dataclass(frozen=True, slots=True)
class Literal:
    """A finite float (a duration in seconds), a bool or a string."""

    value: float | bool | str
    type: Type


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Missing:
    name: str
    type: Type = Type.BOOLEAN


@dataclass(frozen=True, slots=True)
class Absent:
    name: str
    type: Type = Type.BOOLEAN


@dataclass(frozen=True, slots=True)
class AgeOf:
    name: str
    type: Type = Type.DURATION


@dataclass(frozen=True, slots=True)
class Negate:
    operand: "Node"
    type: Type


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`first`, then each (operator, operand) from left to right; the operators are all `+ -` or all `* /`."""

    first: "Node"
    rest: tuple[tuple[str, "Node"], ...]
    type: Type


@dataclass(frozen=True, slots=True)
class Compare:
    operator: str  # < <= > >= == !=
    left: "Node"
    right: "Node"
    type: Type = Type.BOOLEAN


@dataclass(frozen=True, slots=True)
class Membership:
    item: "Node"
    options: tuple[Literal, ...]
    negated: bool
    type: Type = Type.BOOLEAN


@dataclass(frozen=True, slots=True)
class Not:
    operand: "Node"
    type: Type = Type.BOOLEAN


@dataclass(frozen=True, slots=True)
class Logical:
    """Two or more booleans joined by `and` or by `or`."""

    operator: str  # and | or
    operands: tuple["Node", ...]
    type: Type = Type.BOOLEAN


@dataclass(frozen=True, slots=True)
class Choice:
    condition: "Node"
    yes: "Node"
    no: "Node"
    type: Type


@dataclass(frozen=True, slots=True)
class Extreme:
    function: str  # min | max
    operands: tuple["Node", ...]
    type: Type


Node = (
    Literal
    | Name
    | Missing
    | Absent
    | AgeOf
    | Negate
    | Arithmetic
    | Compare
    | Membership
    | Not
    | Logical
    | Choice
    | Extreme
)
