"""What was approved is what answers, whatever the files say since, and whether or not they are there (law 2)."""

import asyncio
import io
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes.asgi import JSON, ask
from tests.fakes.audit import told
from tests.fakes.config_tree import FILES, Edit, sound_config
from tests.fakes.deciding import decide
from tests.fakes.editions import SERVICE, rename_release
from tests.fakes.kidney_calls import kidney_call
from tests.fakes.oip_server import OipServer, oip_server
from tests.fakes.tokens import ISSUER, ec_signer, key_set, token
from wardgate.adapters.files.content import content_of
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.sql.releases import SqlReleaseStore
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.bootstrap.audit import release_store_of
from wardgate.bootstrap.control import control_stores
from wardgate.bootstrap.editions import Editions
from wardgate.bootstrap.gateway import Gateway
from wardgate.cli.configured import read
from wardgate.control.ports import Change, ReleaseEntry
from wardgate.domain.durable import SqlitePlace
from wardgate.domain.outcomes import Mode
from wardgate.domain.pseudonyms import KeyRing
from wardgate.domain.rollout.rollouts import Rollout, Snapshot

PATH = f"/cds-services/{SERVICE}"
_FIRST, _EDITED = "Kidney failure risk in 2 years", "Two-year risk"
_EDIT: Edit = (_FIRST, _EDITED)


class Site:
    """Files without insecure_demo, a store beside them, and gateways that come and go."""

    def __init__(self, folder: Path, server: OipServer) -> None:
        self.folder, self.server, self.calls, self.out = folder, server, 0, io.StringIO()
        folder.joinpath("keys.json").write_bytes(key_set(ec_signer()))
        self.write()

    def write(self, version: str = "1.0.0", **edits: Edit) -> None:
        client = f"    issuer: {ISSUER}\n    keys: {{jwks_file: ../keys.json}}\n    site: hospital_a"
        places: dict[str, list[Edit]] = {
            "wardgate": [
                ("127.0.0.1:8082", self.server.host),
                ("insecure_demo: true\n", "pseudonym_key: {env: WARDGATE_TEST_KEY}\n"),
                ("    site: hospital_a", client),
            ],
            "release": [("http://127.0.0.1:8082", f"http://{self.server.host}"), ("timeout: 200ms", "timeout: 2s")],
            "service": [("deadline: 500ms", "deadline: 5s"), ("mode: active", "mode: silent")],
        }
        for name, edit in edits.items():
            places[name] = [*places.get(name, []), edit]
        self.config = sound_config(self.folder, **places)
        if version != "1.0.0":
            rename_release(self.folder, version)

    def submit(self, version: str = "1.0.0") -> str:
        """The digest of what the files say."""
        configured = read(self.config)
        assert configured.document is not None and configured.secrets.durable is not None
        content, catalog = content_of(configured.document, self.config, SERVICE, version)
        (release,) = next(iter(catalog.plans())).releases.values()
        store = release_store_of(configured.secrets.durable)
        names = (content.digest, content.service, content.model, content.version)
        store.put(content, ReleaseEntry(*names, release.file, 1.0, "os:ada"), told())
        store.close()
        return content.digest

    def decide(self, champion: str, mode: Mode = Mode.ACTIVE) -> None:
        """As the control plane does, once the gates have passed; what the files say of the rollout by now is put aside,
        since an edit that shows less would be taken up at the next start."""
        configured = read(self.config)
        secrets, file = configured.secrets, configured.catalog.rollouts[SERVICE].file
        stores = control_stores(secrets, KeyRing(secrets.pseudonym))
        assert stores is not None

        def make(before: Snapshot) -> Snapshot:
            rollout = msgspec.structs.replace(before.rollouts[SERVICE], champion=champion, mode=mode, file=file)
            return msgspec.structs.replace(before, rollouts={**before.rollouts, SERVICE: rollout})

        decide(stores, make, Change(1.0, "os:ada", "rollout.change", SERVICE))
        stores.close()

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator["Running"]:
        self.out = io.StringIO()
        gateway = Gateway(read(self.config), EventLog(self.out), asyncio.Event(), lambda: read(self.config))
        try:
            await gateway.open()
            async with asyncio.TaskGroup() as tasks:
                gateway.begin(tasks)
                await until(lambda: gateway.health()[SERVICE]["proof"] == "passed")
                yield Running(self, gateway)
                gateway.rest()
        finally:
            await gateway.close()

    def told(self, event: str) -> list[dict[str, Any]]:
        lines = [msgspec.json.decode(line) for line in self.out.getvalue().splitlines()]
        return [line for line in lines if line["event"] == event]


