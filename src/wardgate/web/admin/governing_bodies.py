"""What the routes of releases take and give, as the OpenAPI document has it."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, Field, model_validator

from wardgate.control.approvals import Proposed, Standing
from wardgate.control.ports import ReleaseEntry
from wardgate.control.withdrawals import Withdrawn
from wardgate.domain.admin_tokens import Role
from wardgate.domain.differences import Difference
from wardgate.domain.gates import GateLine
from wardgate.domain.governance import EYES, Figure
from wardgate.web.admin.bodies import Moment, ReasonBody, example, moment_of

StepName = Literal["shadow", "silent", "canary", "active"]
ApproverRole = Literal["approver-clinical", "approver-technical", "approver-privacy", "approver-compliance"]


class ApproveBody(ReasonBody):
    mode: StepName
    role: ApproverRole

    model_config = example({"mode": "canary", "role": "approver-clinical", "reason": "validated", "ticket": "CAB-77"})


class WithdrawBody(ReasonBody):
    person: str = Field(
        "", pattern=r"^(|[A-Za-z0-9_][A-Za-z0-9._:@/+-]{0,99})$", description="Whose; default: your own."
    )

    model_config = example({"reason": "new_finding"})


class ExceptionBody(ReasonBody):
    mode: StepName
    figure: Annotated[Figure, Field(strict=False)]
    until: Moment | None = Field(None, description="Who grants what was asked for need not repeat it.")

    model_config = example(
        {
            "mode": "canary",
            "figure": "weekends",
            "until": "2026-11-30T06:00:00Z",
            "reason": "small_site",
            "remark": "Closed at weekends.",
        }
    )


class RetireBody(ReasonBody):
    at: Moment | None = Field(None, description="Announce it for then; without, it is retired now.")
    cancel: bool = Field(False, description="Take an announcement back.")

    model_config = example({"at": "2027-01-31T00:00:00Z", "reason": "superseded"})

    @model_validator(mode="after")
    def _one(self) -> "RetireBody":
        if self.at is not None and self.cancel:
            raise ValueError("either at or cancel")
        return self


class SubmittedView(BaseModel):
    service: str
    version: str
    digest: str
    model: str
    state: Literal["submitted", "retiring", "retired"]
    submitted_at: str
    submitted_by: str
    retires_at: str | None
    retired_at: str | None


class ReleasesView(BaseModel):
    releases: list[SubmittedView]

    @classmethod
    def of(cls, entries: Sequence[ReleaseEntry]) -> "ReleasesView":
        return cls(
            releases=[
                SubmittedView(
                    service=entry.service,
                    version=entry.version,
                    digest=entry.digest,
                    model=entry.model,
                    state=entry.state.value,
                    submitted_at=moment_of(entry.submitted_at),
                    submitted_by=entry.submitted_by,
                    retires_at=None if entry.retires_at is None else moment_of(entry.retires_at),
                    retired_at=None if entry.retired_at is None else moment_of(entry.retired_at),
                )
                for entry in entries
            ]
        )


class NamedView(BaseModel):
    version: str
    digest: str


class DifferenceView(BaseModel):
    """`place`: the file by what it is to the release, and the key in it. Values as the file has them."""

    place: str
    before: Any
    after: Any
    added: bool
    removed: bool


class DifferencesView(BaseModel):
    service: str
    before: NamedView
    after: NamedView
    differences: list[DifferenceView]

    @classmethod
    def of(cls, before: ReleaseEntry, after: ReleaseEntry, found: Sequence[Difference]) -> "DifferencesView":
        return cls(
            service=after.service,
            before=NamedView(version=before.version, digest=before.digest),
            after=NamedView(version=after.version, digest=after.digest),
            differences=[DifferenceView(**msgspec.structs.asdict(each)) for each in found],
        )


class ApprovalView(BaseModel):
    person: str
    role: Role
    mode: StepName
    at: str
    entry: int = Field(description="Its number on the audit chain.")


class WaiverView(BaseModel):
    mode: StepName
    figure: Figure
    until: str
    people: list[str]
    holds: bool = Field(description="Whether a second person has granted it.")


class ApprovalsView(BaseModel):
    """All that was said of one release, as the audit chain has it."""

    service: str
    version: str | None
    digest: str
    submitted_by: list[str]
    approvals: list[ApprovalView]
    exceptions: list[WaiverView]
    retired: bool

    @classmethod
    def of(cls, service: str, version: str | None, digest: str, standing: Standing) -> "ApprovalsView":
        return cls(
            service=service,
            version=version,
            digest=digest,
            submitted_by=list(standing.authors),
            approvals=[
                ApprovalView(person=each.person, role=each.role, mode=each.mode.value, at=each.at, entry=each.number)
                for each in standing.approvals
            ],
            exceptions=[
                WaiverView(
                    mode=each.mode.value,
                    figure=each.figure,
                    until=each.until,
                    people=list(each.people),
                    holds=each.holds,
                )
                for each in standing.waivers
            ],
            retired=standing.retired,
        )


class WithdrawnView(ApprovalsView):
    """What stands now, and what the withdrawal has taken out of sight (with `dry_run`: would take). `epoch`: of the
    snapshot that has it; null: nothing came down. `trouble`: why it has not come down yet; a gateway looks again every
    few seconds, and lowers it."""

    dry_run: bool
    withdrawn: list[str]
    lowered: list[str]
    epoch: int | None
    trouble: str

    @classmethod
    def of_withdrawn(cls, standing: ApprovalsView, done: Withdrawn, dry_run: bool) -> "WithdrawnView":
        return cls(
            **dict(standing),
            dry_run=dry_run,
            withdrawn=[each.holder for each in done.taken],
            lowered=[] if done.fall is None else list(done.fall.lines),
            epoch=None if done.changed is None else done.changed.epoch,
            trouble=done.trouble,
        )


class GateView(BaseModel):
    name: str
    needed: str
    found: str
    verdict: Literal["pass", "fail", "unknown", "excepted"]
    reason: str


class GatesView(BaseModel):
    """`passes`: nothing is in the way."""

    service: str
    version: str | None
    digest: str
    mode: StepName
    passes: bool
    gates: list[GateView]

    @classmethod
    def of(cls, service: str, version: str | None, digest: str, mode: str, lines: Sequence[GateLine]) -> "GatesView":
        return cls.model_validate(
            {
                "service": service,
                "version": version,
                "digest": digest,
                "mode": mode,
                "passes": all(line.holds for line in lines),
                "gates": [
                    {
                        "name": line.name,
                        "needed": line.needed,
                        "found": line.found,
                        "verdict": line.verdict.value,
                        "reason": line.reason,
                    }
                    for line in lines
                ],
            }
        )


class GovernanceView(BaseModel):
    """`policy`: digest of the one that holds, and by whom. `proposed`: of the one of the files; `approved_by` so far,
    of `needed` people."""

    policy: str
    holds_by: list[str]
    proposed: str
    waits: bool
    approved_by: list[str]
    needed: int = EYES

    @classmethod
    def of(cls, said: Proposed) -> "GovernanceView":
        return cls(
            policy=said.charter.digest,
            holds_by=list(said.charter.approved),
            proposed=said.proposed,
            waits=said.waits,
            approved_by=list(said.people),
        )
