"""What a change would alter, by the calls of the last day, counted by hand."""

from tests.contract.conftest import Store
from tests.fakes.archive_rows import START, decision
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.domain.outcomes import Mode
from wardgate.domain.records import EventType
from wardgate.domain.rollout.rollouts import Ceiling, Cohort, Rollout, Scope, Snapshot
from wardgate.records.impact import DAY, Impact, ImpactDesk, ServiceImpact, SiteImpact

ONE, TWO = ("sha256:" + str(number) * 64 for number in (1, 2))
NOW, SERVICE = START + 1000.0, "kidney-failure"


def decided(mode: Mode, champion: str = ONE, cohort: Cohort | None = None, **more: object) -> Snapshot:
    return Snapshot(1, {SERVICE: Rollout(champion, mode, cohort, salt="s")}, **more)  # type: ignore[arg-type]


def desk_on(store: Store) -> tuple[ImpactDesk, SqlArchive]:
    archive = store.another()
    return ImpactDesk(archive, lambda: NOW, lambda: frozenset()), archive


def fill(archive: SqlArchive) -> None:
    """A hundred calls in buckets 0, 100, …, 9,900, half of them at each site; every other one has a card. Beside each,
    TWO was asked, which would have shown none of the first twenty; calls of yesterday, of another service, repeats."""
    own = [
        decision(
            n,
            site_id=f"hospital_{'ab'[n // 2 % 2]}",
            bucket=100 * n,
            card_uuids=(f"{n:08x}-0000-5000-8000-000000000000",) if n % 2 else (),
        )
        for n in range(100)
    ]
    beside = [
        decision(
            1000 + n,
            at=START + n,
            event_type=EventType.SHADOW,
            of=own[n].decision_id,
            release_digest=TWO,
            visible=False,
            card_uuids=(f"{1000 + n:08x}-0000-5000-8000-000000000000",) if n % 2 and n >= 20 else (),
        )
        for n in range(100)
    ]
    old = [decision(2000 + n, at=NOW - DAY - n - 1) for n in range(10)]
    elsewhere = [decision(3000 + n, service_id="deterioration") for n in range(10)]
    repeats = [decision(4000 + n, at=START + n, repeats=own[n].decision_id) for n in range(10)]
    archive.add_decisions([*own, *beside, *old, *elsewhere, *repeats])


def found(desk: ImpactDesk, before: Snapshot, after: Snapshot) -> ServiceImpact:
    return desk.of(before, after, [SERVICE], "vera").services[SERVICE]


def test_cards_are_counted_before_and_after(store: Store) -> None:
    desk, archive = desk_on(store)
    fill(archive)
    told = found(desk, decided(Mode.ACTIVE), decided(Mode.OFF))
    assert (told.calls, told.shown_before, told.shown_after, told.unknown_after) == (100, 50, 0, 0)
    assert told.sites == {"hospital_a": SiteImpact(50, 25, 0), "hospital_b": SiteImpact(50, 25, 0)}
    cohort = Cohort(sites=frozenset({"hospital_a"}), percent=20.0)
    told = found(desk, decided(Mode.ACTIVE), decided(Mode.CANARY, cohort=cohort))
    assert (told.shown_before, told.shown_after) == (50, 5)  # 1, 5, 9, 13, 17 of the first twenty
    told = found(desk, decided(Mode.ACTIVE), decided(Mode.ACTIVE, TWO))
    assert (told.shown_before, told.shown_after, told.unknown_after) == (50, 40, 0)
    told = found(desk, decided(Mode.ACTIVE), decided(Mode.ACTIVE, "sha256:" + "3" * 64))
    assert (told.shown_before, told.shown_after, told.unknown_after) == (50, 0, 100)
    capped = decided(Mode.ACTIVE, ceilings=(Ceiling("x", Scope.SITE, "hospital_b", Mode.OFF),))
    told = found(desk, decided(Mode.ACTIVE), capped)
    assert told.sites["hospital_b"] == SiteImpact(50, 25, 0) and told.shown_after == 25


def test_a_call_in_shadow_is_where_its_release_found_it_to_be(store: Store) -> None:
    """In mode shadow nothing is read on the path, so the call's own record knows neither site nor bucket: a canary was
    once told to show none of them. One that nobody was asked for is unknown."""
    desk, archive = desk_on(store)
    calls = [
        decision(n, mode=Mode.SHADOW, site_id=None, bucket=None, release_digest=None, card_uuids=()) for n in range(20)
    ]
    beside = [
        decision(
            1000 + n,
            at=START + n,
            mode=Mode.SHADOW,
            event_type=EventType.SHADOW,
            of=calls[n].decision_id,
            release_digest=ONE,
            visible=False,
            site_id="hospital_a",
            bucket=100 * n,
            card_uuids=(f"{1000 + n:08x}-0000-5000-8000-000000000000",),
        )
        for n in range(15)
    ]
    archive.add_decisions([*calls, *beside])
    cohort = Cohort(sites=frozenset({"hospital_a"}), percent=10.0)
    told = found(desk, decided(Mode.SHADOW), decided(Mode.CANARY, cohort=cohort))
    assert (told.calls, told.shown_before, told.shown_after, told.unknown_after) == (20, 0, 10, 5)
    assert told.sites == {"hospital_a": SiteImpact(15, 0, 10), "unknown": SiteImpact(5, 0, 0)}


def test_the_look_is_on_the_access_log(store: Store) -> None:
    desk, archive = desk_on(store)
    fill(archive)
    desk.of(decided(Mode.ACTIVE), decided(Mode.OFF), [SERVICE], "vera/0000000000dd")
    (entry,) = archive.accesses(0, NOW + 1)
    assert (entry.principal, entry.action, entry.subject, entry.rows) == ("vera/0000000000dd", "impact", SERVICE, 110)


def test_of_very_many_calls_the_newest_are_a_sample(store: Store) -> None:
    """And that is said."""
    _, archive = desk_on(store)
    fill(archive)
    archive.add_decisions([decision(5000 + n, at=NOW - 7200 - n) for n in range(50)])
    whole = found_by(ImpactDesk(archive, lambda: NOW, lambda: frozenset()))
    assert whole.calls == 160 and not whole.sample
    told = found_by(ImpactDesk(archive, lambda: NOW, lambda: frozenset(), most=100))
    assert told.sample and told.calls == 110 and NOW - told.since == 3600.0


def found_by(desk: ImpactDesk) -> Impact:
    return desk.of(decided(Mode.ACTIVE), decided(Mode.OFF), [SERVICE], "vera")
