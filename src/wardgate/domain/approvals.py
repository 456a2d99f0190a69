"""What people have said of releases, as the audit chain has it: submitted, approved, withdrawn, excepted, rehearsed.

    release.submit      SERVICE@sha256:…     by its author
    release.approve     SERVICE@sha256:…     to: canary as approver-clinical
    release.withdraw    SERVICE@sha256:…     from: canary as approver-clinical by mira    to: withdrawn
    gate.exception      SERVICE@sha256:…     to: canary without shadow_days until 2026-10-01T00:00:00.000Z
    governance.approve  governance@sha256:…  to: the policy, canonical JSON
    drill               SERVICE

`Ledger` takes the entries of a chain in order. That nobody has touched these is proved by whoever reads them
(`control.chain_reader`); nothing here is ever read from a row alone.
"""

import copy
import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

import msgspec

from wardgate.domain.admin_tokens import Role
from wardgate.domain.audit import Action, Result, moment
from wardgate.domain.governance import APPROVERS, BUILT_IN, EYES, STEPS, Figure, Policy, above, digest_of, policy_of
from wardgate.domain.outcomes import Mode

READ = frozenset(
    {
        Action.RELEASE_SUBMIT,
        Action.RELEASE_APPROVE,
        Action.RELEASE_WITHDRAW,
        Action.RELEASE_RETIRING,
        Action.RELEASE_RETIRE,
        Action.GATE_EXCEPTION,
        Action.GOVERNANCE_APPROVE,
        Action.DRILL,
    }
)
"""Of all entries, these are kept."""


class _Head(msgspec.Struct):
    what: str
    result: str = Result.DONE


_head = msgspec.json.Decoder(_Head)


def bears(text: str) -> bool:
    """Whether an entry of the chain can change what a Ledger says. One that cannot be read can."""
    try:
        head = _head.decode(text.encode())
    except (msgspec.MsgspecError, UnicodeError):
        return True
    return head.what in READ and head.result == Result.DONE


_STEPS, _ROLES = "|".join(STEPS), "|".join(APPROVERS)
_APPROVED = re.compile(rf"({_STEPS}) as ({_ROLES})")
_WITHDRAWN = re.compile(rf"({_STEPS}) as ({_ROLES}) by (\S+)")
_EXCEPTED = re.compile(rf"({_STEPS}) without ({'|'.join(Figure)}) until ([0-9T:.Z-]{{24}})")
_POLICY = "governance"


def person_of(who: str) -> str:
    """A name is a person's: two of her tokens, and her account on a machine, are she. Of one `mira/0a1b2c3d4e5f`, of
    the other `os:Mira`."""
    return who.removeprefix("os:").partition("/")[0].casefold()


def subject_of(service: str, digest: str) -> str:
    return f"{service}@{digest}"


def policy_subject(digest: str) -> str:
    return f"{_POLICY}@{digest}"


