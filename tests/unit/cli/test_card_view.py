"""How a call looks on a terminal."""

import io
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from rich.console import Console

from wardgate.cli.card_view import show
from wardgate.cli.ehr import HookAnswer, Prefetched

_CARD: dict[str, Any] = {
    "summary": "Kidney failure risk in 2 years: 49.4 % (very high)",
    "indicator": "warning",
    "detail": "About this **score**.\n\n| Input | Value |\n| --- | --- |\n| eGFR | 12 |\n",
    "source": {"label": "Nephrology", "url": "https://nephrology.example"},
    "links": [{"label": "Guideline", "url": "https://guideline.example", "type": "absolute"}],
    "overrideReasons": [{"code": "a", "system": "s", "display": "Already referred"}],
}


def _shown(
    *cards: Mapping[str, Any],
    patient: Mapping[str, Any] | None = None,
    status: int = 200,
    body: object = None,
    counted: Mapping[str, str] | None = None,
    width: int = 80,
) -> str:
    answer = HookAnswer(
        service={"id": "kidney-failure", "hook": "patient-view"},
        patient=patient or {"id": "p1", "name": [{"given": ["Ann"], "family": "Example"}], "birthDate": "1960-11-22"},
        prefetched=(Prefetched("labs", 12), Prefetched("problems", None, "the FHIR server answers 403")),
        request={},
        status=status,
        milliseconds=12.34,
        body={"cards": list(cards)} if body is None else body,
        counted=counted,
    )
    console = Console(file=io.StringIO(), width=width, highlight=False, force_terminal=False)
    show(answer, console, date(2026, 11, 21))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _packed(text: str) -> str:
    """Without the spaces, the breaks and the frame that depend on the width."""
    return "".join(text.replace("│", " ").split())


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_card_is_shown_whole(width: int) -> None:
    """Summary, detail, source, link, override reason, and the call around it, within the terminal's width."""
    text = _shown(_CARD, width=width)
    flat = _packed(text)
    for part in (
        "WARNING",
        "49.4 %",
        "About this score.",
        "eGFR",
        "Nephrology",
        "https://guideline.example",
        "Already",
    ):
        assert _packed(part) in flat
    for part in ("p1 (Ann Example, 65 years)", "labs 12", "problems missing (the FHIR server answers 403)"):
        assert _packed(part) in flat
    assert _packed("200 in 12.3 ms · 1 card") in flat
    assert max(map(len, text.splitlines())) <= width


_ACTING: dict[str, Any] = _CARD | {
    "source": {"label": "Nephrology", "topic": {"system": "s", "code": "kfre", "display": "Kidney failure risk"}},
    "selectionBehavior": "any",
    "suggestions": [
        {
            "label": "Refer to nephrology",
            "uuid": "u",
            "isRecommended": True,
            "actions": [
                {"type": "create", "description": "Draft a referral", "resource": {"resourceType": "ServiceRequest"}},
                {"type": "delete", "description": "Drop the recall", "resourceId": "Task/7"},
            ],
        },
        {"label": "Repeat the labs", "actions": [{"type": "update", "description": "Move the visit", "resource": {}}]},
    ],
    "links": [{"label": "Explorer", "url": "https://app.example", "type": "smart", "autolaunchable": True}],
}


@pytest.mark.parametrize("width", [40, 80, 120])
def test_what_a_card_proposes_can_be_told_apart(width: int) -> None:
    """Which suggestion is recommended, what each would do to the chart, what opens by itself, what it is about."""
    text = _shown(_ACTING, width=width)
    flat = _packed(text)
    for part in (
        "suggests ☑ Refer to nephrology (recommended)",
        "+ Draft a referral (create ServiceRequest)",
        "− Drop the recall (delete Task/7)",
        "☐ Repeat the labs",
        "~ Move the visit (update)",
        "→ Explorer (SMART app, opens by itself)",
        "override · Already referred",
        "topic: Kidney failure risk · kfre",
    ):
        assert _packed(part) in flat
    assert max(map(len, text.splitlines())) <= width
    assert "choose one" in _shown(_ACTING | {"selectionBehavior": "at-most-one"})


def test_what_the_ehr_does_by_itself_is_shown_beside_the_cards() -> None:
    """System actions belong to no card."""
    action = {"type": "update", "description": "Note the risk", "resource": {"resourceType": "ServiceRequest"}}
    text = _shown(body={"cards": [_CARD], "systemActions": [action]})
    assert "by itself" in text and "~ Note the risk (update ServiceRequest)" in text
    assert "by itself" not in _shown(_CARD)


@pytest.mark.parametrize(
    "odd",
    [
        {"suggestions": 7, "links": {}, "overrideReasons": "x", "source": [], "selectionBehavior": []},
        {"suggestions": [7, {}, {"actions": 7}, {"actions": [7, {}]}], "links": [7, {}], "source": {"topic": 7}},
    ],
)
def test_an_odd_card_is_shown_all_the_same(odd: dict[str, Any]) -> None:
    """What answers may be another service than this gateway, or a broken one."""
    text = _shown(body={"cards": [_CARD | odd], "systemActions": 7})
    assert "49.4 %" in text


def test_no_card_says_why_where_it_is_known() -> None:
    """The reason of the gateway's counter in words, and as it is counted."""
    text = _shown(counted={"outcome": "out_of_scope", "reason": "exclusion"})
    assert "An exclusion of this service applies" in text
    assert "out_of_scope / exclusion" in text
    assert "below the threshold, out of its scope" in " ".join(_shown().split())


def test_a_refused_call_shows_what_the_gateway_says() -> None:
    """The OperationOutcome's sentences, not its JSON."""
    body = {"resourceType": "OperationOutcome", "issue": [{"diagnostics": "hookInstance must be a UUID"}]}
    assert "hookInstance must be a UUID" in _shown(status=400, body=body)
    assert "says no more" in _shown(status=502, body=[])


def test_nothing_from_outside_steers_the_terminal() -> None:
    """Escape sequences in a chart or a card are not passed on."""
    hostile = "\x1b]0;owned\x07\x1b[2J\x9b31m\r"
    card = _CARD | {"summary": hostile, "detail": hostile, "indicator": hostile, "source": {"label": hostile}}
    card["suggestions"] = [{"label": hostile, "actions": [{"type": hostile, "description": hostile}]}]
    card["links"] = [{"label": hostile, "url": hostile}]
    text = _shown(card, patient={"id": hostile, "name": [{"text": hostile}], "gender": hostile, "birthDate": hostile})
    assert not any(character in text for character in "\x1b\x07\x9b\r")


@pytest.mark.parametrize(
    "patient", [{"name": "x"}, {"name": []}, {"name": [None]}, {"birthDate": 7}, {"name": [{"given": 1}]}]
)
def test_an_odd_patient_is_shown_all_the_same(patient: Mapping[str, Any]) -> None:
    """What the FHIR server says of a patient is not always what the standard says."""
    assert "patient" in _shown(_CARD, patient=patient)
