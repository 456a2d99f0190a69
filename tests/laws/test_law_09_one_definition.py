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
    chart = chart_of(draw, "p")
    then = NOW - draw.random.randrange(10) * 43_200
    online = extractor.extract(in_a_call([r for r in chart if not is_later(r, then)]), then, BERLIN)
    offline = extractor.extract(from_an_export(chart), then, BERLIN)
    assert online == offline


@given(st.integers(0, 2**32))
def test_a_call_and_a_row_of_the_table_agree(seed: int) -> None:
    """The same chart as prefetch of a call, and as files that `wardgate features` reads, at several clocks."""
    draw = Draw(seed)
    schema = draw.schema()
    chart = chart_of(draw, "p")
    clocks = [NOW - days * 43_200 for days in (0, 3, draw.random.randrange(10))]
    extractor = compile_schema(schema, KEYS)
    calls = [
        row_of("p", extractor.extract(in_a_call([r for r in chart if not is_later(r, t)]), t, BERLIN), extractor)
        for t in clocks
    ]
    with TemporaryDirectory() as folder:
        files = written(draw, chart, Path(folder))
        rows, extraction = extracted(plan_of(schema, *files, as_of=clocks))
    assert rows == calls
    assert not extraction.reader.losses.counts and not extraction.tally.dropped


def chart_of(draw: Draw, patient: str) -> list[Json]:
    """Each resource in one version; an export shows the last one alone."""
    return [
        {**resource, "id": f"m{resource['id']}" if is_medicine(resource) else f"{patient}{number}"}
        | ({} if is_medicine(resource) else {"subject": {"reference": f"Patient/{patient}"}})
        for number, resource in enumerate(draw.chart())
    ]


def written(draw: Draw, chart: list[Json], folder: Path) -> list[Path]:
    """As one Bundle, or as bulk files by type, among other patients' resources in any order."""
    strangers = [resource for resource in chart_of(draw, "q") if resource["resourceType"] != "Medication"]
    everybody = [*chart, *strangers] if draw.chance(0.5) else [*strangers, *chart]
    if draw.chance(0.3):
        return [bundle_file(folder / "all.json", *everybody, PATIENT)]
    kinds = list(dict.fromkeys(resource["resourceType"] for resource in everybody))
    draw.random.shuffle(kinds)
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
    """Whether it cannot have been in the chart yet, by the times that the definition reads."""
    periods = {name: resource.get(name) or {} for name in ("effectivePeriod", "onsetPeriod", "period")}
    effective, onset, stay = periods.values()
    taken = (resource.get("effectiveDateTime"), effective.get("start"), effective.get("end"))
    begun, known = {
        "Observation": (
            (taken[0], resource.get("effectiveInstant"), taken[2], taken[1]),
            (resource.get("issued"),),
        ),
        "Condition": (
            (resource.get("onsetDateTime"), onset.get("start"), resource.get("recordedDate")),
            (resource.get("recordedDate"), resource.get("assertedDate")),
        ),
        "MedicationRequest": ((resource.get("authoredOn"),), ()),
        "MedicationStatement": ((*taken, resource.get("dateAsserted")), (resource.get("dateAsserted"),)),
        "Encounter": ((stay.get("start"), stay.get("end")), ()),
        "DocumentReference": ((resource.get("date"), resource.get("indexed"), resource.get("created")), ()),
        "Medication": ((), ()),
    }[resource["resourceType"]]
    given = (next(filter(None, times), None) for times in (begun, known))
    return any(at is not None and at > then + 300 for at in (instant(time, BERLIN) for time in given))


def is_medicine(resource: Json) -> bool:
    return bool(resource["resourceType"] == "Medication")


def in_a_call(chart: list[Json]) -> PatientRecord:
    """A Patient and a search set for each other key; medicines stand beside the orders and statements of them."""

    def found(key: str) -> list[Json]:
        kind = next(one.resource_type for one in KEYS if one.name == key)
        return [r for r in chart if r["resourceType"] == kind or (is_medicine(r) and kind.startswith("Medication"))]

    return assembled(lambda name: PATIENT if name == "patient" else bundle("searchset", found(name)))


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
