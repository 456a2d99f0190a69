"""Bodies as nobody meant them: sound ones, changed at one or a few places, in their structure and then in their bytes.

All chance comes from one `random.Random`, so that a seed is a body. Names are planted from the start, and where a
mutation writes text it writes the planted name, so that any echo is found.
"""

import copy
import json
import random
from collections.abc import Callable
from typing import Any

from tests.fakes.charts import bundle, lab, patient, problem
from tests.fakes.gateway import FHIR
from tests.fakes.hooks import CONTEXTS, FORMER, hook_request
from tests.fakes.many_hooks import OWN_HOOK
from tests.fakes.markers import MARKER, plant

Json = dict[str, Any]
Holder = dict[str, Any] | list[Any]

_CONTEXTS: dict[str, Json] = {**CONTEXTS, OWN_HOOK: {"patientId": "p1", "pumpId": "d1", "settings": {"a": ["b"]}}}
_SNOMED = "http://snomed.info/sct"
_TODAY = "2026-11-21T07:30:00Z"
_STAY: Json = {
    "resourceType": "Encounter",
    "id": "e1",
    "status": "in-progress",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
    "subject": {"reference": "Patient/p1"},
    "period": {"start": "2026-11-20T20:00:00Z"},
}
_CARD = "9368d37b-283f-44a0-93ea-547cebab93ed"
_NUMBERS: tuple[float, ...] = (0, -1, 1, 0.1, 1e308, -1e308, 1e-320, 2**63, -(2**63) - 1, 10**40, 3.0, 18, 65, 999)
_TEXTS = (
    MARKER,
    f"{MARKER}\x00",
    f"\u202e{MARKER}\u0301",
    f"{MARKER} \ud800",
    f"\U0001f600{MARKER}",
    f"Patient/{MARKER}",
    f"../{MARKER}",
    f"https://{MARKER}.example/fhir",
    f"{{{{ {MARKER} }}}}",
    f"<script>{MARKER}</script>",
    f"2026-13-45T{MARKER}",
    MARKER * 500,
)
_ODD = ("2026", "2026-11", "2026-11-10T08:00:00", "0001-01-01", "9999-12-31T23:59:60Z", "24:00", "< 5", "1e400", "NaN")
_LONG = 2000
_SHAPES: tuple[Any, ...] = (None, True, False, "", [], {}, [[]], [None], {"": None}, {"resourceType": "Patient"})
_OTHERS: tuple[Any, ...] = ({"reference": "Patient/p2"}, "Patient/p2", "p2", {"reference": "#p1"}, {"reference": 5})
_RENAMED = ("extension", "_birthDate", "valueString", "valueCodeableConcept", "component", "contained", "id", "subject")


def call(chance: random.Random) -> Json:
    """A sound call of any hook, with the chart that the service asks for, all names planted."""
    if chance.random() < 0.1:
        hook, context, _ = chance.choice(FORMER)
    else:
        hook = chance.choice(("patient-view", *_CONTEXTS))
        context = _CONTEXTS[hook]
    body = hook_request(hook, context)
    if chance.random() < 0.8:
        body["prefetch"] = {"patient": patient(), "labs": labs(chance), "problems": problems(chance)}
    if chance.random() < 0.5:
        body["fhirServer"] = FHIR
    if "fhirServer" in body and chance.random() < 0.5:
        body["fhirAuthorization"] = {
            "access_token": "t",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "patient/*.rs",
            "subject": "cds",
            "patient": "p1",
        }
    planted: Json = plant(body)
    return planted


def labs(chance: random.Random) -> Json:
    """From a healthy kidney to one that fails, sometimes without one of the two measurements."""
    taken = [lab("33914-3", chance.choice((95, 55, 30, 18, 9.5))), lab("9318-7", chance.choice((5, 30, 450, 3000)))]
    older = lab("33914-3", 40, at=chance.choice(("2026-03-01T08:00:00+02:00", "2025-12-24", "2024-05-05T05:05:05Z")))
    return bundle(*chance.sample([*taken, older], chance.choice((1, 2, 3, 3, 3))))


def problems(chance: random.Random) -> Json:
    return bundle(*[problem(code) for code in ("265764009", "73211009") if chance.random() < 0.3])


