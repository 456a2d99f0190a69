"""The cards printed in docs/cards.md are the ones that are rendered."""

from pathlib import Path

import pytest

from tests.unit.domain.cards.kidney import EFFECTS, compiled, deferred, missing, prediction, shown
from wardgate.domain.cards.facts import CardFacts
from wardgate.domain.cards.render import render
from wardgate.domain.outcomes import Reason

PAGE = Path(__file__).parents[4] / "docs" / "cards.md"
DETAIL = """{{ reasons | table }}
eGFR {{ egfr.value }} {{ egfr.unit }}, {{ egfr.age }} old. Computed {{ computed_at }}, valid until {{ valid_until }}.
Model {{ release.model }} {{ release.version }}. {{ not_checked }}"""


@pytest.mark.parametrize(
    "facts",
    [
        shown(predicted=prediction(effects=EFFECTS)),
        deferred(Reason.INPUT_MISSING, "uacr", uacr=missing("uacr")),
    ],
)
def test_the_page_shows_what_is_rendered(facts: CardFacts) -> None:
    """Summary, indicator and detail stand in the page as they are rendered now."""
    card = render(compiled(detail=DETAIL), facts)
    printed = f"Summary ({card.indicator}): `{card.summary}`\n\n```markdown\n{card.detail}\n```"
    assert printed in PAGE.read_text(encoding="utf-8")
