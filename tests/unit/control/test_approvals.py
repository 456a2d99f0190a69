"""The desk of approvals: what it takes, and what it refuses with which words. The ways around it: law 2."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from tests.fakes.approving import (
    CLINICAL,
    DIGEST,
    JON,
    MIRA,
    OTHER,
    POLICY,
    SERVICE,
    TECHNICAL,
    Approving,
    person,
)
from tests.fakes.audit import MemoryChain
from wardgate.control.approvals import LONGEST, ApprovalRefused, Cause
from wardgate.control.askers import CODES
from wardgate.domain.admin_tokens import Role
from wardgate.domain.approvals import highest, person_of, subject_of
from wardgate.domain.audit import Action
from wardgate.domain.gates import Verdict
from wardgate.domain.governance import BUILT_IN, Figure, digest_of
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.rollouts import Rollout

DAY = 86400.0
ASKING = msgspec.structs.replace(MIRA, remark="Few patients at night: the ward is closed.")


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Approving]:
    made = Approving(tmp_path, store=MemoryChain())
    yield made
    made.close()


def allow(
    ground: Approving, who: object = ASKING, until: float = 14 * DAY, figure: Figure = Figure.SHADOW_DAYS
) -> None:
    until = ground.now + until if until else 0.0
    ground.desk.allow(who, SERVICE, DIGEST, Mode.SILENT, figure, until)  # type: ignore[arg-type]


def refused(ground: Approving, cause: Cause, act: Callable[[], object]) -> ApprovalRefused:
    before = len(ground.ground.said())
    with pytest.raises(ApprovalRefused) as raised:
        act()
    said = [entry for entry in ground.ground.said() if entry["result"] == "done"]
    assert raised.value.cause is cause and len(said) == before and raised.value.what.endswith(".")
    return raised.value


def test_an_approval_stands_on_the_chain_as_a_person_reads_it(ground: Approving) -> None:
    given = ground.desk.approve(MIRA, SERVICE, DIGEST, Mode.CANARY, CLINICAL)
    said = ground.ground.said()[-1]
    assert (said["who"], said["what"], said["to"]) == (MIRA.who, "release.approve", "canary as approver-clinical")
    assert given.number == said["number"] and said["subject"] == subject_of(SERVICE, DIGEST)
    standing = ground.desk.standing(SERVICE, DIGEST)
    assert [each.holder for each in standing.approvals] == ["canary as approver-clinical by mira"]
    assert standing.authors == ("sam",) and highest(standing.approvals) is Mode.CANARY


@pytest.mark.parametrize(
    ("cause", "mode", "digest", "role"),
    [
        (Cause.STEP, Mode.OFF, DIGEST, CLINICAL),
        (Cause.UNKNOWN, Mode.CANARY, OTHER, CLINICAL),
        (Cause.UNKNOWN, Mode.CANARY, "sha256:" + "9" * 64, CLINICAL),
        (Cause.UNKNOWN, Mode.CANARY, "Mary Miller", CLINICAL),
        (Cause.ROLE, Mode.CANARY, DIGEST, Role.ADMIN),
    ],
    ids=["off", "not submitted", "unknown", "no digest", "no approver"],
)
def test_what_cannot_be_approved(ground: Approving, cause: Cause, mode: Mode, digest: str, role: Role) -> None:
    error = refused(ground, cause, lambda: ground.desk.approve(MIRA, SERVICE, digest, mode, role))
    assert "Miller" not in error.what + error.remedy


def test_what_is_retired_is_not_approved(ground: Approving) -> None:
    """Nor what is announced to retire, until that is taken back."""
    ground.say(Action.RELEASE_RETIRING, subject_of(SERVICE, DIGEST), "os:sam", "2027-01-01T00:00:00.000Z")
    refused(ground, Cause.RETIRED, lambda: ground.approve(MIRA))
    assert "retired" in ground.missing()
    ground.say(Action.RELEASE_RETIRING, subject_of(SERVICE, DIGEST), "os:sam", "stays")
    ground.approve(MIRA)
    ground.say(Action.RELEASE_RETIRE, subject_of(SERVICE, DIGEST), "os:sam")
    refused(ground, Cause.RETIRED, lambda: ground.approve(JON))


def test_a_higher_mode_takes_the_place_of_a_lower_one_and_not_the_other_way(ground: Approving) -> None:
    ground.approve(JON, Mode.SILENT)
    ground.approve(JON, Mode.ACTIVE)
    refused(ground, Cause.TWICE, lambda: ground.approve(JON, Mode.SILENT))
    assert [each.state for each in ground.desk.standing(SERVICE, DIGEST).approvals] == ["active as approver-technical"]


def test_a_reason_that_the_chain_does_not_take_is_refused_without_it(ground: Approving) -> None:
    careless = msgspec.structs.replace(MIRA, reason="Mary Miller said so")
    error = refused(ground, Cause.INVALID, lambda: ground.approve(careless))
    assert "Miller" not in error.what + error.remedy
    assert ground.denied() == []


def test_nobody_approves_without_a_reason(ground: Approving) -> None:
    """Neither a release, nor an exception, nor the policy; an approval is taken back without one."""
    mira = msgspec.structs.replace(MIRA, reason="", remark="Few patients at night.")
    for ask in (
        partial(ground.desk.approve, mira, SERVICE, DIGEST, Mode.CANARY, CLINICAL),
        partial(allow, ground, mira),
        partial(ground.desk.approve_policy, mira, BUILT_IN),
    ):
        assert refused(ground, Cause.REASON, ask).codes == CODES
    ground.desk.approve(MIRA, SERVICE, DIGEST, Mode.CANARY, CLINICAL)
    assert ground.desk.withdraw(mira, SERVICE, DIGEST)


def test_an_administrator_withdraws_what_somebody_approved(ground: Approving) -> None:
    """Whose token is lost; an expired or revoked one takes nothing back by itself."""
    ground.approve(JON, Mode.SILENT)
    admin = person("root/0f0f0f0f0f0f", Role.ADMIN)
    elsewhere = msgspec.structs.replace(admin, services=frozenset({"deterioration"}))
    refused(ground, Cause.ROLE, lambda: ground.desk.withdraw(elsewhere, SERVICE, DIGEST, "jon"))
    refused(ground, Cause.NOTHING, lambda: ground.desk.withdraw(admin, SERVICE, DIGEST, "ada"))
    (taken,) = ground.desk.withdraw(admin, SERVICE, DIGEST, "jon")
    assert taken.person == "jon" and ground.missing(Mode.SILENT) == {"approver-technical"}


@pytest.mark.parametrize(
    ("who", "name"), [("mira/0a1b2c3d4e5f", "mira"), ("os:Mira", "mira"), ("os:1000", "1000"), ("local", "local")]
)
def test_a_name_is_a_persons(who: str, name: str) -> None:
    assert person_of(who) == name


# --- exceptions -------------------------------------------------------------------------------------------------------


def test_an_exception_holds_once_a_second_person_says_the_same_and_until_it_ends(ground: Approving) -> None:
    ground.approve(JON, Mode.SILENT)
    ground.figures[Figure.SHADOW_DAYS] = 3.0
    allow(ground)
    line = ground.lines(Mode.SILENT)["shadow_days"]
    assert line.verdict is Verdict.FAIL and line.reason.startswith("exception asked for by mira")
    allow(ground, JON, 0.0)
    line = ground.lines(Mode.SILENT)["shadow_days"]
    assert line.verdict is Verdict.EXCEPTED and ground.missing(Mode.SILENT) == set()
    ground.now += 14 * DAY
    assert ground.missing(Mode.SILENT) == {"shadow_days"}


def test_exceptions_that_are_refused(ground: Approving) -> None:
    """Without a rationale, without an end or too far off, where the policy allows none, by one person twice, by the
    author, by nobody who approves."""
    refused(ground, Cause.REMARK, lambda: allow(ground, MIRA))
    for until in (-1.0, LONGEST + DAY, 0.0):
        refused(ground, Cause.TIME, partial(allow, ground, until=until))
    refused(ground, Cause.NOTHING, lambda: allow(ground, figure=Figure.NIGHTS))
    errors = (SERVICE, DIGEST, Mode.CANARY, Figure.ERRORS, ground.now + DAY)
    refused(ground, Cause.NOT_ALLOWED, lambda: ground.desk.allow(ASKING, *errors))
    author = person("sam/0f0f0f0f0f0f", TECHNICAL, remark="It is fine.")
    refused(ground, Cause.AUTHOR, lambda: allow(ground, author))
    refused(ground, Cause.ROLE, lambda: allow(ground, person("root/0f0f0f0f0f0f", Role.ADMIN, remark="It is fine.")))
    allow(ground)
    again = msgspec.structs.replace(ASKING, who="mira/ffffffffffff")
    refused(ground, Cause.TWICE, lambda: allow(ground, again, 0.0))


def test_the_rationale_is_beside_the_chain_where_it_can_be_erased(ground: Approving) -> None:
    allow(ground)
    said = ground.ground.said()[-1]
    remark = ground.ground.store.remark(str(said["id"]))
    assert remark is not None and remark.text == ASKING.remark and "night" not in str(said)
    assert str(said["to"]).startswith("silent without shadow_days until 2026-10-05T")


# --- gates ------------------------------------------------------------------------------------------------------------


def test_only_what_is_demanded_is_looked_for_and_by_whom(ground: Approving) -> None:
    ground.gates.gates_of(SERVICE, DIGEST, Mode.CANARY, who="os:ada")
    assert ground.seen == [(DIGEST, "os:ada", "errors", "shadow_days")]
    ground.rollout = Rollout(DIGEST, Mode.SILENT)
    ground.gates.gates_of(SERVICE, DIGEST, Mode.CANARY)
    assert ground.seen[-1] == (DIGEST, "gateway", "errors")


def test_a_lower_tier_is_no_way_around(ground: Approving) -> None:
    """Where the release whose place it takes has a higher one."""
    facts = {DIGEST: "low", OTHER: "high"}
    ground._tier_of = lambda service, digest: facts.get(digest)  # type: ignore[method-assign]
    ground.begin_again()
    alone = {line.name for line in ground.gates.gates_of(SERVICE, DIGEST, Mode.SILENT)}
    ground.rollout = Rollout(OTHER, Mode.ACTIVE)
    beside = {line.name for line in ground.gates.gates_of(SERVICE, DIGEST, Mode.SILENT)}
    assert "shadow_days" not in alone and "shadow_days" in beside
    assert ground.gates.approvals_of(SERVICE, DIGEST, Mode.SILENT), "nor for what is shown already"


def test_a_lower_tier_is_no_way_around_in_two_steps(ground: Approving) -> None:
    """First the release of the lower tier takes the place in mode off, which anybody may do; then it is raised. What
    has the higher tier counts until it is retired."""
    facts = {DIGEST: "low", OTHER: "high"}
    ground._tier_of = lambda service, digest: facts.get(digest)  # type: ignore[method-assign]
    ground.begin_again()
    ground.submit(OTHER)
    ground.rollout = Rollout(DIGEST, Mode.OFF)
    assert "shadow_days" in {line.name for line in ground.gates.gates_of(SERVICE, DIGEST, Mode.SILENT)}
    ground.say(Action.RELEASE_RETIRE, subject_of(SERVICE, OTHER), "os:sam", "retired")
    assert "shadow_days" not in {line.name for line in ground.gates.gates_of(SERVICE, DIGEST, Mode.SILENT)}


def test_a_release_that_nobody_knows_passes_nothing(ground: Approving) -> None:
    (line,) = ground.gates.gates_of(SERVICE, "sha256:" + "9" * 64, Mode.SHADOW)
    assert line.verdict is Verdict.UNKNOWN and not ground.gates.approved(SERVICE, "sha256:" + "9" * 64, Mode.SHADOW)


def test_failing_gates_are_sentences(ground: Approving) -> None:
    ground.figures[Figure.ERRORS] = 0.5
    ground.approve(MIRA)
    assert ground.gates.failing(SERVICE, DIGEST, Mode.CANARY) == [
        "approver-technical: needs at least 1, found 0",
        "errors: needs at most 0.01, found 0.5 (none)",
    ]


def test_health_says_which_policy_holds_and_what_the_files_wait_for(ground: Approving) -> None:
    assert ground.desk.health(POLICY) == {
        "state": "holds",
        "policy": digest_of(POLICY),
        "approved_by": "ada, eve",
    }
    ground.desk.approve_policy(MIRA, BUILT_IN)
    told = ground.desk.health(BUILT_IN)
    assert (told["state"], told["policy"], told["proposed"]) == ("waits", digest_of(POLICY), digest_of(BUILT_IN))
    assert told["why"] == "governance.yaml waits: 1 of 2 people have approved it (wardgate approve governance)"
    chain = ground.ground.store
    assert isinstance(chain, MemoryChain)
    chain.list.pop()
    assert ground.desk.health(POLICY)["state"] == "unknown" and ground.gates.put_back_within() == 0.0


def test_how_long_something_can_be_put_back_is_the_policys_that_holds(ground: Approving) -> None:
    assert ground.gates.put_back_within() == DAY
    for who in (MIRA, JON):
        ground.desk.approve_policy(who, msgspec.structs.replace(POLICY, put_back_within=3600.0))
    assert ground.gates.put_back_within() == 3600.0


def test_the_proposed_policy_beside_the_one_that_holds(ground: Approving) -> None:
    same = ground.desk.proposed(POLICY)
    assert not same.waits and same.charter.approved == ("ada", "eve")
    refused(ground, Cause.NOTHING, lambda: ground.desk.approve_policy(MIRA, POLICY))


def test_a_token_for_some_services_has_no_say_in_the_policy_of_all(ground: Approving) -> None:
    scoped = msgspec.structs.replace(MIRA, services=frozenset({SERVICE}))
    refused(ground, Cause.SERVICE, lambda: ground.desk.approve_policy(scoped, BUILT_IN))
    assert ground.desk.proposed(BUILT_IN).people == ()
    assert ground.denied() == [(MIRA.who, "governance.approve", "service")]
