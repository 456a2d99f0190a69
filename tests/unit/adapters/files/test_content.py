"""A release is kept whole, and compiles from memory to what the files gave."""

import hashlib
from pathlib import Path

import msgspec
import pytest

from tests.fakes.config_tree import sound_config
from wardgate.adapters.files import content as module
from wardgate.adapters.files.catalog import load
from wardgate.adapters.files.content import ContentRefused, compile_content, content_of
from wardgate.adapters.files.yaml_documents import read_yaml
from wardgate.control.ports import Content
from wardgate.domain.documents import Document
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.plans import Catalog

ROOT = Path(__file__).parents[4]
_FALLBACK = ("rollout:", "fallback: [{rule: ckd-stage}]\nrollout:")


def document(config: Path) -> Document:
    return read_yaml(config, str(config))


def taken(config: Path, version: str = "1.0.0") -> Content:
    return content_of(document(config), config, "kidney-failure", version)[0]


def digest(catalog: Catalog) -> str:
    (plan,) = catalog.plans()
    (found,) = plan.releases
    return found


@pytest.mark.parametrize("config", ["config/wardgate.yaml", "config/demo/wardgate.yaml"])
def test_what_is_kept_is_what_the_files_gave(config: str) -> None:
    """Wherever cards, models and rules stand; every release of every service."""
    path = ROOT / config
    loaded = load(path)
    for plan in loaded.catalog.plans():
        for release in plan.releases.values():
            content, _ = content_of(document(path), path, plan.id, release.version)
            assert content.digest == release.digest
            again = compile_content(document(path), content).services[plan.id][plan.hook]
            kept = again.releases[release.digest]
            assert (kept.endpoint, kept.probes, kept.calibration, kept.dossier) == (
                release.endpoint,
                release.probes,
                release.calibration,
                release.dossier,
            )
            assert kept.extractor.schema == release.extractor.schema and kept.rules.threshold == release.rules.threshold
            assert (again.prefetch, again.deadline, again.risk_tier) == (plan.prefetch, plan.deadline, plan.risk_tier)


def test_it_holds_every_file_that_the_digest_covers_and_no_other(tmp_path: Path) -> None:
    config = sound_config(tmp_path, service=_FALLBACK)
    (tmp_path / "config/services/other.yaml").write_text(
        (tmp_path / "config/services/kidney-failure.yaml").read_text().replace("id: kidney-failure", "id: other")
    )
    assert sorted(taken(config).files) == [
        "../cards/kidney-failure.yaml",
        "models/kidney-failure/features.yaml",
        "models/kidney-failure/releases/1.0.0.yaml",
        "models/kidney-failure/releases/probes.json",
        "rules/ckd-stage.yaml",
        "services/kidney-failure.yaml",
    ]


def test_evidence_is_kept_with_it(tmp_path: Path) -> None:
    config = sound_config(tmp_path)
    report = b"# AUC 0.9\n"
    _add_evidence(config, report)
    content = taken(config)
    assert content.files["models/kidney-failure/releases/evidence/report.md"] == report
    (release,) = compile_content(document(config), content).plans()[0].releases.values()
    assert [evidence.kind.value for evidence in release.dossier.evidence] == ["validation_report"]

    forged = {**content.files, "models/kidney-failure/releases/evidence/report.md": b"# AUC 1.0\n"}
    with pytest.raises(ContentRefused) as refused:
        compile_content(document(config), msgspec.structs.replace(content, files=forged))
    assert [finding.key for finding in refused.value.findings] == ["evidence.0.sha256"]


def _add_evidence(config: Path, report: bytes) -> None:
    folder = config.parent / "models/kidney-failure/releases"
    (folder / "evidence").mkdir(parents=True)
    (folder / "evidence/report.md").write_bytes(report)
    entry = f"{{kind: validation_report, path: evidence/report.md, sha256: {hashlib.sha256(report).hexdigest()}}}"
    with (folder / "1.0.0.yaml").open("a") as file:
        file.write(f"evidence: [{entry}]\n")


def test_it_compiles_where_the_files_are_gone_and_the_folders_are_others(tmp_path: Path) -> None:
    content = taken(sound_config(tmp_path / "then", service=_FALLBACK))
    elsewhere = ("environment: test", "environment: test\npaths: {services: nowhere, cards: here}")
    now = sound_config(tmp_path / "now", wardgate=elsewhere)
    assert digest(compile_content(document(now), content)) == content.digest


