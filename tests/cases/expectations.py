"""How a case is held against what came back."""

from typing import Any

from tests.fakes.asgi import Reply
from tests.fakes.gateway import FakeGateway


def ended_as_written(gateway: FakeGateway, reply: Reply, expected: dict[str, Any]) -> None:
    """Outcome, reason and step, in the metric and in the record; the card, what it says and does not say."""
    (counted,) = gateway.meter.calls
    assert counted[4:6] == (expected["outcome"], expected["reason"])
    assert counted[6] == expected.get("step", counted[6])
    (record,) = gateway.sink.newest(2)
    assert (record.outcome, record.reason, record.step) == counted[4:7]
    assert record.fallback_from == expected.get("fallback_from")
    assert reply.status == 200
    cards = reply.json()["cards"]
    assert len(cards) == (1 if expected["outcome"] == "shown" or expected.get("card") else 0)
    for card in cards:
        text = f"{card['summary']}\n{card.get('detail', '')}"
        assert card["summary"] == expected.get("summary", card["summary"])
        assert card["indicator"] == expected.get("indicator", card["indicator"])
        assert all(part in text for part in expected.get("says", [])), text
        assert not any(part in text for part in expected.get("silent_about", [])), text
        suggested = [suggestion["label"] for suggestion in card.get("suggestions", [])]
        assert suggested == expected.get("suggests", suggested)
        assert card["uuid"] in record.card_uuids
