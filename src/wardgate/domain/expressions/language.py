"""The public face of the expression language: compile once, evaluate per call, never raise at evaluation.

expression = compile_expression("age >= 18 and egfr < 60", scope)
expression.evaluate(environment)   # True, False or None (unknown)
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import msgspec


class Type(StrEnum):
    NUMBER = "number"
    BOOLEAN = "boolean"
    CODE = "code"
    DURATION = "duration"


class Scope(msgspec.Struct, frozen=True):
    """The names an expression may use: features and built-ins, and the model's declared outputs (`score`, ...).

    `timed` are the features whose `age_of` is defined. `hidden` are there, and no expression may see them.
    """

    names: Mapping[str, Type]
    outputs: frozenset[str] = frozenset()
    timed: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()


class Operand(Protocol):
    """What an environment holds for each name; `FeatureValue` is one."""

    @property
    def value(self) -> float | bool | str | None: ...
    @property
    def age(self) -> float | None: ...
    @property
    def unobtained(self) -> bool: ...
    @property
    def mark(self) -> str | None: ...


class Known(msgspec.Struct, frozen=True, gc=False):
    """An operand that is not a feature: a model output, `deceased`."""

    value: float | bool | str | None
    age: float | None = None
    unobtained: bool = False
    mark: str | None = None


Environment = Mapping[str, Operand]


class ExpressionError(ValueError):
    """What does not parse or type-check. `column` counts characters from 1 within the expression."""

    def __init__(self, what: str, remedy: str, column: int) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.column = column
