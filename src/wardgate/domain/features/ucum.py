"""Which spellings are the same unit in UCUM (https://ucum.org/ucum, 3.0).

Units are compared by their letters, never converted on a guess. The one thing that UCUM itself spells in two
ways and charts mix freely is the litre, `l` and `L` (§31): `mg/dl` is `mg/dL`. All spellings of a declared unit
are listed at start, so that comparing costs one dictionary look-up in a call.
"""

import re
from collections.abc import Mapping
from itertools import product

UCUM_SYSTEM = "http://unitsofmeasure.org"

_PREFIX = r"(?:da|[YZEPTGMkhdcmunpfazy])?"
# a whole component (between operators, so not the l of mol), with its exponent and annotation
_LITRE = re.compile(rf"(?<![^./(])({_PREFIX})[lL](?=(?:[+-]?\d+)?(?:\{{[^}}]*\}})?(?:[./)]|\Z))")
_ANNOTATION = re.compile(r"\{[^}]*\}")


def spellings(unit: str) -> frozenset[str]:
    """`unit` with each of its litres written either way."""
    annotations = [match.span() for match in _ANNOTATION.finditer(unit)]
    places = [
        match.end(1)
        for match in _LITRE.finditer(unit)
        if not any(start < match.start() < end for start, end in annotations)
    ]
    letters = list(unit)
    found = set()
    for choice in product("lL", repeat=len(places)):
        for place, letter in zip(places, choice, strict=True):
            letters[place] = letter
        found.add("".join(letters))
    return frozenset(found)


def factors_of(unit: str, convert: Mapping[str, float]) -> dict[str | None, float]:
    """What a value in each accepted spelling is multiplied by to stand in `unit`."""
    factors: dict[str | None, float] = {}  # never holds None, but is asked for it
    for source, factor in convert.items():
        factors.update(dict.fromkeys(spellings(source), float(factor)))
    factors.update(dict.fromkeys(spellings(unit), 1.0))
    return factors
