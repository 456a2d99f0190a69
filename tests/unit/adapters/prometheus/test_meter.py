"""The metrics page: names, labels, and what counts where."""

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from wardgate.adapters.prometheus.instruments import Histogram
from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.domain.guard import Guard
from wardgate.domain.hot import HotEvent
from wardgate.domain.outcomes import Reason

GUARD = {
    "service_id": frozenset({"ckd"}),
    "hook": frozenset({"patient-view"}),
    "model_name": frozenset({"kfre"}),
    "model_version": frozenset({"1.0.0"}),
    "feature": frozenset({"uacr"}),
    "question": frozenset({"2"}),
}


def _meter() -> PrometheusMeter:
    return PrometheusMeter(Guard(GUARD))


def _page(meter: PrometheusMeter) -> str:
    return meter.exposition()[0].decode()


def test_a_call_is_counted_by_how_it_ended() -> None:
    """The contract of `wardgate_calls_total`, and its latency beside it."""
    meter = _meter()
    for _ in range(3):
        meter.call_ended("ckd", "patient-view", "active", "champion", "shown", "threshold_met", "model", 0.012)
    page = _page(meter)
    assert (
        'wardgate_calls_total{arm="champion",hook="patient-view",mode="active",outcome="shown",reason="threshold_met",'
        'service_id="ckd",step="model"} 3.0'
    ) in page
    assert 'wardgate_call_seconds_bucket{hook="patient-view",le="0.025",outcome="shown",service_id="ckd"} 3.0' in page


def test_probes_proofs_and_adjusted_inputs_have_their_own() -> None:
    """What an on-call engineer looks at when a service falls silent."""
    meter = _meter()
    meter.probe_ended("kfre", "1.0.0", Reason.PROBE_FAILED)
    meter.probe_ended("kfre", "1.0.0", None)
    meter.proven("ckd", "kfre", "1.0.0", True)
    meter.input_adjusted("kfre", "uacr", "clipped")
    meter.contributions_absent("kfre", "1.0.0")
    meter.resource_dropped("other_patient", 2)
    meter.read_failed("timeout")
    meter.fault("hook")
    page = _page(meter)
    assert 'wardgate_probes_total{model_name="kfre",model_version="1.0.0",result="probe_failed"} 1.0' in page
    assert 'wardgate_model_proven{model_name="kfre",model_version="1.0.0",service_id="ckd"} 1.0' in page
    assert 'wardgate_inputs_adjusted_total{feature="uacr",how="clipped",model_name="kfre"} 1.0' in page
    assert 'wardgate_contributions_absent_total{model_name="kfre",model_version="1.0.0"} 1.0' in page
    assert 'wardgate_resources_dropped_total{cause="other_patient"} 2.0' in page
    assert 'wardgate_fhir_reads_failed_total{cause="timeout"} 1.0' in page
    assert 'wardgate_faults_total{stage="hook"} 1.0' in page


def test_the_policies_of_an_endpoint_are_read_when_they_are_scraped() -> None:
    """The state that a circuit is in is 1 and the others 0; what happened is counted."""
    meter, state, release = _meter(), ["closed"], ("ckd", "kfre", "1.0.0")
    states = {"closed": lambda: state == ["closed"], "open": lambda: state == ["open"]}
    meter.watch_policies(*release, lambda: 7, lambda: 2, states)
    meter.breaker_changed(*release, "open")
    meter.model_retried(*release)
    meter.model_coalesced(*release)
    state[0] = "open"
    page, labels = _page(meter), 'model_name="kfre",model_version="1.0.0",service_id="ckd"'
    assert f'wardgate_breaker_state{{{labels},state="open"}} 1.0' in page
    assert f'wardgate_breaker_state{{{labels},state="closed"}} 0.0' in page
    assert f'wardgate_breaker_changes_total{{{labels},state="open"}} 1.0' in page
    assert f"wardgate_model_calls_in_flight{{{labels}}} 7.0" in page
    assert f"wardgate_model_retries_total{{{labels}}} 1.0" in page
    assert f"wardgate_model_coalesced_total{{{labels}}} 1.0" in page


def test_the_hot_store_has_its_own() -> None:
    """Every event from the start, so that a rate of it can be taken."""
    meter = _meter()
    assert _page(meter).count("wardgate_hot_store_total{") == len(HotEvent)
    meter.hot_event(HotEvent.MISS, 3)
    meter.hot_up(True)
    assert 'wardgate_hot_store_total{event="miss"} 3.0' in _page(meter) and "wardgate_hot_store_up 1.0" in _page(meter)


@pytest.mark.parametrize("buckets", [(0.001, 0.5, 2.5), (-1.0, 0.0, 1.0)])
def test_a_histogram_says_what_the_librarys_says(buckets: tuple[float, ...]) -> None:
    """Bucket by bucket, at their bounds, and beyond them; it only finds the bucket sooner."""

    def page(kind: type[prometheus_client.Histogram]) -> str:
        registry = CollectorRegistry()
        family = kind("seconds", "What it says.", ("stage",), registry=registry, buckets=buckets)
        for stage in ("gather", "extract"):
            for value in (-3.0, -1.0, 0.0, 0.0005, 0.001, 0.0011, 0.5, 1.0, 2.5, 7.25):
                family.labels(stage).observe(value)
        family.labels("render")
        return generate_latest(registry).decode()

    assert page(Histogram) == page(prometheus_client.Histogram)
