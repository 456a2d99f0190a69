"""What stands beside a release for those who approve it, and how far it has come."""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

import msgspec

from wardgate.domain.outcomes import Mode


class EvidenceKind(StrEnum):
    VALIDATION_REPORT = "validation_report"
    DATASET_MANIFEST = "dataset_manifest"
    RISK_ASSESSMENT = "risk_assessment"
    FAIRNESS = "fairness"
    EXPLANATION_METHOD = "explanation_method"
    TRAINING = "training"
    MODEL_CARD = "model_card"


class Evidence(msgspec.Struct, frozen=True):
    """A file that the release names; `path` as it stands there, `sha256` 64 hex digits."""

    kind: EvidenceKind
    path: str
    sha256: str


class Limit(msgspec.Struct, frozen=True):
    """A limitation, and the answer to it: the exclusion (or `population`) that watches over it, or why it is accepted
    that nothing does."""

    text: str
    check: str | None = None
    accepted: str | None = None

    @property
    def answered(self) -> bool:
        return self.check is not None or self.accepted is not None


class Review(StrEnum):
    NONE = "none"  # no date was set
    CURRENT = "current"
    EXPIRED = "expired"


class Dossier(msgspec.Struct, frozen=True):
    """What a release file says to people, all under its digest. `review_by` is a day, as 2027-05-01: the last one on
    which the review holds."""

    evidence: tuple[Evidence, ...] = ()
    limitations: tuple[Limit, ...] = ()
    intended_use: str | None = None
    changelog: str | None = None
    artifact: str | None = None
    review_by: str | None = None

    @property
    def unanswered(self) -> tuple[int, ...]:
        """Places of the limitations that nobody has answered, from 0."""
        return tuple(number for number, limit in enumerate(self.limitations) if not limit.answered)

    @property
    def kinds(self) -> frozenset[EvidenceKind]:
        return frozenset(evidence.kind for evidence in self.evidence)

    def lacking(self, kinds: Collection[EvidenceKind]) -> tuple[EvidenceKind, ...]:
        """Those of the kinds that no file is of, in the order of the enum."""
        return tuple(kind for kind in EvidenceKind if kind in kinds and kind not in self.kinds)

    def review(self, today: str) -> Review:
        """`today` as 2027-05-01, UTC's."""
        if self.review_by is None:
            return Review.NONE
        return Review.EXPIRED if self.review_by < today else Review.CURRENT


class Lifecycle(StrEnum):
    """How far a release has come for one service: the highest mode that it was approved for."""

    DRAFT = "draft"  # files give it, and nobody has submitted it
    VALIDATED = "validated"  # submitted: it compiles, its evidence is there, its content is kept
    SHADOW = "shadow"
    SILENT = "silent"
    CANARY = "canary"
    ACTIVE = "active"
    RETIRED = "retired"


def lifecycle(submitted: bool, retired: bool, approved: Sequence[Mode]) -> Lifecycle:
    """`approved`: the modes that it has all approvals for."""
    if retired:
        return Lifecycle.RETIRED
    if not submitted:
        return Lifecycle.DRAFT
    order = [Mode.SHADOW, Mode.SILENT, Mode.CANARY, Mode.ACTIVE]
    reached = [mode for mode in order if mode in approved]
    return Lifecycle(reached[-1].value) if reached else Lifecycle.VALIDATED


_FEWEST = 6
"""Hex digits that name a digest."""


def meant(name: str, versions: Mapping[str, str]) -> tuple[str, ...]:
    """Of `versions` (by digest), the digests that a person means by a version, a digest, or the beginning of one."""
    digits = name.removeprefix("sha256:").lower()
    of_version = tuple([digest for digest, version in versions.items() if version == name])
    if of_version or len(digits) < _FEWEST:
        return of_version
    return tuple([digest for digest in versions if digest.removeprefix("sha256:").startswith(digits)])


def short(digest: str) -> str:
    """A digest as people see it beside a version: its first 12 hex digits."""
    return digest.removeprefix("sha256:")[:12]
