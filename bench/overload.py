"""More calls than the gateway can answer: what is still answered in time, and how cheaply the rest is turned away.

    python -m bench.overload [--times 2] [--seconds 5] [--client aiohttp|pyreqwest]

CPU-bound: a model that answers at once, one core for the gateway, the generator on the other. First the peak in a
closed loop, then an open one at that rate times `--times`. Latency counts from when a call was due.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import uvloop

from bench.load import Connection, Generator, Target, closed_loop, hook_calls
from bench.request import now, samples
from bench.servers import AIOHTTP, PYREQWEST, gateway, stub

_CONNECTIONS = 1024
_DEADLINE = 0.5


class Answers(NamedTuple):
    """Seconds of each, sorted."""

    accepted: list[float]
    shed: list[float]
    wrong: int


class _Sorting(Generator):
    """Keeps apart what was answered and what was turned away."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._told = target
        self.answers = Answers([], [], 0)

    def _on_answer(self, connection: Connection, status: int, body: bytes) -> None:
        took = asyncio.get_running_loop().time() - connection.started
        if status == 503:
            self.answers.shed.append(took)
        elif self._told.good(status, body):
            self.answers.accepted.append(took)
        else:
            self.answers = self.answers._replace(wrong=self.answers.wrong + 1)
        super()._on_answer(connection, status, body)


def overload(target: Target, rate: float, seconds: float) -> Answers:
    async def run() -> Answers:
        generator = _Sorting(target)
        await generator.connect(_CONNECTIONS)
        try:
            await generator.open(seconds, rate)
        finally:
            generator.close()
        accepted, shed, wrong = generator.answers
        return Answers(sorted(accepted), sorted(shed), wrong)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.overload")
    options.add_argument("--times", type=float, default=2.0)
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--client", choices=("aiohttp", "pyreqwest"), default="pyreqwest")
    chosen = options.parse_args()
    variant = PYREQWEST if chosen.client == "pyreqwest" else AIOHTTP
    with tempfile.TemporaryDirectory(prefix="wardgate-bench-") as name:
        folder, calls = Path(name), samples(now())
        with stub(0, folder) as model, gateway(variant, model, folder, calls) as (_, port):
            target = hook_calls(port, calls)
            closed_loop(target, 32, 1)
            peak = closed_loop(target, 32, 3)
            capacity = (peak.calls - peak.wrong) / peak.seconds
            answers = overload(target, capacity * chosen.times, chosen.seconds)
            after = closed_loop(target, 32, 2)
    _print("peak", f"{capacity:.0f} calls a second")
    goodput = sum(took < _DEADLINE for took in answers.accepted) / chosen.seconds
    _print(
        f"at {chosen.times:g} times", f"{goodput:.0f} answered in time a second: {goodput / capacity:.0%} of the peak"
    )
    _print("accepted", _quantiles(answers.accepted))
    _print("shed", _quantiles(answers.shed))
    _print("neither", str(answers.wrong))
    _print("afterwards", f"{(after.calls - after.wrong) / after.seconds / capacity:.0%} of the peak")


def _quantiles(latencies: Sequence[float]) -> str:
    if not latencies:
        return "none"
    p50, p99 = (latencies[min(int(q * len(latencies)), len(latencies) - 1)] * 1000 for q in (0.5, 0.99))
    return f"{len(latencies)}, p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {latencies[-1] * 1000:.1f} ms"


def _print(name: str, text: str) -> None:
    print(f"{name:12} {text}", flush=True)


if __name__ == "__main__":
    main()
