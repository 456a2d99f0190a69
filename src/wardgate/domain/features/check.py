"""What is wrong with a feature schema: all of it at once, each with its key and a remedy."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from math import inf, isfinite

import msgspec

from wardgate.domain import expressions
from wardgate.domain.context.paths import compile_path
from wardgate.domain.expressions import ExpressionError, Scope, compile_expression
from wardgate.domain.features.candidates import NEVER, normal
from wardgate.domain.features.derived import in_order, inputs_of, scope_of
from wardgate.domain.features.fhirpath import problem_of
from wardgate.domain.features.schema import LENGTH, FeatureSchema, FeatureSpec, FeatureType, Take, Use
from wardgate.domain.features.sources import CARRIERS, CONTEXT, FIELDS, PATIENT, SOURCES
from wardgate.domain.features.ucum import spellings
from wardgate.domain.features.values import QUALIFIED

RESERVED = expressions.RESERVED | {"deceased", "score"}
"""Names that expressions use themselves, and the built-in ones."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_FROM = (*(name for name in SOURCES if name != CONTEXT), PATIENT, CONTEXT)
_DATES = ("birthDate", "deceasedDateTime", "start", "end", "valueDate", "valueDateTime")
_READINGS = {PATIENT: ("years", "whole_years"), "Encounter": ("hours", "days")}
_COUNTING = (Take.COUNT, Take.ANY)
_CHOOSING = (Take.LATEST, Take.EARLIEST)
_CODED = ("Observation", "Condition")
"""Without a code nothing says what is measured, or which illness is meant."""
_WHOLE = ("Observation", "Condition", "MedicationRequest", "MedicationStatement", "Encounter", PATIENT)
"""What an expression may read whole: of a document never the text, and of a draft only what it orders."""
_NAMED = 8  # so many features of a circle are named
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9]*")


class SchemaProblem(msgspec.Struct, frozen=True):
    """`feature` "" for the schema itself; `key` as the file spells it (`from`, `as`, `convert`, ...)."""

    feature: str
    key: str
    what: str
    remedy: str


_Problems = Iterator[tuple[str, str, str]]
"""Key, what, remedy."""


def check_schema(schema: FeatureSchema) -> list[SchemaProblem]:
    """Every error of the schema, in the order of its features; none means that it compiles."""
    problems: list[SchemaProblem] = []
    if not schema.version.strip():
        problems.append(SchemaProblem("", "version", "the version is empty", 'give it one, such as "2026.03"'))
    if not schema.features:
        problems.append(SchemaProblem("", "features", "there are no features", "declare at least one"))
    times = Counter(spec.name for spec in schema.features)
    for name, number in times.items():
        if number > 1:
            problems.append(SchemaProblem(name, "name", f"the name stands {number} times", "rename all but one"))
    for spec in schema.features:
        for rule in _RULES if spec.derive is None else _DERIVED_RULES:
            problems.extend(SchemaProblem(spec.name, *problem) for problem in rule(spec))
    return [*problems, *_derivations(schema)]


def _derivations(schema: FeatureSchema) -> Iterable[SchemaProblem]:
    """What is wrong with `derive`, seen together: names, types, and who waits for whom."""
    scope, by_name = scope_of(schema), {spec.name: spec for spec in schema.features}
    waiting = [spec.name for spec in in_order(schema.features)[1]]
    circle = ", ".join(waiting[:_NAMED]) + (f" and {len(waiting) - _NAMED} more" if len(waiting) > _NAMED else "")
    entangled = frozenset(waiting)
    for spec in schema.features:
        if spec.derive is None:
            continue
        for what, remedy in _derivation(spec, scope, by_name):
            yield SchemaProblem(spec.name, "derive", what, remedy)
        if spec.name in entangled:
            yield SchemaProblem(spec.name, "derive", f"{circle} wait for one another", "derive one from other features")


