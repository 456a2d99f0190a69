"""From a call to the bytes of OTLP; and what the last look takes out of spans that somebody else made."""

from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link as SdkLink
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceState

from wardgate.adapters.otel.spans import Spans
from wardgate.domain.attributes import Attributes, Kept, Loss, ResourceAttributes, Sink
from wardgate.domain.guard import Guard
from wardgate.domain.outcomes import Outcome, Reason, Stage
from wardgate.gateway.trace import Link, Trace
from wardgate.gateway.tracing import CallTrace

IDS = "0af7651916cd43dd8448eb211c80319c" + "b7ad6b7169203331" + "00f067aa0ba902b7"
RESOURCE: ResourceAttributes = {
    "service.name": "wardgate",
    "service.version": "0.1.0",
    "deployment.environment.name": "test",
    "wardgate.worker": 2,
}
CALLED: Attributes = {"service_id": "ckd", "outcome": Outcome.SHOWN, "reason": Reason.THRESHOLD_MET, "kept": Kept.RATIO}
STAGES = ((Stage.GATHER, 100.1), (Stage.PREDICT, 100.3))


def spans_of(call: CallTrace, guard: Guard | None = None) -> Any:
    made = Spans(RESOURCE, guard or Guard({"service_id": frozenset({"ckd"})}))
    return ExportTraceServiceRequest.FromString(made.encoded(made.of(call))).resource_spans[0]


def call(link: Link | None = None, failed: bool = False) -> CallTrace:
    return CallTrace(Trace(IDS, True, link), 100.0, 100.4, STAGES, CALLED, failed)


def test_one_span_for_the_call_and_one_for_each_stage() -> None:
    """Each stage begins where the one before it ended; the model's own spans hang below `predict`."""
    whole, gather, predict = spans_of(call()).scope_spans[0].spans
    assert [span.name for span in (whole, gather, predict)] == ["hook_call", "gather", "predict"]
    assert {span.trace_id.hex() for span in (whole, gather, predict)} == {IDS[:32]}
    assert whole.span_id.hex() == IDS[32:48] and whole.parent_span_id == b""
    assert predict.span_id.hex() == IDS[48:] and {gather.parent_span_id, predict.parent_span_id} == {whole.span_id}
    times = [(span.start_time_unix_nano / 1e9, span.end_time_unix_nano / 1e9) for span in (whole, gather, predict)]
    assert [(round(a, 3), round(b, 3)) for a, b in times] == [(100.0, 100.4), (100.0, 100.1), (100.1, 100.3)]
    assert len({span.span_id for span in (whole, gather, predict)}) == 3


def test_a_trace_that_came_in_is_linked_and_not_joined() -> None:
    """The root stays ours."""
    (linked, *_) = spans_of(call(Link(0xABC, 0xDEF))).scope_spans[0].spans
    assert linked.parent_span_id == b"" and linked.trace_id.hex() == IDS[:32]
    assert (linked.links[0].trace_id.hex(), linked.links[0].span_id.hex()) == (f"{0xABC:032x}", f"{0xDEF:016x}")


def test_the_resource_is_the_process_and_nothing_of_its_host() -> None:
    """Neither a host name nor a process id, whatever the environment says."""
    resource = spans_of(call()).resource
    assert {pair.key for pair in resource.attributes} == set(RESOURCE)


def test_a_failed_call_is_an_error_without_a_word() -> None:
    """A status has a description, and descriptions quote."""
    (failed, *_) = spans_of(call(failed=True)).scope_spans[0].spans
    assert failed.status.code == 2 and failed.status.message == ""


def test_what_is_not_on_the_list_never_becomes_bytes() -> None:
    """A span as a careless hand would make it, with a name in each place that there is."""
    lost: list[tuple[Sink, Loss, int]] = []
    guard = Guard()
    guard.tell(lambda *told: lost.append(told))
    state = TraceState([("maria", "maria")])
    context = SpanContext(1, 2, False, trace_state=state)
    careless = ReadableSpan(
        name="Maria Muster",
        context=context,
        parent=SpanContext(1, 3, True, trace_state=state),
        resource=Resource({"host.name": "maria"}),
        attributes={"patient": "Maria", "service_id": "Maria", "latency_ms": "Maria", "maria": 1, "left_ms": 4.0},
        events=[Event("Maria", {"maria": "Maria"}, 1)],
        links=[SdkLink(context, {"maria": "Maria"})],
        kind=SpanKind.SERVER,
        status=Status(StatusCode.ERROR, "Maria"),
        start_time=1,
        end_time=2,
    )
    body = Spans(RESOURCE, guard).encoded([careless])
    assert b"maria" not in body.lower()
    span = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans[0]
    assert span.name == "other" and {pair.key for pair in span.attributes} == {"service_id", "left_ms"}
    unlisted = (Sink.TRACES, Loss.UNLISTED, 1)
    assert lost.count(unlisted) == 5, "the name, the event, two attributes, the link's"
    assert lost.count((Sink.TRACES, Loss.VALUE, 1)) == 1
