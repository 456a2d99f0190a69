"""Text to tokens, each with its column."""

import math
import re
from dataclasses import dataclass
from enum import StrEnum

from wardgate.domain.expressions.language import ExpressionError
from wardgate.domain.units import parse_duration

WORDS = frozenset({"and", "or", "not", "in"})
FUNCTIONS = ("missing", "absent", "age_of", "if", "min", "max")
RESERVED = WORDS | set(FUNCTIONS) | {"true", "false"}
"""What no feature or output can be called, since an expression could not name it."""

_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
        (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)(?P<unit>[A-Za-z_][A-Za-z0-9_]*)?
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | "(?P<double>[^"\r\n]*)" | '(?P<single>[^'\r\n]*)'
      | (?P<mark><=|>=|==|!=|<(?!>)|>|\+|-|\*(?!\*)|/(?!/)|\(|\)|\[|\]|,)
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_SPACE = " \t\r\n"
_INSTEAD = (
    ("&&", "write and"),
    ("||", "write or"),
    ("<>", "write !="),
    ("**", "powers are not part of the language: multiply"),
    ("//", "write /, which divides without rounding"),
    ("=", "write == to compare"),
    ("!", "write not, or != to compare"),
    (".", "a point stands between the digits of a number, as in 0.5; a name has none"),
    ('"', "close the string with the same quote, on the same line"),
    ("'", "close the string with the same quote, on the same line"),
)
_ALPHABET = "use names, numbers, durations, strings, and < <= > >= == != + - * / ( ) [ ] ,"


class Kind(StrEnum):
    NUMBER = "number"
    DURATION = "duration"
    STRING = "string"
    NAME = "name"
    MARK = "mark"  # an operator, a bracket, a comma, or one of WORDS
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """`text` as written (a string without its quotes); `value` of a number or duration (seconds)."""

    kind: Kind
    text: str
    column: int
    value: float = 0.0


def tokenize(text: str) -> list[Token]:
    """All tokens, the END token last; raises ExpressionError for what is none."""
    tokens: list[Token] = []
    position = 0
    while True:
        match = _TOKEN.match(text, position)
        if match is None:
            raise _no_token(text[position:].lstrip(_SPACE), len(text))
        token = _token(match)
        tokens.append(token)
        if token.kind is Kind.END:
            return tokens
        position = match.end()


def _token(match: re.Match[str]) -> Token:
    group = match.lastgroup or ""
    if group in ("number", "unit"):
        return _number(match)
    column = match.start(group) + 1
    word = match[group]
    match group:
        case "name":
            return Token(Kind.MARK if word in WORDS else Kind.NAME, word, column)
        case "double" | "single":
            return Token(Kind.STRING, word, column - 1)
        case "mark":
            return Token(Kind.MARK, word, column)
        case _:
            return Token(Kind.END, "", column)


def _number(match: re.Match[str]) -> Token:
    column = match.start("number") + 1
    digits, unit = match["number"], match["unit"]
    try:
        value = float(digits) if unit is None else parse_duration(digits + unit)
    except ValueError:
        raise ExpressionError(
            "not a duration",
            "a duration is digits with ms, s, m (minutes), h or d, such as 180d; a number has no unit",
            column,
        ) from None
    if not math.isfinite(value):
        raise ExpressionError("the number is too large", "write a number below 1.8e308", column)
    return Token(Kind.NUMBER if unit is None else Kind.DURATION, match[0].strip(), column, value)


def _no_token(rest: str, length: int) -> ExpressionError:
    column = length - len(rest) + 1
    for start, remedy in _INSTEAD:
        if rest.startswith(start):
            what = "a string without end" if start in "\"'" else f"{start} is not part of the language"
            return ExpressionError(what, remedy, column)
    return ExpressionError(f"{ascii(rest[0])} means nothing here", _ALPHABET, column)
