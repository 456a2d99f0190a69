"""What feedback and outcomes say of each release: pure sums over joined decisions.

Preview and shadow stand outside of what is said of cards, since nobody decided anything by them. A repeat of an answer
is the same card once more, so it is not counted again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from math import inf

import msgspec

from wardgate.domain.feedback import DOUBT
from wardgate.domain.outcomes import Arm, Mode, Outcome
from wardgate.domain.records import DecisionRecord, EventType
from wardgate.records.archive import FeedbackEntry
from wardgate.records.joined import Joined

_STEPS: tuple[tuple[float, str], ...] = (
    (10, "<10s"),
    (30, "<30s"),
    (60, "<1m"),
    (300, "<5m"),
    (900, "<15m"),
    (3600, "<1h"),
    (8 * 3600, "<8h"),
    (86400, "<1d"),
)
_BEYOND = ">=1d"
TIME_STEPS = (*[name for _, name in _STEPS], _BEYOND)


def time_step(decided_at: float, report: FeedbackEntry) -> str | None:
    """How long until somebody acted, in steps, since it is a span between two clocks; None where these disagree, or
    the report has no time."""
    seconds = -inf if report.at is None else report.at - decided_at
    if seconds < -DOUBT:
        return None
    return next((name for limit, name in _STEPS if seconds < limit), _BEYOND)


class ReleaseKey(msgspec.Struct, frozen=True, order=True):
    model_version: str
    release_digest: str
    arm: str


class CardFigures(msgspec.Struct, frozen=True):
    """What became of the cards of one release in one arm. `reported` of `shown`; the others were ignored, which is not
    overridden. `by_class` and `by_reason` are of the overridden ones. `times` by step; `quantiles` are steps too."""

    release: ReleaseKey
    shown: int
    reported: int
    accepted: int
    overridden: int
    disagreed: int
    by_class: Mapping[str, int]
    by_reason: Mapping[str, int]
    by_role: Mapping[str, int]
    times: Mapping[str, int]
    doubtful_times: int
    quantiles: Mapping[str, str | None]

    @property
    def acceptance(self) -> float | None:
        return self.accepted / self.reported if self.reported else None


def counts_as_card(record: DecisionRecord) -> bool:
    """Whether a clinician was shown a score's card for care: no preview, no deferral, no notice."""
    seen = record.visible and record.mode in (Mode.CANARY, Mode.ACTIVE) and record.outcome == Outcome.SHOWN
    return seen and record.repeats is None and record.event_type is EventType.DECISION


class _Cards:
    def __init__(self) -> None:
        self.shown = 0
        self.outcomes: Counter[str] = Counter()
        self.classes: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.roles: Counter[str] = Counter()
        self.times: Counter[str] = Counter()
        self.doubtful = 0

    def add(self, record: DecisionRecord, report: FeedbackEntry | None) -> None:
        self.shown += 1
        if report is None:
            return
        self.outcomes[report.outcome] += 1
        self.roles[report.user_role or record.user_role or "unknown"] += 1
        step = time_step(record.at, report)
        if step is None:
            self.doubtful += 1
        else:
            self.times[step] += 1
        if report.outcome == "overridden":
            self.classes[report.override_class] += 1
            if report.override_code is not None:
                self.reasons[f"{report.override_system}|{report.override_code}"] += 1

    def figures(self, release: ReleaseKey) -> CardFigures:
        return CardFigures(
            release,
            self.shown,
            sum(self.outcomes.values()),
            self.outcomes["accepted"],
            self.outcomes["overridden"],
            self.classes["disagree"],
            dict(self.classes.most_common()),
            dict(self.reasons.most_common()),
            dict(self.roles.most_common()),
            {step: self.times[step] for step in TIME_STEPS if self.times[step]},
            self.doubtful,
            {name: _quantile(self.times, share) for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))},
        )


def feedback_figures(decisions: Iterable[Joined]) -> list[CardFigures]:
    found: dict[ReleaseKey, _Cards] = {}
    for each in decisions:
        if counts_as_card(each.record):
            found.setdefault(_key(each.record), _Cards()).add(each.record, each.last)
    return [cards.figures(key) for key, cards in sorted(found.items())]


class BandFigures(msgspec.Struct, frozen=True):
    """`known`: whose outcome is known by the rule; `events`: it is not 0; `rate`: events of known."""

    decisions: int
    known: int
    events: int
    rate: float | None


class OutcomeFigures(msgspec.Struct, frozen=True):
    release: ReleaseKey
    total: BandFigures
    by_band: Mapping[str, BandFigures]  # `none`: below the lowest band, or the threshold


def outcome_figures(decisions: Iterable[Joined]) -> list[OutcomeFigures]:
    """Over all decisions with a score of the model, shown or not: below the threshold and in shadow as well."""
    found: dict[ReleaseKey, dict[str, list[int]]] = {}
    for each in decisions:
        record = each.record
        if record.score is None or record.step != "model" or record.repeats is not None or record.arm == Arm.PREVIEW:
            continue
        counts = found.setdefault(_key(record), {}).setdefault(record.band or "none", [0, 0, 0])
        counts[0] += 1
        counts[1] += each.outcome is not None
        counts[2] += each.outcome is not None and each.outcome != 0
    return [_outcomes(key, bands) for key, bands in sorted(found.items())]


def _outcomes(key: ReleaseKey, bands: Mapping[str, list[int]]) -> OutcomeFigures:
    totals = [sum(counts[place] for counts in bands.values()) for place in range(3)]
    return OutcomeFigures(key, _band(totals), {band: _band(counts) for band, counts in sorted(bands.items())})


def _band(counts: list[int]) -> BandFigures:
    decisions, known, events = counts
    return BandFigures(decisions, known, events, events / known if known else None)


def _key(record: DecisionRecord) -> ReleaseKey:
    return ReleaseKey(record.model_version or "", record.release_digest or "", record.arm)


def _quantile(times: Mapping[str, int], share: float) -> str | None:
    """The step in which it lies."""
    total, seen = sum(times.values()), 0
    for step in TIME_STEPS:
        seen += times.get(step, 0)
        if total and seen >= share * total:
            return step
    return None
