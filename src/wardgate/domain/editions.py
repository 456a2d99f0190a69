"""The catalog that answers: what the files give, what was kept of releases, and what people decided, put together.

An *edition* of a service is one reading of its files: today's, or what was kept of a release when it was submitted. The
champion's edition says how the service is asked (hooks, prefetch, deadline, tier); a challenger or a release in shadow
brings its own rules, card and features, and asks for what it needs beyond. What no digest covers (title, description,
follow-up of outcomes) is always that of today's files.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.plans import Catalog, ServicePlan
from wardgate.domain.releases import short
from wardgate.domain.rollout.rollouts import Rollout

Editions = Mapping[str, Catalog]
"""By digest: the catalog of one service and one release, compiled from what was kept."""


class Lack(msgspec.Struct, frozen=True):
    """A release that a rollout names and that cannot answer here. `hides`: it is the champion, so that the service
    shows nothing; whoever would have seen another one sees the champion."""

    service_id: str
    digest: str
    why: str
    hides: bool


class Assembly(msgspec.Struct, frozen=True):
    catalog: Catalog
    lacks: tuple[Lack, ...] = ()


def wanted(files: Catalog, rollouts: Mapping[str, Rollout]) -> dict[str, str]:
    """The digests that rollouts name and today's files do not give, with their services."""
    given = _given(files)
    return {
        digest: service_id
        for service_id in files.services
        for digest in rollouts.get(service_id, files.rollouts[service_id]).releases
        if (service_id, digest) not in given
    }


def assemble(files: Catalog, kept: Editions, rollouts: Mapping[str, Rollout]) -> Assembly:
    """A service that the files do not have is not there, whatever a rollout says of it: to take its file away takes it
    down. One that rollouts do not have goes by its files."""
    lacks: list[Lack] = []
    services, standing = {}, {}
    for service_id, today in files.services.items():
        own = files.rollouts[service_id]
        rollout = rollouts.get(service_id, own)
        services[service_id] = _assembled(service_id, today, kept, rollout, lacks)
        standing[service_id] = _standing(services[service_id], own, rollout)
    return Assembly(msgspec.structs.replace(files, services=services, rollouts=standing), tuple(lacks))


def _standing(plans: Mapping[str, ServicePlan], own: Rollout, decided: Rollout) -> Rollout:
    """What stands where nothing that was decided can be followed: it names only what is there."""
    there = _common(plans)
    rollout = own if own.champion in there else decided
    challenger = rollout.challenger
    return msgspec.structs.replace(
        rollout,
        challenger=challenger if challenger is not None and challenger.release in there else None,
        shadows=tuple(digest for digest in rollout.shadows if digest in there),
    )


def _given(files: Catalog) -> set[tuple[str, str]]:
    return {(plan.id, digest) for plan in files.plans() for digest in plan.releases}


def _common(plans: Mapping[str, ServicePlan]) -> dict[str, None]:
    """The digests that answer under every hook, in order."""
    first, *others = plans.values()
    return dict.fromkeys(digest for digest in first.releases if all(digest in plan.releases for plan in others))


def _assembled(
    service_id: str, today: Mapping[str, ServicePlan], kept: Editions, rollout: Rollout, lacks: list[Lack]
) -> Mapping[str, ServicePlan]:
    champion = _edition(service_id, rollout.champion, today, kept)
    if champion is None:
        why = "it is neither in the files nor kept in the store"
        lacks.append(Lack(service_id, rollout.champion, why, hides=True))
        return today  # so that it is found, and answers that it is off
    seen = {rollout.champion: champion}
    for digest in rollout.releases[1:]:
        edition = _edition(service_id, digest, today, kept)
        why = "it is neither in the files nor kept in the store" if edition is None else _misfit(champion, edition)
        if edition is not None and not why:
            why = _disagreement([*seen.values(), edition])
        if edition is None or why:
            lacks.append(Lack(service_id, digest, why, hides=False))
        else:
            seen[digest] = edition
    if champion is today:
        seen = {**dict.fromkeys(_common(today), today), **seen}  # a switch among them needs nothing new
    return {hook: _plan(hook, plan, seen, today) for hook, plan in champion.items()}


def _edition(
    service_id: str, digest: str, today: Mapping[str, ServicePlan], kept: Editions
) -> Mapping[str, ServicePlan] | None:
    if digest in _common(today):
        return today
    catalog = kept.get(digest)
    return None if catalog is None else catalog.services.get(service_id)


def _misfit(champion: Mapping[str, ServicePlan], other: Mapping[str, ServicePlan]) -> str:
    missing = sorted(champion.keys() - other.keys())
    return f"it does not answer the hook {missing[0]}, which the champion answers" if missing else ""


def _disagreement(editions: Sequence[Mapping[str, ServicePlan]]) -> str:
    """Two meanings of one prefetch key: an EHR sends one of them."""
    for hook in editions[0]:
        templates: dict[str, str] = {}
        for edition in editions:
            for key in edition[hook].prefetch:
                if templates.setdefault(key.name, key.template) != key.template:
                    return (
                        f"its prefetch key {key.name} is another search than that of the releases beside it; give one "
                        "of the two another name, and submit that release again"
                    )
    return ""


def _plan(
    hook: str,
    champion: ServicePlan,
    seen: Mapping[str, Mapping[str, ServicePlan]],
    today: Mapping[str, ServicePlan],
) -> ServicePlan:
    plans = [edition[hook] for edition in seen.values()]
    releases = {digest: edition[hook].releases[digest] for digest, edition in seen.items()}
    words = today.get(hook, champion)
    return msgspec.structs.replace(
        champion,
        title=words.title,
        description=words.description,
        follow_up=next(iter(today.values())).follow_up,
        releases=releases,
        prefetch=_prefetch(champion, plans),
        context_fields=tuple(dict.fromkeys(field for plan in plans for field in plan.context_fields)),
        names_sites=any(release.rules.threshold.sites for release in releases.values()),
    )


def _prefetch(champion: ServicePlan, plans: Iterable[ServicePlan]) -> tuple[PrefetchKey, ...]:
    """The champion's, then what the others need beyond: not required, for a call must not fail for their sake."""
    keys = {key.name: key for key in champion.prefetch}
    for plan in plans:
        for key in plan.prefetch:
            known = keys.get(key.name)
            if known is None:
                keys[key.name] = msgspec.structs.replace(key, required=False)
            elif key.whole and not known.whole:
                keys[key.name] = msgspec.structs.replace(known, whole=True)
    return tuple(keys.values())


# --- what waits -------------------------------------------------------------------------------------------------------


class Pending(msgspec.Struct, frozen=True):
    """What the files say of a release, where people decided on another content of it: it waits, and shows nothing."""

    service_id: str
    version: str
    digest: str
    """Of the files as they are now."""
    decided: str
    """The champion's, of the same version."""

    def __str__(self) -> str:
        return f"{self.service_id} {self.version} ({short(self.digest)})"


def pending(files: Catalog, rollouts: Mapping[str, Rollout], versions: Mapping[str, str]) -> tuple[Pending, ...]:
    """`versions`: of the digests that rollouts name."""
    found = []
    for service_id, by_hook in files.services.items():
        rollout = rollouts.get(service_id)
        if rollout is None:
            continue
        there, version = _common(by_hook), versions.get(rollout.champion)
        if rollout.champion in there or version is None:
            continue
        plan = next(iter(by_hook.values()))
        found += [
            Pending(service_id, version, digest, rollout.champion)
            for digest in there
            if plan.releases[digest].version == version
        ]
    return tuple(found)
