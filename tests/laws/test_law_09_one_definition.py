"""Law 9: one definition of a feature. The same code computes it in the hook call and over an export."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.features_bundles import BERLIN, KEYS, NOW, Draw
from tests.fakes.features_reference import Json, instant
from wardgate.domain.context.assemble import Answer, assemble
from wardgate.domain.context.fhir import SLIM
from wardgate.domain.context.ownership import Owner
from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.context.record import KeyState, PatientRecord
from wardgate.domain.context.resources import decode_value
from wardgate.domain.features.compile import compile_schema

PATIENT = {"resourceType": "Patient", "id": "p", "birthDate": "1960-05-06", "gender": "female"}
OWNER = Owner("p", None, frozenset())
TIMES = ("effectiveDateTime", "onsetDateTime", "authoredOn", "date")


def owned(resource: Json) -> Json:
    return {**resource, "subject": {"reference": "Patient/p"}} if resource["resourceType"] != "Medication" else resource


@given(st.integers(0, 2**32))
def test_a_call_and_an_export_give_the_same_vector(seed: int) -> None:
    """Prefetch of three searches at a time, or one whole export read with `as_of` of that time: no difference."""
    draw = Draw(seed)
    extractor = compile_schema(draw.schema(), KEYS)
    chart = [owned(resource) for resource in draw.chart()]
    then = NOW - draw.random.randrange(10) * 43_200
    online = extractor.extract(in_a_call([r for r in chart if not is_later(r, then)]), then, BERLIN)
    offline = extractor.extract(from_an_export(chart), then, BERLIN)
    assert online == offline


def test_a_result_of_tomorrow_changes_nothing_today() -> None:
    """An export holds what came after, or came to be known after; as of today it has not happened yet."""
    draw = Draw(7)
    extractor = compile_schema(draw.schema(), KEYS)
    chart = [owned(resource) for resource in draw.chart()]
    tomorrow = datetime.fromtimestamp(NOW + 86_400, UTC).isoformat()
    later = [
        *({**r, "id": f"{r['id']}x", **dict.fromkeys(TIMES, tomorrow), "period": {"start": tomorrow}} for r in chart),
        *(
            {**r, "id": f"{r['id']}y", "issued": tomorrow, "recordedDate": tomorrow}
            for r in chart
            if r["resourceType"] in SLIM
        ),
    ]
    assert {r["resourceType"] for r in later} > SLIM
    assert extractor.extract(from_an_export([*chart, *later]), NOW, BERLIN) == extractor.extract(
        from_an_export(chart), NOW, BERLIN
    )


def is_later(resource: Json, then: float) -> bool:
    """Whether it cannot have been in the chart yet: by its time, or by when it became known."""
    period, onset, stay = (resource.get(f"{name}eriod") or {} for name in ("effectiveP", "onsetP", "p"))
    times = {
        "Observation": [
            resource.get("effectiveDateTime"),
            resource.get("effectiveInstant"),
            period.get("end"),
            period.get("start"),
        ],
        "Condition": [
            resource.get("onsetDateTime"),
            onset.get("start"),
            resource.get("recordedDate"),
            resource.get("assertedDate"),
        ],
        "MedicationRequest": [resource.get("authoredOn")],
        "MedicationStatement": [
            resource.get("effectiveDateTime"),
            period.get("start"),
            period.get("end"),
            resource.get("dateAsserted"),
        ],
        "Encounter": [stay.get("start"), stay.get("end")],
        "DocumentReference": [resource.get("date"), resource.get("indexed"), resource.get("created")],
        "Medication": [],
    }[resource["resourceType"]]
    known = {
        "Observation": resource.get("issued"),
        "Condition": resource.get("recordedDate") or resource.get("assertedDate"),
        "MedicationStatement": resource.get("dateAsserted"),
    }.get(resource["resourceType"])
    moments = [instant(text, BERLIN) for text in (next(filter(None, times), None), known)]
    return any(at is not None and at > then + 300 for at in moments)


def in_a_call(chart: list[Json]) -> PatientRecord:
    """A prefetch value for each key: a Patient and a search set of each type, with the medicines that it names."""

    def value(key: PrefetchKey) -> Json:
        types = {key.resource_type, *(("Medication",) if key.resource_type.startswith("Medication") else ())}
        return PATIENT if key.read else bundle("searchset", [r for r in chart if r["resourceType"] in types])

    return assembled(value)


def from_an_export(chart: list[Json]) -> PatientRecord:
    """The whole chart in one Bundle, which answers every key."""
    return assembled(lambda key: PATIENT if key.read else bundle("collection", chart))


def assembled(document_of: Callable[[PrefetchKey], Json]) -> PatientRecord:
    answers = []
    for key in KEYS:
        page = decode_value(json.dumps(document_of(key)).encode(), key.resource_type)
        assert page is not None
        answers.append(Answer(key, [page], KeyState.OBTAINED))
    return assemble(answers, OWNER, None, wrong_patient=False)


def bundle(kind: str, resources: list[Json]) -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": resource} for resource in resources]}
