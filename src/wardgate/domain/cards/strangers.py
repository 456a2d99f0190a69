"""Whether what an action would bring into a chart is about anybody but the call's patient (law 11).

Asked of what was made, not of what is written in the card file: a template can put a reference together. What cannot
be made sure of, such as a patient by an identifier or a Bundle of requests, counts as somebody else.
"""

import re
from typing import Any
from urllib.parse import unquote

_NAMES_A_PATIENT = re.compile(r"(?:.*[^A-Za-z])?Patient[/?].*", re.DOTALL)
_PROSE = frozenset({"text", "display", "title", "description", "div"})
_OWNERS = frozenset({"subject", "patient", "for", "beneficiary", "individual", "actor"})
_REQUESTS = frozenset({"transaction", "batch"})


def touches_another(made: Any, patient_id: str) -> bool:
    """Of a resource as JSON data, or of the `resourceId` of a delete."""
    own = f"Patient/{patient_id}"
    waiting: list[tuple[str, Any]] = [("", made)]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, str):
            if key not in _PROSE and value != own and _NAMES_A_PATIENT.fullmatch(unquote(value)):
                return True
        elif isinstance(value, dict):
            if _is_another(key, value, patient_id):
                return True
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(key, item) for item in value]
    return False


def _is_another(key: str, value: dict[str, Any], patient_id: str) -> bool:
    kind = value.get("resourceType")
    if kind == "Patient":
        return bool(value.get("id") != patient_id)
    if kind == "Bundle" and value.get("type") in _REQUESTS:
        return True
    if "identifier" not in value or "reference" in value:
        return False
    return bool(value.get("type", "Patient" if key in _OWNERS else None) == "Patient")