def _derivation(spec: FeatureSpec, scope: Scope, by_name: Mapping[str, FeatureSpec]) -> Iterable[tuple[str, str]]:
    try:
        names = compile_expression(spec.derive or "", scope, spec.yields).names
    except ExpressionError as error:
        yield f"at column {error.column} of the expression: {error.what}", error.remedy
        return
    if not names:
        yield "it speaks of no feature", "derive it from features of this schema"
    for name in inputs_of(spec, names):
        if by_name[name].use is Use.COHORT_ONLY and spec.use is not Use.COHORT_ONLY:
            yield f"{name} is cohort_only, and so is what is derived from it", "declare use: cohort_only here as well"


def _name(spec: FeatureSpec) -> _Problems:
    if not _NAME.fullmatch(spec.name):
        yield "name", "not a legal name", "use a-z, 0-9 and _, a letter first"
    elif spec.name in RESERVED:
        yield "name", "the name is reserved for expressions", "rename it"


def _derived(spec: FeatureSpec) -> _Problems:
    """The expression says where the value comes from; nothing else may."""
    others = {
        "from": spec.source,
        "code": spec.codes,
        "path": spec.path,
        "engine": spec.expression is not None,
        "as": spec.as_,
        "within": spec.within,
        "max_lag": spec.max_lag,
        "source": spec.feed,
        "statuses": spec.statuses,
        "convert": spec.convert,
        "map": spec.map,
    }
    for key, value in others.items():
        if value:
            yield key, "a derived feature comes from its expression alone", "remove it, or declare it for an input"
    if spec.take is not Take.LATEST:
        yield "take", "a derived feature has one value", "remove it, or declare it for an input"
    if spec.type is FeatureType.CODE:
        yield "type", "no expression yields a code", "use type: number or type: boolean"


def _source(spec: FeatureSpec) -> _Problems:
    if spec.source not in _FROM:
        yield "from", "features cannot come from there", f"use one of {', '.join(_FROM)}"


def _code(spec: FeatureSpec) -> _Problems:
    if spec.reads_document:
        if spec.codes:
            yield "code", f"the {spec.source} that a path reads has no code to choose it by", "remove one of the two"
        return
    if not spec.codes and spec.source in _CODED and spec.expression is None:
        yield "code", f"no code says which {spec.source} counts", "add code: {system: ..., any: [...]}"
    for codes in spec.codes:
        if not codes.system.strip():
            yield "code", "a code without its system may mean anything", "add the system's URL"
        if not codes.any or any(not code.strip() for code in codes.any):
            yield "code", "the list of codes is empty, or has an empty code", "list the codes under any"


def _path(spec: FeatureSpec) -> _Problems:
    if spec.expression is not None:
        yield from _expression(spec.source, spec.expression)
    elif spec.source == CONTEXT:
        yield from _context_field(spec.path)
    elif spec.source == "DocumentReference":
        if spec.path not in (None, LENGTH):
            yield "path", "of a document only its length is read, never its text", f"write path: {LENGTH}"
    elif spec.source == PATIENT and spec.path is None:
        yield "path", "a feature from Patient needs one", "add path, such as birthDate"
    elif spec.reads_document:
        try:
            compile_path(spec.path or "")
        except ValueError as error:
            yield "path", "not a path", str(error)
    elif spec.path is not None:
        yield "path", "a path reads the Patient or the Encounter only", "use code, which also finds components"


def _expression(source: str, expression: str) -> _Problems:
    if source not in _WHOLE:
        yield "engine", f"FHIRPath does not read {source}", f"it reads {', '.join(_WHOLE)}"
    elif (problem := problem_of(expression)) is not None:
        yield "path", *problem


def _context_field(path: str | None) -> _Problems:
    known = ", ".join(sorted(CARRIERS))
    if path is None:
        yield "path", "a feature from context needs the field that it reads", f"add path: one of {known}"
    elif not _FIELD.fullmatch(path) or (path in FIELDS and path not in CARRIERS):
        yield "path", "no field of a hook's context that holds resources", f"use one of {known}"


