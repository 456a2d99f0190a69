"""What a card proposes, and what the EHR shall do by itself: suggestions and system actions (CDS Hooks 2.0.1,
"Suggestion", "Action", "System Actions").

A resource is a document of the card file whose strings are templates. It keeps the shape that the file gave it: what
is substituted is a string, never structure. A string of which a value is not there in this call is left out, and what
becomes empty with it (GEN-3).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any

import msgspec

from wardgate.domain.cards.card import Action, Suggestion
from wardgate.domain.cards.identity import suggestion_id
from wardgate.domain.cards.language import TemplateProblem, compile_string, has_gap
from wardgate.domain.cards.scene import BUILTIN_OF_RESOURCES, Scene, vocabulary_of_resource
from wardgate.domain.cards.shapes import Shape
from wardgate.domain.cards.spec import ActionSpec, CardProblem, CardSpec
from wardgate.domain.cards.strangers import touches_another

TYPES = ("create", "update", "delete")
SELECTION_BEHAVIORS = ("at-most-one", "any")

Build = Callable[[Scene], Any]
"""Gives JSON data, or `_LEFT_OUT`."""

_LEFT_OUT = object()
_TYPE = re.compile(r"[A-Z][A-Za-z]{0,63}")
_REFERENCE = re.compile(r"[A-Z][A-Za-z]{0,63}/[A-Za-z0-9\-.]{1,64}")
_THE_PATIENT = re.compile(r"Patient/\{\{\s*context\.patientId\s*\}\}")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # FHIR R4, "string": no control characters but these three


class ActionPlan(msgspec.Struct, frozen=True):
    """`part` is the resource, or the `resourceId` of a delete: JSON data, or how it is built."""

    key: str
    type: str
    description: str
    part: Any

    def action(self, scene: Scene) -> Action | None:
        """None where the id of what it changes is not there in this call, or where it would touch another patient."""
        made = _made(self.part, scene)
        if made is not _LEFT_OUT and touches_another(made, scene.call.tokens.get("patientId", "")):
            scene.foreign += 1
            return None
        if self.type == "delete":
            sound = made is not _LEFT_OUT and _REFERENCE.fullmatch(made) is not None
            return Action(self.type, self.description, resource_id=made) if sound else None
        if self.type == "update" and "id" not in made:
            return None
        return Action(self.type, self.description, msgspec.Raw(msgspec.json.encode(made)))


class SuggestionPlan(msgspec.Struct, frozen=True):
    """`bands`: on the cards of these alone; None: on every score's."""

    number: int
    label: str
    actions: tuple[ActionPlan, ...]
    is_recommended: bool
    bands: frozenset[str] | None

    def suggestion(self, scene: Scene) -> Suggestion | None:
        """Its actions belong together (SUG-4), so that without one of them there is no suggestion."""
        actions = [made for plan in self.actions if (made := plan.action(scene)) is not None]
        if len(actions) < len(self.actions):
            return None
        uuid = suggestion_id(scene.call.decision_id, scene.call.ordinal, self.number)
        return Suggestion(self.label, uuid, tuple(actions), self.is_recommended)


class SystemActionPlan(msgspec.Struct, frozen=True):
    action: ActionPlan
    bands: frozenset[str] | None


class ActionPlans(msgspec.Struct, frozen=True):
    """All that acts. `selection_behavior` is that of the suggestions."""

    suggestions: tuple[SuggestionPlan, ...] = ()
    selection_behavior: str = "any"
    system_actions: tuple[SystemActionPlan, ...] = ()

    def suggested(self, scene: Scene) -> tuple[Suggestion, ...]:
        """Those of the score's band, in the file's order. Whether they may ride on this card is the caller's to know
        (`CardFacts.acts`), here and below."""
        made = [plan.suggestion(scene) for plan in self.suggestions if _belongs(plan.bands, scene)]
        return tuple(suggestion for suggestion in made if suggestion is not None)

    def by_system(self, scene: Scene) -> tuple[Action, ...]:
        made = [plan.action.action(scene) for plan in self.system_actions if _belongs(plan.bands, scene)]
        return tuple(action for action in made if action is not None)

    def every(self) -> Iterable[ActionPlan]:
        for suggestion in self.suggestions:
            yield from suggestion.actions
        yield from (system.action for system in self.system_actions)


