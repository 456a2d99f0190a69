"""Expressions in files: compiled, or told as findings at their key."""

import re
from collections.abc import Collection

from wardgate.adapters.files.library import Library
from wardgate.domain.documents import Document, Place
from wardgate.domain.expressions import Expression, ExpressionError, Scope, Type, compile_expression


def mentions(text: str, names: Collection[str]) -> bool:
    """Whether one of the names stands in the text as a word."""
    return any(word in names for word in re.findall(r"\w+", text))


def expression(
    library: Library, document: Document, place: Place, text: str, scope: Scope, expected: Type = Type.BOOLEAN
) -> Expression | None:
    """None where it is wrong, which is told with the column in its text."""
    try:
        return compile_expression(text, scope, expected)
    except ExpressionError as error:
        library.found(document, place, f"at column {error.column} of the expression: {error.what}", error.remedy)
        return None