class Entry(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """One entry of the chain, as far as it is read here."""

    number: int
    at: str
    who: str
    what: str
    subject: str
    result: str = Result.DONE
    before: str | None = None
    after: str | None = None


class Approval(msgspec.Struct, frozen=True):
    """It counts for `mode` and whatever is beneath, for good: that its token expired or was revoked later changes
    nothing, an administrator can withdraw it."""

    person: str
    who: str
    role: Role
    mode: Mode
    at: str
    number: int
    """Of the chain's entry."""

    @property
    def state(self) -> str:
        return f"{self.mode} as {self.role}"

    @property
    def holder(self) -> str:
        return f"{self.state} by {self.person}"


class Waiver(msgspec.Struct, frozen=True):
    """That a figure of a step may be missed, until then. It holds once two people have said the same."""

    mode: Mode
    figure: Figure
    until: str
    people: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return len(self.people) >= EYES

    @property
    def state(self) -> str:
        return f"{self.mode} without {self.figure} until {self.until}"


class Charter(msgspec.Struct, frozen=True):
    """Which policy holds. `approved` by these people; nobody for the built-in one."""

    policy: Policy
    digest: str
    approved: tuple[str, ...] = ()


class Withdrawal(msgspec.Struct, frozen=True):
    """The last one of an approval of a release, with what was demanded then: the policy, the releases of the service
    whose risk tiers count, and who was barred. `whole`: nothing that was said lay under a key that is gone."""

    subject: str
    who: str
    policy: Policy
    standing: tuple[str, ...]
    barred: tuple[str, ...]
    whole: bool


class Void(StrEnum):
    """What lies under a key that is not there any more, and nobody has said again since."""

    SUBMITTED = Action.RELEASE_SUBMIT
    APPROVED = Action.RELEASE_APPROVE
    POLICY = Action.GOVERNANCE_APPROVE


class Ledger:
    """Grows with the releases, not with the chain. Never changed once somebody has it: `after` gives another."""

    def __init__(self) -> None:
        self.charter = Charter(BUILT_IN, digest_of(BUILT_IN))
        self._submitted: dict[str, list[str]] = {}
        self._approved: dict[str, dict[tuple[str, Role], Approval]] = {}
        self.withdrawn: dict[str, Withdrawal] = {}
        """By subject."""
        self._excepted: dict[str, dict[str, Waiver]] = {}
        self._retired: set[str] = set()
        self._drilled: dict[str, str] = {}
        self._policies: dict[str, tuple[str, ...]] = {}
        self._void: dict[tuple[Void, str, str], int] = {}
        """By what, subject and person: the number of its entry."""
        self._void_authors: dict[str, list[str]] = {}

    def after(self, entries: Sequence[Entry], void: Collection[int] = ()) -> "Ledger":
        """With what these say besides, in their order. `void`: numbers of those whose seal nobody here can prove, since
        its key is gone: they open nothing, and are told of."""
        ledger = self._copy() if entries else self
        for entry in entries:
            if entry.number in void:
                ledger._take_void(entry)
            else:
                ledger._take(entry)
        return ledger

    def _copy(self) -> "Ledger":
        """As deep as something changes; entries themselves never do."""
        other = copy.copy(self)
        other._submitted = {subject: list(people) for subject, people in self._submitted.items()}
        other._approved = {subject: dict(held) for subject, held in self._approved.items()}
        other.withdrawn = dict(self.withdrawn)
        other._excepted = {subject: dict(held) for subject, held in self._excepted.items()}
        other._retired, other._drilled = set(self._retired), dict(self._drilled)
        other._policies = dict(self._policies)
        other._void = dict(self._void)
        other._void_authors = {subject: list(people) for subject, people in self._void_authors.items()}
        return other

    def _take_void(self, entry: Entry) -> None:
        if entry.result != Result.DONE or entry.what not in [*Void]:
            return
        person = person_of(entry.who)
        self._void[Void(entry.what), entry.subject, person] = entry.number
        if entry.what == Void.SUBMITTED:
            self._void_authors.setdefault(entry.subject, []).append(person)

    def _take(self, entry: Entry) -> None:
        """What was denied, or does not say what such an entry says, changes nothing."""
        if entry.result != Result.DONE:
            return
        if entry.what in [*Void]:
            self._void.pop((Void(entry.what), entry.subject, person_of(entry.who)), None)
        match entry.what:
            case Action.RELEASE_SUBMIT:
                self._submitted.setdefault(entry.subject, []).append(person_of(entry.who))
            case Action.RELEASE_APPROVE:
                self._approve(entry)
            case Action.RELEASE_WITHDRAW:
                self._withdraw(entry)
            case Action.RELEASE_RETIRING if entry.after == "stays":
                self._retired.discard(entry.subject)
            case Action.RELEASE_RETIRING | Action.RELEASE_RETIRE:
                self._retired.add(entry.subject)
            case Action.GATE_EXCEPTION:
                self._except(entry)
            case Action.GOVERNANCE_APPROVE:
                self._govern(entry)
            case Action.DRILL:
                self._drilled[entry.subject.partition("@")[0]] = entry.at

    def authors(self, subject: str) -> tuple[str, ...]:
        """People who submitted it; nobody: it was never."""
        return tuple(dict.fromkeys(self._submitted.get(subject, ())))

    def barred(self, subject: str) -> tuple[str, ...]:
        """Its authors, also those whose submission lies under a key that is gone: what bars somebody counts."""
        return tuple(dict.fromkeys((*self._submitted.get(subject, ()), *self._void_authors.get(subject, ()))))

    def void(self, subject: str = "") -> dict[Void, int]:
        """How many of each kind nobody has said again, of a release that is not retired, or of a policy where none was
        approved since; of all subjects, if none is named."""
        found: dict[Void, int] = {}
        for kind, of, _ in self._void:
            over = self.charter.approved if kind is Void.POLICY else of in self._retired
            over = over or (kind is Void.SUBMITTED and of in self._submitted)
            if not over and subject in ("", of):
                found[kind] = found.get(kind, 0) + 1
        return found

    def standing(self, service: str) -> tuple[str, ...]:
        """Digests of all releases of the service that were submitted and are not retired, under whatever key."""
        known = dict.fromkeys((*self._submitted, *self._void_authors))
        mine = (subject.removeprefix(f"{service}@") for subject in known if subject not in self._retired)
        return tuple(digest for digest in mine if "@" not in digest)

    def retired(self, subject: str) -> bool:
        """Also where that is announced: nothing is raised to it any more."""
        return subject in self._retired

    def approvals(self, subject: str) -> tuple[Approval, ...]:
        """Those that stand, the oldest first."""
        return tuple(sorted(self._approved.get(subject, {}).values(), key=lambda approval: approval.number))

    def waivers(self, subject: str, now: float) -> tuple[Waiver, ...]:
        """Those that have not run out, also such as only one person has asked for."""
        return tuple(each for each in self._excepted.get(subject, {}).values() if each.until > moment(now))

    def drilled(self, service: str) -> float | None:
        """When a rollback was last rehearsed, epoch seconds."""
        at = self._drilled.get(service)
        return None if at is None else instant(at)

    def waiting(self, digest: str) -> tuple[str, ...]:
        """Who has approved a policy that does not hold yet."""
        return self._policies.get(digest, ())

    def _approve(self, entry: Entry) -> None:
        said = _APPROVED.fullmatch(entry.after or "")
        if said is not None:
            person, role = person_of(entry.who), Role(said[2])
            approval = Approval(person, entry.who, role, Mode(said[1]), entry.at, entry.number)
            self._approved.setdefault(entry.subject, {})[person, role] = approval

    def _withdraw(self, entry: Entry) -> None:
        said = _WITHDRAWN.fullmatch(entry.before or "")
        held = None if said is None else self._approved.get(entry.subject, {}).pop((said[3], Role(said[2])), None)
        if held is not None:
            service, void = entry.subject.partition("@")[0], self.void(entry.subject)
            whole = not void and Void.POLICY not in self.void()
            standing, barred = self.standing(service), self.barred(entry.subject)
            policy = self.charter.policy
            self.withdrawn[entry.subject] = Withdrawal(entry.subject, entry.who, policy, standing, barred, whole)

    def _except(self, entry: Entry) -> None:
        said = _EXCEPTED.fullmatch(entry.after or "")
        if said is not None:
            known = self._excepted.setdefault(entry.subject, {})
            before = known.get(said[0])
            people = () if before is None else before.people
            every = tuple(dict.fromkeys((*people, person_of(entry.who))))
            known[said[0]] = Waiver(Mode(said[1]), Figure(said[2]), said[3], every)

    def _govern(self, entry: Entry) -> None:
        """Whoever goes back to an earlier policy needs two people for that, too: approvals before the one that holds
        are over."""
        text = entry.after or ""
        digest = "sha256:" + sha256(text.encode()).hexdigest()
        try:
            policy = policy_of(text)
        except ValueError:
            return
        if entry.subject != policy_subject(digest) or digest == self.charter.digest:
            return
        people = tuple(dict.fromkeys((*self._policies.get(digest, ()), person_of(entry.who))))
        self._policies[digest] = people
        if len(people) >= EYES:
            self.charter, self._policies = Charter(policy, digest, people), {}


def instant(at: str) -> float:
    """Epoch seconds of a moment of the chain."""
    return datetime.fromisoformat(at).timestamp()


def highest(approvals: Iterable[Approval]) -> Mode:
    """The highest mode that anybody approved; off: none."""
    mode = Mode.OFF
    for approval in approvals:
        mode = approval.mode if above(approval.mode, mode) else mode
    return mode
