"""The external sort: what it groups, in which order, and what it leaves behind."""

import os
import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardgate.adapters.export.sorting import Sorter

ITEMS = st.lists(st.tuples(st.binary(max_size=3), st.binary(max_size=20)), max_size=60)


def grouped(sorter: Sorter) -> list[tuple[bytes, list[bytes]]]:
    return [(key, list(values)) for key, values in sorter.groups()]


@given(ITEMS, st.integers(1, 3000), st.integers(2, 4))
def test_it_agrees_with_a_stable_sort_in_memory(items: list[tuple[bytes, bytes]], run_bytes: int, fan_in: int) -> None:
    """Whatever the size of a run and however many levels of merging that takes."""
    expected = [
        (key, [value for _, value in group])
        for key, group in groupby(sorted(items, key=lambda item: item[0]), key=lambda item: item[0])
    ]
    with Sorter(run_bytes, fan_in) as sorter:
        for key, value in items:
            sorter.add(key, value)
        assert grouped(sorter) == expected


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The temporary folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path


def test_its_files_have_no_name(folder: Path) -> None:
    """So that nobody can open them, and nothing is left however the process ends."""
    before = len(os.listdir("/dev/fd"))
    with Sorter(run_bytes=1, fan_in=8) as sorter:
        for number in range(100):
            sorter.add(b"%d" % (number % 7), b"a name")
        assert list(folder.iterdir()) == []
        assert len(os.listdir("/dev/fd")) > before
        assert len(grouped(sorter)) == 7
        assert list(folder.iterdir()) == []
    assert len(os.listdir("/dev/fd")) == before


def test_few_files_are_open_however_many_runs_there_are() -> None:
    """1,000 runs of one item at a fan of 4: at most 3 files on each of 5 levels."""
    before = len(os.listdir("/dev/fd"))
    with Sorter(run_bytes=1, fan_in=4) as sorter:
        for number in range(1000):
            sorter.add(b"%d" % number, b"")
        assert len(os.listdir("/dev/fd")) - before <= 3 * 5
        assert len(grouped(sorter)) == 1000
