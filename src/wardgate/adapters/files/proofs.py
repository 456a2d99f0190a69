"""What no file can prove alone: a service against its hook, prefetch, model and card."""

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from wardgate.adapters.files.library import Ground, Library, shown
from wardgate.adapters.files.models import Model
from wardgate.adapters.files.wire import Sheet
from wardgate.adapters.files.wire_card import BandEntry, CardFile
from wardgate.adapters.files.wire_release import Release
from wardgate.adapters.files.wire_service import CohortEntry, Service
from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.decisions.rules import STANDARD_QUESTIONS
from wardgate.domain.documents import Document, Place, did_you_mean
from wardgate.domain.features.coverage import (
    codes_of,
    covered_codes,
    finds_no_references,
    narrowing,
    serves,
    uncovered,
)
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec
from wardgate.domain.features.sources import CONTEXT, SOURCES, holds_resources
from wardgate.domain.hooks import HOOKS, FieldKind
from wardgate.domain.inference.calibration import Identity

_REVERSE_DNS = re.compile(r"[a-z][a-z0-9-]*(?:\.[A-Za-z0-9][A-Za-z0-9-]*)+")


def prove_service(ground: Ground, library: Library, service: Sheet[Service]) -> None:
    """What the file says by itself, beyond the types of its keys."""
    document, wire = service.document, service.wire
    if wire.hook not in HOOKS and not _REVERSE_DNS.fullmatch(wire.hook):
        otherwise = f"use {', '.join(HOOKS)}, or a reverse domain name for a hook of your own"
        remedy = did_you_mean(wire.hook, list(HOOKS), otherwise)
        library.found(document, ("hook",), "no hook of this name (CDS Hooks, HK-1)", remedy)
    _prove_context(library, service)
    if wire.risk_tier == "high" and wire.absence_means is None and not service.lacks("absence_means"):
        what = "a service of tier high must declare `absence_means`"
        remedy = "add `absence_means: nothing`, or screened_negative where no card would be read as no risk"
        library.found(document, ("risk_tier",), what, remedy)
    if wire.rollout.mode in ("canary", "active") and not ground.insecure_demo:
        what = f"a service cannot begin in mode {wire.rollout.mode}"
        remedy = "begin with off, shadow or silent, and raise it by approvals (or set insecure_demo: true)"
        library.found(document, ("rollout", "mode"), what, remedy)
    _prove_cohort(ground, library, service)
    if wire.threshold is not None and wire.threshold.sites and not ground.sites_known:
        what = "no card is shown to a call whose site is not known, and there may be such calls"
        remedy = f"give every client a `site` in {ground.document.file}, or declare `attributes: {{site: …}}` there"
        library.found(document, ("threshold", "sites"), what, remedy, warning=True)


_KINDS = {"patientId": FieldKind.ID, "encounterId": FieldKind.ID, "userId": FieldKind.REFERENCE}
"""Context fields that mean the same in every hook."""


def _prove_context(library: Library, service: Sheet[Service]) -> None:
    document, wire = service.document, service.wire
    if wire.context and wire.hook in HOOKS:
        what = f"the context of {wire.hook} is that of the CDS Hooks library"
        library.found(document, ("context",), what, "remove the key: only a hook of your own declares its context")
        return
    for name, entry in wire.context.items():
        place: Place = ("context", name, "kind")
        if name == "patientId":
            library.found(document, ("context", name), "every call carries its patient", "remove it")
        elif name in _KINDS and entry.kind is not _KINDS[name]:
            what = f"{name} is of one kind in every hook"
            library.found(document, place, what, f"write `kind: {_KINDS[name]}`, or give the field another name")


def _prove_cohort(ground: Ground, library: Library, service: Sheet[Service]) -> None:
    document, rollout = service.document, service.wire.rollout
    if rollout.mode == "canary" and rollout.cohort is None:
        what, remedy = "mode canary without a cohort shows nothing to anybody", "add `cohort:`, or use silent"
        library.found(document, ("rollout", "mode"), what, remedy, warning=True)
    _prove_units(ground, library, document, ("rollout", "cohort"), rollout.cohort)
    if rollout.challenger is not None:
        _prove_units(ground, library, document, ("rollout", "challenger", "cohort"), rollout.challenger.cohort)
        if rollout.challenger.release == rollout.champion:
            what, remedy = "the champion cannot be its own challenger", "name another release, or remove `challenger`"
            library.found(document, ("rollout", "challenger", "release"), what, remedy)


