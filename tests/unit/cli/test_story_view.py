"""The story on a terminal: everything in words, nothing wider than the screen."""

from io import StringIO

import msgspec
import pytest
from rich.console import Console

from tests.fakes.stories import DAY, DIGEST, RULE, decision, overridden, report, shadow
from wardgate.cli.story_view import show
from wardgate.domain.records import Action, DecisionRecord
from wardgate.records.archive import OutcomeRow
from wardgate.records.story import Reported, Story

ONE = decision(1, suggestion_uuids=("11111111-2222-5333-8444-555555555555",), rule=None)
WHOLE = Story(
    ONE,
    (shadow(2, ONE, score=0.06),),
    (decision(3, repeats=ONE.decision_id),),
    (Reported(report(ONE, suggestion_keys=("k",)), "<30s"), Reported(overridden(ONE, "already", "already_done"), None)),
    RULE,
    (OutcomeRow("s", "kidney_failure", 0, ONE.at + 40 * DAY),),
    None,
    {"egfr": "15 to 30 mL/min"},
    "insecure_demo stands for all approvals",
)


def shown(story: Story, width: int = 100, colour: bool = False) -> str:
    out = StringIO()
    show([story], Console(file=out, width=width, highlight=False, force_terminal=colour, no_color=not colour))
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_all_of_it_is_there(width: int) -> None:
    """Who, where, when, which version; inputs, stages, shadow, repeats, feedback, outcome."""
    text = shown(WHOLE, width)
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for part in (
        "2026-11-21 09:00:01 UTC",
        ONE.decision_id,
        "site hospital_a",
        "unit ward_7",
        "kidney-failure 1.0.0",
        "insecure_demo stands for all approvals",
        "active · champion · snapshot 3",
        "shown / threshold_met, by the model",
        "The score reaches the threshold",
        "threshold 0.01 · band raised",
        ONE.card_uuids[0],
        "15 to 30 mL/min <7d",
        "missing · filled",
        "stages 7.6 ms",
        "1.1.0 0.06 raised withheld / shadow",
        "given again",
        "accepted (1 suggestion) <30s",
        "overridden the clocks disagree already",
        "kidney_failure within 730 days (first): not known yet",
        "had not happened until 40 days after the decision",
    ):
        assert part in words, part
    assert DIGEST[:60] in text.replace("\n", "").replace(" ", "")


def test_colour_only_where_there_is_some() -> None:
    """A file or NO_COLOR gets plain text."""
    assert "\x1b" in shown(WHOLE, colour=True)
    assert "\x1b" not in shown(WHOLE)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        (
            {"outcome": "unavailable", "reason": "model_timeout", "action": Action.NOTICE, "score": None},
            "the notice that there is no answer",
        ),
        (
            {"outcome": "deferred", "reason": "input_missing", "action": Action.DEFERRAL, "score": None},
            "a card that says that there is no score",
        ),
        (
            {"outcome": "withheld", "reason": "control_arm", "visible": False, "action": Action.NONE},
            "nothing; rendered, and kept back",
        ),
        ({"step": "cached", "fallback_from": "breaker_open", "cache_age_s": 700.0}, "Before that: The model had not"),
        ({"step": "rule", "rule": "ckd-stage", "fallback_from": "model_error"}, "by a rule · rule ckd-stage"),
        ({"outcome": "off", "reason": "off", "visible": False, "action": Action.NONE, "inputs": ()}, "switched off"),
        ({"reason": "of_a_later_version"}, "of_a_later_version"),
        ({"stages_ms": {"gather": 0.0}}, "0.00 ms"),
    ],
)
def test_every_ending_has_its_words(changes: dict[str, object], part: str) -> None:
    """Those of docs/errors.md; a reason of a later version is told as it is."""
    record: DecisionRecord = msgspec.structs.replace(ONE, **changes)
    assert part in " ".join(shown(Story(record)).split())
