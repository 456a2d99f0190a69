"""From `wardgate.yaml` to the catalog: find all files, prove them, compile them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from wardgate.adapters.files.actions import prove_for_clients
from wardgate.adapters.files.digest import config_digest, digest_of
from wardgate.adapters.files.library import Ground, Library, ground_of, shown
from wardgate.adapters.files.models import Model, read_model
from wardgate.adapters.files.not_active import not_active
from wardgate.adapters.files.services import compile_service, parts_of
from wardgate.adapters.files.wire import Sheet
from wardgate.adapters.files.wire_card import CardFile
from wardgate.adapters.files.wire_governance import Governance, compiled
from wardgate.adapters.files.wire_rule import Rule
from wardgate.adapters.files.wire_service import CohortEntry, Service
from wardgate.adapters.files.yaml_documents import read_yaml_as_far_as_possible
from wardgate.domain.documents import Document
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.findings import Finding
from wardgate.domain.governance import BUILT_IN, Policy
from wardgate.domain.outcomes import Mode
from wardgate.domain.plans import Catalog, ServicePlan
from wardgate.domain.releases import Review
from wardgate.domain.rollout.rollouts import By, Challenger, Cohort, Rollout


class Survey(msgspec.Struct, frozen=True):
    """Everything that was found. `document` None: `wardgate.yaml` itself cannot be read; `catalog` None: unsound."""

    document: Document | None
    catalog: Catalog | None
    findings: tuple[Finding, ...]


class Loaded(msgspec.Struct, frozen=True):
    """A sound catalog. `document` is `wardgate.yaml`, for `settings.read_settings`."""

    document: Document
    catalog: Catalog
    warnings: tuple[Finding, ...]


def load(config: Path) -> Loaded:
    """Raises ConfigurationError with every error of every file but `wardgate.yaml`'s own keys."""
    found = survey(config)
    if found.document is None or found.catalog is None:
        raise ConfigurationError([finding for finding in found.findings if not finding.warning])
    return Loaded(found.document, found.catalog, found.findings)


def survey(config: Path, today: str = "") -> Survey:
    """Never raises for what files hold; errors and warnings come in the order in which the files are read. `today`, as
    2027-05-01: reviews that should have been by then are told."""
    library, name = Library(), os.path.normpath(config)
    document = None
    try:
        document, told = read_yaml_as_far_as_possible(config, name)
        library.findings += [*told, *not_active(document, "wardgate")]
    except ConfigurationError as error:
        library.findings += error.findings
        if not os.path.isfile(config):
            return Survey(None, None, error.findings)
    ground = ground_of(document or Document(name, {}, {}), config, readable=document is not None)
    policy = _read_governance(ground, library)
    services = _read_services(ground, library)
    models = _read_models(ground, library)
    read_cards_and_rules(ground, library)
    _tell_misnamed(ground, library)
    plans = compile_all(ground, library, services, models)
    _tell_reviews(library, plans, models, today)
    findings = tuple(dict.fromkeys(library.findings))
    sound = all(finding.warning for finding in findings)
    if document is None or not sound:
        return Survey(document, None, findings)
    digest = config_digest([document, *library.documents], ground.folder)
    return Survey(document, catalog_of(services, plans, digest, policy), findings)


def _read_governance(ground: Ground, library: Library) -> Policy:
    """The strict default where there is no file, or where it is wrong, which is told."""
    path = ground.path("governance")
    named = isinstance(ground.document.data.get("paths"), dict) and "governance" in ground.document.data["paths"]
    if named or os.path.exists(path):
        sheet = library.yaml(path, Governance)
        if sheet is not None:
            return compiled(library, sheet)
    return BUILT_IN


def _read_services(ground: Ground, library: Library) -> list[Sheet[Service]]:
    folder = ground.path("services")
    paths = library.yaml_files(folder)
    if not paths and ground.readable:
        what = f"there is no service in {shown(folder)}"
        library.found(ground.document, ("paths", "services"), what, "put a file such as kidney-failure.yaml there")
    sheets = [library.yaml(path, Service) for path in paths]
    return [sheet for sheet in sheets if sheet is not None]


def _read_models(ground: Ground, library: Library) -> dict[str, Model]:
    """Each folder, also one that no service names: a broken service file must not hide what is wrong there."""
    folder = ground.path("models")
    names = [path.name for path in library.files.inside(folder) if library.files.is_folder(path)]
    return {name: read_model(ground, library, name) for name in names if not name.startswith(".")}


def read_cards_and_rules(ground: Ground, library: Library) -> None:
    """As far as they can be judged alone."""
    for path in library.yaml_files(ground.path("cards")):
        card = library.yaml(path, CardFile)
        if card is not None:
            prove_for_clients(library, ground, card)
    for path in library.yaml_files(ground.path("rules")):
        library.yaml(path, Rule)