def _belongs(bands: frozenset[str] | None, scene: Scene) -> bool:
    band = scene.call.decision.band
    return bands is None or (band is not None and band.name in bands)


# resources


def _made(part: Any, scene: Scene) -> Any:
    return part(scene) if callable(part) else part


def _mapping(parts: Mapping[str, Any]) -> Build:
    def build(scene: Scene) -> Any:
        found = {name: made for name, part in parts.items() if (made := _made(part, scene)) is not _LEFT_OUT}
        return found or _LEFT_OUT

    return build


def _list(parts: list[Any]) -> Build:
    def build(scene: Scene) -> Any:
        return [made for part in parts if (made := _made(part, scene)) is not _LEFT_OUT] or _LEFT_OUT

    return build


class _Compiler:
    """Documents to builders; what is constant stays data."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.problems: list[CardProblem] = []
        self._shapes = shapes
        self._vocabulary = vocabulary_of_resource(shapes)

    def part(self, value: object, key: str) -> Any:
        match value:
            case str():
                return self._text(value, key)
            case dict() if value:
                parts = {name: self.part(inner, f"{key}.{name}") for name, inner in value.items()}
                return _mapping(parts) if any(map(callable, parts.values())) else parts
            case list() if value:
                items = [self.part(inner, f"{key}.{number}") for number, inner in enumerate(value)]
                return _list(items) if any(map(callable, items)) else items
            case bool() | int():
                return value
            case float() if isfinite(value):
                return value
        self._problem(key, "an empty value", "fill it, or remove the key (GEN-3)")
        return None

    def _text(self, text: str, key: str) -> Any:
        if not text.strip() or _UNPRINTABLE.search(text):
            self._problem(key, "the text is empty, or holds control characters", "write what can be read")
        elif key.endswith((".reference", ".resourceId")) and "Patient/" in text and not _THE_PATIENT.fullmatch(text):
            what = "a patient who may be another one than the call's"
            self._problem(key, what, 'write "Patient/{{ context.patientId }}"')
        if "{{" not in text and "{%" not in text and "{#" not in text:
            return text
        if key.endswith(".div"):
            self._problem(key, "a template in XHTML", "leave the narrative out: the EHR makes its own")
            return text
        try:
            template = compile_string(text, self._vocabulary)
        except TemplateProblem as problem:
            self.problems.append(CardProblem(key, problem.what, problem.remedy, problem.line))
            return text
        for name in sorted(template.reads & self._shapes.keys() & BUILTIN_OF_RESOURCES):
            what = f"{name} is a name of the language of resources and a feature, too"
            self._problem(key, what, "rename the feature, or do without it here")
        render = template.render

        def build(scene: Scene) -> Any:
            made = render(scene)
            return _LEFT_OUT if has_gap(made) or not made.strip() else made

        return build

    def _problem(self, key: str, what: str, remedy: str) -> None:
        self.problems.append(CardProblem(key, what, remedy))


def compile_actions(spec: CardSpec, shapes: Mapping[str, Shape]) -> ActionPlans | list[CardProblem]:
    """`shapes` are the features of the release's schema."""
    compiler = _Compiler(shapes)
    suggestions = tuple(
        SuggestionPlan(
            number,
            each.label,
            tuple(
                _action(compiler, action, f"suggestions.{number}.actions.{inner}")
                for inner, action in enumerate(each.actions)
            ),
            each.is_recommended,
            frozenset(each.bands) or None,
        )
        for number, each in enumerate(spec.suggestions)
    )
    system = tuple(
        SystemActionPlan(_action(compiler, each.action, f"systemActions.{number}"), frozenset(each.bands) or None)
        for number, each in enumerate(spec.system_actions)
    )
    problems = [*_problems(spec), *compiler.problems]
    return problems or ActionPlans(suggestions, spec.selection_behavior, system)


