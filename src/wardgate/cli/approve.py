"""`wardgate approve` and `wardgate exception`: what a person says of a release, put on the audit chain."""

from pathlib import Path

from wardgate.cli.approving import Open, opened
from wardgate.cli.audit import CannotTell, now, told
from wardgate.control.approvals import Proposed
from wardgate.control.askers import Asker
from wardgate.domain.admin_tokens import Role
from wardgate.domain.governance import APPROVERS, EYES, Figure
from wardgate.domain.outcomes import Mode
from wardgate.domain.releases import short


def release(
    config: Path, service: str, named: str, mode: str, role: str | None, reason: str, ticket: str, remark: str
) -> int:
    """0: it is on the chain; 1: not."""
    with told() as result, opened(config) as here:
        known = here.release(service, named)
        holder = here.holder(reason, ticket, remark)
        approval = here.governed.desk.approve(holder, service, known.digest, Mode(mode), _role(holder, role))
        print(f"{service} {known.version} ({short(known.digest)}): approved for {approval.holder}")
        _left(here, service, known.digest, Mode(mode))
        result.code = 0
    return result.code


def withdraw(config: Path, service: str, named: str, person: str, reason: str, ticket: str, remark: str) -> int:
    with told() as result, opened(config) as here:
        known = here.release(service, named)
        taken = here.governed.desk.withdraw(here.holder(reason, ticket, remark), service, known.digest, person)
        for each in taken:
            print(f"{service} {known.version} ({short(known.digest)}): withdrawn: {each.holder}")
        print("What is shown is as it was: `wardgate kill` or `wardgate rollback` takes it out of sight.")
        result.code = 0
    return result.code


def policy(config: Path, reason: str, ticket: str, remark: str) -> int:
    with told() as result, opened(config) as here:
        holder = here.holder(reason, ticket, remark)
        said = here.governed.desk.approve_policy(holder, here.configured.catalog.policy)
        print(_of_policy(said))
        result.code = 0
    return result.code


def exception(
    config: Path,
    service: str,
    named: str,
    mode: str,
    figure: str,
    seconds: float | None,
    reason: str,
    ticket: str,
    remark: str,
) -> int:
    with told() as result, opened(config) as here:
        known = here.release(service, named)
        holder = here.holder(reason, ticket, remark)
        until = 0.0 if seconds is None else now() + seconds
        waiver = here.governed.desk.allow(holder, service, known.digest, Mode(mode), Figure(figure), until)
        told_of = (
            f"{service} {known.version} ({short(known.digest)}): {mode} without {figure} until {waiver.until[:16]}Z"
        )
        if waiver.holds:
            print(f"{told_of}: holds, by {' and '.join(waiver.people)}")
        else:
            print(f"{told_of}: asked for by {waiver.people[0]}; it holds once a second person says the same")
        result.code = 0
    return result.code


def _role(holder: Asker, named: str | None) -> Role:
    """The one that was named, else the one that her token has."""
    if named is not None:
        return Role(named)
    own = [role for role in APPROVERS if role in holder.roles]
    if len(own) != 1:
        what = "has no role to approve in" if not own else f"has the roles {', '.join(own)}"
        raise CannotTell(f"your token {what}: say with --as in which role you approve")
    return own[0]


def _left(here: Open, service: str, digest: str, mode: Mode) -> None:
    missing = [line for line in here.governed.gates.approvals_of(service, digest, mode) if not line.holds]
    for line in missing:
        print(f"  still needed: {line.name}, {line.needed}, now {line.found}")
    if not missing:
        print(f"  all approvals for {mode} are there; `wardgate gate` shows the evidence")


def _of_policy(said: Proposed) -> str:
    if said.waits:
        by = ", ".join(said.people)
        return f"policy {short(said.proposed)}: approved by {by}; it holds once {EYES} people have approved it"
    return f"policy {short(said.proposed)} holds: approved by {' and '.join(said.charter.approved)}"
