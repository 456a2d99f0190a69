"""From files to plans: what the gateway gets."""

from pathlib import Path

import msgspec
import pytest

from tests.fakes.config_tree import FILES, Edit, sound_config
from wardgate.adapters.files.catalog import load, survey
from wardgate.domain.admin_tokens import Role
from wardgate.domain.decisions.rules import STANDARD_QUESTIONS, Show, Threshold
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.governance import BUILT_IN, Demand, Figure, Need, Policy
from wardgate.domain.inference.calibration import Identity, Isotonic, Logistic
from wardgate.domain.inference.endpoint import OutputSpec, Shape
from wardgate.domain.outcomes import Mode, Reason
from wardgate.domain.plans import ReleasePlan, ServicePlan
from wardgate.domain.rollout.rollouts import By, Challenger, Cohort, Rollout

ROOT = Path(__file__).parents[4]


def _plan(config: Path) -> ServicePlan:
    return load(config).catalog.services["kidney-failure"]["patient-view"]


def _release(config: Path) -> ReleasePlan:
    return _plan(config).version("1.0.0")


def test_a_service_becomes_a_plan(tmp_path: Path) -> None:
    """Durations in seconds, keys in the file's order, required ones marked."""
    plan = _plan(sound_config(tmp_path))

    assert (plan.id, plan.hook, plan.deadline, plan.risk_tier, plan.names_sites) == (
        "kidney-failure",
        "patient-view",
        0.5,
        "medium",
        True,
    )
    assert [(key.name, key.resource_type, key.required) for key in plan.prefetch] == [
        ("patient", "Patient", True),
        ("labs", "Observation", True),
        ("problems", "Condition", False),
    ]


def test_its_rules_are_compiled(tmp_path: Path) -> None:
    """Unmentioned standard questions count as not checked; defer keeps the file's order."""
    rules = _release(sound_config(tmp_path)).rules

    assert rules.audience is None
    assert rules.population is not None and rules.population.names == {"age", "egfr"}
    assert [exclusion.name for exclusion in rules.exclusions] == ["pregnancy", "dialysis", "deceased", "transplant"]
    assert {exclusion.name for exclusion in rules.exclusions} == set(STANDARD_QUESTIONS)
    assert [exclusion.name for exclusion in rules.exclusions if exclusion.not_checked] == ["transplant"]
    assert [(rule.reason, rule.show) for rule in rules.defer] == [
        (Reason.INPUT_STALE, Show.CARD),
        (Reason.INPUT_MISSING, Show.CARD),
    ]
    assert rules.required == ("egfr", "age", "male", "uacr")
    assert rules.threshold == Threshold(0.10, {"hospital_b": 0.12}, 0.01)
    assert [(band.name, band.start) for band in rules.bands] == [("raised", 0.10), ("high", 0.20)]


def test_defaults_where_the_file_is_silent(tmp_path: Path) -> None:
    """A service with required keys only: everybody, every score, every standard question not checked."""
    service = FILES["service"][1]
    config = sound_config(tmp_path, card=("name: raised, from: 0.10", "name: raised, from: 0"))
    start, end = service.index("deadline:"), service.index("rollout:")
    (tmp_path / FILES["service"][0]).write_text(service[:start] + service[end:])
    plan = _plan(config)
    rules = plan.version("1.0.0").rules

    assert (plan.deadline, rules.population, rules.defer, rules.show_unknown) == (0.5, None, (), Show.NONE)
    assert rules.threshold == Threshold() and not plan.names_sites
    assert [exclusion.name for exclusion in rules.exclusions if exclusion.not_checked] == list(STANDARD_QUESTIONS)


def test_its_endpoint_and_probes_are_compiled(tmp_path: Path) -> None:
    """Outputs by name, probes with their tolerance."""
    edits = [
        ("{score: risk_2y, contributions: contributions}", "{score: {tensor: p, index: 1}, uncertainty: sd}"),
        ("    order:", "    tensor: x\n    shape: named\n    datatype: FP32\n    order:"),
        ("http://127.0.0.1:8082", "http://127.0.0.1:8082/"),
    ]
    release = _release(sound_config(tmp_path, release=edits))

    assert release.endpoint.url == "http://127.0.0.1:8082"
    assert (release.endpoint.timeout, release.endpoint.concurrency) == (0.2, 32)
    assert (release.endpoint.inputs.shape, release.endpoint.inputs.datatype) == (Shape.NAMED, "FP32")
    assert release.endpoint.inputs.clip == {"uacr": (1, 10000)}
    assert release.endpoint.score == OutputSpec("p", 1)
    assert release.endpoint.contributions is None
    assert release.endpoint.others == {"uncertainty": OutputSpec("sd")}
    assert (len(release.probes.probes), release.probes.every, release.probes.tolerance) == (1, 300.0, 1e-6)


