"""Calibration maps: raw score to the probability that is shown."""

import math
from bisect import bisect_right

import msgspec

_CLIP = 1e-6


class Identity(msgspec.Struct, frozen=True, tag="identity", tag_field="method"):
    pass


class Logistic(msgspec.Struct, frozen=True, tag="logistic", tag_field="method"):
    """σ(a + b·logit p), p clipped to [1e-6, 1 - 1e-6] (Platt 1999; Cox 1958 recalibration)."""

    intercept: float
    slope: float


class Isotonic(msgspec.Struct, frozen=True, tag="isotonic", tag_field="method"):
    """Linear between points, clamped outside; `points` are (raw, calibrated), raw strictly increasing."""

    points: tuple[tuple[float, float], ...]


Calibration = Identity | Logistic | Isotonic


def calibrate(calibration: Calibration, raw: float) -> float:
    match calibration:
        case Identity():
            return raw
        case Logistic(intercept=a, slope=b):
            p = min(max(raw, _CLIP), 1 - _CLIP)
            return _sigmoid(a + b * math.log(p / (1 - p)))
        case Isotonic(points=points):
            return _interpolate(points, raw)


def _sigmoid(x: float) -> float:
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    return math.exp(x) / (1 + math.exp(x))


def _interpolate(points: tuple[tuple[float, float], ...], raw: float) -> float:
    i = bisect_right(points, raw, key=lambda point: point[0])
    if i == 0:
        return points[0][1]
    if i == len(points):
        return points[-1][1]
    (x0, y0), (x1, y1) = points[i - 1], points[i]
    return y0 + (y1 - y0) * (raw - x0) / (x1 - x0)
