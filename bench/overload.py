"""More calls than the gateway can answer: what is still answered in time, and how cheaply the rest is turned away.

    python -m bench.overload [cpu] [model] [tiers] [reload] [--seconds 5] [--client aiohttp|pyreqwest]

cpu    a model that answers at once, twice the peak of one core
model  a model that takes 50 ms behind a bulkhead, at five times what the two can do: with 32 places, which is more
       than one core can even read, and with 8, which is not
tiers  like cpu, and three calls of ten are for a service of a high risk tier, the others for one of a low tier
reload no overload: 300 calls a second, and then the same with a reload of the configuration every second

One core for the gateway, the generator on the other. First the peak in a closed loop, then an open one, then half the
peak (a quarter where a model is slow: at half of it, calls that come at random find its places taken now and then).
Latency counts from when a call was due: the time in the socket's buffer is in it, and what the generator itself was
late, which is printed besides.
"""

import argparse
import os
import re
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import httpx2

from bench.load import Target, closed_loop, hook_calls, one_card, open_calls, poisson
from bench.request import Sample, now, samples
from bench.servers import AIOHTTP, LOAD_CORE, PYREQWEST, Server, Variant, gateway, stub
from wardgate.lab.load.engine import Call

_CONNECTIONS = 1024
_DEADLINE = 0.5
_AFTER = 3.0  # seconds of half the peak when it is over
_CALM = 0.5  # of the peak
_CALM_MODEL = 0.25
_QUIET = 300.0  # calls a second
_MODEL = 0.05  # seconds that the slow model takes
_ONSET = 0.5  # seconds that count as the begin of it
_PATIENTS = 1024  # two calls for one patient at the same time are one call for the model
_HIGH = 3  # calls of ten for the high tier
LOW = "kidney-failure-low"


class Running(NamedTuple):
    server: Server
    port: int
    calls: list[Sample]
    config: Path

    def reasons(self) -> Counter[str]:
        """How calls have ended so far, as the gateway counts them."""
        admin = re.search(r"^admin: .*port: (\d+)", self.config.read_text(), re.MULTILINE)
        assert admin is not None
        text = httpx2.get(f"http://127.0.0.1:{admin[1]}/metrics").text
        counted = Counter[str]()
        for reason, number in re.findall(
            r'^wardgate_calls_total\{.*reason="(\w+)".*\} ([0-9.e+]+)$', text, re.MULTILINE
        ):
            counted[reason] += int(float(number))
        return counted


class Answers(NamedTuple):
    """Of the calls of one load: with a card, 503, 200 without a card, and neither."""

    cards: list[Call]
    shed: list[Call]
    empty: list[Call]
    wrong: int


def sorted_out(calls: Sequence[Call]) -> Answers:
    cards, shed, empty = [], [], []
    for call in calls:
        if call.status == 503:
            shed.append(call)
        elif one_card(call.status, call.body):
            cards.append(call)
        elif call.status == 200 and call.body == b'{"cards":[]}':
            empty.append(call)
    return Answers(cards, shed, empty, len(calls) - len(cards) - len(shed) - len(empty))


def overload(target: Target, rate: float, seconds: float, after: float) -> tuple[list[Call], list[Call], float]:
    """The calls of the load, those of the time after it at the rate `after`, and when it was over."""
    due = chain(poisson(rate, seconds), (seconds + each for each in poisson(after, _AFTER)))
    calls = open_calls(target, due, _CONNECTIONS)
    begin = min(call.due for call in calls)
    over = begin + seconds
    return [call for call in calls if call.due < over], [call for call in calls if call.due >= over], over


def _measure(
    title: str, running: Running, target: Target, times: float, seconds: float, together: int = 32, calm: float = _CALM
) -> list[Call]:
    """Prints it. The peak is that of `together` calls at a time."""
    server = running.server
    closed_loop(target, together, 1)
    peak = closed_loop(target, together, 3)
    capacity = (peak.calls - peak.wrong) / peak.seconds
    print(f"\n{title}", flush=True)
    _print("peak", f"{capacity:.0f} calls a second")
    busy, before = server.cpu(), running.reasons()
    during, following, over = overload(target, capacity * times, seconds, capacity * calm)
    busy = (server.cpu() - busy) / (seconds + _AFTER)
    answers = sorted_out(during)
    goodput = sum(call.done - call.due < _DEADLINE for call in answers.cards) / seconds
    _print(f"at {times:g} times", f"{goodput:.0f} answered in time a second: {goodput / capacity:.0%} of the peak")
    _print("core", f"{busy:.0%} of it was the gateway's, with the calmer time afterwards")
    late = sorted(call.sent - call.due for call in during)
    _print("generator", f"late by p99 {late[len(late) * 99 // 100] * 1000:.1f} ms, at most {late[-1] * 1000:.1f} ms")
    for name, calls in (("cards", answers.cards), ("shed", answers.shed), ("no card", answers.empty)):
        _print(name, quantiles([call.done - call.due for call in calls]))
    ended = (running.reasons() - before).most_common()
    _print("ended", ", ".join(f"{reason} {number}" for reason, number in ended))
    begin = over - seconds
    early = [call.done - call.due for call in (*answers.shed, *answers.empty) if call.due < begin + _ONSET]
    _print("at its onset", f"longest without a card {max(early, default=0) * 1000:.1f} ms")
    _print("neither", str(answers.wrong + sorted_out(following).wrong))
    bad = [call.due - over for call in following if not one_card(call.status, call.body) or call.done - call.due > 0.1]
    _print("afterwards", f"the last call without a card, or later than 100 ms, after {max(bad, default=0):.2f} s")
    return during


