"""One worker of several: `python -m wardgate.cli.worker CONFIG NUMBER LISTENER CHANNEL SEEN ISOLATED`, started by the
parent.

ISOLATED is a JSON list of the circuits, [service, release], that are out of use. The three before it are descriptors
that it inherits: the EHR's listener, which all workers share, so that what waits there for a worker that died is taken
by another; the channel to the parent; and a page of memory that says how many calls are under way, also when nobody is
left to be asked, and, beside that, how often its loop has beaten. A worker whose parent is gone drains and ends.
"""

import asyncio
import mmap
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from wardgate.bootstrap.configured import Configured
from wardgate.bootstrap.gateway import Gateway
from wardgate.bootstrap.proving import UNKNOWN
from wardgate.bootstrap.serving import Post, serve
from wardgate.cli.channel import Channel, Gone, hear_secret
from wardgate.cli.check import show_findings
from wardgate.cli.configured import read
from wardgate.control.ports import KeptSnapshot
from wardgate.domain.errors import ConfigurationError

PAGE = mmap.PAGESIZE
BEAT = 1.0
"""Seconds between two beats of a worker."""


Proofs = dict[tuple[str, str], str | None]
"""By service and digest, why the endpoint does not prove itself: empty where it does, None while that is found out."""


def main(arguments: list[str]) -> int:
    config, number = Path(arguments[0]), int(arguments[1])
    listener, channel = (socket.socket(fileno=int(descriptor)) for descriptor in arguments[2:4])
    seen = memoryview(mmap.mmap(int(arguments[4]), PAGE)).cast("q")
    isolated = msgspec.json.decode(arguments[5], type=frozenset[tuple[str, str]])
    try:
        configured = with_secret(hear_secret(channel), read(config))
    except Gone:
        return 0
    except ConfigurationError as error:
        show_findings(error.findings, sys.stderr)
        return 2

    def beat() -> None:
        seen[1] += 1
        asyncio.get_running_loop().call_later(BEAT, beat)

    async def obey(gateway: Gateway, up: asyncio.Event, stop: asyncio.Event) -> None:
        proofs: Proofs = {}
        gateway.circuits.keep_away(isolated)
        beat()
        parent = await Channel.over(channel)
        try:
            await up.wait()
            await parent.say({"up": gateway.digest})
            while True:
                await parent.say(await _answer(await parent.hear(), gateway, proofs))
        except Gone:
            stop.set()
        finally:
            parent.close()

    return serve(configured, lambda: read(config), Post(number, listener, seen, obey))


def with_secret(secret: bytes, configured: Configured) -> Configured:
    """The pseudonyms of one worker are those of all: they share what is stored under them."""
    if not secret:
        return configured
    return replace(configured, secrets=replace(configured.secrets, pseudonym=(secret,)))


async def _prove(gateway: Gateway, service: str, digest: str, proofs: Proofs) -> None:
    trouble: str | None = UNKNOWN
    try:
        trouble = await gateway.prove(service, digest)
    finally:
        proofs[service, digest] = trouble or ""


async def _answer(asked: Any, gateway: Gateway, proofs: Proofs) -> Any:
    match asked:
        case {"isolated": circuits}:
            gateway.circuits.keep_away(msgspec.convert(circuits, frozenset[tuple[str, str]]))
            return [[*name, state] for name, state in gateway.circuits.states().items()]
        case "circuits":
            return [[*name, state] for name, state in gateway.circuits.states().items()]
        case "services":
            return gateway.health()
        case "stores":
            return await gateway.stores()
        case "metrics":
            return (await gateway.metrics())[0].decode()
        case "prepare":
            errors = await gateway.prepare()
            return {"errors": msgspec.to_builtins(errors), "digest": gateway.prepared()}
        case {"swap": taken_up}:
            gateway.swap(None if taken_up is None else msgspec.convert(taken_up, KeptSnapshot))
        case {"prove": [service, digest]}:
            if (service, digest) not in proofs:
                proofs[service, digest] = None
                gateway.lasting.tasks.spawn(_prove(gateway, service, digest, proofs))
        case {"proved": [service, digest]}:
            if proofs.get((service, digest), UNKNOWN) is not None:
                return proofs.pop((service, digest), UNKNOWN)
        case {"snapshot": kept}:
            gateway.hear(msgspec.convert(kept, KeptSnapshot))
        case {"lower": sealed}:
            gateway.lower(msgspec.convert(sealed, bytes))
        case "drop":
            gateway.drop()
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
