"""Suggestions, system actions and launched links: from the card file to what an EHR is sent."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.cards.kidney import BANDS, FEATURES, RELEASE, RULES, SPEC, compiled, missing, patient, problems
from tests.unit.domain.cards.kidney import prediction as predicted
from tests.unit.domain.cards.kidney import shown as decided
from wardgate.domain.cards.card import Action, Card, Link, Suggestion
from wardgate.domain.cards.compile import compile_card
from wardgate.domain.cards.facts import CardFacts
from wardgate.domain.cards.identity import card_id, suggestion_id
from wardgate.domain.cards.plan import CardPlan
from wardgate.domain.cards.render import render, system_actions
from wardgate.domain.cards.spec import ActionSpec, SuggestionSpec, SystemActionSpec
from wardgate.domain.features.schema import FeatureSpec, FeatureType
from wardgate.domain.features.vector import FeatureValue, Mark

TOKENS = {
    "patientId": "p1",
    "encounterId": "e1",
    "userId": "Practitioner/u1",
    "userPractitionerId": "u1",
}
REFERRAL: dict[str, Any] = {
    "resourceType": "ServiceRequest",
    "status": "draft",
    "intent": "order",
    "code": {"text": "Referral to nephrology"},
    "subject": {"reference": "Patient/{{ context.patientId }}"},
    "encounter": {"reference": "Encounter/{{ context.encounterId }}"},
    "requester": {"reference": "{{ context.userId }}"},
    "authoredOn": "{{ now }}",
    "reasonCode": [{"text": "eGFR {{ egfr.text }}"}, {"text": "UACR {{ uacr.text }}"}],
}
REFER = ActionSpec("create", "Draft a referral", REFERRAL)


def shown(**changes: Any) -> CardFacts:
    return msgspec.structs.replace(decided(), **{"visible": True, "tokens": TOKENS, **changes})


def suggesting(*actions: ActionSpec, **changes: Any) -> tuple[SuggestionSpec, ...]:
    return (SuggestionSpec("Refer", actions or (REFER,), **changes),)


def creating(resource: dict[str, Any]) -> tuple[SuggestionSpec, ...]:
    return suggesting(ActionSpec("create", "Do", resource))


def card_of(facts: CardFacts | None = None, **changes: Any) -> Card:
    return render(compiled(**changes), facts or shown())


def resource_of(resource: dict[str, Any], facts: CardFacts | None = None) -> Any:
    (suggestion,) = card_of(facts, suggestions=creating(resource)).suggestions
    return msgspec.json.decode(suggestion.actions[0].resource or b"")


def keys(**changes: Any) -> list[str]:
    return [problem.key for problem in problems(**changes)]


# what a card carries


@pytest.mark.requirement("SUG-1", "SUG-2", "SUG-3", "SUG-4", "ACT-1", "ACT-2", "ACT-3", "CARD-9")
def test_a_suggestion_is_written_as_the_standard_writes_it() -> None:
    """SUG-1 to SUG-4, ACT-1 to ACT-3, CARD-9: ids, clock and values of the call stand in the resource."""
    card = card_of(suggestions=suggesting(is_recommended=True))
    assert card.selection_behavior == "any"
    (suggestion,) = card.suggestions
    assert (suggestion.label, suggestion.is_recommended) == ("Refer", True)
    (action,) = suggestion.actions
    assert (action.type, action.description, action.resource_id) == ("create", "Draft a referral", None)
    assert msgspec.json.decode(action.resource or b"") == {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "order",
        "code": {"text": "Referral to nephrology"},
        "subject": {"reference": "Patient/p1"},
        "encounter": {"reference": "Encounter/e1"},
        "requester": {"reference": "Practitioner/u1"},
        "authoredOn": "2026-03-02T15:05:00+01:00",
        "reasonCode": [{"text": "eGFR 24 mL/min/1.73 m²"}, {"text": "UACR 812 mg/g"}],
    }


@pytest.mark.requirement("GEN-3", "GEN-5", "ACT-3")
def test_on_the_wire_a_resource_is_an_object_and_nothing_is_empty() -> None:
    """GEN-3, ACT-3, T-2, T-18: no null, no empty array, never a resource as a JSON string."""
    wire = json.loads(msgspec.json.encode(card_of(suggestions=suggesting())))
    assert wire["selectionBehavior"] == "any"
    assert wire["suggestions"][0].keys() == {"label", "uuid", "actions"}
    assert wire["suggestions"][0]["actions"][0].keys() == {"type", "description", "resource"}
    assert isinstance(wire["suggestions"][0]["actions"][0]["resource"], dict)
    bare = json.loads(msgspec.json.encode(card_of()))
    assert not {"suggestions", "selectionBehavior"} & bare.keys()


@pytest.mark.requirement("SUG-2")
def test_the_same_decision_gives_the_same_bytes() -> None:
    """Law 5, T-24: the uuid of a suggestion is made of the decision id, and no two are alike."""
    changes: dict[str, Any] = {"suggestions": suggesting() + suggesting()}
    first, second = card_of(**changes), card_of(**changes)
    assert msgspec.json.encode(first) == msgspec.json.encode(second)
    assert [each.uuid for each in first.suggestions] == [suggestion_id("d-1", 0, 0), suggestion_id("d-1", 0, 1)]
    ids = {card_id("d-1", n) for n in range(3)} | {suggestion_id("d-1", n, k) for n in range(3) for k in range(3)}
    assert len(ids) == 12


def test_a_suggestion_belongs_to_its_bands() -> None:
    """The card of another band goes without it; the uuid of the next one stays the same."""
    changes: dict[str, Any] = {"suggestions": suggesting(bands=("very high",)) + suggesting()}
    (left,) = card_of(**changes).suggestions
    assert left.uuid == suggestion_id("d-1", 0, 1)
    very_high = msgspec.structs.replace(shown(), decision=decided(predicted=predicted(0.4)).decision)
    assert len(card_of(very_high, **changes).suggestions) == 2
    none = card_of(suggestions=suggesting(bands=("very high",)))
    assert none.suggestions == () and none.selection_behavior is None


def test_what_is_not_there_is_left_out_with_what_it_leaves_empty() -> None:
    """GEN-3: a call without encounter and user has a referral without them, and a value that is missing no text."""
    vector = patient(uacr=missing("uacr"))
    facts = shown(tokens={"patientId": "p1"}, vector=vector)
    made = resource_of(REFERRAL, facts)
    assert not {"encounter", "requester"} & made.keys()
    assert made["reasonCode"] == [{"text": "eGFR 24 mL/min/1.73 m²"}]
    assert made["subject"] == {"reference": "Patient/p1"}


def test_a_filter_does_not_hide_that_something_is_missing() -> None:
    """`~`, `upper` and a condition on what is not there leave the string out as well; `default` mends it."""
    facts = shown(tokens={"patientId": "p1"})
    made = resource_of(
        {
            "resourceType": "Basic",
            "a": "{{ 'x' ~ context.encounterId }}",
            "b": "{{ context.encounterId | upper }}",
            "c": "{% if context.encounterId %}Encounter/{{ context.encounterId }}{% endif %}",
            "d": "{{ context.encounterId | default('none') }}",
            "e": "{{ band if score > 0.5 else 'lower' }}",
        },
        facts,
    )
    assert made == {"resourceType": "Basic", "d": "none", "e": "lower"}


def test_no_string_of_the_chart_comes_back_into_it() -> None:
    """A result's odd unit, comparator or code may be anything: it stands on no order."""
    evil = '<img src=x onerror=alert(1)>"}'
    features = {**FEATURES, "smoker": FeatureSpec(name="smoker", source="Observation", type=FeatureType.CODE)}
    resource = {
        "resourceType": "Basic",
        "a": "{{ uacr.text }}",
        "b": "{{ egfr.text }} {{ egfr.unit }}",
        "c": "{{ smoker.value }}",
        "d": "{{ smoker.text }}",
    }
    spec = msgspec.structs.replace(SPEC, suggestions=creating(resource))
    plan = compile_card(spec, features, RELEASE, RULES)
    assert isinstance(plan, CardPlan)
    values = {
        "uacr": missing("uacr", Mark.COMPARATOR, 3, evil),
        "egfr": FeatureValue("egfr", 24.0, None, 0.0, 3.0, evil, shown=evil),
        "smoker": FeatureValue("smoker", evil),
    }
    (suggestion,) = render(plan, shown(vector=patient(**values))).suggestions
    made = msgspec.json.decode(suggestion.actions[0].resource or b"")
    assert made == {"resourceType": "Basic", "b": "24 mL/min/1.73 m² mL/min/1.73 m²"}


