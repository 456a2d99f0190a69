"""The card on the wire (CDS Hooks 2.0.1, "Card Attributes"). Elements without value are left out (GEN-3)."""

import msgspec


class Coding(msgspec.Struct, frozen=True, omit_defaults=True):
    system: str
    code: str
    display: str | None = None


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    label: str
    url: str | None = None
    icon: str | None = None
    topic: Coding | None = None


class Link(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    label: str
    url: str
    type: str  # absolute | smart
    app_context: str | None = None


class Card(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    uuid: str
    summary: str  # at most 139 characters (CARD-2)
    indicator: str  # info | warning | critical
    source: Source
    detail: str | None = None
    links: tuple[Link, ...] = ()
    override_reasons: tuple[Coding, ...] = ()
