"""From decoded pages to one patient's record: agreement with the context, ownership, one of each resource."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC
from enum import Enum

import msgspec

from wardgate.domain.context.drafts import DRAFT_ORDERS, SELECTIONS, Drafts
from wardgate.domain.context.fhir import Document, Event, Resource
from wardgate.domain.context.lenient import lenient_document
from wardgate.domain.context.ownership import Owner
from wardgate.domain.context.prefetch import PrefetchKey, names_context
from wardgate.domain.context.record import DRAFT_MEDICATIONS, Dropped, KeyState, PatientRecord, home_in_context
from wardgate.domain.context.resources import Page
from wardgate.domain.times import parse_full_instant

WRONG_PATIENT_AT = 3
"""So many resources of somebody else, and nothing of this chart is believed (DESIGN, "Context and patient")."""

_NONE: frozenset[str] = frozenset()
_ABOUT_PATIENTS = frozenset(
    {"Observation", "Condition", "Encounter", "MedicationRequest", "MedicationStatement", "DocumentReference"}
)
"""Types that count as dropped when they name no subject; a Medication or a Location never has one."""

_REFERRING = frozenset({"MedicationRequest", "MedicationStatement"})


class Agreement(Enum):
    AGREES = "agrees"
    DIFFERS = "differs"
    UNSURE = "unsure"  # no id, or no subject: it may be the right one, and that is not enough


# Looking up a member of an enum costs more than all that is done with it here.
_AGREES, _DIFFERS, _UNSURE = Agreement.AGREES, Agreement.DIFFERS, Agreement.UNSURE
_FOREIGN = Dropped.OTHER_PATIENT


class Answer(msgspec.Struct):
    """How one key was answered, by the EHR in its prefetch or by its FHIR server.

    `read_back_to` is set exactly where the state is PARTIAL_NEWEST.
    """

    key: PrefetchKey
    pages: list[Page]
    state: KeyState
    read_back_to: float | None = None


def agreement(key: PrefetchKey, page: Page, owner: Owner, encounter_id: str | None) -> Agreement:
    """Whether the resource that the context names is what this key holds; keys that ask for others agree, unless it is
    among them and is somebody else's."""
    if not page.patients and not page.encounters:
        return _AGREES
    field = names_context(key)
    if field == "patientId":
        return _worst([owner.verdict_on_patient(document) for document in page.patients])
    if field == "encounterId" and encounter_id is not None:
        encounters = [resource for resource in page.resources if resource.resourceType == "Encounter"]
        return _worst([_verdict_on_encounter(resource, owner, encounter_id) for resource in encounters])
    own = [encounter for encounter, _ in page.encounters if encounter_id is not None and encounter.id == encounter_id]
    if own and _FOREIGN in [owner.verdict(encounter, owner.aliases(page)) for encounter in own]:
        return _DIFFERS
    return _AGREES


def _verdict_on_encounter(encounter: Resource, owner: Owner, encounter_id: str) -> Dropped | None:
    if encounter.id is not None and encounter.id != encounter_id:
        return Dropped.OTHER_PATIENT
    verdict = owner.verdict(encounter)
    return Dropped.NO_SUBJECT if verdict is None and encounter.id is None else verdict


def _worst(verdicts: list[Dropped | None]) -> Agreement:
    if _FOREIGN in verdicts:
        return _DIFFERS
    return _UNSURE if any(verdicts) else _AGREES


def assemble(
    answers: Sequence[Answer],
    owner: Owner,
    encounter_id: str | None,
    wrong_patient: bool,
    drafts: Drafts | None = None,
) -> PatientRecord:
    """`wrong_patient`: it is known already that a resource was read that is not what the context names.

    `drafts`: what the context carries, where a feature reads it.
    """
    pile = _Pile(owner, encounter_id)
    for answer in answers:
        for page in answer.pages:
            pile.add(page)
    resources, keys = pile.resources(), {answer.key.name: answer.state for answer in answers}
    if drafts is not None:
        pile.add_drafts(drafts, resources, keys)
    dropped = pile.dropped()
    return PatientRecord(
        patient=pile.patient,
        encounter=pile.encounter(),
        resources=resources,
        keys=keys,
        dropped=dropped,
        wrong_patient=wrong_patient
        or dropped.get(_FOREIGN, 0) >= WRONG_PATIENT_AT
        or pile.rejected.get(("Encounter", encounter_id)) is _FOREIGN,
        doubtful=_doubtful(answers, pile) if dropped or pile.unsure else _NONE,
        wholes={identity: raw for answer in answers if answer.key.whole for identity, raw in _wholes(answer)},
        read_back_to={a.key.name: a.read_back_to for a in answers if a.read_back_to is not None},
    )


