"""The Kidney Failure Risk Equation, four variables.

Source: Tangri N, et al. Multinational assessment of accuracy of equations for predicting risk of kidney
failure. JAMA 2016;315(2):164-174. Valid for adults with CKD stages G3a to G5.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

FEATURES = ("age", "male", "egfr", "uacr")


@dataclass(frozen=True)
class Variant:
    """`baseline` is the survival without kidney failure at the horizon for the mean patient of the cohort."""

    baseline: float
    output: str


VARIANTS = {
    "kfre": Variant(0.9832, "risk_2y"),
    "kfre_5y": Variant(0.9365, "risk_5y"),
    "kfre_na_2y": Variant(0.9750, "risk_2y"),
    "kfre_na_5y": Variant(0.9240, "risk_5y"),
}
"""By model name; `na` is the recalibration for North America, the others are for everywhere else."""


def terms(age: float, male: float, egfr: float, uacr: float) -> tuple[float, float, float, float]:
    """Contributions to the linear predictor, in the order of FEATURES; 0 is the mean patient.

    age in years, male 1 or 0, eGFR in mL/min/1.73 m2, urine albumin-creatinine ratio in mg/g. Raises
    ValueError where the equation is not defined.
    """
    if not uacr > 0:
        raise ValueError("uacr must be above 0: the equation takes its logarithm")
    return (
        -0.2201 * (age / 10 - 7.036),
        0.2467 * (male - 0.5642),
        -0.5567 * (egfr / 5 - 7.222),
        0.4510 * (math.log(uacr) - 5.137),
    )


def risk(variant: Variant, contributions: tuple[float, ...]) -> float:
    """Probability of kidney failure within the variant's horizon, 0 to 1; raises ValueError on overflow."""
    try:
        return 1 - math.pow(variant.baseline, math.exp(sum(contributions)))
    except OverflowError:
        raise ValueError("the inputs are outside of what the equation can compute") from None


def answer(variant: Variant, values: Sequence[float]) -> tuple[float, tuple[float, ...]]:
    """The risk, and what each of FEATURES adds to the linear predictor."""
    age, male, egfr, uacr = values
    contributions = terms(age, male, egfr, uacr)
    return risk(variant, contributions), contributions
