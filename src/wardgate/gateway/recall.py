"""What is kept of earlier calls, and what a later one makes of it. One read before a call, writes after it.

    kept      under client, FHIR server, patient and …       where the store is down
    answer    service, hook, hookInstance                    the call is computed anew
    score     service, encounter, release digest             the ladder's next step
    shown     service, encounter, what `suppress` names      the card is shown
    notice    service, user                                  the notice is shown

Every key is a pseudonym (law 4) and belongs to one patient (law 11). The site of a score, which may be known only from
the chart, stands in the value. What cannot be decoded, after an update say, is not there.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import TypeVar

import msgspec

from wardgate.domain.decisions.cached import CachedScore, Keyed, LastScore, keep, last_score
from wardgate.domain.decisions.decision import Decision
from wardgate.domain.decisions.ladder import IN_DOUBT
from wardgate.domain.decisions.suppression import (
    Repetition,
    ShownMark,
    mark_of,
    repetition,
    repetition_of_notice,
)
from wardgate.domain.features.vector import FeatureVector
from wardgate.domain.outcomes import Outcome, Reason, Step
from wardgate.domain.plans import ReleasePlan
from wardgate.domain.record_names import RecordNames
from wardgate.domain.rollout.assignment import closed
from wardgate.domain.rollout.rollouts import Rollout
from wardgate.gateway.answers import ANSWER_TTL, answer_of, outcome_of
from wardgate.gateway.call import HookCall, Kept
from wardgate.gateway.hot import HotCache, HotKey
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.ports import AnswerVault, FaultLog, Snapshots

Later = Callable[[Callable[[HookOutcome], None], HookOutcome], object]
"""Runs a function when the answer is on its way: the loop's `call_soon`."""

Trouble = Callable[[str], Reason | None]
"""Why the model of a release, by its digest, is not believed now; None: it is."""

_FINGERPRINT_BYTES = 8

_encode = msgspec.msgpack.Encoder().encode
_score = msgspec.msgpack.Decoder(CachedScore)
_mark = msgspec.msgpack.Decoder(ShownMark)
_time = msgspec.msgpack.Decoder(float)
T = TypeVar("T")


