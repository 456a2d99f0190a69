"""What the routes of rollouts take and give, as the OpenAPI document has it."""

from collections.abc import Callable, Collection, Sequence
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, Field, model_validator

from wardgate.control.askers import ChangeRefused, Why
from wardgate.control.confirmation import Effect
from wardgate.control.drills import Drilled
from wardgate.control.replicas import Heard
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.rollouts import By, Challenger, Cohort, Expiry, Rollout
from wardgate.records.watch import Watched
from wardgate.web.admin.bodies import Moment, ReasonBody, ReleaseNames, Strict, example, moment_of, seconds_of

ModeName = Literal["off", "shadow", "silent", "canary", "active"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,99}$")]
ReleaseName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:+-]{0,99}$", examples=["1.1.0", "sha256:9f86d081884c"])
]


class CohortBody(Strict):
    """Who belongs. What is left out does not restrict."""

    sites: list[Name] = Field([], max_length=1000)
    units: list[Name] = Field([], max_length=1000)
    roles: list[Name] = Field([], max_length=100)
    hooks: list[Name] = Field([], max_length=100)
    percent: float | None = Field(None, gt=0, le=100, examples=[5.0])
    by: Literal["patient", "encounter"] = "patient"

    def cohort(self) -> Cohort:
        sites, units, roles, hooks = (frozenset(names) for names in (self.sites, self.units, self.roles, self.hooks))
        return Cohort(sites, units, roles, hooks, self.percent, By(self.by))

    @classmethod
    def of(cls, cohort: Cohort) -> "CohortBody":
        sets = [sorted(names) for names in (cohort.sites, cohort.units, cohort.roles, cohort.hooks)]
        return cls(
            sites=sets[0], units=sets[1], roles=sets[2], hooks=sets[3], percent=cohort.percent, by=cohort.by.value
        )


class ChallengerBody(Strict):
    release: ReleaseName
    cohort: CohortBody


class ExpiryBody(Strict):
    at: Moment
    mode: ModeName = "off"

    def expiry(self) -> Expiry:
        """Raises ChangeRefused for a time that is none."""
        return Expiry(seconds_of(self.at), Mode(self.mode))

    @classmethod
    def of(cls, expiry: Expiry) -> "ExpiryBody":
        return cls.model_validate({"at": moment_of(expiry.at), "mode": expiry.mode.value})


