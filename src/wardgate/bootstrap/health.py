"""What a gateway says of its services."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from wardgate.adapters.logs.events import EventLog
from wardgate.domain.editions import Pending
from wardgate.domain.plans import Catalog
from wardgate.domain.releases import Review
from wardgate.domain.rollout.rollouts import Snapshot
from wardgate.gateway.probes import ProvenModel


def tell_services(log: EventLog, services: Mapping[str, Mapping[str, Any]]) -> None:
    """What each service shows, as health says it."""
    for service_id, state in services.items():
        log.event(
            "service",
            service_id=service_id,
            mode=state["mode"],
            model_name=state["model"],
            model_version=state["champion"],
            release_digest=state["digest"],
            proof=state["proof"],
        )


def health(
    catalog: Catalog,
    snapshot: Snapshot,
    models: Mapping[str, ProvenModel],
    waiting: Mapping[str, Pending],
    now: float,
) -> dict[str, dict[str, str]]:
    """What the admin listener says of each service: mode, champion, digest, proof; whether its review is overdue; the
    digest of an edit that waits."""
    today = datetime.fromtimestamp(now, UTC).date().isoformat()
    state: dict[str, dict[str, str]] = {}
    for plan in catalog.plans():
        rollout = snapshot.rollouts[plan.id]
        release = plan.releases[rollout.champion]
        state[plan.id] = {
            "mode": rollout.mode.value,
            "model": release.model,
            "champion": release.version,
            "digest": release.digest,
            "proof": models[release.digest].proof.value,
        }
        if (review := release.dossier.review(today)) is Review.EXPIRED:
            state[plan.id]["review"] = review.value
        if plan.id in waiting:
            state[plan.id]["pending"] = waiting[plan.id].digest
    return state
