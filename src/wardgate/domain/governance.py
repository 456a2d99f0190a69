"""What each step upward demands, by risk tier: `governance.yaml` compiled, or the strict default where there is none.

Steps add up: a release that goes to canary needs what shadow, silent and canary demand, so no step can be jumped over.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any

import msgspec
import rfc8785

from wardgate.domain.admin_tokens import Role
from wardgate.domain.outcomes import Mode

TIERS = ("low", "medium", "high")
STEPS = (Mode.SHADOW, Mode.SILENT, Mode.CANARY, Mode.ACTIVE)
"""Upward."""
APPROVERS = (Role.APPROVER_CLINICAL, Role.APPROVER_TECHNICAL, Role.APPROVER_PRIVACY, Role.APPROVER_COMPLIANCE)
EYES = 2
"""People who approve an edit of the policy itself, before it counts."""
_LONGEST = 4000
"""Letters of a policy, so that it has a place on the audit chain."""


_A_DAY = 86400.0


class Figure(StrEnum):
    """Evidence that a step may demand. A name keeps its meaning for ever."""

    SHADOW_DAYS = "shadow_days"
    NIGHTS = "nights"
    WEEKENDS = "weekends"
    SITES = "sites"
    DECISIONS = "decisions"
    CANARY_DAYS = "canary_days"
    CANARY_DECISIONS = "canary_decisions"
    P99_MS = "p99_ms"
    MISSING = "missing"
    ERRORS = "errors"
    ALERT_BURDEN = "alert_burden"
    OVERRIDE_RATE = "override_rate"
    ROLLBACK_REHEARSED_DAYS = "rollback_rehearsed_days"
    REVIEW_DAYS = "review_days"
    PROBES = "probes"
    VALIDATION_REPORT = "validation_report"
    DATASET_MANIFEST = "dataset_manifest"
    RISK_ASSESSMENT = "risk_assessment"
    FAIRNESS = "fairness"
    EXPLANATION_METHOD = "explanation_method"
    TRAINING = "training"


class Source(StrEnum):
    """Where a figure is read."""

    RECORDS = "records"
    CHAIN = "audit chain"
    RELEASE = "release file"
    ENDPOINT = "endpoint"


class Measure(msgspec.Struct, frozen=True):
    """What a figure says. `least`: the number that is demanded must be reached; else it must be kept to. `most`: the
    largest number that makes sense to demand."""

    meaning: str
    source: Source
    least: bool = True
    unit: str = ""
    most: float = float("inf")


WINDOW_DAYS = 180
"""How far back the records are read for a figure."""
ENOUGH = 5
"""Decisions that make a day, a night, a weekend or a site count."""

MEASURES: Mapping[Figure, Measure] = {
    Figure.SHADOW_DAYS: Measure("days in shadow or silent", Source.RECORDS, unit="days", most=WINDOW_DAYS),
    Figure.NIGHTS: Measure(
        "nights in shadow or silent, 22:00 to 06:00 by the client's clock", Source.RECORDS, most=WINDOW_DAYS
    ),
    Figure.WEEKENDS: Measure("weekends in shadow or silent", Source.RECORDS, most=WINDOW_DAYS // 7),
    Figure.SITES: Measure("sites in shadow or silent", Source.RECORDS),
    Figure.DECISIONS: Measure("decisions in shadow or silent", Source.RECORDS),
    Figure.CANARY_DAYS: Measure("days in canary or active", Source.RECORDS, unit="days", most=WINDOW_DAYS),
    Figure.CANARY_DECISIONS: Measure("decisions in canary or active, control arm left out", Source.RECORDS),
    Figure.P99_MS: Measure("milliseconds that 99 of 100 decisions kept to", Source.RECORDS, least=False, unit="ms"),
    Figure.MISSING: Measure(
        "share of decisions without a usable value, of the required input that lacked it most",
        Source.RECORDS,
        least=False,
        most=1,
    ),
    Figure.ERRORS: Measure(
        "share of the scores wanted that the model did not give", Source.RECORDS, least=False, most=1
    ),
    Figure.ALERT_BURDEN: Measure(
        "cards for 100 calls, those counted that shadow and silent would have shown",
        Source.RECORDS,
        least=False,
        most=100,
    ),
    Figure.OVERRIDE_RATE: Measure(
        "share of the reported cards that were overridden since somebody disagreed",
        Source.RECORDS,
        least=False,
        most=1,
    ),
    Figure.ROLLBACK_REHEARSED_DAYS: Measure(
        "days since a rollback of the service was last rehearsed (a drill)",
        Source.CHAIN,
        least=False,
        unit="days",
    ),
    Figure.REVIEW_DAYS: Measure("days until the release is to be reviewed (`review_by`)", Source.RELEASE, unit="days"),
    Figure.PROBES: Measure("1: the endpoint proves that it runs the pinned model", Source.ENDPOINT, most=1),
    Figure.VALIDATION_REPORT: Measure("evidence files: validation reports", Source.RELEASE),
    Figure.DATASET_MANIFEST: Measure("evidence files: dataset manifests", Source.RELEASE),
    Figure.RISK_ASSESSMENT: Measure("evidence files: risk assessments", Source.RELEASE),
    Figure.FAIRNESS: Measure("evidence files: fairness", Source.RELEASE),
    Figure.EXPLANATION_METHOD: Measure("evidence files: explanation methods", Source.RELEASE),
    Figure.TRAINING: Measure("evidence files: training of the users", Source.RELEASE),
}


class Need(msgspec.Struct, frozen=True, order=True):
    """Approvals by different people in this role."""

    role: Role
    number: Annotated[int, msgspec.Meta(ge=1, le=20)] = 1


class Demand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one step. `four_eyes`: nobody approves what she brought in. `exception`: its evidence may be excepted."""

    approvals: tuple[Need, ...] = ()
    four_eyes: bool = False
    evidence: Mapping[Figure, Annotated[float, msgspec.Meta(ge=0)]] = {}
    exception: bool = False


