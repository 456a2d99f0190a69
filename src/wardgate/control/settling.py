"""How a change comes to stand: in which order it is written where, and what is told."""

from collections.abc import Callable
from contextlib import suppress

import msgspec

from wardgate.control.askers import CODES, NO_REASON, Asker, ChangeRefused, Why
from wardgate.control.audit import AuditTrail, AuditUnavailable
from wardgate.control.decided import Decided, told
from wardgate.control.permits import Grounds, Permits
from wardgate.control.ports import Change, Overtaken, StoreUnavailable, WriteUnsure
from wardgate.control.transitions import subject_of
from wardgate.domain.audit import LONGEST, Action, Deed
from wardgate.domain.rollout.rollouts import Ceiling, Snapshot
from wardgate.domain.rollout.visibility import raises

_TRIES = 8


class Changed(msgspec.Struct, frozen=True):
    """`epoch` is that of the snapshot that has the change, None while the durable store is away and a ceiling stands
    for it. `raised` says why it was a raise; empty: nobody sees more."""

    epoch: int | None
    before: Snapshot | None
    after: Snapshot | None
    ceiling: Ceiling | None = None
    raised: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    """Where no epoch has it: who has heard of the ceiling, `here` or `shared`."""
    trouble: str = ""
    """And why the durable store does not have it: a sentence."""


def _none(before: Snapshot | None) -> Ceiling | None:
    return None


class Asked(msgspec.Struct, frozen=True):
    """One change, as far as it is the same for all of them. `make` says what it makes of a snapshot, `permit` raises
    ChangeRefused where a raise may not be. `lowering` is what stands for it at once, and without a store; of what is
    known of the snapshot before. `raised`: what is known to be a raise, or none, without looking."""

    asker: Asker
    what: Action
    subject: str
    make: Callable[[Snapshot], Snapshot]
    permit: Callable[[Snapshot, Snapshot], Grounds]
    lowering: Callable[[Snapshot | None], Ceiling | None] = _none
    raised: tuple[str, ...] | None = None


class Would(msgspec.Struct, frozen=True):
    """What a change would do. `refused` is None where it would be done."""

    before: Snapshot
    after: Snapshot
    raised: tuple[str, ...]
    refused: ChangeRefused | None


