"""What `wardgate check` proves: each broken configuration has its finding, at its file, line and key."""

from pathlib import Path

import pytest

from tests.fakes.config_tree import FILES, Edit, sound_config
from wardgate.adapters.files.catalog import survey
from wardgate.domain.findings import Finding

_DEFER = '{when: "missing(uacr)", reason: input_missing, show: card}'
_THRESHOLD = "threshold:\n  default: 0.10\n  sites: {hospital_b: 0.12}\n  indeterminate: 0.01\n"


def _found(folder: Path, **edits: Edit | list[Edit]) -> list[Finding]:
    return list(survey(sound_config(folder, **edits)).findings)


def _at(finding: Finding, folder: Path) -> tuple[str, int, str]:
    return str(Path(finding.file).relative_to(folder)), finding.line, finding.key


def test_the_sound_tree_is_sound(tmp_path: Path) -> None:
    """Otherwise the tests below would prove nothing."""
    assert _found(tmp_path) == []


def _own(context: str) -> Edit:
    return ("hook: patient-view\n", f"hook: com.example.pump-alarm\ncontext: {context}\n")


ERRORS: list[tuple[str, Edit | list[Edit], str, int, str, str]] = [
    # the prefetch
    ("features", ('["9318-7"]', '["9318-7", "14959-1"]'), "service", 7, "prefetch.labs", "14959-1"),
    (
        "service",
        ("  problems: Condition?patient={{context.patientId}}\n", ""),
        "service",
        5,
        "prefetch",
        "has_dialysis",
    ),
    (
        "service",
        [("  patient: Patient/{{context.patientId}}\n", ""), ("[patient, labs]", "[labs]")],
        "service",
        5,
        "prefetch",
        "age",
    ),
    (
        "service",
        ("Condition?patient={{context.patientId}}", "Condition?patient={{context.draftOrders}}"),
        "service",
        8,
        "prefetch.problems",
        "token",
    ),
    ("service", ("%7C33914-3", "|33914-3"), "service", 7, "prefetch.labs", "percent-encoded"),
    ("service", ("[patient, labs]", "[patient, labz]"), "service", 9, "required_prefetch.1", "labz"),
    ("service", ("hook: patient-view", "hook: patient-veiw"), "service", 2, "hook", "hook"),
    (
        "service",
        (
            "problems: Condition?patient={{context.patientId}}",
            "problems: Condition?patient={{context.patientId}}&onset-date=ge{{today() - 90 days}}",
        ),
        "service",
        8,
        "prefetch.problems",
        "CDS Hooks 3.0",
    ),
    ("service", ("id: kidney-failure\n", "id: kidney/failure\n"), "service", 1, "id", "stands in a URL"),
    # the context of a hook of one's own
    ("service", ("title: Kid", "context: {pumpId: {kind: id}}\ntitle: Kid"), "service", 3, "context", "library"),
    ("service", _own("{patientId: {kind: id}}"), "service", 3, "context.patientId", "its patient"),
    ("service", _own("{userId: {kind: id}}"), "service", 3, "context.userId.kind", "kind in every hook"),
    ("service", _own("{pump.id: {kind: id}}"), "service", 3, "context.pump.id", "context field"),
    ("service", _own("{pumpId: {kind: text}}"), "service", 3, "context.pumpId.kind", "references"),
    (
        "service",
        [
            _own("{pumpId: {kind: id}}"),
            ("problems: Condition?patient={{context.patientId}}", "problems: Condition?patient={{context.pump}}"),
        ],
        "service",
        9,
        "prefetch.problems",
        "context.pumpId",
    ),
    # expressions
    ("service", ("egfr < 60", "egrf < 60"), "service", 17, "population", "column 15"),
    (
        "service",
        ("{when: has_dialysis}", "{when: has_dialisis}"),
        "service",
        20,
        "exclusions.dialysis.when",
        "column 1",
    ),
    (
        "service",
        (_DEFER, '{when: "uncertainty > 0.2", reason: uncertain}'),
        "service",
        24,
        "defer.1.when",
        "uncertainty",
    ),
    ("service", (_DEFER, '{when: "egfr", reason: clinical_rule}'), "service", 24, "defer.1.when", ""),
    ("service", ("egfr < 60", "score < 60"), "service", 17, "population", "score"),
    ("service", ("reason: input_missing", "reason: because"), "service", 24, "defer.1.reason", "reason"),
    ("service", ("reason: input_missing", "reason: threshold_met"), "service", 24, "defer.1.reason", "reason"),
    # bands
    ("card", ("name: raised, from: 0.10", "name: raised, from: 0.11"), "card", 2, "bands.0.from", "threshold.default"),
    ("service", ("{hospital_b: 0.12}", "{hospital_b: 0.05}"), "card", 2, "bands.0.from", "threshold.sites.hospital_b"),
    ("card", ("name: high, from: 0.20", "name: high, from: 0.10"), "card", 3, "bands.1.from", "above"),
    ("service", (_THRESHOLD, ""), "card", 2, "bands.0.from", "lowest score"),
    ("service", ("  default: 0.10\n", ""), "service", 13, "threshold", "default"),
    # probes and evidence
    ("release", ("file: probes.json", "file: prob.json"), "release", 13, "probes.file", "does not exist"),
    ("probes", (', "uacr": 300', ""), "probes", 2, "0.inputs", "uacr"),
    ("probes", ('"score": 0.04732493292698903', '"contributions": [1, 2, 3, 4]'), "probes", 3, "0.outputs", "score"),
    ("probes", ("0.04732493292698903", "1e999"), "probes", 1, "", "finite"),
    ("probes", ("0.04732493292698903", "1.5"), "probes", 3, "0.outputs.score", "score_range"),
    (
        "probes",
        ("0.04732493292698903", '0.04, "contributions": [1]'),
        "probes",
        3,
        "0.outputs.contributions",
        "contribution",
    ),
    ("probes", ("0.04732493292698903", '0.04, "certainty": 1'), "probes", 3, "0.outputs.certainty", "output"),
    ("probes", ('"age": 70', '"age": "70"'), "probes", 2, "0.inputs.age", "number"),
    ("probes", (FILES["probes"][1], "[]"), "probes", 1, "", "empty"),
    ("probes", (FILES["probes"][1], "{}"), "probes", 1, "", "list"),
    ("probes", (FILES["probes"][1], "[{]"), "probes", 1, "", "JSON"),
    (
        "release",
        ("score_range: [0, 1]\n", 'evidence: [{kind: validation_report, path: none.md, sha256: "' + "0" * 64 + '"}]\n'),
        "release",
        15,
        "evidence.0.path",
        "cannot be read",
    ),
    (
        "release",
        (
            "score_range: [0, 1]\n",
            'evidence: [{kind: validation_report, path: probes.json, sha256: "' + "0" * 64 + '"}]\n',
        ),
        "release",
        15,
        "evidence.0.sha256",
        "recorded",
    ),
    # the release and its model
    ("release", ("check: transplant", "check: transplants"), "release", 17, "limitations.0.check", "exclusion"),
    ("release", ('version: "1.0.0"', 'version: "1.0.1"'), "release", 2, "version", "file"),
    ("release", ("model: kidney-failure", "model: kidney"), "release", 1, "model", "folder"),
    ("release", ('features: "2026.03"', 'features: "2026.04"'), "release", 14, "features", "version"),
    ("release", ("127.0.0.1:8082", "127.0.0.1:8099"), "release", 5, "endpoint.url", "model hosts"),
    ("release", ("http://127.0.0.1:8082", "http://models.example"), "release", 5, "endpoint.url", ""),
    ("release", ("http://127.0.0.1:8082", "127.0.0.1:8082"), "release", 5, "endpoint.url", "URL"),
    (
        "release",
        ("[age, male, egfr, uacr]", "[age, male, egfr, uacc]"),
        "release",
        10,
        "endpoint.inputs.order.3",
        "uacc",
    ),
    (
        "release",
        ("[age, male, egfr, uacr]", "[age, male, egfr, egfr]"),
        "release",
        10,
        "endpoint.inputs.order.3",
        "twice",
    ),
    (
        "release",
        ("[age, male, egfr, uacr]", "[age, male, egfr, has_dialysis]"),
        "release",
        10,
        "endpoint.inputs.order.3",
        "rule_only",
    ),
    ("release", ("{uacr: [1, 10000]}", "{uacr: [10000, 1]}"), "release", 11, "endpoint.inputs.clip.uacr", "ascend"),
    ("release", ("{uacr: [1, 10000]}", "{uac: [1, 10000]}"), "release", 11, "endpoint.inputs.clip.uac", "input"),
    ("release", ("score: risk_2y", "risk: risk_2y"), "release", 12, "endpoint.outputs", "score"),
    ("release", ("contributions: contributions", "egfr: x"), "release", 12, "endpoint.outputs.egfr", "feature"),
    ("release", ("score_range: [0, 1]", "score_range: [1, 0]"), "release", 15, "score_range", "ascend"),
    (
        "release",
        ("score_range: [0, 1]", "calibration: {method: isotonic, points: [[0, 0], [0, 1]]}"),
        "release",
        15,
        "calibration",
        "increase",
    ),
    (
        "release",
        ("score_range: [0, 1]", "calibration: {method: logistic, slope: 1}"),
        "release",
        15,
        "calibration",
        "intercept",
    ),
    (
        "features",
        ("convert: {mg/mmol: 8.84}\n    required: true", "convert: {mg/mmol: 8.84}"),
        "release",
        10,
        "endpoint.inputs.order.3",
        "fill",
    ),
    # features
    ("features", ("from: Condition", "from: MedicationRequest"), "service", 5, "prefetch", "not covered"),
    ("features", ("from: Condition", "from: Encounter"), "service", 5, "prefetch", "265764009"),
    ("features", ("from: Condition", "from: context\n    path: draftOrders"), "service", 2, "hook", "does not carry"),
    ("features", ("from: Condition", "from: context"), "features", 20, "features.4.path", "the field that it reads"),
    ("features", ("use: rule_only", "use: cohort_only"), "service", 20, "exclusions.dialysis.when", "cohort_only"),
    ("features", ("path: gender", "path: gender.."), "features", 12, "features.2.path", "not a path"),
    ("features", ("{male: 1, female: 0}", '{"urn:sex|male": 1}'), "features", 12, "features.2.map", "no system"),
    (
        "features",
        ("  - name: has_dialysis\n", "  - {name: half, derive: egfr / two, use: rule_only}\n  - name: has_dialysis\n"),
        "features",
        20,
        "features.4.derive",
        "two is neither a feature",
    ),
    (
        "features",
        ("  - name: has_dialysis\n    from: Condition\n", "  - name: has_dialysis\n"),
        "features",
        20,
        "features.4.from",
        "required",
    ),
    (
        "features",
        ("    take: any\n", "    engine: fhirpath\n    path: onset.now()\n    take: any\n"),
        "features",
        24,
        "features.4.path",
        "the clock is the call's",
    ),
    ("features", ("from: Condition", "from: Procedure"), "features", 21, "features.4.from", "not one of"),
    ("features", ("[15, 30, 45, 60, 90]", "[15, 30, 30]"), "features", 10, "features.0.bins", "ascend"),
    ("features", ("mg/mmol: 8.84", "mg/mmol: 0"), "features", 18, "features.3.convert", "factor"),
    ("features", ("{male: 1, female: 0}", "{male: one}"), "features", 12, "features.2.map.male", "number"),
    # rollout and service
    ("service", ('champion: "1.0.0"', 'champion: "1.0.1"'), "service", 25, "rollout.champion", "does not exist"),
    (
        "service",
        ("mode: active", 'mode: active, shadow: ["2.0.0"]'),
        "service",
        25,
        "rollout.shadow.0",
        "does not exist",
    ),
    (
        "service",
        ("mode: active", 'mode: active, challenger: {release: "2", cohort: {percent: 5}}'),
        "service",
        25,
        "rollout.challenger.release",
        "does not exist",
    ),
    ("service", ("model: kidney-failure", "model: kidney"), "service", 10, "model", "no folder"),
    ("service", ("card: kidney-failure", "card: kidney"), "service", 11, "card", "does not exist"),
    (
        "service",
        ("mode: active", 'mode: active, challenger: {release: "1.0.0", cohort: {percent: 5}}'),
        "service",
        25,
        "rollout.challenger.release",
        "its own challenger",
    ),
    (
        "service",
        ("mode: active", 'mode: active, challenger: {release: "1.0.0", cohort: {by: encounter}}'),
        "service",
        25,
        "rollout.challenger",
        "for everybody",
    ),
    (
        "service",
        ("mode: active", "mode: canary, cohort: {percent: 0.125}"),
        "service",
        25,
        "rollout.cohort.percent",
        "hundredth",
    ),
    ("service", ("rollout:", "fallback: [{rule: ckd}]\nrollout:"), "service", 25, "fallback.0.rule", "does not exist"),
    ("service", ("deadline: 500ms", "deadline: 0ms"), "service", 12, "deadline", "duration"),
    ("service", ("deadline: 500ms", "deadline: 500"), "service", 12, "deadline", "expected a duration, found a number"),
    ("service", ("deadline: 500ms", "risk_tier: high"), "service", 12, "risk_tier", "absence_means"),
    ("service", ("id: kidney-failure", "id: kidney/failure"), "service", 1, "id", "URL"),
    ("service", ("title: Kidney failure risk", "title: 7"), "service", 3, "title", "expected text, found a number"),
    ("service", ("title: Kidney failure risk\n", ""), "service", 1, "title", "required"),
    ("service", ("description: Two-year", "descripton: Two-year"), "service", 4, "descripton", "unknown key"),
    ("service", ("{when: deceased}", "{}"), "service", 21, "exclusions.deceased", "no answer"),
    ("service", ("{when: deceased}", "not_asked"), "service", 21, "exclusions.deceased", "no answer"),
    ("wardgate", ("insecure_demo: true", "insecure_demo: false"), "service", 25, "rollout.mode", "active"),
    # card and rule
    ("card", ("{{ score | percent }}", "{{ scor | percent }}"), "card", 5, "summary", ""),
    ("card", ("{{ reasons | table }}", "{% for %}"), "card", 6, "detail", ""),
    ("card", ("indicator: warning", "indicator: red"), "card", 3, "bands.1.indicator", "not one of"),
    ("rule", ("points: 4}", "point: 4}"), "rule", 3, "points.0.steps.0.point", "unknown key"),
]
"""File that is edited, edit; file, line, key and a word of the finding."""


