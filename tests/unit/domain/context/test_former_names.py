"""Features read a field of the context also where it came under a former name (trap T-14)."""

import json
from typing import Any

import pytest

from tests.fakes.hooks import CONTEXTS, FORMER
from wardgate.domain.context.drafts import decode_drafts

TASK, ORDER = "fulfillmentTasks", "medication"


def found(context: dict[str, Any], name: str) -> list[str | None]:
    page = decode_drafts(json.dumps(context).encode(), [name]).pages[name]
    return [] if page is None else [resource.resourceType for resource in page.resources]


@pytest.mark.parametrize("context", [context for hook, context, _ in FORMER if hook == "order-dispatch"])
def test_tasks_of_a_dispatch(context: dict[str, Any]) -> None:
    """One `task` of version 1.0, and the hyphens of the page's example, are today's `fulfillmentTasks`."""
    assert found(context, TASK) == found(CONTEXTS["order-dispatch"], TASK) == ["Task"]


def test_the_order_that_is_verified() -> None:
    """medication-verify's examples say `order`, and wrap the resource."""
    (context,) = (context for hook, context, _ in FORMER if hook == "medication-verify")
    assert found(context, ORDER) == ["MedicationRequest"]


def test_todays_name_counts_first() -> None:
    """Null under it counts as nothing, so that the former one is read."""
    both = {"medication": {"resourceType": "MedicationRequest", "id": "new"}, "order": {"resourceType": "Task"}}
    assert found(both, ORDER) == ["MedicationRequest"]
    assert found({**both, "medication": None}, ORDER) == ["Task"]
    assert found({}, ORDER) == []
