"""An answer as the EHR gets it, as it is held for a repeat of its request, and the outcome that it is once more."""

import msgspec

from wardgate.domain.cards.card import Action, Card
from wardgate.domain.context.caller import Caller
from wardgate.domain.decisions.decision import Decision
from wardgate.domain.decisions.rules import Show
from wardgate.domain.outcomes import OUTCOME_OF, Outcome, Reason, Step
from wardgate.domain.record_names import RecordNames
from wardgate.domain.rollout.assignment import Assignment
from wardgate.domain.rollout.rollouts import Snapshot
from wardgate.gateway.assigning import assigned
from wardgate.gateway.call import HookCall
from wardgate.gateway.outcome import HookOutcome

ANSWER_TTL = 60.0
"""Seconds in which a repeat gets the same answer."""

_HELD = frozenset(
    {
        Outcome.SHOWN,
        Outcome.WITHHELD,
        Outcome.BELOW_THRESHOLD,
        Outcome.SUPPRESSED,
        Outcome.DEFERRED,
        Outcome.OUT_OF_SCOPE,
    }
)
"""What was unavailable, refused or shed is tried anew."""

_PASSING = frozenset({Reason.HIDDEN_SNAPSHOT, Reason.RECORD_UNAVAILABLE})
"""Withheld by what may be over at the next call."""


class _Written(msgspec.Struct, omit_defaults=True, rename="camel"):
    cards: tuple[Card, ...]
    system_actions: tuple[Action, ...] = ()


class _Answer(msgspec.Struct, frozen=True, array_like=True):
    decision_id: str
    caller: Caller
    assignment: Assignment
    reason: Reason
    step: Step
    written: msgspec.Raw


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Answer).decode
_read = msgspec.json.Decoder(_Written).decode


def written(outcome: HookOutcome) -> bytes:
    """The JSON of what leaves ("CDS Service Response"): once for the EHR and for a repeat. `outcome` is the last that
    becomes of its call."""
    memory = outcome.call.memory
    if not memory.written:
        memory.written = _encode(_Written(outcome.cards, outcome.system_actions))
    return memory.written


def answer_of(outcome: HookOutcome, snapshot: Snapshot) -> bytes | None:
    """None: not to be held. `snapshot` is the newest; an answer of an older one is nobody's any more."""
    assignment = outcome.assignment
    if (
        outcome.release is None
        or assignment is None
        or outcome.caller is None
        or outcome.outcome not in _HELD
        or outcome.reason in _PASSING
    ):
        return None
    if assignment.epoch != snapshot.epoch:
        return None
    json = msgspec.Raw(written(outcome))
    return _encode(_Answer(outcome.call.decision_id, outcome.caller, assignment, outcome.reason, outcome.step, json))


def outcome_of(held: bytes, call: HookCall, snapshot: Snapshot, names: RecordNames) -> HookOutcome | None:
    """The same outcome for `call`. None where it would be assigned otherwise by now, or the configuration is another:
    visibility is obeyed to the last moment (law 3). The epoch alone does not say so: a ceiling comes without one, and
    the answer may be another process's."""
    try:
        answer = _decode(held)
        left = _read(answer.written)
    except msgspec.MsgspecError:
        return None
    assignment = answer.assignment
    release = call.plan.releases.get(assignment.release)
    if release is None or assignment != assigned(snapshot, call, answer.caller, names):
        return None
    card = left.cards[0] if left.cards else None
    shown = OUTCOME_OF[answer.reason] is Outcome.DEFERRED and card is not None
    return HookOutcome(
        call,
        answer.reason,
        answer.step,
        assignment,
        release,
        answer.caller,
        decision=Decision(answer.reason, Show.CARD if shown else Show.NONE),
        rendered=card,
        proposed=left.system_actions,
        repeats=answer.decision_id,
    )