def _prove_units(
    ground: Ground, library: Library, document: Document, place: Place, cohort: CohortEntry | None
) -> None:
    if cohort is not None and cohort.units and "unit" not in ground.attributes:
        what = "no call's unit is known"
        remedy = f"declare `attributes: {{unit: …}}` in {ground.document.file}"
        library.found(document, (*place, "units"), what, remedy, warning=True)


def prove_rollout(ground: Ground, library: Library, service: Sheet[Service], model: Model) -> None:
    """Every release that the rollout names exists."""
    rollout = service.wire.rollout
    named: list[tuple[Place, str]] = [(("rollout", "champion"), rollout.champion)]
    if rollout.challenger is not None:
        named.append((("rollout", "challenger", "release"), rollout.challenger.release))
    named += [(("rollout", "shadow", number), version) for number, version in enumerate(rollout.shadow)]
    for place, version in named:
        if version not in model.versions:
            what = f"{shown(model.folder / 'releases' / version)}.yaml does not exist"
            remedy = did_you_mean(version, sorted(model.versions), "create it, or name a release that exists")
            library.found(service.document, place, what, remedy)


def prove_coverage(
    library: Library, document: Document, prefetch: Sequence[PrefetchKey], schema: FeatureSchema
) -> None:
    """Every code of every feature is asked for."""
    for spec in schema.features:
        missing = uncovered(spec, prefetch)
        if missing:
            place, remedy = _where_to_ask(spec, prefetch, missing)
            library.found(document, place, f"the feature {spec.name} is not covered: {_listed(spec, missing)}", remedy)
    for key in prefetch:
        names = [spec.name for spec in schema.features if spec.derive is None and serves(key, spec)]
        if finds_no_references(key) and names:
            what = f"by code, only requests that name the medicine themselves are found, for {', '.join(names)}"
            remedy = "search without code: then a medicine that is only referred to is met, and never taken for absent"
            library.found(document, ("prefetch", key.name), what, remedy, warning=True)
        narrow = narrowing(key)
        if narrow and names:
            what = f"{', '.join(narrow)} may leave out what {', '.join(names)} should see"
            remedy = "remove it, unless every such resource passes it: features filter by code, status and time"
            library.found(document, ("prefetch", key.name), what, remedy, warning=True)


def _listed(spec: FeatureSpec, missing: Iterable[str]) -> str:
    if spec.reads_document:
        return f"no key asks for the {spec.source} of the call"
    if not spec.codes:
        return f"no key asks for every {spec.source}"
    return "no key asks for " + ", ".join(sorted(missing))


def prove_context(library: Library, service: Sheet[Service], schema: FeatureSchema) -> None:
    """The hook carries what features read of its context; of one's own hook, that is what the service declares."""
    hook, declared = HOOKS.get(service.wire.hook), service.wire.fields()
    fields = declared if hook is None else hook.fields
    held = {field.name for field in fields if holds_resources(field)}
    for spec in schema.features:
        if spec.source != CONTEXT or spec.path in held or not fields or service.lacks("context"):
            continue
        what = f"the feature {spec.name} is read from context.{spec.path}, which {service.wire.hook} does not carry"
        remedy = f"{_carrying(spec.path, hook is None)}a release whose features do without it"
        library.found(service.document, ("hook",), what, remedy)


def _carrying(path: str | None, own: bool) -> str:
    if own:
        return f"declare `context: {{{path}: {{kind: resource}}}}`, or use "
    hooks = [name for name, hook in HOOKS.items() if any(field.name == path for field in hook.fields)]
    return f"use {' or '.join(hooks)}, or " if hooks else "use "


def _where_to_ask(spec: FeatureSpec, prefetch: Sequence[PrefetchKey], missing: frozenset[str]) -> tuple[Place, str]:
    if spec.reads_document:
        token = {"Patient": "patientId", "Encounter": "encounterId"}[spec.source]
        return ("prefetch",), f"add `{spec.source.lower()}: {spec.source}/{{{{context.{token}}}}}`"
    if not spec.codes:
        return ("prefetch",), f"add a key: {spec.source}?patient={{{{context.patientId}}}}"
    parameters = SOURCES[spec.source].parameters
    encoded = ",".join(quote(code, safe="/:.-") for code in sorted(missing))
    fitting = [key for key in prefetch if key.resource_type == spec.source and not key.read]
    filtering = {key: name for key in fitting for name, _ in key.parameters if name in parameters}
    if filtering:
        best = max(filtering, key=lambda key: len(covered_codes(key, spec)))
        return ("prefetch", best.name), f"add to its {filtering[best]} parameter: {encoded}"
    if "code" not in parameters:
        return ("prefetch",), f"add a key: {spec.source}?patient={{{{context.patientId}}}}"
    all_codes = ",".join(quote(f"{system}|{code}", safe="/:.-") for system, code in sorted(codes_of(spec)))
    return ("prefetch",), f"add a key: {spec.source}?patient={{{{context.patientId}}}}&code={all_codes}"


