"""What libraries and the interpreter would write is told by class and place alone."""

import asyncio
import gc
import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from typing import Any

import pytest

from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.logs.strangers import hush_loop, strangers_hushed

MARIA = "Maria Muster, born 1956-03-01"


class Listening:
    def __init__(self) -> None:
        self.out = io.StringIO()
        self.log = EventLog(self.out)

    def lines(self) -> list[dict[str, Any]]:
        assert "Maria" not in self.out.getvalue()
        return [json.loads(line) for line in self.out.getvalue().splitlines()]


def test_a_librarys_line_is_who_and_how_bad(capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever logger, whatever arguments; an exception by its class."""
    here = Listening()
    with strangers_hushed(here.log):
        logging.getLogger("sqlalchemy.engine").error("cannot answer %s", MARIA)
        logging.getLogger("aiohttp.client").warning(MARIA)
        logging.getLogger().critical(MARIA)
        logging.getLogger("aiohttp.client").info(MARIA)
        try:
            raise ValueError(MARIA)
        except ValueError:
            logging.getLogger("redis").exception(MARIA, stack_info=True)
    told = [(line["logger"], line["level"], line.get("error_class")) for line in here.lines()]
    assert told == [
        ("sqlalchemy.engine", "error", None),
        ("aiohttp.client", "warning", None),
        ("root", "critical", None),
        ("redis", "error", "ValueError"),
    ]
    assert capfd.readouterr() == ("", "")


def test_a_librarys_line_is_not_even_put_together(capfd: pytest.CaptureFixture[str]) -> None:
    """To format it may call what it holds, and a line that cannot be formatted is printed with its arguments."""

    class Bomb:
        def __str__(self) -> str:
            raise AssertionError(MARIA)

    here = Listening()
    with strangers_hushed(here.log):
        logging.getLogger("x").error("%s %s", Bomb())
    assert len(here.lines()) == 1 and capfd.readouterr() == ("", "")


def test_a_loop_of_lines_does_not_fill_a_disk() -> None:
    """The first two hundred of a kind."""
    here = Listening()
    with strangers_hushed(here.log):
        for _ in range(1000):
            logging.getLogger("x").error(MARIA)
    assert len(here.lines()) == 200


def test_a_warning_is_its_class(capfd: pytest.CaptureFixture[str]) -> None:
    """Its text may quote a value."""
    here = Listening()
    with warnings.catch_warnings(), strangers_hushed(here.log):
        warnings.simplefilter("always")
        warnings.warn(MARIA, RuntimeWarning, stacklevel=1)
    assert [line["error_class"] for line in here.lines()] == ["RuntimeWarning"] and capfd.readouterr() == ("", "")


def test_an_exception_in_a_thread_or_a_finalizer_is_its_class(capfd: pytest.CaptureFixture[str]) -> None:
    """The interpreter would print it whole."""
    here = Listening()

    class Dying:
        def __del__(self) -> None:
            raise ValueError(MARIA)

    def fail() -> None:
        raise KeyError(MARIA)

    with strangers_hushed(here.log):
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        Dying()
        gc.collect()
    assert [line["error_class"] for line in here.lines()] == ["KeyError", "ValueError"]
    assert capfd.readouterr() == ("", "")


async def test_what_nobody_awaited_is_its_class(capfd: pytest.CaptureFixture[str]) -> None:
    """The loop would log the message, and the repr of the callback with its arguments."""
    here, loop = Listening(), asyncio.get_running_loop()
    before = loop.get_exception_handler()
    hush_loop(loop, here.log)

    def fail(whom: str) -> None:
        raise ValueError(whom)

    loop.call_soon(fail, MARIA)
    loop.call_exception_handler({"message": MARIA})
    await asyncio.sleep(0)
    loop.set_exception_handler(before)
    assert [(line["event"], line.get("error_class")) for line in here.lines()] == [
        ("library", None),
        ("unhandled", "ValueError"),
    ]
    assert capfd.readouterr() == ("", "")


PROGRAM = """
from wardgate.adapters.logs.events import EventLog
from wardgate.bootstrap.serving import run_loop

async def main():
    raise ExceptionGroup("Maria Muster", [ValueError("Maria Muster")])

raise SystemExit(run_loop(main, EventLog()))
"""


def test_what_ends_the_process_is_its_class() -> None:
    """A whole process: exit code 1, and one line."""
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert ended.returncode == 1 and ended.stdout == "" and "Maria" not in ended.stderr
    line = json.loads(ended.stderr)
    assert (line["event"], line["error_class"]) == ("unhandled", "ExceptionGroup")
