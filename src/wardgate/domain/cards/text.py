"""Text for a screen: strings from outside made harmless, numbers, units and times made readable.

A string from outside (a unit, a code, a raw value) may be anything, so `clean` takes what cannot be seen and
`escape` what Markdown or HTML would act on. Nothing here asks who made the string; that is the caller's to know.
"""

import math
import re
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

NOT_AVAILABLE = "not available"
LONGEST = 120
"""Characters of one string from outside that a card shows."""


class Markdown(str):
    """Text that is Markdown already: made here, or escaped."""

    __slots__ = ()


class Prepared(str):
    """Plain text whose Markdown was worked out at start: a sentence that many cards say."""

    __slots__ = ("markdown",)
    markdown: Markdown

    def __new__(cls, text: str) -> "Prepared":
        self = super().__new__(cls, text)
        self.markdown = escape(text)
        return self


def clean(text: str) -> str:
    """One line of visible characters: white space becomes a space; controls, zero-width and bidi marks vanish."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " if char.isspace() else "" for char in text)


_ESCAPED = str.maketrans({char: "\\" + char for char in "\\`*_[]|~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})
_HARMLESS = re.compile(r"(?!\d+[.)](?:\s|$))[A-Za-z0-9](?:[A-Za-z0-9 ,;()/%²°→−+-]|(?<!w)\.(?=\d))*")
"""What most values look like: nothing in it that `escape` would change."""

_SPACES = re.compile(r"\s{2,}")  # four at the start of a line would be a code block
_LINE_START = re.compile(r"^\s*([#+=-]|\d+(?=[.)](?:\s|$)))")
_WEB = re.compile(r"://|\bwww\.|\b(?:mailto|xmpp|javascript|vbscript|data):|(?<=\S)@", re.IGNORECASE)


def escape(text: str) -> Markdown:
    """The text so that GitHub-flavored Markdown shows it as it stands: no markup, no HTML, no links.

    `<`, `>` and `&` become entities, which hold in a client that reads Markdown as HTML, too. Bare web addresses
    are broken up, since GFM links them without any markup ("Autolinks (extension)").
    """
    if _HARMLESS.fullmatch(text):
        return Markdown(text)
    text = _WEB.sub(_apart, _SPACES.sub(" ", clean(text))).translate(_ESCAPED)
    return Markdown(_LINE_START.sub(_literal, text))


def _apart(match: re.Match[str]) -> str:
    return match[0][:-1] + " " + match[0][-1]


def _literal(match: re.Match[str]) -> str:
    return match[0] + "\\" if match[1].isdigit() else match[0][: -len(match[1])] + "\\" + match[1]


def shorten(text: str, longest: int) -> str:
    """At most `longest` characters (code points, T-1), the cut marked with an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def outside(text: str) -> str:
    """A string from outside, as plain text of a bounded length."""
    return shorten(clean(text), LONGEST)


def plain(number: float) -> str:
    """A number as a chart writes it: `71`, `58.4`, `0.000012`; six significant digits, no exponent."""
    text = f"{number:.6g}"
    if "e" not in text and "n" not in text:
        return text
    if not math.isfinite(number):
        return NOT_AVAILABLE
    return str(int(number)) if number == int(number) and abs(number) < 1e15 else f"{Decimal(text):f}"


def exact(number: float) -> str:
    """A configured number, with every digit that the file gave it: thresholds and bands are never rounded."""
    text = f"{Decimal(repr(float(number))):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def exact_percent(number: float) -> str:
    shifted = f"{Decimal(repr(float(number))).scaleb(2):f}"
    return (shifted.rstrip("0").rstrip(".") if "." in shifted else shifted) + " %"


_ATOMS = {"Cel": "°C", "[degF]": "°F", "mm[Hg]": "mmHg", "cm[H2O]": "cmH₂O", "1": "", "{score}": "", "%": "%"}
_ANNOTATION = re.compile(r"\{([^{}]*)\}")
_POWER = re.compile(r"\b10\*(-?\d+)")
_MICRO = re.compile(r"\bu(?=(?:mol|g|L|l|m)\b)")
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def unit_text(unit: str) -> str:
    """A UCUM unit as a clinician writes it: `mL/min/{1.73_m2}` is mL/min/1.73 m², `10*9/L` is 10⁹/L."""
    if unit in _ATOMS:
        return _ATOMS[unit]
    text = _ANNOTATION.sub(lambda match: match[1].replace("_", " ").replace("m2", "m²"), unit)
    text = _POWER.sub(lambda match: "10" + match[1].translate(_RAISED), text)
    return clean(_MICRO.sub("µ", text).replace("m[Hg]", "mHg"))


def window_text(seconds: float) -> str:
    """A configured span in its own unit: `365 days`, `12 h`, `10 min`, `30 s`."""
    for size, name in ((86400, "days"), (3600, "h"), (60, "min")):
        count = int(seconds // size)
        if count > (name == "days") and seconds % size == 0:  # "the last 24 h" reads better than "the last 1 day"
            return f"{count} {name}"
    return f"{plain(seconds)} s"


def date_text(at: float, zone: ZoneInfo) -> str:
    """The ISO date of an instant (epoch seconds) on the client's calendar."""
    return datetime.fromtimestamp(at, zone).date().isoformat()


def time_text(at: float, zone: ZoneInfo) -> str:
    """Date, minute and zone of an instant (epoch seconds): `2026-03-02 14:05 CET`."""
    moment = datetime.fromtimestamp(at, zone)
    return f"{moment.date().isoformat()} {moment.hour:02}:{moment.minute:02} {moment.tzname()}"
