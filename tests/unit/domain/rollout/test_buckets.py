"""Percentages: even, monotone, and the same person's for as long as the rollout lives."""

from collections import Counter
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardgate.domain.context.caller import Caller
from wardgate.domain.outcomes import Arm, Mode
from wardgate.domain.pseudonyms import KeyRing
from wardgate.domain.record_names import RecordNames, patient
from wardgate.domain.rollout.assignment import Occasion, assign
from wardgate.domain.rollout.buckets import BUCKETS, bucket, buckets_of
from wardgate.domain.rollout.rollouts import By, Cohort, Rollout, Snapshot

MANY = 100_000
SERVER = "https://ehr.example/fhir"
PARTS = st.text(max_size=12)


def _of(number: int, salt: str = "salt", service: str = "kidney-failure") -> int:
    return bucket(salt, service, "ehr", SERVER, f"patient-{number}")


@cache
def _everybody() -> tuple[int, ...]:
    """The buckets of ids that follow each other."""
    return tuple(_of(number) for number in range(MANY))


def _spread(counts: list[int]) -> float:
    """Chi-square over its degrees of freedom: near 1 where all are drawn alike."""
    expected = sum(counts) / len(counts)
    return sum((count - expected) ** 2 for count in counts) / expected / (len(counts) - 1)


def test_everybody_is_drawn_alike() -> None:
    """100,000 ids over all buckets: 1 within four of its standard deviations."""
    counts = Counter(_everybody())
    assert set(counts) <= set(range(BUCKETS)) and {0, BUCKETS - 1} <= set(counts)
    assert abs(_spread([counts[number] for number in range(BUCKETS)]) - 1) < 4 * (2 / (BUCKETS - 1)) ** 0.5


@pytest.mark.parametrize("percent", [0.01, 1, 5, 12.5, 50, 99.99])
def test_a_percentage_is_that_of_all(percent: float) -> None:
    """Within four standard deviations of what chance allows."""
    within = sum(drawn < buckets_of(percent) for drawn in _everybody())
    share = percent / 100
    assert abs(within - share * MANY) < 4 * (MANY * share * (1 - share)) ** 0.5


@pytest.mark.parametrize("other", [("salt", "sepsis"), ("rock", "kidney-failure")])
def test_another_service_or_salt_draws_anew(other: tuple[str, str]) -> None:
    """Whoever has the bad luck to be tried on once is no likelier to be so again: tenths against tenths are even."""
    pairs = Counter((_of(number) // 1000, _of(number, *other) // 1000) for number in range(MANY // 4))
    assert abs(_spread([pairs[one, two] for one in range(10) for two in range(10)]) - 1) < 4 * (2 / 99) ** 0.5


@given(PARTS, PARTS, PARTS, st.none() | PARTS, PARTS)
def test_a_bucket_is_a_whole_number_below_10000(
    salt: str, service: str, client: str, server: str | None, id_: str
) -> None:
    """Whatever an id looks like, also one that is no Unicode."""
    assert 0 <= bucket(salt, service, client, server, id_ + "\ud800") < BUCKETS


def test_nobody_shares_a_bucket_by_the_way_her_ids_are_written() -> None:
    """Parts that run into each other are still other people; a server that is not named is another place."""
    alike = [("a", "bc"), ("ab", "c"), ("abc", ""), ("", "abc")]
    places = [bucket("salt", "service", client, server, id_) for client, id_ in alike for server in (None, "", SERVER)]
    assert len(set(places)) == len(places)


def test_a_bucket_stays_what_it_is() -> None:
    """Fixed for ever: a release of wardgate that drew anew would change who sees a card."""
    drawn = [bucket("salt", "kidney-failure", "ehr", server, "p1") for server in (SERVER, None)]
    assert drawn == [8462, 9730]


@given(st.integers(0, BUCKETS))
def test_hundredths_of_a_percent_are_whole_buckets(number: int) -> None:
    """As a person writes them, with two decimals: 1.1 * 100 is more than 110 for a machine."""
    assert buckets_of(round(number / 100, 2)) == buckets_of(float(f"{number / 100:.2f}")) == number


@given(st.lists(st.floats(0, 100), min_size=2))
def test_a_larger_percentage_keeps_everybody(percents: list[float]) -> None:
    """And none holds more than it says."""
    shares = [buckets_of(percent) for percent in sorted(percents)]
    assert all(one <= other for one, other in pairwise(shares))
    assert all(share <= percent * 100 + 1e-6 for share, percent in zip(shares, sorted(percents), strict=True))


def _arm(by: By, patient_id: str, encounter: str | None, percent: float = 30.0, **changes: str) -> Arm:
    caller = Caller(changes.get("site", "north"), None, None, changes.get("role"))
    rollout = Rollout("2.0", Mode.CANARY, Cohort(percent=percent, by=by), salt="salt")
    occasion = Occasion(changes.get("hook", "h"), caller, 1.0, "ehr", SERVER, patient_id, encounter)
    return assign(Snapshot(1, {"kidney-failure": rollout}), "kidney-failure", occasion, names_sites=False).arm


@given(st.integers(), st.integers(), st.floats(0, 100), st.text(), st.text())
def test_a_patient_or_an_encounter_sticks(number: int, visit: int, percent: float, site: str, role: str) -> None:
    """Another ward, hook, user or visit does not matter to whom it is not drawn by."""
    person, stay = f"p{number}", f"e{visit}"
    assert _arm(By.PATIENT, person, stay, percent) is _arm(By.PATIENT, person, None, percent, site=site, role=role)
    assert _arm(By.ENCOUNTER, person, stay, percent) is _arm(By.ENCOUNTER, "somebody", stay, percent, hook=site)


def test_keys_rotate_and_nobody_moves() -> None:
    """Pseudonyms change with the key; buckets have nothing of it."""
    old, new = KeyRing([b"o" * 32]), KeyRing([b"n" * 32, b"o" * 32])
    people = [patient("ehr", SERVER, f"p{number}") for number in range(200)]
    names = [[RecordNames(ring).of(each) for each in people] for ring in (old, new)]
    assert not set(names[0]) & set(names[1])
    arms = [[_arm(By.PATIENT, each[3] or "", None) for each in people] for _ in (old, new)]
    assert arms[0] == arms[1] and len(set(arms[0])) == 2
