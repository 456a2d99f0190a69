"""Labels come from the one list, and their values from its closed sets."""

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.telemetry_reference import TARGET, reference
from wardgate.adapters.prometheus.audit import AuditMeter
from wardgate.adapters.prometheus.durable import DurableMeter
from wardgate.adapters.prometheus.instruments import Instruments
from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.adapters.prometheus.spool import SpoolMeter
from wardgate.domain.attributes import ATTRIBUTES, Configured, Loss, Sink, Words
from wardgate.domain.guard import Guard
from wardgate.domain.outcomes import Stage


def test_the_page_is_current() -> None:
    """Otherwise: python -m tests.telemetry_reference."""
    assert TARGET.read_text(encoding="utf-8") == reference()


def test_a_label_that_is_not_listed_is_no_metric() -> None:
    """At the start of the process, not at its first call."""
    with pytest.raises(ValueError, match="patient"):
        Instruments().counter("wardgate_x", "What it says.", ("service_id", "patient"))


def test_every_label_has_a_closed_set() -> None:
    """Ids and numbers would make a series of each call."""
    meter = PrometheusMeter()
    DurableMeter(meter)
    SpoolMeter(meter)
    AuditMeter(meter)
    names = {name for each in meter.registry._names_to_collectors.values() for name in each._labelnames}  # type: ignore[attr-defined]
    open_ = {name for name in names if not isinstance(ATTRIBUTES[name].kind, Words | Configured)}
    assert open_ == {"version", "python"}, "of the one series that says what is running"


def test_a_value_of_nobodys_list_is_counted_as_other() -> None:
    """A count stays a count, and the series stay as few."""
    meter = PrometheusMeter(Guard({"service_id": frozenset({"ckd"})}))
    for service_id in ("Maria Muster", "Max Muster", "ckd"):
        meter.call_deferred(service_id, "none", "input_missing")
    page = meter.exposition()[0].decode()
    assert 'wardgate_deferrals_total{question="none",reason="input_missing",service_id="other"} 2.0' in page
    assert "Muster" not in page


def test_each_stage_is_timed_from_where_the_one_before_it_ended() -> None:
    """And the deadline, also where it was missed."""
    meter = PrometheusMeter(Guard({"service_id": frozenset({"ckd"})}))
    meter.call_timed("ckd", 100.0, [(Stage.GATHER, 100.02), (Stage.EXTRACT, 100.021)], -0.001)
    page = meter.exposition()[0].decode()
    assert 'wardgate_stage_seconds_bucket{le="0.01",service_id="ckd",stage="gather"} 0.0' in page
    assert 'wardgate_stage_seconds_bucket{le="0.025",service_id="ckd",stage="gather"} 1.0' in page
    assert 'wardgate_stage_seconds_bucket{le="0.0025",service_id="ckd",stage="extract"} 1.0' in page
    assert 'wardgate_deadline_left_seconds_bucket{le="0.0",service_id="ckd"} 1.0' in page


def test_what_a_sink_did_not_let_out_is_counted_by_the_meter() -> None:
    """Whoever shares its guard."""
    guard = Guard()
    meter = PrometheusMeter(guard)
    guard.value(Sink.TRACES, "patient", "Maria")
    guard.lost(Sink.TRACES, Loss.QUEUE, 5)
    page = meter.exposition()[0].decode()
    assert 'wardgate_telemetry_dropped_total{cause="unlisted",sink="traces"} 1.0' in page
    assert 'wardgate_telemetry_dropped_total{cause="queue",sink="traces"} 5.0' in page


def test_a_model_that_is_gone_leaves_no_series_behind() -> None:
    """And one of the same name that comes later is seen again."""
    names = {"service_id": frozenset({"ckd"}), "model_name": frozenset({"m"}), "model_version": frozenset({"1"})}
    meter, release = PrometheusMeter(Guard(names)), ("ckd", "m", "1")
    for _ in range(2):
        meter.proven(*release, True)
        meter.watch_policies(*release, lambda: 3, lambda: 0, {"open": lambda: True})
        assert 'wardgate_model_proven{model_name="m",model_version="1",service_id="ckd"} 1.0' in _page(meter)
        meter.model_gone(*release)
        assert "wardgate_model_proven{" not in _page(meter) and "wardgate_breaker_state{" not in _page(meter)


def test_what_is_running_is_told() -> None:
    """Version, interpreter, environment."""
    meter = PrometheusMeter()
    meter.runs("production")
    assert 'wardgate_build_info{environment="production",python="3.' in _page(meter)


def _page(meter: PrometheusMeter) -> str:
    return meter.exposition()[0].decode()


def test_the_pieces_of_a_scrape_are_the_whole() -> None:
    """Family by family, so that whoever serves calls beside it can take a breath."""
    meter = PrometheusMeter()
    pieces = [piece.decode() for piece in meter.pieces()]
    assert len(pieces) > 30 and all(piece.count("# TYPE") == 1 for piece in pieces)
    families = {family.name for family in text_string_to_metric_families("".join(pieces))}
    assert families == {
        family.name for family in text_string_to_metric_families(generate_latest(meter.registry).decode())
    }