def ward_call(chance: random.Random) -> Json:
    """A sound call for an inpatient of the demo's ward, from well to very ill, all names planted."""
    chart = {"patient": patient(), "vitals": vitals(chance), "labs": blood(chance), "problems": problems(chance)}
    seldom = dict.fromkeys(("oxygen", "consciousness", "pregnancy"), bundle())  # all of it stands among the vital signs
    prefetch = {**chart, **seldom, "stays": bundle(_STAY)}
    body = hook_request("patient-view", CONTEXTS["patient-view"], prefetch=prefetch)
    if chance.random() < 0.5:
        body["fhirServer"] = FHIR
    planted: Json = plant(body)
    return planted


def vitals(chance: random.Random) -> Json:
    """The vital signs of this morning, sometimes without one of them, and how awake the patient is."""
    signs = [("8867-4", "/min", 70, 140), ("9279-1", "/min", 12, 30), ("8310-5", "Cel", 36, 40)]
    signs += [
        ("3151-8", "L/min", 0, 4),
        ("8480-6", "mm[Hg]", 85, 150),
        ("8462-4", "mm[Hg]", 40, 90),
        ("59408-5", "%", 86, 99),
    ]
    taken = [lab(code, chance.randint(low, high), at=_TODAY, unit=unit) for code, unit, low, high in signs]
    awake = chance.choice(("248234008", "300202002"))
    alert = lab("67775-7", 0, at=_TODAY) | {"valueCodeableConcept": {"coding": [{"system": _SNOMED, "code": awake}]}}
    del alert["valueQuantity"]
    return bundle(*chance.sample([*taken, alert], len(taken) + (chance.random() < 0.8)))


def blood(chance: random.Random) -> Json:
    results = [("6690-2", "10*3/uL", 4, 25), ("2160-0", "mg/dL", 1, 5), ("2951-2", "mmol/L", 125, 150)]
    return bundle(*[lab(code, chance.randint(low, high), at=_TODAY, unit=unit) for code, unit, low, high in results])


def feedback(chance: random.Random) -> Json:
    """A sound report of up to four cards."""
    reason = {"system": "https://hospital.example/override", "code": "x", "display": "y"}
    elements: list[Json] = [
        {"card": _CARD, "outcome": "accepted", "outcomeTimestamp": "2026-11-21T09:00:00Z"},
        {
            "card": _CARD,
            "outcome": "overridden",
            "outcomeTimestamp": "2026-11-21T09:00:00.5+01:00",
            "overrideReason": {"reason": reason, "userComment": "c"},
        },
        {
            "card": "123456",
            "outcome": "overridden",
            "outcomeTimestamp": "2026-11-21T09:00:00Z",
            "overrideReasons": {"extension": {"com.epic.cdshooks.feedback.overrideReason.reasonTitle": "t"}},
        },
        {
            "card": _CARD,
            "outcome": "accepted",
            "outcomeTimestamp": "2026-11-21T09:00:00Z",
            "acceptedSuggestions": [{"id": _CARD}],
        },
    ]
    planted: Json = plant({"feedback": chance.choices(elements, k=chance.randint(0, 4))})
    return planted


def mutated(body: Json, chance: random.Random) -> bytes:
    """The body after one to four changes of structure, and in a quarter of the cases one of its bytes."""
    changed: Any = copy.deepcopy(body)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 4))):
        changed = _changed(changed, chance)
    ascii_only = chance.random() < 0.7
    text = json.dumps(changed, ensure_ascii=ascii_only, allow_nan=True).encode("utf-8", "surrogatepass")
    return chance.choice(_BYTES)(text, chance) if chance.random() < 0.25 else text


# --- structure --------------------------------------------------------------------------------------------------------


def _changed(body: Any, chance: random.Random) -> Any:
    places = _places(body)
    if not places:
        return chance.choice(_SHAPES)
    holder, key = chance.choice(places)
    chance.choice(_CHANGES)(holder, key, chance, places)
    return body


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    rest = [value]
    while rest:
        holder = rest.pop()
        keys = holder if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for key in keys:
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                rest.append(holder[key])
    return found


