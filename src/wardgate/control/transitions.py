"""From one snapshot to the next, as plain functions."""

from collections.abc import Iterable, Sequence

import msgspec

from wardgate.control.askers import ChangeRefused, Why
from wardgate.control.decisions import Past
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.ceilings import next_lifted, with_ceilings
from wardgate.domain.rollout.modes import is_lower
from wardgate.domain.rollout.rollouts import Ceiling, Rollout, Scope, Snapshot
from wardgate.domain.rollout.visibility import raises


def subject_of(scope: Scope, name: str) -> str:
    """As the chain names it: `all`, `service:kidney-failure`, `site:hospital_a`, `release:sha256:…`."""
    return scope.value if scope is Scope.ALL else f"{scope.value}:{name}"


def of(snapshot: Snapshot, service: str) -> Rollout:
    """Raises ChangeRefused where there is no such service."""
    if service not in snapshot.rollouts:
        raise ChangeRefused(Why.UNKNOWN, "There is no such service.", "`wardgate rollout show` lists them.")
    return snapshot.rollouts[service]


def following(before: Snapshot, lifts: Iterable[str] = (), **changes: object) -> Snapshot:
    """`lifts`: ids of ceilings that are over from here on."""
    lifted, lifted_before = next_lifted(before, lifts)
    epoch = before.epoch + 1
    return msgspec.structs.replace(before, epoch=epoch, lifted=lifted, lifted_before=lifted_before, **changes)


def with_rollout(before: Snapshot, service: str, rollout: Rollout, insecure_demo: bool) -> Snapshot:
    """By people; what nobody was asked for stays so, whatever is changed of it."""
    unapproved = insecure_demo or before.rollouts[service].unapproved
    decided = msgspec.structs.replace(rollout, by_people=True, unapproved=unapproved)
    return following(before, rollouts={**before.rollouts, service: decided})


def only(service: str, rollout: Rollout) -> Snapshot:
    """As if nothing else were decided."""
    return Snapshot(1, {service: rollout})


def asked(rollout: Rollout) -> dict[str, Mode]:
    """Its releases, and at which step each must have passed its gates: a challenger's cohort is a canary's, and what is
    not seen is in shadow."""
    if rollout.mode is Mode.OFF:
        return {}
    found = dict.fromkeys(rollout.releases, Mode.SHADOW)
    if rollout.challenger is not None and rollout.mode is Mode.ACTIVE:
        found[rollout.challenger.release] = Mode.CANARY
    found[rollout.champion] = rollout.mode
    return found


def services_under(snapshot: Snapshot, ceiling: Ceiling) -> list[str]:
    if ceiling.scope is Scope.SERVICE:
        return [ceiling.name] if ceiling.name in snapshot.rollouts else []
    if ceiling.scope is Scope.RELEASE:
        return [name for name, rollout in snapshot.rollouts.items() if ceiling.name in rollout.releases]
    return list(snapshot.rollouts)


def own(past: Sequence[Past]) -> list[Past]:
    """Of each stretch in which nothing changed, where it began. The newest first."""
    older = [*past[1:], None]
    return [each for each, before in zip(past, older, strict=False) if before is None or before.rollout != each.rollout]


def rolled_back(rollout: Rollout, past: Sequence[Past], to: str | None) -> Rollout:
    """With the release that was champion before, or the one that is named; at no higher a mode than now. Raises
    ChangeRefused where there was none."""
    others = [each.rollout for each in past if each.rollout.champion != rollout.champion]
    then = next((each for each in others if to in (None, each.champion)), None)
    if then is None:
        what = "That release was never its champion." if to else "No other release was champion of this service."
        raise ChangeRefused(Why.NOTHING, what, "`wardgate rollout history` shows what was.")
    least = then if is_lower(then.mode, rollout.mode) else rollout
    return msgspec.structs.replace(
        rollout,
        champion=then.champion,
        mode=least.mode,
        cohort=least.cohort if least.mode is Mode.CANARY else rollout.cohort,
        challenger=None,
        shadows=tuple(each for each in rollout.shadows if each != then.champion),
    )


def held_down(before: Snapshot, lost: Snapshot | None) -> Snapshot:
    """Of a store that was put back: what took something out of sight, and is lost with it, stays until it is lifted."""
    if lost is None:
        return before
    isolated = before.isolated | lost.isolated
    return msgspec.structs.replace(with_ceilings(before, lost.in_force()), isolated=isolated)


def shown_more(before: Snapshot, after: Snapshot) -> tuple[str, ...]:
    """A line for each service of which users may see more than before."""
    lines = []
    for service, rollout in sorted(after.rollouts.items()):
        was = before.rollouts.get(service)
        why = raises(Snapshot(1, {} if was is None else {service: was}), only(service, rollout))
        if why:
            mode = "nothing" if was is None else was.mode.value
            lines.append(f"{service}: {mode} → {rollout.mode.value} ({', '.join(why)})")
    return tuple(lines)