class RolloutPatch(ReasonBody):
    """The fields that are sent are changed, the others stay. null takes a cohort, a challenger or an expiry away."""

    mode: ModeName | None = None
    champion: ReleaseName | None = None
    cohort: CohortBody | None = None
    challenger: ChallengerBody | None = None
    shadow: list[ReleaseName] | None = Field(None, max_length=20)
    preview: list[Annotated[str, Field(pattern=r"^[A-Za-z]{1,64}/[A-Za-z0-9.-]{1,64}$")]] | None = Field(
        None, max_length=200, examples=[["Practitioner/123"]], description="Kept as pseudonyms alone."
    )
    expires: ExpiryBody | None = None

    model_config = example(
        {"mode": "silent", "reason": "alert_rate", "ticket": "OPS-1234"},
        {
            "mode": "canary",
            "cohort": {"sites": ["hospital_a"], "percent": 5},
            "expires": {"at": "2026-11-30T06:00:00Z"},
            "reason": "promotion",
        },
    )

    @model_validator(mode="after")
    def _changes_something(self) -> "RolloutPatch":
        if not self.model_fields_set - set(ReasonBody.model_fields):
            raise ValueError("name a field to change")
        for name in ("mode", "champion"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null")
        return self

    def wanted(
        self, service: str, names: ReleaseNames, users: Callable[[Sequence[str]], frozenset[str]]
    ) -> dict[str, object]:
        """For the desk. Raises ChangeRefused for a release that nobody knows, or a time that is none."""

        def digest(name: str) -> str:
            found = names.digest(service, name)
            if found is None:
                what, remedy = "There is no such release.", "Name it by version, digest, or its beginning."
                raise ChangeRefused(Why.UNKNOWN, what, remedy)
            return found

        made: dict[str, Callable[[], object]] = {
            "mode": lambda: Mode(self.mode or ""),
            "champion": lambda: digest(self.champion or ""),
            "cohort": lambda: None if self.cohort is None else self.cohort.cohort(),
            "challenger": lambda: (
                None
                if self.challenger is None
                else Challenger(digest(self.challenger.release), self.challenger.cohort.cohort())
            ),
            "shadow": lambda: tuple(dict.fromkeys(digest(name) for name in self.shadow or ())),
            "preview": lambda: users(self.preview or ()),
            "expires": lambda: (
                None if self.expires is None else Expiry(seconds_of(self.expires.at), Mode(self.expires.mode))
            ),
        }
        return {_FIELDS.get(name, name): make() for name, make in made.items() if name in self.model_fields_set}


_FIELDS = {"shadow": "shadows", "expires": "expiry"}


class RollbackBody(ReasonBody):
    to: ReleaseName | None = Field(None, description="The release before this one where none is named.")

    model_config = example({"reason": "alert_rate", "ticket": "OPS-1234"}, {"to": "1.0.0", "reason": "alert_rate"})


class KillBody(ReasonBody):
    scope: Literal["all", "service", "site", "release"]
    name: str = Field("", pattern=r"^(|[A-Za-z0-9][A-Za-z0-9._:@/+ -]{0,99})$", examples=["kidney-failure"])
    mode: Literal["off", "shadow", "silent"] = "off"
    confirm: str = Field("", max_length=10, description='"all" where the scope is all.')

    model_config = example(
        {"scope": "service", "name": "kidney-failure", "reason": "alert_rate"},
        {"scope": "all", "confirm": "all", "reason": "ehr_upgrade"},
    )

    @model_validator(mode="after")
    def _named(self) -> "KillBody":
        if (self.scope == "all") == bool(self.name):
            raise ValueError("name what is stopped; nothing for all")
        if self.scope == "all" and self.confirm != "all":
            raise ValueError("confirm must be all")
        return self


class LiftBody(ReasonBody):
    pass


class ConfirmBody(ReasonBody):
    above: int = Field(0, ge=0, lt=2**53, description="An epoch that some replica has seen, besides those that say so.")
    more: bool = Field(False, description="Also where users see more than they saw before the store was put back.")

    model_config = example({"reason": "store_restored", "ticket": "OPS-1234"})


class ForgetBody(ReasonBody):
    name: str = Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9._/-]{0,99}$", description="Of the replica, or its id.", examples=["host-3/1"]
    )

    model_config = example({"name": "host-3/1", "reason": "machine_gone", "ticket": "OPS-1234"})


class ReleaseView(BaseModel):
    version: str | None
    digest: str


class ChallengerView(BaseModel):
    release: ReleaseView
    cohort: CohortBody


class RolloutView(BaseModel):
    service: str
    mode: ModeName
    champion: ReleaseView
    cohort: CohortBody | None
    challenger: ChallengerView | None
    shadow: list[ReleaseView]
    preview_users: int
    expires: ExpiryBody | None
    etag: str
    unknown_sites: list[str] = Field(
        [], description="That a cohort names, and no call comes from by the configuration."
    )

    @classmethod
    def of(
        cls, service: str, rollout: Rollout, etag: str, version: Callable[[str], str | None], sites: Collection[str]
    ) -> "RolloutView":
        def release(digest: str) -> ReleaseView:
            return ReleaseView(version=version(digest), digest=digest)

        challenger, expiry = rollout.challenger, rollout.expiry
        return cls(
            service=service,
            mode=rollout.mode.value,
            champion=release(rollout.champion),
            cohort=None if rollout.cohort is None else CohortBody.of(rollout.cohort),
            challenger=None
            if challenger is None
            else ChallengerView(release=release(challenger.release), cohort=CohortBody.of(challenger.cohort)),
            shadow=[release(digest) for digest in rollout.shadows],
            preview_users=len(rollout.preview),
            expires=None if expiry is None else ExpiryBody.of(expiry),
            etag=etag,
            unknown_sites=sorted(_named(rollout).difference(sites)),
        )


def _named(rollout: Rollout) -> frozenset[str]:
    """Sites, by its cohorts."""
    cohorts = [rollout.cohort, None if rollout.challenger is None else rollout.challenger.cohort]
    return frozenset[str]().union(*(cohort.sites for cohort in cohorts if cohort is not None))


