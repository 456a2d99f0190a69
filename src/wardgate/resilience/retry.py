"""One more try, where that may help, there is time, and not everybody does it: a retry is load upon a struggling host.

The budget is a token bucket filled by the calls themselves. While most calls fail, at most `share` of them is repeated,
whatever happens; so retries cannot become a storm.
"""

from collections.abc import Callable
from dataclasses import dataclass

from wardgate.resilience.breaker import BreakerIsolated, BreakerOpen
from wardgate.resilience.stack import Handler, Layer, Req, Resp

_WHOLE = 1000


@dataclass(frozen=True, slots=True)
class RetryOptions:
    share: float = 0.1
    """Of the calls, how many may be repeated in the long run; 0: none."""
    burst: int = 3
    """Retries that may be saved up; so many are there at the start."""
    least: float = 0.010
    """Seconds that must be left for a second try."""

    def __post_init__(self) -> None:
        if not (0 <= self.share <= 1 and self.burst >= 1 and self.least >= 0):
            raise ValueError("0 <= share <= 1, burst >= 1, least >= 0")


class RetryBudget:
    """The pure machine. Counted in thousandths: ten tenths are one retry, which they are not as floats."""

    def __init__(self, options: RetryOptions | None = None) -> None:
        options = options or RetryOptions()
        self._share = round(options.share * _WHOLE)
        self._most = options.burst * _WHOLE if self._share else 0
        self._saved = self._most

    def called(self) -> None:
        """A call begins, and adds its share."""
        self._saved = min(self._most, self._saved + self._share)

    def take(self) -> bool:
        """Whether one retry may be made."""
        if self._saved < _WHOLE:
            return False
        self._saved -= _WHOLE
        return True


def retry(
    budget: RetryBudget,
    options: RetryOptions,
    left: Callable[[Req], float],
    helps: Callable[[Exception], bool],
    told: Callable[[], None] = lambda: None,
) -> Layer[Req, Resp]:
    """`helps` says whether an error may be gone at a second try; `told` hears of each retry.

    Stands outside the breaker, which counts every attempt. Where the breaker refuses the second one, the first one's
    error stays: it says more.
    """

    def layer(inner: Handler[Req, Resp]) -> Handler[Req, Resp]:
        async def handle(request: Req) -> Resp:
            budget.called()
            try:
                return await inner(request)
            except Exception as error:
                if not helps(error) or left(request) < options.least or not budget.take():
                    raise
                first = error
            told()
            try:
                return await inner(request)
            except (BreakerOpen, BreakerIsolated):
                raise first from None

        return handle

    return layer
