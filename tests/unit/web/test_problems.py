"""The problem table is total and its bodies are OperationOutcomes."""

import msgspec
import pytest

from wardgate.domain import errors
from wardgate.domain.outcomes import OUTCOME_OF, Outcome, Reason
from wardgate.web.problems import INTERNAL, PROBLEMS, refusal_response


@pytest.mark.requirement("DIS-11", "RSP-5")
def test_every_refusal_has_a_status() -> None:
    """The table covers exactly the reasons whose outcome is `refused`, each with a 4xx, and overload with a 503."""
    refused = {reason for reason, outcome in OUTCOME_OF.items() if outcome is Outcome.REFUSED}
    assert set(PROBLEMS) == refused | {Reason.OVERLOADED}
    assert all(400 <= PROBLEMS[reason][0] < 500 for reason in refused)
    assert PROBLEMS[Reason.OVERLOADED][0] == 503


def test_every_refusal_class_can_be_answered() -> None:
    """No subclass of Refusal is left without an answer."""
    for refusal in errors.Refusal.__subclasses__():
        status, _ = PROBLEMS[refusal.reason]
        made = refusal("What.", ()) if refusal is errors.MethodNotAllowed else refusal("What.")
        assert refusal_response(made).status == status


@pytest.mark.requirement("RSP-6")
def test_an_operation_outcome_names_the_element() -> None:
    """Severity, code, the sentence and the element, and nothing empty."""
    with_element = msgspec.json.decode(refusal_response(errors.BadRequest("Wrong.", "context.patientId")).body)
    assert with_element == {
        "resourceType": "OperationOutcome",
        "issue": [
            {"severity": "error", "code": "invalid", "diagnostics": "Wrong.", "expression": ["context.patientId"]}
        ],
    }
    without = msgspec.json.decode(refusal_response(errors.NotFound("Nothing.")).body)
    assert without["issue"] == [{"severity": "error", "code": "not-found", "diagnostics": "Nothing."}]


def test_the_last_resort_says_nothing_of_the_cause() -> None:
    """An internal error is a 500 with a fixed sentence."""
    assert INTERNAL.status == 500
    assert msgspec.json.decode(INTERNAL.body)["issue"][0]["code"] == "exception"
