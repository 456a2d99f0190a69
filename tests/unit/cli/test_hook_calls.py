"""Hook calls that are sent many times, and the gateway's own count of how they ended."""

import json
import uuid

from wardgate.cli.hook_calls import endings, pieces


def test_each_call_is_whole_and_has_an_instance_of_its_own() -> None:
    """Head, length and body agree; the path is that of the gateway's base; two calls are not the same one."""
    request = {"hook": "patient-view", "hookInstance": "old", "context": {"patientId": "p", "userId": "Practitioner/ü"}}
    made = pieces("https://cds.example/base/", "kidney failure", request)
    sent = [b"".join(made(number)) for number in range(2)]
    instances = set()
    for call in sent:
        head, body = call.split(b"\r\n\r\n", 1)
        assert head.startswith(b"POST /base/cds-services/kidney%20failure HTTP/1.1\r\nHost: cds.example:443\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        document = json.loads(body)
        instances.add(uuid.UUID(document.pop("hookInstance")))
        assert document == {key: value for key, value in request.items() if key != "hookInstance"}
    assert len(instances) == 2


def test_endings_are_those_of_the_service() -> None:
    """Over hooks, modes and arms; other services and other metrics do not count."""
    text = (
        "# HELP wardgate_calls_total Hook calls by how they ended.\n"
        'wardgate_calls_total{arm="champion",hook="a",mode="active",outcome="shown",reason="threshold_met",'
        'service_id="s",step="model"} 3.0\n'
        'wardgate_calls_total{arm="none",hook="b",mode="none",outcome="shown",reason="threshold_met",'
        'service_id="s",step="model"} 2.0\n'
        'wardgate_calls_total{outcome="refused",reason="bad_request",service_id="s",step="none"} 1.0\n'
        'wardgate_calls_total{outcome="shown",reason="threshold_met",service_id="t",step="model"} 7.0\n'
        'wardgate_calls_created{outcome="shown",reason="threshold_met",service_id="s",step="model"} 9e9\n'
    )
    assert endings(text, "s") == {("shown", "threshold_met", "model"): 5, ("refused", "bad_request", "none"): 1}
