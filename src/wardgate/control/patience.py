"""What may hang is asked in a thread of its own, and waited for no longer than whoever asks can."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from wardgate.control.ports import StoreUnavailable

T = TypeVar("T")


class Patience:
    """Thread-safe. What was not waited for goes on, and may well be done: whoever asks must be glad of that too."""

    def __init__(self, most: int = 16) -> None:
        """`most` threads at a time: a store that hangs for long must not gather them."""
        self._places = threading.BoundedSemaphore(most)

    def ask(self, do: Callable[[], T], seconds: float) -> T:
        """What it gives, or raises; StoreUnavailable where that takes longer."""
        if not self._places.acquire(blocking=False):
            raise StoreUnavailable("a store has not answered many times in a row")
        coming: Future[T] = Future()

        def run() -> None:
            try:
                found = do()
            except BaseException as error:  # whoever waits is told
                coming.set_exception(error)
            else:
                coming.set_result(found)
            finally:
                self._places.release()

        threading.Thread(target=run, name="patience", daemon=True).start()
        try:
            return coming.result(seconds)
        except TimeoutError:
            raise StoreUnavailable("a store does not answer in time") from None
