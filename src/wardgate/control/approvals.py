"""Who says what of a release: approve it, take that back, except a figure; and of the policy itself.

Everything goes on the audit chain first, and is read from there: who cannot reach the chain can approve nothing. What
somebody who is known was refused is on the chain as well.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum

import msgspec

from wardgate.control.askers import CODES, Asker
from wardgate.control.audit import AuditTrail, AuditUnavailable
from wardgate.control.chain_reader import ChainBroken, ChainReader
from wardgate.domain.admin_tokens import Role
from wardgate.domain.approvals import (
    Approval,
    Charter,
    Ledger,
    Waiver,
    instant,
    person_of,
    policy_subject,
    subject_of,
)
from wardgate.domain.audit import Action, Deed, moment
from wardgate.domain.governance import APPROVERS, EYES, STEPS, Figure, Policy, above, asked_for, digest_of, text_of
from wardgate.domain.outcomes import Mode

LONGEST = 90 * 86400.0
"""Seconds that an exception can hold."""


class Cause(StrEnum):
    ROLE = "role"
    SERVICE = "service"
    STEP = "step"
    UNKNOWN = "unknown"
    RETIRED = "retired"
    AUTHOR = "author"
    TWICE = "twice"
    NOTHING = "nothing"
    NOT_ALLOWED = "not_allowed"
    TIME = "time"
    REMARK = "remark"
    INVALID = "invalid"
    REASON = "reason"


class ApprovalRefused(Exception):
    """`what` and `remedy` are sentences for a person, without anything that was sent; `codes` those that could have
    been."""

    def __init__(self, cause: Cause, what: str, remedy: str = "", codes: tuple[str, ...] = ()) -> None:
        super().__init__(cause.value)
        self.cause, self.what, self.remedy, self.codes = cause, what, remedy, codes


_AUDITED = frozenset({Cause.ROLE, Cause.SERVICE, Cause.AUTHOR, Cause.TWICE, Cause.NOT_ALLOWED})
"""Refused to somebody who has no right to it; the others are slips."""


class Standing(msgspec.Struct, frozen=True):
    """All that was said of one digest, as of now."""

    subject: str
    authors: tuple[str, ...]
    approvals: tuple[Approval, ...]
    waivers: tuple[Waiver, ...]
    retired: bool


class Proposed(msgspec.Struct, frozen=True):
    """The policy of the files beside the one that holds."""

    charter: Charter
    proposed: str
    """Digest of what the files say."""
    people: tuple[str, ...]
    """Who has approved that."""
    void: int = 0
    """How much was said of releases and policies under a key that is gone."""

    @property
    def waits(self) -> bool:
        return self.proposed != self.charter.digest


class ApprovalDesk:
    """Blocking, thread-safe. Everything raises AuditUnavailable and ChainBroken besides what it says. `tier_of`: the
    risk tier of a service's release, None for one that nobody knows."""

    def __init__(
        self,
        reader: ChainReader,
        trail: AuditTrail,
        tier_of: Callable[[str, str], str | None],
        now: Callable[[], float],
    ) -> None:
        self._reader, self._trail, self._tier_of, self._now = reader, trail, tier_of, now

    # --- of a release -------------------------------------------------------------------------------------------------

    def standing(self, service: str, digest: str) -> Standing:
        return self._standing(self._reader.read(), subject_of(service, digest))

    def approve(self, asker: Asker, service: str, digest: str, mode: Mode, role: Role) -> Approval:
        """For `mode` and what is beneath. Raises ApprovalRefused."""
        subject = subject_of(service, digest)
        with self._refusing(asker, Action.RELEASE_APPROVE, subject):
            _entitled(asker, service, role)
            ledger = self._reader.read()
            self._open(ledger, service, digest, mode)
            person = asker.person
            asked = asked_for(ledger.charter.policy, self._tier(service, digest), mode)
            if asked.four_eyes and person in ledger.barred(subject):
                raise ApprovalRefused(Cause.AUTHOR, "Nobody approves a release that she submitted herself.")
            for held in ledger.approvals(subject):
                if held.person == person and held.role != role:
                    what = f"You have approved this release as {held.role}: a person counts once."
                    raise ApprovalRefused(Cause.TWICE, what, "Withdraw that first, or let somebody else approve.")
                if held.person == person and not above(mode, held.mode):
                    what = f"You have approved this release for {held.mode} already, which counts beneath as well."
                    raise ApprovalRefused(Cause.TWICE, what)
            approval = Approval(person, asker.who, role, mode, moment(self._now()), 0)
            number = self._say(asker, Action.RELEASE_APPROVE, subject, after=approval.state)
        return msgspec.structs.replace(approval, number=number)

    def withdraw(self, asker: Asker, service: str, digest: str, person: str = "") -> tuple[Approval, ...]:
        """Her own approvals of it; an administrator, those of `person`. Raises ApprovalRefused."""
        subject = subject_of(service, digest)
        held = self.withdrawable(asker, service, digest, person)
        with self._refusing(asker, Action.RELEASE_WITHDRAW, subject):
            for each in held:
                self._say(asker, Action.RELEASE_WITHDRAW, subject, before=each.holder, after="withdrawn")
        return held

    def withdrawable(self, asker: Asker, service: str, digest: str, person: str = "") -> tuple[Approval, ...]:
        """What `withdraw` would take back. Raises ApprovalRefused."""
        subject, whose = subject_of(service, digest), person_of(person or asker.who)
        with self._refusing(asker, Action.RELEASE_WITHDRAW, subject):
            own = whose == asker.person
            if not asker.covers(service) or not (own or Role.ADMIN in asker.roles):
                raise ApprovalRefused(Cause.ROLE, "Only an administrator withdraws what somebody else approved.")
            held = tuple(each for each in self._reader.read().approvals(subject) if each.person == whose)
            if not held:
                raise ApprovalRefused(Cause.NOTHING, "There is no such approval to withdraw.")
        return held

    def allow(self, asker: Asker, service: str, digest: str, mode: Mode, figure: Figure, until: float) -> Waiver:
        """An exception from a figure: the first asks for it, with a rationale in `remark`; it holds once a second
        person has said the same. She need not repeat when it ends: `until` 0 takes the one that was asked for. Raises
        ApprovalRefused."""
        subject = subject_of(service, digest)
        with self._refusing(asker, Action.GATE_EXCEPTION, subject):
            _entitled(asker, service, None)
            ledger, person = self._reader.read(), asker.person
            self._open(ledger, service, digest, mode)
            bound = asked_for(ledger.charter.policy, self._tier(service, digest), mode).evidence.get(figure)
            if bound is None:
                raise ApprovalRefused(Cause.NOTHING, f"{figure} is not demanded for {mode}.")
            if not bound.exception:
                raise ApprovalRefused(Cause.NOT_ALLOWED, f"The policy allows no exception from {figure} for {mode}.")
            if person in ledger.barred(subject):
                raise ApprovalRefused(Cause.AUTHOR, "Nobody excepts a release that she submitted herself.")
            waiver = self._waiver(ledger, asker, subject, Waiver(mode, figure, "", (person,)), until)
            self._say(asker, Action.GATE_EXCEPTION, subject, after=waiver.state)
        return waiver

    # --- of the policy ------------------------------------------------------------------------------------------------

    def proposed(self, policy: Policy) -> Proposed:
        """What the files say beside what holds."""
        ledger, digest = self._reader.read(), digest_of(policy)
        return Proposed(ledger.charter, digest, ledger.waiting(digest), sum(ledger.void().values()))

    def health(self, policy: Policy) -> Mapping[str, str]:
        """Which policy holds, whether the one of the files waits, and for what; what lies under a key that is gone.
        Never raises."""
        try:
            said = self.proposed(policy)
        except (AuditUnavailable, ChainBroken) as error:
            return {"state": "unknown", "why": error.meaning}
        held = {"policy": said.charter.digest, "approved_by": ", ".join(said.charter.approved) or "built in"}
        if said.void:
            held |= {"void": str(said.void), "void_why": _void(said.void)}
        if not said.waits:
            return {"state": "holds", **held}
        waiting = f"governance.yaml waits: {len(said.people)} of {EYES} people have approved it ({_APPROVE})"
        return {"state": "waits", **held, "proposed": said.proposed, "why": waiting}

    def approve_policy(self, asker: Asker, policy: Policy) -> Proposed:
        """It holds once a second person has approved it. Raises ApprovalRefused."""
        digest = digest_of(policy)
        with self._refusing(asker, Action.GOVERNANCE_APPROVE, policy_subject(digest)):
            if asker.roles.isdisjoint(APPROVERS):
                raise ApprovalRefused(Cause.ROLE, "Only approvers approve a policy.", _WHICH)
            if asker.services is not None:
                what = "The policy is that of all services, and your token is for some."
                raise ApprovalRefused(Cause.SERVICE, what, _WHICH)
            before = self.proposed(policy)
            if not before.waits:
                raise ApprovalRefused(Cause.NOTHING, "This policy holds already.")
            if asker.person in before.people:
                what = "You have approved this policy."
                raise ApprovalRefused(Cause.TWICE, what, "It holds once a second person has approved it, too.")
            self._say(asker, Action.GOVERNANCE_APPROVE, policy_subject(digest), after=text_of(policy))
            return self.proposed(policy)

    # --- beneath ------------------------------------------------------------------------------------------------------

    def _standing(self, ledger: Ledger, subject: str) -> Standing:
        waivers = ledger.waivers(subject, self._now())
        return Standing(subject, ledger.authors(subject), ledger.approvals(subject), waivers, ledger.retired(subject))

    def _tier(self, service: str, digest: str) -> str:
        tier = self._tier_of(service, digest)
        if tier is None:
            raise ApprovalRefused(Cause.UNKNOWN, "There is no such release.", "`wardgate release list` shows them.")
        return tier

    def _open(self, ledger: Ledger, service: str, digest: str, mode: Mode) -> None:
        """Whether anything can be said of it."""
        if mode not in STEPS:
            raise ApprovalRefused(Cause.STEP, f"A step is one of {', '.join(STEPS)}: off needs no approval.")
        self._tier(service, digest)
        if not ledger.authors(subject_of(service, digest)):
            what = "This release was not submitted for approval."
            if ledger.void(subject_of(service, digest)):
                what = "This release was submitted under a pseudonym key that is gone: that counts no longer."
            raise ApprovalRefused(Cause.UNKNOWN, what, f"`wardgate release new {service}` submits it.")
        if ledger.retired(subject_of(service, digest)):
            raise ApprovalRefused(Cause.RETIRED, "This release is retired.", "Submit another one.")

    def _waiver(self, ledger: Ledger, asker: Asker, subject: str, wanted: Waiver, until: float) -> Waiver:
        now, (person,) = self._now(), wanted.people
        known = [
            each
            for each in ledger.waivers(subject, now)
            if (each.mode, each.figure) == (wanted.mode, wanted.figure) and until in (0.0, instant(each.until))
        ]
        if any(person in each.people for each in known):
            raise ApprovalRefused(Cause.TWICE, "You have asked for this exception.", "A second person grants it.")
        if known:
            return msgspec.structs.replace(known[-1], people=(*known[-1].people, person))
        if not asker.remark.strip():
            raise ApprovalRefused(Cause.REMARK, "An exception needs a rationale.", "Say why, in a sentence or two.")
        if not now < until <= now + LONGEST:
            what = f"An exception ends: within {LONGEST / 86400:.0f} days, and after now."
            raise ApprovalRefused(Cause.TIME, what, "Say until when it is needed.")
        return msgspec.structs.replace(wanted, until=moment(until))

    def _say(self, asker: Asker, what: Action, subject: str, *, before: str | None = None, after: str) -> int:
        """The number of its entry. Without a reason code, approvals alone are taken back."""
        if not asker.reason and what is not Action.RELEASE_WITHDRAW:
            remedy = f"Send `reason` (--reason): a code such as {', '.join(CODES[1:3])}."
            raise ApprovalRefused(Cause.REASON, "No reason code says why.", remedy, CODES)
        try:
            deed = Deed(
                who=asker.who,
                what=what,
                subject=subject,
                before=before,
                after=after,
                reason=asker.reason,
                ticket=asker.ticket,
            )
            return self._trail.require(deed, asker.remark).number
        except ValueError:
            raise ApprovalRefused(
                Cause.INVALID,
                "The audit chain does not take this reason, ticket or remark.",
                "A reason is a code such as validated, a ticket has no spaces, a remark has 4,000 letters at most.",
            ) from None

    @contextmanager
    def _refusing(self, asker: Asker, what: Action, subject: str) -> Iterator[None]:
        try:
            yield
        except ApprovalRefused as refused:
            if refused.cause in _AUDITED:
                self._deny(asker, Deed(who=asker.who, what=what, subject=subject, reason=refused.cause.value))
            raise

    def _deny(self, asker: Asker, deed: Deed) -> None:
        try:
            self._trail.deny(msgspec.structs.replace(deed, ticket=asker.ticket))
        except ValueError:  # a subject or a ticket that no chain takes: there is no such release
            self._trail.deny(Deed(who=asker.who, what=deed.what, subject="unknown"))


_APPROVE = "wardgate approve governance"


def _void(number: int) -> str:
    things = "1 submission or approval is" if number == 1 else f"{number} submissions and approvals are"
    return f"{things} sealed under a key that is gone, and count for nothing: put it back, or submit and approve again"


_WHICH = f"The roles are {', '.join(APPROVERS)}; `wardgate token new` gives them."


def _entitled(asker: Asker, service: str, role: Role | None) -> None:
    """None: any approver."""
    if role is not None and role not in APPROVERS:
        raise ApprovalRefused(Cause.ROLE, "Nobody approves in this role.", _WHICH)
    if role is not None and role not in asker.roles or asker.roles.isdisjoint(APPROVERS):
        raise ApprovalRefused(Cause.ROLE, "You do not have this role.", _WHICH)
    if not asker.covers(service):
        raise ApprovalRefused(Cause.SERVICE, "Your token is not for this service.", _WHICH)
