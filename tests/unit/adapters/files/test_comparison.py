"""Two contents of a release beside each other."""

from pathlib import Path

import msgspec

from tests.fakes.editions import Edition
from wardgate.adapters.files.comparison import compared


def told(before: Edition, after: Edition) -> list[str]:
    return [str(difference) for difference in compared(before.content, after.content).differences]


def test_nothing_differs_where_nothing_decides(tmp_path: Path) -> None:
    """Words, comments and rollouts are outside of the digest; the diff by line has them all the same."""
    one = Edition(tmp_path / "one")
    other = Edition(tmp_path / "other", service=[("Two-year risk", "Risk"), ("mode: active}", "mode: off}  # for now")])
    comparison = compared(one.content, other.content)
    assert one.digest == other.digest and not comparison.differences
    assert "-description: Two-year risk of kidney failure." in comparison.diff
    assert not compared(one.content, one.content).diff


def test_what_differs_is_told_by_meaning_the_service_first(tmp_path: Path) -> None:
    one = Edition(tmp_path / "one")
    other = Edition(
        tmp_path / "other",
        service=[("default: 0.10", "default: 0.20"), ("rollout:", "fallback: [{rule: ckd-stage}]\nrollout:")],
        card=("from: 0.20", "from: 0.25"),
        features=("plausible: [1, 200]", "plausible: [1, 250]"),
        release=("timeout: 200ms", "timeout: 150ms"),
        probes=("0.04732493292698903", "0.0473"),
    )
    assert told(one, other) == [
        "service (patient-view): threshold.default: 0.1 → 0.2",
        'service (patient-view): fallback: added, [{"rule":"ckd-stage"}]',
        "card kidney-failure: bands.high.from: 0.2 → 0.25",
        "features: features.egfr.plausible: [1,200] → [1,250]",
        'release: endpoint.timeout: "200ms" → "150ms"',
        "probes: 0.outputs.score: 0.04732493292698903 → 0.0473",
        'rule ckd-stage: added, "rules/ckd-stage.yaml"',
    ]


def test_another_version_of_a_release_is_compared_as_the_same_file(tmp_path: Path) -> None:
    one = Edition(tmp_path / "one")
    other = Edition(tmp_path / "other", "1.1.0", release=("timeout: 200ms", "timeout: 150ms"))
    assert told(one, other) == ['release: version: "1.0.0" → "1.1.0"', 'release: endpoint.timeout: "200ms" → "150ms"']


def test_evidence_is_compared_by_its_bytes(tmp_path: Path) -> None:
    content = Edition(tmp_path).content
    place = "models/kidney-failure/releases/evidence/report.pdf"
    one, other = (
        msgspec.structs.replace(content, files={**content.files, place: report})
        for report in (b"%PDF\xff", b"%PDF\xfe")
    )
    comparison = compared(one, other)
    assert [difference.place for difference in comparison.differences] == ["evidence evidence/report.pdf"]
    assert "no text" in comparison.diff[-1]
    gone = compared(one, content)
    assert [(each.place, each.removed) for each in gone.differences] == [("evidence evidence/report.pdf", True)]


def test_what_is_no_document_is_compared_all_the_same(tmp_path: Path) -> None:
    """A release that was damaged in the store: it is refused elsewhere, and can still be looked at."""
    content = Edition(tmp_path).content
    damaged = msgspec.structs.replace(content, files={place: b"\xff: [" for place in content.files})
    assert compared(content, damaged).differences
