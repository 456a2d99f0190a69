"""Whose calls are let in: clients with their keys, of one configuration after the other."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from wardgate.adapters.http.client import HttpClient, HttpError, HttpFailure
from wardgate.adapters.jwt.keys import KeySet, PreparedKey, UnusableKeySet, read_key_set
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.prometheus.authentication import AuthenticationCounters
from wardgate.bootstrap.machine import SystemClock
from wardgate.bootstrap.parts import Faults
from wardgate.domain.pseudonyms import KeyRing, Pseudonyms, Purpose
from wardgate.domain.registrations import Registration
from wardgate.domain.token_faults import Fetched
from wardgate.gateway.authentication import Authenticator, Callers, Keys, OneClient
from wardgate.gateway.hot import HotCache
from wardgate.gateway.key_sets import FetchedKeys, FetchFailed, FixedKeys
from wardgate.gateway.ports import HotStore
from wardgate.gateway.token_replays import TokenReplays
from wardgate.settings import Registered, Secrets, Settings

_FETCH = 5.0
"""Seconds for a key set, from connect to the last byte."""
_LARGEST = 256 * 1024
"""Bytes of one."""
_FETCH_FIRST = 2.0
"""Seconds that a reload waits for the keys of new clients."""
_THREADS = 2
_FAILED = {HttpFailure.TOO_LARGE: Fetched.TOO_LARGE}

Source = tuple[str, str, frozenset[str]]
"""Client, address and algorithms: where these stay, so does what was fetched."""


class Clients:
    """What outlives a reload: key sets that were fetched, ids that were used, the threads that verify."""

    def __init__(
        self,
        http: HttpClient,
        ring: KeyRing,
        shared: HotStore | None,
        clock: SystemClock,
        counters: AuthenticationCounters,
        faults: Faults,
        log: EventLog,
    ) -> None:
        """`shared` None: nobody else takes calls for this deployment."""
        self._http, self._clock, self._counters, self._faults, self._log = http, clock, counters, faults, log
        names = Pseudonyms(ring, Purpose.CACHE)
        cache = None if shared is None else HotCache(shared, names)
        self._replays = TokenReplays(
            names, cache, lambda registration: counters.unshared(registration.client.name), began=clock.now()
        )
        counters.watch_forgotten(lambda: self._replays.used.evicted)
        self._threads = ThreadPoolExecutor(_THREADS, "signatures")
        self._fetched: dict[Source, FetchedKeys[PreparedKey]] = {}
        self._fetching: dict[Source, asyncio.Task[None]] = {}
        self._last: dict[str, Fetched] = {}

    def of(self, settings: Settings, secrets: Secrets) -> Callers:
        if not settings.registered:
            return OneClient(settings.clients[0])
        keys = {one.registration.client.name: self._keys(one, secrets.key_sets) for one in settings.registered}
        registrations = [one.registration for one in settings.registered]
        return Authenticator(
            registrations, keys.__getitem__, self._replays, self._clock.now, self._counters, self._threads
        )

    def _keys(self, registered: Registered, key_sets: Mapping[str, bytes]) -> Keys:
        source = _source(registered)
        if source is None:
            registration = registered.registration
            return FixedKeys(read_key_set(key_sets[registration.client.name], registration.algorithms))
        if source not in self._fetched:
            fetch, told = partial(self._fetch, source), partial(self._told, registered.registration)
            self._fetched[source] = FetchedKeys(fetch, self._clock.monotonic, told)
        return self._fetched[source]

    async def fetch_first(self, registered: Sequence[Registered]) -> None:
        """A client that a reload brings should not have to wait for its keys; a key host that is away holds up none."""
        new = [source for source in _sources(registered) if source not in self._fetching]
        try:
            async with asyncio.timeout(_FETCH_FIRST), asyncio.TaskGroup() as fetching:
                for source in new:
                    fetching.create_task(self._fetched[source].fetch())
        except TimeoutError:
            return

    def run(self, registered: Sequence[Registered], tasks: asyncio.TaskGroup) -> None:
        """Keep the sets of these fresh, and no others."""
        wanted = _sources(registered)
        for source in [source for source in self._fetched if source not in wanted]:
            del self._fetched[source]
            if source in self._fetching:
                self._fetching.pop(source).cancel()
        for source in wanted:
            if source not in self._fetching:
                self._fetching[source] = tasks.create_task(self._fetched[source].run())

    def rest(self) -> None:
        for task in self._fetching.values():
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _fetch(self, source: Source) -> KeySet:
        """Redirects are not followed: keys come from the address that was configured. Raises FetchFailed."""
        _, url, algorithms = source
        try:
            reply = await self._http.send("GET", url, {"accept": "application/json"}, None, _FETCH, _LARGEST)
        except HttpError as error:
            raise FetchFailed(_FAILED.get(error.kind, Fetched.UNREACHABLE)) from None
        if reply.status != 200:
            raise FetchFailed(Fetched.REFUSED)
        try:
            return read_key_set(reply.body, algorithms)
        except UnusableKeySet:
            raise FetchFailed(Fetched.UNUSABLE) from None
        except Exception as error:  # a stranger wrote it: whatever it sets off ends here
            self._faults.fault("key_set", error)
            raise FetchFailed(Fetched.UNUSABLE) from None

    def _told(self, registration: Registration, how: Fetched) -> None:
        name = registration.client.name
        self._counters.key_set_fetched(name, how, self._clock.now())
        if self._last.get(name) is not how:  # the log has the changes
            self._last[name] = how
            self._log.event("key_set", client=name, result=how.value)


def _source(registered: Registered) -> Source | None:
    registration = registered.registration
    if registered.jwks_url is None:
        return None
    return registration.client.name, registered.jwks_url, registration.algorithms


def _sources(registered: Sequence[Registered]) -> list[Source]:
    return [source for one in registered if (source := _source(one)) is not None]
