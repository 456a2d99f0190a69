"""Releases over the admin API: what was submitted, who has approved what, which gates stand before a mode; approving,
withdrawing, excepting, retiring; and the policy itself.

Submitting is a terminal's (`wardgate release new`), which has the files: docs/releases.md says why. The desks are
blocking, so everything here runs in a thread.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Path, Query
from fastapi.concurrency import run_in_threadpool

from wardgate.control.approvals import ApprovalDesk, ApprovalRefused, Cause
from wardgate.control.audit import AuditUnavailable
from wardgate.control.chain_reader import ChainBroken
from wardgate.control.gates import Gates
from wardgate.control.ports import Content, ReleaseEntry, StoreUnavailable
from wardgate.control.releases import By, ReleaseDesk, ReleaseRefused
from wardgate.control.withdrawals import Withdrawals
from wardgate.domain.admin_tokens import Role
from wardgate.domain.differences import Difference
from wardgate.domain.governance import Figure, Policy
from wardgate.domain.outcomes import Mode
from wardgate.web.admin.access import WHO_DECIDES, Access, Principal
from wardgate.web.admin.bodies import ReasonBody, ReleaseNames, seconds_of
from wardgate.web.admin.governing_bodies import (
    ApprovalsView,
    ApproveBody,
    DifferencesView,
    ExceptionBody,
    GatesView,
    GovernanceView,
    ReleasesView,
    RetireBody,
    WithdrawBody,
    WithdrawnView,
)
from wardgate.web.admin.problems import PROBLEMS, Problem
from wardgate.web.admin.rollout_ports import Service, asker_of

T = TypeVar("T")

_STATUS = {
    Cause.ROLE: 403,
    Cause.SERVICE: 403,
    Cause.AUTHOR: 403,
    Cause.TWICE: 409,
    Cause.NOTHING: 409,
    Cause.NOT_ALLOWED: 403,
    Cause.RETIRED: 409,
    Cause.STEP: 422,
    Cause.TIME: 422,
    Cause.REMARK: 422,
    Cause.INVALID: 422,
    Cause.REASON: 422,
    Cause.UNKNOWN: 404,
}

Release = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:+-]{0,99}$", examples=["1.1.0", "sha256:9f86d081884c"])
]
Step = Annotated[str, Path(pattern=r"^(shadow|silent|canary|active)$", examples=["canary"])]


@dataclass(frozen=True, slots=True)
class GoverningPorts:
    """`policy` gives what the files say; `health` how it stands, as of some seconds ago, without waiting;
    `differing` what differs between two contents."""

    approvals: ApprovalDesk
    withdrawals: Withdrawals
    gates: Gates
    releases: ReleaseDesk
    names: ReleaseNames
    policy: Callable[[], Policy]
    health: Callable[[], Mapping[str, str]]
    differing: Callable[[Content, Content], Sequence[Difference]]


def governing_routes(access: Access, ports: GoverningPorts | None) -> APIRouter:
    router = APIRouter(prefix="/admin/v1", tags=["releases"], responses=PROBLEMS)
    viewer = Depends(access.needs(Role.VIEWER, *WHO_DECIDES, by_service=True))
    admin = Depends(access.needs(Role.ADMIN, by_service=True))
    anybody = Depends(access.known())
    """Which role an approval takes is the approver's own: the desk asks for it, and audits denials."""

    def opened() -> GoverningPorts:
        if ports is None:
            raise Problem(503, "This process has no durable store: nothing is submitted, and nothing approved.")
        return ports

    @router.get("/releases")
    async def releases(
        principal: Annotated[Principal, viewer],
        service: Annotated[str, Query(pattern=r"^(|[A-Za-z0-9][A-Za-z0-9._-]{0,99})$")] = "",
    ) -> ReleasesView:
        """The releases that were submitted for approval, the oldest first."""
        at = opened()
        entries = await _told(lambda: at.releases.store.entries(service or None))
        return ReleasesView.of([entry for entry in entries if principal.covers(entry.service)])

    @router.get("/releases/{service}/{release}")
    async def release(service: Service, release: Release, principal: Annotated[Principal, viewer]) -> ApprovalsView:
        """Who submitted a release, who has approved it for which mode, and which exceptions hold."""
        await access.within(principal, service)
        at = opened()

        def ask() -> ApprovalsView:
            digest = _digest(at, service, release)
            return _standing(at, service, digest)

        return await _told(ask)

    @router.get("/releases/{service}/{release}/diff")
    async def diff(
        service: Service,
        release: Release,
        principal: Annotated[Principal, viewer],
        against: Annotated[
            str, Query(pattern=r"^(|[A-Za-z0-9][A-Za-z0-9._:+-]{0,99})$", description="Default: what is decided on.")
        ] = "",
    ) -> DifferencesView:
        """What differs, by meaning, between a release that was submitted and another one: for whoever approves it."""
        await access.within(principal, service)
        at = opened()

        def ask() -> DifferencesView:
            after = at.releases.find(service, release)
            before = at.releases.find(service, against) if against else at.releases.champion(service)
            found = at.differing(at.releases.content(before), at.releases.content(after))
            return DifferencesView.of(before, after, found)

        return await _told(ask)

    @router.post("/releases/{service}/{release}/approve")
    async def approve(
        service: Service, release: Release, body: ApproveBody, principal: Annotated[Principal, anybody]
    ) -> ApprovalsView:
        """Approve a release for a mode and what is beneath, in one of your roles. Nobody approves what she submitted,
        and a person counts once."""
        at = opened()

        def ask() -> ApprovalsView:
            digest = _the_one(at, service, release)
            at.approvals.approve(asker_of(principal, body), service, digest, Mode(body.mode), Role(body.role))
            return _standing(at, service, digest)

        return await _told(ask)

    @router.post("/releases/{service}/{release}/withdraw")
    async def withdraw(
        service: Service,
        release: Release,
        body: WithdrawBody,
        principal: Annotated[Principal, anybody],
        dry_run: Annotated[bool, Query(description="Withdraw nothing: say what it would take out of sight.")] = False,
    ) -> WithdrawnView:
        """Withdraw your own approvals; an administrator, those of `person`. What is shown beyond what the other
        approvals carry comes down in the same step."""
        at = opened()

        def ask() -> WithdrawnView:
            digest, asker = _digest(at, service, release), asker_of(principal, body)
            act = at.withdrawals.would if dry_run else at.withdrawals.withdraw
            done = act(asker, service, digest, body.person)
            return WithdrawnView.of_withdrawn(_standing(at, service, digest), done, dry_run)

        return await _told(ask)

    @router.post("/releases/{service}/{release}/exceptions")
    async def except_(
        service: Service, release: Release, body: ExceptionBody, principal: Annotated[Principal, anybody]
    ) -> ApprovalsView:
        """Ask for an exception from a figure, with a rationale in `remark`; or, as the second person, grant it."""
        at = opened()

        def ask() -> ApprovalsView:
            digest = _the_one(at, service, release)
            until = 0.0 if body.until is None else seconds_of(body.until)
            asker = asker_of(principal, body)
            at.approvals.allow(asker, service, digest, Mode(body.mode), Figure(body.figure), until)
            return _standing(at, service, digest)

        return await _told(ask)

    @router.post("/releases/{service}/{release}/retire")
    async def retire(
        service: Service, release: Release, body: RetireBody, principal: Annotated[Principal, admin]
    ) -> ReleasesView:
        """Retire a release that nothing depends on; with `at`, announce it; with `cancel`, take that back."""
        await access.within(principal, service)
        at = opened()

        def ask() -> ReleaseEntry:
            by, entry = By(principal.name, body.reason, body.ticket), at.releases.find(service, release)
            if body.at is None and not body.cancel:
                return at.releases.retire(by, entry)
            return at.releases.announce(by, entry, None if body.at is None else seconds_of(body.at))

        return ReleasesView.of([await _told(ask)])

    @router.get("/gates/{service}/{release}/{mode}")
    async def gates(
        service: Service, release: Release, mode: Step, principal: Annotated[Principal, viewer]
    ) -> GatesView:
        """What stands between a release and a mode: each gate with what it needs and what was found. Reads records, so
        the look is on the access log."""
        await access.within(principal, service)
        at = opened()

        def ask() -> GatesView:
            digest = _digest(at, service, release)
            lines = at.gates.gates_of(service, digest, Mode(mode), principal.name)
            return GatesView.of(service, at.names.version(service, digest), digest, mode, lines)

        return await _told(ask)

    @router.get("/governance", dependencies=[Depends(access.needs(Role.VIEWER, *WHO_DECIDES))])
    async def governance() -> GovernanceView:
        """The policy that holds, and the one of the files, where that is another."""
        at = opened()
        return GovernanceView.of(await _told(lambda: at.approvals.proposed(at.policy())))

    @router.post("/governance/approve")
    async def approve_policy(body: ReasonBody, principal: Annotated[Principal, anybody]) -> GovernanceView:
        """Approve the policy of the files: it holds once two approvers have."""
        at = opened()
        return GovernanceView.of(
            await _told(lambda: at.approvals.approve_policy(asker_of(principal, body), at.policy()))
        )

    return router


