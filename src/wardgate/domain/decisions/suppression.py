"""Whether a card repeats the one that was shown before, and whether a notice does.

Only what was shown leaves a mark, the newest in place of the one before. A card is a repeat where it says nothing that
the mark's card did not: the same release, the same or a milder band, and no fresher step. What is not sure is shown.
"""

from collections.abc import Mapping
from enum import StrEnum
from math import inf

import msgspec

from wardgate.domain.decisions.decision import Decision
from wardgate.domain.outcomes import Step

RETRY = 10.0
"""Seconds in which the same question is taken for a retry, and is answered again."""

_FRESHNESS: Mapping[Step, int] = {Step.MODEL: 1, Step.CACHED: 0, Step.RULE: 0, Step.NONE: 0}


class Repetition(StrEnum):
    NEW = "new"  # shown, and it leaves a mark
    RETRY = "retry"  # shown again; the mark of the first stays, so that whoever asks for ever is not told for ever
    REPEAT = "repeat"  # not shown


class Suppression(msgspec.Struct, frozen=True):
    """`suppress` of a service. Client, FHIR server, patient, service and encounter are always the same, and so is the
    release; `user`, `hook`, `site` and `band` are where they are named."""

    lasts: float  # seconds
    user: bool = False
    hook: bool = False
    site: bool = False
    band: bool = False


class ShownMark(msgspec.Struct, frozen=True, array_like=True):
    """What a card leaves behind. `scale` is the rule whose points the band is of; None: the model's own score."""

    at: float  # epoch seconds
    digest: str
    step: Step
    scale: str | None
    band: float | None  # where it starts; None: below the lowest
    site: str | None


def mark_of(decision: Decision, step: Step, digest: str, site: str | None, at: float) -> ShownMark:
    scale = None if decision.fallback is None else decision.fallback.rule
    return ShownMark(at, digest, step, scale, None if decision.band is None else decision.band.start, site)


def repetition(rule: Suppression, before: ShownMark | None, now: ShownMark) -> Repetition:
    """`now` is the mark that the card would leave; `before` None: nothing is known to have been shown."""
    if before is None or not _says_as_much(rule, before, now):
        return Repetition.NEW
    return _by_time(before.at, now.at, rule.lasts)


def repetition_of_notice(told_at: float | None, now: float, every: float) -> Repetition:
    return Repetition.NEW if told_at is None else _by_time(told_at, now, every)


def _says_as_much(rule: Suppression, before: ShownMark, now: ShownMark) -> bool:
    if before.digest != now.digest or before.scale != now.scale or (rule.site and before.site != now.site):
        return False
    if _FRESHNESS[now.step] > _FRESHNESS[before.step]:
        return False
    if rule.band and before.band != now.band:
        return False
    return _height(now.band) <= _height(before.band)


def _by_time(before: float, now: float, lasts: float) -> Repetition:
    """A mark in the future, from a replica whose clock is ahead, hides nothing."""
    if now - before < RETRY:
        return Repetition.RETRY
    return Repetition.REPEAT if now - before < lasts else Repetition.NEW


def _height(band: float | None) -> float:
    return -inf if band is None else band
