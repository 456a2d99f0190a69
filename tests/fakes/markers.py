"""Planted names: a word that stands in no file of this project, put wherever a name of a patient could be."""

from collections.abc import Iterator
from typing import Any

MARKER = "Zebulon"

STRUCTURE = frozenset(
    "resourceType id reference system code unit comparator status intent gender type url fullUrl relation mode method "
    "use profile linkId birthDate hook hookInstance fhirServer access_token token_type scope subject patient patientId "
    "encounterId userId performer effectiveDateTime effectiveInstant issued authoredOn recordedDate onsetDateTime "
    "abatementDateTime start end lastUpdated versionId outcome outcomeTimestamp card".split()
)
"""What a call is computed by: with these intact, it goes as far as it went before."""


def plant(value: Any, everywhere: bool = False, key: str = "") -> Any:
    """A copy in which every string that may be a name begins with the marker; `everywhere`: every string at all but the
    name of the hook, so that ids, codes, units and dates are names as well."""
    if isinstance(value, dict):
        return {name: plant(inner, everywhere, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [plant(inner, everywhere, key) for inner in value]
    if isinstance(value, str) and (key not in STRUCTURE or everywhere) and key != "hook":
        return f"{MARKER} {value}"
    return value


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value
