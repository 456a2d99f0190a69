"""Every hook of the library, and hooks of one's own: what a call must carry, and what may be missing or odd in it."""

from typing import Any

import msgspec
import pytest

from tests.fakes.hooks import CONTEXTS, FORMER
from tests.web.house import plan
from wardgate.domain.context.prefetch import parse_template
from wardgate.domain.errors import BadRequest
from wardgate.domain.hooks import HOOKS, FieldKind
from wardgate.domain.hooks.library import custom_fields, tokens_of
from wardgate.domain.plans import ServicePlan
from wardgate.web.context_fields import ContextReader, HookContext

MARKER = "Zebulon"


def read(service: ServicePlan, context: dict[str, Any]) -> HookContext:
    return ContextReader(service).read(msgspec.Raw(msgspec.json.encode(context)))


def refused(service: ServicePlan, context: dict[str, Any]) -> str | None:
    with pytest.raises(BadRequest) as caught:
        read(service, context)
    assert MARKER not in caught.value.what
    return caught.value.element


def at(hook: str) -> ServicePlan:
    return plan("any", hook)


@pytest.mark.requirement("DIS-14")
def test_hook_versions_are_the_strings_of_their_pages() -> None:
    """`1.0`, not `1.0.0`: 3.0 wants the published string (T-23)."""
    young = dict.fromkeys(
        (
            "medication-refill",
            "allergyintolerance-create",
            "problem-list-item-create",
            "medication-verify",
            "order-verify",
        ),
        "0.1.0",
    )
    assert {name: hook.version for name, hook in HOOKS.items()} == {
        **dict.fromkeys(HOOKS, "1.0"),
        "order-dispatch": "1.1",
        **young,
    }


@pytest.mark.requirement("INV-6", "HK-2")
@pytest.mark.parametrize("hook", HOOKS)
def test_a_call_of_each_hook_is_read(hook: str) -> None:
    """With all of its fields, with unknown ones besides, and with the required ones alone (T-6)."""
    whole = CONTEXTS[hook]
    assert read(at(hook), whole).patient_id == "p1"
    assert read(at(hook), {**whole, "extension": {"com.example": MARKER}, "future": [None]}).patient_id == "p1"
    required = {field.name for field in HOOKS[hook].fields if field.required}
    assert read(at(hook), {name: value for name, value in whole.items() if name in required}).patient_id == "p1"


FIELDS = [(hook, field) for hook, definition in HOOKS.items() for field in definition.fields if field.required]


@pytest.mark.requirement("HK-2")
@pytest.mark.parametrize(("hook", "field"), FIELDS, ids=[f"{hook} {field.name}" for hook, field in FIELDS])
def test_a_required_field_that_is_missing_or_of_another_type_is_named(hook: str, field: Any) -> None:
    """Absent, null or of the wrong type: 400 with the field's name and never its value."""
    whole = CONTEXTS[hook]
    element = f"context.{field.name}"
    assert refused(at(hook), {name: value for name, value in whole.items() if name != field.name}) == element
    assert refused(at(hook), {**whole, field.name: None}) == element
    wrong: Any = {"a": MARKER} if field.kind is not FieldKind.RESOURCE else MARKER
    assert refused(at(hook), {**whole, field.name: wrong}) == element


def test_who_must_be_named() -> None:
    """order-dispatch has no user and medication-refill an optional one; everywhere else one is required (T-14)."""
    free = {hook for hook, whole in CONTEXTS.items() if "userId" not in whole}
    assert free == {"order-dispatch"}
    for hook, whole in CONTEXTS.items():
        nobody = {name: value for name, value in whole.items() if name != "userId"}
        if hook in ("order-dispatch", "medication-refill"):
            assert read(at(hook), nobody).user_type is None
        else:
            assert refused(at(hook), nobody) == "context.userId"


def dispatch() -> ServicePlan:
    tokens = HOOKS["order-dispatch"].tokens()
    tasks = parse_template("tasks", "Task?focus={{context.dispatchedOrders}}", tokens, required=False)
    return plan("imaging", "order-dispatch", tasks)


@pytest.mark.parametrize(("hook", "context", "orders"), FORMER)
def test_former_names_are_understood(hook: str, context: dict[str, Any], orders: str) -> None:
    """order-dispatch 1.0 with one `order` and `task`, the hyphens of its page's example, medication-verify's `order`:
    they fill the field, and the token, of today's name (T-14)."""
    assert read(at(hook), context).patient_id == "p1"
    if hook == "order-dispatch":
        assert read(dispatch(), context).tokens["dispatchedOrders"] == orders


