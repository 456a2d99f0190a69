"""Gates as lines: what is needed, what was found, whether it passes."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardgate.domain.admin_tokens import Role
from wardgate.domain.approvals import Approval, Waiver
from wardgate.domain.gates import GateLine, Reading, Said, Verdict, gate, seated
from wardgate.domain.governance import APPROVERS, Asked, Bound, Figure, Seat
from wardgate.domain.outcomes import Mode

CLINICAL, TECHNICAL = Role.APPROVER_CLINICAL, Role.APPROVER_TECHNICAL
LATER = "2026-10-01T00:00:00.000Z"


def approval(person: str, role: Role = CLINICAL, mode: Mode = Mode.CANARY) -> Approval:
    return Approval(person, f"{person}/0", role, mode, "", 0)


def asked(*seats: Seat, four_eyes: bool = True, exception: bool = True, **bounds: float) -> Asked:
    return Asked(seats, four_eyes, {Figure(name): Bound(number, exception) for name, number in bounds.items()})


def said(*approvals: Approval, authors: tuple[str, ...] = ("sam",), waivers: tuple[Waiver, ...] = ()) -> Said:
    return Said(authors, approvals, waivers)


def one(asked: Asked, said: Said, **figures: float | None) -> GateLine:
    readings = {Figure(name): Reading(value, "" if value is not None else "why") for name, value in figures.items()}
    (line,) = gate(asked, Mode.CANARY, said, readings)
    return line


CANARY = Seat(CLINICAL, Mode.CANARY)


def test_nothing_demanded_is_no_gate() -> None:
    assert gate(asked(), Mode.CANARY, Said(), {}) == ()


@pytest.mark.parametrize(
    ("found", "passes"),
    [
        ([], False),
        ([approval("mira")], True),
        ([approval("mira", mode=Mode.ACTIVE)], True),
        ([approval("mira", mode=Mode.SILENT)], False),
        ([approval("mira", TECHNICAL)], False),
        ([approval("sam")], False),
    ],
    ids=["nobody", "approved", "for more", "for less", "another role", "her own"],
)
def test_an_approval_counts_for_its_role_and_what_is_beneath_its_mode(found: list[Approval], passes: bool) -> None:
    assert one(asked(CANARY), said(*found)).holds == passes


def test_what_a_line_says() -> None:
    line = one(asked(CANARY, CANARY), said(approval("mira"), approval("sam")))
    assert line == GateLine("approver-clinical", "at least 2", "1: mira", Verdict.FAIL, "sam brought it in")
    assert line.sentence == "approver-clinical: needs at least 2, found 1: mira (sam brought it in)"


def test_who_brought_it_in_is_told_where_that_is_why() -> None:
    assert one(asked(CANARY), said(approval("mira"), approval("sam"))).reason == ""
    assert one(asked(CANARY, CANARY), said(approval("mira"))).reason == ""


def test_without_four_eyes_the_author_may_approve() -> None:
    assert one(asked(CANARY, four_eyes=False), said(approval("sam"))).holds


def test_what_nobody_submitted_is_told() -> None:
    lines = gate(asked(CANARY), Mode.CANARY, said(approval("mira"), authors=()), {})
    assert [(line.name, line.holds) for line in lines] == [("submitted", False), ("approver-clinical", True)]


def test_what_is_retired_passes_no_more() -> None:
    lines = gate(asked(), Mode.CANARY, Said(("sam",), retired=True), {})
    assert [line.name for line in lines] == ["retired"] and not lines[0].holds


def test_a_person_takes_one_seat_in_whatever_roles_she_approved() -> None:
    """And where one can sit here or there, the seats are filled as far as they can be, in any order of people."""
    seats = (CANARY, Seat(TECHNICAL, Mode.CANARY))
    both = [approval("mira", CLINICAL), approval("mira", TECHNICAL)]
    assert len(seated(seats, both)) == 1
    for order in permutations([*both, approval("jon", CLINICAL)]):
        assert len(seated(seats, order)) == 2


@given(
    st.lists(st.builds(Seat, st.sampled_from(APPROVERS), st.sampled_from([Mode.SILENT, Mode.CANARY])), max_size=5),
    st.lists(
        st.builds(
            approval,
            st.sampled_from(["mira", "jon", "ada", "eve"]),
            st.sampled_from(APPROVERS),
            st.sampled_from([Mode.SILENT, Mode.CANARY, Mode.ACTIVE]),
        ),
        max_size=8,
    ),
)
def test_seats_are_taken_rightly_and_as_many_as_can_be(seats: list[Seat], approvals: list[Approval]) -> None:
    """Against trying every order."""
    taken = seated(seats, approvals)
    people = [each.person for each in taken.values()]
    assert len(set(people)) == len(people)
    for number, each in taken.items():
        assert each in approvals and each.role == seats[number].role
        assert [Mode.SILENT, Mode.CANARY, Mode.ACTIVE].index(each.mode) >= [Mode.SILENT, Mode.CANARY].index(
            seats[number].mode
        )
    assert len(taken) == _most(tuple(seats), approvals, frozenset())


def _most(seats: tuple[Seat, ...], approvals: list[Approval], used: frozenset[str]) -> int:
    """By trying everything."""
    if not seats:
        return 0
    order = [Mode.SILENT, Mode.CANARY, Mode.ACTIVE]
    best = _most(seats[1:], approvals, used)
    for each in approvals:
        fits = each.role == seats[0].role and order.index(each.mode) >= order.index(seats[0].mode)
        if fits and each.person not in used:
            best = max(best, 1 + _most(seats[1:], approvals, used | {each.person}))
    return best


# --- evidence ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figure", "bound", "found", "verdict"),
    [
        ("shadow_days", 14, 14, Verdict.PASS),
        ("shadow_days", 14, 13, Verdict.FAIL),
        ("errors", 0.01, 0.01, Verdict.PASS),
        ("errors", 0.01, 0.010001, Verdict.FAIL),
        ("errors", 0.01, None, Verdict.UNKNOWN),
        ("review_days", 0, -1, Verdict.FAIL),
        ("rollback_rehearsed_days", 90, 90.1, Verdict.FAIL),
        ("probes", 1, 0, Verdict.FAIL),
    ],
)
def test_a_figure_is_reached_or_kept_to(figure: str, bound: float, found: float | None, verdict: Verdict) -> None:
    line = one(Asked((), True, {Figure(figure): Bound(bound, True)}), said(), **{figure: found})
    assert line.verdict is verdict and line.holds == (verdict is Verdict.PASS)


def test_what_nobody_has_looked_at_does_not_pass() -> None:
    (line,) = gate(asked(nights=3), Mode.CANARY, said(), {})
    assert line.verdict is Verdict.UNKNOWN and line.needed == "at least 3"


def test_numbers_are_shown_with_their_unit() -> None:
    line = one(asked(p99_ms=400), said(), p99_ms=1234.567)
    assert (line.needed, line.found) == ("at most 400 ms", "1235 ms")
    assert one(asked(decisions=5000), said(), decisions=12345).found == "12,345"


# --- exceptions -------------------------------------------------------------------------------------------------------


def waiver(*people: str, mode: Mode = Mode.CANARY, figure: Figure = Figure.NIGHTS) -> Waiver:
    return Waiver(mode, figure, LATER, people)


def test_two_people_except_a_figure() -> None:
    line = one(asked(nights=10), said(waivers=(waiver("mira", "jon"),)), nights=3)
    assert line.verdict is Verdict.EXCEPTED and line.holds
    assert line.found == "3" and line.reason == "excepted by mira, jon, until 2026-10-01T00:00Z"


@pytest.mark.parametrize(
    ("waived", "exception"),
    [
        (waiver("mira"), True),
        (waiver("mira", "sam"), True),
        (waiver("mira", "jon"), False),
        (waiver("mira", "jon", figure=Figure.ERRORS), True),
        (waiver("mira", "jon", mode=Mode.SILENT), True),
    ],
    ids=["one person", "with the author", "not allowed", "another figure", "another step"],
)
def test_nothing_less_does(waived: Waiver, exception: bool) -> None:
    assert not one(asked(exception=exception, nights=10), said(waivers=(waived,)), nights=3).holds


def test_an_exception_from_more_counts_beneath() -> None:
    line = one(asked(nights=10), said(waivers=(waiver("mira", "jon", mode=Mode.ACTIVE),)), nights=3)
    assert line.verdict is Verdict.EXCEPTED


def test_what_passes_needs_no_exception() -> None:
    assert one(asked(nights=10), said(waivers=(waiver("mira", "jon"),)), nights=10).verdict is Verdict.PASS