def _standing(at: GoverningPorts, service: str, digest: str) -> ApprovalsView:
    version = at.names.version(service, digest)
    return ApprovalsView.of(service, version, digest, at.approvals.standing(service, digest))


def _digest(at: GoverningPorts, service: str, name: str) -> str:
    digest = at.names.digest(service, name)
    if digest is None:
        raise Problem(404, "There is no such release. Name it by version, digest, or its beginning.")
    return digest


def _the_one(at: GoverningPorts, service: str, name: str) -> str:
    """For who says something of a release: not another content than she has looked at, which got the same version
    meanwhile."""
    digest = _digest(at, service, name)
    called = {entry.digest for entry in at.releases.store.entries(service) if entry.version == name} - {digest}
    if called:
        raise Problem(409, "More than one content has this version: name it by its digest.", {"code": "ambiguous"})
    return digest


async def _told(ask: Callable[[], T]) -> T:
    """In a thread; what is refused becomes a problem."""
    try:
        return await run_in_threadpool(ask)
    except ApprovalRefused as refused:
        more: dict[str, Any] = {"code": refused.cause.value}
        if refused.codes:
            more["codes"] = list(refused.codes)
        raise Problem(_STATUS[refused.cause], f"{refused.what} {refused.remedy}".strip(), more) from None
    except ReleaseRefused as refused:
        raise Problem(409, f"{refused.what} {refused.remedy}".strip()) from None
    except (AuditUnavailable, ChainBroken, StoreUnavailable) as error:
        raise Problem(503, f"Nothing was changed: {error.meaning}.") from None
