"""What the EHRs of a vendor take of cards, where that is less than the standard allows. One table; `check` proves every
card against it, since an EHR drops what it does not take, or the whole card, without a word.
"""

import re
from collections.abc import Iterable, Mapping

import msgspec

from wardgate.domain.cards.spec import CardProblem, CardSpec


class Profile(msgspec.Struct, frozen=True):
    """`most_actions`: of one suggestion. `topic`: what `source.topic.code` must look like; None: it may be absent.
    `system_actions`: the type and resource that those must have; None: any."""

    name: str
    selection_behaviors: frozenset[str] = frozenset({"any", "at-most-one"})
    most_actions: int | None = None
    topic: re.Pattern[str] | None = None
    https_only: bool = False
    system_actions: tuple[str, str] | None = None


PROFILES: Mapping[str, Profile] = {
    "standard": Profile("the standard"),
    "epic": Profile(  # fhir.epic.com, CDS Hooks tutorial; system actions since February 2024
        "Epic",
        selection_behaviors=frozenset({"any"}),
        most_actions=1,
        topic=re.compile(r"[A-Za-z0-9]{1,100}"),
        https_only=True,
        system_actions=("update", "ServiceRequest"),
    ),
}


def profile_problems(spec: CardSpec, profile: Profile, system_actions: bool) -> Iterable[CardProblem]:
    """What of a card such a client would not take. `system_actions`: the client is sent them."""
    ehr = profile.name
    if spec.suggestions and spec.selection_behavior not in profile.selection_behaviors:
        remedy = "use " + " or ".join(sorted(profile.selection_behaviors))
        yield CardProblem("selectionBehavior", f"{ehr} does not take {spec.selection_behavior}", remedy)
    for number, suggestion in enumerate(spec.suggestions):
        if profile.most_actions is not None and len(suggestion.actions) > profile.most_actions:
            what, key = f"{ehr} takes {profile.most_actions} action of a suggestion", f"suggestions.{number}.actions"
            yield CardProblem(key, what, "make it several suggestions, if each alone makes sense")
    yield from _topic_problems(spec, profile)
    if profile.https_only:
        urls = {"source.url": spec.source.url, "source.icon": spec.source.icon}
        urls |= {f"links.{number}.url": link.url for number, link in enumerate(spec.links)}
        for key, url in urls.items():
            if url is not None and not url.startswith("https://"):
                yield CardProblem(key, f"{ehr} opens https only", "write an https URL")
    if profile.system_actions is not None and system_actions:
        yield from _system_problems(spec, profile.name, *profile.system_actions)


def _topic_problems(spec: CardSpec, profile: Profile) -> Iterable[CardProblem]:
    if profile.topic is None:
        return
    topic = spec.source.topic
    if topic is None:
        what = f"{profile.name} remembers overrides by it, so a card needs one"
        yield CardProblem("source.topic", what, "add topic: {system: …, code: …, display: …}")
    elif profile.topic.fullmatch(topic.code) is None:
        what = f"not a code that {profile.name} takes"
        yield CardProblem("source.topic.code", what, "use letters and digits alone, 100 at most")


def _system_problems(spec: CardSpec, ehr: str, type_: str, resource_type: str) -> Iterable[CardProblem]:
    for number, system in enumerate(spec.system_actions):
        resource = system.action.resource or {}
        if (system.action.type, resource.get("resourceType")) != (type_, resource_type):
            what = f"{ehr} carries out the {type_} of a {resource_type} alone"
            yield CardProblem(f"systemActions.{number}", what, f"make it one, or leave {ehr} without system actions")
