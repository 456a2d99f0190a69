"""Which calls are traced, and what is said of them."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.calls import hook_call
from tests.fakes.clock import FakeClock
from tests.fakes.meter import FakeMeter
from wardgate.bootstrap.machine import TraceIds
from wardgate.domain.attributes import Kept, Loss, Sink
from wardgate.domain.errors import PrefetchRequired
from wardgate.domain.outcomes import Reason, Stage, Step
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.trace import Link, Trace, incoming
from wardgate.gateway.tracing import Allowance, CallTrace, Tracing, TracingOptions, attributes_of

OURS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Kitchen:
    """A tracing whose sink is a list, and whose answers have been written when a test says so."""

    def __init__(self, keep: float = 0.0, besides: float = 10.0, burst: float = 50.0) -> None:
        self.clock, self.meter = FakeClock(), FakeMeter()
        self.taken: list[CallTrace] = []
        self.lost: list[tuple[Sink, Loss]] = []
        self.waiting: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self.tracing = Tracing(
            self,
            self.clock,
            self.meter,
            TraceIds(),
            lambda function, *arguments: self.waiting.append((function, arguments)),
            lambda sink, loss: self.lost.append((sink, loss)),
            TracingOptions(keep=keep, besides=besides, burst=burst),
        )

    def offer(self, call: CallTrace) -> None:
        self.taken.append(call)

    def write_answers(self) -> None:
        for function, arguments in self.waiting:
            function(*arguments)
        self.waiting.clear()

    def ended(self, reason: Reason, step: Step = Step.MODEL, seconds: float = 0.02, **more: Any) -> None:
        call = msgspec.structs.replace(hook_call(), trace=self.tracing.begin(None))
        call.stages.append((Stage.GATHER, call.started + seconds / 2))
        self.tracing.ended(HookOutcome(call, reason, step, **more), call.started + seconds)


def test_the_share_is_decided_before_the_call_and_by_its_id() -> None:
    """So that the model can be told. A tenth of four thousand, give or take five standard deviations."""
    tracing = Kitchen(keep=0.1).tracing
    kept = sum(tracing.begin(None).kept for _ in range(4000))
    assert 305 < kept < 495
    assert not any(Kitchen(keep=0.0).tracing.begin(None).kept for _ in range(100))
    assert all(Kitchen(keep=1.0).tracing.begin(None).kept for _ in range(100))


def test_the_model_is_told_the_trace_and_whether_it_is_kept() -> None:
    """W3C Trace Context; the parent is the span of the question to the model."""
    trace = Trace("0af7651916cd43dd8448eb211c80319c" + "b7ad6b7169203331" + "00f067aa0ba902b7", kept=True)
    assert trace.traceparent == "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
    assert trace._replace(kept=False).traceparent.endswith("-00")
    assert (trace.call_span, trace.model_span) == (0xB7AD6B7169203331, 0x00F067AA0BA902B7)


@pytest.mark.parametrize(
    ("reason", "step", "seconds", "kept"),
    [
        (Reason.THRESHOLD_MET, Step.MODEL, 0.02, None),
        (Reason.BELOW_THRESHOLD, Step.MODEL, 0.02, None),
        (Reason.INPUT_MISSING, Step.NONE, 0.02, None),
        (Reason.MODEL_TIMEOUT, Step.NONE, 0.3, Kept.ERROR),
        (Reason.INTERNAL, Step.NONE, 0.02, Kept.ERROR),
        (Reason.RECORD_UNAVAILABLE, Step.MODEL, 0.02, Kept.ERROR),
        (Reason.PREFETCH_REQUIRED, Step.NONE, 0.02, Kept.ERROR),
        (Reason.THRESHOLD_MET, Step.CACHED, 0.02, Kept.DEGRADED),
        (Reason.BELOW_THRESHOLD, Step.RULE, 0.02, Kept.DEGRADED),
        (Reason.THRESHOLD_MET, Step.MODEL, 0.45, Kept.SLOW),
    ],
)
def test_what_failed_was_slow_or_degraded_is_kept_besides(
    reason: Reason, step: Step, seconds: float, kept: Kept | None
) -> None:
    """With the gateway's spans alone: the model was told that the call is not kept."""
    kitchen = Kitchen()
    kitchen.ended(reason, step, seconds)
    assert not kitchen.taken, "nothing is made before the answer has been written"
    kitchen.write_answers()
    assert [call.attributes["kept"] for call in kitchen.taken] == ([] if kept is None else [kept])
    assert all(call.trace.traceparent.endswith("-00") for call in kitchen.taken)


