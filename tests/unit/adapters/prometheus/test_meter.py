"""The metrics page: names, labels, and what counts where."""

from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.domain.hot import HotEvent
from wardgate.domain.outcomes import Reason


def _page(meter: PrometheusMeter) -> str:
    return meter.exposition()[0].decode()


def test_a_call_is_counted_by_how_it_ended() -> None:
    """The contract of `wardgate_calls_total`, and its latency beside it."""
    meter = PrometheusMeter()
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
    meter = PrometheusMeter()
    meter.probe_ended("kfre", "1.0.0", Reason.PROBE_FAILED)
    meter.probe_ended("kfre", "1.0.0", None)
    meter.proven("ckd", "kfre", "1.0.0", True)
    meter.input_adjusted("kfre", "uacr", "clipped")
    meter.contributions_absent("kfre", "1.0.0")
    meter.resource_dropped("other_patient", 2)
    meter.read_failed("timeout")
    meter.fault("hook")
    page = _page(meter)
    assert 'wardgate_probes_total{model="kfre",result="probe_failed",version="1.0.0"} 1.0' in page
    assert 'wardgate_model_proven{model="kfre",service_id="ckd",version="1.0.0"} 1.0' in page
    assert 'wardgate_inputs_adjusted_total{feature="uacr",how="clipped",model="kfre"} 1.0' in page
    assert 'wardgate_contributions_absent_total{model="kfre",version="1.0.0"} 1.0' in page
    assert 'wardgate_resources_dropped_total{cause="other_patient"} 2.0' in page
    assert 'wardgate_fhir_reads_failed_total{cause="timeout"} 1.0' in page
    assert 'wardgate_faults_total{stage="hook"} 1.0' in page


def test_the_policies_of_an_endpoint_are_read_when_they_are_scraped() -> None:
    """The state that a circuit is in is 1 and the others 0; what happened is counted."""
    meter, state, release = PrometheusMeter(), ["closed"], ("ckd", "kfre", "1.0.0")
    meter.watch_policies(*release, lambda: 7, {name: lambda name=name: state == [name] for name in ("closed", "open")})  # type: ignore[misc]
    meter.breaker_changed(*release, "open")
    meter.model_retried(*release)
    meter.model_coalesced(*release)
    state[0] = "open"
    page, labels = _page(meter), 'model="kfre",service_id="ckd"'
    assert f'wardgate_breaker_state{{{labels},state="open",version="1.0.0"}} 1.0' in page
    assert f'wardgate_breaker_state{{{labels},state="closed",version="1.0.0"}} 0.0' in page
    assert f'wardgate_breaker_changes_total{{{labels},state="open",version="1.0.0"}} 1.0' in page
    assert f'wardgate_model_calls_in_flight{{{labels},version="1.0.0"}} 7.0' in page
    assert f'wardgate_model_retries_total{{{labels},version="1.0.0"}} 1.0' in page
    assert f'wardgate_model_coalesced_total{{{labels},version="1.0.0"}} 1.0' in page


def test_the_hot_store_has_its_own() -> None:
    """Every event from the start, so that a rate of it can be taken."""
    meter = PrometheusMeter()
    assert _page(meter).count("wardgate_hot_store_total{") == len(HotEvent)
    meter.hot_event(HotEvent.MISS, 3)
    meter.hot_up(True)
    assert 'wardgate_hot_store_total{event="miss"} 3.0' in _page(meter) and "wardgate_hot_store_up 1.0" in _page(meter)
