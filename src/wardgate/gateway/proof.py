"""What has been proven of an endpoint, and which of its replies are believed: a pure machine, without clock or I/O.

Connections are numbered in the order in which they were opened. A process that is replaced answers on none that is
opened after it, and its successor on none that was opened before. So a round of probes that came over number n says
who answers over n and, since it was asked later, over those between the last proof and n; never over a newer one.

A reply is believed while the proof holds and its connection is at or below the newest proven one. Any other has to wait
for a round that comes over its own connection or a newer one. Of the connections that there were when a round failed,
some lead to whoever answered it: what comes over those is believed no more.
"""

from collections.abc import Callable
from enum import StrEnum


class Proof(StrEnum):
    PENDING = "probe_pending"  # not run yet, or the endpoint could not be asked
    FAILED = "probe_failed"  # it answered, and not as the pinned model does
    PASSED = "passed"


class Evidence:
    """`connection` is None where the HTTP client cannot number its connections; such a reply is believed while the
    proof holds, and heartbeats renew the proof instead. `told` hears of each change of the proof."""

    def __init__(self, told: Callable[[Proof], None] = lambda proof: None) -> None:
        self._told = told
        self._proof = Proof.PENDING
        self._newest = 0
        self._lost = 0
        self._doubts = 0
        self.doubted = False
        """Whether a proof that held was lost, and no round has ended since."""

    @property
    def proof(self) -> Proof:
        return self._proof

    def believes(self, connection: int | None) -> bool:
        return self._proof is Proof.PASSED and (connection is None or self._lost < connection <= self._newest)

    def doubt(self) -> None:
        """Another process may answer now: nothing is believed until a round that begins after this has passed."""
        self._doubts += 1
        self.doubted = self.doubted or self._proof is Proof.PASSED
        self._become(Proof.PENDING)

    def begin(self) -> int:
        """A round begins: what `end` has to be given."""
        return self._doubts

    def end(self, begun: int, found: Proof, connection: int | None) -> bool:
        """A round has ended. `connection`: the oldest over which its probes came; where it failed, the newest that was
        opened to anybody. False: a doubt arose meanwhile, so that it passed says nothing about who answers now."""
        if found is Proof.PASSED:
            if begun != self._doubts:
                return False
            self._newest = max(self._newest, connection or 0)
        elif found is Proof.FAILED:
            self._lost = max(self._lost, connection or 0)
        self.doubted = False
        self._become(found)
        return True

    def _become(self, proof: Proof) -> None:
        if proof is not self._proof:
            self._proof = proof
            self._told(proof)
