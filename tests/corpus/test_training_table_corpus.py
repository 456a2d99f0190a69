"""The training table on real charts: each row is what a hook call for that patient computes (law 9)."""

import gzip
from pathlib import Path

import msgspec
import pytest

from tests.corpus.test_features_corpus import SCHEMA as CODED
from tests.fakes.exports import extracted, plan_of
from tests.fakes.features_bundles import BERLIN, KEYS
from tests.fakes.features_reference import instant
from wardgate.adapters.export.tables import row_of
from wardgate.domain.context.assemble import Answer, assemble
from wardgate.domain.context.ownership import Owner
from wardgate.domain.context.record import KeyState
from wardgate.domain.context.resources import decode_value
from wardgate.domain.features.compile import compile_schema
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec, Take

SYSTOLIC = "component.where(code.coding.exists(system = 'http://loinc.org' and code = '8480-6')).value"
SCHEMA = FeatureSchema(
    "1",
    (
        *CODED.features,
        FeatureSpec(name="systolic", source="Observation", expression=SYSTOLIC, unit="mm[Hg]"),
        FeatureSpec(name="lines", source="Patient", expression="address.line.count()"),
        FeatureSpec(name="ended", source="Encounter", expression="period.end.exists()", take=Take.ANY),
    ),
)


def test_a_call_and_a_row_of_the_table_agree_on_real_charts(corpus: Path | None) -> None:
    """Each Bundle of `patients` as prefetch of a call for its Patient, and the folder as an export, at three clocks."""
    if corpus is None:
        pytest.skip("no corpus: give its folder with --corpus")
    clocks = [instant(year, BERLIN) or 0.0 for year in ("2012", "2020-06", "2026-11-25")]
    rows, extraction = extracted(plan_of(SCHEMA, corpus / "patients", as_of=clocks), run_bytes=1024 * 1024)
    keys = [msgspec.structs.replace(key, whole=True) for key in KEYS]
    extractor = compile_schema(SCHEMA, keys)
    calls = []
    for path in sorted((corpus / "patients").glob("*.json.gz")):
        raw = gzip.decompress(path.read_bytes())
        pages = [(key, decode_value(raw, key.resource_type, key.whole)) for key in keys]
        answers = [Answer(key, [page], KeyState.OBTAINED) for key, page in pages if page is not None]
        (patient,) = answers[0].pages[0].patients
        record = assemble(answers, Owner(patient["id"], None, frozenset()), None, wrong_patient=False)
        calls += [row_of(patient["id"], extractor.extract(record, at, BERLIN), extractor) for at in clocks]
    assert sorted(rows, key=str) == sorted(calls, key=str)
    assert extraction.tally.marks.total() == len(rows) * len(SCHEMA.features) > 0
    for name in ("egfr", "systolic", "lines", "ended"):
        assert extraction.tally.marks[name, "value"] > 0
