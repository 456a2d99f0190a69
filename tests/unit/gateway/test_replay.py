"""What a replay compares, and in which order."""

from typing import Any

import msgspec
import pytest

from wardgate.domain.hooks import FhirAccess
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.rollouts import Rollout
from wardgate.gateway.replay import (
    FORMAT,
    STAGES,
    Capture,
    Difference,
    PlayedReads,
    Read,
    ReadTape,
    compare,
)

ACCESS = FhirAccess("https://ehr.example/fhir", None)
STEPS: dict[str, Any] = {
    "release": {"digest": "sha256:a"},
    "gather": {"dropped": {}},
    "extract": {"egfr": {"value": 30.0, "trend": [{"value": 1.0}, {"value": 2.0}]}, "age": {"value": 70}},
    "predict": {"score": 0.1},
    "decide": {"reason": "threshold_met"},
    "render": {"summary": "a"},
}
ANSWER = b'{"cards":[{"summary":"a","uuid":"1"}]}'
CAPTURE = Capture(
    FORMAT, "0.1", "kidney-failure", "d", 0.0, 1, Rollout("1.0.0", Mode.ACTIVE), {}, b"{}", (), (), STEPS, ANSWER, True
)


def changed(stage: str, value: Any) -> dict[str, Any]:
    return {**STEPS, stage: value}


def test_the_same_is_the_same() -> None:
    """Bytes and stages."""
    replayed = compare(CAPTURE, STEPS, ANSWER)
    assert (replayed.same, replayed.release, replayed.first) == (True, None, None)


@pytest.mark.parametrize(
    ("steps", "stage", "field"),
    [
        (
            changed("extract", {**STEPS["extract"], "egfr": {**STEPS["extract"]["egfr"], "value": 31.0}}),
            "extract",
            "egfr.value",
        ),
        (
            changed(
                "extract", {"egfr": {"value": 30.0, "trend": [{"value": 1.0}, {"value": 3.0}]}, "age": {"value": 70}}
            ),
            "extract",
            "egfr.trend.1.value",
        ),
        (changed("extract", {"age": {"value": 70}}), "extract", "egfr"),
        (changed("predict", None), "predict", ""),
        ({**changed("decide", {"reason": "off"}), "predict": {"score": 0.2}}, "predict", "score"),
    ],
)
def test_the_first_difference_is_named(steps: dict[str, Any], stage: str, field: str) -> None:
    """In the order of a call, by the place within what the stage made; and the answer need not differ for it."""
    replayed = compare(CAPTURE, steps, ANSWER)
    assert replayed.same and replayed.first is not None
    assert (replayed.first.stage, replayed.first.field) == (stage, field)


def test_another_release_is_told_beside_what_it_changes() -> None:
    """The digest says that something was edited; the stage says what came of it."""
    steps = {**changed("release", {"digest": "sha256:b"}), "decide": {"reason": "below_threshold"}}
    replayed = compare(CAPTURE, steps, b'{"cards":[]}')
    assert replayed.release == Difference("release", "digest", "sha256:a", "sha256:b")
    assert replayed.first is not None and replayed.first.stage == "decide"


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        (b'{"cards":[{"summary":"a","uuid":"2"}]}', "cards.0.uuid"),
        (b'{"cards": [{"summary":"a","uuid":"1"}]}', "bytes"),
    ],
)
def test_the_answer_is_compared_byte_for_byte(answer: bytes, field: str) -> None:
    """Also where what it says is the same."""
    replayed = compare(CAPTURE, STEPS, answer)
    assert not replayed.same and replayed.first is not None
    assert (replayed.first.stage, replayed.first.field) == ("answer", field)


def test_what_the_ports_noted_stands_at_its_stage() -> None:
    """A read that the capture does not hold comes before what is extracted without it."""
    noted = Difference("gather", "read", [], "url")
    assert compare(CAPTURE, changed("extract", {}), ANSWER, [noted]).first == noted


async def test_reads_are_written_down_and_played_again() -> None:
    """Nothing is asked of anybody; what was not read then is noted."""

    class Fhir:
        async def read(self, access: FhirAccess, url: str, timeout: float) -> bytes | None:
            if url == "late":
                raise TimeoutError
            return b"{}" if url == "a" else None

    tape = ReadTape(Fhir())
    assert [await tape.read(ACCESS, url, 1.0) for url in ("a", "b")] == [b"{}", None]
    with pytest.raises(TimeoutError):
        await tape.read(ACCESS, "late", 1.0)
    assert tape.reads == [Read("a", b"{}"), Read("b", None), Read("late", None)]

    played = PlayedReads(tape.reads)
    assert [await played.read(ACCESS, url, 1.0) for url in ("a", "b", "late", "new")] == [b"{}", None, None, None]
    assert [(each.stage, each.now) for each in played.noted] == [("gather", "new")]


def test_a_capture_comes_back_from_its_file_as_it_was() -> None:
    """Bytes that are no text as well."""
    whole = msgspec.structs.replace(CAPTURE, request=bytes(range(256)), reads=(Read("u", b"\xff"), Read("v", None)))
    assert msgspec.json.decode(msgspec.json.encode(whole), type=Capture) == whole
    assert set(STEPS) - {"release"} <= set(STAGES)
