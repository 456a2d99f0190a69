"""What is told of clients and their tokens. Names come from the configuration, causes from closed lists."""

from collections.abc import Callable

from wardgate.adapters.prometheus.instruments import Instruments
from wardgate.domain.token_faults import Fetched, TokenFault

_AGES = (-300.0, -60.0, -10.0, -1.0, 1.0, 10.0, 60.0, 300.0, 900.0, 3600.0)


class AuthenticationCounters:
    """Meets `gateway.authentication.AuthenticationMeter`."""

    def __init__(self, meter: Instruments) -> None:
        self._calls = meter.counter(
            "wardgate_authentications",
            "Tokens by client and by what became of them: accepted, or the fault.",
            ("client", "result"),
        )
        self._age = meter.histogram(
            "wardgate_token_age_seconds",
            "How long ago accepted tokens were issued, by our clock; below 0 the client's clock is ahead.",
            ("client",),
            _AGES,
        )
        self._unshared = meter.counter(
            "wardgate_replays_unshared",
            "Tokens that one process alone could say were not used before, since the hot store was down.",
            ("client",),
        )
        self._forgotten = meter.gauge(
            "wardgate_replays_forgotten", "Ids of tokens that made room before their time.", ()
        )
        self._fetched = meter.counter(
            "wardgate_key_sets_fetched", "Fetches of a client's key set, by how they ended.", ("client", "result")
        )
        self._good = meter.gauge(
            "wardgate_key_set_fetched_timestamp_seconds", "When a client's key set was last fetched whole.", ("client",)
        )

    def authenticated(self, client: str, fault: TokenFault | None) -> None:
        self._calls.of(client, "accepted" if fault is None else fault).inc()

    def token_age(self, client: str, seconds: float) -> None:
        self._age.of(client).observe(seconds)

    def unshared(self, client: str) -> None:
        self._unshared.of(client).inc()

    def watch_forgotten(self, count: Callable[[], int]) -> None:
        """Read at each scrape."""
        self._forgotten.of().set_function(count)

    def key_set_fetched(self, client: str, result: Fetched, now: float) -> None:
        """`now` in epoch seconds."""
        self._fetched.of(client, result).inc()
        if result is Fetched.GOOD:
            self._good.of(client).set(now)
