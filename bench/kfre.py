"""The model behind every gateway that is measured, written once more, apart from wardgate and from the lab.

Kidney Failure Risk Equation, four variables, two years, non-North-American calibration: Tangri et al.,
JAMA 2016;315(2):164-174, supplement.
"""

import math

ORDER = ("age", "male", "egfr", "uacr")
_BASELINE = 0.9832


def terms(age: float, male: float, egfr: float, uacr: float) -> tuple[float, float, float, float]:
    """The four centred terms of the linear predictor; `age` in years, `uacr` in mg/g (at least 1)."""
    return (
        -0.2201 * (age / 10 - 7.036),
        0.2467 * (male - 0.5642),
        -0.5567 * (egfr / 5 - 7.222),
        0.4510 * (math.log(uacr) - 5.137),
    )


def risk(parts: tuple[float, float, float, float]) -> float:
    """Probability of kidney failure within two years."""
    return 1 - math.pow(_BASELINE, math.exp(sum(parts)))
