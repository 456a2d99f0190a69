"""The sentences that wardgate says to a clinician: why there is no score, what to do, how sure a score is.

The maps over closed lists are total (asserted by tests): a reason without words would be a card without a reason.
"""

from collections.abc import Mapping, Sequence

from wardgate.domain.cards.text import exact, exact_percent
from wardgate.domain.decisions.rules import STANDARD_QUESTIONS, Band, Rules, Threshold
from wardgate.domain.features.vector import Mark
from wardgate.domain.inference.calibration import Calibration, Identity, Isotonic, Logistic
from wardgate.domain.outcomes import Reason, Step

STEPS: Mapping[Step, str] = {
    Step.MODEL: "Model",
    Step.CACHED: "Cached score",
    Step.RULE: "Rule, no model",
    Step.NONE: "No score",
}

REASONS: Mapping[Reason, tuple[str, str]] = {
    Reason.INPUT_MISSING: ("{names} not found", "an input was not found"),
    Reason.INPUT_STALE: ("{names} too old", "an input is too old"),
    Reason.INPUT_IMPLAUSIBLE: ("{names} outside the plausible range", "an input is outside its plausible range"),
    Reason.INPUT_UNIT: ("{names} in an unexpected unit", "an input is in an unexpected unit"),
    Reason.INPUT_COMPARATOR: ("{names} only known as a limit", "an input is only known as a limit, such as > 60"),
    Reason.INPUT_NOT_NUMERIC: ("{names} without a usable value", "an input has no usable value"),
    Reason.INPUT_CONFLICT: ("contradictory data: {names}", "inputs contradict each other"),
    Reason.POPULATION_UNKNOWN: (
        "cannot tell whether the model applies ({names})",
        "cannot tell whether the model applies to this patient",
    ),
    Reason.EXCLUSION_UNKNOWN: (
        "exclusion cannot be checked: {names}",
        "an exclusion cannot be checked",
    ),
    Reason.RULE_UNKNOWN: ("a safety rule could not be checked ({names})", "a safety rule could not be checked"),
    Reason.INDETERMINATE: ("too close to the threshold to say", "too close to the threshold to say"),
    Reason.UNCERTAIN: ("the model is not certain enough", "the model is not certain enough"),
    Reason.CLINICAL_RULE: ("a clinical rule applies ({names})", "a clinical rule applies"),
    Reason.WRONG_PATIENT: ("the data may belong to another patient", "the data may belong to another patient"),
}
"""Each deferral reason in words: with the names of the features that it is about, and without."""

ADVICE: Mapping[Reason, str] = {
    Reason.INPUT_MISSING: "Look for {names} elsewhere, or order it where it would change what you do.",
    Reason.INPUT_STALE: "Repeat {names} where a current value would change what you do.",
    Reason.INPUT_IMPLAUSIBLE: "Check {names} in the chart: a typing error, a mixed-up sample or a wrong unit?",
    Reason.INPUT_UNIT: "Read {names} in the chart with its unit; nothing was converted by guess.",
    Reason.INPUT_COMPARATOR: "Read {names} in the chart; only a limit was reported, and the model needs a number.",
    Reason.INPUT_NOT_NUMERIC: "Read {names} in the chart; what is recorded cannot be read as a value.",
    Reason.INPUT_CONFLICT: "Check {names} in the chart and decide which entry is right.",
    Reason.POPULATION_UNKNOWN: "Check {names}, and judge without the model.",
    Reason.EXCLUSION_UNKNOWN: "Check {names}, and judge without the model.",
    Reason.RULE_UNKNOWN: "Check {names}, and judge without the model.",
    Reason.INDETERMINATE: "Judge without the model; a repeated measurement may settle it.",
    Reason.UNCERTAIN: "Judge without the model; this patient may differ from those it was built on.",
    Reason.CLINICAL_RULE: "Judge without the model.",
    Reason.WRONG_PATIENT: "Make sure that the right chart is open, and report this to the helpdesk.",
}

PREVIEW = "Preview, not for care"
PREVIEW_MEANS = "The model is being tried out; only you and others who were named for it see this card."
"""Stand at the head of a silent card that a named user sees, and are never cut."""

NOT_A_RESULT = "No score does not mean low risk."

UNAVAILABLE: Mapping[Reason, str] = {
    Reason.CONTEXT_UNAVAILABLE: "the patient's data could not be read",
    Reason.DEADLINE: "the answer took too long",
    Reason.RELEASE_ABSENT: "the model is not in place yet",
    Reason.PROBE_PENDING: "the model has not been verified yet",
    Reason.PROBE_FAILED: "the model failed its verification",
    Reason.MODEL_BUSY: "the model has too much to do",
    Reason.MODEL_THROTTLED: "the model has too much to do",
    Reason.BULKHEAD_FULL: "the model has too much to do",
    Reason.BREAKER_OPEN: "the model has not been answering",
    Reason.MODEL_ISOLATED: "the model has been taken out of use",
}
"""Reasons of `unavailable` that a clinician can make something of; every other one is the model's."""