def _tell_misnamed(ground: Ground, library: Library) -> None:
    models = ground.path("models")
    folders = [ground.path(kind) for kind in ("services", "cards", "rules")]
    folders += [path / inner for path in library.files.inside(models) for inner in (".", "releases", "features")]
    for path in (path for folder in folders for path in library.misnamed(folder)):
        what, remedy = "the file is not read", f"rename it to {path.stem}.yaml, or remove it"
        library.findings.append(Finding(shown(path), 0, "", what, remedy, warning=True))


def _tell_reviews(library: Library, plans: Sequence[ServicePlan], models: Mapping[str, Model], today: str) -> None:
    for release in dict.fromkeys((each.model, each.version) for plan in plans for each in plan.releases.values()):
        sheet = models[release[0]].releases[release[1]].sheet
        if sheet.wire.dossier().review(today) is Review.EXPIRED:
            what, remedy = "the review of this release is overdue", "review it, and set the next date in a new version"
            library.found(sheet.document, ("review_by",), what, remedy, warning=True)


def compile_all(
    ground: Ground, library: Library, services: Sequence[Sheet[Service]], models: Mapping[str, Model]
) -> list[ServicePlan]:
    _prove_families(library, services)
    plans = []
    for service in services:
        family = [other.document for other in services if other.wire.id == service.wire.id]
        parts = parts_of(ground, library, service, models.get(service.wire.model), family)
        plan = compile_service(library, parts)
        if plan is not None:
            plans.append(plan)
    return plans


def _prove_families(library: Library, services: Sequence[Sheet[Service]]) -> None:
    """Files may share an id, with different hooks, one model, card, set of rules, rollout and rule of outcomes."""
    first: dict[str, Sheet[Service]] = {}
    hooks: dict[tuple[str, str], str] = {}
    for service in services:
        document, wire = service.document, service.wire
        other = first.setdefault(wire.id, service)
        twin = hooks.setdefault((wire.id, wire.hook), document.file)
        if twin != document.file:
            what = f"{twin} has this id and this hook already"
            library.found(document, ("hook",), what, "change one of the two, or remove a file")
        if wire.model != other.wire.model:
            what = f"{other.document.file} has this id with another model"
            library.found(document, ("model",), what, "use one model, or another id")
        if wire.rollout != other.wire.rollout and not (service.lacks("rollout") or other.lacks("rollout")):
            what = f"{other.document.file} has this id with another rollout"
            library.found(document, ("rollout",), what, "state the same rollout in both: it goes by id")
        if wire.card != other.wire.card and not (service.lacks("card") or other.lacks("card")):
            what = f"{other.document.file} has this id with another card"
            library.found(document, ("card",), what, "use one card, or another id: a release has one digest")
        if _rules(wire) != _rules(other.wire):
            what = f"{other.document.file} has this id with other rules in its fallback"
            library.found(document, ("fallback",), what, "name the same rules in both: a release has one digest")
        if wire.outcome != other.wire.outcome:
            what = f"{other.document.file} has this id with another outcome"
            library.found(document, ("outcome",), what, "state the same outcome in both: it goes by id")


def _rules(service: Service) -> set[str]:
    return {step.rule for step in service.fallback if step.rule is not None}


def catalog_of(
    services: Sequence[Sheet[Service]], plans: Sequence[ServicePlan], digest: str, policy: Policy = BUILT_IN
) -> Catalog:
    by_id: dict[str, dict[str, ServicePlan]] = {}
    for plan in plans:
        by_id.setdefault(plan.id, {})[plan.hook] = plan
    rollouts = {service.wire.id: _rollout(service, by_id[service.wire.id]) for service in services}
    previews = {service.wire.id: service.wire.rollout.preview for service in services}
    return Catalog(by_id, rollouts, digest, previews, policy)


def _rollout(sheet: Sheet[Service], by_hook: Mapping[str, ServicePlan]) -> Rollout:
    """With the digests of the releases, which all files of an id give alike; `file` is of the versions, as they are
    written: an edit of a card is none of the rollout."""
    entry, plan = sheet.wire.rollout, next(iter(by_hook.values()))
    written = {key: value for key, value in sheet.document.data["rollout"].items() if key != "preview"}
    cohort = None if entry.cohort is None else _cohort(entry.cohort)
    challenger = None
    if entry.challenger is not None:
        challenger = Challenger(plan.version(entry.challenger.release).digest, _cohort(entry.challenger.cohort))
    return Rollout(
        plan.version(entry.champion).digest,
        Mode(entry.mode),
        cohort,
        challenger,
        shadows=tuple(plan.version(each).digest for each in dict.fromkeys(entry.shadow) if each != entry.champion),
        salt=sheet.wire.id,  # a file draws no random one; what it does must be the same in every replica
        file=digest_of(written),
    )


def _cohort(entry: CohortEntry) -> Cohort:
    return Cohort(entry.sites, entry.units, entry.roles, entry.hooks, entry.percent, By(entry.by))
