"""A rollback and a kill rehearsed on the running system, without harm: everything that they need is used, and what
anybody sees stays as it is.

    the release that a rollback returns to   its endpoint is proven now
    hot copy                                 takes a ceiling that holds nothing down
    durable store                            takes a snapshot that says what the one before it said, and tells the chain
    replicas                                 confirm it
    audit chain                              takes what came of it
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from wardgate.control.askers import Asker, ChangeRefused, Why
from wardgate.control.audit import AuditTrail, AuditUnavailable, Happened
from wardgate.control.changes import Prove, RolloutDesk
from wardgate.control.confirmation import Effect
from wardgate.control.decided import Decided
from wardgate.control.permits import Permits
from wardgate.control.ports import Change, StoreUnavailable
from wardgate.control.transitions import following, of
from wardgate.domain.admin_tokens import Role
from wardgate.domain.audit import LONGEST, Action, Deed, Result
from wardgate.domain.outcomes import Mode
from wardgate.domain.releases import short
from wardgate.domain.rollout.rollouts import Ceiling, Scope

_TRIES = 8


@dataclass(frozen=True, slots=True)
class DrillOptions:
    wait: float = 15.0
    """Seconds for the replicas to confirm it."""
    poll: float = 0.05


class Step(msgspec.Struct, frozen=True):
    """`took` in seconds; `what` is a sentence for a person."""

    name: str
    passed: bool
    took: float
    what: str


class Drilled(msgspec.Struct, frozen=True):
    """`target`: the release that a rollback would return to; `rolls_back`: whether that is another one."""

    service: str
    target: str
    rolls_back: bool
    epoch: int | None
    steps: tuple[Step, ...]
    recorded: bool

    @property
    def passed(self) -> bool:
        return self.recorded and all(step.passed for step in self.steps)


class DrillDesk:
    """Blocking, thread-safe. `sleep` waits for so many seconds."""

    def __init__(
        self,
        decided: Decided,
        desk: RolloutDesk,
        permits: Permits,
        trail: AuditTrail,
        prove: Prove,
        effect: Callable[[int], Effect],
        now: Callable[[], float],
        monotonic: Callable[[], float],
        new_id: Callable[[], str],
        sleep: Callable[[float], object],
        options: DrillOptions | None = None,
    ) -> None:
        self._decided, self._desk, self._permits, self._trail = decided, desk, permits, trail
        self._prove, self._effect, self._now, self._monotonic = prove, effect, now, monotonic
        self._new_id, self._sleep, self._options = new_id, sleep, options or DrillOptions()

    def drill(self, asker: Asker, service: str) -> Drilled:
        """Raises ChangeRefused for who may not, and for no such service; whatever else fails is a step that does."""
        self._permits.may(asker, Role.OPERATOR, Role.ADMIN, what=Action.DRILL, subject=service, service=service)
        champion = of(self._desk.newest(), service).champion
        try:
            target = self._desk.rollback_target(service).champion
        except ChangeRefused:  # its first release: there is nothing to return to, and this one is proven instead
            target = champion
        proven = self._step("probes", lambda: self._proven(service, target))
        ceiling = Ceiling(self._new_id(), Scope.SERVICE, service, Mode.ACTIVE, self._now(), asker.who, "drill")
        heard = self._step("hot copy", lambda: self._heard(ceiling))
        epochs: list[int] = []
        stored = self._step("durable store", lambda: self._stored(asker, service, ceiling, epochs))
        steps = [proven, heard, stored]
        if epochs:
            steps.append(self._step("replicas", lambda: self._confirmed(epochs[0])))
        drilled = Drilled(service, target, target != champion, epochs[0] if epochs else None, tuple(steps), True)
        return msgspec.structs.replace(drilled, recorded=self._record(asker, drilled))

    def _step(self, name: str, do: Callable[[], tuple[bool, str]]) -> Step:
        began = self._monotonic()
        try:
            passed, what = do()
        except StoreUnavailable as error:
            passed, what = False, error.meaning
        return Step(name, passed, round(self._monotonic() - began, 4), what)

    def _proven(self, service: str, target: str) -> tuple[bool, str]:
        trouble = self._prove(service, target)
        return trouble is None, f"{short(target)} proves itself" if trouble is None else f"{short(target)}: {trouble}"

    def _heard(self, ceiling: Ceiling) -> tuple[bool, str]:
        told = self._decided.lower(ceiling)
        if not self._decided.shares:
            return "here" in told, "this process alone: there is no shared cache"
        return "shared" in told, "a kill reaches every replica at once" if "shared" in told else "it did not take it"

    def _stored(self, asker: Asker, service: str, ceiling: Ceiling, epochs: list[int]) -> tuple[bool, str]:
        change = Change(self._now(), asker.who, Action.DRILL_BEGIN.value, service, asker.reason, asker.ticket)
        for _ in range(_TRIES):
            before = self._decided.newest()
            after = following(before, {ceiling.id})
            what = f"snapshot {after.epoch} says what {before.epoch} said"
            if self._decided.write(after, change, [self._begun(asker, service, what)]):
                epochs.append(after.epoch)
                return True, what
        return False, "others change the rollout all the time"

    def _begun(self, asker: Asker, service: str, what: str) -> Happened:
        begin, reason, ticket = Action.DRILL_BEGIN, asker.reason, asker.ticket
        deed = Deed(who=asker.who, what=begin, subject=service, after=what, reason=reason, ticket=ticket)
        try:
            return self._trail.entry(deed, lowers=True)
        except ValueError:
            raise ChangeRefused(Why.INVALID, "The audit chain does not take such a name, reason or ticket.") from None

    def _confirmed(self, epoch: int) -> tuple[bool, str]:
        until = self._monotonic() + self._options.wait
        while True:
            effect = self._effect(epoch)
            every = len(effect.done) + len(effect.silent) + len(effect.waiting)
            if effect.verified:
                return True, f"all {every} go by it"
            if self._monotonic() >= until:
                waiting = ", ".join(effect.waiting) or "no replica has said that it is there"
                return False, f"not confirmed by {waiting}"
            self._sleep(self._options.poll)

    def _record(self, asker: Asker, drilled: Drilled) -> bool:
        passed = all(step.passed for step in drilled.steps)
        figures = "; ".join(
            f"{step.name} {'' if step.passed else 'FAILED '}{step.took:.3f} s" for step in drilled.steps
        )
        deed = Deed(
            who=asker.who,
            what=Action.DRILL,
            subject=drilled.service,
            result=Result.DONE if passed else Result.DENIED,
            after=f"{short(drilled.target)}: {figures}"[:LONGEST],
            reason=asker.reason if passed else "failed",
            ticket=asker.ticket,
        )
        try:
            self._trail.require(deed, asker.remark)
        except AuditUnavailable:
            return False
        except ValueError:
            raise ChangeRefused(Why.INVALID, "The audit chain does not take such a name, reason or ticket.") from None
        return True