class Running:
    def __init__(self, site: Site, gateway: Gateway) -> None:
        self.site, self.gateway = site, gateway

    async def summary(self) -> str | None:
        """Of the card of one more call; None: there is none."""
        self.site.calls += 1
        now = time.time()  # noqa: TID251 - the gateway has the machine's clock
        url = "http://127.0.0.1:8080" + PATH
        bearer = token(None, f"{id(self)}-{self.site.calls}", iat=now, exp=now + 120, aud=url).decode()
        body = msgspec.json.encode(kidney_call(self.site.calls))
        reply = await ask(self.gateway, "POST", PATH, body, {**JSON, "authorization": f"Bearer {bearer}"})
        assert reply.status == 200, reply.body
        cards = reply.json()["cards"]
        return str(cards[0]["summary"]) if cards else None

    async def shows(self, words: str | None) -> None:
        """From some moment on: the gateway hears of what is decided beside its calls."""
        for _ in range(200):
            said = await self.summary()
            if said is None and words is None or said and words and said.startswith(words):
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"{words!r} was not shown, but {said!r}; {self.site.out.getvalue()}")

    @property
    def health(self) -> dict[str, str]:
        return self.gateway.health()[SERVICE]


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("the condition did not come true in time")


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setenv("WARDGATE_TEST_KEY", "a secret of the test, thirty-two bytes or more")
    async with oip_server() as server:
        yield Site(tmp_path, server)


async def test_an_edit_after_the_approval_waits_and_what_was_approved_goes_on(site: Site) -> None:
    """Through a reload, and through a restart that reads only the edited files."""
    approved = site.submit()
    async with site.gateway() as here:
        site.decide(approved)
        await here.shows(_FIRST)
        site.write(card=_EDIT)
        assert await here.gateway.reload() == ()
        for _ in range(3):
            assert str(await here.summary()).startswith(_FIRST)
        assert here.health["digest"] == approved and here.health["pending"] not in ("", approved)
        (waiting,) = [each for each in site.told("warning") if each["key"] == SERVICE]
        assert "wait" in waiting["what"] and "wardgate release diff kidney-failure" in waiting["what"]
    async with site.gateway() as here:
        await here.shows(_FIRST)
        assert here.health["digest"] == approved and "pending" in here.health
        site.write()
        assert await here.gateway.reload() == ()
        assert str(await here.summary()).startswith(_FIRST)
        assert "pending" not in here.health


async def test_what_waited_answers_once_it_is_decided_on(site: Site) -> None:
    """And the way back is the first one's, with the whole of its configuration: no reload, no file of it."""
    first = site.submit()
    async with site.gateway() as here:
        site.decide(first)
        await here.shows(_FIRST)
        site.write("2.0.0", card=_EDIT)
        second = site.submit("2.0.0")
        assert await here.gateway.reload() == ()
        assert str(await here.summary()).startswith(_FIRST)
        site.decide(second)
        await here.shows(_EDITED)
        assert here.health["champion"] == "2.0.0" and "pending" not in here.health
    async with site.gateway() as here:
        await here.shows(_EDITED)
        assert not (site.folder / FILES["release"][0]).exists()
        site.decide(first)
        await here.shows(_FIRST)
        assert here.health["champion"] == "1.0.0" and here.health["digest"] == first
        models = list(here.gateway.models.values())
        assert len(models) == 1 and here.health["proof"] == "passed"
        site.decide(second)
        await here.shows(_EDITED)
    assert not site.told("fault")


