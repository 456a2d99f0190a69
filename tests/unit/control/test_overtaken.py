"""What is said between the judgement of a raise and its entry on the chain counts; and so for a retirement."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.approving import CLINICAL, DIGEST, OTHER, POLICY, SERVICE, person
from tests.fakes.raised import ADA, Stage
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.control.askers import ChangeRefused, Why
from wardgate.domain.admin_tokens import Role
from wardgate.domain.approvals import bears, policy_subject, subject_of
from wardgate.domain.audit import Action, Deed, Result
from wardgate.domain.durable import SqlitePlace
from wardgate.domain.governance import Demand, Need, Policy, digest_of, text_of
from wardgate.domain.outcomes import Mode

RAISED = (Action.ROLLOUT_CHANGE, Result.DONE)
DENIED = (Action.ROLLOUT_CHANGE, Result.DENIED)
OMAR = person("omar/0f0f0f0f0f0f", Role.OPERATOR)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path, lambda path: Sqlite(SqlitePlace(str(path))))
    yield stage
    stage.close()


def _stricter(stage: Stage) -> None:
    demands = {**POLICY.tiers["high"], Mode.CANARY: Demand((Need(CLINICAL, 2),), True)}
    policy = Policy({"high": demands})
    for who in ("ada/0c0c0c0c0c0c", "eve/0d0d0d0d0d0d"):
        stage.approving.say(Action.GOVERNANCE_APPROVE, policy_subject(digest_of(policy)), who, text_of(policy))


def _retire(stage: Stage) -> None:
    stage.approving.say(Action.RELEASE_RETIRE, subject_of(SERVICE, DIGEST), "os:sam", "retired")


def _announce(stage: Stage) -> None:
    stage.approving.say(Action.RELEASE_RETIRING, subject_of(SERVICE, DIGEST), "os:sam", "2027-01-01T00:00:00.000Z")


def _author(stage: Stage) -> None:
    stage.approving.submit(DIGEST, "mira/0a0a0a0a0a0a")


@pytest.mark.parametrize("say", [Stage.withdraw, _stricter, _retire, _announce, _author], ids=lambda say: say.__name__)
def test_what_is_said_just_before_a_raise_is_written_keeps_it_back(stage: Stage, say: Callable[[Stage], None]) -> None:
    stage.snapshots.hooks = [lambda: say(stage)]
    with pytest.raises(ChangeRefused) as refused:
        stage.promote()
    assert refused.value.why is Why.GATES
    assert stage.rollout.mode is Mode.SILENT and stage.snapshots.tries == 1
    said = stage.said()
    assert RAISED not in said and said[-1] == DENIED


def test_what_is_withdrawn_while_the_figures_are_looked_at_keeps_it_back(stage: Stage) -> None:
    """The approvals were read before, and records take their time."""
    stage.approving.looking = [stage.withdraw]
    with pytest.raises(ChangeRefused) as refused:
        stage.promote()
    assert refused.value.why is Why.GATES and stage.rollout.mode is Mode.SILENT
    assert RAISED not in stage.said() and len(stage.approving.seen) == 2


def test_also_where_a_second_person_puts_back(stage: Stage) -> None:
    stage.promote()
    stage.approving.rollout = stage.rollout
    stage.desk.change(ADA, SERVICE, {"mode": Mode.OFF})
    stage.snapshots.hooks = [stage.withdraw]
    with pytest.raises(ChangeRefused) as refused:
        stage.desk.put_back(OMAR, SERVICE)
    assert refused.value.why is Why.GATES and stage.rollout.mode is Mode.OFF


def test_what_leaves_it_as_it_is_costs_another_look(stage: Stage) -> None:
    stage.snapshots.hooks = [lambda: stage.approving.submit(OTHER)]
    stage.promote()
    assert stage.rollout.mode is Mode.CANARY and stage.snapshots.tries == 2
    assert stage.said()[-2:] == [(Action.RELEASE_SUBMIT, Result.DONE), RAISED]
    assert stage.said().count(RAISED) == 1


def test_what_is_no_matter_of_releases_costs_nothing(stage: Stage) -> None:
    """Nor what was denied: else whoever may do nothing could keep everybody from raising."""
    trail, subject = stage.approving.ground.trail, subject_of(SERVICE, DIGEST)
    denied = Deed(who="eve", what=Action.RELEASE_WITHDRAW, subject=subject, result=Result.DENIED)
    others = [Deed(who="eve", what=what, subject="x") for what in (Action.CIRCUIT_ISOLATE, Action.TOKEN_NEW)]
    stage.snapshots.hooks = [lambda: [trail.require(deed) for deed in (denied, *others)]]
    stage.promote()
    assert stage.rollout.mode is Mode.CANARY and stage.snapshots.tries == 1


def test_tries_are_bounded_and_told(stage: Stage) -> None:
    stage.snapshots.hooks = [lambda: stage.approving.submit(OTHER)] * 100
    with pytest.raises(ChangeRefused) as refused:
        stage.promote()
    assert refused.value.why is Why.STALE and "something new was said of approvals" in refused.value.what
    assert stage.snapshots.tries == 8 and stage.rollout.mode is Mode.SILENT
    assert RAISED not in stage.said() and stage.said()[-1] == DENIED


def test_a_lowering_asks_for_no_approval(stage: Stage) -> None:
    stage.promote()
    stage.snapshots.hooks = [stage.withdraw]
    stage.desk.change(ADA, SERVICE, {"mode": Mode.OFF})
    assert stage.rollout.mode is Mode.OFF and stage.snapshots.tries == 2


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"what":3}', "\udcff", '{"what":"drill"}'])
def test_what_cannot_be_read_may_bear(text: str) -> None:
    assert bears(text)
