"""The small typed language of `population`, `exclusions`, `defer` and rules (docs/expressions.md)."""

from wardgate.domain.expressions.compile import Expression, compile_expression, words_in
from wardgate.domain.expressions.language import (
    Environment,
    ExpressionError,
    Known,
    Operand,
    Scope,
    Type,
)
from wardgate.domain.expressions.tokens import RESERVED

__all__ = [
    "RESERVED",
    "Environment",
    "Expression",
    "ExpressionError",
    "Known",
    "Operand",
    "Scope",
    "Type",
    "compile_expression",
    "words_in",
]
