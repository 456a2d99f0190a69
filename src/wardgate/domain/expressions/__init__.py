"""The small typed language of `population`, `exclusions`, `defer` and rules."""

from wardgate.domain.expressions.language import (
    Environment,
    ExpressionError,
    Known,
    Operand,
    Scope,
    Type,
)


class Expression:
    """Placeholder until compile.py stands; see language.py."""


__all__ = ["Environment", "Expression", "ExpressionError", "Known", "Operand", "Scope", "Type"]