@given(st.text(max_size=30))
def test_a_substituted_value_is_never_structure(value: str) -> None:
    """Whatever the string, the resource keeps the shape that the file gave it."""
    made = resource_of(
        {"resourceType": "Basic", "a": ["x", {"b": "{{ context.userId }}"}]}, shown(tokens={"userId": value})
    )
    assert made.keys() <= {"resourceType", "a"} and made["a"][0] == "x"
    assert all(isinstance(inner, dict) and isinstance(inner["b"], str) for inner in made["a"][1:])


def test_numbers_and_flags_of_the_file_keep_their_types() -> None:
    """What is no template goes out as it was written."""
    resource = {"resourceType": "Basic", "n": 3, "f": 0.5, "t": False, "s": "plain, with {braces}", "l": [1, "a"]}
    assert resource_of(resource) == resource


def test_every_token_of_the_language() -> None:
    """All that a resource may say: ids, the clock on the client's calendar, the score, features, the release."""
    said = (
        "{{ context.patientId }} {{ context.encounterId }} {{ context.userId }} {{ userPractitionerId }}",
        "{{ now }} {{ today }} {{ card.uuid }} {{ release.model }} {{ release.version }}",
        "{{ score | percent }} {{ band }} {{ egfr.name }} {{ egfr.value }} {{ egfr.unit }} {{ egfr.age }}",
        "{{ egfr.date }} {{ egfr.trend }} {{ male.value }} {{ has_dialysis.value }}",
    )
    made = resource_of({"resourceType": "Basic", "a": list(said)})
    assert made["a"] == [
        "p1 e1 Practitioner/u1 u1",
        f"2026-03-02T15:05:00+01:00 2026-03-02 {card_id('d-1', 0)} kidney-failure 1.0.0",
        "9.93 % high eGFR 24 mL/min/1.73 m² 3 days",
        "2026-02-27 35 → 29 → 24 since 2025-01-26 male no",
    ]
    others = {"userPractitionerRoleId": "r1", "userPatientId": "p2", "userRelatedPersonId": "q1"}
    resource = {"resourceType": "Basic", "a": " ".join(f"{{{{ {name} }}}}" for name in others)}
    assert resource_of(resource, shown(tokens=others))["a"] == "r1 p2 q1"


