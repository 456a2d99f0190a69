"""Which snapshots calls under way began by: a change has taken effect here once those of the older ones have ended."""

from wardgate.gateway.call import HookCall
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.ports import Snapshots
from wardgate.resilience.stack import Handler, Layer


class InFlight:
    """Counted in the loop, read from any thread. What is asked after a response does not count: nobody sees it."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._calls: dict[int, int] = {}

    def drained(self, epoch: int) -> int:
        """Up to which epoch every call of an older snapshot has ended; `epoch` is that of the newest one."""
        return min([epoch, *self._calls.copy()])

    def layer(self) -> Layer[HookCall, HookOutcome]:
        def layer(inner: Handler[HookCall, HookOutcome]) -> Handler[HookCall, HookOutcome]:
            async def handle(call: HookCall) -> HookOutcome:
                epoch = self._begin()
                try:
                    return await inner(call)
                finally:
                    self._end(epoch)

            return handle

        return layer

    def _begin(self) -> int:
        """Looked at once more after it was counted: whoever swapped the snapshot in between has not seen this call."""
        while True:
            epoch = self._snapshots.current().epoch
            self._calls[epoch] = self._calls.get(epoch, 0) + 1
            if self._snapshots.current().epoch == epoch:
                return epoch
            self._end(epoch)

    def _end(self, epoch: int) -> None:
        left = self._calls[epoch] - 1
        if left:
            self._calls[epoch] = left
        else:
            del self._calls[epoch]
