"""Whether a call that waits for a place could gain anything by it.

That its model has no place, the flow is told at once, and what stands in for it is worth waiting for: an earlier score,
a rule, a notice. Where nothing does, the answer is empty, and who has to wait even for that is better turned away.
"""

from collections.abc import Mapping

from wardgate.domain.flags import Snapshot
from wardgate.domain.plans import ServicePlan
from wardgate.gateway.probes import ProvenModel


def in_vain(plan: ServicePlan, snapshot: Snapshot, models: Mapping[str, ProvenModel], coming: int) -> bool:
    """For one more call of this service, behind so many that are coming. `models` by the digest of their release."""
    release = plan.releases[snapshot.rollouts[plan.id].champion]
    return not release.ladder and plan.notice_every is None and not models[release.digest].has_room(coming)