def _wholes(answer: Answer) -> Iterator[tuple[int, msgspec.Raw]]:
    return (item for page in answer.pages for item in page.wholes.items())


def _doubtful(answers: Sequence[Answer], pile: "_Pile") -> frozenset[str]:
    unreadable = {answer.key.resource_type for answer in answers if any(page.unreadable for page in answer.pages)}
    return frozenset(unreadable | pile.without_subject() | pile.unsure)


class _Pile:
    """The union of all keys: one of each type and id, with a verdict on whose it is.

    Versions are sorted out before owners: where the newest version of a resource is somebody else's, an older
    one must not stand in for it. Where no version is the newest, one foreign version is enough.
    """

    def __init__(self, owner: Owner, encounter_id: str | None) -> None:
        self.patient: Document | None = None
        self._encounter_id = encounter_id
        self._encounter: tuple[Resource, msgspec.Raw] | None = None
        self.rejected: dict[tuple[str, str | None], Dropped] = {}
        self.unsure: set[str] = set()  # context fields of which something is missing that was named or sent
        self._owner = owner
        self._chosen: dict[str, dict[str, Resource]] = {}  # by type, then by id
        self._without_id: list[Resource] = []
        self._lost: list[tuple[str, Dropped]] = []  # type and cause of what has no id

    def add(self, page: Page) -> None:
        if page.patients or page.encounters or page.unreadable:
            self._add_apart(page)
        if page.resources and not self._add_plain(page.resources):
            self._add_each(page)

    def _add_plain(self, resources: Sequence[Resource]) -> bool:
        """Nearly every page: one type that no page before had, each once, all hers as plainly as can be said."""
        literal, kind = self._owner.literal, resources[0].resourceType
        if kind in self._chosen:
            return False
        held = {
            found: resource
            for resource in resources
            if resource.resourceType == kind
            and (found := resource.id) is not None
            and (subject := resource.subject) is not None
            and subject.reference == literal
            and resource.focus is None
            and resource.patient is None
        }
        if len(held) != len(resources):
            return False
        self._chosen[kind] = held
        return True

    def _add_each(self, page: Page) -> None:
        aliases = self._owner.aliases(page)
        for resource in page.resources:
            held = self._chosen.setdefault(resource.resourceType, {})
            self._consider(resource, self._owner.verdict(resource, aliases), held)

    def add_drafts(self, drafts: Drafts, resources: dict[str, tuple[Resource, ...]], keys: dict[str, KeyState]) -> None:
        """Each field under a name of its own: a draft is no resource of the chart, whatever its type and id."""
        for field, page in drafts.pages.items():
            home = home_in_context(field)
            keys[home] = KeyState.UNOBTAINED if page is None else KeyState.OBTAINED
            resources[home] = tuple(self._drafts_of(home, page, resources)) if page is not None else ()
        if drafts.selections is not None:
            self._select(drafts.selections, resources, keys)

    def _drafts_of(self, home: str, page: Page, resources: dict[str, tuple[Resource, ...]]) -> Iterator[Resource]:
        aliases = self._owner.aliases(page)
        self._lost.extend([(home, Dropped.UNREADABLE)] * page.unreadable)
        if page.unreadable:
            self.unsure.add(home)
        for draft in page.resources:
            verdict = self._owner.verdict_on_draft(draft, aliases)
            if verdict is not None:
                self._lost.append((home, verdict))
            elif draft.resourceType == "Medication":  # sent along with the orders that refer to it
                resources[DRAFT_MEDICATIONS] = (*resources.get(DRAFT_MEDICATIONS, ()), draft)
            else:
                self._localize(draft)
                yield draft

    def _select(
        self, chosen: frozenset[str], resources: dict[str, tuple[Resource, ...]], keys: dict[str, KeyState]
    ) -> None:
        home, orders = home_in_context(SELECTIONS), home_in_context(DRAFT_ORDERS)
        names = [f"{draft.resourceType}/{draft.id}" for draft in resources[orders] if draft.id is not None]
        named = {name for name, times in Counter(names).items() if times == 1}  # of two, no telling which is meant
        own = (draft for draft in resources[orders] if f"{draft.resourceType}/{draft.id}" in chosen & named)
        resources[home] = tuple(own)
        keys[home] = keys[orders]
        if not chosen <= named:
            self.unsure.add(home)

    def resources(self) -> dict[str, tuple[Resource, ...]]:
        rejected = self.rejected
        kept: dict[str, tuple[Resource, ...]] = {}
        for kind, held in self._chosen.items():
            loose = [resource for resource in self._without_id if resource.resourceType == kind]
            if rejected or loose:
                mine = [resource for resource in held.values() if (kind, resource.id) not in rejected]
                resources = (*mine, *loose)
            else:
                resources = tuple(held.values())
            if kind in _REFERRING:
                for resource in resources:
                    self._localize(resource)
            if resources:
                kept[kind] = resources
        return kept

    def _localize(self, resource: Resource) -> None:
        """A medicine of another server is not the one of that id on this."""
        if isinstance(resource, Event) and resource.medicationReference is not None:
            resource.medicationReference = self._owner.local(resource.medicationReference)

    def dropped(self) -> dict[Dropped, int]:
        counts: dict[Dropped, int] = {}
        for (kind, _), cause in self.rejected.items():
            if cause is not Dropped.NO_SUBJECT or kind in _ABOUT_PATIENTS or kind == "Patient":
                counts[cause] = counts.get(cause, 0) + 1
        for _, cause in self._lost:
            counts[cause] = counts.get(cause, 0) + 1
        return counts

    def without_subject(self) -> set[str]:
        """The types of what was dropped because it names nobody."""
        dropped = [*self._lost, *((kind, cause) for (kind, _), cause in self.rejected.items())]
        return {kind for kind, cause in dropped if cause is Dropped.NO_SUBJECT}

    def _add_apart(self, page: Page) -> None:
        if page.unreadable:
            self._lost.extend([("", Dropped.UNREADABLE)] * page.unreadable)
        for document in page.patients:
            verdict = self._owner.verdict_on_patient(document)
            found = document.get("id")
            if verdict is not None:
                self.rejected[("Patient", found if isinstance(found, str) else None)] = verdict
            elif self.patient is None or _order(_updated(document), _updated(self.patient)) > 0:
                self.patient = document
        if self._encounter_id is not None:
            for found, raw in page.encounters:
                known = self._encounter
                if found.id == self._encounter_id and (known is None or _is_newer(found, known[0])):
                    self._encounter = found, raw

    def encounter(self) -> Document | None:
        """The Encounter of the call, whole."""
        if self._encounter is None or ("Encounter", self._encounter_id) in self.rejected:
            return None
        return lenient_document(self._encounter[1])

    def _consider(self, resource: Resource, verdict: Dropped | None, held: dict[str, Resource]) -> None:
        kind, found = resource.resourceType, resource.id
        if found is None:
            self._keep_without_id(resource, verdict)
        elif found in held:
            self._keep_newest(held, found, resource, verdict)
        else:
            held[found] = resource
            if verdict is not None:
                self.rejected[kind, found] = verdict

    def _keep_without_id(self, resource: Resource, verdict: Dropped | None) -> None:
        if verdict is None:
            self._without_id.append(resource)
        elif verdict is not Dropped.NO_SUBJECT or resource.resourceType in _ABOUT_PATIENTS:
            self._lost.append((resource.resourceType, verdict))

    def _keep_newest(self, held: dict[str, Resource], found: str, resource: Resource, verdict: Dropped | None) -> None:
        known, key = held[found], (resource.resourceType, found)
        order = _order(_edited(resource), _edited(known))
        if order > 0:
            held[found] = resource
            self.rejected.pop(key, None)
        if order >= 0 and verdict is not None:
            self.rejected.setdefault(key, verdict)


def _updated(document: Document) -> str | None:
    meta = document.get("meta")
    found = meta.get("lastUpdated") if isinstance(meta, dict) else None
    return found if isinstance(found, str) else None


def _edited(resource: Resource) -> str | None:
    return resource.meta.lastUpdated if resource.meta is not None else None


def _is_newer(resource: Resource, known: Resource) -> bool:
    return _order(_edited(resource), _edited(known)) > 0


def _order(left: str | None, right: str | None) -> int:
    """1: `left` is newer, -1: older; 0: the same, or it cannot be told."""
    if left is None or right is None or left == right:
        return 0
    a, b = parse_full_instant(left, UTC), parse_full_instant(right, UTC)
    if a is None or b is None or a == b:
        return 0
    return 1 if a > b else -1
