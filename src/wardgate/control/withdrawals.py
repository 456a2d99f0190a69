"""What an approval that is taken back takes out of sight (law 2): in the same step, and where that died half way, by
whoever watches next. It only lowers, and never because something cannot be read.
"""

from collections.abc import Callable

import msgspec

from wardgate.control.approvals import ApprovalDesk
from wardgate.control.askers import Asker, ChangeRefused, Why
from wardgate.control.audit import AuditUnavailable
from wardgate.control.chain_reader import ChainBroken, ChainReader
from wardgate.control.gates import Facts
from wardgate.control.permits import Grounds
from wardgate.control.ports import StoreUnavailable
from wardgate.control.settling import Asked, Changed, Settling
from wardgate.control.transitions import with_rollout
from wardgate.domain.approvals import Approval, Entry, Ledger, Void, Withdrawal, subject_of
from wardgate.domain.audit import Action
from wardgate.domain.gates import Said, approval_lines
from wardgate.domain.governance import Policy, above, asked_for, higher_tier, steps_to
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.rollouts import Rollout, Snapshot

REASON = "approval_withdrawn"


class Fall(msgspec.Struct, frozen=True):
    """What comes down of a service, and whose withdrawal it is."""

    service: str
    before: Rollout
    after: Rollout
    who: str

    @property
    def lines(self) -> tuple[str, ...]:
        """For a person."""
        told = []
        if self.after.mode is not self.before.mode:
            told.append(f"{self.service}: {self.before.mode} → {self.after.mode}")
        if self.after.challenger != self.before.challenger:
            told.append(f"{self.service}: the challenger goes, its cohort gets the champion")
        if self.after.preview != self.before.preview:
            told.append(f"{self.service}: no previews any more")
        return tuple(told)


class Withdrawn(msgspec.Struct, frozen=True):
    """`fall` None: what is shown is as it was. `changed` None: it came down by somebody else's hand, or `trouble` says
    why it has not yet."""

    taken: tuple[Approval, ...]
    fall: Fall | None = None
    changed: Changed | None = None
    trouble: str = ""