def prove_bands(library: Library, service: Sheet[Service], card: Sheet[CardFile], release: Sheet[Release]) -> None:
    """Bands ascend, and every score that is shown has one."""
    bands, threshold = card.wire.bands, service.wire.threshold
    prove_ascending(library, card.document, bands)
    if service.lacks("threshold") or card.lacks("bands"):
        return
    lowest = min(band.from_ for band in bands)
    bounds = release.wire.score_range
    if threshold is not None and threshold.default is not None:
        reached: list[tuple[Place, float]] = [(("threshold", "default"), threshold.default)]
        reached += [(("threshold", "sites", site), value) for site, value in threshold.sites.items()]
        _prove_reach(library, service, card, *min(reached, key=lambda entry: entry[1]), lowest)
        for place, value in reached:
            _prove_reachable(library, service.document, place, value, release.wire)
        return
    if release.lacks("score_range"):
        return
    if bounds is None:
        what = "without a threshold every score is shown, and no score_range says where scores begin"
        remedy = "declare `threshold` here, or `score_range` in the release"
        library.found(service.document, ("threshold",), what, remedy)
    elif lowest > bounds[0]:
        what = f"the lowest band begins at {lowest:g}, above the lowest score that is shown ({bounds[0]:g})"
        remedy = f"begin it at {bounds[0]:g} or below, or declare `threshold` in {service.document.file}"
        library.found(card.document, ("bands", 0, "from"), what, remedy)


def prove_ascending(library: Library, document: Document, bands: Sequence[BandEntry]) -> None:
    for number in range(1, len(bands)):
        if bands[number].from_ <= bands[number - 1].from_:
            what = "the band does not start above the one before"
            library.found(document, ("bands", number, "from"), what, "order the bands from the lowest to the highest")


def _prove_reach(
    library: Library, service: Sheet[Service], card: Sheet[CardFile], place: Place, value: float, lowest: float
) -> None:
    if lowest > value:
        where = ".".join(str(step) for step in place)
        what = f"the lowest band begins at {lowest:g}, above {where} ({value:g}) of {service.document.file}"
        remedy = f"begin it at {value:g} or below: a score that is shown has a band"
        library.found(card.document, ("bands", 0, "from"), what, remedy)


def _prove_reachable(library: Library, document: Document, place: Place, value: float, release: Release) -> None:
    bounds = release.score_range
    if bounds is not None and isinstance(release.calibration.calibration(), Identity) and value > bounds[1]:
        what = f"no score of release {release.version} reaches {value:g} (score_range ends at {bounds[1]:g})"
        library.found(document, place, what, "is it a percentage? write 0.10 for 10 %", warning=True)


def prove_limitations(library: Library, sheet: Sheet[Service], release: Sheet[Release]) -> None:
    """Each `check` names who watches over the limitation."""
    if sheet.lacks("exclusions") or sheet.lacks("population"):
        return
    service = sheet.wire
    questions = [*STANDARD_QUESTIONS, *service.exclusions]
    for number, limitation in enumerate(release.wire.limitations):
        check, place = limitation.check, ("limitations", number, "check")
        if check == "population" and service.population is None:
            what = f"the service {service.id} has no population that would watch over it"
            library.found(release.document, place, what, "declare `population` there", warning=True)
        elif check is not None and check != "population" and check not in questions:
            remedy = did_you_mean(
                check, ["population", *questions], f"write population, or one of {', '.join(questions)}"
            )
            library.found(release.document, place, f"the service {service.id} has no exclusion of this name", remedy)


def prove_timeout(library: Library, sheet: Sheet[Service], release: Sheet[Release]) -> None:
    if sheet.lacks("deadline") or release.lacks("endpoint", "timeout"):
        return
    service, timeout = sheet.wire, release.wire.endpoint.timeout
    if timeout >= service.deadline:
        what = f"the attempt may take as long as the whole call ({service.deadline:g} s, service {service.id})"
        remedy = "shorten it: an attempt is cut at the deadline in any case"
        library.found(release.document, ("endpoint", "timeout"), what, remedy, warning=True)
