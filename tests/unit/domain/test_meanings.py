"""Every outcome, reason and error has its sentence, and docs/errors.md is made of them."""

import pytest

from tests.errors_reference import TARGET, reference, tree
from wardgate.domain.errors import WardgateError
from wardgate.domain.meanings import ERRORS, OUTCOMES, REASONS
from wardgate.domain.outcomes import OUTCOME_OF, Outcome, Reason
from wardgate.web.problems import PROBLEMS


def test_the_page_is_current() -> None:
    """Otherwise: python -m tests.errors_reference."""
    assert TARGET.read_text(encoding="utf-8") == reference()


def test_nothing_is_left_without_words() -> None:
    """A reason that nobody can explain helps nobody at 03:00."""
    assert set(OUTCOMES) == set(Outcome)
    assert set(REASONS) == set(Reason)
    assert set(ERRORS) == set(tree(WardgateError))


def test_every_refusal_has_its_status() -> None:
    """The web's problem table is total."""
    refused = (Outcome.REFUSED, Outcome.SHED)
    assert set(PROBLEMS) == {reason for reason, outcome in OUTCOME_OF.items() if outcome in refused}


@pytest.mark.parametrize(
    "text",
    [*OUTCOMES.values(), *ERRORS.values(), *(each for m in REASONS.values() for each in (m.bedside, m.engineer))],
)
def test_a_sentence_is_one(text: str) -> None:
    """It begins with a capital, ends with a stop, and fits into a table."""
    assert text[0].isupper() or text.startswith("wardgate")
    assert text.endswith((".", "?"))
    assert "|" not in text and "\n" not in text
