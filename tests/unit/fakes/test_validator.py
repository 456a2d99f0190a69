"""The validator of answers: a good answer passes, and each way to break it is found by its row."""

import copy
import json
from typing import Any

import pytest

from tests.fakes.validator import problems_of_call, problems_of_discovery, problems_of_feedback

UUID = "6d8c1e0e-2a44-4a38-8b8e-4d7a4d9a3f1"
GOOD: dict[str, Any] = {
    "cards": [
        {
            "uuid": f"{UUID}1",
            "summary": "s" * 139,
            "detail": "**d**",
            "indicator": "warning",
            "source": {
                "label": "l",
                "url": "https://a.example",
                "icon": "https://a.example/i.png",
                "topic": {"system": "https://a.example", "code": "c"},
            },
            "suggestions": [
                {
                    "label": "l",
                    "uuid": f"{UUID}2",
                    "isRecommended": True,
                    "actions": [
                        {"type": "create", "description": "d", "resource": {"resourceType": "Task"}},
                        {"type": "update", "description": "d", "resource": {"resourceType": "Task", "id": "1"}},
                        {"type": "delete", "description": "d", "resourceId": "Task/1"},
                    ],
                },
                {"label": "m", "uuid": f"{UUID}3", "isRecommended": False},
            ],
            "selectionBehavior": "at-most-one",
            "overrideReasons": [{"system": "https://a.example", "code": "c", "display": "d"}],
            "links": [
                {"label": "l", "url": "https://a.example", "type": "absolute"},
                {"label": "l", "url": "https://a.example/launch", "type": "smart", "appContext": "{}"},
            ],
            "extension": {"com.example": {"a": 1}},
        }
    ],
    "systemActions": [{"type": "delete", "description": "d", "resourceId": "Task/1"}],
}


def judged(document: Any, status: int = 200) -> list[str]:
    return problems_of_call(status, "application/json", json.dumps(document).encode())


def test_good_answers_pass() -> None:
    """With everything in it, with nothing in it, and an error."""
    assert judged(GOOD) == []
    assert judged({"cards": []}) == []
    assert judged({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "invalid"}]}, 400) == []
    assert problems_of_feedback(200, "application/json", b"{}") == []
    assert problems_of_discovery(200, "application/json", b'{"services":[]}') == []


BROKEN: list[tuple[tuple[Any, ...], Any, str]] = [
    (("cards",), None, "RSP-1"),
    (("systemActions",), [], "GEN-3"),
    (("systemActions", 0, "resource"), {"resourceType": "Task", "id": "1"}, "ACT-5"),
    (("cards", 0, "uuid"), f"{UUID}1".upper(), "CARD-1"),
    (("cards", 0, "summary"), "s" * 140, "CARD-2"),
    (("cards", 0, "summary"), "", "GEN-3"),
    (("cards", 0, "detail"), ["d"], "CARD-2"),
    (("cards", 0, "indicator"), "hard-stop", "CARD-4"),
    (("cards", 0, "source"), {"url": "https://a.example"}, "CARD-5"),
    (("cards", 0, "source", "url"), "/relative", "CARD-6"),
    (("cards", 0, "source", "icon"), "icon.png", "CARD-6"),
    (("cards", 0, "source", "topic"), {"code": "c"}, "GEN-9"),
    (("cards", 0, "selectionBehavior"), "all", "CARD-9"),
    (("cards", 0, "overrideReasons"), [{"system": "s", "code": "c"}], "CARD-10"),
    (("cards", 0, "links", 0, "type"), "relative", "LNK-1"),
    (("cards", 0, "links", 0, "url"), "x", "LNK-1"),
    (("cards", 0, "links", 0, "appContext"), "x", "LNK-2"),
    (("cards", 0, "links", 1, "appContext"), {"a": 1}, "LNK-1"),
    (("cards", 0, "links", 0, "autolaunchable"), "yes", "LNK-3"),
    (("cards", 0, "suggestions", 1, "isRecommended"), True, "SUG-3"),
    (("cards", 0, "suggestions", 1, "uuid"), f"{UUID}2", "SUG-2"),
    (("cards", 0, "suggestions", 0, "label"), None, "GEN-3"),
    (("cards", 0, "suggestions", 0, "actions", 0, "type"), "Create", "ACT-1"),
    (("cards", 0, "suggestions", 0, "actions", 0, "resource"), "{}", "ACT-3"),
    (("cards", 0, "suggestions", 0, "actions", 1, "resource"), {"resourceType": "Task"}, "ACT-4"),
    (("cards", 0, "suggestions", 0, "actions", 2, "resourceId"), "1", "ACT-5"),
    (("cards", 0, "extension"), [{"url": "x"}], "GEN-6"),
    (("cards", 0, "colour"), "red", "CARD"),
]


@pytest.mark.parametrize(("place", "value", "row"), BROKEN)
def test_each_break_is_found(place: tuple[Any, ...], value: Any, row: str) -> None:
    """By the row of the checklist that it breaks."""
    document = copy.deepcopy(GOOD)
    holder = document
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    assert any(problem.startswith(row) for problem in judged(document)), judged(document)


@pytest.mark.parametrize("body", [b"", b"{", b'{"cards":[NaN]}', b'{"cards":[],"cards":[]}', b"\xff", b"null", b"[]"])
def test_what_is_no_answer_at_all(body: bytes) -> None:
    """Not JSON, a name twice, another type."""
    assert problems_of_call(200, "application/json", body)


def test_two_cards_with_one_uuid_and_an_error_without_an_outcome() -> None:
    """Feedback could not tell them apart; and a status alone says nothing."""
    assert judged({"cards": [*GOOD["cards"], *GOOD["cards"]]}) == ["CARD-1: two cards with one uuid"]
    assert judged({"detail": "no"}, 500) == ["RSP-6: an error without an OperationOutcome"]
    assert judged({}, 204) == ["RSP-1: status 204"]
