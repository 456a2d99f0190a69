"""Everything that changes what is decided, whoever asks for it: the admin API, a terminal, a reload.

    ask ─► newest snapshot ─► what it would be ─► does anybody see more? (raises)
         no   a lowering: hot copy first, then the durable store and, in one transaction, the audit chain
         yes  a raise: may she? do the gates pass? ─► durable store and audit chain, in one ─► hot copy

A lowering needs no store: while the durable one is away it is a ceiling, which replicas obey at once (law 3).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from wardgate.control.askers import Asker, ChangeRefused, Why
from wardgate.control.audit import AuditTrail
from wardgate.control.decided import Decided, etag_of
from wardgate.control.decisions import Past
from wardgate.control.patience import Patience
from wardgate.control.permits import Gates, Grounds, Permits
from wardgate.control.ports import OLDER, StoreUnavailable
from wardgate.control.settling import Asked, Changed, Settling, Would, away
from wardgate.control.transitions import (
    following,
    held_down,
    of,
    only,
    own,
    rolled_back,
    services_under,
    shown_more,
    subject_of,
    with_rollout,
)
from wardgate.domain.admin_tokens import Role
from wardgate.domain.audit import Action
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.assignment import mode_in_force
from wardgate.domain.rollout.ceilings import with_ceilings
from wardgate.domain.rollout.modes import is_lower
from wardgate.domain.rollout.rollouts import Ceiling, Rollout, Scope, Snapshot
from wardgate.domain.rollout.visibility import raises

Wanted = Mapping[str, object]
"""Fields of a Rollout, by name."""
Prove = Callable[[str, str], str | None]
"""Of a service and a release: why its endpoint does not prove that it runs it; None: it does."""


@dataclass(frozen=True, slots=True)
class ChangeOptions:
    champion_within: float = 30 * 86400.0
    """Seconds in which a release was champion, for an operator to return to it."""
    past: int = 500
    """Changes that are looked at for it."""
    glance: float = 2.0
    """Seconds for what is told beside what is decided."""


class RolloutDesk:
    """Blocking, thread-safe: in no loop. Everything raises ChangeRefused."""

    def __init__(
        self,
        decided: Decided,
        gates: Gates,
        trail: AuditTrail,
        prove: Prove,
        now: Callable[[], float],
        new_id: Callable[[], str],
        insecure_demo: Callable[[], bool],
        put_back_within: Callable[[], float],
        options: ChangeOptions | None = None,
    ) -> None:
        self._decided, self._prove, self._now, self._new_id = decided, prove, now, new_id
        self.permits = self._permits = Permits(gates, trail, now, insecure_demo, put_back_within, self._knows)
        self.settling = self._settling = Settling(decided, trail, self._permits, now)
        self._options, self._insecure_demo, self._patience = options or ChangeOptions(), insecure_demo, Patience(4)

    # --- looking

    def newest(self) -> Snapshot:
        try:
            return self._decided.newest()
        except StoreUnavailable as error:
            raise away(error) from None

    def seen(self) -> tuple[Snapshot, bool]:
        """What is decided, every ceiling included, and whether the durable store says so; while that is away, as this
        process goes by it."""
        try:
            return with_ceilings(self._decided.newest(hurry=True), self._decided.side()), True
        except StoreUnavailable as error:
            last = self._decided.last_seen()
            if last is None:
                raise away(error) from None
            return with_ceilings(last, self._decided.side()), False

    def beyond(self, epoch: int) -> int:
        """The epoch that replicas have seen, where the durable store, which has this one, is older: it was emptied,
        moved away or put back. 0: it is not, or nobody can tell."""
        try:
            seen = self._decided.seen(hurry=True)
            return seen if seen > epoch and self._decided.newest(hurry=True).epoch < seen else 0
        except StoreUnavailable:
            return 0

    def in_force(self, snapshot: Snapshot) -> dict[str, Mode]:
        """By service, what expiry and kill switches leave of its mode now."""
        return {name: mode_in_force(snapshot, name, self._now()) for name in snapshot.rollouts}

    def unapproved(self, snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
        """By service: approvals that what is shown takes, and has not, or not any more. A stricter policy and
        a key that is gone take nothing out of sight; a withdrawal does (`control.withdrawals`). Nothing where that
        cannot be read at once."""
        modes = self.in_force(snapshot)

        def look() -> dict[str, tuple[str, ...]]:
            told = {name: self.permits.unapproved(name, each, modes[name]) for name, each in snapshot.rollouts.items()}
            return {name: lines for name, lines in told.items() if lines}

        try:
            return self._patience.ask(look, self._options.glance)
        except StoreUnavailable:
            return {}

    def rollout(self, service: str) -> tuple[Rollout, str]:
        """With its ETag."""
        try:
            newest = self._decided.newest()
        except StoreUnavailable as error:
            raise away(error, "What was decided cannot be read") from None
        if service not in newest.rollouts and self.beyond(newest.epoch):
            raise ChangeRefused(
                Why.STORE, f"The durable store does not have it: {OLDER}.", "`wardgate rollout show` tells more."
            )
        rollout = of(newest, service)
        return rollout, etag_of(rollout)

    def past(self, service: str, most: int = 50) -> list[Past]:
        """What was decided of a service, the newest first; what changed something else is left out."""
        try:
            return own(list(self._decided.past(service, self._options.past)))[:most]
        except StoreUnavailable as error:
            raise away(error, "What was decided cannot be read") from None

    def changed_at(self, epoch: int) -> float:
        """When the snapshot of this epoch was made; epoch seconds."""
        try:
            for number, change in self._decided.changes(self._options.past):
                if number == epoch:
                    return change.at
        except StoreUnavailable as error:
            raise away(error) from None
        raise ChangeRefused(Why.UNKNOWN, "There is no such snapshot.", "`wardgate rollout history` shows what was.")

    # --- changing

    def change(self, asker: Asker, service: str, wanted: Wanted, if_match: str | None = None) -> Changed:
        """`wanted` replaces these fields of the Rollout."""
        return self._settling.settle(self._change(asker, service, wanted, if_match))

    def would(self, asker: Asker, service: str, wanted: Wanted, if_match: str | None = None) -> Would:
        return self._settling.would(self._change(asker, service, wanted, if_match))

    def _change(self, asker: Asker, service: str, wanted: Wanted, if_match: str | None) -> Asked:
        self._permits.may(
            asker, Role.OPERATOR, Role.ADMIN, what=Action.ROLLOUT_CHANGE, subject=service, service=service
        )

        def make(before: Snapshot) -> Snapshot:
            rollout = of(before, service)
            if if_match is not None and if_match != etag_of(rollout):
                raise ChangeRefused(Why.STALE, "The rollout was changed meanwhile.", "Look at it, and ask again.")
            return with_rollout(before, service, msgspec.structs.replace(rollout, **wanted), self._insecure_demo())

        def permit(before: Snapshot, after: Snapshot) -> Grounds:
            if if_match is None:
                what = "A raise names the state that it raises from."
                raise ChangeRefused(Why.UNCONDITIONAL, what, "Send If-Match with the ETag of the rollout.")
            return self._permits.raised_by(asker, before, after, [service])

        def lowering(before: Snapshot | None) -> Ceiling | None:
            mode = wanted.get("mode")
            if not isinstance(mode, Mode) or (before is None and mode not in (Mode.OFF, Mode.SHADOW)):
                return None
            if before is not None and not is_lower(mode, of(before, service).mode):
                return None
            return self._ceiling(asker, Scope.SERVICE, service, mode)

        return Asked(asker, Action.ROLLOUT_CHANGE, service, make, permit, lowering)

    def kill(self, asker: Asker, scope: Scope, name: str = "", mode: Mode = Mode.OFF) -> Changed:
        """Nothing beyond `mode` there, from now on until it is lifted."""
        return self._settling.settle(self._kill(asker, scope, name, mode))

    def would_kill(self, asker: Asker, scope: Scope, name: str = "", mode: Mode = Mode.OFF) -> Would:
        return self._settling.would(self._kill(asker, scope, name, mode))

    def _kill(self, asker: Asker, scope: Scope, name: str, mode: Mode) -> Asked:
        subject = subject_of(scope, name)
        service = name if scope is Scope.SERVICE else None
        self._permits.may(asker, Role.OPERATOR, Role.ADMIN, what=Action.KILL, subject=subject, service=service)
        ceiling = self._ceiling(asker, scope, name, mode)

        def make(before: Snapshot) -> Snapshot:
            if before.epoch and scope is Scope.SERVICE:
                of(before, name)
            return following(before, ceilings=(*before.ceilings, ceiling))

        return Asked(asker, Action.KILL, subject, make, _never, lambda before: ceiling)

    def lift(self, asker: Asker, ceiling_id: str) -> Changed:
        """A raise. An operator who did not set it may, within the hours in which things are put back."""
        known = (*self.newest().ceilings, *self._decided.side())
        ceiling = next((each for each in known if each.id == ceiling_id), None)
        if ceiling is None:
            raise ChangeRefused(Why.NOTHING, "There is no such kill switch.", "`wardgate kill list` shows them.")
        subject = subject_of(ceiling.scope, ceiling.name)
        service = ceiling.name if ceiling.scope is Scope.SERVICE else None
        self._permits.may(asker, Role.OPERATOR, Role.ADMIN, what=Action.KILL_LIFT, subject=subject, service=service)

        def make(before: Snapshot) -> Snapshot:
            left = tuple(each for each in before.ceilings if each.id != ceiling_id)
            return following(before, {ceiling_id}, ceilings=left)

        def permit(before: Snapshot, after: Snapshot) -> Grounds:
            taken = ceiling.set_by, ceiling.set_at
            return self._given_back(asker, taken, before, after, services_under(after, ceiling))

        # a raise also where another one stands over the same: else it is lifted for nothing, and then the other one,
        # which somebody has set just now, by a second person
        raised = ("ceiling_lifted",)
        return self._settling.settle(Asked(asker, Action.KILL_LIFT, subject, make, permit, raised=raised))

    def rollback_target(self, service: str, to: str | None = None) -> Rollout:
        """What a rollback would make of the service: the release before this one, or the one that is named by its
        digest, at no higher a mode than now. Asks nobody."""
        return rolled_back(of(self.newest(), service), self.past(service, self._options.past), to)

    def rollback(self, asker: Asker, service: str, to: str | None = None) -> Changed:
        """To a release that was champion: with it comes the whole configuration that its digest covers."""
        self._permits.may(asker, Role.OPERATOR, Role.ADMIN, what=Action.ROLLBACK, subject=service, service=service)
        target = self.rollback_target(service, to)
        trouble = self._prove(service, target.champion)
        if trouble is not None:
            raise ChangeRefused(
                Why.PROOF,
                f"The endpoint of that release does not prove that it runs it: {trouble}.",
                f"Take the service out of sight with `wardgate kill service {service}`.",
            )

        def make(before: Snapshot) -> Snapshot:
            rollout = of(before, service)
            past = self.past(service, self._options.past)
            return with_rollout(before, service, rolled_back(rollout, past, target.champion), self._insecure_demo())

        def permit(before: Snapshot, after: Snapshot) -> Grounds:
            rollout = after.rollouts[service]
            if self._was_champion(service, rollout):
                return self._permits.still_approved(after, [service])
            return self._permits.raised_by(asker, before, after, [service])

        return self._settling.settle(Asked(asker, Action.ROLLBACK, service, make, permit))

    def put_back(self, asker: Asker, service: str) -> Changed:
        """Exactly what the last change took down: by a second person, while that is fresh."""
        self._permits.may(asker, Role.OPERATOR, Role.ADMIN, what=Action.PUT_BACK, subject=service, service=service)
        of(self.newest(), service)
        past = self.past(service, 2)
        if len(past) < 2 or not raises(only(service, past[0].rollout), only(service, past[1].rollout)):
            raise ChangeRefused(Why.NOTHING, "The last change took nothing down.", "Ask for a change instead.")
        if raises(only(service, past[1].rollout), only(service, past[0].rollout)):
            raise ChangeRefused(Why.NOTHING, "The last change did more than take something down.", "Ask for a change.")
        trouble = self._permits.not_put_back(asker, past[0].change.by, past[0].change.at)
        if trouble is not None:
            raise self._permits.denied(asker, Action.PUT_BACK, service, trouble[1], trouble[0])

        def make(before: Snapshot) -> Snapshot:
            if of(before, service) != past[0].rollout:
                raise ChangeRefused(Why.STALE, "The rollout was changed meanwhile.", "Look at it, and ask again.")
            return with_rollout(before, service, past[1].rollout, self._insecure_demo())

        def permit(before: Snapshot, after: Snapshot) -> Grounds:
            return self._permits.still_approved(after, [service])

        return self._settling.settle(Asked(asker, Action.PUT_BACK, service, make, permit))

    def isolate(self, asker: Asker, service: str, version: str, away: bool) -> Changed:
        """Away: no call reaches the endpoint of this release, whatever its circuit says. Back is a raise: a second
        person's within the hours in which things are put back, else an admin's where all gates pass."""
        what = Action.CIRCUIT_ISOLATE if away else Action.CIRCUIT_CLOSE
        subject = f"{service}/{version}"
        self._permits.may(asker, Role.OPERATOR, Role.ADMIN, what=what, subject=subject, service=service)
        circuit = (service, version)

        def make(before: Snapshot) -> Snapshot:
            return following(before, isolated=before.isolated | {circuit} if away else before.isolated - {circuit})

        def permit(before: Snapshot, after: Snapshot) -> Grounds:
            if circuit not in before.isolated:
                return Grounds("")
            return self._given_back(asker, self._taken(subject), before, after, [service])

        raised = () if away else ("isolated",)
        return self._settling.settle(Asked(asker, what, subject, make, permit, raised=raised))

    def confirm(self, asker: Asker, above: int, more: bool = False) -> Changed:
        """A person has looked at a store that is older than what replicas have seen, and it shall hold: its newest
        snapshot once more, as one beyond all that they have seen (`above`). Kill switches and isolated circuits that it
        has lost stay; whatever else shows more than this process showed last needs `more`."""
        self._permits.may(asker, Role.ADMIN, what=Action.SNAPSHOT_CONFIRM, subject="snapshot")

        def make(before: Snapshot) -> Snapshot:
            epoch = max(above, before.epoch, self._decided.seen()) + 1
            return msgspec.structs.replace(held_down(before, self._lost(before)), epoch=epoch, confirmed=epoch)

        def permit(before: Snapshot, after: Snapshot) -> Grounds:
            lost = self._lost(before)
            shown = () if more or lost is None else shown_more(lost, after)
            if shown:
                what = "Nothing was changed: this store says that users see more than they saw before it was put back."
                remedy = "Put the right store back; or confirm it with --more, and lower what should be lower."
                raise ChangeRefused(Why.MORE, what, remedy, shown)
            return Grounds("")

        asked = Asked(asker, Action.SNAPSHOT_CONFIRM, "snapshot", make, permit, raised=("confirmed",))
        return self._settling.settle(asked)

    def _knows(self, service: str) -> bool:
        seen = self._decided.last_seen()
        return seen is not None and service in seen.rollouts

    def _lost(self, before: Snapshot) -> Snapshot | None:
        """By what this process went last, where the store's history does not have it."""
        seen = self._decided.last_seen()
        if seen is None or (seen.epoch <= before.epoch and self._decided.at(seen.epoch) == seen):
            return None
        return seen

    def _taken(self, circuit: str) -> tuple[str, float]:
        """Who has taken it out of use, and when; nobody, long ago, where that is not known any more."""
        for _, change in self._decided.changes(self._options.past):
            if change.what == Action.CIRCUIT_ISOLATE and change.subject == circuit:
                return change.by, change.at
        return "", 0.0

    def _given_back(
        self, asker: Asker, taken: tuple[str, float], before: Snapshot, after: Snapshot, services: Sequence[str]
    ) -> Grounds:
        """Raises ChangeRefused where neither a second person gives back what was taken, nor an admin raises."""
        trouble = self._permits.not_put_back(asker, *taken)
        if trouble is None:
            return self._permits.still_approved(after, services)
        if Role.ADMIN not in asker.roles:
            raise ChangeRefused(Why.ROLE, trouble[1], "Or an admin does, where all gates pass.")
        return self._permits.raised_by(asker, before, after, services)

    def _ceiling(self, asker: Asker, scope: Scope, name: str, mode: Mode) -> Ceiling:
        return Ceiling(self._new_id(), scope, name, mode, self._now(), asker.who, asker.reason)

    def _was_champion(self, service: str, wanted: Rollout) -> bool:
        """At the same or a higher mode, at some time within the days that count."""
        until, oldest = self._now(), self._now() - self._options.champion_within
        for past in self.past(service, self._options.past):
            if until < oldest:
                return False
            if past.rollout.champion == wanted.champion and not is_lower(past.rollout.mode, wanted.mode):
                return True
            until = past.change.at
        return False


def _never(before: Snapshot, after: Snapshot) -> Grounds:
    raise ChangeRefused(Why.INVALID, "A kill switch never shows more.")