Tier = Mapping[Mode, Demand]


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step that a tier leaves out demands nothing of its own; a tier that is left out is that of the default."""

    tiers: Mapping[str, Tier] = {}
    put_back_within: Annotated[float, msgspec.Meta(gt=0)] = _A_DAY  # seconds

    def tier(self, name: str) -> Tier:
        """Of an unknown one, the strictest."""
        return self.tiers[name] if name in self.tiers else BUILT_IN.tiers.get(name, BUILT_IN.tiers[TIERS[-1]])


class Seat(msgspec.Struct, frozen=True):
    """An approval that is wanted: in this role, for this mode or a higher one."""

    role: Role
    mode: Mode


class Bound(msgspec.Struct, frozen=True):
    """What a figure has to reach or to keep to."""

    number: float
    exception: bool


class Asked(msgspec.Struct, frozen=True):
    """All that stands between a release and a mode."""

    seats: tuple[Seat, ...]
    four_eyes: bool
    evidence: Mapping[Figure, Bound]


def asked_for(policy: Policy, tier: str, mode: Mode, standing: Mode = Mode.OFF) -> Asked:
    """Approvals of all steps up to `mode`; evidence of those above `standing`, the mode that the release has now: that
    of the others was asked for when it went there."""
    demands = [(step, policy.tier(tier).get(step, Demand())) for step in steps_to(mode)]
    evidence: dict[Figure, Bound] = {}
    for step, demand in demands:
        for figure, number in demand.evidence.items() if above(step, standing) else ():
            held, stricter = evidence.get(figure), max if MEASURES[figure].least else min
            evidence[figure] = (
                Bound(number, demand.exception)
                if held is None
                else Bound(stricter(held.number, number), held.exception and demand.exception)
            )
    return Asked(_seats(demands), any(demand.four_eyes for _, demand in demands), evidence)


def steps_to(mode: Mode) -> tuple[Mode, ...]:
    """() for off, which demands nothing."""
    return STEPS[: STEPS.index(mode) + 1] if mode in STEPS else ()


def above(mode: Mode, other: Mode) -> bool:
    return len(steps_to(mode)) > len(steps_to(other))


def higher_tier(*tiers: str) -> str:
    """The highest; an unknown one counts as that."""
    return max(tiers, key=lambda tier: TIERS.index(tier) if tier in TIERS else len(TIERS))


def _seats(demands: Iterable[tuple[Mode, Demand]]) -> tuple[Seat, ...]:
    """The highest mode first; an approval for it counts beneath, so only what is wanted beyond has a seat there."""
    seats: list[Seat] = []
    for step, demand in reversed(list(demands)):
        for need in demand.approvals:
            have = sum(seat.role == need.role for seat in seats)
            seats += [Seat(need.role, step)] * (need.number - have)
    return tuple(seats)


# --- as it stands on the chain ----------------------------------------------------------------------------------------


def text_of(policy: Policy) -> str:
    """Canonical JSON (RFC 8785), what is as it is by default left out, so that a default which is added later changes
    no digest. Raises ValueError for one that is too long for the audit chain."""
    tiers = {
        name: {step.value: _without_defaults(demand) for step, demand in tier.items()}
        for name, tier in policy.tiers.items()
    }
    rest = {} if policy.put_back_within == _A_DAY else {"put_back_within": policy.put_back_within}
    text = rfc8785.dumps({"tiers": tiers, **rest}).decode()
    if len(text) > _LONGEST:
        raise ValueError(f"the policy has {len(text)} letters; the audit chain takes {_LONGEST}")
    return text


def _without_defaults(demand: Demand) -> dict[str, Any]:
    return {name: value for name, value in msgspec.to_builtins(demand).items() if value}


def digest_of(policy: Policy) -> str:
    """`sha256:` and 64 hex digits: however it is spelled, the same policy has the same."""
    return "sha256:" + sha256(text_of(policy).encode()).hexdigest()


def policy_of(text: str) -> Policy:
    """Raises ValueError for what `text_of` has not written."""
    try:
        policy = msgspec.json.decode(text, type=Policy)
    except (msgspec.MsgspecError, UnicodeError):
        raise ValueError("not a policy") from None
    if text_of(policy) != text:
        raise ValueError("not a policy as it is written")
    return policy


# --- where nobody has written one -------------------------------------------------------------------------------------

_TECHNICAL, _CLINICAL = Need(Role.APPROVER_TECHNICAL), Need(Role.APPROVER_CLINICAL)


def _tier(
    silent: Mapping[Figure, float], canary: Mapping[Figure, float], active: Demand, exception: bool
) -> dict[Mode, Demand]:
    return {
        Mode.SILENT: Demand((_TECHNICAL,), evidence=silent, exception=exception),
        Mode.CANARY: Demand((_CLINICAL, _TECHNICAL), four_eyes=True, evidence=canary, exception=exception),
        Mode.ACTIVE: active,
    }


BUILT_IN = Policy(
    {
        "low": _tier(
            {},
            {Figure.SHADOW_DAYS: 3, Figure.DECISIONS: 50, Figure.MISSING: 0.2, Figure.ERRORS: 0.05},
            Demand((_CLINICAL, _TECHNICAL), True, {Figure.CANARY_DAYS: 3}, exception=True),
            exception=True,
        ),
        "medium": _tier(
            {Figure.SHADOW_DAYS: 3},
            {
                Figure.SHADOW_DAYS: 7,
                Figure.NIGHTS: 5,
                Figure.WEEKENDS: 1,
                Figure.DECISIONS: 200,
                Figure.MISSING: 0.1,
                Figure.ERRORS: 0.02,
                Figure.ROLLBACK_REHEARSED_DAYS: 90,
            },
            Demand((_CLINICAL, _TECHNICAL), True, {Figure.CANARY_DAYS: 7, Figure.OVERRIDE_RATE: 0.5}, exception=True),
            exception=True,
        ),
        "high": _tier(
            {Figure.SHADOW_DAYS: 7},
            {
                Figure.SHADOW_DAYS: 14,
                Figure.NIGHTS: 10,
                Figure.WEEKENDS: 2,
                Figure.DECISIONS: 500,
                Figure.P99_MS: 400,
                Figure.MISSING: 0.1,
                Figure.ERRORS: 0.01,
                Figure.ROLLBACK_REHEARSED_DAYS: 90,
                Figure.REVIEW_DAYS: 0,
            },
            Demand(
                (msgspec.structs.replace(_CLINICAL, number=2), Need(Role.APPROVER_PRIVACY)),
                True,
                {Figure.CANARY_DAYS: 14, Figure.OVERRIDE_RATE: 0.5, Figure.REVIEW_DAYS: 0},
            ),
            exception=False,
        ),
    }
)
"""Strict, and enough to begin with: a governance.yaml states what the hospital has decided."""
