"""The release digest covers all that decides what is shown, and nothing else."""

import json
from pathlib import Path

import pytest
import yaml

from tests.fakes.config_tree import FILES, Edit, sound_config
from wardgate.adapters.files.catalog import load
from wardgate.adapters.files.digest import release_digest


def _digest(config: Path) -> str:
    return load(config).catalog.services["kidney-failure"]["patient-view"].version("1.0.0").digest


def test_it_is_sha256_over_canonical_json() -> None:
    """A fixed vector: sorted keys, no spaces, numbers as ECMAScript writes them (RFC 8785)."""
    digest = release_digest({"b": 1.0, "a": 1e-6}, [], {}, {}, {}, [{"hook": "h", "title": "t", "rollout": {}}])

    # printf '%s' '{"card":{},"features":{},"probes":[],"release":{"a":0.000001,"b":1},"rules":{},
    #              "services":[{"hook":"h"}]}' | sha256sum
    assert digest == "sha256:ef966c0c6dad3b6b5258d8e72844c40e4161092e1f7d83131758aaf41cb49be4"


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("release", ("timeout: 200ms", "timeout: 199ms")),
        ("release", ("tolerance: 1e-6", "tolerance: 1e-7")),
        ("release", ("Not validated below 18 years.", "Not validated below 16 years.")),
        ("probes", ('"age": 70', '"age": 71')),
        ("features", ("plausible: [1, 200]", "plausible: [1, 201]")),
        ("card", ("precision: {score: 2}", "precision: {score: 3}")),
        ("card", ("Nephrology CDS", "Nephrology")),
        ("service", ("indeterminate: 0.01", "indeterminate: 0.02")),
        ("service", ("pregnancy: {not_applicable: No input", "pregnancy: {not_applicable: no input")),
        ("service", ("required_prefetch: [patient, labs]", "required_prefetch: [labs, patient]")),
        ("service", ("deadline: 500ms", "deadline: 500ms\nsuppress: {same: [patient], for: 1h}")),
        ("service", ("deadline: 500ms", "deadline: 0.5s")),
    ],
)
def test_whatever_decides_changes_it(tmp_path: Path, name: str, edit: Edit) -> None:
    """Release, probes, schema, card and service are all under the approval."""
    before = _digest(sound_config(tmp_path / "a"))

    assert _digest(sound_config(tmp_path / "b", **{name: edit})) != before


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("service", ("mode: active", "mode: silent")),
        ("service", ("rollout:", "owner: {clinical: someone}\nrollout:")),
        ("service", ("rollout:", "outcome: {label: kidney_failure, within: 730d}\nrollout:")),
        ("service", ("title: Kidney failure risk", "title: Kidneys")),
        ("service", ("Two-year risk", "Risk")),
        ("service", ("id: kidney-failure\nhook: patient-view\n", "hook: patient-view # first\nid: 'kidney-failure'\n")),
        ("card", ("from: 0.10", "from: 1e-1")),
        ("features", ("required: true\n    bins", "required:   true   # yes\n    bins")),
        ("probes", ('"age": 70, "male": 1', '"male": 1.0, "age": 70.0')),
        ("rule", ("threshold: 3", "threshold: 3.5")),
    ],
)
def test_what_does_not_decide_leaves_it(tmp_path: Path, name: str, edit: Edit) -> None:
    """Rollout, owner, title, description, comments, order, spelling, and a rule that the service does not name."""
    before = _digest(sound_config(tmp_path / "a"))

    assert _digest(sound_config(tmp_path / "b", **{name: edit})) == before


def test_a_rule_that_the_service_names_is_covered(tmp_path: Path) -> None:
    """It decides what is shown when the model is away."""
    named = ("rollout:", "fallback: [{rule: ckd-stage}]\nrollout:")
    before = _digest(sound_config(tmp_path / "a", service=named))

    assert _digest(sound_config(tmp_path / "b", service=named, rule=("threshold: 3", "threshold: 4"))) != before


def test_all_hooks_of_an_id_share_one_digest(tmp_path: Path) -> None:
    """A second file of the id changes it, whatever the files are called."""
    digests = []
    for name in ("a.yaml", "z.yaml"):
        config = sound_config(tmp_path / name)
        first = tmp_path / name / FILES["service"][0]
        first.with_name(name).write_text(first.read_text().replace("hook: patient-view", "hook: order-sign"))
        by_hook = load(config).catalog.services["kidney-failure"]
        assert by_hook["patient-view"].version("1.0.0").digest == by_hook["order-sign"].version("1.0.0").digest
        digests.append(by_hook["order-sign"].version("1.0.0").digest)

    assert digests[0] == digests[1] != _digest(sound_config(tmp_path / "one"))


def test_the_schema_is_the_one_of_the_named_version(tmp_path: Path) -> None:
    """A newer features.yaml beside it leaves the digest of a release that names the older version."""
    before = _digest(sound_config(tmp_path / "a"))
    config = sound_config(tmp_path / "b")
    current = tmp_path / "b" / FILES["features"][0]
    older = current.parent / "features" / "2026.03.yaml"
    older.parent.mkdir()
    older.write_text(current.read_text())
    current.write_text(current.read_text().replace("2026.03", "2026.04").replace("[1, 200]", "[1, 300]"))

    assert _digest(config) == before


def test_any_reader_of_the_files_can_recompute_it(tmp_path: Path) -> None:
    """Nothing but the files' data goes in: PyYAML's own reader and json give the same digest here."""
    config = sound_config(tmp_path)

    def data(name: str) -> object:
        return yaml.safe_load((tmp_path / FILES[name][0]).read_text())

    service = data("service")
    assert isinstance(service, dict)
    release = data("release")
    assert isinstance(release, dict)
    release["probes"]["tolerance"] = 1e-6  # YAML 1.1 takes 1e-6 for text
    probes = json.loads((tmp_path / FILES["probes"][0]).read_text())

    assert release_digest(release, probes, data("features"), data("card"), {}, [service]) == _digest(config)


def test_the_digest_of_a_configuration_covers_every_file(tmp_path: Path) -> None:
    """Two replicas that read the same have the same one, wherever it stands; any edit makes another."""
    digests = {load(sound_config(tmp_path / name)).catalog.digest for name in ("one", "other")}
    assert len(digests) == 1
    edits: dict[str, Edit] = {
        "wardgate": ("hospital_a", "hospital_c"),
        "service": ("title: Kidney failure risk", "title: Kidney risk"),
        "probes": ('"age": 70', '"age": 71'),
        "card": ("Nephrology CDS", "Nephrology"),
        "rule": ("threshold: 3", "threshold: 4"),
    }
    for name, edit in edits.items():
        digests.add(load(sound_config(tmp_path / name, **{name: edit})).catalog.digest)
    assert len(digests) == 1 + len(edits)
