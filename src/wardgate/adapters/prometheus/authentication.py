"""What is told of clients and their tokens. Names come from the configuration, causes from closed lists."""

from collections.abc import Callable
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from wardgate.domain.token_faults import TokenFault

_AGES = (-300.0, -60.0, -10.0, -1.0, 1.0, 10.0, 60.0, 300.0, 900.0, 3600.0)


class AuthenticationCounters:
    """Meets `gateway.authentication.AuthenticationMeter`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "wardgate_authentications",
            "Tokens by client and by what became of them: accepted, or the fault.",
            ("client", "result"),
            registry=registry,
        )
        self._age = Histogram(
            "wardgate_token_age_seconds",
            "How long ago accepted tokens were issued, by our clock; below 0 the client's clock is ahead.",
            ("client",),
            buckets=_AGES,
            registry=registry,
        )
        self._unshared = Counter(
            "wardgate_replays_unshared",
            "Tokens that one process alone could say were not used before, since the hot store was down.",
            ("client",),
            registry=registry,
        )
        self._evicted = Gauge(
            "wardgate_replays_forgotten", "Ids of tokens that made room before their time.", registry=registry
        )
        self._fetched = Counter(
            "wardgate_key_sets_fetched",
            "Fetches of a client's key set, by how they ended.",
            ("client", "result"),
            registry=registry,
        )
        self._good = Gauge(
            "wardgate_key_set_fetched_timestamp_seconds",
            "When a client's key set was last fetched whole.",
            ("client",),
            registry=registry,
        )
        self._call = lru_cache(maxsize=1024)(self._calls.labels)
        self._aged = lru_cache(maxsize=256)(self._age.labels)

    def authenticated(self, client: str, fault: TokenFault | None) -> None:
        self._call(client, "accepted" if fault is None else fault.value).inc()

    def token_age(self, client: str, seconds: float) -> None:
        self._aged(client).observe(seconds)

    def unshared(self, client: str) -> None:
        self._unshared.labels(client).inc()

    def watch_forgotten(self, count: Callable[[], int]) -> None:
        """Read at each scrape."""
        self._evicted.set_function(count)

    def key_set_fetched(self, client: str, result: str, now: float | None) -> None:
        """`now` in epoch seconds where it was fetched whole."""
        self._fetched.labels(client, result).inc()
        if now is not None:
            self._good.labels(client).set(now)