class CeilingView(BaseModel):
    id: str
    scope: Literal["all", "service", "site", "release"]
    name: str
    mode: ModeName
    set_at: float
    set_by: str
    reason: str


_BEYOND = Field(
    0,
    description="The epoch that replicas have seen, where the durable store is older: it was emptied, moved away or "
    "put back, and they show nothing.",
)


class RolloutsView(BaseModel):
    """`in_force`: what is left of each mode under its expiry and the kill switches. `stored` false: the durable store
    is away, and this is what the process that answers goes by. `unapproved`: by service, the approvals that what is
    shown takes and has not, or not any more: somebody withdrew hers, or the policy is a stricter one. It is shown all
    the same, until somebody lowers it."""

    epoch: int
    stored: bool
    beyond: int = _BEYOND
    services: list[RolloutView]
    in_force: dict[str, ModeName]
    kills: list[CeilingView]
    unapproved: dict[str, list[str]]


class KillsView(BaseModel):
    epoch: int
    stored: bool
    beyond: int = _BEYOND
    kills: list[CeilingView]


class HistoryView(BaseModel):
    service: str
    changes: list[dict[str, Any]]


class EffectView(BaseModel):
    """`verified`: every replica answers by that snapshot (`done`), or has been silent for so long that its lease hides
    what it had (`silent`). `waiting` has not said so yet."""

    epoch: int
    verified: bool
    done: list[str]
    silent: list[str]
    waiting: list[str]

    @classmethod
    def of(cls, effect: Effect) -> "EffectView":
        return cls(verified=effect.verified, **msgspec.to_builtins(effect))


class ReplicasView(BaseModel):
    """`since`: seconds since it was heard of; `silent`: so long that it can show nothing; `forgotten`: no change waits
    for it."""

    replicas: list[dict[str, Any]]
    same_files: bool
    """Whether all have read the same files."""

    @classmethod
    def of(cls, heard: Sequence[Heard]) -> "ReplicasView":
        return cls(
            replicas=[
                {
                    **msgspec.to_builtins(one.replica),
                    "since": round(one.since, 1),
                    "silent": one.silent,
                    "forgotten": one.forgotten,
                }
                for one in heard
            ],
            same_files=len({one.replica.config for one in heard if not one.forgotten and not one.silent}) <= 1,
        )


class ChangedView(BaseModel):
    epoch: int | None
    stored: bool
    dry_run: bool
    raised: list[str]
    refused: str | None = None
    gates: list[str] = []
    kill: CeilingView | None = None
    effect: EffectView | None = None
    impact: dict[str, Any] | None = None
    impact_unknown: str | None = None
    heard: list[Literal["here", "shared"]] = Field(
        [], description="While the store is away: who has heard of it, this process or all that hear the shared cache."
    )
    trouble: str = Field("", description="And why the store does not have it.")
    rollout: RolloutView | None = None


class DrillStepView(BaseModel):
    name: str
    passed: bool
    took: float = Field(description="Seconds.")
    what: str


class DrillView(BaseModel):
    """`recorded`: it stands on the audit chain, for the gates that ask when a rollback was rehearsed."""

    service: str
    target: str = Field(description="Digest of the release that a rollback would return to.")
    rolls_back: bool = Field(description="Whether that is another one than now.")
    epoch: int | None
    passed: bool
    recorded: bool
    steps: list[DrillStepView]

    @classmethod
    def of(cls, drilled: Drilled) -> "DrillView":
        return cls.model_validate({**msgspec.to_builtins(drilled), "passed": drilled.passed})


class FiguresView(BaseModel):
    calls: int
    shown: int
    unavailable: int
    model: int
    cached: int
    rule: int
    rate: float | None
    low: float | None
    high: float | None


class SampleView(BaseModel):
    decision_id: str
    at: float
    outcome: str
    mode: str
    release_digest: str | None
    epoch: int | None
    unlike: list[str]


class WatchView(BaseModel):
    """`alerts`: whether the alert rate is another; `unlike`: calls since then that were not decided as it says."""

    service: str
    changed_at: float
    now: float
    before: FiguresView
    after: FiguresView
    alerts: Literal["down", "up", "same", "unknown"]
    unlike: int
    late: int
    samples: list[SampleView]

    @classmethod
    def of(cls, watched: Watched) -> "WatchView":
        return cls.model_validate(msgspec.to_builtins(watched))