@pytest.mark.requirement("DIS-7", "HK-1", "PF-8")
@pytest.mark.parametrize(
    ("edited", "edit", "file", "line", "key", "word"),
    ERRORS,
    ids=[f"{case[2]}:{case[4]}:{case[5]}" for case in ERRORS],
)
def test_each_error_has_its_place(
    tmp_path: Path, edited: str, edit: Edit | list[Edit], file: str, line: int, key: str, word: str
) -> None:
    """File, line and key as an editor opens them, what is wrong, and a remedy; and there is no catalog."""
    result = survey(sound_config(tmp_path, **{edited: edit}))
    errors = [finding for finding in result.findings if not finding.warning]
    fitting = [f for f in errors if _at(f, tmp_path) == (FILES[file][0], line, key) and word in f"{f.what} {f.remedy}"]

    assert fitting, [(_at(finding, tmp_path), finding.what) for finding in errors]
    assert all(finding.remedy for finding in errors)
    assert result.catalog is None


def test_a_source_is_one_that_is_declared(tmp_path: Path) -> None:
    """Where wardgate.yaml names the feeds, no feature comes from another; nothing about it is left for later."""
    feeds = ("model_hosts:", "sources: {lab: {owner: laboratory, refresh: 1h}}\nmodel_hosts:")
    edit = ("    unit: mg/g\n", "    source: labb\n    max_lag: 2d\n    unit: mg/g\n")
    findings = survey(sound_config(tmp_path / "a", wardgate=feeds, features=edit)).findings
    assert [(f.key, f.what, f.remedy) for f in findings if "source" in f.key] == [
        ("features.3.source", "no such source", "did you mean `lab`?")
    ]
    known = survey(sound_config(tmp_path / "b", wardgate=feeds, features=(edit[0], edit[1].replace("labb", "lab"))))
    assert known.catalog is not None
    assert not [finding for finding in known.findings if "source" in finding.key or "max_lag" in finding.key]


