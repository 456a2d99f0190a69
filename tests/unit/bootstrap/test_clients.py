"""The keys of clients, from a real server over the real HTTP client, from one configuration to the next."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from tests.fakes.config_tree import sound_config
from tests.fakes.key_server import key_server
from tests.fakes.tokens import URL, Signer, ec_signer, key_set, registration, rsa_signer, token
from tests.fakes.waiting import until
from wardgate.adapters.files.yaml_documents import read_yaml
from wardgate.adapters.http.aiohttp_client import AiohttpClient
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.prometheus.authentication import AuthenticationCounters
from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.bootstrap import clients
from wardgate.bootstrap.clients import Clients
from wardgate.bootstrap.machine import SystemClock
from wardgate.bootstrap.parts import Faults
from wardgate.domain.errors import Unauthenticated
from wardgate.domain.guard import Guard
from wardgate.domain.pseudonyms import KeyRing
from wardgate.domain.token_faults import TokenFault
from wardgate.gateway.authentication import Callers, OneClient
from wardgate.settings import Registered, Secrets, Settings, read_settings

KEY = ec_signer()
URLS = frozenset({URL})


class Yard:
    """Clients with everything around them; `settings` are those of a configuration with these registrations."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.out = SystemClock(), StringIO()
        guard = Guard({"client": frozenset({"ward-ehr"})})
        log, self.meter = EventLog(self.out, guard), PrometheusMeter(guard)
        self.http = AiohttpClient()
        counters = AuthenticationCounters(self.meter)
        faults = Faults(log, self.meter)
        ring = KeyRing([b"a key for tests, of thirty-two bytes"])
        self.clients = Clients(self.http, ring, None, self.clock, counters, faults, log)
        self._settings = read_settings(read_yaml(sound_config(folder), "wardgate.yaml"))
        self.number = 0
        self.tasks: asyncio.TaskGroup | None = None

    def settings(self, registered: Sequence[Registered]) -> Settings:
        return replace(self._settings, registered=tuple(registered))

    def callers(self, registered: Sequence[Registered], secrets: Secrets | None = None) -> Callers:
        return self.clients.of(self.settings(registered), secrets or Secrets(Path()))

    async def try_(self, callers: Callers, signer: Signer = KEY, patience: float = 5.0) -> str | TokenFault:
        self.number += 1
        now = self.clock.now()
        text = token(signer, self.number, iat=now, exp=now + 60)
        try:
            return (await callers.caller([b"Bearer " + text], URLS, patience)).name
        except Unauthenticated as refused:
            return refused.fault

    def count(self, result: str) -> float:
        labels = {"client": "ward-ehr", "result": result}
        return self.meter.registry.get_sample_value("wardgate_key_sets_fetched_total", labels) or 0.0


@asynccontextmanager
async def yard(folder: Path) -> AsyncIterator[Yard]:
    made = Yard(folder)
    try:
        async with asyncio.TaskGroup() as tasks:
            made.tasks = tasks
            yield made
            made.clients.rest()
    finally:
        await made.http.close()


def by_url(url: str) -> Registered:
    return Registered(registration(), url, None)


def run(made: Yard, registered: Sequence[Registered]) -> None:
    assert made.tasks is not None
    made.clients.run(registered, made.tasks)


@pytest.mark.requirement("SEC-10", "SEC-13")
async def test_keys_come_from_the_registered_address(tmp_path: Path) -> None:
    """Once, however many calls; the log and the metrics say that it went well."""
    async with key_server(key_set(KEY, rsa_signer())) as host, yard(tmp_path) as made:
        callers = made.callers([by_url(host.url)])
        run(made, [by_url(host.url)])
        assert [await made.try_(callers) for _ in range(5)] == ["ward-ehr"] * 5
        assert await made.try_(callers, rsa_signer()) == "ward-ehr"
        assert host.fetches == 1 and made.count("good") == 1
        head = host.server.requests[0][0].lower()
        assert b"authorization" not in head and b"cookie" not in head
        assert '"result":"good"' in made.out.getvalue().replace(" ", "")


TROUBLES = {
    "hangs": "unreachable",
    "drips": "unreachable",
    "resets": "unreachable",
    "half": "unreachable",
    "huge": "too_large",
    "endless": "too_large",
    "redirects": "refused",
    "denies": "refused",
    "fails": "refused",
    "<html>Sign in</html>": "unusable",
    '{"keys": []}': "unusable",
    '{"keys": [{"kty": "oct", "kid": "ec-1", "k": "AA"}]}': "unusable",
}


