"""`services/*.yaml`: a CDS service (docs/configuration.md)."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from wardgate.adapters.files.wire import SERVICE_ID, Duration, Flag, Name, Number, Text, Wire, matching
from wardgate.domain.cards.scene import DAY
from wardgate.domain.decisions.ladder import CachedRung
from wardgate.domain.decisions.rules import Show
from wardgate.domain.decisions.suppression import Suppression
from wardgate.domain.documents import Wrong, did_you_mean
from wardgate.domain.follow_up import FollowUp, Take
from wardgate.domain.hooks import ContextField, FieldKind
from wardgate.domain.hooks.library import custom_fields
from wardgate.domain.outcomes import DEFERRAL_REASONS, Reason

_REASONS = sorted(reason.value for reason in DEFERRAL_REASONS)


def _of_deferral(value: object) -> object:
    if value not in _REASONS:
        raise Wrong(
            "not a reason for deferral", did_you_mean(str(value), _REASONS, f"use one of {', '.join(_REASONS)}")
        )
    return value


class Threshold(Wire):
    default: Number | None = None
    """Shown at or above it; required where there are sites."""
    sites: dict[str, Number] = {}
    """By site. A site that is not named takes the default."""
    indeterminate: Annotated[Number, Field(ge=0)] = 0.0
    """Half the width of the band around the threshold in which the call is deferred."""

    @model_validator(mode="after")
    def _sites_have_a_default(self) -> "Threshold":
        if self.default is None:
            raise Wrong("a threshold without `default`", "add `default:`, which unnamed sites take")
        return self


def _not_checked(value: object) -> object:
    return {} if value == "not_checked" else value


class ExclusionEntry(Wire):
    when: Text | None = None
    """An expression: where it is true, the call is out of scope."""
    not_applicable: Text | None = None
    """Why the question does not matter here; printed on the card."""

    @model_validator(mode="after")
    def _one_answer(self) -> "ExclusionEntry":
        if self.when is not None and self.not_applicable is not None:
            raise Wrong("two answers to one question", "keep `when` or `not_applicable`")
        return self


def _answered(value: object) -> object:
    if isinstance(value, dict) and not value:
        raise Wrong("the question has no answer", "write {when: …}, {not_applicable: …} or not_checked")
    if isinstance(value, str) and value != "not_checked":
        raise Wrong("the question has no answer", "write {when: …}, {not_applicable: …} or not_checked")
    return value


class DeferEntry(Wire):
    when: Text
    """An expression: the first true one decides."""
    reason: Annotated[Reason, BeforeValidator(_of_deferral)]
    """Why, from the published list of deferral reasons."""
    show: Show = Show.NONE
    """Whether the deferral card is shown."""


def _within_a_day(seconds: float) -> float:
    if seconds > DAY:
        raise Wrong("a cached score is not shown for longer than a day", "write 24h or less")
    return seconds


class CachedStep(Wire):
    max_age: Annotated[Duration, AfterValidator(_within_a_day)]
    """A day at most: that is how long a card may be believed."""
    without_context: Flag = False
    """Whether the cached score may stand where its inputs could not be fetched."""

    def rung(self) -> CachedRung:
        return CachedRung(self.max_age, self.without_context)


def _last_step(value: object) -> object:
    return {"none": True} if value == "none" else value


class FallbackEntry(Wire):
    cached: CachedStep | None = None
    rule: Name | None = None
    """A file of the folder of rules."""
    none: Annotated[bool, Field(exclude=True)] = False
    """Written as the word `none`: the ladder ends here."""

    @model_validator(mode="after")
    def _one_step(self) -> "FallbackEntry":
        if (self.cached is not None) + (self.rule is not None) + self.none != 1:
            raise Wrong("not one step of the ladder", "write `cached: {max_age: 12h}`, `rule: name` or `none`")
        return self


class Suppress(Wire):
    same: Annotated[
        tuple[Literal["patient", "user", "encounter", "release", "band", "service", "hook", "site"], ...],
        Field(min_length=1),
    ]
    """client, FHIR server, patient, service, encounter and release always are; band: another one, milder or not, is
    shown, and a worse one is in any case."""
    for_: Annotated[Duration, Field(alias="for")]

    def suppression(self) -> Suppression:
        named = frozenset(self.same)
        return Suppression(self.for_, "user" in named, "hook" in named, "site" in named, "band" in named)


class OutcomeEntry(Wire):
    label: Annotated[
        str, matching(r"[a-z][a-z0-9_]{0,63}", "not a label", "write small letters, digits and _, as kidney_failure")
    ]
    """As the rows of outcomes name it."""
    within: Duration
    """After the decision; what comes later is no outcome of it."""
    take: Take = Take.FIRST
    """first: the value of the first one in the window; any: 1 where there is one, whatever its value"""

    def follow_up(self) -> FollowUp:
        return FollowUp(self.label, self.within, self.take)


def _in_hundredths(percent: float) -> float:
    if round(percent, 2) != percent:
        raise Wrong("finer than a hundredth of a percent", "write two decimals or fewer")
    return percent


class CohortEntry(Wire):
    sites: frozenset[Text] = frozenset()
    units: frozenset[Text] = frozenset()
    roles: frozenset[Text] = frozenset()
    hooks: frozenset[Text] = frozenset()
    percent: Annotated[Number, Field(ge=0, le=100), AfterValidator(_in_hundredths)] | None = None
    """Of all patients or encounters; whoever is in stays in when it grows."""
    by: Literal["patient", "encounter"] = "patient"
    """What `percent` draws by."""


class Challenger(Wire):
    release: Name
    cohort: CohortEntry
    """Who gets it. A release that nobody shall see belongs in `shadow`."""

    @model_validator(mode="after")
    def _not_for_everybody(self) -> "Challenger":
        if self.cohort == CohortEntry(by=self.cohort.by):
            raise Wrong("a challenger for everybody", "name sites, units, roles, hooks or a percentage in its `cohort`")
        return self


class RolloutEntry(Wire):
    champion: Name
    """The version of a release of the service's model."""
    mode: Literal["off", "shadow", "silent", "canary", "active"]
    """Above silent only with `insecure_demo: true`."""
    cohort: CohortEntry | None = None
    """Who sees the card in mode canary; what it does not name does not restrict."""
    challenger: Challenger | None = None
    """In mode active its cohort gets this release in the champion's place."""
    shadow: tuple[Name, ...] = ()
    """Versions that are asked after the response."""
    preview: tuple[
        Annotated[
            str,
            matching(
                r"(?:Practitioner|PractitionerRole)/[A-Za-z0-9.-]{1,64}", "not a user", "write Practitioner/ and the id"
            ),
        ],
        ...,
    ] = ()
    """Users who see silent cards, with a banner and without anything that acts."""


