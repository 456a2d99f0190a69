"""Who may ask for what, and what has to hold before anybody sees more (law 3)."""

import re
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import msgspec

from wardgate.control.askers import Asker, ChangeRefused, Why
from wardgate.control.audit import AuditTrail
from wardgate.control.transitions import asked
from wardgate.domain.admin_tokens import Role
from wardgate.domain.approvals import person_of
from wardgate.domain.audit import LONGEST, Action, Deed
from wardgate.domain.gates import GateLine
from wardgate.domain.outcomes import Mode
from wardgate.domain.releases import short
from wardgate.domain.rollout.rollouts import Rollout, Snapshot


class Gates(Protocol):
    """What is asked before anybody sees more; see `control.gates`. What cannot be read is a line that does not hold."""

    def gates_of(self, service: str, digest: str, step: Mode, who: str) -> Sequence[GateLine]: ...

    def approvals_of(self, service: str, digest: str, mode: Mode) -> Sequence[GateLine]: ...

    def policy(self) -> str:
        """Digest of the one that holds; empty: nobody can tell."""
        ...


class Grounds(msgspec.Struct, frozen=True):
    """What a raise stands on: `said` for the audit chain, `services` whose approvals it needs."""

    said: str
    services: tuple[str, ...] = ()


UNNAMED = "unnamed"


class Permits:
    """Everything raises ChangeRefused. `put_back_within` in seconds; under `insecure_demo` nobody asks for approvals
    or for a second person."""

    def __init__(
        self,
        gates: Gates,
        trail: AuditTrail,
        now: Callable[[], float],
        insecure_demo: Callable[[], bool],
        put_back_within: Callable[[], float],
        knows: Callable[[str], bool],
    ) -> None:
        """`knows`: whether there is such a service; what else is asked for may be anything, and stays off the chain."""
        self._knows = knows
        self._gates, self._trail, self._now = gates, trail, now
        self._insecure_demo, self._put_back_within = insecure_demo, put_back_within

    def may(self, asker: Asker, *roles: Role, what: Action, subject: str, service: str | None = None) -> None:
        """One of these roles, on that service; None: on all of them, which a token of some has not."""
        if service is not None and not self._knows(service):
            subject = UNNAMED
        if not asker.roles & frozenset(roles):
            raise self.denied(asker, what, subject, f"This takes the role {' or '.join(roles)}.")
        if service is None and asker.services is not None:
            raise self.denied(asker, what, subject, "This is about all services, and this token is for some.")
        if service is not None and not asker.covers(service):
            raise self.denied(asker, what, subject, "This token is for other services.")

    def denied(self, asker: Asker, what: Action, subject: str, sentence: str, why: Why = Why.ROLE) -> ChangeRefused:
        """To be raised; the chain has it."""
        self.keep_denial(asker, what, subject, why)
        return ChangeRefused(why, sentence)

    def keep_denial(self, asker: Asker, what: Action, subject: str, why: Why) -> None:
        try:
            self._trail.deny(Deed(who=asker.who, what=what, subject=subject, reason=why.value))
        except ValueError:  # a name that the chain does not take
            self._trail.deny(Deed(who=asker.who, what=what, subject=UNNAMED, reason=why.value))

    def raised_by(self, asker: Asker, before: Snapshot, after: Snapshot, services: Sequence[str]) -> Grounds:
        """A raise: by an admin, where all gates of all its releases pass, each for the step at which it is then."""
        if Role.ADMIN not in asker.roles:
            raise ChangeRefused(Why.ROLE, "Somebody would see more: that takes the role admin.", "An operator lowers.")
        if self._insecure_demo():
            return _DEMO
        looked = [
            (service, release, step, self._lines(asker, before.rollouts.get(service), service, release, step))
            for service in services
            for release, step in asked(after.rollouts[service]).items()
        ]
        failing = _failing(looked)
        if failing:
            raise ChangeRefused(Why.GATES, "Not all gates pass.", "`wardgate gate` shows them.", failing)
        return self._grounds(looked, services)

    def still_approved(self, after: Snapshot, services: Sequence[str]) -> Grounds:
        """For what was shown before: its approvals, not its evidence once more."""
        if self._insecure_demo():
            return _DEMO
        looked = [
            (service, release, step, self._gates.approvals_of(service, release, step))
            for service in services
            for release, step in asked(after.rollouts[service]).items()
            if step is not Mode.SHADOW
        ]
        missing = _failing(looked)
        if missing:
            what = "The approvals of that release do not hold any more."
            raise ChangeRefused(Why.GATES, what, "`wardgate gate` shows them.", tuple(dict.fromkeys(missing)))
        return self._grounds(looked, services)

    def unapproved(self, service: str, rollout: Rollout, mode: Mode) -> tuple[str, ...]:
        """Approvals that are not there, or not any more, of what is shown in `mode`; a sentence each."""
        if mode is Mode.OFF or self._insecure_demo():
            return ()
        shown = msgspec.structs.replace(rollout, mode=mode)
        looked = [
            (service, release, step, self._gates.approvals_of(service, release, step))
            for release, step in asked(shown).items()
            if step is not Mode.SHADOW
        ]
        return tuple(dict.fromkeys(line.sentence for _, _, _, lines in looked for line in lines if not line.holds))

    def _grounds(self, looked: "Sequence[_Looked]", services: Sequence[str]) -> Grounds:
        policy = self._gates.policy()
        said = [f"policy {policy or 'unknown'}"]
        for service, release, step, lines in looked:
            gates = [_OTHER.sub("-", line.sentence) for line in lines]
            said += [f"{service} {short(release)} to {step}", *(gates or ["nothing is demanded"])]
        return Grounds(_cut(said), tuple(services))

    def _lines(
        self, asker: Asker, before: Rollout | None, service: str, release: str, step: Mode
    ) -> Sequence[GateLine]:
        """None for what is in shadow and stays there."""
        if step is Mode.SHADOW and before is not None and release in asked(before):
            return ()
        return self._gates.gates_of(service, release, step, asker.who)

    def not_put_back(self, asker: Asker, taken_by: str, taken_at: float) -> tuple[Why, str] | None:
        """Why she may not put back what somebody took down then; None: she may."""
        if self._now() - taken_at > self._put_back_within():
            return Why.TOO_LATE, "It was taken down too long ago to be put back by one person."
        if person_of(taken_by) == asker.person and not self._insecure_demo():
            return Why.SAME_PERSON, "Whoever took it down does not put it back: that is a second person's."
        return None


_Looked: TypeAlias = tuple[str, str, Mode, Sequence[GateLine]]
"""Service, release, step, and the gates between them."""
_DEMO = Grounds("insecure_demo: nobody was asked")
_OTHER = re.compile(r"[^ -~]")


def _failing(looked: Sequence[_Looked]) -> tuple[str, ...]:
    return tuple(f"{service}: {line.sentence}" for service, _, _, lines in looked for line in lines if not line.holds)


def _cut(said: Sequence[str]) -> str:
    """As many as there is room for, and how many more there are."""
    room, kept = LONGEST - len("; and 1000000 more"), 0
    while kept < len(said) and len(said[kept]) + 2 <= room:
        room -= len(said[kept]) + 2
        kept += 1
    more = [f"and {len(said) - kept} more"] if kept < len(said) else []
    return "; ".join([*said[:kept], *more])