def test_the_rollout_of_its_service_file_is_put_aside(tmp_path: Path) -> None:
    """It named a release whose files are not part of the content, and a mode that only a demo may begin in."""
    config = sound_config(
        tmp_path, service=('{champion: "1.0.0", mode: active}', '{champion: "1.0.0", mode: active, shadow: ["2.0.0"]}')
    )
    content = taken(config)
    now = sound_config(tmp_path / "now", wardgate=("insecure_demo: true\n", ""))
    catalog = compile_content(document(now), content)
    assert digest(catalog) == content.digest and catalog.rollouts["kidney-failure"].mode == "off"


@pytest.mark.parametrize(
    ("place", "old", "new"),
    [
        ("services/kidney-failure.yaml", b"default: 0.10", b"default: 0.11"),
        ("../cards/kidney-failure.yaml", b"precision: {score: 2}", b"precision: {score: 3}"),
        ("models/kidney-failure/releases/probes.json", b'"age": 70', b'"age": 71'),
        ("models/kidney-failure/releases/1.0.0.yaml", b"timeout: 200ms", b"timeout: 201ms"),
        ("models/kidney-failure/features.yaml", b"plausible: [1, 200]", b"plausible: [1, 201]"),
        ("rules/ckd-stage.yaml", b"threshold: 3", b"threshold: 4"),
    ],
)
def test_content_that_somebody_changed_is_refused(tmp_path: Path, place: str, old: bytes, new: bytes) -> None:
    config = sound_config(tmp_path, service=_FALLBACK)
    content = taken(config)
    assert content.files[place].count(old) == 1
    changed = {**content.files, place: content.files[place].replace(old, new)}
    with pytest.raises(ContentRefused) as refused:
        compile_content(document(config), msgspec.structs.replace(content, files=changed))
    assert "digest" in refused.value.findings[0].what


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"services/kidney-failure.yaml": b""},
        {"services/kidney-failure.yaml": b"\xff\x00"},
        {"services/kidney-failure.yaml": b"id: other\n"},
        {"../../../../etc/passwd": b"root"},
    ],
)
def test_content_that_is_none_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    content = Content("sha256:" + "0" * 64, "kidney-failure", "kidney-failure", "1.0.0", files)
    with pytest.raises(ContentRefused):
        compile_content(document(sound_config(tmp_path)), content)


def test_a_missing_file_of_the_content_is_told(tmp_path: Path) -> None:
    config = sound_config(tmp_path)
    content = taken(config)
    for place in content.files:
        less = {each: held for each, held in content.files.items() if each != place}
        with pytest.raises(ContentRefused):
            compile_content(document(config), msgspec.structs.replace(content, files=less))


def test_content_that_the_wardgate_yaml_of_now_does_not_allow_is_refused(tmp_path: Path) -> None:
    """Its model's host is on the list no more: nothing is sent there."""
    content = taken(sound_config(tmp_path))
    now = sound_config(tmp_path / "now", wardgate=("127.0.0.1:8082", "127.0.0.1:9999"))
    with pytest.raises(ContentRefused) as refused:
        compile_content(document(now), content)
    assert "models/kidney-failure/releases/1.0.0.yaml" in [finding.file for finding in refused.value.findings]


@pytest.mark.parametrize(("service", "version"), [("none", "1.0.0"), ("kidney-failure", "9.9.9")])
def test_what_there_is_not_is_told(tmp_path: Path, service: str, version: str) -> None:
    config = sound_config(tmp_path)
    with pytest.raises(ConfigurationError) as error:
        content_of(document(config), config, service, version)
    assert error.value.findings[0].remedy


def test_what_is_wrong_is_told_at_the_file_itself(tmp_path: Path) -> None:
    config = sound_config(tmp_path, card=("precision: {score: 2}", "precision: {score: two}"))
    with pytest.raises(ConfigurationError) as error:
        taken(config)
    assert {finding.file for finding in error.value.findings} == {str(tmp_path / "cards/kidney-failure.yaml")}


def test_more_than_a_store_keeps_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = sound_config(tmp_path)
    _add_evidence(config, b"x" * 5000)
    monkeypatch.setattr(module, "MAX_CONTENT", 6000)
    with pytest.raises(ConfigurationError) as error:
        taken(config)
    assert "MiB" in error.value.findings[0].what