class Withdrawals:
    """Blocking, thread-safe. `newest`: what is decided now; raises StoreUnavailable."""

    def __init__(
        self,
        desk: ApprovalDesk,
        reader: ChainReader,
        facts: Facts,
        newest: Callable[[], Snapshot],
        settling: Settling,
        insecure_demo: Callable[[], bool],
    ) -> None:
        self._desk, self._reader, self._facts, self._newest = desk, reader, facts, newest
        self._settling, self._insecure_demo = settling, insecure_demo

    def would(self, asker: Asker, service: str, digest: str, person: str = "") -> Withdrawn:
        """Changes nothing. Raises what `ApprovalDesk.withdraw` does, and StoreUnavailable."""
        held, subject = self._desk.withdrawable(asker, service, digest, person), subject_of(service, digest)
        said = [
            Entry(0, "", asker.who, Action.RELEASE_WITHDRAW, subject, before=each.holder, after="withdrawn")
            for each in held
        ]
        rollout = self._newest().rollouts.get(service)
        ledger = self._reader.read().after(said)
        return Withdrawn(held, None if rollout is None else self._fall(ledger, service, rollout, digest))

    def withdraw(self, asker: Asker, service: str, digest: str, person: str = "") -> Withdrawn:
        """The withdrawal stands first. Raises what `ApprovalDesk.withdraw` does."""
        taken = self._desk.withdraw(asker, service, digest, person)
        try:
            rollout = self._newest().rollouts.get(service)
            fall = None if rollout is None else self._fall(self._reader.read(), service, rollout, digest)
            if fall is None:
                return Withdrawn(taken)
            return Withdrawn(taken, fall, self._lower(service, digest, asker))
        except (AuditUnavailable, ChainBroken, StoreUnavailable) as error:
            return Withdrawn(taken, trouble=error.meaning)
        except ChangeRefused as refused:
            return Withdrawn(taken, trouble="" if refused.why is Why.NOTHING else refused.what)

    def look(self) -> tuple[Fall, ...]:
        """Lowers what a withdrawal has left in sight; what cannot be read or written now, the next look does."""
        if self._insecure_demo():
            return ()
        try:
            ledger = self._reader.read()
            falls = self._left(ledger, self._newest()) if ledger.withdrawn else []
        except (AuditUnavailable, ChainBroken, StoreUnavailable):
            return ()
        return tuple(fall for fall in falls if self._lowered(fall))

    # --- beneath

    def _left(self, ledger: Ledger, snapshot: Snapshot) -> list[Fall]:
        falls = (self._fall(ledger, service, rollout) for service, rollout in snapshot.rollouts.items())
        return [fall for fall in falls if fall is not None]

    def _lowered(self, fall: Fall) -> bool:
        try:
            self._lower(fall.service, None, Asker(who=fall.who, roles=frozenset()))
        except (AuditUnavailable, ChainBroken, ChangeRefused, StoreUnavailable):
            return False
        return True

    def _lower(self, service: str, digest: str | None, asker: Asker) -> Changed:
        """No ceiling stands for it meanwhile: the chain, which has the withdrawal, is in the store that this needs."""
        asker = msgspec.structs.replace(asker, reason=REASON)

        def make(before: Snapshot) -> Snapshot:
            rollout = before.rollouts.get(service)
            fall = None if rollout is None else self._fall(self._reader.read(), service, rollout, digest)
            if fall is None:
                raise ChangeRefused(Why.NOTHING, "It came down already.")
            return with_rollout(before, service, fall.after, insecure_demo=False)

        return self._settling.settle(Asked(asker, Action.ROLLOUT_CHANGE, service, make, _never))

    def _fall(self, ledger: Ledger, service: str, rollout: Rollout, digest: str | None = None) -> Fall | None:
        """`digest`: that an approval of was withdrawn just now; None: of whichever, which somebody left."""
        if self._insecure_demo() or rollout.unapproved:  # that comes down by itself: `control.beginning`
            return None
        after, who = rollout, ""
        for release in rollout.answering:
            step = _shown(rollout, release)
            taken = ledger.withdrawn.get(subject_of(service, release))
            just_now = release == digest
            if step is None or taken is None or not (just_now or digest is None and _is_whole(ledger, taken)):
                continue
            left = self._carried(ledger, service, rollout, release, step, taken)
            if left is None or left is step:
                continue
            who = who or taken.who
            after = _without(after, release, left)
        return None if after == rollout else Fall(service, rollout, after, who)

    def _carried(
        self, ledger: Ledger, service: str, rollout: Rollout, digest: str, step: Mode, taken: Withdrawal
    ) -> Mode | None:
        """The highest mode, up to `step`, that the approvals which stand now carry: as things are now, or were when the
        other was withdrawn. What became stricter since takes nothing out of sight. None: nobody can tell."""
        facts = self._facts(service, digest)
        if facts is None:
            return None
        approvals, subject = ledger.approvals(taken.subject), taken.subject
        terms = (
            (ledger.charter.policy, ledger.standing(service), ledger.barred(subject)),
            (taken.policy, taken.standing, taken.barred),
        )
        found = Mode.OFF
        for policy, standing, barred in terms:
            others = (self._facts(service, each) for each in sorted({*standing, rollout.champion} - {digest}))
            tier = higher_tier(facts.tier, *(other.tier for other in others if other is not None))
            carried = _highest(policy, tier, step, Said(barred, approvals))
            found = carried if above(carried, found) else found
        return found


def _highest(policy: Policy, tier: str, step: Mode, said: Said) -> Mode:
    for mode in reversed(steps_to(step)):
        if all(line.holds for line in approval_lines(asked_for(policy, tier, mode), mode, said)):
            return mode
    return Mode.OFF


def _shown(rollout: Rollout, release: str) -> Mode | None:
    """At which step somebody may see its cards; None: nobody may."""
    if release != rollout.champion:
        return Mode.CANARY if rollout.mode is Mode.ACTIVE else None
    if rollout.mode is Mode.SILENT:
        return Mode.SILENT if rollout.preview else None
    return rollout.mode if above(rollout.mode, Mode.SILENT) else None


def _without(rollout: Rollout, release: str, left: Mode) -> Rollout:
    """A challenger goes; a champion comes down to what is left, at the lowest to silent, where nobody sees it once
    there are no previews."""
    if release != rollout.champion:
        return msgspec.structs.replace(rollout, challenger=None)
    if above(Mode.SILENT, left):
        return msgspec.structs.replace(rollout, mode=Mode.SILENT, preview=frozenset())
    return msgspec.structs.replace(rollout, mode=left)


def _is_whole(ledger: Ledger, taken: Withdrawal) -> bool:
    """Not where something lies under a key that is gone: that is an operator's mistake, and must not blind a ward."""
    return taken.whole and not ledger.void(taken.subject) and Void.POLICY not in ledger.void()


def _never(before: Snapshot, after: Snapshot) -> Grounds:
    raise ChangeRefused(Why.INVALID, "A withdrawal never shows more.")