def test_a_search_of_medicines_by_code_is_warned_of(tmp_path: Path) -> None:
    """FHIR compares the code with that of the request alone, never with the Medication that it refers to."""
    searched = "MedicationRequest?patient={{context.patientId}}&code=http://snomed.info/sct%7C265764009"
    result = survey(
        sound_config(
            tmp_path,
            service=("problems: Condition?patient={{context.patientId}}", f"problems: {searched}"),
            features=("from: Condition", "from: MedicationRequest"),
        )
    )
    assert result.catalog is not None
    (warning,) = [finding for finding in result.findings if finding.key == "prefetch.problems"]
    assert warning.warning and "has_dialysis" in warning.what and "without code" in warning.remedy


def test_a_rule_of_the_ladder_is_proved_by_the_service_that_names_it(tmp_path: Path) -> None:
    """Its features are those of the service's release."""
    findings = _found(
        tmp_path,
        service=("rollout:", "fallback: [{rule: ckd-stage}, none]\nrollout:"),
        rule=[("feature: egfr", "feature: egrf"), ("age >= 18", "agee >= 18"), ("threshold: 3", "threshold: 2")],
    )

    assert [finding.key for finding in findings if not finding.warning] == [
        "population",
        "points.0.feature",
        "bands.0.from",
    ]


