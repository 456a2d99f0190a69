"""The replicas that changes wait for, and those that nobody waits for any more.

A replica that was forgotten is named in the snapshot. One that is alive all the same hides as soon as it reads that,
and registers anew, under another id, once it has read the durable store. So it is gone for good only where it has been
silent, and every copy has named it, for so long that no lease of before is left (`control.confirmation`).
"""

from collections.abc import Callable

import msgspec

from wardgate.control.askers import Asker, ChangeRefused, Why
from wardgate.control.permits import Permits
from wardgate.control.ports import Replica, Replicas
from wardgate.control.settling import Asked, Changed, Settling
from wardgate.control.transitions import following
from wardgate.domain.admin_tokens import Role
from wardgate.domain.audit import Action
from wardgate.domain.rollout.rollouts import Snapshot


class Heard(msgspec.Struct, frozen=True):
    """`since`: seconds since it was last heard of; `silent`: so long that it can show nothing by what it had."""

    replica: Replica
    since: float
    silent: bool
    forgotten: bool


class ReplicaDesk:
    """Blocking, thread-safe. `seen` gives the newest snapshot as far as this process knows, `silence` the seconds after
    which whoever is silent shows nothing: lease, longest deadline and a grace."""

    def __init__(
        self,
        replicas: Replicas,
        settling: Settling,
        permits: Permits,
        seen: Callable[[], Snapshot | None],
        silence: Callable[[], float],
    ) -> None:
        self._replicas, self._settling, self._permits = replicas, settling, permits
        self._seen, self._silence = seen, silence

    def all(self) -> list[Heard]:
        """By name. Raises StoreUnavailable."""
        newest = self._seen()
        return self._heard(Snapshot(0, {}) if newest is None else newest)

    def forget(self, asker: Asker, name: str) -> Changed:
        """By name or id, those that are silent. Raises ChangeRefused."""
        what = Action.REPLICA_FORGET
        self._permits.may(asker, Role.OPERATOR, Role.ADMIN, what=what, subject=name)
        if asker.services is not None:
            raise self._permits.denied(asker, what, name, "A replica answers for all services; this token is for some.")

        def make(before: Snapshot) -> Snapshot:
            heard = self._heard(before)
            gone = _gone([each for each in heard if name in (each.replica.name, each.replica.id)])
            known = {each.replica.id for each in heard}
            still = {replica: epoch for replica, epoch in before.forgotten.items() if replica in known}
            new = dict.fromkeys([each.replica.id for each in gone], before.epoch + 1)
            return following(before, forgotten={**still, **new})

        return self._settling.settle(Asked(asker, what, name, make, _never))

    def _heard(self, snapshot: Snapshot) -> list[Heard]:
        found, now, silence = self._replicas.all(), self._replicas.now(), self._silence()
        return [
            Heard(each, since := max(now - each.seen, 0.0), since > silence, each.id in snapshot.forgotten)
            for each in sorted(found, key=lambda one: (one.name, one.id))
        ]


def _gone(named: list[Heard]) -> list[Heard]:
    """Those of them that can be forgotten; raises ChangeRefused where there is none."""
    if not named:
        raise ChangeRefused(Why.UNKNOWN, "There is no such replica.", "`wardgate replicas` lists them.")
    gone = [each for each in named if each.silent and not each.forgotten]
    if gone:
        return gone
    alive = [each for each in named if not each.forgotten]
    if not alive:
        raise ChangeRefused(Why.NOTHING, "It is forgotten already: no change waits for it.")
    ago = min(each.since for each in alive)
    what = f"It was seen {ago:.0f} s ago: a replica that may be alive is not forgotten."
    raise ChangeRefused(Why.ALIVE, what, "End its process, and wait until it is silent for longer than the lease.")


def _never(before: Snapshot, after: Snapshot) -> None:
    raise ChangeRefused(Why.INVALID, "To forget a replica shows nobody more.")
