"""What hangs is waited for no longer than was said, and gathers no threads."""

import threading
import time

import pytest

from wardgate.control.patience import Patience
from wardgate.control.ports import StoreUnavailable


def broken() -> int:
    raise ValueError("as it is")


def test_what_answers_is_given_and_what_it_raises_goes_through() -> None:
    patience = Patience(1)
    for _ in range(5):  # each gives its place back
        assert patience.ask(lambda: 7, 5.0) == 7
        with pytest.raises(ValueError, match="as it is"):
            patience.ask(broken, 5.0)


def test_what_hangs_is_given_up_and_a_few_of_them_are_enough() -> None:
    patience, go, done = Patience(2), threading.Event(), threading.Semaphore(0)

    def hang() -> None:
        go.wait(20)
        done.release()

    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            patience.ask(hang, 0.01)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        patience.ask(hang, 20.0)
    assert time.monotonic() - began < 10.0
    go.set()  # what was not waited for is done all the same
    assert done.acquire(timeout=20) and done.acquire(timeout=20)
    assert not done.acquire(blocking=False)
