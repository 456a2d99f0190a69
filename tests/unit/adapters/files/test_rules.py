"""Rule files: what is compiled of them, and a finding for everything that is wrong."""

from pathlib import Path

import pytest

from tests.fakes.config_tree import FILES, Edit, sound_config
from tests.fakes.gateway import DEMO
from wardgate.adapters.files.catalog import load, survey
from wardgate.domain.decisions.ladder import RuleRung
from wardgate.domain.findings import Finding
from wardgate.domain.plans import ReleasePlan

NAMED: Edit = ("rollout:", "fallback: [{rule: ckd-stage}, none]\nrollout:")
EGFR = "  - {feature: egfr, steps: [{lt: 15, points: 4}, {lt: 30, points: 3}], else: 0}\n"
BANDS = "[{name: G4, from: 3, indicator: info}, {name: G5, from: 4, indicator: warning}]"


def _found(folder: Path, *rule: Edit, service: Edit = NAMED) -> list[Finding]:
    return list(survey(sound_config(folder, service=service, rule=list(rule))).findings)


def _release(folder: Path, *rule: Edit, service: Edit = NAMED) -> ReleasePlan:
    catalog = load(sound_config(folder, service=service, rule=list(rule))).catalog
    return catalog.services["kidney-failure"]["patient-view"].version("1.0.0")


def test_a_rule_is_a_rung_with_a_card_of_its_own(tmp_path: Path) -> None:
    """No warning is left: the step is active."""
    assert _found(tmp_path) == []
    release = _release(tmp_path)
    (rung,) = release.ladder
    assert isinstance(rung, RuleRung)
    assert (rung.name, rung.threshold, rung.score.features) == ("ckd-stage", 3, ("egfr",))
    assert list(release.rule_cards) == ["ckd-stage"]


@pytest.mark.parametrize(
    "fallback, rungs",
    [
        ("[none]", []),
        ("[]", []),
        ("[{rule: ckd-stage}]", ["ckd-stage"]),
        ("[{rule: ckd-stage}, {rule: ckd-stage}]", ["ckd-stage"]),
        ("[{cached: {max_age: 12h}}, {rule: ckd-stage}, none]", ["cached", "ckd-stage"]),
        ("[{rule: ckd-stage}, {cached: {max_age: 12h}}, none]", ["ckd-stage", "cached"]),
        ("[none, {cached: {max_age: 12h}}]", []),
    ],
)
def test_the_ladder_keeps_its_order_and_ends_where_it_says(tmp_path: Path, fallback: str, rungs: list[str]) -> None:
    """Steps of both kinds; what is cached is worth keeping for as long as the longest of them says."""
    release = _release(tmp_path, service=("rollout:", f"fallback: {fallback}\nrollout:"))
    assert [rung.name if isinstance(rung, RuleRung) else "cached" for rung in release.ladder] == rungs
    assert release.kept_for == (43200 if "cached" in rungs else 0)
    assert (release.basis is not None) is ("cached" in rungs)


def test_a_score_is_not_cached_for_longer_than_its_card_holds(tmp_path: Path) -> None:
    """Every card is valid for a day at most."""
    (finding,) = _found(tmp_path, service=("rollout:", "fallback: [{cached: {max_age: 25h}}]\nrollout:"))
    assert finding.key == "fallback.0.cached.max_age" and "a day" in finding.what


def test_a_cached_score_rests_on_what_the_chart_holds(tmp_path: Path) -> None:
    """The model's inputs alone; an age drifts by itself."""
    release = _release(tmp_path, service=("rollout:", "fallback: [{cached: {max_age: 1h}}]\nrollout:"))
    assert release.basis is not None
    assert release.basis.inputs == ("age", "male", "egfr", "uacr") and release.basis.drifting == {"age"}


def test_what_stands_behind_the_end_of_the_ladder_is_told(tmp_path: Path) -> None:
    """A warning; the rung is not there."""
    service: Edit = ("rollout:", "fallback: [none, {rule: ckd-stage}]\nrollout:")
    (finding,) = _found(tmp_path, service=service)
    assert finding.warning and finding.key == "fallback.0" and "never reached" in finding.what
    assert _release(tmp_path, service=service).ladder == ()


