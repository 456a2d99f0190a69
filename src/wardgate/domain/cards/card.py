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
    autolaunchable: bool = False


class Action(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    type: str  # create | update | delete
    description: str
    resource: msgspec.Raw | None = None  # the JSON object, encoded once (ACT-3)
    resource_id: str | None = None


class Suggestion(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    label: str
    uuid: str
    actions: tuple[Action, ...]
    is_recommended: bool = False


class Card(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    uuid: str
    summary: str  # at most 139 characters (CARD-2)
    indicator: str  # info | warning | critical
    source: Source
    detail: str | None = None
    links: tuple[Link, ...] = ()
    override_reasons: tuple[Coding, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    selection_behavior: str | None = None  # at-most-one | any; there where suggestions are (CARD-9)