# update and delete


@pytest.mark.requirement("ACT-4", "ACT-5")
def test_update_and_delete() -> None:
    """ACT-4: an update is whole and has its id; ACT-5: a delete names `Type/id` and has no resource."""
    update = ActionSpec("update", "Close", {"resourceType": "Encounter", "id": "{{ context.encounterId }}"})
    delete = ActionSpec("delete", "Remove", resource_id="Flag/{{ context.patientId }}")
    (suggestion,) = card_of(suggestions=suggesting(update, delete)).suggestions
    assert suggestion.actions[0].resource == msgspec.Raw(b'{"resourceType":"Encounter","id":"e1"}')
    assert suggestion.actions[1] == Action("delete", "Remove", resource_id="Flag/p1")


@pytest.mark.requirement("SUG-4")
@pytest.mark.parametrize(
    "action",
    [
        ActionSpec("update", "Close", {"resourceType": "Encounter", "id": "{{ context.encounterId }}"}),
        ActionSpec("delete", "Remove", resource_id="Encounter/{{ context.encounterId }}"),
        ActionSpec("delete", "Remove", resource_id="{{ userPractitionerRoleId }}"),
    ],
)
def test_without_the_id_of_one_action_there_is_no_suggestion(action: ActionSpec) -> None:
    """SUG-4: the actions of a suggestion are one transaction, so half of them is none."""
    facts = shown(tokens={"patientId": "p1", "userPractitionerRoleId": "not a reference"})
    assert card_of(facts, suggestions=suggesting(REFER, action)).suggestions == ()
    assert system_actions(compiled(system_actions=(SystemActionSpec(action),)), facts) == ()


# system actions


@pytest.mark.requirement("RSP-3")
def test_system_actions_stand_beside_the_card() -> None:
    """RSP-3: actions of their own, without uuid, by band."""
    plan = compiled(system_actions=(SystemActionSpec(REFER, ("very high",)), SystemActionSpec(REFER)))
    (action,) = system_actions(plan, shown())
    assert msgspec.json.encode(action).startswith(b'{"type":"create","description":"Draft a referral","resource":{')
    assert render(plan, shown()).suggestions == () and system_actions(compiled(), shown()) == ()


