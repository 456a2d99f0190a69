"""What the files say of rollouts, and what was decided: where a service begins, and what of a later edit is taken up.

the store knows nothing of the service    it begins as the file says; without insecure_demo never above silent
the file says something else than then    under insecure_demo, or where nobody would see more by it: taken up
                                          else it waits
people have changed it since              then a file that says something else waits, for it was written before that,
                                          or for a beginning; but `mode: off` is taken up
it was decided under insecure_demo        and that is off now: it comes down to silent, for nobody was asked
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256

import msgspec
import rfc8785

from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.assignment import approved_part
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
    """`snapshot` None: nothing is to be changed. Services by id: those that begin, those whose
    edit is taken up, those whose edit waits, and those that come down since nobody was asked for approvals."""

    snapshot: Snapshot | None
    begun: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    lowered: tuple[str, ...] = ()

    @property
    def changed(self) -> tuple[str, ...]:
        """Each once."""
        return tuple(dict.fromkeys((*self.begun, *self.taken, *self.lowered)))


def beginning(before: Snapshot | None, files: Files, salt: Callable[[], str]) -> Beginning:
    """`salt` draws a random one for each service that begins."""
    decided = {} if before is None else dict(before.rollouts)
    begun, taken, waiting, lowered = [], [], [], []
    for name, rollout in files.rollouts.items():
        now = decided.get(name)
        wanted = _of_file(rollout, files.insecure_demo, now)
        if now is None:
            decided[name] = msgspec.structs.replace(wanted, salt=salt())
            begun.append(name)
            continue
        if now.unapproved and not files.insecure_demo:
            now = decided[name] = approved_part(now)
            lowered.append(name)
        unserved = files.insecure_demo and not files.known[name].issuperset(now.releases)
        if wanted.file == now.file and not unserved:
            continue
        taken_up = wanted if files.insecure_demo else _by_itself(now, wanted)
        if taken_up is not None:
            decided[name] = taken_up
            taken.append(name)
        else:
            waiting.append(name)
    if not begun and not taken and not lowered:
        return Beginning(None, waiting=tuple(waiting))
    if before is None:
        after = Snapshot(1, decided)
    else:
        after = msgspec.structs.replace(before, epoch=before.epoch + 1, rollouts=decided)
    return Beginning(after, tuple(begun), tuple(taken), tuple(waiting), tuple(lowered))


def digest_of_file(rollout: Rollout) -> str:
    """Of what a file says, without what is drawn."""
    said = msgspec.to_builtins(msgspec.structs.replace(rollout, salt="", file=""), order="sorted")
    del said["by_people"], said["unapproved"]
    return f"sha256:{sha256(rfc8785.dumps(said)).hexdigest()}"


def _of_file(rollout: Rollout, insecure_demo: bool, now: Rollout | None) -> Rollout:
    """With the salt that was drawn once, so that nobody changes sides by an edit."""
    mode = rollout.mode if insecure_demo else lower(rollout.mode, Mode.SILENT)
    salt = rollout.salt if now is None else now.salt
    file = rollout.file or digest_of_file(rollout)
    return msgspec.structs.replace(rollout, mode=mode, salt=salt, file=file, unapproved=insecure_demo)


def _by_itself(now: Rollout, wanted: Rollout) -> Rollout | None:
    """What of the file is taken up without asking anybody; None: it waits. One more release in shadow shows nobody
    anything, and sends features to one more endpoint: that waits as well."""
    if now.by_people:
        down = wanted.mode is Mode.OFF
        return msgspec.structs.replace(now, mode=Mode.OFF, file=wanted.file) if down else None
    shows_more = raises(Snapshot(1, {"": now}), Snapshot(2, {"": wanted}))
    return None if shows_more or not set(wanted.shadows) <= set(now.releases) else wanted
