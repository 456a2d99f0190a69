"""Law 9: one definition of a feature. The same code computes it in the hook call and over an export."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.features_bundles import BERLIN, KEYS, NOW, Draw
from tests.fakes.features_reference import Json, instant
from wardgate.domain.context.assemble import Answer, assemble
from wardgate.domain.context.ownership import Owner
from wardgate.domain.context.record import KeyState, PatientRecord
from wardgate.domain.context.resources import decode_value
from wardgate.domain.features.compile import compile_schema

PATIENT = {"resourceType": "Patient", "id": "p", "birthDate": "1960-05-06", "gender": "female"}
OWNER = Owner("p", None, frozenset())


@given(st.integers(0, 2**32))
def test_a_call_and_an_export_give_the_same_vector(seed: int) -> None:
    """Prefetch of three searches at a time, or one whole export read with `as_of` of that time: no difference."""
    draw = Draw(seed)
    extractor = compile_schema(draw.schema(), KEYS)
    chart = [{**resource, "subject": {"reference": "Patient/p"}} for resource in draw.chart()]
    then = NOW - draw.random.randrange(10) * 43_200
    online = extractor.extract(in_a_call([r for r in chart if not is_later(r, then)]), then, BERLIN)
    offline = extractor.extract(from_an_export(chart), then, BERLIN)
    assert online == offline


def test_a_result_of_tomorrow_changes_nothing_today() -> None:
    """An export holds what came after; as of today it has not happened yet."""
    draw = Draw(7)
    extractor = compile_schema(draw.schema(), KEYS)
    chart = [{**resource, "subject": {"reference": "Patient/p"}} for resource in draw.chart()]
    tomorrow = datetime.fromtimestamp(NOW + 86_400, UTC).isoformat()
    later = [{**r, "id": f"{r['id']}x", "effectiveDateTime": tomorrow, "onsetDateTime": tomorrow} for r in chart]
    assert later
    assert extractor.extract(from_an_export([*chart, *later]), NOW, BERLIN) == extractor.extract(
        from_an_export(chart), NOW, BERLIN
    )


def is_later(resource: Json, then: float) -> bool:
    """Whether it cannot have been in the chart yet, by the time that the definition reads."""
    period = resource.get("effectivePeriod") or {}
    onset = resource.get("onsetPeriod") or {}
    observed = [
        resource.get("effectiveDateTime"),
        resource.get("effectiveInstant"),
        period.get("end"),
        period.get("start"),
    ]
    began = [
        resource.get("onsetDateTime"),
        onset.get("start"),
        resource.get("recordedDate"),
        resource.get("assertedDate"),
    ]
    times = observed if resource["resourceType"] == "Observation" else began
    at = instant(next((time for time in times if time), None), BERLIN)
    return at is not None and at > then + 300


def in_a_call(chart: list[Json]) -> PatientRecord:
    """Three prefetch values: a Patient and two search sets."""
    by_key = {
        "labs": [resource for resource in chart if resource["resourceType"] == "Observation"],
        "problems": [resource for resource in chart if resource["resourceType"] == "Condition"],
    }
    return assembled(lambda name: PATIENT if name == "patient" else bundle("searchset", by_key[name]))


def from_an_export(chart: list[Json]) -> PatientRecord:
    """The whole chart in one Bundle, which answers every key."""
    return assembled(lambda name: PATIENT if name == "patient" else bundle("collection", chart))


def assembled(document_of: Callable[[str], Json]) -> PatientRecord:
    answers = []
    for key in KEYS:
        page = decode_value(json.dumps(document_of(key.name)).encode(), key.resource_type)
        assert page is not None
        answers.append(Answer(key, [page], KeyState.OBTAINED))
    return assemble(answers, OWNER, None, wrong_patient=False)


def bundle(kind: str, resources: list[Json]) -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": resource} for resource in resources]}
