"""Which release a call gets and whether its card may be seen: a pure function of one snapshot.

mode      the lowest of: the rollout's, its expiry's once it is over, every ceiling that holds here
off       nothing                            shadow   the model is asked after the response
silent    computed; named users see a preview
canary    the cohort sees the champion; the rest is the control arm
active    everybody sees the champion, or within its cohort the challenger
and then  hidden, where this replica cannot tell whether its snapshot is the newest; or where the site decides and
          is not known
"""

import msgspec

from wardgate.domain.context.caller import Caller
from wardgate.domain.outcomes import Arm, Mode, Reason
from wardgate.domain.rollout.buckets import bucket, buckets_of
from wardgate.domain.rollout.modes import RANK, lower
from wardgate.domain.rollout.rollouts import By, Ceiling, Cohort, Rollout, Scope, Snapshot

_UNKNOWN = Rollout("", Mode.OFF)
"""Of a service about which nobody has decided anything."""


class Occasion(msgspec.Struct, frozen=True, gc=False):
    """One call, as far as a rollout goes by it. `users` are the pseudonyms that the user may be kept under, one for
    each key there is; nobody needs them but where there are preview users. `now` is the call's clock."""

    hook: str
    caller: Caller
    now: float
    client: str
    fhir_server: str | None
    patient: str
    encounter: str | None = None
    users: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Nothing of the patient."""
        return f"Occasion({self.hook!r})"


class Assignment(msgspec.Struct, frozen=True, omit_defaults=True):
    """`withheld` is None where the card may be seen, else why not. A withheld one is still computed, except in off and
    shadow."""

    epoch: int  # of the snapshot that decided
    release: str  # by digest
    mode: Mode
    arm: Arm
    withheld: Reason | None
    bucket: int | None = None  # of 10,000; None: there is nothing to draw by
    bucket_by: By = By.PATIENT

    @property
    def closed(self) -> bool:
        """Nothing is computed on the path; `withheld` says why."""
        return RANK[self.mode] <= RANK[Mode.SHADOW]

    @property
    def preview(self) -> bool:
        """The card is for looking at, and not for care."""
        return self.arm is Arm.PREVIEW


def assign(snapshot: Snapshot, service_id: str, occasion: Occasion, names_sites: bool) -> Assignment:
    """`names_sites`: the service has thresholds of its own for sites, so that an unknown site is withheld."""
    rollout, site = snapshot.rollouts.get(service_id, _UNKNOWN), occasion.caller.site
    mode = _mode(snapshot, service_id, rollout, occasion.now, site)
    if RANK[mode] <= RANK[Mode.SHADOW]:
        return _closed(snapshot, rollout, mode)
    by, drawn = _draw(rollout, mode, service_id, occasion)
    return _opened(snapshot, rollout, mode, occasion, names_sites, by, drawn)


def assign_again(
    snapshot: Snapshot, service_id: str, occasion: Occasion, names_sites: bool, by: By, drawn: int | None
) -> Assignment:
    """Of a call that was recorded, whose patient nobody knows any more: `drawn` is the bucket that it had, `by` whose
    that was. Where the snapshot draws by the other, the call has no bucket."""
    rollout, site = snapshot.rollouts.get(service_id, _UNKNOWN), occasion.caller.site
    mode = _mode(snapshot, service_id, rollout, occasion.now, site)
    if RANK[mode] <= RANK[Mode.SHADOW]:
        return _closed(snapshot, rollout, mode)
    wanted = _drawn_by(rollout, mode)
    return _opened(snapshot, rollout, mode, occasion, names_sites, wanted, drawn if wanted is by else None)


def _opened(
    snapshot: Snapshot,
    rollout: Rollout,
    mode: Mode,
    occasion: Occasion,
    names_sites: bool,
    by: By,
    drawn: int | None,
) -> Assignment:
    site = occasion.caller.site
    release, arm, withheld = rollout.champion, Arm.CHAMPION, None
    match mode:
        case Mode.ACTIVE:
            challenger = _challenger(snapshot, rollout, occasion, drawn)
            if challenger is not None:
                release, arm = challenger, Arm.CHALLENGER
            names_sites = names_sites or (rollout.cohort is not None and bool(rollout.cohort.sites))
        case Mode.CANARY:
            if rollout.cohort is None or not _holds(rollout.cohort, occasion, drawn):
                arm, withheld = Arm.CONTROL, Reason.CONTROL_ARM
        case _:
            if rollout.preview.isdisjoint(occasion.users):
                withheld = Reason.SILENT
            else:
                arm = Arm.PREVIEW
    if withheld is None:
        if snapshot.hidden:
            withheld = Reason.HIDDEN_SNAPSHOT
        elif site is None and (names_sites or _some_site_is_capped(snapshot)):
            withheld = Reason.SITE_UNKNOWN
    return Assignment(snapshot.epoch, release, mode, arm, withheld, drawn, by)


def closed(snapshot: Snapshot, service_id: str, now: float, site: str | None = None) -> Assignment | None:
    """Off and shadow, where nothing is computed on the path; None: something is. For whoever has not read the chart
    yet: without `site`, what holds at one site is left out."""
    rollout = snapshot.rollouts.get(service_id, _UNKNOWN)
    mode = _mode(snapshot, service_id, rollout, now, site)
    return None if RANK[mode] > RANK[Mode.SHADOW] else _closed(snapshot, rollout, mode)


def _closed(snapshot: Snapshot, rollout: Rollout, mode: Mode) -> Assignment:
    if mode is Mode.SHADOW:
        return Assignment(snapshot.epoch, rollout.champion, Mode.SHADOW, Arm.SHADOW, Reason.SHADOW)
    return Assignment(snapshot.epoch, rollout.champion, Mode.OFF, Arm.NONE, Reason.OFF)


def beside(snapshot: Snapshot, service_id: str, answered: str | None) -> tuple[str, ...]:
    """The releases to ask after the response: all that the rollout names, but the one that answered, and those that a
    ceiling holds off."""
    rollout = snapshot.rollouts.get(service_id)
    if rollout is None or (answered == rollout.champion and rollout.challenger is None and not rollout.shadows):
        return ()
    others = [release for release in rollout.releases if release != answered]
    return tuple([release for release in others if not _capped(snapshot, release, below=Mode.SHADOW)])


def mode_in_force(snapshot: Snapshot, service_id: str, now: float) -> Mode:
    """What expiry and ceilings leave of what was decided; what holds at one site alone is left out."""
    return _mode(snapshot, service_id, snapshot.rollouts.get(service_id, _UNKNOWN), now, None)


def approved_part(rollout: Rollout) -> Rollout:
    """Of what was decided where nobody asks for approvals: as far as a file may begin without any."""
    return msgspec.structs.replace(rollout, mode=lower(rollout.mode, Mode.SILENT), unapproved=False)


def _mode(snapshot: Snapshot, service_id: str, rollout: Rollout, now: float, site: str | None) -> Mode:
    mode, expiry = rollout.mode, rollout.expiry
    if expiry is not None and not now < expiry.at:
        mode = lower(mode, expiry.mode)
    if snapshot.ceilings:
        for ceiling in snapshot.in_force():
            if _is_over(ceiling, service_id, site, rollout.champion):
                mode = lower(mode, ceiling.mode)
    return mode


def _is_over(ceiling: Ceiling, service_id: str, site: str | None, champion: str) -> bool:
    """One over the champion is one over the service: a challenger is only ever judged beside it."""
    match ceiling.scope:
        case Scope.ALL:
            return True
        case Scope.SERVICE:
            return ceiling.name == service_id
        case Scope.SITE:
            return ceiling.name == site
        case Scope.RELEASE:
            return ceiling.name == champion


def _some_site_is_capped(snapshot: Snapshot) -> bool:
    """Then a call from nobody knows where cannot be shown not to come from there."""
    return any(ceiling.scope is Scope.SITE for ceiling in snapshot.in_force())


def _capped(snapshot: Snapshot, release: str, below: Mode) -> bool:
    return any(
        ceiling.scope is Scope.RELEASE and ceiling.name == release and RANK[ceiling.mode] < RANK[below]
        for ceiling in snapshot.in_force()
    )


def _challenger(snapshot: Snapshot, rollout: Rollout, occasion: Occasion, drawn: int | None) -> str | None:
    """The release in the champion's place. A challenger under any ceiling answers nobody: its cohort gets the champion,
    which is there for everybody, so that taking a challenger away leaves no patient in silence (law 6)."""
    challenger = rollout.challenger
    if challenger is None or not _holds(challenger.cohort, occasion, drawn):
        return None
    return None if _capped(snapshot, challenger.release, below=Mode.ACTIVE) else challenger.release


def draw(snapshot: Snapshot, service_id: str, occasion: Occasion) -> tuple[By, int | None]:
    """Whose bucket, and which, of a call that nobody is assigned in: what is asked in shadow alone."""
    rollout = snapshot.rollouts.get(service_id, _UNKNOWN)
    return _draw(rollout, rollout.mode, service_id, occasion)


def _draw(rollout: Rollout, mode: Mode, service_id: str, occasion: Occasion) -> tuple[By, int | None]:
    """Also where no percentage asks for it: records say whom a percentage would have met."""
    by = _drawn_by(rollout, mode)
    whose = occasion.patient if by is By.PATIENT else occasion.encounter
    if not rollout.salt or whose is None:
        return by, None
    return by, bucket(rollout.salt, service_id, occasion.client, occasion.fhir_server, whose)


def _drawn_by(rollout: Rollout, mode: Mode) -> By:
    challenger, cohort = rollout.challenger, rollout.cohort
    if challenger is not None and mode is Mode.ACTIVE:
        cohort = challenger.cohort
    return By.PATIENT if cohort is None or cohort.percent is None else cohort.by


def _holds(cohort: Cohort, occasion: Occasion, drawn: int | None) -> bool:
    caller = occasion.caller
    return (
        (not cohort.sites or caller.site in cohort.sites)
        and (not cohort.units or caller.unit in cohort.units)
        and (not cohort.roles or caller.role in cohort.roles)
        and (not cohort.hooks or occasion.hook in cohort.hooks)
        and (cohort.percent is None or (drawn is not None and drawn < buckets_of(cohort.percent)))
    )