def test_todays_name_counts_before_a_former_one() -> None:
    """A client that sends both means the newer; null counts as absent."""
    both = {**CONTEXTS["order-dispatch"], "order": "ServiceRequest/old"}
    assert read(dispatch(), both).tokens["dispatchedOrders"] == "ServiceRequest/s1,ServiceRequest/s2"
    null = {**both, "dispatchedOrders": None}
    assert read(dispatch(), null).tokens["dispatchedOrders"] == "ServiceRequest/old"


@pytest.mark.parametrize(
    ("change", "element"),
    [
        ({"dispatchedOrders": "ServiceRequest/s1"}, "context.dispatchedOrders"),
        ({"dispatchedOrders": [f"{MARKER} x"]}, "context.dispatchedOrders"),
        ({"dispatchedOrders": ["ServiceRequest/s1", {"a": MARKER}]}, "context.dispatchedOrders"),
        ({"dispatchedOrders": ["ServiceRequest/s1", "../x"]}, "context.dispatchedOrders"),
        ({"dispatchedOrders": None, "order": 5}, "context.order"),
        ({"dispatchedOrders": None, "order": f"{MARKER}&x=y"}, "context.order"),
        ({"dispatchedOrders": None, "dispatched-orders": {"a": MARKER}}, "context.dispatched-orders"),
    ],
)
def test_orders_that_are_no_references_go_into_no_query(change: dict[str, Any], element: str) -> None:
    """Named as the client wrote it, so that its developer finds it."""
    assert refused(dispatch(), {**CONTEXTS["order-dispatch"], **change}) == element


def test_no_order_at_all_gives_no_query() -> None:
    """An empty array is an array, and has no value that a template could use."""
    assert read(dispatch(), {**CONTEXTS["order-dispatch"], "dispatchedOrders": []}).tokens["dispatchedOrders"] == ""


DRAFTS: list[Any] = [
    {},
    {"entry": []},
    {"entry": [{"resource": {"resourceType": "MedicationRequest", "id": "x" * 194, "category": {"text": "y"}}}]},
    {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "ServiceRequest", "id": "a.b.c"}}, None, 5]},
    {"resourceType": "Nonsense", "entry": {"resource": []}, "type": 7},
]


@pytest.mark.parametrize("drafts", DRAFTS)
@pytest.mark.parametrize("hook", ["order-sign", "order-select"])
def test_draft_orders_that_no_strict_parser_takes_pass_untouched(hook: str, drafts: Any) -> None:
    """No `type` on the Bundle, ids of 194 letters, an object where an array belongs: carried along unread (T-7)."""
    assert read(at(hook), {**CONTEXTS[hook], "draftOrders": drafts}).patient_id == "p1"


OWN = ServicePlan(
    id="pump",
    hook="com.example.pump-alarm",
    title="-",
    description="-",
    usage_requirements=None,
    prefetch=(
        parse_template("pump", "Device?_id={{context.pumpId}}", {"pumpId": FieldKind.ID}, required=False),
        parse_template("orders", "Task?focus={{context.orders}}", {"orders": FieldKind.REFERENCES}, required=False),
    ),
    deadline=0.5,
    risk_tier="low",
    names_sites=False,
    releases={},
    context=custom_fields(
        [
            ("pumpId", FieldKind.ID, True),
            ("orders", FieldKind.REFERENCES, False),
            ("alarms", FieldKind.LIST, True),
            ("settings", FieldKind.RESOURCE, False),
            ("userId", FieldKind.REFERENCE, True),
        ]
    ),
)
PUMP = {"patientId": "p1", "userId": "Practitioner/1", "pumpId": "d.1", "alarms": [{}], "orders": ["Task/1", "Task/2"]}


@pytest.mark.requirement("HK-1", "HK-2")
def test_a_hook_of_ones_own_demands_what_its_service_declares() -> None:
    """Required fields, their kinds, and the tokens among them."""
    got = read(OWN, PUMP)
    assert got.tokens["pumpId"] == "d.1" and got.tokens["orders"] == "Task/1,Task/2"
    assert got.encounter_id is None
    assert tokens_of(OWN.context).keys() == {"patientId", "encounterId", "userId", "pumpId", "orders"}
    for name in ("patientId", "pumpId", "alarms", "userId"):
        assert refused(OWN, {key: value for key, value in PUMP.items() if key != name}) == f"context.{name}"
    for name, wrong in (("pumpId", [MARKER]), ("alarms", {"a": MARKER}), ("orders", 5), ("userId", [MARKER])):
        assert refused(OWN, {**PUMP, name: wrong}) == f"context.{name}"
    assert "orders" not in read(OWN, {**PUMP, "orders": None}).tokens
    assert read(OWN, {**PUMP, "settings": MARKER}).patient_id == "p1", "optional, and in no template: nobody reads it"
