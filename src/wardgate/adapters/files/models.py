"""One model's folder: its feature schemas and releases, each proved as far as no service is needed for it."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import msgspec

from wardgate.adapters.files.endpoints import endpoint_of, prove_endpoint, shape_of
from wardgate.adapters.files.library import Ground, Library, ground_of, shown
from wardgate.adapters.files.not_active import not_active
from wardgate.adapters.files.wire import Sheet
from wardgate.adapters.files.wire_features import Features
from wardgate.adapters.files.wire_release import Inputs, Probes, Release
from wardgate.domain import expressions
from wardgate.domain.documents import Document, Place, did_you_mean
from wardgate.domain.features.check import check_schema
from wardgate.domain.features.derived import dependants
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec, Use
from wardgate.domain.features.sources import PATIENT, SOURCES
from wardgate.domain.findings import Finding
from wardgate.domain.inference.endpoint import Endpoint, ProbePlan, Shape


class Schema(msgspec.Struct, frozen=True):
    """`schema` holds the sound features, `by_name` all; of the `broken` ones only the names can be relied on."""

    document: Document
    schema: FeatureSchema
    by_name: Mapping[str, FeatureSpec]
    broken: frozenset[str]


class SoundParts(msgspec.Struct, frozen=True):
    """What only a release without any error has: what it is called with."""

    probes_document: Document
    endpoint: Endpoint
    probes: ProbePlan


class ReadRelease(msgspec.Struct, frozen=True):
    """A release as far as it can be read, so that what is wrong in it does not hide what is wrong with its service.

    `sound` is None where anything is wrong with its own files: no plan is made from it.
    """

    sheet: Sheet[Release]
    schema: Schema | None
    sound: SoundParts | None


class Model(msgspec.Struct, frozen=True):
    """`versions`: every release file there is; `releases`: those that can be read."""

    name: str
    folder: Path
    versions: frozenset[str]
    releases: Mapping[str, ReadRelease]


def read_model(ground: Ground, library: Library, name: str) -> Model:
    folder = ground.path("models") / name
    schemas = _read_schemas(ground, library, folder)
    files = library.yaml_files(folder / "releases")
    releases = {path.stem: _read_release(ground, library, path, name, schemas) for path in files}
    readable = {version: release for version, release in releases.items() if release is not None}
    return Model(name, folder, frozenset(releases), readable)


# --- feature schemas ------------------------------------------------------------------------------------------------


class _Schemas(msgspec.Struct, frozen=True):
    """By version. `complete`: every file could be read, so its versions are all known."""

    by_version: Mapping[str, Schema]
    complete: bool


def _read_schemas(ground: Ground, library: Library, folder: Path) -> _Schemas:
    current = folder / "features.yaml"
    older = library.yaml_files(folder / "features")
    by_version: dict[str, Schema] = {}
    complete = True
    for path in older if older and not library.files.exists(current) else [current, *older]:
        sheet = library.yaml(path, Features)
        if sheet is None:
            complete = False
            continue
        version = sheet.wire.version
        if path != current and version != path.stem:
            what, remedy = "not the version that the file is named after", f'write "{path.stem}", or rename the file'
            library.found(sheet.document, ("version",), what, remedy)
        elif version not in by_version:  # features.yaml stands first, and is its version
            by_version[version] = _checked(ground, library, sheet)
    return _Schemas(by_version, complete)


def read_schema(path: Path) -> tuple[Schema | None, list[Finding]]:
    """One schema file alone, without the configuration around it; None where it is not sound. With every error."""
    library, name = Library(), shown(path)
    ground = ground_of(Document(name, {}, {}), path, readable=False)
    sheet = library.yaml(path, Features)
    schema = None if sheet is None else _checked(ground, library, sheet)
    errors = [finding for finding in library.findings if not finding.warning]
    return (None if errors else schema), errors


def _checked(ground: Ground, library: Library, sheet: Sheet[Features]) -> Schema:
    document, features = sheet.document, sheet.wire
    schema = features.schema_()
    broken = {schema.features[number].name for number in _unbuilt(library, sheet)}
    broken |= {spec.name for number, spec in enumerate(schema.features) if sheet.lacks("features", number)}
    readable = _without(schema, dependants(schema.features, broken))
    places = {spec.name: number for number, spec in reversed(list(enumerate(schema.features)))}
    for problem in check_schema(readable) if readable.features else ():
        broken.add(problem.feature)
        at: Place = ("features", places[problem.feature], problem.key) if problem.feature else (problem.key,)
        what = f"{problem.feature}: {problem.what}" if problem.feature else problem.what
        library.found(document, at, what, problem.remedy)
    if ground.feeds is not None:
        for number, feature in enumerate(features.features):
            if feature.source is not None and feature.source not in ground.feeds:
                remedy = did_you_mean(feature.source, sorted(ground.feeds), "declare it in wardgate.yaml")
                library.found(document, ("features", number, "source"), "no such source", remedy)
    for number, feature in enumerate(features.features):
        if feature.engine is not None and feature.name not in broken:
            what = f"{feature.name}: a resource takes 20 to 600 µs, a call 100 ms at most, and all other calls wait"
            remedy = "code, or a path in dots, takes less than 1 µs where it is enough"
            library.found(document, ("features", number, "engine"), what, remedy, warning=True)
    library.findings += not_active(document, "features")
    by_name = {spec.name: spec for spec in schema.features}
    all_broken = dependants(schema.features, broken)
    return Schema(document, _without(schema, all_broken), by_name, all_broken)


def _without(schema: FeatureSchema, names: Collection[str]) -> FeatureSchema:
    return FeatureSchema(schema.version, tuple(spec for spec in schema.features if spec.name not in names))


def _unbuilt(library: Library, sheet: Sheet[Features]) -> set[int]:
    """Errors, not warnings: without its step the feature, and so the score, would be another."""
    found = set()
    for number, feature in enumerate(sheet.wire.features):
        at: Place = ("features", number)
        if feature.from_ is None and feature.derive is None and not sheet.lacks("features", number, "from"):
            remedy = f"add `from:` with one of {', '.join([PATIENT, *SOURCES])}, or `derive:`"
            library.found(sheet.document, (*at, "from"), f"{feature.name}: `from` is required", remedy)
            found.add(number)
    return found


# --- releases -------------------------------------------------------------------------------------------------------


def _read_release(ground: Ground, library: Library, path: Path, model: str, schemas: _Schemas) -> ReadRelease | None:
    before = len(library.findings)
    sheet = library.yaml(path, Release)
    if sheet is None:
        return None
    release = sheet.wire
    _prove_names(library, sheet, path, model)
    prove_endpoint(ground, library, sheet)
    _prove_evidence(library, sheet, path.parent)
    _prove_limitations(library, sheet)
    _prove_range(library, sheet)
    probes = _read_probes(library, sheet, path.parent)
    schema = _schema_of(library, sheet, schemas)
    if schema is not None:
        _prove_inputs(library, sheet, schema)
    if schema is None or schema.broken or probes is None or any(not f.warning for f in library.findings[before:]):
        return ReadRelease(sheet, schema, None)
    return ReadRelease(
        sheet, schema, SoundParts(probes.document, endpoint_of(release), _probe_plan(release, probes.wire))
    )


def _prove_names(library: Library, sheet: Sheet[Release], path: Path, model: str) -> None:
    if sheet.wire.version != path.stem:
        remedy = f'write "{path.stem}", or rename the file'
        library.found(sheet.document, ("version",), "not the version that the file is named after", remedy)
    if sheet.wire.model != model:
        remedy = f"write {model}, or move the file"
        library.found(sheet.document, ("model",), "not the model whose folder the file stands in", remedy)


def _prove_evidence(library: Library, sheet: Sheet[Release], folder: Path) -> None:
    for number, evidence in enumerate(sheet.wire.evidence):
        at: Place = ("evidence", number)
        path = folder / evidence.path
        try:
            if not library.files.is_file(path):
                raise OSError
            with library.files.open(path) as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except (OSError, ValueError):
            what, remedy = f"{shown(path)} cannot be read", "put the file there, or mend the path"
            library.found(sheet.document, (*at, "path"), what, remedy)
            continue
        if digest != evidence.sha256.removeprefix("sha256:"):
            what = f"{shown(path)} is not the file that was recorded"
            remedy = f"put the recorded file back, or record this one: {digest}"
            library.found(sheet.document, (*at, "sha256"), what, remedy)


def _prove_limitations(library: Library, sheet: Sheet[Release]) -> None:
    for number in sheet.wire.dossier().unanswered:
        what = "nobody has answered this limitation"
        remedy = "name the exclusion that watches over it (`check`), or say why none has to (`accepted`)"
        library.found(sheet.document, ("limitations", number), what, remedy, warning=True)


def _prove_range(library: Library, sheet: Sheet[Release]) -> None:
    bounds = sheet.wire.score_range
    if bounds is not None and bounds[0] >= bounds[1]:
        library.found(sheet.document, ("score_range",), "the bounds do not ascend", "write [lowest, highest]")
    slope = sheet.wire.calibration.slope
    if slope is not None and slope <= 0:
        what, remedy = "a higher raw score gives no higher calibrated one", "is the sign right?"
        library.found(sheet.document, ("calibration", "slope"), what, remedy, warning=True)


def _schema_of(library: Library, sheet: Sheet[Release], schemas: _Schemas) -> Schema | None:
    version = sheet.wire.features
    if version not in schemas.by_version and schemas.complete:
        known = ", ".join(f'"{known}"' for known in sorted(schemas.by_version))
        remedy = f"write one that exists ({known}), or add features/{version}.yaml"
        library.found(sheet.document, ("features",), "no feature schema has this version", remedy)
    return schemas.by_version.get(version)


def _prove_inputs(library: Library, sheet: Sheet[Release], schema: Schema) -> None:
    document, inputs = sheet.document, sheet.wire.endpoint.inputs
    at: Place = ("endpoint", "inputs")
    fill_unknown = sheet.lacks(*at, "fill")
    for number, name in enumerate(inputs.order):
        if name not in schema.broken:
            for what, remedy in _input_problems(name, number, inputs, schema, fill_unknown):
                library.found(document, (*at, "order", number), what, remedy)
    for key, named in (("fill", inputs.fill), ("clip", inputs.clip), ("datatypes", inputs.datatypes)):
        for name in named:
            if name not in inputs.order:
                remedy = did_you_mean(name, inputs.order, "name an input of `order`")
                library.found(document, (*at, key, name), "not an input of the model", remedy)
    if inputs.datatypes and shape_of(sheet.wire.endpoint) is Shape.ROW:
        what, remedy = "a row has one datatype", "declare `shape: named`, or one `datatype` for all"
        library.found(document, (*at, "datatypes"), what, remedy)
    numbers = [("fill", name, value) for name, value in inputs.fill.items()]
    numbers += [("clip", name, bound) for name, bounds in inputs.clip.items() for bound in bounds]
    for key, name, value in numbers:
        if not _fits(value, datatype := inputs.datatype_of(name)):
            what, remedy = f"{value:g} is not a value of the datatype {datatype}", "mend it, or the input's datatype"
            library.found(document, (*at, key, name), what, remedy)
    for name, (low, high) in inputs.clip.items():
        if low >= high:
            library.found(document, (*at, "clip", name), "the bounds do not ascend", "write [lowest, highest]")
    for name in inputs.fill:
        if name in schema.by_name and schema.by_name[name].required and name not in schema.broken:
            what, remedy = f"{name} is required, so that its fill is never used", "remove one of the two"
            library.found(document, (*at, "fill", name), what, remedy, warning=True)
    for spec in schema.schema.features:
        if spec.use is Use.MODEL and spec.name not in inputs.order:
            what = f"the feature {spec.name} is `use: model`, but not among the inputs"
            remedy = "add it to `order`, or declare `use: rule_only` in the schema"
            library.found(document, (*at, "order"), what, remedy, warning=True)
    for name in sheet.wire.endpoint.outputs:
        if name in schema.by_name or name == "deceased":
            what, remedy = "an output with the name of a feature", "rename the output: expressions see both"
            library.found(document, ("endpoint", "outputs", name), what, remedy)
        elif name in expressions.RESERVED:
            what, remedy = "an output with the name of a word of the expression language", "rename the output"
            library.found(document, ("endpoint", "outputs", name), what, remedy)


def _fits(value: float, datatype: str) -> bool:
    if datatype == "BOOL":
        return value in (0, 1)
    return value.is_integer() or not datatype.startswith("INT")


def _input_problems(
    name: str, number: int, inputs: Inputs, schema: Schema, fill_unknown: bool
) -> Iterable[tuple[str, str]]:
    spec = schema.by_name.get(name)
    if spec is None:
        otherwise = f"declare it in {schema.document.file}"
        yield f"no feature is called {name}", did_you_mean(name, sorted(schema.by_name), otherwise)
        return
    if name in inputs.order[:number]:
        yield f"{name} stands twice", "keep one"
    if spec.use is not Use.MODEL:
        remedy = f"declare `use: model` in {schema.document.file}, or remove it here"
        yield f"{name} is `use: {spec.use.value}` and never leaves for the model", remedy
    if not spec.required and name not in inputs.fill and not fill_unknown:
        yield f"{name} is optional and has no fill", f"add `fill: {{{name}: …}}`, or make it required in the schema"


# --- probes ---------------------------------------------------------------------------------------------------------


def _read_probes(library: Library, sheet: Sheet[Release], folder: Path) -> Sheet[Probes] | None:
    path = folder / sheet.wire.probes.file
    if not library.files.is_file(path):
        what = f"{shown(path)} does not exist"
        remedy = "put probe vectors there: [{inputs, outputs}, …] as this very model answers"
        library.found(sheet.document, ("probes", "file"), what, remedy)
        return None
    probes = library.json(path, Probes)
    if probes is not None:
        for number, _ in enumerate(probes.wire.root):
            _prove_probe(library, sheet.wire, probes, number)
        if all(probe.outputs.get("score") in (0, 1) for probe in probes.wire.root):
            what = "every score is 0 or 1: the endpoint could answer class labels instead of a risk, and pass"
            remedy = "add a probe whose score lies between; where it is a class, ask for its probability"
            library.found(probes.document, (0, "outputs", "score"), what, remedy, warning=True)
    return probes


def _prove_probe(library: Library, release: Release, probes: Sheet[Probes], number: int) -> None:
    probe, document = probes.wire.root[number], probes.document
    order, outputs, filled = release.endpoint.inputs.order, release.endpoint.outputs, release.endpoint.inputs.fill
    missing = [name for name in order if name not in probe.inputs and name not in filled]
    if missing and not probes.lacks(number, "inputs"):
        what = f"no value for {', '.join(missing)}"
        library.found(document, (number, "inputs"), what, "give every input of `order` a value")
    for name, given in probe.inputs.items():
        if name in order and not _fits(given, datatype := release.endpoint.inputs.datatype_of(name)):
            what = f"not a value of the datatype {datatype}: the gateway would not send it"
            library.found(document, (number, "inputs", name), what, "mend the value, or the input's datatype")
    if "score" not in probe.outputs and not probes.lacks(number, "outputs"):
        library.found(document, (number, "outputs"), "no score", "add what this very model answers")
    for name, value in probe.outputs.items():
        at: Place = (number, "outputs", name)
        if name not in outputs:
            remedy = did_you_mean(name, list(outputs), "name an output that the release declares")
            library.found(document, at, "the release has no such output", remedy)
        elif name == "contributions" and not (isinstance(value, tuple) and len(value) == len(order)):
            library.found(
                document, at, "not one contribution for each input", f"give {len(order)}, in the order of `order`"
            )
        elif name != "contributions" and isinstance(value, tuple):
            library.found(document, at, "a list where the output is one number", "write the number")
    score, bounds = probe.outputs.get("score"), release.score_range
    if isinstance(score, float) and bounds is not None and not bounds[0] <= score <= bounds[1]:
        what = "a score outside of the release's score_range: the gateway would refuse it"
        library.found(document, (number, "outputs", "score"), what, "mend the score, or `score_range`")


# --- plans ----------------------------------------------------------------------------------------------------------


def _probe_plan(release: Release, probes: Probes) -> ProbePlan:
    return ProbePlan(tuple(entry.probe() for entry in probes.root), release.probes.every, release.probes.tolerance)