# links


@pytest.mark.requirement("LNK-2")
def test_a_link_tells_its_app_which_card_it_comes_from() -> None:
    """LNK-2: a string; it may name the card and the release, and nothing of the patient."""
    link = Link("Explorer", "https://app.example/launch", "smart", '{"card": "{{ card.uuid }}"}')
    card = card_of(links=(link, SPEC.links[0]))
    assert card.links[0].app_context == f'{{"card": "{card.uuid}"}}' and card.links[1] == SPEC.links[0]
    (found,) = problems(links=(msgspec.structs.replace(link, app_context="{{ context.patientId }}"),))
    assert found.key == "links.0.appContext" and "no name is called 'context'" in found.what
    literal = msgspec.structs.replace(link, app_context="kfre")
    assert card_of(links=(literal,)).links == (literal,)


@pytest.mark.requirement("LNK-3")
def test_an_app_launches_itself_for_a_fresh_score_only() -> None:
    """LNK-3, T-26: the launched app stands for a card that may never be seen, so never for a label or a deferral."""
    link = Link("Explorer", "https://app.example/launch", "smart", autolaunchable=True)
    assert card_of(links=(link,)).links == (link,)
    hidden = card_of(shown(visible=False), links=(link,))
    assert hidden.links == (msgspec.structs.replace(link, autolaunchable=False),)


@pytest.mark.requirement("LNK-3")
def test_an_app_that_launches_itself_leaves_nothing_unseen() -> None:
    """T-26: no suggestion on a card that may never be shown, and one app at a time."""
    link = Link("Explorer", "https://app.example/launch", "smart", autolaunchable=True)
    assert keys(links=(link,), suggestions=suggesting()) == ["links.0.autolaunchable"]
    assert keys(links=(link, link)) == ["links.1.autolaunchable"]


# what is wrong with a file


@pytest.mark.requirement("ACT-1", "ACT-2", "ACT-3", "ACT-4", "ACT-5")
@pytest.mark.parametrize(
    ("action", "key"),
    [
        (ActionSpec("Create", "d", REFERRAL), "type"),
        (ActionSpec("create", " ", REFERRAL), "description"),
        (ActionSpec("create", "{{ score }}", REFERRAL), "description"),
        (ActionSpec("create", "d"), "resource"),
        (ActionSpec("create", "d", {"status": "draft"}), "resource.resourceType"),
        (ActionSpec("create", "d", {"resourceType": "{{ band }}"}), "resource.resourceType"),
        (ActionSpec("create", "d", REFERRAL, "ServiceRequest/1"), "resourceId"),
        (ActionSpec("update", "d", REFERRAL), "resource.id"),
        (ActionSpec("update", "d", {**REFERRAL, "id": 7}), "resource.id"),
        (ActionSpec("delete", "d"), "resourceId"),
        (ActionSpec("delete", "d", resource_id="ServiceRequest"), "resourceId"),
        (ActionSpec("delete", "d", {"resourceType": "Flag"}, "Flag/1"), "resource"),
        (ActionSpec("create", "d", {**REFERRAL, "note": None}), "resource.note"),
        (ActionSpec("create", "d", {**REFERRAL, "note": []}), "resource.note"),
        (ActionSpec("create", "d", {**REFERRAL, "note": [{}]}), "resource.note.0"),
        (ActionSpec("create", "d", {**REFERRAL, "note": ""}), "resource.note"),
        (ActionSpec("create", "d", {**REFERRAL, "note": "a\0b"}), "resource.note"),
        (ActionSpec("create", "d", {**REFERRAL, "n": float("nan")}), "resource.n"),
        (ActionSpec("create", "d", {**REFERRAL, "n": "{{ context.draftOrders }}"}), "resource.n"),
        (ActionSpec("create", "d", {**REFERRAL, "n": "{{ reasons | table }}"}), "resource.n"),
        (ActionSpec("create", "d", {**REFERRAL, "n": "{{ egfr.mark }}"}), "resource.n"),
        (ActionSpec("create", "d", {**REFERRAL, "n": "{% for r in reasons %}{% endfor %}"}), "resource.n"),
        (ActionSpec("create", "d", {**REFERRAL, "text": {"div": "<div>{{ band }}</div>"}}), "resource.text.div"),
        (ActionSpec("create", "d", {**REFERRAL, "subject": {"reference": "Patient/p1"}}), "resource.subject.reference"),
        (
            ActionSpec("create", "d", {**REFERRAL, "subject": {"reference": "Patient/{{ context.encounterId }}"}}),
            "resource.subject.reference",
        ),
        (ActionSpec("delete", "d", resource_id="Patient/p1"), "resourceId"),
    ],
)
def test_actions_that_no_ehr_should_be_sent(action: ActionSpec, key: str) -> None:
    """Each with the key at fault (ACT-1 to ACT-5, GEN-3, T-16, T-18, law 11), in suggestions and system actions."""
    assert keys(suggestions=suggesting(action)) == [f"suggestions.0.actions.0.{key}"]
    assert keys(system_actions=(SystemActionSpec(action),)) == [f"systemActions.0.{key}"]


