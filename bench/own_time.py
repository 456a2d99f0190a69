"""More calls than it can answer, in the time of its own processor: `python -m bench.own_time [cpu] [model] [tiers]`.

The connection, the edge and the whole way of a call, as they are; records and the hot store in memory, the model a
function that waits. Time is what this thread has had of the processor, and leaps while nothing is to be done: a
neighbour takes none of it, so that two builds can be compared on a busy machine. What the kernel costs (some 15 µs a
call) and what other threads of a gateway hold up is not in it: that `bench.overload` measures.
"""

import argparse
import asyncio
import os
import random
import selectors
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httptools
import uvicorn
from uvicorn.server import ServerState

from bench.kfre import risk, terms
from bench.layers import Parts
from bench.load import hook_calls, one_card
from bench.overload import LOW, is_high, quantiles, second_service, with_places
from bench.request import now, samples
from bench.servers import SERVER_CORE, free_port, write_config
from wardgate.adapters.files.catalog import load
from wardgate.adapters.memory.hot import MemoryHotStore
from wardgate.bootstrap.parts import Tasks
from wardgate.bootstrap.serving import still_the_collector
from wardgate.domain.inference.endpoint import Endpoint, ModelReply, Readiness
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.domain.plans import Catalog, ReleasePlan
from wardgate.gateway.in_vain import in_vain
from wardgate.gateway.probes import ProvenModel
from wardgate.gateway.stacks import ModelHandler, ModelPolicies, ReleaseName, model_stack
from wardgate.web.connection import bounded_connection
from wardgate.web.edge import Edge
from wardgate.web.server import ServerOptions

_PATIENTS = 1024
_HIGH = "kidney-failure"


class Kind(NamedTuple):
    title: str
    rate: float
    model: float = 0.0
    """Seconds that it takes."""
    change: Callable[[Path], None] = lambda files: None
    services: Sequence[str] = (_HIGH,)


KINDS = {
    "cpu": [Kind("CPU-bound", 3200)],
    "model": [
        Kind(f"Model-bound, {places} places", places * 100, 0.05, partial(with_places, places)) for places in (32, 8)
    ],
    "tiers": [Kind("Two tiers", 3200, change=second_service, services=(_HIGH, LOW))],
}


class _Leap(selectors.SelectSelector):
    ahead = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.ahead += max(timeout or 0.0, 0.0)
        return []


class OwnTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._leap = _Leap()
        super().__init__(self._leap)

    def time(self) -> float:
        return time.thread_time() + self._leap.ahead


class _Model:
    """Meets `gateway.ports.ModelClient`: the equation, after a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def infer(
        self, endpoint: Endpoint, inputs: ModelInputs, timeout: float, oldest: int = 0, traceparent: str | None = None
    ) -> ModelReply:
        await asyncio.sleep(self._seconds)
        age, male, egfr, uacr = inputs.values
        parts = terms(age, male, egfr, uacr)
        return ModelReply(risk(parts), parts, {}, 1)

    async def ready(self, endpoint: Endpoint) -> Readiness:
        return Readiness(True, 1)

    def renew(self, endpoint: Endpoint) -> int | None:
        return 1


class _House(Parts):
    """Whose clock is the loop's, and which knows whether a model has room."""

    def __init__(self, catalog: Catalog, tasks: Tasks, seconds: float) -> None:
        super().__init__(catalog, tasks)
        self.clock.monotonic = asyncio.get_running_loop().time
        self.model = _Model(seconds)  # type: ignore[assignment]  # in place of the fake that Parts has
        self._models: dict[str, ProvenModel] = {}
        self._policies: dict[str, ModelPolicies] = {}

    async def opened(self) -> Edge:
        edge = await self.edge(MemoryHotStore(self.clock.monotonic, self.meter.hot_event), layered=True)
        edge._in_vain = lambda plan, coming: in_vain(plan, self.snapshots.current(), self._models, coming)
        return edge

    def _stacked(self, release: ReleasePlan) -> ModelHandler:
        name = ReleaseName(release.service_id, release.model, release.version)
        policies = self._policies[release.digest] = ModelPolicies(release.endpoint, name, self.meter)
        return model_stack(self.model, policies, self.clock, self.tasks.spawn)

    async def _proven(self, release: ReleasePlan, handler: ModelHandler) -> ProvenModel:
        model = self._models[release.digest] = await super()._proven(release, handler)
        bulkhead = self._policies[release.digest].bulkhead
        model._room = lambda: bulkhead.room
        return model


