"""The CKD-EPI creatinine equation of 2021, without race.

Source: Inker LA, et al. New creatinine- and cystatin C-based equations to estimate GFR without race. N Engl J Med
2021;385:1737-1749.
"""

import math
from collections.abc import Sequence

FEATURES = ("creatinine", "age", "female")
"""mg/dL, years, 1 or 0."""


def answer(values: Sequence[float]) -> tuple[float, tuple[float, ...]]:
    """eGFR in mL/min/1.73 m2, and the natural logarithm of the factor that each input multiplies 142 with."""
    creatinine, age, female = values
    if not creatinine > 0:
        raise ValueError("creatinine must be above 0")
    knot, exponent = (0.7, -0.241) if female else (0.9, -0.302)
    share = creatinine / knot
    factors = (
        exponent * math.log(min(share, 1.0)) - 1.200 * math.log(max(share, 1.0)),
        math.log(0.9938) * age,
        math.log(1.012) if female else 0.0,
    )
    return 142 * math.exp(sum(factors)), factors