@pytest.mark.parametrize("how", TROUBLES)
async def test_a_key_host_in_trouble(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lets nobody in and holds nobody up; a redirect is not followed, since keys come from the address that was
    registered. Nothing of what it said is in the log. The keys that were there before stay."""
    monkeypatch.setattr(clients, "_FETCH", 0.5)
    async with key_server(key_set(KEY)) as evil, key_server(key_set(KEY)) as host, yard(tmp_path) as made:
        host.how, host.location = how, evil.url
        callers = made.callers([by_url(host.url)])
        source = made.clients._fetched[next(iter(made.clients._fetched))]
        assert not await source.fetch()
        assert made.count(TROUBLES[how]) == 1 and not evil.fetches
        assert await made.try_(callers, patience=0.01) is TokenFault.KEYS_UNAVAILABLE
        host.how = "well"
        assert await source.fetch()
        host.how = how
        assert not await source.fetch()
        assert await made.try_(callers) == "ward-ehr"
        assert "Sign in" not in made.out.getvalue() and host.url not in made.out.getvalue()


async def test_a_slow_host_is_waited_for_as_long_as_a_call_may(tmp_path: Path) -> None:
    """And its answer is there for the next one."""
    async with key_server(key_set(KEY)) as host, yard(tmp_path) as made:
        host.how = "slow"
        callers = made.callers([by_url(host.url)])
        run(made, [by_url(host.url)])
        assert await made.try_(callers, patience=0.05) is TokenFault.KEYS_UNAVAILABLE
        assert await made.try_(callers) == "ward-ehr"
        assert host.fetches == 1


async def test_nobody_there(tmp_path: Path) -> None:
    """A port on which nobody listens."""
    async with yard(tmp_path) as made:
        callers = made.callers([by_url("http://127.0.0.1:1/jwks.json")])
        run(made, [by_url("http://127.0.0.1:1/jwks.json")])
        await until(lambda: made.count("unreachable") > 0)
        assert await made.try_(callers, patience=0.01) is TokenFault.KEYS_UNAVAILABLE


async def test_a_reload_keeps_what_was_fetched(tmp_path: Path) -> None:
    """The same client at the same address is not asked for again; one that left is not fetched any more; a new one's
    keys are there before it is let in."""
    async with key_server(key_set(KEY)) as host, key_server(key_set(KEY)) as new, yard(tmp_path) as made:
        first = [by_url(host.url)]
        made.callers(first)
        run(made, first)
        await until(lambda: made.count("good") == 1)
        again = made.callers(first)
        await made.clients.fetch_first(first)
        run(made, first)
        assert await made.try_(again) == "ward-ehr" and host.fetches == 1
        moved = [by_url(new.url)]
        after = made.callers(moved)
        await made.clients.fetch_first(moved)
        assert new.fetches == 1 and await made.try_(after, patience=0) == "ward-ehr"
        run(made, moved)
        assert len(made.clients._fetched) == len(made.clients._fetching) == 1


async def test_a_reload_does_not_wait_for_a_host_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that hides something must not wait for a stranger."""
    monkeypatch.setattr(clients, "_FETCH_FIRST", 0.05)
    async with key_server(key_set(KEY)) as host, yard(tmp_path) as made:
        host.how = "hangs"
        made.callers([by_url(host.url)])
        await asyncio.wait_for(made.clients.fetch_first([by_url(host.url)]), 5)


@pytest.mark.requirement("SEC-10")
async def test_keys_from_a_file(tmp_path: Path) -> None:
    """Those that stood there when it was read; another reading brings others."""
    registered = [Registered(registration(), None, "keys.json")]
    async with yard(tmp_path) as made:
        before = made.callers(registered, Secrets(Path(), key_sets={"ward-ehr": key_set(KEY)}))
        after = made.callers(registered, Secrets(Path(), key_sets={"ward-ehr": key_set(rsa_signer())}))
        assert await made.try_(before) == "ward-ehr" and await made.try_(after) is TokenFault.KEY_UNKNOWN
        assert await made.try_(after, rsa_signer()) == "ward-ehr"
        run(made, registered)
        assert not made.clients._fetching


async def test_under_insecure_demo(tmp_path: Path) -> None:
    """Nobody is registered: every call is the one client's."""
    async with yard(tmp_path) as made:
        callers = made.callers([])
        assert isinstance(callers, OneClient) and callers.clients[0].name == "ehr"