@pytest.mark.parametrize(
    ("text", "calibration"),
    [
        ("{method: identity}", Identity()),
        ("{method: logistic, intercept: -0.2, slope: 1.1}", Logistic(-0.2, 1.1)),
        ("{method: isotonic, points: [[0, 0], [0.5, 0.4]]}", Isotonic(((0.0, 0.0), (0.5, 0.4)))),
    ],
)
def test_calibrations(tmp_path: Path, text: str, calibration: object) -> None:
    """The three maps."""
    release = ("score_range: [0, 1]", f"score_range: [0, 1]\ncalibration: {text}")

    assert _release(sound_config(tmp_path, release=release)).calibration == calibration


def test_an_output_may_be_named_in_defer(tmp_path: Path) -> None:
    """Declared in the release, a number in expressions."""
    config = sound_config(
        tmp_path,
        release=("contributions: contributions", "uncertainty: sd"),
        service=("missing(uacr)", "uncertainty > 0.2 and score > 0.1"),
    )

    assert _release(config).rules.defer[1].when.uses_outputs


def test_rollouts_begin_as_the_files_say(tmp_path: Path) -> None:
    """By service id, with the cohort of canary."""
    service = ("mode: active", "mode: canary, cohort: {sites: [hospital_a], roles: [practitioner]}")
    catalog = load(sound_config(tmp_path, service=service)).catalog

    cohort = Cohort(sites=frozenset({"hospital_a"}), roles=frozenset({"practitioner"}))
    digest = catalog.services["kidney-failure"]["patient-view"].version("1.0.0").digest
    rollout = msgspec.structs.replace(catalog.rollouts["kidney-failure"], file="")
    assert rollout == Rollout(digest, Mode.CANARY, cohort, salt="kidney-failure")


def test_every_release_that_the_rollout_names_is_compiled(tmp_path: Path) -> None:
    """Champion and shadow releases have plans of their own; another file of the folder has none."""
    config = sound_config(tmp_path, service=("mode: active", 'mode: active, shadow: ["1.1.0"]'))
    first = tmp_path / FILES["release"][0]
    for version in ("1.1.0", "1.2.0"):
        first.with_name(f"{version}.yaml").write_text(first.read_text().replace('"1.0.0"', f'"{version}"'))
    releases = _plan(config).releases

    assert [release.version for release in releases.values()] == ["1.0.0", "1.1.0"]
    assert list(releases) == [release.digest for release in releases.values()]


def test_a_rollout_is_read_whole(tmp_path: Path) -> None:
    """Percentages with the service's id as their salt, so that every replica and every restart draws alike; users of
    previews as they are named, until they have a client."""
    rollout = 'cohort: {percent: 12.25, by: encounter}, challenger: {release: "1.1.0", cohort: {roles: [nurse]}}'
    config = sound_config(tmp_path, service=("mode: active", f"mode: active, {rollout}, preview: [Practitioner/7]"))
    release = tmp_path / FILES["release"][0]
    release.with_name("1.1.0.yaml").write_text(release.read_text().replace('version: "1.0.0"', 'version: "1.1.0"'))
    catalog = load(config).catalog

    plan = catalog.services["kidney-failure"]["patient-view"]
    assert msgspec.structs.replace(catalog.rollouts["kidney-failure"], file="") == Rollout(
        plan.version("1.0.0").digest,
        Mode.ACTIVE,
        Cohort(percent=12.25, by=By.ENCOUNTER),
        Challenger(plan.version("1.1.0").digest, Cohort(roles=frozenset({"nurse"}))),
        salt="kidney-failure",
    )
    assert catalog.previews == {"kidney-failure": ("Practitioner/7",)}


def test_load_refuses_what_is_unsound(tmp_path: Path) -> None:
    """With the errors alone; warnings go with a sound catalog."""
    with pytest.raises(ConfigurationError) as caught:
        load(sound_config(tmp_path, service=[("egfr < 60", "x < 60"), ("deadline: 500ms", "notice_every: 1h")]))

    assert [finding.key for finding in caught.value.findings] == ["population"]


def test_steps_that_are_not_built_are_told_once_for_each_key(tmp_path: Path) -> None:
    """By file and key, and calls run as if the step were absent."""
    loaded = load(sound_config(tmp_path, features=("  - name: egfr\n", "  - name: egfr\n    max_missing: 0.1\n")))
    file = tmp_path / FILES["features"][0]

    assert [warning.what for warning in loaded.warnings][:1] == [f"not active yet: {file}:features.0.max_missing"]


@pytest.mark.parametrize("ladder", ["fallback: [none]", "fallback: []", "absence_means: nothing"])
def test_asking_for_nothing_is_no_warning(tmp_path: Path, ladder: str) -> None:
    """Only what asks for an unbuilt step is told."""
    assert load(sound_config(tmp_path, service=("deadline: 500ms", ladder))).warnings == ()