class _Wire(asyncio.Transport):
    """The client's end of a connection, which reads the answers at once."""

    def __init__(self, protocol: asyncio.Protocol, answered: Callable[[int, bytes], None]) -> None:
        super().__init__()
        self.protocol, self._answered = protocol, answered
        self._parser, self._body = httptools.HttpResponseParser(self), list[bytes]()
        protocol.connection_made(self)

    def write(self, data: Any) -> None:
        self._parser.feed_data(bytes(data))

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        body, self._body = b"".join(self._body), []
        self._answered(self._parser.get_status_code(), body)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}.get(name, default)

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """Nothing is read here that was not asked for."""

    resume_reading = close = pause_reading


class Answer(NamedTuple):
    number: int
    took: float
    status: int
    body: bytes


class Load:
    """An open loop: calls at random, each on a connection that is free."""

    def __init__(self, edge: Edge, request: Callable[[int], bytes]) -> None:
        options, state = ServerOptions(), ServerState()
        kind = bounded_connection(
            options.max_head, options.head_timeout, options.write_timeout, options.connections, edge
        )
        config = uvicorn.Config(edge, http=kind, ws="none", lifespan="off", interface="asgi3", log_config=None)
        config.load()
        self._protocol: Callable[[], asyncio.Protocol] = lambda: kind(config, state, {})
        self._request, self._loop = request, asyncio.get_running_loop()
        self._free: list[_Wire] = []
        self._sent: dict[_Wire, tuple[int, float]] = {}
        self._answers: list[Answer] = []
        self._last = 0

    async def run(self, rate: float, seconds: float) -> list[Answer]:
        dice, due = random.Random(rate), 0.0
        begin = self._loop.time() + 1  # to make so many timers takes a while, which is nobody's load
        self._answers = []
        while (due := due + dice.expovariate(rate)) < seconds:
            self._last += 1
            self._loop.call_at(begin + due, self._send, self._last, begin + due)
        await asyncio.sleep(begin + seconds + 1 - self._loop.time())  # longer than any deadline
        return self._answers

    def _send(self, number: int, due: float) -> None:
        wire = self._free.pop() if self._free else self._connected()
        self._sent[wire] = number, due
        wire.protocol.data_received(self._request(number))

    def _connected(self) -> _Wire:
        def answered(status: int, body: bytes) -> None:
            number, due = self._sent.pop(wire)
            self._answers.append(Answer(number, self._loop.time() - due, status, body))
            self._free.append(wire)

        wire = _Wire(self._protocol(), answered)
        return wire


async def measure(kind: Kind, config: Path, seconds: float) -> None:
    calls = samples(now(), _PATIENTS)
    targets = [hook_calls(0, calls, service) for service in kind.services]

    def request(number: int) -> bytes:
        return b"".join(targets[0 if is_high(number) else -1].pieces(number))

    async with asyncio.TaskGroup() as group:
        tasks = Tasks()
        tasks.lend(group)
        edge = await _House(load(config).catalog, tasks, kind.model).opened()
        keeping = group.create_task(edge._gate.keep_time())
        calls_of = Load(edge, request)
        await calls_of.run(kind.rate / 8, 1.0)
        still_the_collector()
        before = time.thread_time()
        answers = await calls_of.run(kind.rate, seconds)
        busy = (time.thread_time() - before) / seconds
        keeping.cancel()
    print(f"\n{kind.title}: {kind.rate:g} calls a second for {seconds:g} s, {busy:.0%} of the processor")
    show(answers)
    if len(targets) > 1:
        high = [answer for answer in answers if is_high(answer.number)]
        print(f"{'high':12} {len(high)} calls, {sum(answer.status == 503 for answer in high)} of them shed", flush=True)


def show(answers: Sequence[Answer]) -> None:
    cards = [answer.took for answer in answers if one_card(answer.status, answer.body)]
    shed = [answer.took for answer in answers if answer.status == 503]
    empty = [answer.took for answer in answers if answer.body == b'{"cards":[]}']
    for name, took in (("cards", cards), ("shed", shed), ("no card", empty)):
        print(f"{name:12} {quantiles(took)}", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.own_time")
    options.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)} (all)")
    options.add_argument("--seconds", type=float, default=3.0)
    chosen = options.parse_args()
    os.sched_setaffinity(0, {SERVER_CORE})
    for kind in [kind for name in chosen.kinds or KINDS for kind in KINDS[name]]:
        with tempfile.TemporaryDirectory(prefix="wardgate-bench-") as name:
            config = write_config(Path(name), free_port(), "127.0.0.1:9", "aiohttp")
            kind.change(config.parent)
            with asyncio.Runner(loop_factory=OwnTimeLoop) as runner:
                runner.run(measure(kind, config, chosen.seconds))


if __name__ == "__main__":
    main()
