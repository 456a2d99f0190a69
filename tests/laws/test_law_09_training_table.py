"""Law 9, told of the training table: a row is what a hook call at its clock would have computed."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.exports import bundle_file, extracted, ndjson, plan_of
from tests.fakes.features_bundles import BERLIN, KEYS, NOW, Draw, lab
from tests.fakes.features_reference import Json
from tests.laws.test_law_09_one_definition import OWNER, PATIENT, bundle, is_later, owned
from wardgate.adapters.export.tables import row_of
from wardgate.domain.context.assemble import Answer, assemble
from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.context.record import KeyState, PatientRecord
from wardgate.domain.context.resources import decode_value
from wardgate.domain.features.compile import compile_schema
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec, FeatureType, Take, Use

EVALUATED = (
    FeatureSpec(name="e1", source="Observation", expression="value", codes=lab(codes=("1-1", "2-2")).codes),
    FeatureSpec(name="e2", source="Observation", expression="component.value.count()", take=Take.SUM),
    FeatureSpec(name="e3", source="Condition", expression="code.text.exists()", take=Take.COUNT),
    FeatureSpec(
        name="e4", source="Encounter", expression="status", type=FeatureType.CODE, use=Use.RULE_ONLY, take=Take.EARLIEST
    ),
    FeatureSpec(name="e5", source="Patient", expression="birthDate", as_="years"),
)


@given(st.integers(0, 2**32))
def test_a_row_is_what_a_call_computes(seed: int) -> None:
    """The same chart as prefetch of a call, and as files that `wardgate features` reads, at several clocks."""
    draw = Draw(seed)
    schema = FeatureSchema("1", (*draw.schema().features, *EVALUATED))
    chart = in_one_version(draw)
    clocks = [NOW - days * 43_200 for days in (0, 3, draw.random.randrange(10))]
    keys = [msgspec.structs.replace(key, whole=True) for key in KEYS]
    extractor = compile_schema(schema, keys)
    calls = []
    for clock in clocks:
        there = [resource for resource in chart if not is_later(resource, clock)]
        calls.append(row_of("p", extractor.extract(called(there, keys), clock, BERLIN), extractor))
    with TemporaryDirectory() as folder:
        rows, extraction = extracted(plan_of(schema, *written(draw, chart, Path(folder)), as_of=clocks))
    assert rows == calls
    assert not extraction.reader.losses.counts and not extraction.tally.dropped


def in_one_version(draw: Draw) -> list[Json]:
    """An export shows the last version of each resource alone; a call before it sees the one of then."""
    ids: set[str] = set()
    chart = []
    for resource in map(owned, draw.chart()):
        if f"{resource['resourceType']}/{resource['id']}" not in ids:
            ids.add(f"{resource['resourceType']}/{resource['id']}")
            chart.append(resource)
    return chart


def called(chart: list[Json], keys: list[PrefetchKey]) -> PatientRecord:
    """A prefetch value for each key: a Patient, or a search set of one type with the medicines that it names."""
    answers = []
    for key in keys:
        types = {key.resource_type, *(("Medication",) if key.resource_type.startswith("Medication") else ())}
        sent = PATIENT if key.read else bundle("searchset", [r for r in chart if r["resourceType"] in types])
        page = decode_value(json.dumps(sent).encode(), key.resource_type, key.whole)
        assert page is not None
        answers.append(Answer(key, [page], KeyState.OBTAINED))
    return assemble(answers, OWNER, None, wrong_patient=False)


def written(draw: Draw, chart: list[Json], folder: Path) -> list[Path]:
    """As one Bundle, or as bulk files by type, among another patient's resources in any order."""
    strangers = [
        {**resource, "id": f"q{number}", "subject": {"reference": "Patient/q"}}
        for number, resource in enumerate(draw.chart())
        if resource["resourceType"] != "Medication"
    ]
    everybody = [*chart, *strangers] if draw.chance(0.5) else [*strangers, *chart]
    if draw.chance(0.3):
        return [bundle_file(folder / "all.json", *everybody, PATIENT)]
    kinds = list(dict.fromkeys(resource["resourceType"] for resource in everybody))
    draw.random.shuffle(kinds)
    files = [ndjson(folder / f"{kind}.ndjson", *(r for r in everybody if r["resourceType"] == kind)) for kind in kinds]
    return [*files, ndjson(folder / "Patient.ndjson", PATIENT)]
