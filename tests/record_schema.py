"""Writes docs/schemas/decision-record-1.json from the struct: `python -m tests.record_schema`. A test keeps it current.

JSON Schema (2020-12) of one line of an export, with the text under each field as its description, the closed lists that
the fields take their words from, and forms for ids. What is not at its default is always there.
"""

import ast
import inspect
import json
import textwrap
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from wardgate.domain.features.vector import Mark
from wardgate.domain.outcomes import Arm, Mode, Outcome, Reason, Step
from wardgate.domain.records import AGE_STEPS, DecisionRecord, InputFact

TARGET = Path(__file__).parent.parent / "docs" / "schemas" / "decision-record-1.json"

_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_DIGEST = "^sha256:[0-9a-f]{64}$"
_PRINT = "^[0-9a-f]{8}:[0-9a-f]{32}$"
_CLOSED: dict[str, type[StrEnum]] = {
    "outcome": Outcome,
    "reason": Reason,
    "step": Step,
    "mode": Mode,
    "arm": Arm,
    "fallback_from": Reason,
}
_FORMS = {
    "decision_id": _UUID,
    "of": _UUID,
    "repeats": _UUID,
    "release_digest": _DIGEST,
    "config_digest": _DIGEST,
    "request_print": _PRINT,
    "resources_print": _PRINT,
    "reply_print": _PRINT,
    **{name: f"^{name}:[0-9a-f]{{8}}:[0-9a-f]{{40}}$" for name in ("patient", "encounter", "user", "hook_instance")},
}


def schema() -> dict[str, Any]:
    (reference,), parts = msgspec.json.schema_components([DecisionRecord], ref_template="#/$defs/{name}")
    whole, inputs = parts.pop("DecisionRecord"), parts["InputFact"]
    _describe(whole, DecisionRecord)
    _describe(inputs, InputFact)
    for name, closed in _CLOSED.items():
        _text_of(whole["properties"][name])["enum"] = [member.value for member in closed]
    for name, form in _FORMS.items():
        _text_of(whole["properties"][name])["pattern"] = form
    for name in ("card_uuids", "suggestion_uuids"):
        whole["properties"][name]["items"]["pattern"] = _UUID
    _text_of(inputs["properties"]["mark"])["enum"] = [mark.value for mark in Mark]
    _text_of(inputs["properties"]["age_step"])["enum"] = list(AGE_STEPS)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "decision-record-1.json",
        **whole,
        "description": "The event schema of record of wardgate, version 1: one for each decision.",
        "$defs": parts,
    }


def _describe(part: dict[str, Any], struct: type[msgspec.Struct]) -> None:
    """Each field must have its sentence."""
    part.pop("description", None)
    sentences = _sentences(struct)
    for name, field in part["properties"].items():
        field["description"] = sentences[name]


def _text_of(field: dict[str, Any]) -> dict[str, Any]:
    """Where the text of a field is described, None apart."""
    for choice in field.get("anyOf", ()):
        if choice.get("type") == "string":
            found: dict[str, Any] = choice
            return found
    return field


def _sentences(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The text under each field."""
    body = ast.parse(textwrap.dedent(inspect.getsource(struct))).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: " ".join(str(text.value.value).split())
        for field, text in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


def text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
