"""The closed lists hang together."""

from wardgate.domain import errors
from wardgate.domain.errors import Refusal, WardgateError
from wardgate.domain.outcomes import DEFERRAL_REASONS, OUTCOME_OF, Outcome, Reason


def _tree(root: type[WardgateError]) -> list[type[WardgateError]]:
    return [root] + [leaf for child in root.__subclasses__() for leaf in _tree(child)]


def test_every_reason_belongs_to_exactly_one_outcome() -> None:
    """A reason without an outcome could not be counted."""
    assert set(OUTCOME_OF) == set(Reason)


def test_every_outcome_has_a_reason() -> None:
    """An outcome that no reason causes would never be counted."""
    assert set(OUTCOME_OF.values()) == set(Outcome)


def test_every_error_has_a_code_of_its_own_and_stands_in_the_drawn_tree() -> None:
    """Codes are stable names; the tree at the top of the file is the documentation."""
    tree = _tree(WardgateError)
    codes = [error.code for error in tree]
    assert len(set(codes)) == len(codes)
    drawn = errors.__doc__ or ""
    assert all(error.__name__ in drawn for error in tree)


def test_every_refused_or_shed_reason_has_its_error() -> None:
    """What is refused is refused by raising, so each reason has a class."""
    refused = {reason for reason, outcome in OUTCOME_OF.items() if outcome in (Outcome.REFUSED, Outcome.SHED)}
    assert {error.reason for error in Refusal.__subclasses__()} == refused


def test_a_defer_rule_can_name_only_deferrals() -> None:
    """A rule cannot turn a deferral into another outcome."""
    assert all(OUTCOME_OF[reason] is Outcome.DEFERRED for reason in DEFERRAL_REASONS)
