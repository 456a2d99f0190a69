"""What is decided about a service at run time. Releases go by their digests: an approval belongs to one, and so does
everything that a rollback brings back."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from wardgate.domain.outcomes import Mode


class By(StrEnum):
    """Whose bucket a percentage goes by."""

    PATIENT = "patient"
    ENCOUNTER = "encounter"


class Cohort(msgspec.Struct, frozen=True):
    """Who belongs; an empty set does not restrict, nor does `percent` None (above 0, to 100)."""

    sites: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    hooks: frozenset[str] = frozenset()
    percent: float | None = None
    by: By = By.PATIENT


class Challenger(msgspec.Struct, frozen=True):
    """In mode active, its cohort gets this release in the champion's place."""

    release: str
    cohort: Cohort


class Expiry(msgspec.Struct, frozen=True):
    """From `at` (epoch seconds) on the mode is `mode`, where that is lower than the one in force."""

    at: float
    mode: Mode = Mode.OFF


class Rollout(msgspec.Struct, frozen=True):
    """Of one service. `release`s are digests. `shadows` are asked after the response. `preview` holds the pseudonyms of
    users who see a silent card. `salt` is random, drawn once and kept: buckets outlive every key. `file` is the digest
    of the file's own `rollout` that this one began with, or took up since. `by_people`: somebody has changed it after
    that, and what its file says is no longer what was decided. `unapproved`: it was decided under `insecure_demo`,
    where nobody asks for approvals, and shows nothing beyond silent where that is off."""

    champion: str
    mode: Mode
    cohort: Cohort | None = None
    challenger: Challenger | None = None
    shadows: tuple[str, ...] = ()
    preview: frozenset[str] = frozenset()
    expiry: Expiry | None = None
    salt: str = ""
    file: str = ""
    by_people: bool = False
    unapproved: bool = False

    @property
    def releases(self) -> tuple[str, ...]:
        """All that a call may need, the champion first, each once."""
        return tuple(dict.fromkeys((*self.answering, *self.shadows)))

    @property
    def answering(self) -> tuple[str, ...]:
        """Those whose cards may be seen."""
        return (self.champion,) if self.challenger is None else (self.champion, self.challenger.release)


class Scope(StrEnum):
    """What a ceiling is held over."""

    ALL = "all"
    SERVICE = "service"
    SITE = "site"
    RELEASE = "release"  # by digest


class Ceiling(msgspec.Struct, frozen=True):
    """No more visibility than `mode` for what it is held over, whatever a rollout says. A kill switch is one of mode
    off. It can be set without the durable store, and only ever lifted through it."""

    id: str  # UUID
    scope: Scope
    name: str = ""  # of the service, the site or the release; empty for all
    mode: Mode = Mode.OFF
    set_at: float = 0.0  # epoch seconds
    set_by: str = ""
    reason: str = ""


class Snapshot(msgspec.Struct, frozen=True):
    """Everything that decides visibility, read once a call and swapped whole. `lifted` are the ids of ceilings that are
    over, so that a copy of one that turns up late changes nothing; those of long ago stand in the `lifted` of the
    snapshot whose epoch is `lifted_before`, and so on from there (0: there are no more). `confirmed` is the epoch at
    which a person last said that the store, older than what replicas had seen, shall hold: what they saw before it
    counts no more. `forgotten` are replicas that no change waits for any more, by id, and since which epoch. `hidden`:
    this replica must not show anything, since it cannot tell whether this is the newest."""

    epoch: int
    rollouts: Mapping[str, Rollout]  # by service id
    ceilings: tuple[Ceiling, ...] = ()
    lifted: frozenset[str] = frozenset()
    isolated: frozenset[tuple[str, str]] = frozenset()  # (service id, version): circuits kept out of use by hand
    confirmed: int = 0
    lifted_before: int = 0
    forgotten: Mapping[str, int] = {}
    hidden: bool = False

    def in_force(self) -> tuple[Ceiling, ...]:
        lifted = self.lifted
        return tuple([each for each in self.ceilings if each.id not in lifted]) if lifted else self.ceilings
