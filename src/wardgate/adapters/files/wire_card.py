"""`cards/<name>.yaml`: what a clinician reads (docs/configuration.md; its language: docs/cards.md)."""

from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field

from wardgate.adapters.files.wire import Number, Text, Whole, Wire
from wardgate.domain.cards.card import Coding, Link, Source
from wardgate.domain.cards.spec import (
    DEFERRED,
    FALLBACK_LABEL,
    UNAVAILABLE,
    CardSpec,
    NoticeSpec,
    OverrideClass,
    OverrideReason,
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

    def link(self) -> Link:
        return Link(self.label, self.url, self.type, self.appContext)


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
    """Stands before the summary of a cached or rule-based answer, and is never cut."""


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
    suggestions: tuple[dict[str, Any], ...] = ()
    """As the standard writes them."""
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
            suggestions=tuple(msgspec.Raw(msgspec.json.encode(suggestion)) for suggestion in self.suggestions),
        )
