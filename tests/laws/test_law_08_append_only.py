"""Law 8: audit is append-only, and its chain verifies offline.

The machine that verifies is `tests/unit/domain/test_audit.py`; the stores, writers at once and kill -9 are
`tests/contract/test_audit_store.py`; exports and both verifiers, `tests/unit/cli/test_audit.py`. Here is the law as the
auditor has it: whatever is done to an export, one byte at a time, is seen and located.
"""

import random

from tests.fakes.audit import chain_of
from wardgate.domain.audit import Anchor, moment
from wardgate.domain.audit_verification import Verifier

CHAIN = chain_of(40)


def test_no_single_byte_of_an_export_can_change_unseen() -> None:
    """At a thousand places of it, each by a byte that is not there."""
    rng, lines = random.Random(8), [entry.line for entry in CHAIN]
    for _ in range(1000):
        at = rng.randrange(len(lines))
        changed = bytearray(lines[at])
        place = rng.randrange(len(changed))
        changed[place] = rng.choice([byte for byte in range(256) if byte not in (changed[place], ord("\n"))])
        verifier = Verifier()
        for line in [*lines[:at], bytes(changed), *lines[at + 1 : at + 3]]:
            verifier.take(line)
        (found,) = verifier.verdict().found
        assert (found.first, found.last) == (at + 1, at + 1)


def test_no_end_can_be_cut_off_before_an_anchor_unseen() -> None:
    anchor = Anchor(30, CHAIN[29].seal, moment(0), "0" * 16)
    for kept in range(41):
        verifier = Verifier([anchor])
        for entry in CHAIN[:kept]:
            verifier.take(entry.line)
        assert verifier.verdict().sound == (kept >= 30)
        assert verifier.verdict().unproven == (kept - 30 if kept >= 30 else kept)
