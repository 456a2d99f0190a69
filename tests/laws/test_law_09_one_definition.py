"""Law 9: one definition of a feature. The same code computes it in the hook call and over an export."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.exports import bundle_file, extracted, ndjson, plan_of
from tests.fakes.features_bundles import BERLIN, KEYS, NOW, Draw
from tests.fakes.features_reference import Json, instant
from wardgate.adapters.export.tables import row_of
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


@given(st.integers(0, 2**32))
def test_a_call_and_a_row_of_the_table_agree(seed: int) -> None:
    """The same chart as prefetch of a call, and as files that `wardgate features` reads, at several clocks."""
    draw = Draw(seed)
    schema = draw.schema()
    chart = [{**resource, "subject": {"reference": "Patient/p"}} for resource in draw.chart()]
    clocks = [NOW - days * 43_200 for days in (0, 3, draw.random.randrange(10))]
    extractor = compile_schema(schema, KEYS)
    names = [spec.name for spec in schema.features]
    calls = [
        row_of("p", extractor.extract(in_a_call([r for r in chart if not is_later(r, t)]), t, BERLIN), names)
        for t in clocks
    ]
    with TemporaryDirectory() as folder:
        files = written(draw, chart, Path(folder))
        rows, extraction = extracted(plan_of(schema, *files, as_of=clocks))
    assert rows == calls
    assert not extraction.reader.losses.counts and not extraction.tally.dropped


def written(draw: Draw, chart: list[Json], folder: Path) -> list[Path]:
    """As one Bundle, or as bulk files by type, among other patients' resources in any order."""
    strangers = [{**resource, "subject": {"reference": "Patient/q"}} for resource in draw.chart()]
    everybody = [*chart, *strangers] if draw.chance(0.5) else [*strangers, *chart]
    if draw.chance(0.3):
        return [bundle_file(folder / "all.json", *everybody, PATIENT)]
    kinds = draw.random.sample(("Observation", "Condition"), 2)
    files = [ndjson(folder / f"{kind}.ndjson", *(r for r in everybody if r["resourceType"] == kind)) for kind in kinds]
    return [*files, ndjson(folder / "Patient.ndjson", PATIENT)]


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
