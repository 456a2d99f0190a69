"""Whether a call that waits for a place could gain anything by it.

That its model has no place, the flow is told at once, and what stands in for it is worth waiting for: an earlier score,
a rule, a notice. Where nothing does, the answer is empty, and who has to wait even for that is better turned away.
"""

from collections.abc import Mapping

from wardgate.domain.plans import ReleasePlan, ServicePlan
from wardgate.domain.rollout.rollouts import Snapshot
from wardgate.gateway.probes import ProvenModel


def in_vain(plan: ServicePlan, snapshot: Snapshot, models: Mapping[str, ProvenModel], coming: int) -> bool:
    """For one more call of this service, behind so many that are coming, whichever release it would get. `models` by
    the digest of their release."""
    if plan.notice_every is not None:
        return False
    rollout = snapshot.rollouts[plan.id]
    challenger = rollout.challenger
    digests = (rollout.champion,) if challenger is None else (rollout.champion, challenger.release)
    return all(_silent(plan.releases[digest], models[digest], coming) for digest in digests)


def _silent(release: ReleasePlan, model: ProvenModel, coming: int) -> bool:
    return not release.ladder and not model.has_room(coming)
