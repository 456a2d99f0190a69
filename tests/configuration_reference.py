"""Writes docs/configuration.md from the schemas: `python -m tests.configuration_reference`. A test keeps it current."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import BaseModel, BeforeValidator, RootModel

from wardgate.adapters.files.not_active import NOT_ACTIVE
from wardgate.adapters.files.wire_card import CardFile
from wardgate.adapters.files.wire_features import Features
from wardgate.adapters.files.wire_governance import Governance
from wardgate.adapters.files.wire_release import Probes, Release
from wardgate.adapters.files.wire_rule import Rule
from wardgate.adapters.files.wire_service import Service, _of_deferral
from wardgate.cli import starter
from wardgate.domain.documents import duration_of
from wardgate.domain.outcomes import DEFERRAL_REASONS
from wardgate.settings import file as settings
from wardgate.settings import values

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "configuration.md"

_NEW = starter.texts("my-model", "patient-view", "oip", starter.URL, "active")
_GOVERNANCE = """\
tiers:
  low: {}                        # nothing is demanded
  high:
    silent: {approvals: [{role: approver-technical, number: 1}], evidence: {shadow_days: 7}}
    active: {approvals: [{role: approver-clinical, number: 2}], four_eyes: true}
put_back_within: 24h
"""

_SECTIONS: tuple[tuple[str, str, str, type[BaseModel]], ...] = (
    ("wardgate.yaml", "The gateway.", _NEW["gateway"], settings.File),
    (
        "services/*.yaml",
        "A CDS service. Expressions: [expressions.md](expressions.md).",
        _NEW["service"],
        Service,
    ),
    (
        "models/MODEL/features.yaml",
        "The feature schema; what each key means exactly: [features.md](features.md).",
        _NEW["features"],
        Features,
    ),
    (
        "models/MODEL/releases/VERSION.yaml",
        "A release: endpoint, probes, calibration, evidence.",
        _NEW["release"],
        Release,
    ),
    (
        "models/MODEL/releases/probes.json",
        "Probe vectors, as the release's `probes.file` names them: inputs, and what this very model answers to them. "
        "`wardgate probes SERVICE` compares them with the endpoint. (These are placeholders.)",
        _NEW["probes"],
        Probes,
    ),
    ("cards/NAME.yaml", "What a clinician reads; its templates: [cards.md](cards.md).", _NEW["card"], CardFile),
    (
        "rules/NAME.yaml",
        "A rule of the fallback ladder.",
        (ROOT / "config" / "rules" / "ckd-stage.yaml").read_text(encoding="utf-8"),
        Rule,
    ),
    ("governance.yaml", "What each step upward demands.", _GOVERNANCE, Governance),
)

_HEAD = """# Configuration

<!-- Written by `python -m tests.configuration_reference` from the schemas: change those. -->

All files are YAML 1.2 (core schema): `off`, `on`, `yes` and `no` are text, `1e-6` is a number, dates are text.
Unknown and duplicate keys, anchors, aliases and tags are errors. Durations are a number with `ms`, `s`, `m` (minutes),
`h` or `d`; sizes with `B`, `KiB` or `MiB`. The folders in `paths` start at the folder of `wardgate.yaml`; every other
relative path starts at the file that names it.

Only files that end in `.yaml` are read; `check` warns of others.

`wardgate new SERVICE` writes the files that each section below begins with; [tutorial.md](tutorial.md) goes from there
to a card. Four of them make a model: a service, its features, a release with probes, a card.

`wardgate check` reads all files and lists everything that is wrong, with file, line and remedy: on a terminal grouped
by file, elsewhere a line each, `file:line: key: what -> remedy`. One error hides no other, but what mentions a feature
that is itself wrong is not judged. It proves, besides the keys below, that

- the prefetch asks for every code of every feature, with templates that the hook and the standard allow;
- every name in an expression is a declared feature, or an output that the release declares;
- bands ascend, and the lowest reaches down to every threshold (without one: to `score_range[0]`);
- every input of the model is a `use: model` feature, and every optional one has a `fill`;
- the probe file exists and gives every input and the score; evidence files have the digests that are recorded;
- the endpoint's host is on `model_hosts`, and plain http stays on loopback;
- each limitation's `check` names an exclusion or the population; the releases of the rollout exist;
- the card's templates can be rendered, also with missing values;
- every card can be shown to every client (`clients[].profile`), and the resources of its suggestions and system actions
  are FHIR R4B, also where a value is missing (with the extra `validate`; a warning says so where it is not installed).