class Recall:
    def __init__(
        self,
        cache: HotCache,
        fingerprint_key: bytes,
        vault: AnswerVault,
        snapshots: Snapshots,
        trouble: Trouble,
        faults: FaultLog,
        later: Later,
        names: RecordNames,
    ) -> None:
        """`fingerprint_key` is one of the purpose `cache`."""
        self._cache = cache
        self._key = fingerprint_key
        self._vault = vault
        self._snapshots = snapshots
        self._trouble = trouble
        self._faults = faults
        self._later = later
        self._names = names

    # before

    async def look_up(self, call: HookCall) -> None:
        """All that this call may ask, in one round trip; nothing where no card can come of it."""
        snapshot = self._snapshots.current()
        if closed(snapshot, call.plan.id, call.now) is not None:
            return
        asked = self._keys(call, snapshot.rollouts[call.plan.id])
        values = await self._cache.read(list(asked.values()))
        call.memory.asked = asked
        if values is not None:
            call.memory.found = {kind: value for kind, value in zip(asked, values, strict=True) if value is not None}

    def _keys(self, call: HookCall, rollout: Rollout) -> dict[str, HotKey]:
        request, plan, key = call.request, call.plan, self._cache.key
        whose = (request.client.name, request.fhir_server, request.patient_id, plan.id)
        user = f"{request.user_type}/{request.user_id}" if request.user_id is not None else None
        asked: dict[str, HotKey] = {Kept.ANSWER: key(Kept.ANSWER, *whose, plan.hook, request.hook_instance)}
        for digest in rollout.answering:
            release = plan.releases.get(digest)
            if release is not None and release.basis is not None:
                asked[digest] = key(Kept.SCORE, *whose, request.encounter_id, digest)
        rule = plan.suppression
        if rule is not None and not (rule.user and user is None):  # nobody is known to have seen it: shown
            named = (user if rule.user else None, plan.hook if rule.hook else None)
            asked[Kept.SHOWN] = key(Kept.SHOWN, *whose, request.encounter_id, *named)
        if plan.notice_every is not None and user is not None:
            asked[Kept.NOTICE] = key(Kept.NOTICE, *whose, user)
        return asked

    # during

    def answer(self, call: HookCall) -> HookOutcome | None:
        """What the same request was answered a moment ago, if nothing that people decide has changed since, and the
        model has not lost what makes its scores count (law 2)."""
        sealed = call.memory.found.get(Kept.ANSWER)
        if sealed is None:
            return None
        opened = self._vault.open(call.memory.asked[Kept.ANSWER][0], call.body, sealed)
        outcome = None if opened is None else outcome_of(opened, call, self._snapshots.current(), self._names)
        return None if outcome is None or self._in_trouble(outcome) else outcome

    def _in_trouble(self, outcome: HookOutcome) -> bool:
        """As it would be for the call that it repeats: a cached score counts while its model is only out of reach."""
        if outcome.release is None or outcome.step not in (Step.MODEL, Step.CACHED):
            return False
        trouble = self._trouble(outcome.release.digest)
        return trouble is not None and (outcome.step is Step.MODEL or trouble in IN_DOUBT)

    def last_score(
        self, call: HookCall, release: ReleasePlan, vector: FeatureVector, site: str | None
    ) -> LastScore | None:
        kept = _found(call, release.digest, _score)
        if kept is None or release.basis is None:
            return None
        return last_score(kept, vector, release.basis, site, self._keyed(call, release))

    def repetition(
        self, call: HookCall, release: ReleasePlan, decision: Decision, step: Step, site: str | None
    ) -> bool:
        """Whether the card would repeat the one before. Noted, so that a retry leaves no mark of its own."""
        rule = call.plan.suppression
        if rule is None:
            return False
        mark = mark_of(decision, step, release.digest, site, call.now)
        call.memory.repetition = repetition(rule, _found(call, Kept.SHOWN, _mark), mark)
        return call.memory.repetition is Repetition.REPEAT

    def repetition_of_notice(self, call: HookCall, every: float) -> bool:
        call.memory.repetition = repetition_of_notice(_found(call, Kept.NOTICE, _time), call.now, every)
        return call.memory.repetition is Repetition.REPEAT

    # after

    def keep(self, outcome: HookOutcome) -> None:
        """What the clinician really got is kept, and not before the answer is on its way."""
        call = outcome.call
        if call.memory.asked and outcome.repeats is None:
            call.memory.unheard = bool(outcome.cards) and call.gone()
            self._later(self._keep, outcome)

    def _keep(self, outcome: HookOutcome) -> None:
        try:
            self._keep_score(outcome)
            self._keep_mark(outcome)
            self._keep_answer(outcome)
        except Exception as error:  # nobody waits for this any more, and the loop would log the message
            self._faults.fault("recall", error)

    def _keep_score(self, outcome: HookOutcome) -> None:
        """Of every call that the model answered, also where nothing was shown of it: an older score must not come back
        in place of a newer one."""
        release, prediction = outcome.release, outcome.prediction
        if prediction is None or release is None or release.basis is None:
            return
        key = outcome.call.memory.asked.get(release.digest)
        if key is None:
            return
        if outcome.vector is not None and outcome.caller is not None:
            keyed = self._keyed(outcome.call, release)
            kept = keep(prediction, outcome.vector, release.basis, outcome.caller.site, keyed)
            self._cache.write(key, _encode(kept), release.kept_for)

    def _keep_mark(self, outcome: HookOutcome) -> None:
        call, decision, release = outcome.call, outcome.decision, outcome.release
        if not outcome.cards or call.memory.repetition is not Repetition.NEW or release is None:
            return
        if outcome.preview:  # nobody was shown it for care
            return
        if call.memory.unheard:  # a mark would hide it from whom nobody has shown it
            return
        if outcome.outcome is Outcome.UNAVAILABLE:
            key, every = call.memory.asked.get(Kept.NOTICE), call.plan.notice_every
            if key is not None and every is not None:
                self._cache.write(key, _encode(call.now), every)
        elif outcome.outcome is Outcome.SHOWN and decision is not None and call.plan.suppression is not None:
            key = call.memory.asked.get(Kept.SHOWN)
            if key is not None:
                site = None if outcome.caller is None else outcome.caller.site
                mark = mark_of(decision, outcome.step, release.digest, site, call.now)
                self._cache.write(key, _encode(mark), call.plan.suppression.lasts)

    def _keep_answer(self, outcome: HookOutcome) -> None:
        answer = answer_of(outcome, self._snapshots.current())
        if answer is not None:
            key = outcome.call.memory.asked[Kept.ANSWER]
            self._cache.write(key, self._vault.seal(key[0], outcome.call.body, answer), ANSWER_TTL)

    def _keyed(self, call: HookCall, release: ReleasePlan) -> Keyed:
        """Fingerprints of one patient under one release: alike in no other place."""
        whose = call.memory.asked[release.digest][0]
        key = self._key

        def keyed(what: bytes) -> bytes:
            return blake2b(whose + what, key=key, digest_size=_FINGERPRINT_BYTES).digest()

        return keyed


def _found(call: HookCall, kind: str, decoder: msgspec.msgpack.Decoder[T]) -> T | None:
    value = call.memory.found.get(kind)
    if value is None:
        return None
    try:
        return decoder.decode(value)
    except msgspec.MsgspecError:
        return None
