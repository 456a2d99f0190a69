"""What `wardgate features` tells its user: progress on a terminal, and at the end what counted and what did not."""

import shutil
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from wardgate.adapters.export.charts import Loss, Losses, Place
from wardgate.adapters.export.extraction import Extraction
from wardgate.domain.context.record import Dropped
from wardgate.domain.features.schema import FeatureSchema
from wardgate.domain.features.vector import Mark

Stage = Callable[[str, int], Callable[[int], None]]
"""Begins a stage of so many steps, and takes how many were done since."""

_LOSSES = {
    Loss.NOT_FHIR: "unreadable as FHIR",
    Loss.TOO_LARGE: "longer than a resource can be",
    Loss.NO_ID: "without an id",
    Loss.NO_SUBJECT: "without a patient that is sure",
    Loss.OTHER_SERVER: "with a patient on a server that --fhir-server does not name",
}
_DROPPED = {
    Dropped.UNREADABLE: "unreadable, in the chart of one patient",
    Dropped.NO_SUBJECT: "without a patient that is sure, in the chart of one",
    Dropped.OTHER_PATIENT: "with two patients",
    Dropped.OTHER_FOCUS: "about somebody else (focus)",
}
_MARKS = ("value", *(mark.value for mark in Mark), "unobtained")


@contextmanager
def progress_on(err: TextIO) -> Iterator[Stage]:
    """Bars, where somebody looks at them; they are gone when the work is done."""
    if not err.isatty():
        yield lambda name, total: lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<10}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=err), transient=True) as progress:

        def stage(name: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(name, total=total)
            return lambda done: progress.advance(task, done)

        yield stage


def summary(extraction: Extraction, files: int, schema: FeatureSchema) -> str:
    """What was read, what did not count and why, and how often each feature has which mark."""
    reader, tally = extraction.reader, extraction.tally
    lines = [
        f"{tally.patients:,} patients, {reader.resources:,} resources in {files:,} files"
        f" ({reader.others:,} of types that no feature reads)"
    ]
    lost = [
        (reader.losses.counts[loss], f"{words}: {_places(reader.losses, loss)}")
        for loss, words in _LOSSES.items()
        if reader.losses.counts[loss]
    ]
    dropped = [(tally.dropped[cause], words) for cause, words in _DROPPED.items()]
    rows = [
        (tally.without_patient, "for patients with resources, but no Patient"),
        (tally.without_date, "for patients without a date in --as-of"),
        (tally.dates_of_nobody, "for dates of patients without a Patient"),
    ]
    lines += _listed("resources that do not count:", [*lost, *dropped])
    lines += _listed("rows that are not there:", rows)
    return "\n".join([*lines, *_marks(extraction, schema)]) + "\n"


def _listed(title: str, counts: Sequence[tuple[int, str]]) -> list[str]:
    lines = [line for count, words in counts if count for line in _counted(count, words)]
    return [title, *lines] if lines else []


def _counted(count: int, words: str) -> list[str]:
    width = max(shutil.get_terminal_size().columns, 60)
    return textwrap.wrap(
        words,
        width,
        initial_indent=f"{count:>9,} ",
        subsequent_indent=" " * 10,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _places(losses: Losses, loss: Loss) -> str:
    places = losses.places[loss]
    return ", ".join([*map(_place, places), *["…"] * (losses.counts[loss] > len(places))])


def _place(place: Place) -> str:
    line = f":{place.line}" if place.line else ""
    return f"{place.path}{line}" + (f" entry {place.entry}" if place.entry else "")


def _marks(extraction: Extraction, schema: FeatureSchema) -> list[str]:
    marks = extraction.tally.marks
    met = [mark for mark in _MARKS if mark == "value" or any(marks[spec.name, mark] for spec in schema.features)]
    if not extraction.tally.rows:
        return []
    wide = max(len("feature"), *(len(spec.name) for spec in schema.features))
    rows = [("feature", *met)]
    rows += [(spec.name, *(f"{marks[spec.name, mark]:,}" for mark in met)) for spec in schema.features]
    return [
        f"{name:<{wide}}" + "".join(f"  {cell:>{max(len(mark), 7)}}" for cell, mark in zip(cells, met, strict=True))
        for name, *cells in rows
    ]