**Release digest.** SHA-256 over the canonical JSON (RFC 8785) of the release, its probes, the feature schema, the card,
the rules that the service names, and all service files of the id without `rollout`, `owner`, `title`, `description` and
`outcome`. Comments, order and formatting do not count. `wardgate check` prints it.

**Not active yet.** These keys are validated, and have no effect in this version; `check` and the start say so for each
file that has one:

"""


def reference() -> str:
    """The whole page."""
    parts = [_HEAD + "\n".join(_inactive()) + "\n"]
    for file, about, example, model in _SECTIONS:
        rows = "\n".join(_rows(model, ""))
        shown = f"```{file.rpartition('.')[2]}\n{example}```"
        parts.append(f"\n## {file}\n\n{about}\n\n{shown}\n\n| key | takes | default | |\n|---|---|---|---|\n{rows}\n")
    return "".join(parts)


def _inactive() -> Iterator[str]:
    for kind, keys in NOT_ACTIVE.items():
        for key, _, instead in keys:
            yield f"- {kind}: `{key}`: {instead}"


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    hints, meanings = get_type_hints(model, include_extras=True), _docstrings(model)
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        key = prefix if issubclass(model, RootModel) else f"{prefix}{'.' if prefix else ''}{field.alias or name}"
        hint = field.annotation if issubclass(model, RootModel) else hints[name]
        default = "required" if field.is_required() else _default(field.default, hint)
        shown = f"`{key}`" if key else "(the whole file)"
        yield f"| {shown} | {_takes(hint)} | {default} | {meanings.get(name, '')} |"
        for inner, suffix in _nested(hint):
            yield from _rows(inner, f"{key}{suffix}")


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The text under each attribute of the class, and of the one that it extends."""
    if issubclass(model, RootModel) or not model.model_fields:
        return {}
    base = model.__base__
    found = {} if base is None or not issubclass(base, BaseModel) else _docstrings(base)
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)
    for attribute, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(attribute, ast.AnnAssign) and isinstance(attribute.target, ast.Name):
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                text = " ".join(str(after.value.value).split())
                found[attribute.target.id] = text.replace("{{", "`{{").replace("}}", "}}`").replace("|", "\\|")
    return found


def _takes(hint: Any) -> str:
    arguments, origin = get_args(hint), get_origin(hint)
    if hasattr(hint, "__metadata__"):
        calls = [data.func for data in hint.__metadata__ if isinstance(data, BeforeValidator)]
        if duration_of in calls:
            return "duration"
        if values.size_of in calls or values.spool_size_of in calls:
            return "size"
        if _of_deferral in calls:
            return " \\| ".join(f"`{reason}`" for reason in sorted(DEFERRAL_REASONS))
        return _takes(arguments[0])
    if origin is Literal:
        return " \\| ".join(f"`{value}`" for value in arguments)
    if origin is dict:
        return f"mapping to {_takes(arguments[1])}"
    if origin in (tuple, frozenset):
        several = origin is frozenset or arguments[-1] is Ellipsis
        return f"list of {_takes(arguments[0])}" if several else f"[{', '.join(_takes(item) for item in arguments)}]"
    if arguments:
        return " \\| ".join(dict.fromkeys(_takes(item) for item in arguments if item is not type(None)))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return " \\| ".join(f"`{member.value}`" for member in hint)
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return "mapping"
    return {str: "text", bool: "`true` \\| `false`", int: "whole number", float: "number"}.get(hint, "mapping")


def _nested(hint: Any) -> Iterator[tuple[type[BaseModel], str]]:
    arguments, origin = get_args(hint), get_origin(hint)
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint, ""
    elif hasattr(hint, "__metadata__"):
        yield from _nested(arguments[0])
    elif origin in (dict, tuple):
        suffix, inner = (".NAME", arguments[1]) if origin is dict else ("[]", arguments[0])
        yield from ((model, suffix + rest) for model, rest in _nested(inner))
    elif origin is not Literal:
        for argument in arguments:
            yield from _nested(argument)


def _default(value: object, hint: Any) -> str:
    if value is None or value in ((), {}, frozenset()) or isinstance(value, BaseModel):
        return ""
    if isinstance(value, float) and _takes(hint) == "duration":
        return f"`{_duration(value)}`"
    if isinstance(value, int) and _takes(hint) == "size":
        return f"`{value // 1024**2}MiB`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`[{', '.join(map(str, value))}]`" if isinstance(value, tuple) else f"`{value}`"


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds * 1000:g}ms"


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