def test_the_example_of_the_documentation_passes() -> None:
    """The files under config/ are complete; what they ask for that is not built is told."""
    result = survey(ROOT / "config" / "wardgate.yaml")

    assert result.catalog is not None
    assert all(finding.what.startswith("not active yet: ") for finding in result.findings)
    release = result.catalog.services["kidney-failure"]["patient-view"].version("1.0.0")
    assert release.probes.probes[0].outputs["score"] == pytest.approx(0.04732493, abs=1e-8)


def test_the_demo_passes_without_a_warning() -> None:
    """A new user's first files."""
    result = survey(ROOT / "config" / "demo" / "wardgate.yaml")

    assert result.findings == () and result.catalog is not None


def test_a_governance_file_is_compiled(tmp_path: Path) -> None:
    """Beside wardgate.yaml or where paths.governance says; without one, the strict default holds."""
    config = sound_config(tmp_path)
    assert load(config).catalog.policy == BUILT_IN
    config.with_name("governance.yaml").write_text(
        "tiers:\n"
        "  high:\n"
        "    silent: {approvals: [{role: approver-technical}], evidence: {shadow_days: 7}}\n"
        "    active: {approvals: [{role: approver-clinical, number: 2}], four_eyes: true, exception: true}\n"
        "put_back_within: 2h\n"
    )
    loaded = load(config)
    assert loaded.warnings == ()
    assert loaded.catalog.policy == Policy(
        {
            "high": {
                Mode.SILENT: Demand((Need(Role.APPROVER_TECHNICAL),), evidence={Figure.SHADOW_DAYS: 7}),
                Mode.ACTIVE: Demand((Need(Role.APPROVER_CLINICAL, 2),), True, exception=True),
            }
        },
        7200,
    )


def test_tiers_and_steps_are_those_that_there_are(tmp_path: Path) -> None:
    config = sound_config(tmp_path)
    config.with_name("governance.yaml").write_text(
        "tiers:\n  huge:\n    silent: {approvals: [{role: approver-clinical, number: 0}]}\n    silnt: {}\n"
    )
    assert {(finding.line, finding.key) for finding in survey(config).findings} == {
        (2, "tiers.huge"),
        (3, "tiers.huge.silent.approvals.0.number"),
        (4, "tiers.huge.silnt"),
    }


def test_what_a_governance_file_cannot_demand_is_told(tmp_path: Path) -> None:
    """With what was probably meant."""
    config = sound_config(tmp_path)
    config.with_name("governance.yaml").write_text(
        "tiers:\n"
        "  high:\n"
        "    canary: {evidence: {shadow_dys: 7, errors: 2}, approvals: [{role: clinical}]}\n"
        "  low:\n"
        "    canary: {approvals: [{role: approver-privacy}, {role: approver-privacy}]}\n"
        "  medium: {}\n"
    )
    told = {(finding.line, finding.key): finding for finding in survey(config).findings}
    assert set(told) == {
        (3, "tiers.high.canary.evidence.shadow_dys"),
        (3, "tiers.high.canary.evidence.errors"),
        (3, "tiers.high.canary.approvals.0.role"),
        (5, "tiers.low.canary.approvals"),
        (6, "tiers.medium"),
    }
    assert told[3, "tiers.high.canary.evidence.shadow_dys"].remedy == "did you mean `shadow_days`?"
    assert told[3, "tiers.high.canary.approvals.0.role"].remedy == "did you mean `approver-clinical`?"
    assert told[6, "tiers.medium"].warning and told[3, "tiers.high.canary.evidence.errors"].what.endswith("above 1")