ERRORS: list[tuple[str, str, str, str]] = [
    ("age >= 18", "agee >= 18", "population", "column 1"),
    ("age >= 18", "age", "population", "compare"),
    ("feature: egfr", "feature: egrf", "points.0.feature", "egfr"),
    ("feature: egfr", "feature: has_dialysis", "points.0.feature", "no number"),
    ("feature: egfr", 'feature: egfr, when: "score > 1"', "points.0.when", "score"),
    ("feature: egfr", "feature: egfr, points: 3", "points.0", "write {feature"),
    ("feature: egfr, ", "", "points.0", "write {feature"),
    (EGFR, '  - {when: "age > 60"}\n', "points.0", "write {feature"),
    (EGFR, '  - {when: "age > 60", points: 1, missing: 1}\n', "points.0", "write {feature"),
    (EGFR, '  - {when: "age + 60", points: 4}\n', "points.0.when", "compare"),
    ("{lt: 15, points: 4}", "{points: 4}", "points.0.steps.0", "without a bound"),
    ("{lt: 15, points: 4}", "{lt: 15, ge: 15, points: 4}", "points.0.steps.0", "never holds"),
    ("{lt: 15, points: 4}", "{le: 15, ge: 16, points: 4}", "points.0.steps.0", "never holds"),
    ("{lt: 15, points: 4}", "{gt: 15, le: 15, points: 4}", "points.0.steps.0", "never holds"),
    ("{lt: 15, points: 4}", "{eq: 15, lt: 15, points: 4}", "points.0.steps.0", "never holds"),
    ("threshold: 3", "threshold: 2", "bands.0.from", "above the threshold"),
    ("threshold: 3", "threshold: 3\nshown_from: G4", "", "keep one"),
    ("threshold: 3", "shown_from: G6", "shown_from", "no band"),
    ("threshold: 3\n", "", "bands.0.from", "the lowest one (0)"),
    ("from: 4", "from: 3", "bands.1.from", "order the bands"),
    ("from: 3, indicator: info", "from: 3, single: 3, indicator: info", "bands.0.from", "without `single`"),
    ("points:\n" + EGFR, 'expression: "has_dialysis"\n', "expression", "a number"),
    ("points:\n" + EGFR, 'expression: "egfr / nothing"\n', "expression", "nothing"),
    ("points:\n" + EGFR, "", "", "give one of the two"),
    ("{{ band }}", "{{ bend }}", "summary", "bend"),
    ('model)"\n', 'model)"\ndetail: "{% for %}"\n', "detail", ""),
    ("CKD stage", "x" * 139, "summary", "longer than 139"),
    ("indicator: warning", "indicator: red", "bands.1.indicator", "not one of"),
    ("name: G5", "name: G4", "bands", "same name"),
    ("threshold: 3", "threshold: 3\nprecision: {score: 13}", "precision.score", ""),
]
"""What is edited, how; key and a word of the finding."""


@pytest.mark.parametrize("old, new, key, word", ERRORS, ids=[f"{key}:{word}" for _, _, key, word in ERRORS])
def test_what_is_wrong_has_its_place(tmp_path: Path, old: str, new: str, key: str, word: str) -> None:
    """In the file of the rule, with a remedy; and there is no catalog."""
    result = survey(sound_config(tmp_path, service=NAMED, rule=(old, new)))
    errors = [finding for finding in result.findings if not finding.warning]
    fitting = [finding for finding in errors if finding.key == key and word in f"{finding.what} {finding.remedy}"]
    assert fitting, [(finding.key, finding.what, finding.remedy) for finding in errors]
    assert all(finding.remedy and Path(finding.file) == tmp_path / FILES["rule"][0] for finding in errors)
    assert result.catalog is None


def test_a_broken_feature_is_told_once(tmp_path: Path) -> None:
    """What mentions it is not judged by it."""
    broken = ("unit: mL/min/{1.73_m2}\n", "unit: furlong\n    take: sideways\n")
    findings = survey(sound_config(tmp_path, service=NAMED, features=broken)).findings
    assert {Path(finding.file).name for finding in findings if not finding.warning} == {"features.yaml"}


def test_an_expression_can_have_no_band_by_item(tmp_path: Path) -> None:
    """It has no items that could give points alone."""
    errors = _found(
        tmp_path,
        ("points:\n" + EGFR, 'expression: "if(egfr < 15, 4, 3)"\n'),
        ("from: 4", "from: 4, single: 3"),
    )
    assert [finding.key for finding in errors] == ["bands.1.single"]


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("population", "age >= 18", "age >= 21"),
        ("points", "points: 4}", "points: 5}"),
        ("threshold", "threshold: 3", "threshold: 4"),
        ("bands", "indicator: warning", "indicator: critical"),
        ("texts", "CKD stage", "Stage"),
    ],
)
def test_all_of_a_rule_is_covered_by_the_digest(tmp_path: Path, name: str, old: str, new: str) -> None:
    """What is approved is what runs, also where the model is away (law 2)."""
    assert _release(tmp_path / "a").digest != _release(tmp_path / "b", (old, new)).digest


def test_the_shipped_rules_are_one() -> None:
    """NEWS2 of the demo and of the example are the same file; the demo's service stands on it."""
    assert (DEMO.parent / "rules/news2.yaml").read_text() == (DEMO.parents[1] / "rules/news2.yaml").read_text()
    release = load(DEMO).catalog.services["deterioration"]["patient-view"].version("1.0.0")
    assert [rung.name for rung in release.ladder if isinstance(rung, RuleRung)] == ["news2"]
