"""What a vendor's EHR takes of cards: one table, held against every card."""

from typing import Any, get_args

import msgspec
import pytest

from tests.unit.domain.cards.kidney import SPEC
from wardgate.domain.cards.card import Coding, Link, Source
from wardgate.domain.cards.profiles import PROFILES, profile_problems
from wardgate.domain.cards.spec import ActionSpec, SuggestionSpec, SystemActionSpec
from wardgate.settings import ClientFile

EPIC = PROFILES["epic"]
CREATE = ActionSpec("create", "Refer", {"resourceType": "ServiceRequest"})
UPDATE = ActionSpec("update", "Note", {"resourceType": "ServiceRequest", "id": "1"})
TOPIC = Coding("https://hospital.example/cds", "kfre")
SOUND = msgspec.structs.replace(
    SPEC,
    source=Source("Nephrology", "https://nephrology.example", topic=TOPIC),
    suggestions=(SuggestionSpec("Refer", (CREATE,)),),
    system_actions=(SystemActionSpec(UPDATE),),
)


def keys(profile: str = "epic", sent: bool = True, **changes: Any) -> list[str]:
    spec = msgspec.structs.replace(SOUND, **changes)
    return [problem.key for problem in profile_problems(spec, PROFILES[profile], sent)]


def topic(code: str) -> Source:
    return Source("Nephrology", topic=Coding("https://hospital.example/cds", code))


def test_a_card_within_the_limits() -> None:
    """Nothing to say; and the standard itself limits nothing here."""
    assert keys() == []
    loose: dict[str, Any] = {
        "selection_behavior": "at-most-one",
        "source": Source("x"),
        "system_actions": (SystemActionSpec(CREATE),),
    }
    assert keys("standard", **loose) == []


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"selection_behavior": "at-most-one"}, "selectionBehavior"),
        ({"suggestions": (SuggestionSpec("Refer", (CREATE, CREATE)),)}, "suggestions.0.actions"),
        ({"source": Source("Nephrology")}, "source.topic"),
        ({"source": topic("kidney-failure")}, "source.topic.code"),
        ({"source": topic("k" * 101)}, "source.topic.code"),
        ({"source": Source("x", "http://nephrology.example", topic=TOPIC)}, "source.url"),
        ({"source": Source("x", icon="http://nephrology.example/i.png", topic=TOPIC)}, "source.icon"),
        ({"links": (Link("a", "http://nephrology.example", "absolute"),)}, "links.0.url"),
        ({"system_actions": (SystemActionSpec(CREATE),)}, "systemActions.0"),
        (
            {"system_actions": (SystemActionSpec(ActionSpec("update", "d", {"resourceType": "Task", "id": "1"})),)},
            "systemActions.0",
        ),
        ({"system_actions": (SystemActionSpec(ActionSpec("delete", "d", resource_id="Task/1")),)}, "systemActions.0"),
    ],
)
def test_what_epic_does_not_take(changes: dict[str, Any], key: str) -> None:
    """Each limit with its key and a remedy, by Epic's name."""
    (problem,) = profile_problems(msgspec.structs.replace(SOUND, **changes), EPIC, True)
    assert problem.key == key and "Epic" in problem.what and problem.remedy


def test_what_is_never_sent_is_not_held_against_a_card() -> None:
    """System actions of a client that takes none; the behaviour of suggestions that are not there."""
    assert keys(system_actions=(SystemActionSpec(CREATE),)) == ["systemActions.0"]
    assert keys(system_actions=(SystemActionSpec(CREATE),), sent=False) == []
    assert keys(suggestions=(), selection_behavior="at-most-one") == []


def test_the_table_and_the_configuration_name_the_same_profiles() -> None:
    """A profile of wardgate.yaml that no table knows would limit nothing."""
    assert set(get_args(ClientFile.model_fields["profile"].annotation)) == set(PROFILES)
