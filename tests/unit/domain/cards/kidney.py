"""A card of a kidney failure service: its spec, features, release, rules and patients, for the tests of cards."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import msgspec

from wardgate.domain.cards.card import Coding, Link, Source
from wardgate.domain.cards.compile import compile_card
from wardgate.domain.cards.facts import CardFacts
from wardgate.domain.cards.plan import CardPlan
from wardgate.domain.cards.spec import (
    CardProblem,
    CardSpec,
    Limitation,
    NoticeSpec,
    OverrideClass,
    OverrideReason,
    ReleaseFacts,
)
from wardgate.domain.decisions.decide import should_we
from wardgate.domain.decisions.decision import Decision
from wardgate.domain.decisions.rules import Band, Exclusion, Rules, Show, Threshold
from wardgate.domain.features.schema import FeatureSpec, FeatureType, Take, Use
from wardgate.domain.features.vector import FeatureValue, FeatureVector, Mark, Point
from wardgate.domain.inference.prediction import ModelInputs, Prediction
from wardgate.domain.outcomes import Reason

DAY = 86400.0
NOW = 1_772_460_300.0  # 2026-03-02 14:05 UTC
BERLIN = ZoneInfo("Europe/Berlin")
EGFR_UNIT = "mL/min/{1.73_m2}"
INPUTS = ("age", "male", "egfr", "uacr")

FEATURES = {
    spec.name: spec
    for spec in (
        FeatureSpec(
            name="egfr", source="Observation", within=365 * DAY, unit=EGFR_UNIT, plausible=(1, 200), required=True
        ),
        FeatureSpec(name="age", source="Patient", path="birthDate", as_="years", plausible=(0, 120), required=True),
        FeatureSpec(name="has_dialysis", source="Condition", take=Take.ANY, use=Use.RULE_ONLY),
        FeatureSpec(
            name="male",
            source="Patient",
            path="gender",
            type=FeatureType.CODE,
            map={"male": 1, "female": 0},
            required=True,
        ),
        FeatureSpec(name="uacr", source="Observation", within=365 * DAY, unit="mg/g", plausible=(0, 25000)),
    )
}
BANDS = (Band("raised", 0.01, "info"), Band("high", 0.03, "warning"), Band("very high", 0.1, "critical"))
RULES = Rules(
    None,
    None,
    (
        Exclusion("pregnancy", not_applicable="No input depends on pregnancy."),
        Exclusion("dialysis", not_applicable="Asked by the population."),
        Exclusion("transplant"),
        Exclusion("deceased"),
    ),
    (),
    Show.CARD,
    ("egfr", "age", "male"),
    Threshold(0.01, {"hospital_b": 0.02}, 0.001),
    BANDS,
)
RELEASE = ReleaseFacts(
    "kidney-failure",
    "1.0.0",
    INPUTS,
    limitations=(Limitation("Not validated in transplant recipients.", "transplant"),),
    score_range=(0, 1),
)
SPEC = CardSpec(
    bands=BANDS,
    summary="Kidney failure risk in 2 years: {{ score | percent }} ({{ band }})",
    source=Source("Nephrology CDS", "https://nephrology.hospital.example"),
    links=(Link("Referral guideline", "https://nephrology.hospital.example/ckd", "absolute"),),
    override_reasons=(
        OverrideReason(
            Coding("https://hospital.example/override", "referred", "Already under nephrology"),
            OverrideClass.ALREADY_DONE,
        ),
    ),
    deferred=NoticeSpec("Kidney failure risk not calculated: {{ reason.display }}"),
    names={"male": "sex"},
)


def observed(
    name: str, value: float, days: float, unit: str, earlier: Mapping[float, float] | None = None
) -> FeatureValue:
    points = [*((earlier or {}).items()), (days, value)]
    trend = tuple(Point(NOW - at * DAY, number) for at, number in points)
    return FeatureValue(name, value, None, NOW - days * DAY, days * DAY, unit, trend=trend)


def patient(**changes: FeatureValue) -> FeatureVector:
    """A man of 70 with eGFR 24 and UACR 812, but for the changes."""
    values = {
        "egfr": observed("egfr", 24.0, 3, EGFR_UNIT, {400: 35.0, 200: 29.0}),
        "age": FeatureValue("age", 70.4189),
        "has_dialysis": FeatureValue("has_dialysis", False),
        "male": FeatureValue("male", 1.0),
        "uacr": observed("uacr", 812.0, 40, "mg/g"),
    }
    return FeatureVector(values | changes, False, NOW)


EFFECTS = {"age": -0.012, "male": 0.11, "egfr": 1.35, "uacr": 0.71}


def prediction(
    score: float = 0.0993,
    effects: Mapping[str, float] | None = None,
    filled: tuple[str, ...] = (),
    clipped: tuple[str, ...] = (),
) -> Prediction:
    return Prediction(score, score, effects, {}, ModelInputs((70.4189, 1.0, 24.0, 812.0), filled, clipped))


def shown(
    vector: FeatureVector | None = None,
    predicted: Prediction | None = None,
    site: str | None = None,
    rules: Rules = RULES,
) -> CardFacts:
    vector, predicted = vector or patient(), predicted or prediction()
    return CardFacts("d-1", should_we(rules, vector, predicted, site), vector, predicted, NOW, BERLIN)


def deferred(reason: Reason, *features: str, question: str | None = None, **changes: FeatureValue) -> CardFacts:
    decision = Decision(reason, Show.CARD, features=features, question=question)
    return CardFacts("d-2", decision, patient(**changes), None, NOW, BERLIN)


def missing(name: str, mark: Mark = Mark.MISSING, days: float | None = None, raw: str | None = None) -> FeatureValue:
    at = None if days is None else NOW - days * DAY
    return FeatureValue(name, None, mark, at, None if days is None else days * DAY, shown=raw)


def compiled(rules: Rules = RULES, release: ReleaseFacts = RELEASE, **changes: object) -> CardPlan:
    plan = compile_card(msgspec.structs.replace(SPEC, **changes), FEATURES, release, rules)
    assert isinstance(plan, CardPlan), plan
    return plan


def problems(**changes: object) -> list[CardProblem]:
    found = compile_card(msgspec.structs.replace(SPEC, **changes), FEATURES, RELEASE, RULES)
    assert not isinstance(found, CardPlan)
    return found
