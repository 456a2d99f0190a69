"""What a policy demands of the services of a configuration, in lines for a terminal."""

from collections.abc import Iterator

from wardgate.domain.governance import BUILT_IN, EYES, MEASURES, STEPS, Demand, digest_of, higher_tier
from wardgate.domain.plans import Catalog
from wardgate.domain.releases import short

_PREFIX = "approver-"


def demands_of(catalog: Catalog, insecure_demo: bool) -> Iterator[str]:
    """By service: what each mode needs beside what those before it need."""
    if insecure_demo:
        yield "approvals and evidence: none are asked for, under insecure_demo"
        return
    yield f"approvals and evidence, {_by(catalog)}; each mode needs what those above it need, too"
    for service, by_hook in catalog.services.items():
        tier = higher_tier(*(plan.risk_tier for plan in by_hook.values()))
        yield f"  {service}, tier {tier}"
        for mode in STEPS:
            yield f"    {mode:<6}  {_said(catalog.policy.tier(tier).get(mode, Demand()))}"


def _by(catalog: Catalog) -> str:
    if catalog.policy == BUILT_IN:
        return "by the built-in policy"
    digest = short(digest_of(catalog.policy))
    return f"by governance.yaml ({digest}), once {EYES} people have approved it (`wardgate approve governance`)"


def _said(demand: Demand) -> str:
    """In one line."""
    who = ", ".join(f"{need.number} {need.role.removeprefix(_PREFIX)}" for need in demand.approvals)
    who += " (not the author)" if who and demand.four_eyes else ""
    figures = ", ".join(
        f"{figure} {'≥' if MEASURES[figure].least else '≤'} {number:g}" for figure, number in demand.evidence.items()
    )
    more = "evidence may be excepted" if figures and demand.exception else ""
    return "; ".join(filter(None, (who, figures, more))) or "nothing more"