_NO_MODEL = "the model gave no usable answer"


def unavailable_text(reason: Reason) -> str:
    return UNAVAILABLE.get(reason, _NO_MODEL)


def cached_text(model: str, version: str, computed_at: str, why: Reason) -> str:
    reason = unavailable_text(why)
    return f"Cached: computed {computed_at} by {model} {version}, in place of a new score: {reason}."


def unchecked_text(names: Sequence[str]) -> str:
    """What stands on a cached score's card where nobody could look whether its inputs still hold."""
    about = f"{names_text(names)} could not be read now" if names else "they could not be read now"
    return f"Inputs not checked: {about}; something newer may be in the chart."


MARKS: Mapping[Mark, str] = {
    Mark.MISSING: "not found",
    Mark.STALE: "too old",
    Mark.IMPLAUSIBLE: "outside the plausible range",
    Mark.WRONG_UNIT: "in a unit that is not expected",
    Mark.COMPARATOR: "a limit, not a value",
    Mark.NOT_NUMERIC: "not a usable value",
}
UNOBTAINED = "could not be read"


def names_text(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def reason_text(reason: Reason, names: Sequence[str]) -> str:
    """A deferral's or an unavailability's reason in words, as it stands after a colon."""
    words = REASONS.get(reason)
    if words is None:
        return unavailable_text(reason)
    return words[0].format(names=names_text(names)) if names else words[1]


def advice_text(reason: Reason, names: Sequence[str]) -> str:
    return ADVICE[reason].format(names=names_text(names) or "the inputs")


def calibration_text(calibration: Calibration) -> str:
    match calibration:
        case Identity():
            return "The model's own number, not recalibrated."
        case Logistic(intercept=a, slope=b):
            return f"Recalibrated (logistic, intercept {exact(a)}, slope {exact(b)})."
        case Isotonic(points=points):
            return f"Recalibrated (isotonic, {len(points)} points)."


def number_text(number: float, percent: bool) -> str:
    return exact_percent(number) if percent else exact(number)


def certainty_text(
    band: Band | None, bands: Sequence[Band], threshold: float | None, rule: Threshold, note: str, percent: bool
) -> str:
    """How sure: the band's limits, the threshold with the width around it that is left open, the calibration."""
    parts = [_band_text(band, bands, percent), _threshold_text(threshold, rule, percent), note]
    return " ".join(filter(None, parts))


def _band_text(band: Band | None, bands: Sequence[Band], percent: bool) -> str:
    if band is None:
        return "Below the lowest band."
    above = [other.start for other in bands if other.start > band.start]
    upper = f" to below {number_text(min(above), percent)}" if above else " and above"
    return f"Band {band.name}: {number_text(band.start, percent)}{upper}."


def _threshold_text(threshold: float | None, rule: Threshold, percent: bool) -> str:
    if threshold is None:
        return "Every score is shown (no threshold)."
    shown = f"Shown from {number_text(threshold, percent)}"
    if not rule.indeterminate:
        return shown + "."
    points = exact_percent(rule.indeterminate).removesuffix(" %")
    width = f"{points} percentage point{'' if points == '1' else 's'}" if percent else exact(rule.indeterminate)
    return f"{shown}; closer than {width} to it no score is given."


ALL_CHECKED = "No standard question was left unchecked."


def unanswered_text(names: Sequence[str], standing: str) -> str:
    """`standing` (`not_checked_text`) where questions were asked in this call, and could not be answered."""
    if not names:
        return standing
    return f"Could not be checked: {', '.join(names)}. {standing.removeprefix(ALL_CHECKED).lstrip()}".rstrip()


def not_checked_text(rules: Rules, limitations: Sequence[tuple[str, str | None]]) -> str:
    """What nobody looked at: questions not checked, questions that do not apply with the reason, limitations.

    `limitations` are (text, check); one whose check is asked of every patient is no news and is left out. A standard
    question that the service does not mention was not checked.
    """
    named = {exclusion.name for exclusion in rules.exclusions}
    asked = {exclusion.name for exclusion in rules.exclusions if exclusion.when is not None}
    if rules.population is not None:
        asked.add("population")
    unasked = [exclusion.name for exclusion in rules.exclusions if exclusion.not_checked]
    unasked += [question for question in STANDARD_QUESTIONS if question not in named]
    parts = [f"Not checked: {', '.join(unasked)}." if unasked else ALL_CHECKED]
    parts += [
        f"Not applicable: {exclusion.name} ({exclusion.not_applicable.rstrip('.')})."
        for exclusion in rules.exclusions
        if exclusion.not_applicable is not None
    ]
    parts += [f"Limitation: {text.rstrip('.')}." for text, check in limitations if check not in asked]
    return " ".join(parts)
