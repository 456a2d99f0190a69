"""The last look at everything that telemetry says, before it leaves: only what is on the list, in values of the list.

A name that is not listed is dropped. So is a value that its name cannot have, but for closed sets: there it becomes
`other`, so that a count stays a count. Both are told, since a correct program drops nothing.
"""

from collections.abc import Callable, Iterable, Mapping

from wardgate.domain.attributes import (
    ATTRIBUTES,
    OTHER,
    RESOURCE_ATTRIBUTES,
    SPAN_NAMES,
    Attribute,
    Configured,
    Loss,
    Measured,
    Sink,
    Value,
    Words,
    form_of,
)
from wardgate.domain.clients import Client
from wardgate.domain.context.caller import ROLES, AttributeSpec
from wardgate.domain.decisions.ladder import RuleRung
from wardgate.domain.plans import Catalog

Known = Mapping[str, frozenset[str]]
"""By attribute: the names that the configuration gave."""

_Check = Callable[[object], Value | None]
_NOTHING: frozenset[str] = frozenset()


class Guard:
    """One for all sinks of a process. It knows no name of a configuration until it is told (`know`)."""

    def __init__(self, known: Known | None = None) -> None:
        self._known: dict[str, frozenset[str]] = {}
        self._checks = {name: _check(each, _NOTHING) for name, each in ATTRIBUTES.items()}
        self._lost: Callable[[Sink, Loss, int], None] = _untold
        self._resource = {name: _check(each, _NOTHING) for name, each in RESOURCE_ATTRIBUTES.items()}
        self.know(known or {})

    def know(self, known: Known) -> None:
        """Besides what is known already: calls end in the configuration in which they began."""
        for name, words in known.items():
            before = self._known.get(name, _NOTHING)
            if not words <= before:
                self._known[name] = before | words
                self._checks[name] = _check(ATTRIBUTES[name], before | words)

    def tell(self, lost: Callable[[Sink, Loss, int], None]) -> None:
        """Who hears of what is dropped, and how much."""
        self._lost = lost

    def lost(self, sink: Sink, loss: Loss, count: int = 1) -> None:
        self._lost(sink, loss, count)

    def value(self, sink: Sink, name: str, value: object) -> Value | None:
        """What may leave under this name; None: nothing."""
        return self._checked(self._checks, sink, name, value)

    def resource_value(self, name: str, value: object) -> Value | None:
        return self._checked(self._resource, Sink.TRACES, name, value)

    def span_name(self, name: str) -> str:
        if name in SPAN_NAMES:
            return name
        self._lost(Sink.TRACES, Loss.UNLISTED, 1)
        return OTHER

    def _checked(self, checks: Mapping[str, _Check], sink: Sink, name: str, value: object) -> Value | None:
        check = checks.get(name)
        if check is None:
            self._lost(sink, Loss.UNLISTED, 1)
            return None
        checked = check(value)
        if checked is None:
            self._lost(sink, Loss.VALUE, 1)
        return checked


def configured_names(catalog: Catalog, clients: Iterable[Client], attributes: Iterable[AttributeSpec]) -> Known:
    """Every name that a configuration gives."""
    clients, plans = tuple(clients), catalog.plans()
    maps: dict[str, set[str]] = {each.name: set(each.map.values()) for each in attributes}
    releases = [release for plan in plans for release in plan.releases.values()]
    rungs = [rung for release in releases for rung in release.ladder if isinstance(rung, RuleRung)]
    deferrals = max((len(release.rules.defer) for release in releases), default=0)
    exclusions = {exclusion.name for release in releases for exclusion in release.rules.exclusions}
    bands = [band for release in releases for band in release.rules.bands]
    names: dict[str, set[str]] = {
        "service_id": {plan.id for plan in plans},
        "hook": {plan.hook for plan in plans},
        "client": {client.name for client in clients},
        "site_id": {client.site for client in clients if client.site is not None} | maps.get("site", set()),
        "unit": maps.get("unit", set()),
        "specialty": maps.get("specialty", set()),
        "encounter_type": maps.get("encounter_type", set()),
        "user_role": {*ROLES.values(), *maps.get("role", set())},
        "model_name": {release.model for release in releases},
        "model_version": {release.version for release in releases},
        "feature_schema_version": {release.schema_version for release in releases},
        "rule": {rung.name for rung in rungs},
        "question": {str(number) for number in range(1, deferrals + 1)} | exclusions,
        "score_band": {band.name for band in [*bands, *[band for rung in rungs for band in rung.bands]]},
        "feature": {spec.name for release in releases for spec in release.extractor.schema.features},
    }
    return {name: frozenset(words) for name, words in names.items()}


def _untold(sink: Sink, loss: Loss, count: int) -> None:
    """Until somebody listens."""


def _check(attribute: Attribute, names: frozenset[str]) -> _Check:
    match attribute.kind:
        case None:
            return lambda value: value if isinstance(value, bool) else None
        case Measured(low, high):
            return _within(low, high)
        case Words(words):
            return _among(frozenset(words))
        case Configured(besides):
            return _among(names.union(besides))
        case kind:
            return _formed(form_of(kind).fullmatch)


def _among(words: frozenset[str]) -> _Check:
    def check(value: object) -> str | None:
        if not isinstance(value, str):
            return None
        return str(value) if value in words else OTHER

    return check


def _within(low: float, high: float) -> _Check:
    def check(value: object) -> int | float | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return value if low <= value <= high else None  # not a number is in no range

    return check


def _formed(matches: Callable[[str], object]) -> _Check:
    return lambda value: str(value) if isinstance(value, str) and matches(value) else None