def test_without_threshold_and_score_range_nobody_knows_where_scores_begin(tmp_path: Path) -> None:
    """The finding says which two keys would tell."""
    (finding,) = _found(tmp_path, service=(_THRESHOLD, ""), release=("score_range: [0, 1]\n", ""))

    assert "score_range" in finding.what and "threshold" in finding.remedy


def test_without_threshold_bands_may_start_at_the_lowest_score(tmp_path: Path) -> None:
    """Every score that is shown has a band."""
    assert _found(tmp_path, service=(_THRESHOLD, ""), card=("name: raised, from: 0.10", "name: raised, from: 0")) == []


def test_a_service_without_population_and_threshold_is_sound(tmp_path: Path) -> None:
    """The limitation that nobody watches over then is a warning."""
    findings = _found(
        tmp_path,
        service=[(_THRESHOLD, ""), ('population: "age >= 18 and egfr < 60"\n', "")],
        card=("name: raised, from: 0.10", "name: raised, from: 0"),
    )

    assert [(finding.key, finding.warning) for finding in findings] == [("limitations.1.check", True)]


@pytest.mark.parametrize(
    ("edited", "edit", "key"),
    [
        ("release", ("timeout: 200ms", "timeout: 500ms"), "endpoint.timeout"),
        ("release", ("clip: {uacr: [1, 10000]}", "fill: {uacr: 10}"), "endpoint.inputs.fill.uacr"),
        ("features", ("    use: rule_only\n", ""), "endpoint.inputs.order"),
        ("service", ("problems: Condition?", "problems: Condition?clinical-status=active&"), "prefetch.problems"),
        ("service", ("{hospital_b: 0.12}", "{hospital_b: 12}"), "threshold.sites.hospital_b"),
        ("service", ("mode: active", "mode: canary"), "rollout.mode"),
        ("service", ("mode: active", "mode: canary, cohort: {units: [ward_7]}"), "rollout.cohort.units"),
    ],
)
def test_what_is_doubtful_is_a_warning(tmp_path: Path, edited: str, edit: Edit, key: str) -> None:
    """It runs all the same."""
    result = survey(sound_config(tmp_path, **{edited: edit}))

    assert [(finding.key, finding.warning) for finding in result.findings] == [(key, True)]
    assert result.catalog is not None


