"""The gates before a release: what the policy demands, beside what the chain, the records and the release say."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from wardgate.control.audit import AuditUnavailable
from wardgate.control.chain_reader import ChainBroken, ChainReader
from wardgate.control.ports import StoreUnavailable
from wardgate.domain.approvals import Ledger, subject_of
from wardgate.domain.gates import GateLine, Reading, Said, Verdict, approval_lines, gate
from wardgate.domain.governance import MEASURES, Figure, Source, asked_for, higher_tier
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.rollouts import Rollout

_DAY = 86400.0


class ReleaseFacts(msgspec.Struct, frozen=True):
    """What is known of a digest without asking anybody. `required`: its required inputs; `review_by`: epoch seconds at
    which its review is due; `evidence`: how many files there are of each kind."""

    service: str
    digest: str
    model: str
    version: str
    tier: str
    required: frozenset[str] = frozenset()
    review_by: float | None = None
    evidence: Mapping[str, int] = {}


class Evidence(Protocol):
    """Figures of the gateway, from its records. Bounded in time; what could not be read says why (`Reading`)."""

    def __call__(self, facts: ReleaseFacts, wanted: Collection[Figure], who: str) -> Mapping[Figure, Reading]: ...


Facts = Callable[[str, str], ReleaseFacts | None]
"""Of a service and a digest; None: nobody knows it."""
Proves = Callable[[str, str], bool | None]
"""Whether the endpoint of a service's release proves that it runs the pinned model; None: nobody can tell."""


Current = Callable[[str], Rollout | None]
"""What is decided of a service now; None: nothing. Raises StoreUnavailable."""


