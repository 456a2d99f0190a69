"""The desk of releases: what a retirement waits for, and what happens when a store is away."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from tests.fakes.audit import AuditGround
from wardgate.adapters.sql.releases import SqlReleaseStore
from wardgate.adapters.sql.snapshots import SqlSnapshotStore
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.control.chain_reader import ChainReader
from wardgate.control.decisions import Decisions
from wardgate.control.ports import Change, Content, StoreUnavailable
from wardgate.control.releases import By, ReleaseDesk, ReleaseRefused, changed
from wardgate.control.snapshots import Sealer
from wardgate.domain.durable import SqlitePlace
from wardgate.domain.outcomes import Mode
from wardgate.domain.pseudonyms import KeyRing, Purpose
from wardgate.domain.rollout.rollouts import Challenger, Cohort, Rollout, Snapshot

DAY = 86400.0
NOW = 1_790_000_000.0
ADA = By("os:ada", "replaced", "CDS-7")


def content(number: int) -> Content:
    return Content(
        f"sha256:{number:064x}", "sepsis", "sepsis", f"{number}.0.0", {"services/sepsis.yaml": b"id: sepsis"}
    )


class Scene:
    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.audit = AuditGround(folder)
        place = SqlitePlace(str(self.audit.path))
        self.store, self.snapshots = SqlReleaseStore(Sqlite(place)), SqlSnapshotStore(Sqlite(place))
        self.sealer = Sealer(KeyRing([b"k" * 32]).keys(Purpose.STORE))
        self.decisions = Decisions(self.snapshots, self.sealer, {})
        self.wholes: list[str] = []
        self.meanwhile: list[Callable[[], object]] = []
        """One after each look at what depends on a release."""
        self.broken, self.void = False, set[str]()
        self.desk = ReleaseDesk(self.store, self.audit.trail, self.decisions, self.whole, lambda: self.now, self.stands)
        self.epoch = 0

    def stands(self, subject: str) -> bool:
        return subject not in self.void and bool(ChainReader(self.audit.store).read().authors(subject))

    def whole(self, content: Content) -> None:
        self.wholes.append(content.digest)
        if self.meanwhile:
            self.meanwhile.pop(0)()
        if self.broken:
            raise ReleaseRefused("What was kept of it is not whole.")

    def decide(self, days_ago: float, champion: int, **more: object) -> None:
        self.epoch += 1
        rollout = msgspec.structs.replace(Rollout(content(champion).digest, Mode.ACTIVE), **more)
        kept = self.sealer.seal(Snapshot(self.epoch, {"sepsis": rollout}))
        change = Change(self.now - days_ago * DAY, "os:ada", "rollout.change", "sepsis")
        assert self.snapshots.append(kept, change)

    def close(self) -> None:
        self.audit.close()
        self.store.close()
        self.snapshots.close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    for number in (1, 2, 3):
        scene.desk.submit(ADA, content(number), "sha256:f")
    yield scene
    scene.close()


def test_what_a_rollout_names_is_not_retired(scene: Scene) -> None:
    scene.decide(
        0,
        1,
        challenger=Challenger(content(2).digest, Cohort(percent=5)),
        shadows=(content(3).digest, content(2).digest),
    )
    for number, roles in ((1, ["champion"]), (2, ["challenger", "shadow"]), (3, ["shadow"])):
        entry = scene.desk.find("sepsis", f"{number}.0.0")
        told = [f"The rollout of sepsis names it as {role}." for role in roles]
        assert scene.desk.dependents(entry) == told
        with pytest.raises(ReleaseRefused, match="refused") as refused:
            scene.desk.retire(ADA, entry)
        assert all(line in refused.value.what for line in told)
    assert not scene.wholes


@pytest.mark.parametrize(("ended", "free"), [(1, False), (29.9, False), (30.1, True), (400, True)])
def test_a_way_back_stays_for_thirty_days(scene: Scene, ended: float, free: bool) -> None:
    """The release that was champion then is the one to which an operator may return."""
    scene.decide(500, 1)
    scene.decide(ended, 2)
    entry = scene.desk.find("sepsis", "1.0.0")
    assert (scene.desk.dependents(entry) == []) is free
    if not free:
        assert "is a way back until" in scene.desk.dependents(entry)[0]


def test_what_is_no_longer_whole_is_not_retired(scene: Scene) -> None:
    """Its evidence would be gone, and nobody would look again."""
    scene.broken = True
    entry = scene.desk.find("sepsis", "1.0.0")
    with pytest.raises(ReleaseRefused):
        scene.desk.retire(ADA, entry)
    scene.broken = False
    assert scene.desk.retire(ADA, entry).retired_at == NOW
    assert scene.wholes == [entry.digest] * 2


def test_what_is_raised_to_while_it_is_looked_at_is_not_retired(scene: Scene) -> None:
    """The rollouts are read before anything is written, and somebody raises to it just then."""
    scene.decide(400, 2)
    entry = scene.desk.find("sepsis", "1.0.0")
    scene.meanwhile = [lambda: scene.decide(0, 2, challenger=Challenger(entry.digest, Cohort(percent=5)))]
    with pytest.raises(ReleaseRefused) as refused:
        scene.desk.retire(ADA, entry)
    assert "names it as challenger" in refused.value.what
    assert scene.desk.find("sepsis", "1.0.0").retired_at is None
    assert "release.retire" not in [each["what"] for each in scene.audit.said()]


def test_what_is_decided_of_others_meanwhile_keeps_no_retirement_back(scene: Scene) -> None:
    scene.decide(400, 2)
    entry = scene.desk.find("sepsis", "1.0.0")
    scene.meanwhile = [lambda: scene.decide(0, 2)] * 7
    assert scene.desk.retire(ADA, entry).retired_at == NOW
    other = scene.desk.find("sepsis", "3.0.0")
    scene.meanwhile = [lambda: scene.decide(0, 2)] * 8
    with pytest.raises(ReleaseRefused, match="refused") as refused:
        scene.desk.retire(ADA, other)
    assert "all the time" in refused.value.what and not scene.meanwhile


def test_an_announcement_holds_until_its_time(scene: Scene) -> None:
    entry = scene.desk.announce(ADA, scene.desk.find("sepsis", "1.0.0"), NOW + DAY)
    with pytest.raises(ReleaseRefused) as refused:
        scene.desk.retire(ADA, entry)
    assert "announced to stay" in refused.value.what
    scene.now = NOW + DAY
    assert scene.desk.retire(ADA, entry).retired_at == NOW + DAY
    said = [(each["what"], each["subject"], each["from"], each["to"]) for each in scene.audit.said()][-2:]
    subject = f"sepsis@{entry.digest}"
    assert said == [
        ("release.retiring", subject, None, "2026-09-22T14:13:20.000Z"),
        ("release.retire", subject, "retiring", "retired"),
    ]


def test_what_was_not_put_on_the_chain_is_not_done(scene: Scene) -> None:
    """Nothing is submitted, and nothing retired, without an entry; what failed can be done again."""
    entry, said = scene.desk.find("sepsis", "1.0.0"), scene.audit.said()
    with sqlite3.connect(scene.audit.path) as console:
        console.execute("CREATE TRIGGER shut BEFORE INSERT ON audit_chain BEGIN SELECT RAISE(ABORT, 'no'); END")
    asks: list[Callable[[], object]] = [
        lambda: scene.desk.submit(ADA, content(4), "sha256:f"),
        lambda: scene.desk.retire(ADA, entry),
        lambda: scene.desk.announce(ADA, entry, NOW + DAY),
    ]
    for ask in asks:
        with pytest.raises(StoreUnavailable):
            ask()
    assert scene.store.content(content(4).digest) is None
    assert scene.desk.find("sepsis", "1.0.0") == entry and scene.audit.said() == said
    with sqlite3.connect(scene.audit.path) as console:
        console.execute("DROP TRIGGER shut")
    console.close()
    scene.desk.submit(ADA, content(4), "sha256:f")


def test_a_release_whose_submission_lies_under_a_key_that_is_gone_is_submitted_again(scene: Scene) -> None:
    """By whoever does it: its content stays as it is."""
    scene.desk.submit(ADA, content(6), "sha256:f")
    with pytest.raises(ReleaseRefused):
        scene.desk.submit(By("os:eve"), content(6), "sha256:f")
    scene.void.add(f"sepsis@{content(6).digest}")
    assert scene.desk.submit(By("os:eve"), content(6), "sha256:f").submitted_by == "os:ada"
    assert [each["who"] for each in scene.audit.said()][-2:] == ["os:ada", "os:eve"]


def test_what_was_not_done_is_not_on_the_chain(scene: Scene) -> None:
    """Somebody was first, and each has asked before that."""
    entry, said = scene.desk.find("sepsis", "1.0.0"), len(scene.audit.said())
    scene.desk.retire(ADA, entry)
    asks: list[Callable[[], object]] = [
        lambda: scene.desk.retire(ADA, entry),
        lambda: scene.desk.announce(ADA, entry, NOW + DAY),
        lambda: scene.desk.submit(ADA, content(2), "sha256:f"),
    ]
    for ask in asks:
        with pytest.raises(ReleaseRefused):
            ask()
    assert len(scene.audit.said()) == said + 1


def test_of_many_who_submit_one_version_at_once_one_does(scene: Scene) -> None:
    """With other content each, of another file: as if one had come after the other."""
    together = threading.Barrier(8)

    def submit(number: int) -> str:
        mine = msgspec.structs.replace(content(100 + number), version="9.0.0")
        together.wait(20)
        try:
            scene.desk.submit(By(f"os:ada{number}"), mine, f"sha256:{number}")
        except ReleaseRefused as refused:
            return refused.what
        return "done"

    with ThreadPoolExecutor(8) as threads:
        ends = sorted(threads.map(submit, range(8)))
    assert ends[0] == "done" and all("is not the file that was submitted as 9.0.0" in end for end in ends[1:])
    (standing,) = [each for each in scene.store.entries() if each.version == "9.0.0"]
    told = [each["subject"] for each in scene.audit.said() if each["who"] != ADA.who]
    assert told == [f"sepsis@{standing.digest}"]


def test_a_store_of_somebody_else_is_not_believed(scene: Scene) -> None:
    scene.decide(0, 1)
    other = Decisions(scene.snapshots, Sealer(KeyRing([b"x" * 32]).keys(Purpose.STORE)), {})
    without = Decisions(scene.snapshots, None, {})
    for decisions in (other, without):
        with pytest.raises(StoreUnavailable):
            decisions.rollouts()
        with pytest.raises(StoreUnavailable):
            decisions.champions("sepsis", 0.0)
    assert list(scene.decisions.rollouts()) == ["sepsis"]


def test_files_say_where_a_service_begins(scene: Scene) -> None:
    begins = {"sepsis": Rollout("sha256:a", Mode.OFF), "new": Rollout("sha256:b", Mode.OFF)}
    decisions = Decisions(scene.snapshots, scene.sealer, begins)
    assert decisions.rollouts() == begins
    scene.decide(0, 1)
    assert decisions.rollouts()["new"] == begins["new"]
    assert decisions.rollouts()["sepsis"].champion == content(1).digest


@pytest.mark.parametrize("name", ["", "0", "00000", "sha256:", "9.9.9", "ffffff", "1.0"])
def test_a_name_that_is_none_is_told(scene: Scene, name: str) -> None:
    with pytest.raises(ReleaseRefused) as refused:
        scene.desk.find("sepsis", name)
    assert "1.0.0" in refused.value.remedy


def test_a_name_that_is_several_is_told(scene: Scene) -> None:
    with pytest.raises(ReleaseRefused) as refused:
        scene.desk.find("sepsis", "000000")
    assert "several" in refused.value.what
    assert scene.desk.find("sepsis", content(2).digest.upper().replace("SHA256", "sha256")).version == "2.0.0"


def test_a_release_file_that_changed_under_its_version_is_told_whoever_has_it(scene: Scene) -> None:
    """Services share a model's releases."""
    entries = scene.store.entries()
    assert changed("sepsis", "1.0.0", "sha256:f", entries) is None
    assert changed("sepsis", "9.0.0", "sha256:e", entries) is None and changed("other", "1.0.0", "e", entries) is None
    what, remedy = changed("sepsis", "1.0.0", "sha256:e", entries) or ("", "")
    assert "sepsis/releases/1.0.0.yaml" in what and "os:ada" in what and "another version" in remedy
    with pytest.raises(ReleaseRefused):
        elsewhere = msgspec.structs.replace(content(1), digest="sha256:" + "e" * 64, service="ward")
        scene.desk.submit(ADA, elsewhere, "sha256:e")


def test_what_nobody_submitted_is_not_named_back(scene: Scene) -> None:
    """It may be anything; what there is, is told."""
    for service, name, there in (("Mary.Miller", "1.0.0", "SERVICE"), ("sepsis", "Mary.Miller", "3.0.0 (")):
        with pytest.raises(ReleaseRefused) as refused:
            scene.desk.find(service, name)
        assert "Miller" not in refused.value.what + refused.value.remedy and there in refused.value.remedy
