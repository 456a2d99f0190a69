"""A gateway that tells of its patients wherever it can: `python -m tests.fakes.leaky_gateway serve --config FILE`.

Each leak is a line that somebody might write. It bears the name of its sink, so that none is found in another's place.
"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from wardgate.__main__ import main
from wardgate.adapters.http import aiohttp_client
from wardgate.adapters.redis.seals import Seals
from wardgate.bootstrap.gateway import Gateway
from wardgate.domain.guard import Guard
from wardgate.domain.hooks.request import HookRequest
from wardgate.domain.record_names import RecordNames
from wardgate.gateway import tracing
from wardgate.gateway.hook_flow import HookFlow
from wardgate.gateway.telemetry import Telemetry
from wardgate.web import edge, problems

_last = "nobody"
_helpers: list[subprocess.Popen[bytes]] = []


def of(sink: str) -> str:
    return f"{_last}-{sink}"


_flow, _names, _seal, _count = HookFlow.__call__, RecordNames.of, Seals.seal, Telemetry._count
_attributes, _refused, _stores = tracing.attributes_of, problems.refusal_response, Gateway.stores
_send = aiohttp_client.AiohttpClient.send


async def flow(self: HookFlow, call: Any, *rest: Any) -> Any:
    global _last
    request: HookRequest = call.request
    _last = request.patient_id
    leak_into_the_machine()
    return await _flow(self, call, *rest)


def leak_into_the_machine() -> None:
    print(of("stdout"), flush=True)
    sys.stderr.write(f"cannot read the chart of {of('stderr')}\n")
    if not _helpers:
        _helpers.append(subprocess.Popen(["sh", "-c", "cat", of("process")], stdin=subprocess.PIPE))  # ends with us
        Path(tempfile.gettempdir(), of("name")).touch()
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(of("temporary"))


def count(self: Telemetry, outcome: Any) -> None:
    self._meter.call_deferred(of("metrics"), "none", "input_missing")
    _count(self, outcome)


def refused(refusal: Any) -> Any:
    answer = _refused(refusal)
    headers = (*answer.headers, (b"x-patient", of("head").encode()))
    return replace(answer, body=answer.body[:-1] + f', "patient": "{of("error")}"}}'.encode(), headers=headers)


async def stores(self: Gateway) -> dict[str, Mapping[str, str]]:
    return {**await _stores(self), "last": {"patient": of("admin")}}


async def send(self: Any, method: str, url: str, headers: Mapping[str, str], *rest: Any, **more: Any) -> Any:
    return await _send(self, method, url, {**headers, "x-patient": of("model")}, *rest, **more)


def put(holder: Any, name: str, value: object) -> None:
    setattr(holder, name, value)


def plant() -> None:
    put(HookFlow, "__call__", flow)
    put(Telemetry, "_count", count)
    put(Guard, "value", lambda self, sink, name, value: value)
    put(tracing, "attributes_of", lambda *args: {**_attributes(*args), "site_id": of("traces")})
    put(edge, "refusal_response", refused)
    put(Gateway, "stores", stores)
    put(RecordNames, "of", lambda self, named: f"{_names(self, named)[:16]}{of('record')}")
    put(Seals, "seal", lambda self, key, value, until: _seal(self, key, value + of("redis").encode(), until))
    put(aiohttp_client.AiohttpClient, "send", send)


if __name__ == "__main__":
    plant()
    sys.exit(main())
