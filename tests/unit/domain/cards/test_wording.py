"""Every closed list has words, and the sentences say what the rules say."""

import msgspec
import pytest

from tests.unit.domain.cards.kidney import BANDS, RULES
from wardgate.domain.cards.wording import (
    ADVICE,
    ALL_CHECKED,
    MARKS,
    REASONS,
    STEPS,
    UNAVAILABLE,
    certainty_text,
    names_text,
    not_checked_text,
    reason_text,
    unanswered_text,
)
from wardgate.domain.decisions.rules import Exclusion, Threshold
from wardgate.domain.features.vector import Mark
from wardgate.domain.outcomes import DEFERRAL_REASONS, OUTCOME_OF, Outcome, Reason, Step


def test_the_maps_are_total() -> None:
    """Each deferral reason has words and advice, each mark and step has words."""
    assert set(REASONS) == set(ADVICE) == DEFERRAL_REASONS
    assert set(MARKS) == set(Mark) and set(STEPS) == set(Step)
    assert {OUTCOME_OF[reason] for reason in UNAVAILABLE} == {Outcome.UNAVAILABLE}


def test_no_two_deferral_reasons_read_alike() -> None:
    """Failures that can be told apart are told apart."""
    assert len({reason_text(reason, ()) for reason in DEFERRAL_REASONS}) == len(DEFERRAL_REASONS)


def test_a_model_failure_is_not_explained_to_a_clinician() -> None:
    """Timeouts, refusals and bad replies are one thing at the bedside; records keep them apart."""
    assert reason_text(Reason.MODEL_TIMEOUT, ()) == reason_text(Reason.REPLY_SHAPE, ())
    assert reason_text(Reason.CONTEXT_UNAVAILABLE, ()) != reason_text(Reason.REPLY_SHAPE, ())


@pytest.mark.parametrize(
    ("names", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names(names: list[str], text: str) -> None:
    """A list as a sentence has it."""
    assert names_text(names) == text


def test_certainty_in_numbers_and_in_per_cent() -> None:
    """The last band is open; no width, no mention of it; the unit is the one that the card uses."""
    rule = Threshold(0.1)
    assert certainty_text(BANDS[2], BANDS, 0.1, rule, "Note.", False) == (
        "Band very high: 0.1 and above. Shown from 0.1. Note."
    )
    assert certainty_text(BANDS[1], BANDS, 0.02, Threshold(0.02, {}, 0.0025), "", True) == (
        "Band high: 3 % to below 10 %. Shown from 2 %; closer than 0.25 percentage points to it no score is given."
    )
    one = certainty_text(None, BANDS, 0.1, Threshold(0.1, {}, 0.01), "", True)
    assert one.endswith("closer than 1 percentage point to it no score is given.")


def test_what_was_not_checked() -> None:
    """Unanswered questions, also the ones that nobody mentions; reasons; limitations that nothing watches over."""
    limits = [("Not in transplant.", "transplant"), ("Not in children.", "population"), ("Not in Mars.", None)]
    assert not_checked_text(RULES, limits) == (
        "Not checked: transplant, deceased. Not applicable: pregnancy (No input depends on pregnancy)."
        " Not applicable: dialysis (Asked by the population). Limitation: Not in transplant."
        " Limitation: Not in children. Limitation: Not in Mars."
    )
    assert unanswered_text(["a", "b"], ALL_CHECKED) == "Could not be checked: a, b."
    assert unanswered_text(["a"], f"{ALL_CHECKED} More.") == "Could not be checked: a. More."
    assert unanswered_text([], "More.") == "More."
    unmentioned = msgspec.structs.replace(RULES, exclusions=(Exclusion("sepsis"),))
    assert not_checked_text(unmentioned, []).startswith("Not checked: sepsis, pregnancy, dialysis,")