def _action(compiler: _Compiler, spec: ActionSpec, key: str) -> ActionPlan:
    if spec.type == "delete":
        part = None if spec.resource_id is None else compiler.part(spec.resource_id, f"{key}.resourceId")
    else:
        part = None if spec.resource is None else compiler.part(spec.resource, f"{key}.resource")
    return ActionPlan(key, spec.type, spec.description, part)


# what is wrong with a file


def _problems(spec: CardSpec) -> Iterable[CardProblem]:
    if spec.selection_behavior not in SELECTION_BEHAVIORS:
        what, remedy = "clients take an unknown one for an error (CARD-9)", "use at-most-one or any"
        yield CardProblem("selectionBehavior", what, remedy)
    bands = {band.name for band in spec.bands}
    for number, suggestion in enumerate(spec.suggestions):
        key = f"suggestions.{number}"
        if not suggestion.actions:
            yield CardProblem(f"{key}.actions", "nothing would happen", "give one action at least (SUG-4)")
        yield from _band_problems(key, suggestion.bands, bands)
        for inner, action in enumerate(suggestion.actions):
            yield from _action_problems(f"{key}.actions.{inner}", action)
    for number, system in enumerate(spec.system_actions):
        yield from _band_problems(f"systemActions.{number}", system.bands, bands)
        yield from _action_problems(f"systemActions.{number}", system.action)
    yield from _recommended_problems(spec, bands)


def _band_problems(key: str, named: tuple[str, ...], bands: set[str]) -> Iterable[CardProblem]:
    for number, name in enumerate(named):
        if name not in bands:
            yield CardProblem(f"{key}.bands.{number}", "no band has this name", "name one of the card's `bands`")


def _recommended_problems(spec: CardSpec, bands: set[str]) -> Iterable[CardProblem]:
    """SUG-3: where one may be chosen, one may be recommended; those of different bands never meet."""
    if spec.selection_behavior == "any":
        return
    for band in sorted(bands):
        on_card = [n for n, s in enumerate(spec.suggestions) if s.is_recommended and (not s.bands or band in s.bands)]
        if len(on_card) > 1:
            what = f"the second recommended one on a card of which one may be chosen (band {band})"
            yield CardProblem(f"suggestions.{on_card[1]}.isRecommended", what, "recommend one, or use any")
            return


def _action_problems(key: str, action: ActionSpec) -> Iterable[CardProblem]:
    if action.type not in TYPES:
        yield CardProblem(f"{key}.type", "no such action", "use create, update or delete")
    elif action.type == "delete":
        yield from _delete_problems(key, action)
    elif action.resource_id is not None:
        what = f"{action.type} has no resourceId"
        yield CardProblem(f"{key}.resourceId", what, "write the id into the resource")
    elif action.resource is None:
        what = f"{action.type} needs the whole resource (ACT-3, ACT-4)"
        yield CardProblem(f"{key}.resource", what, "add `resource: {resourceType: …}`")
    else:
        yield from _resource_problems(f"{key}.resource", action.type, action.resource)


def _delete_problems(key: str, action: ActionSpec) -> Iterable[CardProblem]:
    if action.resource is not None:
        yield CardProblem(f"{key}.resource", "a delete has no resource (ACT-5)", "write resourceId: Type/id")
    if action.resource_id is None:
        yield CardProblem(f"{key}.resourceId", "nothing says what to delete", "write resourceId: Type/id")
    elif "{{" not in action.resource_id and _REFERENCE.fullmatch(action.resource_id) is None:
        yield CardProblem(f"{key}.resourceId", "not a relative reference (ACT-5)", "write Type/id")


def _resource_problems(key: str, type_: str, resource: Mapping[str, Any]) -> Iterable[CardProblem]:
    named = resource.get("resourceType")
    if not isinstance(named, str) or _TYPE.fullmatch(named) is None:
        what = "not the type of a FHIR resource"
        yield CardProblem(f"{key}.resourceType", what, "write it as it is, such as ServiceRequest")
    if type_ == "update" and not isinstance(resource.get("id"), str):
        what = "an update without the id of what it updates (ACT-4)"
        yield CardProblem(f"{key}.id", what, "add `id:`")
