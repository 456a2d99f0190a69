"""Writes docs/telemetry.md from the code: `python -m tests.telemetry_reference`. A test keeps it current."""

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import get_args

from prometheus_client import CollectorRegistry

from wardgate.adapters.logs.events import Event
from wardgate.adapters.prometheus.audit import AuditMeter
from wardgate.adapters.prometheus.durable import DurableMeter
from wardgate.adapters.prometheus.governance import GovernanceMeter
from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.adapters.prometheus.rollout import SnapshotMeter
from wardgate.adapters.prometheus.spool import SpoolMeter
from wardgate.adapters.prometheus.workers import WorkerMeter
from wardgate.domain.attributes import (
    ATTRIBUTES,
    RESOURCE_ATTRIBUTES,
    SPAN_NAMES,
    Attribute,
    Code,
    Configured,
    Issued,
    Kind,
    Loss,
    Measured,
    Words,
)

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "telemetry.md"
HEAD = Path(__file__).with_name("telemetry_page.md")

_FEATURES = 20
_MANY_WORDS = 12


def reference() -> str:
    """The whole page."""
    return HEAD.read_text(encoding="utf-8") + "\n".join([*_list(), *_metrics(), *_losses()]) + "\n"


def _list() -> Iterator[str]:
    yield "\n## The list\n"
    yield "Every name that a span, a label or a log line can have; a value outside a closed set is `other`.\n"
    yield "| attribute | what it says | its values | from |\n|---|---|---|---|"
    yield from map(_row, ATTRIBUTES.values())
    yield f"\nNames of spans: {', '.join(f'`{name}`' for name in sorted(SPAN_NAMES))}. A resource has:\n"
    yield "| attribute | what it says | its values | from |\n|---|---|---|---|"
    yield from map(_row, RESOURCE_ATTRIBUTES.values())
    yield f"\nLog events ([operations.md](operations.md)): {', '.join(f'`{name}`' for name in get_args(Event))}.\n"


def _row(attribute: Attribute) -> str:
    values, origin = _values(attribute.name, attribute.kind)
    return f"| `{attribute.name}` | {attribute.meaning} | {values} | {origin} |"


def _values(name: str, kind: Kind | None) -> tuple[str, str]:
    match kind:
        case None:
            return "`true`, `false`", "measured"
        case Words(words) if len(words) > _MANY_WORDS:
            return f"one of {len(set(words))} words", "code" if name != "reason" else "code ([errors.md](errors.md))"
        case Words(words):
            return ", ".join(f"`{word}`" for word in dict.fromkeys(words)), "code"
        case Configured(besides):
            return ", ".join(["names of the files", *[f"`{word}`" for word in besides]]), "configuration"
        case Issued(form):
            return f"`{form}`", "wardgate's own ids"
        case Measured(low, high, unit):
            return f"{low:,.0f} to {high:,.0f} {unit}".rstrip(), "measured"
        case Code(form, origin):
            return "`{}`".format(form.replace("|", "\\|")), origin


def _metrics() -> Iterator[str]:
    yield "## Metrics\n"
    yield (
        "*Most* is how many series there can be at most for one service under one hook with one release and "
        f"{_FEATURES} features, with the buckets of histograms; in practice a tenth of it. It does not depend on "
        "traffic. With `--workers` each worker has its own.\n"
    )
    yield "| metric | what it says | labels | most |\n|---|---|---|---|"
    meter = PrometheusMeter()
    meter.collector_up(True)
    DurableMeter(meter)
    GovernanceMeter(meter)
    SpoolMeter(meter)
    SnapshotMeter(meter)
    AuditMeter(meter)
    for registry in (meter.registry, WorkerMeter().registry):
        yield from _families(registry)
    yield ""


def _families(registry: CollectorRegistry) -> Iterator[str]:
    for collector in dict.fromkeys(registry._names_to_collectors.values()):
        name, labels, kind = collector._name, collector._labelnames, collector._type  # type: ignore[attr-defined]
        buckets = len(getattr(collector, "_upper_bounds", ()))
        each = buckets + 2 if kind == "histogram" else 1
        sizes = [_size(label) for label in labels if not (label == "outcome" and "reason" in labels)]
        told = ", ".join(f"`{label}`" for label in labels) or "–"
        total = f"{name}_total" if kind == "counter" else name
        yield f"| `{total}` | {collector._documentation} | {told} | {prod(sizes) * each:,} |"  # type: ignore[attr-defined]


def _size(label: str) -> int:
    match ATTRIBUTES[label].kind:
        case Words(words):
            return len(set(words))
        case Configured(besides):
            return (_FEATURES if label == "feature" else 1) + len(besides)
        case _:
            return 1


def _losses() -> Iterator[str]:
    yield "## What did not leave\n\n`wardgate_telemetry_dropped_total` by `cause`:\n"
    meanings = {
        Loss.UNLISTED: "a name that is not on the list: a mistake in wardgate; should be 0",
        Loss.VALUE: "a value that its name cannot have: the same",
        Loss.RATE: "failed, slow and degraded calls beyond those that are kept besides; counted in calls",
        Loss.QUEUE: "spans of calls that found no place in the queue",
        Loss.EXPORT: "spans that the collector did not take in five tries, or that were left at the end",
        Loss.REJECTED: "spans that the collector refused, or threw away",
    }
    yield "| cause | meaning |\n|---|---|"
    for loss in Loss:
        yield f"| `{loss.value}` | {meanings[loss]} |"


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