def test_paths_start_at_the_folder_of_wardgate_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And findings name files as the user would type them."""
    sound_config(tmp_path, service=("deadline: 500ms", "deadline: no"))
    monkeypatch.chdir(tmp_path)
    (finding,) = survey(Path("config/wardgate.yaml")).findings
    assert finding.file == "config/services/kidney-failure.yaml"

    monkeypatch.chdir(tmp_path / "config")
    (finding,) = survey(Path("wardgate.yaml")).findings
    assert finding.file == "services/kidney-failure.yaml"


@pytest.mark.parametrize("kind", ["services", "models", "rules", "cards", "governance"])
def test_a_path_that_no_file_can_have_is_only_not_there(tmp_path: Path, kind: str) -> None:
    """Regression: a name of more than 255 bytes ended `check` with a traceback."""
    long = "x" * 300
    config = sound_config(
        tmp_path, wardgate=("insecure_demo: true\n", f"insecure_demo: true\npaths: {{{kind}: {long}}}\n")
    )
    told = [f"{finding.file} {finding.what}" for finding in survey(config).findings if not finding.warning]
    assert any(long in text for text in told) or kind == "rules", "no service names a rule here"


def test_a_name_that_no_file_can_have_is_only_not_there(tmp_path: Path) -> None:
    """Of probes, of evidence, of the configuration itself."""
    long = "x" * 300
    edits = [
        ("file: probes.json", f"file: {long}.json"),
        ("score_range: [0, 1]\n", f'evidence: [{{kind: validation_report, path: {long}, sha256: "{"0" * 64}"}}]\n'),
    ]
    config = sound_config(tmp_path, release=edits)
    keys = {finding.key for finding in survey(config).findings if long in finding.what}
    assert keys == {"probes.file", "evidence.0.path"}
    assert survey(tmp_path / long / "wardgate.yaml").document is None


def test_evidence_that_has_no_end_is_not_read(tmp_path: Path) -> None:
    """Regression: `check` never came back from a device."""
    digest = "0" * 64
    for path in ("/dev/zero", "."):
        edit = ("score_range: [0, 1]\n", f'evidence: [{{kind: validation_report, path: {path}, sha256: "{digest}"}}]\n')
        found = survey(sound_config(tmp_path, release=edit)).findings
        assert [finding.key for finding in found if "cannot be read" in finding.what] == ["evidence.0.path"]


def test_one_file_read_as_two_kinds_is_wrong_as_one_of_them(tmp_path: Path) -> None:
    """Regression: it was taken for what it was read as first, and its missing keys were a traceback."""
    config = sound_config(
        tmp_path, wardgate=("insecure_demo: true\n", "insecure_demo: true\npaths: {rules: ../cards}\n")
    )
    found = [finding for finding in survey(config).findings if not finding.warning]
    assert {finding.file for finding in found} >= {str(tmp_path / "cards" / "kidney-failure.yaml")}
    assert len(set(found)) == len(found)


def test_a_review_that_is_overdue_is_told(tmp_path: Path) -> None:
    """A warning: policy decides what follows from it."""
    config = sound_config(tmp_path, release=("score_range: [0, 1]", "score_range: [0, 1]\nreview_by: 2027-05-01"))
    overdue = survey(config, "2027-05-02")
    assert [(finding.key, finding.warning) for finding in overdue.findings] == [("review_by", True)]
    assert overdue.catalog is not None
    assert not survey(config, "2027-05-01").findings and not survey(config).findings


def test_a_limitation_that_nobody_has_answered_is_told(tmp_path: Path) -> None:
    text = "  - {text: Not validated in transplant recipients., check: transplant}"
    for answer, keys in ((".}", ["limitations.0"]), ("., accepted: They are seen elsewhere.}", [])):
        edit = (text, text.split(".,")[0] + answer)
        assert [finding.key for finding in survey(sound_config(tmp_path, release=edit)).findings] == keys


def test_a_limitation_has_one_answer(tmp_path: Path) -> None:
    edit = ("check: transplant}", "check: transplant, accepted: It is rare.}")
    assert [finding.what for finding in survey(sound_config(tmp_path, release=edit)).findings] == [
        "two answers to one limitation"
    ]


@pytest.mark.parametrize(
    ("edit", "key"),
    [
        (("card: kidney-failure", "card: other"), "card"),
        (("deadline:", "fallback: [{rule: ckd-stage}]\ndeadline:"), "fallback"),
    ],
)
def test_files_of_one_id_have_one_card_and_one_set_of_rules(tmp_path: Path, edit: Edit, key: str) -> None:
    """Or a release would have a digest for each hook, and a rollout names one."""
    config = sound_config(tmp_path)
    service, card = (tmp_path / FILES[name][0] for name in ("service", "card"))
    card.with_name("other.yaml").write_text(card.read_text())
    second = service.read_text().replace("hook: patient-view", "hook: encounter-start")
    assert second.count(edit[0]) == 1
    service.with_name("second.yaml").write_text(second)
    assert survey(config).catalog is not None
    service.with_name("second.yaml").write_text(second.replace(*edit))
    assert key in [finding.key for finding in survey(config).findings]


def test_an_edit_is_one_of_the_rollout_only_where_that_says_something_else(tmp_path: Path) -> None:
    """By its versions: another card gives the releases other digests, and the file's rollout is the same."""

    def said(**edits: Edit) -> str:
        return load(sound_config(tmp_path, **edits)).catalog.rollouts["kidney-failure"].file

    before = said()
    assert before == said(card=("precision: {score: 2}", "precision: {score: 3}")) == said(service=("Two-year", "2-y"))
    assert before != said(service=("mode: active", "mode: silent"))
    assert before != said(service=("mode: active", "mode: active, cohort: {sites: [hospital_a]}"))
    assert before == said(service=("mode: active", "mode: active, preview: [Practitioner/1]"))  # joined as a pseudonym
