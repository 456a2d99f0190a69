"""`cards/<name>.yaml`: what a clinician reads (docs/configuration.md; its language: docs/cards.md)."""

from typing import Annotated, Any, Literal

from pydantic import Field

from wardgate.adapters.files.wire import Flag, Number, Text, Whole, Wire
from wardgate.domain.cards.card import Coding, Link, Source
from wardgate.domain.cards.spec import (
    DEFERRED,
    FALLBACK_LABEL,
    UNAVAILABLE,
    ActionSpec,
    CardSpec,
    NoticeSpec,
    OverrideClass,
    OverrideReason,
    SuggestionSpec,
    SystemActionSpec,
)
from wardgate.domain.decisions.rules import Band

Indicator = Literal["info", "warning", "critical"]


class BandEntry(Wire):
    name: Text
    from_: Annotated[Number, Field(alias="from")]
    """The lowest score of the band."""
    indicator: Indicator

    def band(self) -> Band:
        return Band(self.name, self.from_, self.indicator)


class CodingEntry(Wire):
    system: Text
    code: Text
    display: Text | None = None

    def coding(self) -> Coding:
        return Coding(self.system, self.code, self.display)


class SourceEntry(Wire):
    label: Text
    url: Text | None = None
    icon: Text | None = None
    topic: CodingEntry | None = None

    def source(self) -> Source:
        return Source(self.label, self.url, self.icon, None if self.topic is None else self.topic.coding())


class LinkEntry(Wire):
    label: Text
    url: Text
    type: Literal["absolute", "smart"] = "absolute"
    appContext: Text | None = None
    """For a SMART app. A template that says nothing of the patient: card.uuid, release.model, release.version."""
    autolaunchable: Flag = False
    """The EHR may launch it at once and never show the card; only on a fresh result of the model."""

    def link(self) -> Link:
        return Link(self.label, self.url, self.type, self.appContext, self.autolaunchable)


class ActionEntry(Wire):
    type: Literal["create", "update", "delete"]
    description: Text
    """What the clinician reads of it."""
    resource: dict[str, Any] | None = None
    """Of a create or an update: the whole FHIR resource; its strings are templates."""
    resourceId: Text | None = None
    """Of a delete: Type/id; a template."""

    def action(self) -> ActionSpec:
        return ActionSpec(self.type, self.description, self.resource, self.resourceId)


class SuggestionEntry(Wire):
    label: Text
    isRecommended: Flag = False
    """Selected beforehand, where the client does that."""
    bands: tuple[Text, ...] = ()
    """The bands whose cards carry it; absent: all of them."""
    actions: Annotated[tuple[ActionEntry, ...], Field(min_length=1)]
    """They belong together: all of them happen, or none."""

    def suggestion(self) -> SuggestionSpec:
        actions = tuple(action.action() for action in self.actions)
        return SuggestionSpec(self.label, actions, self.isRecommended, self.bands)


class SystemActionEntry(ActionEntry):
    bands: tuple[Text, ...] = ()
    """The bands whose cards it goes with; absent: all of them."""

    def system_action(self) -> SystemActionSpec:
        return SystemActionSpec(self.action(), self.bands)


class OverrideEntry(Wire):
    system: Text
    code: Text
    display: Text
    class_: Annotated[OverrideClass, Field(alias="class")]
    """Only disagree counts against the model."""

    def reason(self) -> OverrideReason:
        return OverrideReason(Coding(self.system, self.code, self.display), self.class_)


class Notice(Wire):
    summary: Text
    detail: Text | None = None
    """Absent: the built-in text."""
    indicator: Indicator = "info"

    def spec(self) -> NoticeSpec:
        return NoticeSpec(self.summary, self.detail, self.indicator)


class Precision(Wire):
    score: Annotated[Whole, Field(ge=0, le=12)] = 4
    """Decimals of the score's number, for {{ score }} and | percent alike."""


class Label(Wire):
    label: Text
    """Stands before the summary of a cached or rule-based answer, and is never cut. Prints `step.display`."""


class CardFile(Wire):
    bands: Annotated[tuple[BandEntry, ...], Field(min_length=1)]
    """Ascending; the lowest reaches down to every threshold."""
    precision: Precision = Precision()
    summary: Text
    """A template, plain text."""
    detail: Text | None = None
    """A template, Markdown."""
    source: SourceEntry
    links: tuple[LinkEntry, ...] = ()
    override_reasons: tuple[OverrideEntry, ...] = ()
    deferred: Notice | None = None
    """The hand-off card where the call is deferred."""
    unavailable: Notice | None = None
    """The notice where the model is not available."""
    fallback: Label | None = None
    suggestions: tuple[SuggestionEntry, ...] = ()
    """What the clinician may accept; as the standard writes them, without uuid, which wardgate gives."""
    selectionBehavior: Literal["any", "at-most-one"] = "any"
    """Of the suggestions."""
    systemActions: tuple[SystemActionEntry, ...] = ()
    """What the EHR does by itself; only for clients with `system_actions: true`."""
    names: dict[str, Text] = {}
    """By feature: what clinicians call it."""

    def spec(self) -> CardSpec:
        return CardSpec(
            bands=tuple(band.band() for band in self.bands),
            summary=self.summary,
            source=self.source.source(),
            precision=self.precision.score,
            detail=self.detail,
            links=tuple(link.link() for link in self.links),
            override_reasons=tuple(reason.reason() for reason in self.override_reasons),
            deferred=DEFERRED if self.deferred is None else self.deferred.spec(),
            unavailable=UNAVAILABLE if self.unavailable is None else self.unavailable.spec(),
            fallback_label=FALLBACK_LABEL if self.fallback is None else self.fallback.label,
            names=self.names,
            suggestions=tuple(suggestion.suggestion() for suggestion in self.suggestions),
            selection_behavior=self.selectionBehavior,
            system_actions=tuple(each.system_action() for each in self.systemActions),
        )