class Owner(Wire):
    clinical: Text | None = None
    technical: Text | None = None
    runbook: Text | None = None
    """A path or a URL; printed, not opened."""


_FIELD = matching(r"[A-Za-z][A-Za-z0-9]*", "not the name of a context field", "write it in letters and digits")


class ContextEntry(Wire):
    kind: FieldKind
    """id; reference (`Type/id`); references (an array of them); resource (one, or a Bundle); list (of resources)"""
    required: Flag = False
    """Whether a call without it is refused."""


class Service(Wire):
    id: Annotated[str, SERVICE_ID]
    """The last segment of the service's URL. Files may share it, with different hooks and one model."""
    hook: Text
    """A hook of the CDS Hooks library, or one of your own as a reverse domain name."""
    context: dict[Annotated[str, _FIELD], ContextEntry] = {}
    """By field, for a hook of your own: what its calls carry besides `patientId`. Absent: any field may be named."""
    title: Text
    description: Text
    usage_requirements: Text | None = None
    prefetch: Annotated[dict[str, Text], Field(min_length=1)]
    """By key: a template of the standard's restricted subset."""
    required_prefetch: tuple[str, ...] = ()
    """Keys without which the call is refused (412); without one of the others its features are missing."""
    model: Name
    """A folder of the folder of models."""
    card: Name
    """A file of the folder of cards."""
    deadline: Duration = 0.5
    """Of the whole call."""
    audience: (
        Annotated[
            frozenset[Literal["Practitioner", "PractitionerRole", "Patient", "RelatedPerson"]], Field(min_length=1)
        ]
        | None
    ) = None
    """Kinds of users who may see a card. Absent: everybody, also calls without userId."""
    threshold: Threshold | None = None
    """Absent: every score is shown."""
    population: Text | None = None
    """An expression: where it is false, the call is out of scope. Absent: everybody."""
    exclusions: dict[str, Annotated[ExclusionEntry, BeforeValidator(_not_checked), BeforeValidator(_answered)]] = {}
    """By question. pregnancy, dialysis, transplant and deceased count as not_checked where they are absent."""
    defer: tuple[DeferEntry, ...] = ()
    show_unknown: Show = Show.NONE
    """Whether a deferral card says that population or exclusion could not be determined."""
    fallback: tuple[Annotated[FallbackEntry, BeforeValidator(_last_step)], ...] = ()
    """The ladder where the model is unavailable."""
    absence_means: Literal["nothing", "screened_negative"] | None = None
    """How a clinician reads that there is no card; required where risk_tier is high. Absent: nothing."""
    notice_every: Duration = 600.0
    """The least time between two notices to the same user about the same patient."""
    suppress: Suppress | None = None
    """When a repeated card is not shown again."""
    outcome: OutcomeEntry | None = None
    """What becomes of the patient, and how it is joined to a decision; outside of the release digest."""
    rollout: RolloutEntry
    """Where the service begins when the store holds nothing for it."""
    risk_tier: Literal["low", "medium", "high"] = "medium"
    owner: Owner = Owner()

    def fields(self) -> tuple[ContextField, ...]:
        """The context of a hook of one's own; () where nothing is declared of it."""
        declared = [(name, entry.kind, entry.required) for name, entry in self.context.items()]
        return custom_fields(declared) if declared else ()