def test_while_everything_fails_tracing_is_rationed() -> None:
    """A burst, then so many a second; what is more is counted."""
    kitchen = Kitchen(besides=2.0, burst=3.0)
    for _ in range(5):
        kitchen.ended(Reason.MODEL_UNREACHABLE, Step.NONE)
    assert len(kitchen.waiting) == 3 and kitchen.lost == [(Sink.TRACES, Loss.RATE)] * 2


@given(st.lists(st.floats(0, 10), min_size=1, max_size=200), st.floats(0.1, 100), st.floats(1, 50))
def test_an_allowance_is_never_exceeded(pauses: list[float], rate: float, burst: float) -> None:
    """In any time: the burst, and the rate times that time."""
    allowance, now, taken = Allowance(rate, burst), 0.0, 0
    for pause in pauses:
        now += pause
        taken += allowance.take(now)
    assert taken <= burst + rate * now + 1e-6


def test_the_times_of_a_trace_are_those_of_the_wall_clock() -> None:
    """Each stage ends where it was noted, and the call where its outcome was."""
    kitchen = Kitchen(keep=1.0)
    kitchen.clock.advance(5.0)  # the answer took that long to be written
    kitchen.ended(Reason.THRESHOLD_MET, seconds=0.2)
    kitchen.write_answers()
    (call,) = kitchen.taken
    began = kitchen.clock.now() - 5.0
    assert (call.started, call.ended) == pytest.approx((began, began + 0.2))
    ((stage, ended),) = call.stages
    assert stage is Stage.GATHER and ended == pytest.approx(began + 0.1)
    assert call.attributes["latency_ms"] == 200.0 and call.attributes["left_ms"] == 300.0


def test_the_stage_that_a_call_was_cut_off_in_is_told() -> None:
    """That is what one looks for in the trace of a call that was too late."""
    kitchen = Kitchen()
    kitchen.ended(Reason.DEADLINE, Step.NONE, 0.49)
    kitchen.ended(Reason.MODEL_TIMEOUT, Step.NONE, 0.49)
    kitchen.write_answers()
    assert [[stage for stage, _ in call.stages] for call in kitchen.taken] == [
        [Stage.GATHER, Stage.EXTRACT],
        [Stage.GATHER],
    ]


def test_an_error_is_told_by_code_and_class() -> None:
    """Never by its message."""
    refusal = PrefetchRequired("Maria Muster's labs", "prefetch.labs")
    outcome = HookOutcome(hook_call(), Reason.PREFETCH_REQUIRED, refusal=refusal)
    told = attributes_of(outcome, 1000.02, Kept.ERROR)
    assert told["error_code"] == "WG106" and "Maria" not in str(told)


def test_a_request_that_was_refused_at_the_door_is_traced_unless_it_is_noise() -> None:
    """An EHR that sends what cannot be read is news; a scanner is none."""
    kitchen = Kitchen()
    for reason in (Reason.BAD_REQUEST, Reason.NOT_FOUND, Reason.METHOD_NOT_ALLOWED, Reason.OVERLOADED):
        kitchen.tracing.refused("ckd", "patient-view", reason, 0.01)
    assert [call.attributes["reason"] for call in kitchen.taken] == [Reason.BAD_REQUEST]
    assert kitchen.taken[0].failed


def test_a_trace_that_comes_in_is_linked_by_its_ids() -> None:
    """Its flag and whatever a later version adds are ignored."""
    link = Link(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7)
    assert incoming(OURS.encode()) == link
    assert incoming(OURS.replace("-01", "-00").encode()) == link
    assert incoming(b"cc" + OURS[2:].encode() + b"-what-the-future-will-be-like") == link


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"Maria Muster",
        b"ff" + OURS[2:].encode(),
        OURS.upper().encode(),
        OURS.encode() + b"-Maria",
        OURS.encode() + b"\n",
        b"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        b"00-00000000000000000000000047110815-00f067aa0ba902b7-01",
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000047110815-01",
    ],
)
def test_what_is_no_trace_or_could_be_somebodys_number_is_not_linked(header: bytes | None) -> None:
    """A medical record number has the form of an id, padded with zeros."""
    assert incoming(header) is None


@given(st.binary(max_size=80))
def test_no_header_breaks_a_call(header: bytes) -> None:
    """Whatever a client sends."""
    incoming(header)
