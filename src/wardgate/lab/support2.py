"""In-hospital death of seriously ill inpatients: a logistic model trained on SUPPORT2, weak and honest.

Source of the data: SUPPORT2, 9,105 inpatients of five centres of the United States, 1989 to 1994 (UCI Machine
Learning Repository, data set 880, CC BY 4.0; Knaus WA, et al. The SUPPORT prognostic model. Ann Intern Med
1995;122:191-203). Ten inputs of the third day, fourteen terms of the usual shapes, fitted on 6,386 stays. On the other
2,719: AUC 0.663, Brier score 0.182. Values are filled in and cut off by whoever asks: the figures are in the release.
"""

import math
from collections.abc import Sequence

FEATURES = ("age", "hrt", "resp", "temp", "meanbp", "wblc", "crea", "sod", "alb", "bili")
"""a, /min, /min, Cel, mm[Hg], 10*3/uL, mg/dL, mmol/L, g/dL, mg/dL."""

NORMAL = (63.0, 80.0, 16.0, 37.0, 85.0, 9.0, 1.01, 140.0, 3.5, 1.01)
"""What contributions are measured from, and what was filled in for missing values in training."""

RECALIBRATION = (-0.02225964, 0.94227468)
"""Intercept and slope on the logit scale, fitted on the 2,719 held-out stays: version 2."""

_INTERCEPT = -2.879520450339143


def terms(values: Sequence[float]) -> tuple[float, ...]:
    """What each input adds to the logit, in the order of FEATURES; raises ValueError where one is not defined."""
    age, hrt, resp, temp, meanbp, wblc, crea, sod, alb, bili = values
    if not (crea > 0 and bili > 0):
        raise ValueError("crea and bili must be above 0: the model takes their logarithms")
    return (
        0.011935523600530306 * age,
        0.0044985288778766445 * hrt,
        0.002232180663662165 * resp,
        0.2234592119516608 * max(36.5 - temp, 0) + 0.2811210797068381 * max(temp - 38, 0),
        0.02836950596531861 * max(70 - meanbp, 0) + 0.00872891404765455 * max(meanbp - 110, 0),
        0.12493944473634948 * max(5 - wblc, 0) + 0.008511591260167355 * max(wblc - 12, 0),
        0.21314048472524788 * math.log(crea),
        0.015817442763578604 * max(135 - sod, 0) + 0.043244827697524385 * max(sod - 145, 0),
        0.15931431811877325 * max(3.5 - alb, 0),
        0.23201472033448764 * math.log(bili),
    )


_NORMAL_TERMS = terms(NORMAL)


def answer(values: Sequence[float], intercept: float = 0.0, slope: float = 1.0) -> tuple[float, tuple[float, ...]]:
    """The probability of death in hospital, and what each input adds to its logit beside a normal value."""
    added = terms(values)
    logit = intercept + slope * (_INTERCEPT + sum(added))
    contributions = tuple(slope * (here - normal) for here, normal in zip(added, _NORMAL_TERMS, strict=True))
    return 1 / (1 + math.exp(-logit)), contributions


def recalibrated(values: Sequence[float]) -> tuple[float, tuple[float, ...]]:
    return answer(values, *RECALIBRATION)
