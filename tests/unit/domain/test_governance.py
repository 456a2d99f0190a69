"""What a policy demands, step by step; and as it stands on the chain."""

import re

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.governance_reference import TARGET, page
from wardgate.adapters.files.wire import sheet
from wardgate.adapters.files.wire_governance import Governance
from wardgate.domain.admin_tokens import Role
from wardgate.domain.documents import Document
from wardgate.domain.governance import (
    APPROVERS,
    BUILT_IN,
    MEASURES,
    STEPS,
    TIERS,
    Demand,
    Figure,
    Need,
    Policy,
    Seat,
    above,
    asked_for,
    digest_of,
    higher_tier,
    policy_of,
    text_of,
)
from wardgate.domain.outcomes import Mode

CLINICAL, TECHNICAL = Role.APPROVER_CLINICAL, Role.APPROVER_TECHNICAL
POLICY = Policy(
    {
        "high": {
            Mode.SILENT: Demand((Need(TECHNICAL),), evidence={Figure.SHADOW_DAYS: 7}, exception=True),
            Mode.CANARY: Demand(
                (Need(CLINICAL, 2), Need(TECHNICAL)), True, {Figure.SHADOW_DAYS: 14, Figure.ERRORS: 0.05}
            ),
            Mode.ACTIVE: Demand((Need(CLINICAL),), evidence={Figure.ERRORS: 0.01, Figure.CANARY_DAYS: 3}),
        },
        "low": {},
    }
)

needs = st.lists(
    st.builds(Need, st.sampled_from(APPROVERS), st.integers(1, 4)), max_size=4, unique_by=lambda need: need.role
)
demands = st.builds(
    Demand,
    st.lists(
        st.builds(Need, st.sampled_from(APPROVERS), st.integers(1, 4)), max_size=4, unique_by=lambda n: n.role
    ).map(tuple),
    st.booleans(),
    st.dictionaries(st.sampled_from(Figure), st.floats(0, 1e6), max_size=4),
    st.booleans(),
)
policies = st.builds(
    Policy,
    st.dictionaries(st.sampled_from(TIERS), st.dictionaries(st.sampled_from(STEPS), demands, max_size=4), max_size=3),
    st.floats(1, 1e7),
)


def test_steps_add_up() -> None:
    """Who goes to active needs what silent and canary need: the strictest figure, and each approval once."""
    asked = asked_for(POLICY, "high", Mode.ACTIVE)
    assert asked.seats == (Seat(CLINICAL, Mode.ACTIVE), Seat(CLINICAL, Mode.CANARY), Seat(TECHNICAL, Mode.CANARY))
    assert asked.four_eyes
    assert {figure: bound.number for figure, bound in asked.evidence.items()} == {
        Figure.SHADOW_DAYS: 14,
        Figure.ERRORS: 0.01,
        Figure.CANARY_DAYS: 3,
    }


def test_an_exception_is_allowed_where_every_step_allows_it() -> None:
    assert asked_for(POLICY, "high", Mode.SILENT).evidence[Figure.SHADOW_DAYS].exception
    assert not asked_for(POLICY, "high", Mode.CANARY).evidence[Figure.SHADOW_DAYS].exception


def test_evidence_of_a_step_that_was_taken_is_not_asked_again() -> None:
    """Approvals are."""
    asked = asked_for(POLICY, "high", Mode.ACTIVE, standing=Mode.CANARY)
    assert set(asked.evidence) == {Figure.ERRORS, Figure.CANARY_DAYS} and len(asked.seats) == 3


def test_what_is_left_out() -> None:
    """A step demands nothing of its own; a tier is that of the default; an unknown tier is the strictest."""
    assert asked_for(POLICY, "high", Mode.SHADOW).seats == ()
    assert asked_for(POLICY, "low", Mode.ACTIVE) == asked_for(Policy({"low": {}}), "low", Mode.ACTIVE)
    assert asked_for(POLICY, "medium", Mode.ACTIVE) == asked_for(BUILT_IN, "medium", Mode.ACTIVE)
    assert asked_for(POLICY, "none of them", Mode.ACTIVE) == asked_for(BUILT_IN, "high", Mode.ACTIVE)
    assert asked_for(POLICY, "high", Mode.OFF).seats == ()


