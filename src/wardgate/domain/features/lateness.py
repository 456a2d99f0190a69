"""How long a value took from its time to being available: `max_lag`, the contract with its source.

A late value is as true as any other, and is used; that it was late is a note on its quality.
"""

from collections.abc import Sequence

from wardgate.domain.context.fhir import Resource
from wardgate.domain.features.candidates import Dated, Moment
from wardgate.domain.features.schema import FeatureSpec, Take
from wardgate.domain.features.takes import window
from wardgate.domain.times import parse_instant


def is_late(spec: FeatureSpec, at: float, dated: Sequence[Dated], moment: Moment) -> bool:
    """Whether what was selected (`at` is its time), or anything that a longer take rests on, came too late."""
    if spec.take in (Take.LATEST, Take.EARLIEST):
        behind = [entry for entry in dated if entry[0] == at][-1:]
    else:
        behind = list(window(spec, dated, moment.as_of))
    limit = spec.max_lag
    return limit is not None and any(_available(resource, moment, at) - at > limit for at, _, resource in behind)


def _available(resource: Resource, moment: Moment, otherwise: float) -> float:
    """Since when it can be read: `issued`, else `meta.lastUpdated`, unless that tells of an edit ahead of the clock."""
    issued = parse_instant(resource.issued, moment.zone) if resource.issued else None
    if issued is not None:
        return issued
    text = resource.meta.lastUpdated if resource.meta is not None else None
    updated = parse_instant(text, moment.zone) if text else None
    return updated if updated is not None and updated <= moment.horizon else otherwise
