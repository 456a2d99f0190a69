"""Who asks for a change, with which right, and why a change is refused."""

from enum import StrEnum

import msgspec

from wardgate.domain.admin_tokens import Role
from wardgate.domain.approvals import person_of


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """`who` as it stands on the audit chain: a token's name and id, `os:` and a user of the machine, or `local`."""

    who: str
    roles: frozenset[Role]
    services: frozenset[str] | None = None  # None: all
    reason: str = ""
    ticket: str = ""
    remark: str = ""

    @property
    def person(self) -> str:
        """Two tokens of one name are one person, and so is her account on the machine."""
        return person_of(self.who)

    def covers(self, service: str) -> bool:
        return self.services is None or service in self.services


class Why(StrEnum):
    """Why nothing was changed."""

    ROLE = "role"
    STALE = "stale"
    """Somebody else was first: look again."""
    UNCONDITIONAL = "unconditional"
    """A raise says which state it raises from."""
    GATES = "gates"
    SAME_PERSON = "same_person"
    TOO_LATE = "too_late"
    NOTHING = "nothing"
    """There is nothing to put back, to lift or to return to."""
    ALIVE = "alive"
    """A replica that is to be forgotten was heard of just now."""
    UNKNOWN = "unknown"
    INVALID = "invalid"
    STORE = "store"
    UNSURE = "unsure"
    """Not known to be unchanged: the store was told, and gave no answer."""
    MORE = "more"
    """A store that was put back shows more than replicas did before."""
    PROOF = "proof"
    """The endpoint does not prove that it runs the model of the release."""
    REASON = "reason"
    """A raise says why."""


CODES = ("promotion", "validated", "fixed", "mistake", "incident_over", "store_restored", "yearly_review")
"""Usual reasons to show more. A house may have codes of its own: any of this form is taken."""

NO_REASON = (
    "Somebody would see more, and no reason code says why.",
    f"Send `reason` (--reason): a code of small letters, digits and _, such as {', '.join(CODES[:3])}.",
)
"""What and remedy."""


class ChangeRefused(Exception):
    """Nothing was changed. `what` and `remedy` are sentences for a person, without anything that was sent; `gates` are
    the lines that did not pass, `codes` those that could have been sent."""

    def __init__(
        self, why: Why, what: str, remedy: str = "", gates: tuple[str, ...] = (), codes: tuple[str, ...] = ()
    ) -> None:
        super().__init__(why.value)
        self.why, self.what, self.remedy, self.gates, self.codes = why, what, remedy, gates, codes