def cpu(variant: Variant, seconds: float, folder: Path) -> None:
    with _running(variant, folder, 0) as running:
        _measure("CPU-bound", running, hook_calls(running.port, running.calls), 2, seconds)


def model(variant: Variant, seconds: float, folder: Path) -> None:
    for places in (32, 8):
        with _running(variant, folder, _MODEL, partial(with_places, places)) as running:
            target = hook_calls(running.port, running.calls)
            _measure(f"Model-bound, {places} places", running, target, 5, seconds, places, _CALM_MODEL)


def tiers(variant: Variant, seconds: float, folder: Path) -> None:
    with _running(variant, folder, 0, second_service) as running:
        high, low = (hook_calls(running.port, running.calls, service) for service in ("kidney-failure", LOW))
        mixed = high._replace(pieces=lambda number: (high if is_high(number) else low).pieces(number))
        during = _measure("Two tiers", running, mixed, 2, seconds)
    for name, wanted in (("high", True), ("low", False)):
        of_tier = [call for call in during if is_high(call.number) is wanted]
        _print(name, f"{len(of_tier)} calls, {len(sorted_out(of_tier).shed)} of them shed")


def reload(variant: Variant, seconds: float, folder: Path) -> None:
    print("\nReloads", flush=True)
    with _running(variant, folder, 0) as running:
        target = hook_calls(running.port, running.calls)
        for name, every in (("without", None), ("with", 1.0)):
            with _every(every, running.server.reload):
                answered = open_calls(target, poisson(_QUIET, seconds), _CONNECTIONS)
            _print(name, quantiles([call.done - call.due for call in answered]))
            _print("neither", str(len(answered) - len(sorted_out(answered).cards)))


@contextmanager
def _every(seconds: float | None, do: Callable[[], None]) -> Iterator[None]:
    over = threading.Event()

    def ticking() -> None:
        while not over.wait(seconds):
            do()

    ticker = threading.Thread(target=ticking)
    if seconds is not None:
        ticker.start()
    try:
        yield
    finally:
        over.set()
        if seconds is not None:
            ticker.join()


def is_high(number: int) -> bool:
    return number % 10 < _HIGH


@contextmanager
def _running(
    variant: Variant, folder: Path, latency: float, change: Callable[[Path], None] = lambda files: None
) -> Iterator[Running]:
    calls, configs = samples(now(), _PATIENTS), list[Path]()

    def changed(files: Path) -> None:
        configs.append(files / "wardgate.yaml")
        change(files)

    with stub(latency, folder) as model, gateway(variant, model, folder, calls[:64], changed) as (server, port):
        yield Running(server, port, calls, configs[0])


def with_places(places: int, files: Path) -> None:
    release = files / "models/kidney-failure/releases/1.0.0.yaml"
    release.write_text(release.read_text().replace("concurrency: 64", f"concurrency: {places}"))


def second_service(files: Path) -> None:
    """The same at a low tier."""
    text = (files / "services/kidney-failure.yaml").read_text()
    text = text.replace("id: kidney-failure", f"id: {LOW}", 1).replace("risk_tier: high", "risk_tier: low")
    (files / f"services/{LOW}.yaml").write_text(text)


def main() -> None:
    kinds = {"cpu": cpu, "model": model, "tiers": tiers, "reload": reload}
    options = argparse.ArgumentParser(prog="python -m bench.overload")
    options.add_argument("kinds", nargs="*", metavar="KIND", help="cpu, model, tiers, reload (all)")
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--client", choices=("aiohttp", "pyreqwest"), default="aiohttp")
    chosen = options.parse_args()
    variant = PYREQWEST if chosen.client == "pyreqwest" else AIOHTTP
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory(prefix="wardgate-bench-") as name:
        for kind in chosen.kinds or kinds:
            kinds[kind](variant, chosen.seconds, Path(name))


def quantiles(latencies: Sequence[float]) -> str:
    if not latencies:
        return "none"
    ordered = sorted(latencies)
    p50, p99 = (ordered[min(int(q * len(ordered)), len(ordered) - 1)] * 1000 for q in (0.5, 0.99))
    return f"{len(ordered)}, p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {ordered[-1] * 1000:.1f} ms"


def _print(name: str, text: str) -> None:
    print(f"{name:12} {text}", flush=True)


if __name__ == "__main__":
    main()