def test_errors_of_all_files_come_at_once(tmp_path: Path) -> None:
    """A broken service file does not hide what is wrong with the model, the card and the rule."""
    findings = _found(
        tmp_path,
        service=("deadline: 500ms", "dead_line: 500ms"),
        features=("bins: [15, 30, 45, 60, 90]", "bins: [2, 1]"),
        release=('model_version: "1"', "model_version: 1"),
        card=("summary:", "sumary:"),
        rule=("threshold: 3", "threshold: three"),
    )

    assert {Path(finding.file).relative_to(tmp_path).as_posix() for finding in findings} == {
        FILES[name][0] for name in ("service", "features", "release", "card", "rule")
    }


@pytest.mark.parametrize(
    ("name", "key"), [("service", "paths.services"), ("features", ""), ("card", "card"), ("probes", "probes.file")]
)
def test_a_file_that_is_not_there_is_told(tmp_path: Path, name: str, key: str) -> None:
    """Where it is named, or as the file itself."""
    config = sound_config(tmp_path)
    (tmp_path / FILES[name][0]).unlink()

    assert key in {finding.key for finding in survey(config).findings}


def test_files_of_one_id_agree(tmp_path: Path) -> None:
    """Another hook is welcome; the same hook, another model, rollout or rule of outcomes is not."""
    config = sound_config(tmp_path)
    first = tmp_path / FILES["service"][0]
    second = first.with_name("z.yaml")
    second.write_text(first.read_text().replace("hook: patient-view", "hook: order-sign"))
    result = survey(config)
    assert result.findings == () and result.catalog is not None
    assert set(result.catalog.services["kidney-failure"]) == {"patient-view", "order-sign"}

    second.write_text(first.read_text().replace("mode: active", "mode: silent"))
    assert {finding.key for finding in survey(config).findings} == {"hook", "rollout"}

    other_hook = first.read_text().replace("hook: patient-view", "hook: order-sign")
    second.write_text(other_hook + "outcome: {label: kidney_failure, within: 730d}\n")
    assert {finding.key for finding in survey(config).findings} == {"outcome"}


