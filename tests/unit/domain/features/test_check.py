"""Every error of a schema is found, at once, with its key."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes.features_bundles import event, lab
from wardgate.adapters.files.wire_features import Features
from wardgate.adapters.files.yaml_documents import read_yaml
from wardgate.domain.features.check import RESERVED
from wardgate.domain.features.compile import check_schema
from wardgate.domain.features.schema import CodeSet, FeatureSchema, FeatureSpec, FeatureType, Take, Use

PAGE = Path(__file__).parents[4] / "docs" / "features.md"
LAB = lab("x", unit="mg/dL")
PROBLEM = lab("x", source="Condition", take=Take.ANY)
PATIENT = FeatureSpec(name="x", source="Patient", path="birthDate", as_="years")
CODE = FeatureType.CODE
ORDERS = event("x", "MedicationRequest", take=Take.COUNT)
INSIDE = event("x", "Encounter", path="class.code", type=CODE, map={"IMP": 1})
DRAFTS = event("x", "context", path="draftOrders", take=Take.COUNT)


def keys(*specs: FeatureSpec) -> list[str]:
    return [problem.key for problem in check_schema(FeatureSchema("1", specs))]


@pytest.mark.parametrize(
    "spec",
    [
        LAB,
        PROBLEM,
        PATIENT,
        lab("x", unit="mg/dL", convert={"umol/L": 0.01, "g/L": 100}, plausible=(1, 1), bins=(1, 2), within=1.0),
        lab("x", type=CODE, map={"a": 1}, take=Take.SUM, bins=(1, 2)),
        lab("x", type=CODE, use=Use.RULE_ONLY),
        lab("x", type=FeatureType.BOOLEAN, map={"a": True}),
        lab("x", take=Take.ANY, type=FeatureType.BOOLEAN, within=1.0),
        lab("x", take=Take.COUNT, bins=(1, 5), max_missing=1.0, max_lag=5.0, statuses=("Final",)),
        ORDERS,
        event("x", "MedicationStatement", ("a",), take=Take.ANY, within=5.0, max_lag=5.0),
        event("x", "MedicationRequest", ("a",), type=CODE, map={"s|a": 1, "b": 2}, statuses=("Stopped", "active")),
        event("x", "Encounter", take=Take.COUNT, within=5.0, statuses=("planned",)),
        INSIDE,
        event("x", "Encounter", path="period.start", as_="hours", plausible=(0, 90)),
        event("x", "DocumentReference", ("a",), path="length", take=Take.MEAN, unit="By", bins=(10,)),
        DRAFTS,
        event("x", "context", ("a",), path="selections", type=FeatureType.BOOLEAN, map={"a": True}),
        event("x", "context", path="shoppingList", take=Take.ANY),
    ],
)
def test_sound_features_have_no_problem(spec: FeatureSpec) -> None:
    """All that the definition allows passes."""
    assert keys(spec) == []


@pytest.mark.parametrize(
    ("spec", "changes", "key"),
    [
        (LAB, {"name": "eGFR"}, "name"),
        (LAB, {"name": "1x"}, "name"),
        (LAB, {"source": "Procedure"}, "from"),
        (LAB, {"codes": ()}, "code"),
        (LAB, {"codes": (CodeSet(" ", frozenset({"a"})),)}, "code"),
        (LAB, {"codes": (CodeSet("s", frozenset()),)}, "code"),
        (LAB, {"codes": (CodeSet("s", frozenset({" "})),)}, "code"),
        (PATIENT, {"codes": LAB.codes}, "code"),
        (LAB, {"path": "a"}, "path"),
        (PATIENT, {"path": None, "as_": None}, "path"),
        (PATIENT, {"path": "a..birthDate"}, "path"),
        (PATIENT, {"as_": None}, "as"),
        (PATIENT, {"as_": "months"}, "as"),
        (PATIENT, {"path": "gender"}, "as"),
        (LAB, {"as_": "years"}, "as"),
        (PROBLEM, {"take": Take.LATEST}, "take"),
        (PATIENT, {"take": Take.MIN}, "take"),
        (LAB, {"take": Take.MEAN, "unit": None, "type": FeatureType.BOOLEAN}, "take"),
        (LAB, {"take": Take.COUNT}, "unit"),
        (LAB, {"take": Take.ANY, "unit": None, "plausible": (0, 1)}, "plausible"),
        (LAB, {"take": Take.COUNT, "unit": None, "type": FeatureType.BOOLEAN}, "type"),
        (LAB, {"take": Take.ANY, "unit": None, "type": CODE}, "type"),
        (LAB, {"statuses": ("entered-in-error ",)}, "statuses"),
        (LAB, {"statuses": ("Cancelled", "final")}, "statuses"),
        (LAB, {"statuses": ("finall",)}, "statuses"),
        (LAB, {"statuses": ()}, "statuses"),
        (PROBLEM, {"statuses": ("final",)}, "statuses"),
        (PATIENT, {"statuses": ("active",)}, "statuses"),
        (LAB, {"unit": "mg / dL"}, "unit"),
        (LAB, {"unit": ""}, "unit"),
        (LAB, {"type": FeatureType.BOOLEAN}, "unit"),
        (LAB, {"unit": None, "convert": {"g": 1}}, "convert"),
        (LAB, {"convert": {"g/L": 0}}, "convert"),
        (LAB, {"convert": {"g/L": float("inf")}}, "convert"),
        (LAB, {"convert": {"g/L": float("nan")}}, "convert"),
        (LAB, {"convert": {"mg/dl": 2}}, "convert"),
        (LAB, {"convert": {"g/L": 1, "g/l": 2}}, "convert"),
        (LAB, {"plausible": (2, 1)}, "plausible"),
        (LAB, {"plausible": (float("nan"), 1)}, "plausible"),
        (LAB, {"unit": None, "type": FeatureType.BOOLEAN, "plausible": (0, 1)}, "plausible"),
        (LAB, {"map": {"a": 1}}, "map"),
        (LAB, {"unit": None, "type": CODE}, "map"),
        (LAB, {"unit": None, "type": CODE, "map": {}}, "map"),
        (LAB, {"unit": None, "type": CODE, "map": {"a": 1, "b": True}}, "map"),
        (LAB, {"unit": None, "type": CODE, "map": {"a": float("nan")}}, "map"),
        (LAB, {"unit": None, "type": FeatureType.BOOLEAN, "map": {"a": 1}}, "map"),
        (LAB, {"within": 0.0}, "within"),
        (PATIENT, {"within": 5.0}, "within"),
        (LAB, {"max_missing": 1.5}, "max_missing"),
        (LAB, {"bins": (1, 1)}, "bins"),
        (LAB, {"bins": (float("nan"),)}, "bins"),
        (PROBLEM, {"bins": (1,)}, "bins"),
        (LAB, {"unit": None, "type": CODE, "map": {"|a": 1}}, "map"),
        (LAB, {"unit": None, "type": CODE, "map": {"s| ": 1}}, "map"),
        (ORDERS, {"take": Take.LATEST}, "type"),
        (ORDERS, {"take": Take.MEAN}, "take"),
        (ORDERS, {"path": "dosage"}, "path"),
        (ORDERS, {"statuses": ("draft",)}, "statuses"),
        (ORDERS, {"statuses": ("final",)}, "statuses"),
        (ORDERS, {"unit": "mg"}, "unit"),
        (ORDERS, {"as_": "years"}, "as"),
        (INSIDE, {"codes": LAB.codes}, "code"),
        (INSIDE, {"take": Take.COUNT, "map": None, "type": FeatureType.NUMBER}, "take"),
        (INSIDE, {"within": 5.0}, "within"),
        (INSIDE, {"max_lag": 5.0}, "max_lag"),
        (INSIDE, {"statuses": ("finished",)}, "statuses"),
        (INSIDE, {"map": {"s|a": 1}}, "map"),
        (INSIDE, {"path": "period.start", "map": None, "type": FeatureType.NUMBER}, "as"),
        (INSIDE, {"path": "period.start", "map": None, "type": FeatureType.NUMBER, "as_": "years"}, "as"),
        (INSIDE, {"as_": "hours", "map": None, "type": FeatureType.NUMBER}, "as"),
        (event("x", "DocumentReference", take=Take.ANY), {"path": "content"}, "path"),
        (event("x", "DocumentReference", path="length"), {"type": CODE, "map": {"a": True}, "take": Take.SUM}, "take"),
        (DRAFTS, {"path": None}, "path"),
        (DRAFTS, {"path": "patientId"}, "path"),
        (DRAFTS, {"path": "draft orders"}, "path"),
        (DRAFTS, {"take": Take.EARLIEST, "type": CODE, "map": {"a": 1}}, "take"),
        (DRAFTS, {"take": Take.LATEST}, "type"),
        (DRAFTS, {"within": 5.0}, "within"),
        (DRAFTS, {"statuses": ("draft",)}, "statuses"),
    ],
)
def test_each_error_is_found_under_its_key(spec: FeatureSpec, changes: dict[str, Any], key: str) -> None:
    """Exactly one problem, which names the feature and says how to mend it."""
    changed = msgspec.structs.replace(spec, **changes)
    problems = check_schema(FeatureSchema("1", (changed,)))
    assert [(problem.feature, problem.key) for problem in problems] == [(changed.name, key)]
    assert problems[0].what and problems[0].remedy


def test_reserved_names_are_refused() -> None:
    """What expressions use themselves cannot be a feature."""
    assert all(keys(msgspec.structs.replace(LAB, name=name)) == ["name"] for name in RESERVED)
    assert RESERVED == set("deceased score missing absent age_of if min max and or not in true false".split())


def test_a_name_stands_once() -> None:
    """Reported once, however often it stands."""
    assert keys(LAB, LAB, LAB) == ["name"]


def test_all_errors_are_reported_at_once() -> None:
    """Those of the schema and of every feature, in their order."""
    schema = FeatureSchema(
        " ", (msgspec.structs.replace(LAB, codes=(), bins=(2, 1)), msgspec.structs.replace(PATIENT, name="Y"))
    )
    assert [(problem.feature, problem.key) for problem in check_schema(schema)] == [
        ("", "version"),
        ("x", "code"),
        ("x", "bins"),
        ("Y", "name"),
    ]
    assert [problem.key for problem in check_schema(FeatureSchema("1", ()))] == ["features"]


def test_the_schemas_of_the_page_are_sound(tmp_path: Path) -> None:
    """Each example of docs/features.md compiles."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        path = tmp_path / "features.yaml"
        path.write_text(block, encoding="utf-8")
        data = {"version": "1", **read_yaml(path, "features.yaml").data}
        assert check_schema(Features.model_validate(data).schema_()) == []
