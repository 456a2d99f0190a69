"""What is known of one patient in one call, and which parts of the question could not be answered."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from wardgate.domain.context.fhir import Document, Resource


class KeyState(StrEnum):
    """How a prefetch key came out. OBTAINED covers null and empty Bundles: asked, and there is nothing."""

    OBTAINED = "obtained"
    PARTIAL_NEWEST = "partial_newest"  # not all pages were read, but what was read is verifiably the newest
    PARTIAL = "partial"  # not all pages were read, in no dependable order
    UNOBTAINED = "unobtained"  # failed, refused, timed out, or impossible to ask


class Dropped(StrEnum):
    """Why a resource did not count."""

    OTHER_PATIENT = "other_patient"
    NO_SUBJECT = "no_subject"
    OTHER_FOCUS = "other_focus"
    UNREADABLE = "unreadable"


def home_in_context(field: str) -> str:
    """Under which name the record holds what a field of the hook's context carries."""
    return f"context.{field}"


DRAFT_MEDICATIONS = home_in_context("Medication")
"""Under which name the record holds the Medications that came along with drafts, for these alone to refer to."""


class PatientRecord(msgspec.Struct, frozen=True):
    """This patient's resources: one of each type and id, nobody else's.

    `patient` and `encounter` are whole documents, None where they were not obtained or do not exist.
    `resources` holds them by type, and drafts by the field of the hook's context that carries them
    (`context.draftOrders`); `keys` likewise. A Medication is nobody's, and stands there for others to refer to; those
    that came along with drafts stand apart (`DRAFT_MEDICATIONS`).
    `wrong_patient`: three resources of somebody else were met, or a resource that the context names and
    that wardgate fetched itself was somebody else's. Then there is no score (law 11).
    `doubtful`: the types of which something was dropped that may be this patient's all the same, because it could
    not be read or names no subject. That none of a kind was found proves nothing then.
    `read_back_to`: of each PARTIAL_NEWEST key the time (epoch seconds) after which nothing of it is unread.
    `wholes`: the JSON of resources by identity (`id()`), of the keys that are read whole.
    `let_go`: the resources are no longer here, so nothing can be extracted.
    """

    patient: Document | None
    encounter: Document | None
    resources: Mapping[str, tuple[Resource, ...]]
    keys: Mapping[str, KeyState]
    dropped: Mapping[Dropped, int]
    wrong_patient: bool
    doubtful: frozenset[str] = frozenset()
    wholes: Mapping[int, msgspec.Raw] = {}
    read_back_to: Mapping[str, float] = {}
    let_go: bool = False

    def without_chart(self) -> "PatientRecord":
        """What is still told of it once the features are extracted."""
        return msgspec.structs.replace(self, resources={}, wholes={}, let_go=True)
