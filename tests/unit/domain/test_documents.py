"""Errors of a schema as plain sentences."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError

from wardgate.domain.documents import Document, Wrong, duration_of, findings_of, keys_at, nearest


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Inner(_Strict):
    from_: Annotated[str, Field(alias="from")] = ""
    number: Annotated[float, Strict(), Field(ge=0, le=1)] = 0.0
    choice: Literal["red", "green"] = "red"
    only: Literal["fhirpath"] = "fhirpath"


class _Outer(_Strict):
    name: str = ""
    pair: tuple[float, float] = (0.0, 0.0)
    items: Annotated[tuple[_Inner, ...], Field(min_length=1)] = (_Inner(),)
    named: dict[str, _Inner | None] = {}
    whole: Annotated[int, Strict()] = 0
    flag: Annotated[bool, Strict()] = False
    wait: Annotated[float, BeforeValidator(duration_of)] = 1.0
    inner: _Inner = _Inner()


def _told(data: dict[str, Any]) -> list[tuple[str, str, str]]:
    with pytest.raises(ValidationError) as caught:
        _Outer.model_validate(data)
    errors: list[Any] = list(caught.value.errors())
    findings = findings_of(Document("f.yaml", data, {}), errors, _Outer)
    return [(finding.key, finding.what, finding.remedy) for finding in findings]


@pytest.mark.parametrize(
    ("data", "key", "what", "remedy"),
    [
        ({"nam": "x"}, "nam", "unknown key", "did you mean `name`?"),
        ({"qqq": "x"}, "qqq", "unknown key", "the keys here are name, pair"),
        ({"items": [{"form": "x"}]}, "items.0.form", "unknown key", "did you mean `from`?"),
        ({"named": {"a": {"from_": "x"}}}, "named.a.from_", "unknown key", "did you mean `from`?"),
        ({"inner": {"numbr": 1}}, "inner.numbr", "unknown key", "did you mean `number`?"),
        ({"name": 7}, "name", "expected text, found a number", "quotes"),
        ({"name": None}, "name", "expected text, found nothing", "quotes"),
        ({"whole": "7"}, "whole", "expected a whole number, found text", "digits"),
        ({"whole": 1.5}, "whole", "expected a whole number, found a number", "digits"),
        ({"flag": "yes"}, "flag", "expected true or false, found text", "YAML 1.2"),
        ({"inner": []}, "inner", "expected a mapping, found a list", "key: value"),
        ({"named": "x"}, "named", "expected a mapping, found text", "key: value"),
        ({"items": {"a": 1}}, "items", "expected a list, found a mapping", "dash"),
        ({"items": []}, "items", "the list is empty", "one entry"),
        ({"pair": [1]}, "pair", "too short", "give 2 entries"),
        ({"pair": [1, 2, 3]}, "pair", "wrong length", "2 entries"),
        ({"inner": {"number": 7}}, "inner.number", "out of bounds", "at most 1"),
        ({"inner": {"number": -1}}, "inner.number", "out of bounds", "at least 0"),
        ({"inner": {"choice": "gren"}}, "inner.choice", "not one of", "did you mean `green`?"),
        ({"inner": {"choice": 7}}, "inner.choice", "not one of", "use red or green"),
        ({"inner": {"only": 7}}, "inner.only", "not one of", "use fhirpath"),
        ({"wait": "soon"}, "wait", "not a duration", "500ms"),
        ({"wait": 5}, "wait", "expected a duration, found a number", "500ms"),
    ],
)
def test_every_kind_of_error_is_a_sentence_with_a_remedy(
    data: dict[str, Any], key: str, what: str, remedy: str
) -> None:
    """In the words of the file, not of the library."""
    (told,) = _told(data)

    assert told[0] == key
    assert what in told[1]
    assert remedy in told[2]


def test_keys_are_found_through_lists_mappings_and_unions() -> None:
    """By the names that the file uses."""
    assert keys_at(_Outer, ("named", "anything")) == ("from", "number", "choice", "only")
    assert keys_at(_Outer, ("items", 3)) == ("from", "number", "choice", "only")
    assert keys_at(_Outer, ("name",)) == ()


@pytest.mark.parametrize("value", ["0s", "-1s", "1", "1 s", "1sec", "9" * 400 + "d", "", None, True, 5, [], {}])
def test_what_is_no_duration(value: object) -> None:
    """A number with a unit, above 0 and finite."""
    with pytest.raises(Wrong):
        duration_of(value)


def test_nearest_ignores_case_and_gives_up_on_strangers() -> None:
    """A suggestion that is far off would cost more than none."""
    assert nearest("Deadline", ["deadline", "defer"]) == "deadline"
    assert nearest("xyz", ["deadline", "defer"]) is None