async def test_a_release_that_is_nowhere_shows_nothing_until_somebody_submits_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wardgate.bootstrap.gateway._LOOK_AGAIN", 0.1)
    site.write("2.0.0", card=_EDIT)
    configured = read(site.config)
    assert configured.document is not None
    second = content_of(configured.document, site.config, SERVICE, "2.0.0")[0].digest
    site.write()
    (site.folder / "config/models/kidney-failure/releases/2.0.0.yaml").unlink()
    first = site.submit()
    async with site.gateway() as here:
        site.decide(first)
        await here.shows(_FIRST)
        site.decide(second)
        await here.shows(None)
        await until(lambda: bool([each for each in site.told("error") if each["key"] == SERVICE]))
        site.write("2.0.0", card=_EDIT)
        site.submit("2.0.0")
        site.write()
        (site.folder / "config/models/kidney-failure/releases/2.0.0.yaml").unlink()
        await here.shows(_EDITED)


async def test_content_that_somebody_changed_in_the_store_is_not_shown(site: Site) -> None:
    approved = site.submit()
    async with site.gateway() as here:
        site.decide(approved)
        await here.shows(_FIRST)
    site.write("2.0.0", card=_EDIT)
    forged = site.submit("2.0.0")
    store = sqlite3.connect(next(site.folder.rglob("wardgate.db")))
    changed = "UPDATE release_contents SET content = (SELECT content FROM release_contents WHERE digest = ?)"
    store.execute(f"{changed}, version = '2.0.0' WHERE digest = ?", (forged, approved))
    store.commit()
    store.close()
    async with site.gateway() as here:
        for _ in range(3):
            assert await here.summary() is None
        assert [each for each in site.told("error") if "digest that it is kept under" in each["what"]]


async def test_a_release_file_that_was_edited_under_its_version_is_refused(site: Site) -> None:
    """At a reload nothing changes; at a start it is told, and what was decided goes on."""
    approved = site.submit()
    async with site.gateway() as here:
        site.decide(approved)
        await here.shows(_FIRST)
        site.write(release=("score_range: [0, 1]", "score_range: [0, 2]"), card=_EDIT)
        (error,) = await here.gateway.reload()
        assert "releases/1.0.0.yaml is not the file that was submitted" in error.what
        assert "pending" not in here.health and str(await here.summary()).startswith(_FIRST)
    async with site.gateway() as here:
        await here.shows(_FIRST)
        assert [each for each in site.told("error") if "not the file that was submitted" in each["what"]]


@pytest.mark.parametrize(("day", "review"), [("2001-01-01", "expired"), ("2999-01-01", None)])
async def test_a_review_that_is_overdue_shows_in_health(site: Site, day: str, review: str | None) -> None:
    site.write(release=("score_range: [0, 1]", f"score_range: [0, 1]\nreview_by: {day}"))
    async with site.gateway() as here:
        assert here.health.get("review") == review


async def test_what_files_gave_is_remembered_where_the_store_is_away(site: Site) -> None:
    """An edit takes nothing away, even then."""
    away = Editions(SqlReleaseStore(Sqlite(SqlitePlace("/dev/null/wardgate.db"))), EventLog(io.StringIO()))
    before = read(site.config)
    champion = before.catalog.rollouts[SERVICE].champion
    decided = {SERVICE: Rollout(champion, Mode.ACTIVE)}
    assert not away.look() and not away.fitted(before, decided).incomplete
    site.write(card=_EDIT)
    edited = read(site.config)
    fitted = away.fitted(edited, decided)
    assert not fitted.lacks and fitted.again and [each.decided for each in fitted.waiting] == [champion]
    assert list(fitted.configured.answers.services[SERVICE]["patient-view"].releases) == [champion]
    afresh = Editions(SqlReleaseStore(Sqlite(SqlitePlace("/dev/null/wardgate.db"))), EventLog(io.StringIO()))
    assert [lack.hides for lack in afresh.fitted(edited, decided).lacks] == [True]
    away.close()
    afresh.close()