@pytest.mark.parametrize("hook", ["com.example.my-hook", "org.hospital.ward.round"])
def test_a_hook_of_ones_own_takes_any_context_token(tmp_path: Path, hook: str) -> None:
    """Nobody's library says which fields it has (CDS Hooks, HK-1)."""
    edits = [
        ("hook: patient-view", f"hook: {hook}"),
        ("Condition?patient={{context.patientId}}", "Condition?patient={{context.who}}"),
    ]

    assert _found(tmp_path, service=edits) == []


@pytest.mark.parametrize("name", list(FILES))
@pytest.mark.parametrize("content", ["", "[]", "a: &b [*b]", "\x00", "id: [", "{}", "null: 1", "- - - 1"])
def test_no_content_of_any_file_is_a_traceback(tmp_path: Path, name: str, content: str) -> None:
    """Whatever a file holds, the answer is a list of findings."""
    config = sound_config(tmp_path)
    (tmp_path / FILES[name][0]).write_text(content)

    findings = survey(config).findings

    assert findings or name == "wardgate"


@pytest.mark.parametrize("name", [name for name in FILES if name != "probes"])
def test_no_wrong_type_anywhere_is_a_traceback(tmp_path: Path, name: str) -> None:
    """Each line's value replaced by what it cannot be: findings, and none of them in a library's words."""
    lines = FILES[name][1].splitlines(keepends=True)
    for number, line in enumerate(lines):
        if ":" not in line or line.lstrip().startswith("{{"):
            continue
        for value in ("[[1]]", "7"):
            broken = [*lines[:number], f"{line.partition(':')[0]}: {value}\n", *lines[number + 1 :]]
            config = sound_config(tmp_path)
            (tmp_path / FILES[name][0]).write_text("".join(broken))
            for finding in survey(config).findings:
                assert finding.what != "not what is expected here", (line, value)
                assert "Input should" not in finding.what