class Gates:
    """Blocking, thread-safe. `open_`: whether nothing is asked (`insecure_demo`)."""

    def __init__(
        self,
        reader: ChainReader,
        facts: Facts,
        evidence: Evidence,
        proves: Proves,
        current: Current,
        now: Callable[[], float],
        open_: Callable[[], bool] = lambda: False,
    ) -> None:
        self._reader, self._facts, self._evidence, self._proves = reader, facts, evidence, proves
        self._current, self._now, self._open = current, now, open_

    def gates_of(self, service: str, digest: str, step: Mode, who: str = "gateway") -> tuple[GateLine, ...]:
        """Each gate between a release and a mode; nothing is in the way where all hold. Never raises: what cannot be
        read is a line that does not pass.

        Of the champion, the evidence of the steps up to its mode is not asked again. The highest risk tier counts of
        all releases of the service that are not retired, or an edit of `risk_tier` would be a way around, also by two
        steps of which the first shows nothing. `who` looks, for the access log.
        """
        if self._open():
            return ()
        try:
            facts, rollout = self._facts(service, digest), self._current(service)
            if facts is None:
                return (_no_release,)
            ledger = self._reader.read()
            tier = self._tier(facts, rollout, ledger)
        except (ChainBroken, AuditUnavailable, StoreUnavailable) as error:
            return (_no_answer(error),)
        standing = rollout.mode if rollout is not None and rollout.champion == digest else Mode.OFF
        asked = asked_for(ledger.charter.policy, tier, step, standing)
        readings = self._readings(facts, asked.evidence, ledger, who)
        return gate(asked, step, self._said(ledger, service, digest), readings)

    def failing(self, service: str, release: str, mode: Mode) -> Sequence[str]:
        """A sentence for each gate that does not hold."""
        return [line.sentence for line in self.gates_of(service, release, mode) if not line.holds]

    def approved(self, service: str, release: str, mode: Mode) -> bool:
        """Whether the approvals hold that it needs in that mode; evidence is not asked."""
        return all(line.holds for line in self.approvals_of(service, release, mode))

    def approvals_of(self, service: str, digest: str, mode: Mode) -> tuple[GateLine, ...]:
        """As `gates_of`, without evidence."""
        if self._open():
            return ()
        try:
            facts, rollout = self._facts(service, digest), self._current(service)
            if facts is None:
                return (_no_release,)
            ledger = self._reader.read()
            tier = self._tier(facts, rollout, ledger)
        except (ChainBroken, AuditUnavailable, StoreUnavailable) as error:
            return (_no_answer(error),)
        asked = asked_for(ledger.charter.policy, tier, mode)
        return tuple(approval_lines(asked, mode, self._said(ledger, service, digest)))

    def policy(self) -> str:
        """Digest of the one that holds; empty: nobody can tell."""
        try:
            return self._reader.read().charter.digest
        except (ChainBroken, AuditUnavailable):
            return ""

    def put_back_within(self) -> float:
        """Seconds in which one second person may put back exactly what was taken down; 0: nobody can tell."""
        try:
            return self._reader.read().charter.policy.put_back_within
        except (ChainBroken, AuditUnavailable):
            return 0.0

    def _tier(self, facts: ReleaseFacts, rollout: Rollout | None, ledger: Ledger) -> str:
        """One that cannot be compiled any more could not be shown either, and says nothing."""
        digests = {*ledger.standing(facts.service), *(() if rollout is None else (rollout.champion,))}
        others = (self._facts(facts.service, digest) for digest in sorted(digests - {facts.digest}))
        return higher_tier(facts.tier, *(other.tier for other in others if other is not None))

    def _said(self, ledger: Ledger, service: str, digest: str) -> Said:
        subject = subject_of(service, digest)
        waivers = ledger.waivers(subject, self._now())
        return Said(
            ledger.barred(subject), ledger.approvals(subject), waivers, ledger.retired(subject), ledger.void(subject)
        )

    def _readings(
        self, facts: ReleaseFacts, wanted: Collection[Figure], ledger: Ledger, who: str
    ) -> Mapping[Figure, Reading]:
        by_source: dict[Source, list[Figure]] = {}
        for figure in wanted:
            by_source.setdefault(MEASURES[figure].source, []).append(figure)
        readings = {figure: self._of_release(facts, figure) for figure in by_source.get(Source.RELEASE, ())}
        readings |= {figure: self._of_chain(facts, ledger) for figure in by_source.get(Source.CHAIN, ())}
        readings |= {figure: self._of_endpoint(facts) for figure in by_source.get(Source.ENDPOINT, ())}
        if Source.RECORDS in by_source:
            readings |= self._evidence(facts, by_source[Source.RECORDS], who)
        return readings

    def _of_release(self, facts: ReleaseFacts, figure: Figure) -> Reading:
        if figure is not Figure.REVIEW_DAYS:
            return Reading(facts.evidence.get(figure, 0))
        if facts.review_by is None:
            return Reading(None, "the release has no review_by")
        return Reading(float((facts.review_by - self._now()) // _DAY))

    def _of_chain(self, facts: ReleaseFacts, ledger: Ledger) -> Reading:
        at = ledger.drilled(facts.service)
        if at is None:
            return Reading(None, "no rollback of the service was rehearsed: wardgate drill")
        return Reading(round(max(self._now() - at, 0.0) / _DAY, 1))

    def _of_endpoint(self, facts: ReleaseFacts) -> Reading:
        proves = self._proves(facts.service, facts.digest)
        return Reading(None, "nobody can tell from here") if proves is None else Reading(float(proves))


_no_release = GateLine(
    "release", "a known one", "none", Verdict.UNKNOWN, "neither files nor store give one that can be compiled"
)


def _no_answer(error: ChainBroken | AuditUnavailable | StoreUnavailable) -> GateLine:
    if isinstance(error, StoreUnavailable):
        return GateLine("releases", "there", "not", Verdict.UNKNOWN, error.meaning)
    verdict = Verdict.FAIL if isinstance(error, ChainBroken) else Verdict.UNKNOWN
    return GateLine("audit chain", "sound and there", "not", verdict, error.meaning)
