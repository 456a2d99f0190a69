"""People who approve, on a real chain or one in memory: a desk, gates, and figures that a test sets."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import msgspec

from tests.fakes.audit import AuditGround
from wardgate.control.approvals import ApprovalDesk
from wardgate.control.askers import Asker
from wardgate.control.audit import AuditStore
from wardgate.control.chain_reader import ChainReader
from wardgate.control.gates import Gates, ReleaseFacts
from wardgate.domain.admin_tokens import Role
from wardgate.domain.approvals import policy_subject, subject_of
from wardgate.domain.audit import Action, Deed
from wardgate.domain.gates import GateLine, Reading
from wardgate.domain.governance import Demand, Figure, Need, Policy, digest_of, text_of
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.rollouts import Rollout

SERVICE = "kidney-failure"
DIGEST, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
CLINICAL, TECHNICAL = Role.APPROVER_CLINICAL, Role.APPROVER_TECHNICAL
POLICY = Policy(
    {
        "high": {
            Mode.SILENT: Demand((Need(TECHNICAL),), evidence={Figure.SHADOW_DAYS: 7}, exception=True),
            Mode.CANARY: Demand((Need(CLINICAL), Need(TECHNICAL)), True, {Figure.ERRORS: 0.01}),
            Mode.ACTIVE: Demand((Need(CLINICAL, 2),), True),
        }
    }
)
"""Short, so that a test says what it is about."""


def person(who: str, *roles: Role, **changes: object) -> Asker:
    return msgspec.structs.replace(Asker(who=who, roles=frozenset(roles or (CLINICAL,)), reason="validated"), **changes)


MIRA, JON = person("mira/0a0a0a0a0a0a", CLINICAL), person("jon/0b0b0b0b0b0b", TECHNICAL)


class Approving:
    """Submitted by `os:sam`, with all figures as they should be; under `policy`, which two people have approved."""

    def __init__(
        self,
        folder: Path,
        policy: Policy | None = POLICY,
        store: AuditStore | None = None,
        ground: AuditGround | None = None,
    ) -> None:
        self.ground = ground or AuditGround(folder, store)
        self.now = 1_790_000_000.5
        self.tier, self.figures = "high", {Figure.SHADOW_DAYS: 20.0, Figure.ERRORS: 0.0}
        self.rollout: Rollout | None = None
        self.seen: list[tuple[str, ...]] = []
        self.looking: list[Callable[[], object]] = []
        """One for each look at figures, which comes after the approvals were read."""
        self.begin_again()
        self.submit(DIGEST)
        if policy is not None:
            for who in ("ada/0c0c0c0c0c0c", "eve/0d0d0d0d0d0d"):
                self.say(Action.GOVERNANCE_APPROVE, policy_subject(digest_of(policy)), who, text_of(policy))

    def begin_again(self) -> None:
        """As another process, which has read nothing yet."""
        self.reader = ChainReader(self.ground.store)
        self.desk = ApprovalDesk(self.reader, self.ground.trail, self._tier_of, lambda: self.now)
        self.gates = Gates(
            self.reader,
            self._facts,
            self._evidence,
            lambda service, digest: True,
            lambda service: self.rollout,
            lambda: self.now,
        )

    def submit(self, digest: str, who: str = "os:sam") -> None:
        self.say(Action.RELEASE_SUBMIT, subject_of(SERVICE, digest), who)

    def say(self, what: Action, subject: str, who: str, after: str | None = None) -> None:
        self.ground.trail.require(Deed(who=who, what=what, subject=subject, after=after))

    def approve(self, who: Asker, mode: Mode = Mode.CANARY, role: Role | None = None, digest: str = DIGEST) -> None:
        self.desk.approve(who, SERVICE, digest, mode, role or min(who.roles))

    def lines(self, mode: Mode = Mode.CANARY, digest: str = DIGEST) -> dict[str, GateLine]:
        return {line.name: line for line in self.gates.gates_of(SERVICE, digest, mode)}

    def missing(self, mode: Mode = Mode.CANARY, digest: str = DIGEST) -> set[str]:
        """The names of the gates that are in the way."""
        return {name for name, line in self.lines(mode, digest).items() if not line.holds}

    def denied(self) -> list[tuple[str, str, str]]:
        """What the chain says was refused: who, what, why."""
        self.ground.trail.chain_spooled()
        said = [entry for entry in self.ground.said() if entry["result"] == "denied"]
        return [(str(each["who"]), str(each["what"]), str(each["reason"])) for each in said]

    def close(self) -> None:
        self.ground.close()

    def _tier_of(self, service: str, digest: str) -> str | None:
        return self.tier if service == SERVICE and digest in (DIGEST, OTHER) else None

    def _facts(self, service: str, digest: str) -> ReleaseFacts | None:
        tier = self._tier_of(service, digest)
        return None if tier is None else ReleaseFacts(service, digest, SERVICE, "1.0.0", tier)

    def _evidence(self, facts: ReleaseFacts, wanted: Collection[Figure], who: str) -> Mapping[Figure, Reading]:
        self.seen.append((facts.digest, who, *sorted(wanted)))
        if self.looking:
            self.looking.pop(0)()
        return {figure: Reading(self.figures.get(figure), "none") for figure in wanted}
