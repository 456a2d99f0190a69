"""The audit chain over the admin API: searched, and how it stands. To prove it is an auditor's: docs/audit.md."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Query
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from wardgate.control.audit import AuditTrail, AuditUnavailable, Wanted
from wardgate.domain.admin_tokens import Role
from wardgate.domain.audit import SealedEntry, body_of, moment
from wardgate.domain.audit_verification import as_sealed
from wardgate.records.desk import ALWAYS, NoTime, span_of
from wardgate.web.admin.access import Access
from wardgate.web.admin.problems import PROBLEMS, Problem

T = TypeVar("T")

_Named = Annotated[str, Query(pattern=r"^(|[A-Za-z0-9_][A-Za-z0-9._:@/+-]{0,199})$")]
_Time = Annotated[str | None, Query(max_length=40, examples=["2026-11-01"])]


@dataclass(frozen=True, slots=True)
class AuditPorts:
    """`waiting`: entries on the local spool that are not chained yet. `anchored`: number of the last entry that an
    anchor of ours has seen; None: there is none, so the whole tail is unproven."""

    trail: AuditTrail
    waiting: Callable[[], int]
    anchored: Callable[[], int | None]
    now: Callable[[], float]


class EntryView(BaseModel):
    number: int
    id: str
    at: str
    who: str
    what: str
    subject: str
    result: str
    before: str | None
    after: str | None
    reason: str
    ticket: str
    grounds: str | None = Field(description="Of a raise: the policy and the gates that it stood on.")
    seal: str
    as_sealed: bool = Field(
        description="false: somebody changed it, and nothing of it is told: `wardgate audit verify`."
    )

    @classmethod
    def of(cls, entry: SealedEntry) -> "EntryView":
        sound = as_sealed(entry)
        body = body_of(entry) if sound else {}
        given = {"before": body.get("from"), "after": body.get("to"), "grounds": body.get("grounds")}
        names = ("id", "at", "who", "what", "subject", "result", "reason", "ticket")
        told = {name: body.get(name, "") for name in names}
        return cls(number=entry.number, **told, **given, seal=entry.seal, as_sealed=sound)


class EntriesView(BaseModel):
    """The oldest first. `more`: there are more than were asked for; ask `from` the last one's time on."""

    entries: list[EntryView]
    more: bool


class ChainView(BaseModel):
    last: int = Field(description="Number of the last entry; 0: the chain is empty.")
    seal: str = Field(description="Of the last entry.")
    waiting: int = Field(description="On the local spool, and not chained yet.")
    anchored: int | None = Field(description="Up to which entry an anchor proves the chain; null: there is none.")


def audit_routes(access: Access, ports: AuditPorts | None) -> APIRouter:
    router = APIRouter(
        prefix="/admin/v1/audit",
        tags=["audit"],
        responses=PROBLEMS,
        dependencies=[Depends(access.needs(Role.VIEWER))],
    )

    def opened() -> AuditPorts:
        if ports is None:
            raise Problem(503, "This process has no audit chain.")
        return ports

    @router.get("")
    async def search(
        who: _Named = "",
        subject: _Named = "",
        what: Annotated[str, Query(pattern=r"^(|[a-z][a-z._]{0,63})$", examples=["rollout.change"])] = "",
        ticket: Annotated[str, Query(pattern=r"^(|[A-Za-z0-9][A-Za-z0-9._/#-]{0,63})$")] = "",
        since: Annotated[str | None, Query(alias="from", max_length=40, examples=["2026-11-01"])] = None,
        to: _Time = None,
        most: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> EntriesView:
        """Entries that have all of what is named."""
        at = opened()
        try:
            span = span_of(since, to, at.now(), ALWAYS)
        except NoTime as error:
            raise Problem(422, error.what) from None
        times = {"since": moment(span.since) if since else "", "until": moment(span.until) if to else ""}
        wanted = Wanted(who=who, subject=subject, what=what, ticket=ticket, **times)
        return await _told(lambda: _found(at.trail, wanted, most))

    @router.get("/state")
    async def state() -> ChainView:
        """How the chain stands."""
        at = opened()

        def ask() -> ChainView:
            last = at.trail.store.last()
            return ChainView(last=last.number, seal=last.seal, waiting=at.waiting(), anchored=at.anchored())

        return await _told(ask)

    return router


def _found(trail: AuditTrail, wanted: Wanted, most: int) -> EntriesView:
    found = list(islice(trail.store.search(wanted), most + 1))
    return EntriesView(entries=[EntryView.of(entry) for entry in found[:most]], more=len(found) > most)


async def _told(ask: Callable[[], T]) -> T:
    try:
        return await run_in_threadpool(ask)
    except AuditUnavailable as error:
        raise Problem(503, f"The audit chain does not answer: {error.meaning}.") from None
