"""What is measured: rounds over all variants in turn, so that the machine's drift meets each of them alike.

Only the server that is measured runs; the others are stopped (SIGSTOP), so that a peer's background export
does not fall into its neighbour's window. Figures are medians over rounds; a ratio is taken within a round.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.load import Run, Target, closed_loop, hook_calls, open_loop
from bench.request import Sample
from bench.servers import AIOHTTP, FLOOR, PYREQWEST, Server, Variant, gateway, stub

CONCURRENCIES = (1, 16, 64)
RATE = 1000.0  # calls a second, open loop
MODEL_LATENCY = 0.020
_WARM_SECONDS = 0.5
_THAW_SECONDS = 0.1


class Plan(NamedTuple):
    """How long to look: windows in seconds."""

    rounds: int
    window: float
    open_rounds: int
    open_window: float


FULL = Plan(rounds=5, window=1.5, open_rounds=3, open_window=5.0)
QUICK = Plan(rounds=2, window=0.5, open_rounds=1, open_window=2.0)


class Window(NamedTuple):
    """One server over one window: µs of CPU a call, calls a second, milliseconds."""

    cpu_us: float
    rate: float
    p50_ms: float
    p99_ms: float
    calls: int
    wrong: int


class Line(msgspec.Struct, frozen=True):
    """Medians over rounds. `ratio` is CPU a call over the floor's of the same round."""

    variant: str
    concurrency: int
    cpu_us: float
    ratio: float
    rate: float
    p50_ms: float
    p99_ms: float
    calls: int
    wrong: int


class OpenLine(msgspec.Struct, frozen=True):
    """Open loop with a slow model: latency from the due time; `added` is what lies over the model's 20 ms, `busy` the
    share of its core that the server used."""

    variant: str
    p50_ms: float
    p99_ms: float
    added_p50_ms: float
    added_p99_ms: float
    busy: float
    calls: int
    wrong: int


Say = Callable[[str], None]


def closed(plan: Plan, variants: Sequence[Variant], samples: Sequence[Sample], folder: Path, say: Say) -> list[Line]:
    """All variants at each concurrency."""
    windows: dict[tuple[Variant, int], list[Window]] = {(v, c): [] for c in CONCURRENCIES for v in variants}
    with ExitStack() as running:
        model = running.enter_context(stub(0, folder))
        servers = {}
        for variant in variants:
            say(f"start {variant.name}")
            servers[variant] = _paused(running.enter_context(gateway(variant, model, folder, samples)), samples)
        for number in range(plan.rounds):
            say(f"round {number + 1} of {plan.rounds}")
            for concurrency in CONCURRENCIES:
                for variant, (server, target) in servers.items():
                    windows[variant, concurrency].append(_window(server, target, concurrency, plan.window))
    return [_line(windows, variant, concurrency) for variant, concurrency in windows]


def _paused(started: tuple[Server, int], samples: Sequence[Sample]) -> tuple[Server, Target]:
    server, port = started
    target = hook_calls(port, samples)
    closed_loop(target, 16, _WARM_SECONDS)
    server.pause()
    return server, target


@contextmanager
def _awake(server: Server) -> Iterator[None]:
    server.resume()
    try:
        yield
    finally:
        server.pause()


def _window(server: Server, target: Target, concurrency: int, seconds: float) -> Window:
    with _awake(server):
        closed_loop(target, concurrency, _THAW_SECONDS)
        before = server.cpu()
        run = closed_loop(target, concurrency, seconds)
        used = server.cpu() - before
    return Window(
        used / run.calls * 1e6,
        run.calls / run.seconds,
        run.quantile(0.5) * 1e3,
        run.quantile(0.99) * 1e3,
        run.calls,
        run.wrong,
    )


def _line(windows: Mapping[tuple[Variant, int], Sequence[Window]], variant: Variant, concurrency: int) -> Line:
    mine, floor = windows[variant, concurrency], windows[FLOOR, concurrency]
    return Line(
        variant.name,
        concurrency,
        statistics.median(w.cpu_us for w in mine),
        statistics.median(w.cpu_us / f.cpu_us for w, f in zip(mine, floor, strict=True)),
        statistics.median(w.rate for w in mine),
        statistics.median(w.p50_ms for w in mine),
        statistics.median(w.p99_ms for w in mine),
        sum(w.calls for w in mine),
        sum(w.wrong for w in mine),
    )


def opened(plan: Plan, samples: Sequence[Sample], folder: Path, say: Say) -> list[OpenLine]:
    """The floor and wardgate at 1,000 calls a second before a model that takes 20 ms, and that model alone."""
    with ExitStack() as running:
        model = running.enter_context(stub(MODEL_LATENCY, folder))
        servers = {}
        for variant in (FLOOR, PYREQWEST, AIOHTTP):
            say(f"start {variant.name} with a model of {MODEL_LATENCY * 1e3:.0f} ms")
            servers[variant] = _paused(running.enter_context(gateway(variant, model, folder, samples)), samples)
        alone = _model_calls(model)
        runs: dict[str, list[tuple[Run, float]]] = {"the model alone": [], **{v.name: [] for v in servers}}
        for number in range(plan.open_rounds):
            say(f"open loop {number + 1} of {plan.open_rounds}")
            runs["the model alone"].append((open_loop(alone, RATE, plan.open_window), 0.0))
            for variant, (server, target) in servers.items():
                runs[variant.name].append(_open_window(server, target, plan.open_window))
    return [_open_line(name, done) for name, done in runs.items()]


def _open_window(server: Server, target: Target, seconds: float) -> tuple[Run, float]:
    with _awake(server):
        open_loop(target, RATE, _WARM_SECONDS)
        before = server.cpu()
        run = open_loop(target, RATE, seconds)
        return run, (server.cpu() - before) / run.seconds


def _open_line(name: str, runs: Sequence[tuple[Run, float]]) -> OpenLine:
    p50 = statistics.median(run.quantile(0.5) for run, _ in runs) * 1e3
    p99 = statistics.median(run.quantile(0.99) for run, _ in runs) * 1e3
    ideal = MODEL_LATENCY * 1e3
    return OpenLine(
        name,
        p50,
        p99,
        p50 - ideal,
        p99 - ideal,
        statistics.median(busy for _, busy in runs),
        sum(run.calls for run, _ in runs),
        sum(run.wrong for run, _ in runs),
    )


def _model_calls(port: int) -> Target:
    body = msgspec.json.encode({"inputs": [{"shape": (1, 4), "data": (70.0, 1.0, 30.0, 300.0)}]})
    request = b"POST /infer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    return Target(port, lambda _: (request,), lambda status, reply: status == 200 and b"risk_2y" in reply)
