"""Spans of the OpenTelemetry SDK from a call that is kept, and the last look at them before they become bytes.

The SDK's tracer is not used: it would make spans while the call runs, for calls that nobody keeps, and has a global
provider that any library may write to. What becomes bytes here has passed `_guarded`, whoever made it.
"""

from collections.abc import Mapping, Sequence

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from wardgate import __version__
from wardgate.domain.attributes import Loss, ResourceAttributes, Sink, Value
from wardgate.domain.guard import Guard
from wardgate.domain.outcomes import Stage
from wardgate.gateway.tracing import CallTrace

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_NOT_SAMPLED = TraceFlags(TraceFlags.DEFAULT)
_NONE: Mapping[str, Value] = {}


class _Resource(Resource):
    """Hashed once: the encoder groups by resource, and the SDK writes its attributes as JSON for each hash."""

    def __init__(self, attributes: Mapping[str, Value]) -> None:
        super().__init__(attributes)
        self._hash = super().__hash__()

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or super().__eq__(other)


class Spans:
    """`of` makes them, `encoded` is the one way from a span to bytes."""

    def __init__(self, resource: ResourceAttributes, guard: Guard) -> None:
        self._guard = guard
        checked = {name: guard.resource_value(name, value) for name, value in resource.items()}
        self._resource = _Resource({name: value for name, value in checked.items() if value is not None})
        self._scope = InstrumentationScope("wardgate", __version__)

    def of(self, call: CallTrace) -> list[ReadableSpan]:
        """One for the call and one for each stage, which begins where the one before it ended."""
        trace, ids = call.trace, call.trace.trace_id
        flags = _SAMPLED if trace.kept else _NOT_SAMPLED
        whole = SpanContext(ids, trace.call_span, is_remote=False, trace_flags=flags)
        links = () if trace.link is None else (Link(SpanContext(*trace.link, is_remote=True)),)
        status = Status(StatusCode.ERROR if call.failed else StatusCode.UNSET)
        spans = [
            self._span(
                "hook_call", whole, None, SpanKind.SERVER, call.started, call.ended, call.attributes, links, status
            )
        ]
        began = call.started
        for number, (stage, ended) in enumerate(call.stages, 1):
            predicts = stage is Stage.PREDICT
            own = trace.model_span if predicts else (trace.call_span + number) % (1 << 64) or 1
            context = SpanContext(ids, own, is_remote=False, trace_flags=flags)
            kind = SpanKind.CLIENT if predicts else SpanKind.INTERNAL
            spans.append(self._span(stage.value, context, whole, kind, began, ended))
            began = ended
        return spans

    def encoded(self, spans: Sequence[ReadableSpan]) -> bytes:
        """Of OTLP's ExportTraceServiceRequest; two of them one after the other are one with the spans of both."""
        encoded: bytes = encode_spans([self._guarded(span) for span in spans]).SerializeToString()
        return encoded

    def _span(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        started: float,
        ended: float,
        attributes: Mapping[str, object] = _NONE,
        links: Sequence[Link] = (),
        status: Status | None = None,
    ) -> ReadableSpan:
        return ReadableSpan(
            name=name,
            context=context,
            parent=parent,
            resource=self._resource,
            attributes=attributes,  # type: ignore[arg-type]  # a TypedDict; each value is looked at below
            links=links,
            kind=kind,
            status=status or Status(),
            start_time=int(started * 1e9),
            end_time=int(ended * 1e9),
            instrumentation_scope=self._scope,
        )

    def _guarded(self, span: ReadableSpan) -> ReadableSpan:
        """The same span with nothing in it that is not on the list: no event, no word to its status, no tracestate."""
        guard = self._guard
        if span.events:
            guard.lost(Sink.TRACES, Loss.UNLISTED, len(span.events))
        return ReadableSpan(
            name=guard.span_name(span.name),
            context=_bare(span.context),
            parent=None if span.parent is None else _bare(span.parent),
            resource=self._resource,
            attributes=self._checked(span.attributes),
            links=[Link(_bare(link.context), self._checked(link.attributes)) for link in span.links],
            kind=span.kind,
            status=Status(span.status.status_code),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=self._scope,
        )

    def _checked(self, attributes: Mapping[str, object] | None) -> dict[str, Value]:
        if not attributes:
            return {}
        value = self._guard.value
        checked = [(name, value(Sink.TRACES, name, given)) for name, given in attributes.items()]
        return {name: given for name, given in checked if given is not None}


def _bare(context: SpanContext) -> SpanContext:
    if not context.trace_state:
        return context
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)