def _dates(spec: FeatureSpec) -> _Problems:
    last = (spec.path or "").rpartition(".")[2]
    readings = _READINGS.get(spec.source, ()) if spec.reads_document else ()
    if spec.as_ is None:
        if readings and last in _DATES and spec.type is FeatureType.NUMBER:
            yield "as", "a date is not a number", f"add as: {' or as: '.join(readings)}"
        return
    if not readings or (last not in _DATES and spec.expression is None):
        yield "as", "only a date of the Patient or of the Encounter can be read so", "remove it, or let path end in one"
    elif spec.as_ not in readings:
        yield "as", f"no reading of a date of the {spec.source}", f"use {' or '.join(readings)}"
    if spec.type is not FeatureType.NUMBER:
        yield "type", "a span of time is a number", "use type: number"


def _take(spec: FeatureSpec) -> _Problems:
    take = spec.take
    if spec.reads_document:
        if take is not Take.LATEST:
            yield "take", f"a path reads one value of the {spec.source}", "remove it"
    elif spec.source == "Condition" and spec.expression is None:
        if take not in _COUNTING:
            yield "take", "a Condition has no value to take", "use any or count"
    elif spec.source == "Observation" or spec.reads_length or spec.expression is not None:
        if take not in (*_CHOOSING, *_COUNTING) and not _is_numeric(spec):
            yield "take", f"{take.value} needs numbers", "use latest or earliest, or a map to numbers"
    elif take in _COUNTING or spec.source not in SOURCES:
        return
    elif take not in _CHOOSING or (take is Take.EARLIEST and spec.source == CONTEXT):
        yield "take", f"{take.value} needs numbers, and a {spec.source} has codes", "use any, count or latest"
    elif spec.type is FeatureType.NUMBER:
        yield "type", f"what is {take.value} is a code", "add type: code and a map, or use take: any or count"


def _is_numeric(spec: FeatureSpec) -> bool:
    if spec.type is FeatureType.CODE and spec.map:
        return not any(isinstance(value, bool) for value in spec.map.values())
    return spec.type is FeatureType.NUMBER


def _counting(spec: FeatureSpec) -> _Problems:
    if spec.take not in _COUNTING:
        return
    values = {"unit": spec.unit, "convert": spec.convert, "plausible": spec.plausible, "map": spec.map}
    for key, value in values.items():
        if value:
            yield key, f"{spec.take.value} reads no values", "remove it, or take the values"
    fitting = (FeatureType.NUMBER, FeatureType.BOOLEAN) if spec.take is Take.ANY else (FeatureType.NUMBER,)
    if spec.type not in fitting:
        yield "type", f"{spec.take.value} does not yield a {spec.type.value}", "remove it"


def _statuses(spec: FeatureSpec) -> _Problems:
    if spec.statuses is None or spec.source not in _FROM:
        return
    known = frozenset[str]() if spec.reads_document else SOURCES[spec.source].statuses
    if not known:
        yield "statuses", f"a {spec.source} has none", "remove it"
        return
    if not spec.statuses:
        yield "statuses", "with none, nothing counts", "list at least one, or remove it for the default"
    for status in map(normal, spec.statuses):
        if status in NEVER:
            yield "statuses", f"{status} never counts", "remove it"
        elif status not in known:
            yield "statuses", "no such status", f"use some of {', '.join(sorted(known))}"


