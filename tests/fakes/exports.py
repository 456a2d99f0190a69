"""Exports in a few words: files of resources, and the rows that come of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.fakes.features_bundles import BERLIN, NOW
from wardgate.adapters.export.charts import files_of
from wardgate.adapters.export.extraction import Extraction, Plan
from wardgate.adapters.export.sorting import Sorter
from wardgate.adapters.export.tables import Cell
from wardgate.domain.features.compile import check_schema, compile_schema
from wardgate.domain.features.export import export_keys
from wardgate.domain.features.schema import FeatureSchema

Json = dict[str, Any]


def ndjson(path: Path, *resources: Json | str) -> Path:
    """One a line; text stands as it is."""
    lines = (each if isinstance(each, str) else json.dumps(each) for each in resources)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def bundle_file(path: Path, *entries: Any, kind: str = "transaction") -> Path:
    """A Bundle of entries: resources, or whole entries where they have no resourceType."""
    written = [
        entry if not isinstance(entry, dict) or "resourceType" not in entry else {"resource": entry}
        for entry in entries
    ]
    path.write_text(json.dumps({"resourceType": "Bundle", "type": kind, "entry": written}), encoding="utf-8")
    return path


def plan_of(
    schema: FeatureSchema,
    *inputs: Path,
    as_of: Sequence[float] = (NOW,),
    dates: Path | None = None,
    key: bytes | None = None,
    bases: frozenset[str] = frozenset(),
    zone: ZoneInfo = BERLIN,
) -> Plan:
    """With FHIR ids, unless there is a key."""
    assert check_schema(schema) == []
    keys = export_keys(schema)
    extractor = compile_schema(schema, keys)
    return Plan(tuple(files_of(inputs)), extractor, keys, zone, bases, tuple(as_of), dates, key)


def extracted(plan: Plan, run_bytes: int = 1000) -> tuple[list[list[Cell]], Extraction]:
    """The rows, and what was counted on the way; with runs so small that everything goes over the disk."""
    with Sorter(run_bytes, fan_in=3) as sorter:
        extraction = Extraction(plan, sorter)
        extraction.collect(lambda read: None)
        return list(extraction.rows(lambda done: None)), extraction
