"""What the actions of a card bring into a chart, and to whom they may be sent: proved with sample calls.

The resources are validated by the package fhir.resources (FHIR R4B) where it is installed (`wardgate[validate]`). That
happens at start and in `check`, never in a call: there it would cost a hundred times the card.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from pydantic import BaseModel, ValidationError

from wardgate.adapters.files.library import Ground, Library
from wardgate.adapters.files.wire import Sheet
from wardgate.adapters.files.wire_card import CardFile
from wardgate.domain.cards.card import Action
from wardgate.domain.cards.facts import CardFacts
from wardgate.domain.cards.plan import CardPlan
from wardgate.domain.cards.profiles import PROFILES, profile_problems
from wardgate.domain.cards.scene import Scene
from wardgate.domain.cards.spec import CardProblem
from wardgate.domain.documents import Document, Place
from wardgate.domain.findings import Finding
from wardgate.domain.hooks import HOOKS

NOT_VALIDATED = Finding(
    "",
    0,
    "",
    "the resources of suggestions and system actions are not validated against FHIR R4B",
    "install the extra `validate`, at least where you run `check`",
    warning=True,
)
_TOKENS: Mapping[str, Mapping[str, str]] = {
    "patientId": {"patientId": "sample-patient"},
    "encounterId": {"encounterId": "sample-encounter"},
    "userId": {"userId": "Practitioner/sample-user", "userPractitionerId": "sample-user"},
}


def tell(library: Library, document: Document, problem: CardProblem) -> None:
    what = f"line {problem.line} of the template: {problem.what}" if problem.line else problem.what
    library.found(document, place_of(problem.key), what, problem.remedy)


def place_of(key: str) -> Place:
    return tuple(int(step) if step.isdigit() else step for step in key.split("."))


def prove_for_clients(library: Library, ground: Ground, card: Sheet[CardFile]) -> None:
    """Every card may come to every client, so each one's profile counts."""
    spec = card.wire.spec()
    for taker in ground.takers:
        if taker.profile in PROFILES:
            for problem in profile_problems(spec, PROFILES[taker.profile], taker.system_actions):
                named = msgspec.structs.replace(problem, what=f"{problem.what} (client {taker.name})")
                if not card.lacks(*place_of(problem.key)):
                    tell(library, card.document, named)
    if spec.system_actions and not any(taker.system_actions for taker in ground.takers):
        what = "no client takes system actions, so that they are never sent"
        remedy = f"set `system_actions: true` for a client in {ground.document.file}, where that was agreed with it"
        library.found(card.document, ("systemActions",), what, remedy, warning=True)


def prove_actions(
    library: Library, card: Sheet[CardFile], plan: CardPlan, hook: str, samples: Iterable[CardFacts]
) -> None:
    """With all ids of the hook's context, and with those alone that every call has."""
    if plan.actions is None:
        return
    fewest = _required(hook)
    seen: set[tuple[str, bytes]] = set()
    for call in samples:
        for names in (tuple(_TOKENS), fewest):
            tokens = {token: id_ for name in names for token, id_ in _TOKENS[name].items()}
            scene = Scene(plan.facts, msgspec.structs.replace(call, tokens=tokens))
            for each in plan.actions.every():
                foreign = scene.foreign
                action = each.action(scene)
                made = b"" if action is None else bytes(action.resource or b"")
                if (each.key, made) not in seen:
                    seen.add((each.key, made))
                    _prove_action(library, card.document, place_of(each.key), action, scene.foreign > foreign)


def _required(hook: str) -> tuple[str, ...]:
    definition = HOOKS.get(hook)
    required = () if definition is None else tuple(field.name for field in definition.fields if field.required)
    return tuple(name for name in _TOKENS if name == "patientId" or name in required)


def _prove_action(library: Library, document: Document, place: Place, action: Action | None, foreign: bool) -> None:
    if foreign:
        what = "what is made here is, or may be, about another patient than the call's (law 11)"
        remedy = 'refer to her as "Patient/{{ context.patientId }}", and propose single resources'
        library.found(document, place, what, remedy)
    elif action is None:
        what = "the id of what it changes is not there in every call"
        remedy = "build it from `context.patientId`, or from what this hook always has"
        library.found(document, place, what, remedy)
    elif action.resource is not None:
        _prove_resource(library, document, (*place, "resource"), msgspec.json.decode(action.resource))


def _prove_resource(library: Library, document: Document, place: Place, resource: dict[str, Any]) -> None:
    try:
        from fhir.resources.R4B import get_fhir_model_class
    except ImportError:
        library.findings.append(NOT_VALIDATED)
        return
    kind = str(resource["resourceType"])
    try:
        model: type[BaseModel] = get_fhir_model_class(kind)
    except (KeyError, ValueError):
        what, remedy = "FHIR R4B has no such resource", "write it as it is, such as ServiceRequest"
        library.found(document, (*place, "resourceType"), what, remedy)
        return
    try:
        model.model_validate(resource)
    except ValidationError as error:
        remedy = f"see https://hl7.org/fhir/R4B/{kind.lower()}.html"
        for where, what in _told(error):
            library.found(document, (*place, *where), what, remedy)


def _told(error: ValidationError) -> Iterator[tuple[Place, str]]:
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        where: Place = each["loc"]
        match each["type"]:
            case "missing" | "model_field_validation.missing":  # of a structure; of a primitive
                yield where, f"FHIR R4B requires `{where[-1]}` here, in every call"
            case "extra_forbidden":
                yield where, "FHIR R4B has no such element here"
            case _:
                yield where, f"not what FHIR R4B takes: {each['msg'].removeprefix('Value error, ')}"
