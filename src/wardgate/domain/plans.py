"""The compiled configuration: frozen, built once at start or reload, read by every call."""

from collections.abc import Mapping

import msgspec

from wardgate.domain.cards.plan import CardPlan
from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.decisions.cached import Basis
from wardgate.domain.decisions.ladder import Ladder
from wardgate.domain.decisions.rules import Rules
from wardgate.domain.decisions.suppression import Suppression
from wardgate.domain.features.compile import Extractor
from wardgate.domain.follow_up import FollowUp
from wardgate.domain.governance import BUILT_IN, Policy
from wardgate.domain.hooks import ContextField
from wardgate.domain.inference.calibration import Calibration
from wardgate.domain.inference.endpoint import Endpoint, ProbePlan
from wardgate.domain.releases import Dossier
from wardgate.domain.rollout.rollouts import Rollout


class ReleasePlan(msgspec.Struct, frozen=True):
    """One release as one service uses it: all that decides what is shown. `digest` covers exactly this."""

    service_id: str
    model: str
    version: str
    digest: str  # "sha256:..."
    schema_version: str
    extractor: Extractor
    rules: Rules
    endpoint: Endpoint
    probes: ProbePlan
    score_range: tuple[float, float] | None
    calibration: Calibration
    card: CardPlan
    ladder: Ladder = ()
    rule_cards: Mapping[str, CardPlan] = {}  # by the name of a rule of the ladder
    basis: Basis | None = None  # of its cached scores; None: none is kept
    kept_for: float = 0.0  # seconds that a score is worth keeping
    dossier: Dossier = Dossier()
    file: str = ""  # "sha256:..." of the release file alone, which never changes under its version


class ServicePlan(msgspec.Struct, frozen=True):
    """One service file: an id under one hook."""

    id: str
    hook: str
    title: str
    description: str
    usage_requirements: str | None
    prefetch: tuple[PrefetchKey, ...]
    deadline: float  # seconds
    risk_tier: str
    names_sites: bool
    releases: Mapping[str, ReleasePlan]  # by digest: the champion and whatever else the rollout names
    context: tuple[ContextField, ...] = ()  # of a hook outside the library, where the service declares it
    context_fields: tuple[str, ...] = ()  # whose resources a feature of one of these releases reads
    suppression: Suppression | None = None  # None: a repeated card is shown again
    notice_every: float | None = None  # seconds; None: that there is no card means nothing
    follow_up: FollowUp | None = None  # None: no outcome is joined to its decisions

    def version(self, version: str) -> ReleasePlan:
        """The release of this version; raises KeyError where none has it."""
        for release in self.releases.values():
            if release.version == version:
                return release
        raise KeyError(version)


class Catalog(msgspec.Struct, frozen=True):
    """All services by id, then by hook, and where their rollouts begin when no store says otherwise."""

    services: Mapping[str, Mapping[str, ServicePlan]]
    rollouts: Mapping[str, Rollout]
    digest: str = ""  # "sha256:..." over all files
    previews: Mapping[str, tuple[str, ...]] = {}  # by service id: users who see silent cards, as `Practitioner/id`
    policy: Policy = BUILT_IN
    """Of governance.yaml. Which one holds is on the audit chain (`domain.approvals.Charter`)."""

    def follow_ups(self) -> dict[str, FollowUp]:
        """By service id: files of one id state the same."""
        return {plan.id: plan.follow_up for plan in self.plans() if plan.follow_up is not None}

    def plans(self) -> list[ServicePlan]:
        return [plan for by_hook in self.services.values() for plan in by_hook.values()]