def _unit(spec: FeatureSpec) -> _Problems:
    if spec.unit is not None and (not spec.unit or any(letter.isspace() for letter in spec.unit)):
        yield "unit", "not a UCUM unit", "write it without spaces, such as mg/dL"
    if spec.unit is not None and spec.source != PATIENT and spec.type is not FeatureType.NUMBER:
        yield "unit", f"a {spec.type.value} has no unit", "remove it"
    if not spec.convert:
        return
    if spec.unit is None or (spec.source != "Observation" and spec.expression is None):
        yield "convert", "there is no unit to convert to", "declare unit, from Observation"
        return
    taken = set(spellings(spec.unit))
    for source, factor in spec.convert.items():
        if not (isfinite(factor) and factor > 0):
            yield "convert", "a factor is a finite number above 0", "write unit: factor, such as umol/L: 0.0113122"
        if not taken.isdisjoint(spellings(source)):
            yield "convert", "a unit stands twice, or is the declared one", "remove one"
        taken |= spellings(source)


def _plausible(spec: FeatureSpec) -> _Problems:
    if spec.plausible is None:
        return
    low, high = spec.plausible
    if not (isfinite(low) and isfinite(high)):
        yield "plausible", "the bounds are not finite numbers", "write [low, high]"
    elif low > high:
        yield "plausible", "the bounds are reversed", "write the lower one first"
    if spec.type is not FeatureType.NUMBER:
        yield "plausible", f"a {spec.type.value} has no bounds", "remove it"


def _map(spec: FeatureSpec) -> _Problems:
    if spec.map is None:
        if spec.type is FeatureType.CODE and spec.use is Use.MODEL and spec.take not in _COUNTING:
            yield "map", "a code cannot be sent to a model", "add map: {code: number}, or use: rule_only"
        return
    if spec.type is FeatureType.NUMBER:
        yield "map", "a map reads codes, not numbers", "add type: code or type: boolean"
    flags = [isinstance(value, bool) for value in spec.map.values()]
    if not flags:
        yield "map", "the map is empty", "list what each code means"
    elif any(flags) and not all(flags):
        yield "map", "the map has numbers and booleans", "use one kind"
    elif spec.type is FeatureType.BOOLEAN and not all(flags):
        yield "map", "a boolean is mapped to true or false", "use true and false, or type: code"
    if not all(isfinite(value) for value in spec.map.values()):
        yield "map", "a value is not a finite number", "mend it"
    for code in spec.map:
        system, bar, alone = code.rpartition(QUALIFIED)
        if bar and spec.reads_document:
            yield "map", "what a path reads has no system", "write the code alone"
        elif bar and not (system.strip() and alone.strip()):
            yield "map", "not a system and a code", "write system|code, or the code alone"


def _bounds(spec: FeatureSpec) -> _Problems:
    for key, seconds in (("within", spec.within), ("max_lag", spec.max_lag)):
        if seconds is not None and not 0 < seconds < inf:
            yield key, "a duration above 0 is needed", "write it with a unit, such as 365d"
        if seconds is not None and (spec.reads_document or spec.source == CONTEXT):
            yield key, f"what is read from {_home(spec)} has no time of its own", "remove it"
    if spec.max_missing is not None and not 0 <= spec.max_missing <= 1:
        yield "max_missing", "a share lies between 0 and 1", "write 0.10 for a tenth"


def _home(spec: FeatureSpec) -> str:
    return "the context" if spec.source == CONTEXT else f"the {spec.source}"


def _bins(spec: FeatureSpec) -> _Problems:
    if not all(map(isfinite, spec.bins)):
        yield "bins", "an edge is not a finite number", "mend it"
    elif any(low >= high for low, high in pairwise(spec.bins)):
        yield "bins", "the edges do not ascend", "write each once, from low to high"
    if spec.bins and (spec.take is Take.ANY or not _is_numeric(spec)):
        yield "bins", "only numbers fall into bins", "remove them"


_RULES: tuple[Callable[[FeatureSpec], Iterable[tuple[str, str, str]]], ...] = (
    _name,
    _source,
    _code,
    _path,
    _dates,
    _take,
    _counting,
    _statuses,
    _unit,
    _plausible,
    _map,
    _bounds,
    _bins,
)

_DERIVED_RULES = (_name, _derived, _unit, _plausible, _bounds, _bins)
