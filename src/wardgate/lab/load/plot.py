"""Latency by percentile as an SVG: the axis stretches towards the slowest calls, since these are what is looked for."""

import math
from collections.abc import Iterator, Mapping
from html import escape

from wardgate.lab.load.histogram import Histogram

_WIDTH, _HEIGHT = 720, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 24, 52, 48
_COLOURS = ("#0b6bcb", "#c2410c", "#15803d", "#7e22ce")
_NINES = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)


def svg(title: str, series: Mapping[str, Histogram], mark: float | None = None) -> str:
    """One line for each histogram that holds something. `mark`: a limit in seconds, drawn across."""
    lines = {name: histogram for name, histogram in series.items() if len(histogram)}
    most = max((len(histogram) for histogram in lines.values()), default=1)
    last = next((q for q in _NINES[1:] if 1 - q <= 1 / most), _NINES[-1])
    top = max([histogram.largest for histogram in lines.values()] + [mark or 0.0, 0.001])
    step = _step(top * 1000)
    canvas = _Canvas(_across(last), math.ceil(top * 1000 / step) * step)
    parts = [*_frame(title), *_rows(canvas, step), *_columns(canvas, last)]
    if mark is not None:
        parts += _mark(canvas, mark)
    for number, (name, histogram) in enumerate(lines.items()):
        parts += _line(canvas, histogram, name, number)
    return "\n".join([*parts, "</svg>"]) + "\n"


class _Canvas:
    def __init__(self, widest: float, highest: float) -> None:
        self._widest = widest
        self.highest = highest  # milliseconds

    def x(self, quantile: float) -> float:
        return _LEFT + min(1.0, _across(quantile) / self._widest) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, milliseconds: float) -> float:
        return _HEIGHT - _BOTTOM - milliseconds / self.highest * (_HEIGHT - _TOP - _BOTTOM)


def _across(quantile: float) -> float:
    """Each further nine is as wide as the one before it."""
    return -math.log10(max(1 - quantile, 1e-9))


def _step(milliseconds: float) -> float:
    """1, 2 or 5 times a power of ten: four to nine rows."""
    power: float = 10 ** math.floor(math.log10(milliseconds / 4))
    return next(power * factor for factor in (1, 2, 5, 10) if milliseconds / (power * factor) <= 8)


def _frame(title: str) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="#1f2937">'
    )
    yield f"<title>{escape(title)}</title>"
    yield '<rect width="100%" height="100%" fill="#ffffff"/>'
    yield f'<text x="{_LEFT}" y="22" font-size="14" font-weight="600">{escape(title)}</text>'
    yield f'<text x="{_LEFT}" y="{_HEIGHT - 10}" fill="#6b7280">share of the calls that were not slower</text>'


def _rows(canvas: _Canvas, step: float) -> Iterator[str]:
    value = 0.0
    while value <= canvas.highest:
        y = canvas.y(value)
        yield f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="#e5e7eb"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g} ms</text>'
        value = round(value + step, 6)


def _columns(canvas: _Canvas, last: float) -> Iterator[str]:
    for quantile in _NINES:
        if quantile <= last:
            x = canvas.x(quantile)
            yield f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{_HEIGHT - _BOTTOM}" stroke="#f3f4f6"/>'
            anchor = "end" if quantile == last else "middle"
            yield f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="{anchor}">{quantile * 100:g} %</text>'


def _mark(canvas: _Canvas, limit: float) -> Iterator[str]:
    y, dashes = canvas.y(limit * 1000), 'stroke="#b91c1c" stroke-dasharray="5 4"'
    yield f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" {dashes}/>'
    yield f'<text x="{_LEFT + 6}" y="{y - 5:.1f}" fill="#b91c1c">limit {limit * 1000:g} ms</text>'


def _line(canvas: _Canvas, histogram: Histogram, name: str, number: int) -> Iterator[str]:
    colour = _COLOURS[number % len(_COLOURS)]
    yield f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(_points(canvas, histogram))}"/>'
    x = _WIDTH - _RIGHT - 230
    y = 20 + 16 * number
    yield f'<rect x="{x}" y="{y - 8}" width="10" height="10" fill="{colour}"/>'
    yield f'<text x="{x + 16}" y="{y + 1}">{escape(name)} ({len(histogram):,} calls)</text>'


def _points(canvas: _Canvas, histogram: Histogram) -> Iterator[str]:
    """A step for each bucket: to its share at its height."""
    seen = 0
    for upper, count in histogram.buckets():
        y = canvas.y(min(upper, histogram.largest) * 1000)
        yield f"{canvas.x(seen / len(histogram)):.1f},{y:.1f}"
        seen += count
        yield f"{canvas.x(seen / len(histogram)):.1f},{y:.1f}"
