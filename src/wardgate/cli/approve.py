"""`wardgate approve` and `wardgate exception`: what a person says of a release, put on the audit chain."""

from pathlib import Path

from wardgate.cli.approving import Open, opened
from wardgate.cli.audit import CannotTell, now, told
from wardgate.control.approvals import Proposed
from wardgate.control.askers import Asker
from wardgate.control.withdrawals import Withdrawn
from wardgate.domain.admin_tokens import Role
from wardgate.domain.governance import APPROVERS, EYES, Figure
from wardgate.domain.outcomes import Mode
from wardgate.domain.releases import short

UNCONFIRMED = 3


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


def withdraw(
    config: Path, service: str, named: str, person: str, dry_run: bool, reason: str, ticket: str, remark: str
) -> int:
    """0: it is withdrawn, and what that takes out of sight is in the store; 1: not withdrawn; 3: that is still shown,
    and a gateway lowers it when it can."""
    with told() as result, opened(config) as here:
        known = here.release(service, named)
        asked = here.holder(reason, ticket, remark), service, known.digest, person
        if here.withdrawals is None:
            desk = here.governed.desk
            done = Withdrawn(desk.withdrawable(*asked) if dry_run else desk.withdraw(*asked))
        else:
            done = here.withdrawals.would(*asked) if dry_run else here.withdrawals.withdraw(*asked)
        for each in done.taken:
            verb = "would be withdrawn" if dry_run else "withdrawn"
            print(f"{service} {known.version} ({short(known.digest)}): {verb}: {each.holder}")
        _out_of_sight(done, dry_run)
        result.code = UNCONFIRMED if done.trouble else 0
    return result.code


def _out_of_sight(done: Withdrawn, dry_run: bool) -> None:
    if done.trouble:
        print(f"Not lowered yet: {done.trouble}")
        print("A gateway looks every few seconds, and lowers it; `wardgate kill` takes it out of sight at once.")
    elif done.fall is None:
        print("What is shown stays: nobody sees it, or the other approvals carry it.")
    else:
        print("It would take out of sight:" if dry_run else "The other approvals do not carry what was shown:")
        for line in done.fall.lines:
            print(f"  {line}")
    if done.changed is not None:
        print(f"Decided as epoch {done.changed.epoch}: `wardgate replicas` shows who answers by it.")


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