def _remove(holder: Any, key: Any, chance: random.Random, places: list[tuple[Any, Any]]) -> None:
    del holder[key]


def _reshape(holder: Any, key: Any, chance: random.Random, places: list[tuple[Any, Any]]) -> None:
    holder[key] = copy.deepcopy(chance.choice(_SHAPES))


def _renumber(holder: Any, key: Any, chance: random.Random, places: list[tuple[Any, Any]]) -> None:
    holder[key] = chance.choice(_NUMBERS)


def _retext(holder: Any, key: Any, chance: random.Random, places: list[tuple[Any, Any]]) -> None:
    holder[key] = chance.choice(_TEXTS)


def _odd(holder: Any, key: Any, chance: random.Random, places: list[tuple[Any, Any]]) -> None:
    holder[key] = chance.choice(_ODD)


def _listed(holder: Any, key: Any, chance: random.Random, places: list[tuple[Any, Any]]) -> None:
    few = len(json.dumps(holder[key])) > _LONG  # many of many of many would be a test of this machine alone
    holder[key] = [holder[key]] * chance.choice((1, 2, 3 if few else 50))


def _wrapped(holder: Any, key: Any, chance: random.Random, places: list[tuple[Any, Any]]) -> None:
    holder[key] = {"response": {"status": chance.choice(("200", "200 OK", 404))}, "resource": holder[key]}


def _deepened(holder: Any, key: Any, chance: random.Random, places: list[tuple[Any, Any]]) -> None:
    for _ in range(chance.choice((3, 40, 80))):
        holder[key] = {"extension": holder[key]} if chance.random() < 0.5 else [holder[key]]


def _renamed(holder: Any, key: Any, chance: random.Random, places: list[tuple[Any, Any]]) -> None:
    if isinstance(holder, dict):
        holder[chance.choice((*_RENAMED, f"{key} ", str(key).upper(), MARKER))] = holder.pop(key)


def _transplanted(holder: Any, key: Any, chance: random.Random, places: list[tuple[Any, Any]]) -> None:
    other, its = chance.choice(places)
    if (isinstance(other, dict) or its < len(other)) and len(places) < _LONG:
        holder[key] = copy.deepcopy(other.get(its) if isinstance(other, dict) else other[its])


def _of_another(holder: Any, key: Any, chance: random.Random, places: list[tuple[Any, Any]]) -> None:
    holder[key] = chance.choice(
        ({"reference": "Patient/p2"}, "Patient/p2", "p2", {"reference": "#p1"}, {"reference": 5})
    )


_CHANGES: tuple[Callable[[Any, Any, random.Random, list[tuple[Any, Any]]], None], ...] = (
    _remove,
    _reshape,
    _renumber,
    _retext,
    _odd,
    _listed,
    _wrapped,
    _deepened,
    _renamed,
    _transplanted,
    _of_another,
)


# --- bytes ------------------------------------------------------------------------------------------------------------


def _cut(text: bytes, chance: random.Random) -> bytes:
    return text[: chance.randrange(len(text) + 1)]


def _flipped(text: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(text))
    return text[:place] + bytes([text[place] ^ (1 << chance.randrange(8))]) + text[place + 1 :]


def _inserted(text: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(text) + 1)
    odd = (b"\x00", b"\xff", b"\xed\xa0\x80", b"NaN", b"//", b'"', b"{", b"]", b",", b"\\u0000", MARKER.encode())
    return text[:place] + chance.choice(odd) + text[place:]


def _repeated(text: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(text))
    piece = text[start : start + chance.choice((1, 10, 200))]
    return text[:start] + piece * chance.choice((2, 3, 30)) + text[start:]


def _led(text: bytes, chance: random.Random) -> bytes:
    return chance.choice((b"\xef\xbb\xbf", b" \r\n\t", b"\xff\xfe", b"[" * 70)) + text


def _swapped(text: bytes, chance: random.Random) -> bytes:
    old, new = chance.choice(((b'"', b"'"), (b":", b"="), (b"true", b"True"), (b"null", b"undefined"), (b"}", b"]")))
    return text.replace(old, new, chance.choice((1, -1)))


_BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (_cut, _flipped, _inserted, _repeated, _led, _swapped)
