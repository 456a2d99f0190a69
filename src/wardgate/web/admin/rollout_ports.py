"""What the routes that change what is decided have in common: the desks that they ask, who asks, and the problem that
becomes of what is refused.

The desks are blocking, so everything here runs in a thread.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Path
from fastapi.concurrency import run_in_threadpool

from wardgate.control.askers import Asker, ChangeRefused, Why
from wardgate.control.changes import RolloutDesk
from wardgate.control.confirmation import Effect
from wardgate.control.drills import Drilled
from wardgate.control.ports import StoreUnavailable
from wardgate.control.replicas import ReplicaDesk
from wardgate.domain.rollout.rollouts import Snapshot
from wardgate.records.archive import ArchiveUnavailable
from wardgate.records.impact import Impact
from wardgate.records.watch import Watched
from wardgate.web.admin.access import Principal
from wardgate.web.admin.bodies import ReasonBody, ReleaseNames
from wardgate.web.admin.problems import Problem
from wardgate.web.admin.threads import changing

T = TypeVar("T")

_STATUS = {
    Why.ROLE: 403,
    Why.STALE: 412,
    Why.UNCONDITIONAL: 428,
    Why.GATES: 409,
    Why.SAME_PERSON: 403,
    Why.TOO_LATE: 409,
    Why.NOTHING: 409,
    Why.MORE: 409,
    Why.ALIVE: 409,
    Why.UNKNOWN: 404,
    Why.INVALID: 422,
    Why.STORE: 503,
    Why.UNSURE: 504,
    Why.PROOF: 409,
    Why.REASON: 422,
}

Service = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", examples=["kidney-failure"])]


@dataclass(frozen=True, slots=True)
class RolloutPorts:
    """`effect` blocks, and raises StoreUnavailable. `users` gives the pseudonyms that a user of any client
    may be kept under. `impact` says what a change would alter of these services on the last day's calls, and who asks;
    it raises ArchiveUnavailable."""

    desk: RolloutDesk
    names: ReleaseNames
    effect: Callable[[int], Effect]
    replicas: ReplicaDesk
    users: Callable[[Sequence[str]], frozenset[str]]
    impact: Callable[[Snapshot, Snapshot, Sequence[str], str], Impact]
    drill: Callable[[Asker, str], Drilled]
    watch: Callable[[str, int, float, str], Watched]


def opened(ports: RolloutPorts | None) -> RolloutPorts:
    if ports is None:
        raise Problem(503, "This process has no store of rollouts: the files decide.")
    return ports


async def told(ask: Callable[[], T], changes: bool = False) -> T:
    """In a thread, for a change in one of those; what is refused becomes a problem."""
    try:
        return await (changing(ask) if changes else run_in_threadpool(ask))
    except ChangeRefused as refused:
        detail = f"{refused.what} {refused.remedy}".strip()
        more: dict[str, Any] = {"code": refused.why.value}
        if refused.gates:
            more["gates"] = list(refused.gates)
        if refused.codes:
            more["codes"] = list(refused.codes)
        raise Problem(_STATUS[refused.why], detail, more) from None
    except ArchiveUnavailable as error:
        raise Problem(503, error.trouble.sentence) from None
    except StoreUnavailable as error:
        raise Problem(503, f"The store of rollouts does not answer: {error.meaning}.") from None


def asker_of(principal: Principal, body: ReasonBody | None = None) -> Asker:
    body = body or ReasonBody()
    return Asker(
        who=principal.name,
        roles=principal.roles,
        services=principal.services,
        reason=body.reason,
        ticket=body.ticket,
        remark=body.remark,
    )


def digest_of(at: RolloutPorts, service: str, name: str) -> str:
    digest = at.names.digest(service, name)
    if digest is None:
        raise ChangeRefused(Why.UNKNOWN, "There is no such release.", "Name it by version, digest, or its beginning.")
    return digest