_BEHIND: dict[str, Edit] = {
    "card": ("name: raised, from: 0.10", "name: raised, from: 0.15"),
    "service": ("missing(uacr)", "missing(uaccr)"),
}
"""Errors that can be told only where model, card and service are read together."""


@pytest.mark.parametrize(
    ("edited", "edit"),
    [
        ("release", ("127.0.0.1:8082", "127.0.0.1:9999")),
        ("release", ("timeout: 200ms", "timeout: 200")),
        ("release", ("score_range: [0, 1]", "scores: [0, 1]")),
        ("features", ("bins: [15, 30, 45, 60, 90]", "bins: 15")),
        ("features", ("plausible: [1, 200]", "plausible: [200, 1]")),
        ("features", ("from: Condition", "from: Encounter")),
        ("probes", ('"age": 70', '"age": "70"')),
        ("wardgate", ("environment: test", "environment: [")),
        ("wardgate", ("environment: test", "environment: &x test")),
    ],
)
def test_an_error_hides_no_error_behind_it(tmp_path: Path, edited: str, edit: Edit) -> None:
    """A wrong host in a release once silenced the rules, bands, templates and coverage of its service."""
    edits: dict[str, Edit | list[Edit]] = {**_BEHIND, edited: edit}
    found = {(finding.file.rpartition("/")[2], finding.key) for finding in _found(tmp_path, **edits)}

    assert {("kidney-failure.yaml", "bands.0.from"), ("kidney-failure.yaml", "defer.1.when")} < found
    assert len(found) == 3


@pytest.mark.parametrize(
    "edit",
    [
        ("deadline: 500ms", "deadline: 500"),
        ("deadline: 500ms", "dedline: 500ms"),
        ("title: Kidney failure risk", "titel: Kidney failure risk"),
        ("required_prefetch: [patient, labs]", "required_prefetch: labs"),
        ("hook: patient-view", "hook: patient-view\ncolour: red"),
        ("exclusions:\n", "exclusions:\n  transplant: {when: 1}\n"),
    ],
)
def test_a_wrong_key_hides_nothing_else_in_its_file(tmp_path: Path, edit: Edit) -> None:
    """What follows from its absence alone is not told."""
    keys = [finding.key for finding in _found(tmp_path, service=[edit, ("missing(uacr)", "missing(uaccr)")])]

    assert "defer.1.when" in keys
    assert len(keys) == 2 + ("titel" in edit[1])


def test_what_follows_from_a_broken_feature_alone_is_not_told(tmp_path: Path) -> None:
    """Expressions, rules and coverage that mention it cannot be judged, and are not."""
    keys = [finding.key for finding in _found(tmp_path, features=("name: egfr\n", "name: egfr\n    tkae: latest\n"))]

    assert keys == ["features.0.tkae"]


def test_a_file_that_ends_in_yml_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    """Only `.yaml` is read; a service in `ward.yml` was neither offered nor mentioned."""
    config = sound_config(tmp_path)
    (tmp_path / "config/services/ward.yml").write_text("id: ward")
    found = survey(config)

    assert found.catalog is not None
    assert [(Path(f.file).name, f.warning, f.remedy) for f in found.findings] == [
        ("ward.yml", True, "rename it to ward.yaml, or remove it")
    ]


