"""What the canary makes up: models that prove themselves in each protocol, and calls that each hook is answered for."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes.config_tree import sound_config
from wardgate.adapters.http.client import HttpReply
from wardgate.adapters.http.model_client import read_reply, wire_of
from wardgate.cli.canary.charts import base_of
from wardgate.cli.canary.models import StandIn
from wardgate.cli.check import examine
from wardgate.cli.phi_canary import run
from wardgate.domain.hooks import HOOKS
from wardgate.domain.inference.endpoint import Endpoint, Mlflow, Oip, OutputSpec, PlainJson, Shape
from wardgate.domain.inference.probes import agrees, probe_inputs
from wardgate.domain.plans import ReleasePlan, ServicePlan
from wardgate.lab.asgi import Request
from wardgate.lab.canary import Marks, search
from wardgate.web.context_fields import ContextReader

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
OUTPUT, TERMS = OutputSpec("risk_2y"), OutputSpec("contributions")
REQUEST = {"patient": {"age": "$age", "male": "$male"}, "labs": ["$egfr", "$uacr"], "version": 3}
ENDPOINTS: dict[str, dict[str, Any]] = {
    "oip, a row": {"protocol": Oip("kfre", "1"), "score": OUTPUT, "contributions": TERMS},
    "oip, by index": {
        "protocol": Oip("kfre", "1"),
        "score": OutputSpec("p", 1),
        "others": {"rest": OutputSpec("p", 0)},
    },
    "mlflow": {"protocol": Mlflow(), "score": OutputSpec("predictions")},
    "mlflow, by index": {"protocol": Mlflow(), "score": OutputSpec("predictions", 1)},
    "mlflow, columns": {"protocol": Mlflow(), "score": OUTPUT, "contributions": TERMS},
    "json": {"protocol": PlainJson(REQUEST, version=("/model/version", "7")), "score": OutputSpec("/risk/two~1years")},
    "json, by index": {"protocol": PlainJson(REQUEST), "score": OutputSpec("/scores/0", 1)},
}


def plan_of(folder: Path) -> ServicePlan:
    catalog = examine(sound_config(folder)).catalog
    assert catalog is not None
    return catalog.plans()[0]


def release_of(folder: Path, **endpoint: Any) -> ReleasePlan:
    release = next(iter(plan_of(folder).releases.values()))
    usual: dict[str, Any] = {"contributions": None}
    return msgspec.structs.replace(release, endpoint=msgspec.structs.replace(release.endpoint, **usual | endpoint))


def asked(stand_in: StandIn, endpoint: Endpoint, values: tuple[float, ...]) -> Any:
    wire = wire_of(endpoint)
    body = wire.body(values)
    stand_in.heard(b"POST / HTTP/1.1\r\n\r\n", body)
    reply = stand_in.answer(Request("POST", "/", "", {}, body))
    return read_reply(HttpReply(reply.status, "application/json", json.dumps(reply.body).encode()), wire)


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize("shape", Shape)
def test_a_stand_in_answers_its_probes_as_they_are_pinned(tmp_path: Path, name: str, shape: Shape) -> None:
    """And everybody else with a score above any threshold."""
    release = release_of(tmp_path, **ENDPOINTS[name])
    inputs = msgspec.structs.replace(release.endpoint.inputs, shape=shape)
    release = msgspec.structs.replace(release, endpoint=msgspec.structs.replace(release.endpoint, inputs=inputs))
    stand_in = StandIn(release, lambda heard: None)
    (probe,) = release.probes.probes
    answer = asked(stand_in, release.endpoint, probe_inputs(probe, release.endpoint).values)
    assert agrees(answer, probe, release.probes.tolerance)
    assert asked(stand_in, release.endpoint, (60.0, 0.0, 20.0, 500.0)).score == pytest.approx(0.9)


def test_a_declared_number_is_no_leak_and_one_more_is(tmp_path: Path) -> None:
    """Of what the model hears, the inputs are not searched; a text, a head and a further number are."""
    release, marks = release_of(tmp_path, score=OUTPUT), Marks()
    heard: list[bytes] = []
    stand_in = StandIn(release, heard.append)
    number = marks.number(30.0, "value")
    asked(stand_in, release.endpoint, (70.0, 1.0, 30.0, 300.0))
    asked(stand_in, release.endpoint, (70.0, 1.0, number, 300.0))
    assert len(heard) == 2 and search("model", b"".join(heard), marks) == []
    body = wire_of(release.endpoint).body((70.0, 1.0, number, 300.0))
    for leak in (body[:-1] + b',"more":1}', body[:-1] + f',"who":"{marks.text("id")}"}}'.encode()):
        stand_in.heard(b"", leak)
        assert search("model", heard[-1], marks), leak
    stand_in.heard(f"X-Patient: {marks.text('id')}".encode(), body)
    assert search("model", heard[-1], marks)


@pytest.mark.parametrize("hook", HOOKS)
def test_the_made_up_call_fits_each_hook(tmp_path: Path, hook: str) -> None:
    """Also once it is planted."""
    plan = msgspec.structs.replace(plan_of(tmp_path), hook=hook)
    base = base_of(plan, NOW)
    for request in (base.request, Marks().plant(base.request)):
        read = ContextReader(plan).read(msgspec.Raw(msgspec.json.encode(request["context"])))
        assert read.patient_id == request["prefetch"]["patient"]["id"]


def test_what_cannot_be_run_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = sound_config(tmp_path, service=("mode: active", "mode: loud"))
    assert run(config, 1) == 2
    assert "kidney-failure.yaml" in capsys.readouterr().err
