"""What extraction yields: for each feature a value or the mark that says why there is none."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

Value = float | bool | str


class Mark(StrEnum):
    MISSING = "missing"
    STALE = "stale"
    IMPLAUSIBLE = "implausible"
    WRONG_UNIT = "wrong_unit"
    COMPARATOR = "comparator"
    NOT_NUMERIC = "not_numeric"


class Point(msgspec.Struct, frozen=True, gc=False):
    """One earlier or later measurement of the same feature, for the trend on a card."""

    at: float  # effective time, epoch seconds
    value: float


class FeatureValue(msgspec.Struct, frozen=True):
    """`value` is None exactly when `mark` is set; it stands in the declared unit.

    `at` (epoch seconds) and `age` (seconds, never negative) are those of the measurement that was selected,
    also when its value is marked; None when nothing was found or the feature has no time (Patient).
    `shown` is the raw value as it stood in the chart, where `value` cannot show it (`> 60 mL/min`, or the
    number before a declared conversion).
    `unobtained`: the data could not be fetched, which is not the same as missing from the chart.
    `late`: it took longer to become available than its feed has promised (`max_lag`); the value holds all the same.
    `lacks`: of a derived feature without value, the measured one that it could not be worked out for.
    `trend` holds up to five earlier usable values, oldest first, the selected one last.
    """

    name: str
    value: Value | None
    mark: Mark | None = None
    at: float | None = None
    age: float | None = None
    unit: str | None = None
    shown: str | None = None
    unobtained: bool = False
    trend: tuple[Point, ...] = ()
    late: bool = False
    lacks: str | None = None


class FeatureVector(msgspec.Struct, frozen=True):
    values: Mapping[str, FeatureValue]
    deceased: bool | None  # built in, from Patient; None where there is no Patient
    as_of: float  # epoch seconds