class Settling:
    """Blocking, thread-safe."""

    def __init__(self, decided: Decided, trail: AuditTrail, permits: Permits, now: Callable[[], float]) -> None:
        self._decided, self._trail, self._permits, self._now = decided, trail, permits, now

    def settle(self, asked: Asked) -> Changed:
        """Raises ChangeRefused."""
        self._takes(asked)
        stands, ceiling = asked.lowering(self._decided.last_seen()), None
        heard: dict[str, tuple[str, ...]] = {}
        hurry = stands is not None
        try:
            for _ in range(_TRIES):
                before = self._decided.newest(hurry)
                if not hurry and asked.what is not Action.SNAPSHOT_CONFIRM:
                    self._decided.must_follow(before)
                after = asked.make(before)
                why = _why(asked, before, after)
                if why:
                    return self._raise(asked, before, after, why)
                ceiling = ceiling or asked.lowering(before)
                done = self._lower(asked, before, after, ceiling, heard, hurry)
                if done is not None:
                    return done
        except StoreUnavailable as error:
            return self._without_store(asked, ceiling or stands, heard, error)
        raise ChangeRefused(Why.STALE, "Others change the rollout all the time.", "Ask again.")

    def would(self, asked: Asked) -> Would:
        """Changes nothing, and denies nobody. Raises ChangeRefused for what cannot even be tried."""
        self._takes(asked)
        try:
            before = self._decided.newest()
            after = asked.make(before)
            why = _why(asked, before, after)
            try:
                if why:
                    asked.permit(before, after)
            except ChangeRefused as refused:
                return Would(before, after, why, refused)
        except StoreUnavailable as error:
            raise away(error) from None
        return Would(before, after, why, None)

    def _lower(
        self,
        asked: Asked,
        before: Snapshot,
        after: Snapshot,
        ceiling: Ceiling | None,
        heard: dict[str, tuple[str, ...]],
        hurry: bool,
    ) -> Changed | None:
        """None: somebody else was first. What stands for it at once is over as soon as the snapshot says the same.
        `heard` comes to say who has heard of the ceiling, by its id."""
        stands = ceiling in after.ceilings
        if ceiling is not None and ceiling.id not in heard:
            heard[ceiling.id] = self._decided.lower(ceiling)
        if ceiling is not None and heard[ceiling.id] and not stands:
            after = msgspec.structs.replace(after, lifted=after.lifted | {ceiling.id})
        if hurry:  # only now: nothing holds up a lowering
            self._decided.must_follow(before, hurry)
        told = self._trail.entry(_deed(asked, before, after), asked.asker.remark, lowers=True)
        if not self._decided.write(after, self._change(asked), [told], hurry):
            return None
        return Changed(after.epoch, before, after, ceiling if stands else None)

    def _raise(self, asked: Asked, before: Snapshot, after: Snapshot, why: tuple[str, ...]) -> Changed:
        """Judged anew where something was chained meanwhile by which it might be judged otherwise."""
        for _ in range(_TRIES):
            with suppress(Overtaken):
                return self._raised(asked, before, after, why)
        self._permits.keep_denial(asked.asker, asked.what, asked.subject, Why.STALE)
        what = "Each time it was about to be done, something new was said of approvals, policies or releases."
        raise ChangeRefused(Why.STALE, what, "Look at `wardgate gate`, and ask again.")

    def _raised(self, asked: Asked, before: Snapshot, after: Snapshot, why: tuple[str, ...]) -> Changed:
        """Raises Overtaken."""
        judged = self._chained()  # first: what comes from now on may be seen or not, and the store does not let it pass
        try:
            grounds = asked.permit(before, after)
        except ChangeRefused as refused:
            self._permits.keep_denial(asked.asker, asked.what, asked.subject, refused.why)
            raise
        if not asked.asker.reason:
            raise ChangeRefused(Why.REASON, *NO_REASON, codes=CODES)
        deed = msgspec.structs.replace(_deed(asked, before, after), grounds=grounds.said or None)
        try:
            told = self._trail.entry(deed, asked.asker.remark)
        except AuditUnavailable as error:
            what = f"Nothing was changed, since it cannot be audited: {error.meaning}."
            raise ChangeRefused(Why.STORE, what, "Ask again when the store is there.") from None
        if not grounds.services:
            judged = None  # it stands on nobody's approval
        elif judged is None:
            raise away(StoreUnavailable("the audit chain did not answer"))
        if self._decided.write(after, self._change(asked), [told], judged=judged):
            return Changed(after.epoch, before, after, raised=why)
        self._permits.keep_denial(asked.asker, asked.what, asked.subject, Why.STALE)
        raise ChangeRefused(Why.STALE, "Somebody else was first.", "Look at the rollout, and ask again.")

    def _chained(self) -> int | None:
        """The number of the chain's last entry; None: it is away."""
        try:
            return self._trail.store.last().number
        except AuditUnavailable:
            return None

    def _without_store(
        self, asked: Asked, ceiling: Ceiling | None, heard: dict[str, tuple[str, ...]], error: StoreUnavailable
    ) -> Changed:
        told = () if ceiling is None else heard.get(ceiling.id) or self._decided.lower(ceiling)
        if not told:
            raise away(error)
        self._trail.keep(_deed(asked, None, None, ceiling), asked.asker.remark)
        return Changed(None, None, None, ceiling, told=told, trouble=error.meaning)

    def _takes(self, asked: Asked) -> None:
        try:
            self._trail.check(_deed(asked, None, None))
        except ValueError:
            what = "The audit chain does not take such a name, reason or ticket."
            remedy = "A reason is a code such as alert_rate; a ticket has letters, digits and . _ / # -."
            raise ChangeRefused(Why.INVALID, what, remedy) from None

    def _change(self, asked: Asked) -> Change:
        asker = asked.asker
        return Change(self._now(), asker.who, asked.what.value, asked.subject, asker.reason, asker.ticket)


def _why(asked: Asked, before: Snapshot, after: Snapshot) -> tuple[str, ...]:
    """Why it is a raise. One more release in shadow shows nobody anything, and sends features to one more endpoint:
    that is gated as well."""
    if asked.raised is not None:
        return asked.raised
    seen = {name: frozenset(rollout.releases) for name, rollout in before.rollouts.items()}
    more = any(not seen.get(name, frozenset()).issuperset(each.shadows) for name, each in after.rollouts.items())
    return (*raises(before, after), *(("shadow",) if more else ()))


def away(error: StoreUnavailable, so: str = "Nothing was changed") -> ChangeRefused:
    if isinstance(error, WriteUnsure):
        what = f"The durable store was told, and has not answered: {error.meaning}."
        remedy = (
            "Look at `wardgate rollout show` once it is there: what was asked for may be in force then. A kill works."
        )
        return ChangeRefused(Why.UNSURE, what, remedy)
    what = f"{so}: {error.meaning}."
    return ChangeRefused(Why.STORE, what, "Lower a mode, or kill: that works without the durable store.")


def _deed(asked: Asked, before: Snapshot | None, after: Snapshot | None, ceiling: Ceiling | None = None) -> Deed:
    asker = asked.asker
    stands = None if ceiling is None else f"at most {ceiling.mode.value}, while the durable store is away"
    return Deed(
        who=asker.who,
        what=asked.what,
        subject=asked.subject,
        before=None if before is None else _told(before, asked.subject),
        after=stands if after is None else _told(after, asked.subject),
        reason=asker.reason,
        ticket=asker.ticket,
    )


def _told(snapshot: Snapshot, subject: str) -> str:
    """The rollout of that service; of other subjects, what stands above the rollouts."""
    if subject in snapshot.rollouts:
        return told(snapshot.rollouts[subject])[:LONGEST]
    lines = [f"{subject_of(each.scope, each.name)} at most {each.mode.value}" for each in snapshot.ceilings]
    lines += [f"{service}/{version} isolated" for service, version in sorted(snapshot.isolated)]
    lines += [f"replica {replica} forgotten" for replica in sorted(snapshot.forgotten)]
    return "; ".join(lines)[:LONGEST]