@pytest.mark.parametrize("tier", TIERS)
def test_by_default_nothing_is_shown_unapproved(tier: str) -> None:
    """By two people at least, neither of whom brought it in."""
    for mode in (Mode.CANARY, Mode.ACTIVE):
        asked = asked_for(BUILT_IN, tier, mode)
        assert len(asked.seats) >= 2 and asked.four_eyes and asked.evidence
    assert asked_for(BUILT_IN, tier, Mode.SILENT).seats and not asked_for(BUILT_IN, tier, Mode.SHADOW).seats


def test_a_higher_tier_demands_no_less_by_default() -> None:
    for lower, higher in (("low", "medium"), ("medium", "high")):
        for mode in STEPS:
            less, more = asked_for(BUILT_IN, lower, mode), asked_for(BUILT_IN, higher, mode)
            assert len(more.seats) >= len(less.seats) and set(more.evidence) >= set(less.evidence)
            for figure, bound in less.evidence.items():
                stricter = max if MEASURES[figure].least else min
                assert stricter(bound.number, more.evidence[figure].number) == more.evidence[figure].number


@given(policies, st.sampled_from(TIERS), st.sampled_from(STEPS), st.sampled_from(STEPS))
def test_a_higher_step_demands_no_less(policy: Policy, tier: str, one: Mode, other: Mode) -> None:
    lower, higher = (one, other) if above(other, one) else (other, one)
    less, more = asked_for(policy, tier, lower), asked_for(policy, tier, higher)
    assert more.four_eyes >= less.four_eyes and set(more.evidence) >= set(less.evidence)
    for role in APPROVERS:
        for step in STEPS:
            at_least = sum(seat.role == role and not above(step, seat.mode) for seat in less.seats)
            assert sum(seat.role == role and not above(step, seat.mode) for seat in more.seats) >= at_least


@given(policies)
def test_a_policy_comes_back_from_the_chain(policy: Policy) -> None:
    """Of one that fits there; its digest is that of its meaning."""
    try:
        text = text_of(policy)
    except ValueError:
        return
    again = policy_of(text)
    assert text_of(again) == text and digest_of(again) == digest_of(policy)
    assert all(asked_for(again, tier, mode) == asked_for(policy, tier, mode) for tier in TIERS for mode in STEPS)


def test_defaults_are_left_out() -> None:
    """So a default that is added later changes no digest."""
    assert text_of(Policy({"low": {Mode.SILENT: Demand()}}, 60 * 60 * 24.0)) == '{"tiers":{"low":{"silent":{}}}}'
    assert digest_of(msgspec.structs.replace(POLICY, put_back_within=86400)) == digest_of(POLICY)
    assert digest_of(msgspec.structs.replace(POLICY, put_back_within=3600.0)) != digest_of(POLICY)
    assert len(text_of(BUILT_IN)) < 2000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"tiers":{"high":{"canary":{"four_eyes":1}}}}',
        '{"tiers":{"high":{"canary":{"approvals":[{"number":0,"role":"approver-clinical"}]}}}}',
        '{"tiers":{"high":{"canary":{"evidence":{"nothing":1}}}}}',
        '{"tiers":{}, "more":1}',
        '{"tiers": {}}',
        '{"put_back_within":0,"tiers":{}}',
    ],
)
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        policy_of(text)


def test_the_higher_tier_counts() -> None:
    assert higher_tier("low", "medium") == "medium" and higher_tier("high", "low") == "high"
    assert higher_tier("low", "what?") == "what?", "an unknown one is the strictest"


def test_every_figure_says_what_it_is() -> None:
    assert set(MEASURES) == set(Figure)


def test_the_page_is_current() -> None:
    assert TARGET.read_text("utf-8") == page(), "python -m tests.governance_reference"


def test_the_policy_of_the_page_is_one() -> None:
    """And shows, for canary, what the page says of steps that add up."""
    (example,) = re.findall(r"```yaml\n(.*?)```", TARGET.read_text("utf-8"), re.DOTALL)
    read, wrong = sheet(Document("governance.yaml", yaml.safe_load(example), {}), Governance)
    assert read is not None and not wrong
    asked = asked_for(read.wire.policy(), "high", Mode.CANARY)
    assert asked.evidence[Figure.SHADOW_DAYS].number == 14 and len(asked.seats) == 2
