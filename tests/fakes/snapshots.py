"""Snapshots for tests, and the key that seals them."""

import msgspec

from wardgate.control.ports import Change, KeptSnapshot, Replica
from wardgate.control.snapshots import Sealer
from wardgate.domain.outcomes import Mode
from wardgate.domain.pseudonyms import KeyRing, Purpose
from wardgate.domain.rollout.rollouts import (
    By,
    Ceiling,
    Challenger,
    Cohort,
    Expiry,
    Rollout,
    Scope,
    Snapshot,
)

SEALER = Sealer(KeyRing([b"s" * 32]).keys(Purpose.STORE))
OTHERS = Sealer(KeyRing([b"x" * 32]).keys(Purpose.STORE))
"""Of somebody else's deployment."""
CHANGE = Change(1_790_000_000.5, "operator-1", "rollout.change", "kidney-failure", "alert_rate", "OPS-7")


def snapshot(epoch: int, mode: Mode = Mode.ACTIVE, **changes: object) -> Snapshot:
    """Of one service."""
    made = Snapshot(epoch, {"kidney-failure": Rollout("sha256:" + "a" * 64, mode, salt="00ff")})
    return msgspec.structs.replace(made, **changes)


def ceiling(number: int = 1, mode: Mode = Mode.OFF, **changes: object) -> Ceiling:
    made = Ceiling(f"00000000-0000-4000-8000-{number:012}", Scope.SERVICE, "kidney-failure", mode, 1_790_000_000.0)
    return msgspec.structs.replace(made, **changes)


def everything(epoch: int) -> Snapshot:
    """A snapshot with a value in each field."""
    rollout = Rollout(
        "sha256:" + "a" * 64,
        Mode.CANARY,
        Cohort(
            frozenset({"b", "a"}), frozenset({"ward_7"}), frozenset(), frozenset({"patient-view"}), 12.5, By.ENCOUNTER
        ),
        Challenger("sha256:" + "b" * 64, Cohort(percent=10.0)),
        ("sha256:" + "c" * 64,),
        frozenset({"user:1", "user:2"}),
        Expiry(1_790_000_100.25, Mode.SHADOW),
        "00ff",
        "sha256:" + "d" * 64,
    )
    return Snapshot(
        epoch,
        {"kidney-failure": rollout, "deterioration": Rollout("sha256:" + "e" * 64, Mode.OFF)},
        (ceiling(set_by="operator-1", reason="alert_rate"), ceiling(2, Mode.SILENT, scope=Scope.ALL, name="")),
        frozenset({ceiling(3).id, ceiling(4).id}),
        frozenset({("kidney-failure", "1.0.0"), ("deterioration", "2.0.0")}),
        4,
        3,
        {"0123456789abcdef": 5},
    )


def kept(epoch: int, mode: Mode = Mode.ACTIVE, **changes: object) -> KeptSnapshot:
    return SEALER.seal(snapshot(epoch, mode, **changes))


def replica(id_: str, epoch: int = 1, **changes: object) -> Replica:
    made = Replica(id_, f"host/{id_}", 1_790_000_000.0, 0.0, epoch, epoch, "sha256:" + "f" * 64, ())
    return msgspec.structs.replace(made, **changes)