def test_sites_need_calls_whose_site_is_known(tmp_path: Path) -> None:
    """A service with thresholds by site shows nothing where the client has none."""
    warnings = survey(sound_config(tmp_path, wardgate=("    site: hospital_a\n", ""))).findings

    assert [(finding.key, finding.warning) for finding in warnings] == [("threshold.sites", True)]


def test_a_tab_is_called_a_tab(tmp_path: Path) -> None:
    """Not a character that cannot start any token."""
    found = _found(tmp_path, service=("  patient: Patient", "\tpatient: Patient"))

    assert found[0].what == "not YAML: a tab where YAML wants spaces"


def test_a_review_is_due_on_a_day_that_exists(tmp_path: Path) -> None:
    """30 February passed."""
    release = ("score_range: [0, 1]", "score_range: [0, 1]\nreview_by: 2027-02-30")

    assert [finding.key for finding in _found(tmp_path, release=release)] == ["review_by"]


def test_a_plausible_range_without_a_real_end_is_no_crash(tmp_path: Path) -> None:
    """Regression: sample values as large as 1e308 overflowed where an age is rounded down for a card."""
    config = sound_config(tmp_path, features=("plausible: [0, 120]", "plausible: [0, 1e308]"))
    assert survey(config).catalog is not None


def test_an_output_that_no_rule_could_name_is_an_error(tmp_path: Path) -> None:
    """`missing` and its like are words of the expression language."""
    edit = ("contributions: contributions}", "contributions: contributions, missing: spare}")
    findings = survey(sound_config(tmp_path, release=edit)).findings
    assert [finding.key for finding in findings if not finding.warning] == ["endpoint.outputs.missing"]


def test_date_tokens_are_sound_where_discovery_speaks_3_0(tmp_path: Path) -> None:
    """They are an error in 2.0; the warning is that of any parameter by which a server may leave something out."""
    dated = ("&code=http", "&date=ge{{today() - 400 days}}&code=http")
    speaks = ("listen:", 'discovery: {cds_hooks: "3.0"}\nlisten:')
    findings = _found(tmp_path, service=dated, wardgate=("\nlisten:", f"\n{speaks[1]}"))

    assert [finding for finding in findings if not finding.warning] == []
    assert any(
        finding.key == "prefetch.labs" and "CDS Hooks 3.0" in finding.what
        for finding in _found(tmp_path, service=dated)
    )


def test_a_hook_of_ones_own_is_compiled_with_its_context(tmp_path: Path) -> None:
    """Patient, encounter and user may come in any hook; the rest is what the service declares."""
    edits = [
        _own("{pumpId: {kind: id, required: true}}"),
        (
            "Condition?patient={{context.patientId}}",
            "Condition?patient={{context.patientId}}&asserter={{context.pumpId}}",
        ),
    ]
    catalog = survey(sound_config(tmp_path, service=edits)).catalog
    assert catalog is not None
    plan = catalog.services["kidney-failure"]["com.example.pump-alarm"]

    assert [(field.name, field.required) for field in plan.context] == [
        ("patientId", True),
        ("encounterId", False),
        ("userId", False),
        ("pumpId", True),
    ]


_SETTINGS = "  - {name: alarms, from: context, path: settings, take: count, use: rule_only}\n"


def test_a_context_feature_needs_a_field_that_its_own_hook_declares(tmp_path: Path) -> None:
    """Where the context is declared, it is the whole context; where it is not, any field may come."""
    features = ('version: "2026.03"\nfeatures:\n', f'version: "2026.03"\nfeatures:\n{_SETTINGS}')
    told = {
        context: [
            (finding.key, finding.remedy) for finding in _found(tmp_path, features=features, service=_own(context))
        ]
        for context in ("{}", "{settings: {kind: resource}}", "{pumpId: {kind: id}}")
    }

    assert told["{}"] == told["{settings: {kind: resource}}"] == []
    ((key, remedy),) = told["{pumpId: {kind: id}}"]
    assert key == "hook" and "context: {settings: {kind: resource}}" in remedy
