"""Prefetch templates (CDS Hooks 2.0.1, "Prefetch Template"): parsed once at start, filled once a call."""

import msgspec


class PrefetchKey(msgspec.Struct, frozen=True):
    """One declared key. `parts` are literal text and token names in turn: text, token, text, ..., text.

    `parameters` are the search's (name, value) pairs as written, percent-decoded, tokens left in place;
    empty for an instance read.
    """

    name: str
    template: str
    resource_type: str
    read: bool  # `Patient/{{context.patientId}}` rather than a search
    parts: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]
    required: bool


class TemplateError(ValueError):
    """A template that the standard's restricted subset does not allow; the message says what and how to mend it."""
