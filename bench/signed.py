"""What a token costs a whole call, and that beside the floor: `python -m bench.signed`. µs of CPU of this process, all
threads, on uvloop, 16 calls at a time.

The gateway and the floor in this process, sockets in front left out, and one model on the other core. Each call has a
token of its own, signed beforehand; the keys of the client are at hand. Windows of all take turns: the least of each
counts, and the median of what a token adds within a round.
"""

import asyncio
import copy
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from statistics import median
from typing import NamedTuple

import uvloop

from bench.layers import config_of
from bench.load import one_card
from bench.peers.floor import Floor
from bench.profile import ask, proven
from bench.request import Sample, now, samples
from bench.servers import SERVER_CORE, stub
from tests.fakes.tokens import ISSUER, NOW, URL, Signer, ec_signer, key_set, rsa_signer, token
from wardgate.adapters.files.catalog import load
from wardgate.adapters.jwt.keys import read_key_set
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.prometheus.authentication import AuthenticationCounters
from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.bootstrap.gateway import build
from wardgate.bootstrap.serving import share_the_interpreter, still_the_collector
from wardgate.domain.clients import Client
from wardgate.domain.pseudonyms import KeyRing, Pseudonyms, Purpose
from wardgate.domain.registrations import Registration
from wardgate.gateway.authentication import Authenticator
from wardgate.gateway.key_sets import FixedKeys
from wardgate.gateway.token_replays import TokenReplays
from wardgate.settings import Secrets, read_settings
from wardgate.web.asgi import ASGIApp
from wardgate.web.edge import Edge

_CALLS = 640
_ROUNDS = 15
_TOGETHER = 16
_numbers = count(1)


class _Way(NamedTuple):
    """Of asking: `signer` None sends no token."""

    name: str
    app: ASGIApp
    signer: Signer | None = None

    async def window(self, calls: Sequence[Sample]) -> float:
        """µs of CPU a call. A busy disk may withhold a card now and then; what else goes wrong is an AssertionError."""
        numbers = [next(_numbers) for _ in range(_CALLS)]
        bodies = [calls[number % len(calls)].body(number) for number in numbers]
        headers = [self._headers(number) for number in numbers]
        without = 0

        async def some(first: int) -> None:
            nonlocal without
            for at in range(first, _CALLS, _TOGETHER):
                status, body = await ask(self.app, bodies[at], *headers[at])
                assert status == 200, body
                without += not one_card(status, body)

        before = time.process_time()
        await asyncio.gather(*[some(first) for first in range(_TOGETHER)])
        assert without <= _CALLS / 100, f"{without} of {_CALLS} calls had no card"
        return (time.process_time() - before) / _CALLS * 1e6

    def _headers(self, number: int) -> list[tuple[bytes, bytes]]:
        return [] if self.signer is None else [(b"authorization", b"Bearer " + token(self.signer, number))]


def _authenticating(edge: Edge, client: Client, signer: Signer, threads: ThreadPoolExecutor) -> Edge:
    """The same edge, which asks for tokens; a whole gateway that does so needs approvals before it shows a card."""
    terms = Registration(client, ISSUER, algorithms=frozenset({signer.algorithm}), audiences=frozenset({URL}))
    names = Pseudonyms(KeyRing([b"a key of the benchmark, thirty-two bytes"]), Purpose.CACHE)
    keys = FixedKeys(read_key_set(key_set(signer), terms.algorithms))
    counters, replays = AuthenticationCounters(PrometheusMeter()), TokenReplays(names, None, lambda one: None)
    other = copy.copy(edge)
    other._callers = Authenticator([terms], lambda name: keys, replays, lambda: NOW, counters, threads)
    other._routes = other._compile(other._catalog())
    return other


async def _run(folder: Path, model: int, calls: Sequence[Sample]) -> None:
    config = config_of(folder / "config", "", f"127.0.0.1:{model}")
    loaded = load(config)
    settings = read_settings(loaded.document)
    gateway = build(settings, Secrets(folder / "spool"), loaded.catalog, EventLog(), asyncio.Event())
    with ThreadPoolExecutor(2) as threads:
        async with asyncio.TaskGroup() as group:
            gateway.lasting.tasks.lend(group)
            probing = [group.create_task(each.run()) for each in gateway.models.values()]
            edge, client = gateway._now.edge, settings.clients[0]
            await proven(edge, calls[0])
            signers = {
                "ES384": ec_signer(),
                "RS384, 2048 bits": rsa_signer(),
                "RS384, 3072 bits": rsa_signer("b", 3072),
            }
            ways = [_Way("floor", Floor(f"http://127.0.0.1:{model}")), _Way("without a token", edge)]
            ways += [_Way(name, _authenticating(edge, client, each, threads), each) for name, each in signers.items()]
            await _measure(ways, calls)
            for task in probing:
                task.cancel()
    await gateway.close()


async def _measure(ways: Sequence[_Way], calls: Sequence[Sample]) -> None:
    for way in ways:
        await way.window(calls)
    still_the_collector()  # as the gateway does when it serves
    share_the_interpreter()
    rounds = [[await way.window(calls) for way in ways] for _ in range(_ROUNDS)]
    print("| a call | µs | x floor | a token adds |\n|---|---:|---:|---:|")
    floor = min(each[0] for each in rounds)
    for at, way in enumerate(ways):
        least = min(each[at] for each in rounds)
        adds = f"{median(each[at] - each[1] for each in rounds):+.0f}" if way.signer is not None else ""
        print(f"| {way.name} | {least:.0f} | {least / floor:.2f} | {adds} |", flush=True)


def main() -> None:
    os.sched_setaffinity(0, {SERVER_CORE})
    with tempfile.TemporaryDirectory(prefix="wardgate-bench-") as name, stub(0, Path(name)) as model:
        uvloop.run(_run(Path(name), model, samples(now())))


if __name__ == "__main__":
    main()
