"""What the files say of rollouts, and what was decided: where a service begins, and what of a later edit is taken up.

the store knows nothing of the service    it begins as the file says; without insecure_demo never above silent
the file says something else than then    under insecure_demo, or where nobody would see more by it: taken up
                                          else it waits
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256

import msgspec
import rfc8785

from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.modes import lower
from wardgate.domain.rollout.rollouts import Rollout, Snapshot
from wardgate.domain.rollout.visibility import raises


@dataclass(frozen=True, slots=True)
class Files:
    """What the files of this replica say. `known`: by service, the digests of the releases that they have."""

    rollouts: Mapping[str, Rollout]
    known: Mapping[str, frozenset[str]]
    insecure_demo: bool


@dataclass(frozen=True, slots=True)
class Beginning:
    """`snapshot` None: nothing is to be changed. Services by id: those that begin, those whose edit is taken up, and
    those whose edit waits."""

    snapshot: Snapshot | None
    begun: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()


def beginning(before: Snapshot | None, files: Files, salt: Callable[[], str]) -> Beginning:
    """`salt` draws a random one for each service that begins."""
    decided = {} if before is None else dict(before.rollouts)
    begun, taken, waiting = [], [], []
    for name, rollout in files.rollouts.items():
        now = decided.get(name)
        wanted = _of_file(rollout, files.insecure_demo, now)
        if now is None:
            decided[name] = msgspec.structs.replace(wanted, salt=salt())
            begun.append(name)
            continue
        unserved = files.insecure_demo and not files.known[name].issuperset(now.releases)
        if wanted.file == now.file and not unserved:
            continue
        if files.insecure_demo or not _may_show_more(now, wanted):
            decided[name] = wanted
            taken.append(name)
        else:
            waiting.append(name)
    if not begun and not taken:
        return Beginning(None, waiting=tuple(waiting))
    if before is None:
        after = Snapshot(1, decided)
    else:
        after = msgspec.structs.replace(before, epoch=before.epoch + 1, rollouts=decided)
    return Beginning(after, tuple(begun), tuple(taken), tuple(waiting))


def digest_of_file(rollout: Rollout) -> str:
    """Of what a file says, without what is drawn."""
    said = msgspec.to_builtins(msgspec.structs.replace(rollout, salt="", file=""), order="sorted")
    return f"sha256:{sha256(rfc8785.dumps(said)).hexdigest()}"


def _of_file(rollout: Rollout, insecure_demo: bool, now: Rollout | None) -> Rollout:
    """With the salt that was drawn once, so that nobody changes sides by an edit."""
    mode = rollout.mode if insecure_demo else lower(rollout.mode, Mode.SILENT)
    salt = rollout.salt if now is None else now.salt
    return msgspec.structs.replace(rollout, mode=mode, salt=salt, file=rollout.file or digest_of_file(rollout))


def _may_show_more(now: Rollout, wanted: Rollout) -> bool:
    return bool(raises(Snapshot(1, {"": now}), Snapshot(2, {"": wanted})))
