"""Path → route, compiled once for each catalog: one dictionary look-up for a path that is written as published.

With the route goes the claim of its calls on a place: by risk tier, feedback last of all.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from wardgate.domain.feedback import OfferedReasons
from wardgate.domain.plans import Catalog, ServicePlan
from wardgate.gateway.call import HookCall
from wardgate.gateway.outcome import HookOutcome
from wardgate.resilience.admission import Claim
from wardgate.web.context_fields import ContextReader
from wardgate.web.discovery import discovery_document
from wardgate.web.feedback import FeedbackReader
from wardgate.web.wire import WireService, decoder_of

HookHandler = Callable[[HookCall], Awaitable[HookOutcome]]
HandlerFor = Callable[[ServicePlan], HookHandler]

RANKS = {"low": 1, "medium": 2, "high": 3}
"""Risk tiers, the lowest shed first; feedback, which can come later as well, stands below them."""

_PATIENCE = 0.1
_SHARE = 0.2
"""Waiting for a place takes at most so many seconds, and at most this share of the deadline, which runs meanwhile."""

_SLASHES = re.compile("//+")


class Place(Enum):
    DISCOVERY = auto()
    SERVICE = auto()
    FEEDBACK = auto()
    LIVE = auto()
    READY = auto()


ALLOWED = {
    Place.DISCOVERY: ("GET", "HEAD", "OPTIONS"),
    Place.SERVICE: ("POST", "OPTIONS"),
    Place.FEEDBACK: ("POST", "OPTIONS"),
    Place.LIVE: ("GET", "HEAD"),
    Place.READY: ("GET", "HEAD"),
}


@dataclass(frozen=True, slots=True)
class Offer:
    """One service file and the stack that answers it."""

    plan: ServicePlan
    handler: HookHandler


@dataclass(slots=True)
class Service:
    """All that is offered under one id; which offer is meant, the request's `hook` says (DIS-10). `coming`: calls that
    wait at the gate."""

    wire: WireService
    offers: Mapping[str, Offer]
    feedback: FeedbackReader
    coming: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    place: Place
    service: Service | None = None
    claims: Mapping[str, Claim] = field(default_factory=dict)
    """By the group of callers; empty: never shed."""
    hurried: Mapping[str, Claim] = field(default_factory=dict)
    """The same, of calls that gain nothing by waiting."""
    urls: frozenset[str] = frozenset()
    """What a token may name as its audience (CDS Hooks 2.0.1, "Trusting CDS Clients"); of feedback also the service's
    own, since clients send either."""
    patience: float = 0.1
    """Seconds that a call may wait for the keys of its client."""


class Routes:
    """The routes of one catalog, and its discovery document."""

    def __init__(
        self, catalog: Catalog, handler: HandlerFor, groups: Sequence[str], base: str, origin: str, cds_hooks: str
    ) -> None:
        """`groups` are those of callers; `base` is the path before `/cds-services`, `origin` what stands before it in
        the URL that clients call."""
        self.catalog = catalog
        self.discovery = discovery_document(catalog, cds_hooks)
        self._services = f"{base}/cds-services"
        self._routes = {
            self._services: Route(Place.DISCOVERY, urls=frozenset({f"{origin}{self._services}"})),
            "/health/live": Route(Place.LIVE),
            "/health/ready": Route(Place.READY),
        }
        used = {RANKS[plan.risk_tier] for plan in catalog.plans()}
        feedback = {group: Claim(0, group, len(used), _PATIENCE) for group in groups}
        for service_id, plans in catalog.services.items():
            service, path = _service(service_id, plans, handler), f"{self._services}/{service_id}"
            claims = {group: _claim(plans, group, used) for group in groups}
            url = f"{origin}{path}"
            hurried = {group: replace(claim, patience=0.0) for group, claim in claims.items()}
            waits = _SHARE * min(plan.deadline for plan in plans.values())
            self._routes[path] = Route(Place.SERVICE, service, claims, hurried, frozenset({url}), waits)
            urls = frozenset({url, f"{url}/feedback"})
            self._routes[f"{path}/feedback"] = Route(Place.FEEDBACK, service, feedback, feedback, urls)

    def find(self, path: str) -> Route | None:
        return self._routes.get(path) or self._routes.get(_tidy(path))

    def preflighted(self, path: str) -> bool:
        """Whether a preflight for `path` is ours to answer: whatever lies under the discovery endpoint."""
        return f"{_tidy(path)}/".startswith(f"{self._services}/")


def _claim(plans: Mapping[str, ServicePlan], group: str, used: Set[int]) -> Claim:
    """Made from the path alone, hence by the highest tier and the shortest deadline that are offered under the id."""
    rank = max(RANKS[plan.risk_tier] for plan in plans.values())
    patience = min(_PATIENCE, _SHARE * min(plan.deadline for plan in plans.values()))
    return Claim(rank, group, sum(other > rank for other in used), patience)


def _service(service_id: str, plans: Mapping[str, ServicePlan], handler: HandlerFor) -> Service:
    readers = {hook: ContextReader(plan) for hook, plan in plans.items()}
    wire = WireService(service_id, readers, decoder_of(plans.values()))
    offers = {hook: Offer(plan, handler(plan)) for hook, plan in plans.items()}
    cards = [release.card for plan in plans.values() for release in plan.releases.values()]
    reasons = OfferedReasons(reason for card in cards for reason in card.override_reasons)
    return Service(wire, offers, FeedbackReader(service_id, reasons))


def _tidy(path: str) -> str:
    """A discovery URL that was typed with a trailing slash makes clients call `//id`."""
    return _SLASHES.sub("/", path).rstrip("/")
