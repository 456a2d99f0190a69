"""What stands beside a release: evidence, limitations and their answers, its review; how far it has come."""

import itertools

import pytest

from wardgate.domain.outcomes import Mode
from wardgate.domain.releases import Dossier, Evidence, EvidenceKind, Lifecycle, Limit, Review, lifecycle, short


def test_evidence_that_is_lacking_is_named() -> None:
    dossier = Dossier((Evidence(EvidenceKind.FAIRNESS, "f.md", "0" * 64),))
    wanted = {EvidenceKind.TRAINING, EvidenceKind.FAIRNESS, EvidenceKind.VALIDATION_REPORT}
    assert dossier.lacking(wanted) == (EvidenceKind.VALIDATION_REPORT, EvidenceKind.TRAINING)
    assert dossier.lacking(()) == ()


def test_a_limitation_is_answered_by_a_check_or_a_reason() -> None:
    limits = (Limit("a"), Limit("b", check="transplant"), Limit("c", accepted="rare"), Limit("d"))
    assert Dossier(limitations=limits).unanswered == (0, 3)


@pytest.mark.parametrize(
    ("review_by", "review"),
    [
        (None, Review.NONE),
        ("2027-05-02", Review.CURRENT),
        ("2027-05-01", Review.CURRENT),
        ("2027-04-30", Review.EXPIRED),
        ("1999-12-31", Review.EXPIRED),
    ],
)
def test_a_review_holds_through_its_last_day(review_by: str | None, review: Review) -> None:
    assert Dossier(review_by=review_by).review("2027-05-01") is review


def test_the_lifecycle_is_the_highest_mode_that_was_approved() -> None:
    modes = [Mode.SHADOW, Mode.SILENT, Mode.CANARY, Mode.ACTIVE]
    assert lifecycle(False, False, []) is Lifecycle.DRAFT
    assert lifecycle(True, False, []) is Lifecycle.VALIDATED
    for length in range(1, 5):
        for approved in itertools.permutations(modes, length):
            highest = max(approved, key=modes.index)
            assert lifecycle(True, False, approved).value == highest.value
            assert lifecycle(True, True, approved) is Lifecycle.RETIRED
    assert lifecycle(False, False, modes) is Lifecycle.DRAFT


def test_a_digest_is_shown_short() -> None:
    assert short("sha256:" + "0123456789abcdef" * 4) == "0123456789ab"
