"""One rule file, proved against the schema of a release and compiled to a rung of the ladder."""

from collections.abc import Collection, Iterable
from math import inf

from wardgate.adapters.files.expressions import expression, mentions
from wardgate.adapters.files.library import Library
from wardgate.adapters.files.proofs import prove_ascending
from wardgate.adapters.files.wire import Sheet
from wardgate.adapters.files.wire_rule import Points, Rule
from wardgate.domain.decisions.ladder import RuleRung
from wardgate.domain.documents import Place, did_you_mean
from wardgate.domain.expressions import Expression, Scope, Type
from wardgate.domain.scores import Item, RuleScore


def compile_rung(
    library: Library, name: str, rule: Sheet[Rule], scope: Scope, doubtful: Collection[str]
) -> RuleRung | None:
    """None where anything is wrong, which is told, or cannot be judged, since it mentions a `doubtful` feature."""
    before = len(library.findings)
    compiler = _Compiler(library, rule, scope, doubtful)
    score = compiler.score()
    wire = rule.wire
    bands = tuple(band.band() for band in wire.bands)
    _prove_bands(library, rule)
    if score is None or rule.gaps or any(not finding.warning for finding in library.findings[before:]):
        return None
    shown_from = next((band for band in bands if band.name == wire.shown_from), None)
    return RuleRung(name, score, bands, wire.threshold, shown_from)


def decimals_of(wire: Rule) -> int:
    """How many a card prints of the score."""
    if wire.precision is not None:
        return wire.precision.score
    return 0 if wire.points is not None and all(points.is_integer() for points in _all_points(wire.points)) else 4


def _all_points(items: Iterable[Points]) -> Iterable[float]:
    for item in items:
        yield from (step.points for step in item.steps or ())
        yield from (each for each in (item.else_, item.missing, item.points) if each is not None)


class _Compiler:
    def __init__(self, library: Library, rule: Sheet[Rule], scope: Scope, doubtful: Collection[str]) -> None:
        self._library = library
        self._document = rule.document
        self._wire = rule.wire
        self._scope = scope
        self._features = frozenset(scope.names) - {"deceased"}
        self._doubtful = doubtful
        self._unjudged = False

    def score(self) -> RuleScore | None:
        wire = self._wire
        population = None if wire.population is None else self._expression(("population",), wire.population)
        whole = None if wire.expression is None else self._expression(("expression",), wire.expression, Type.NUMBER)
        items = tuple(self._item(number, entry) for number, entry in enumerate(wire.points or ()))
        if self._unjudged:
            return None
        read = (name for item in items for name in item.reads) if whole is None else self._read_by(whole)
        return RuleScore(items, tuple(dict.fromkeys(read)), whole, population)

    def _item(self, number: int, entry: Points) -> Item:
        at: Place = ("points", number)
        when = None if entry.when is None else self._expression((*at, "when"), entry.when)
        about = () if entry.feature is None else (entry.feature,)
        reads = tuple(dict.fromkeys((*about, *(() if when is None else self._read_by(when)))))
        if entry.feature is None:
            return Item(reads, entry.points or 0.0, when=when, display=entry.name)
        self._prove_number((*at, "feature"), entry.feature)
        steps = tuple(step.within() for step in entry.steps or ())
        return Item(reads, entry.else_, entry.feature, steps, when, entry.missing, entry.name)

    def _prove_number(self, place: Place, feature: str) -> None:
        names = self._scope.names
        if feature in self._doubtful:
            self._unjudged = True
        elif feature not in self._features:
            remedy = did_you_mean(feature, sorted(self._features), "name a feature of the schema")
            self._found(place, f"no feature is called {feature}", remedy)
        elif names[feature] is not Type.NUMBER:
            self._found(place, f"{feature} is no number", "use {when: …, points: …}")

    def _expression(self, place: Place, text: str, expected: Type = Type.BOOLEAN) -> Expression | None:
        unjudged = mentions(text, self._doubtful)
        compiled = None if unjudged else expression(self._library, self._document, place, text, self._scope, expected)
        self._unjudged = self._unjudged or compiled is None
        return compiled

    def _read_by(self, compiled: Expression) -> list[str]:
        """The features that an expression rests on, in the order of the schema."""
        return [name for name in self._scope.names if name in compiled.names and name in self._features]

    def _found(self, place: Place, what: str, remedy: str) -> None:
        self._library.found(self._document, place, what, remedy)


def _prove_bands(library: Library, rule: Sheet[Rule]) -> None:
    """Bands ascend; what is shown has one; those with a condition have one beneath them."""
    document, bands, threshold = rule.document, rule.wire.bands, rule.wire.threshold
    prove_ascending(library, document, bands)
    if rule.lacks("bands"):
        return
    plain = [band.from_ for band in bands if band.single is None]
    if threshold is not None and (not plain or min(plain) > threshold):
        what = f"the lowest band begins above the threshold ({threshold:g})"
        library.found(document, ("bands", 0, "from"), what, f"begin it at {threshold:g} or below, without `single`")
    names = [band.name for band in bands]
    if rule.wire.shown_from is not None and rule.wire.shown_from not in names:
        remedy = did_you_mean(rule.wire.shown_from, names, f"name one of {', '.join(names)}")
        library.found(document, ("shown_from",), "no band has this name", remedy)
    if rule.wire.expression is not None:
        for number, band in enumerate(bands):
            if band.single is not None:
                what = "an expression has no items that could give points alone"
                library.found(document, ("bands", number, "single"), what, "remove it, or write `points`")
    if threshold is None and rule.wire.shown_from is None and not rule.lacks("threshold"):
        least = _least(rule.wire)
        if least is not None and (not plain or min(plain) > least):
            what = f"every score is shown, and the lowest band begins above the lowest one ({least:g})"
            remedy = f"begin it at {least:g}, or declare `threshold` or `shown_from`"
            library.found(document, ("bands", 0, "from"), what, remedy)


def _least(wire: Rule) -> float | None:
    """The lowest sum that there can be; None for an expression."""
    if wire.points is None:
        return None
    return sum(min(0.0 if item.when is not None else inf, *_all_points((item,))) for item in wire.points)