@pytest.mark.requirement("CARD-9", "SUG-1")
@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"suggestions": (SuggestionSpec("", (REFER,)),)}, "suggestions.0.label"),
        ({"suggestions": (SuggestionSpec("{{ band }}", (REFER,)),)}, "suggestions.0.label"),
        ({"suggestions": (SuggestionSpec("Refer", ()),)}, "suggestions.0.actions"),
        ({"suggestions": suggesting(bands=("highest",))}, "suggestions.0.bands.0"),
        ({"system_actions": (SystemActionSpec(REFER, ("highest",)),)}, "systemActions.0.bands.0"),
        ({"selection_behavior": "all"}, "selectionBehavior"),
    ],
)
def test_suggestions_that_no_card_should_carry(changes: dict[str, Any], key: str) -> None:
    """A label of its own, an action at least, bands that exist, a behaviour that clients know (CARD-9, SUG-1)."""
    assert keys(**changes) == [key]


@pytest.mark.requirement("SUG-3")
def test_where_one_may_be_chosen_one_may_be_recommended() -> None:
    """SUG-3, T-17: the second one is at fault where both come on one card; bands may keep them apart."""
    two = suggesting(is_recommended=True) + suggesting(is_recommended=True, bands=("high",))
    assert keys(suggestions=two, selection_behavior="at-most-one") == ["suggestions.1.isRecommended"]
    apart = suggesting(is_recommended=True, bands=("raised",)) + suggesting(is_recommended=True, bands=("high",))
    assert compiled(suggestions=apart, selection_behavior="at-most-one")
    assert compiled(suggestions=two, selection_behavior="any")
    card = card_of(suggestions=apart, selection_behavior="at-most-one")
    assert card.selection_behavior == "at-most-one" and len(card.suggestions) == 1


def test_all_problems_of_actions_come_with_all_others() -> None:
    """One wrong key hides no other."""
    action = ActionSpec("create", "d", {"resourceType": "Basic", "a": "{{ scor }}", "b": "x\n{{ egfr.vlue }}"})
    found = problems(summary="{{ scor }}", suggestions=suggesting(action))
    assert [(each.key, each.line) for each in found] == [
        ("summary", 1),
        ("suggestions.0.actions.0.resource.a", 1),
        ("suggestions.0.actions.0.resource.b", 2),
    ]
    assert found[2].remedy == "did you mean value?"


def test_a_feature_that_a_name_of_resources_hides() -> None:
    """A feature called `today` cannot be told from the date: a resource that says it is refused."""
    features = {**FEATURES, "today": FeatureSpec(name="today", source="Observation", unit="1")}
    spec = msgspec.structs.replace(SPEC, suggestions=creating({"resourceType": "Basic", "a": "{{ today }}"}))
    found = compile_card(spec, features, RELEASE, RULES)
    assert not isinstance(found, CardPlan)
    assert [problem.key for problem in found] == ["suggestions.0.actions.0.resource.a"]


def test_bands_of_these_tests() -> None:
    """The score of the tests lies in the middle band, so that there is one above and one below."""
    assert [band.name for band in BANDS] == ["raised", "high", "very high"]
    assert decided().decision.band == BANDS[1]
    assert isinstance(card_of(suggestions=suggesting()).suggestions[0], Suggestion)
