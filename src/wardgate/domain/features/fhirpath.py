"""General FHIRPath (`engine: fhirpath`), by the engine fhirpathpy: checked and compiled at start, bounded in a call.

The engine interprets an expression node by node (about 2 µs each) on the loop that serves all calls, and its errors
quote what they found. So only functions whose work grows with the size of the resource are allowed, the steps of a
call are counted, and an error becomes a value that cannot be read; its text is dropped.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from math import isfinite
from typing import Any, TypeVar

import msgspec

from wardgate.domain.context.fhir import CodeableConcept, Component, Document, Quantity, Resource

T = TypeVar("T")

MAX_LENGTH = 500
"""Characters of an expression."""

MAX_NODES = 1000
"""Elements of one resource. A larger one cannot be read. A long text counts as one for each _LETTERS of it."""

MAX_STEPS = 50_000
"""What all expressions may do in one call, all resources together: elements that there are, elements that they look at,
parts of them that are evaluated, and what they make of texts. At about 2 µs each: 100 ms. A common expression takes 400
for an Observation.
"""

_LETTERS = 64
_MAX_BITS = 1024  # of a whole number: beyond it there is no float, and products would grow without end
_SIMILAR = frozenset({"~", "!~"})
_MAX_DEPTH = 150
"""Levels of the syntax tree; the engine spends some frames of the stack on each."""

INSTALL = "pip install 'wardgate[fhirpath]', or use code, or a path in dots"

_FUNCTIONS = frozenset(
    "empty not exists all allTrue anyTrue allFalse anyFalse count where select ofType first last tail take skip"
    " extension is as iif coalesce toInteger toDecimal toBoolean toString convertsToInteger convertsToDecimal"
    " convertsToBoolean convertsToString indexOf substring startsWith endsWith contains upper lower length trim join"
    " abs ceiling floor round truncate sqrt distinct isDistinct".split()
)
_REFUSED = {
    "now": ("the clock is the call's, which an expression cannot see", "use within, or as: years"),
    "today": ("the clock is the call's, which an expression cannot see", "use within, or as: years"),
    "timeOfDay": ("the clock is the call's, which an expression cannot see", "use within, or as: years"),
    "resolve": ("a feature reads one resource and fetches no other", "declare a feature of the other resource"),
    "trace": ("it would write a patient's data to a log", "remove it"),
    "single": ("the engine takes several values for none", "remove it: several values are unreadable without it, too"),
}
"""Functions with a reason of their own: what, remedy."""

_UNFIT = dict.fromkeys(("min", "max", "sum", "avg", "aggregate"), "use take, or declare a feature for each part")
_OTHERWISE = "use code, take and within, or a simpler expression"

UNREADABLE = object()
"""What an expression yields where it failed, found several values, or a kind of value that no feature reads."""


class Exhausted(Exception):
    """The steps of this call are used up. Carries no text."""


class Steps:
    """What is left of MAX_STEPS in one call."""

    __slots__ = ("left",)

    def __init__(self, left: int = MAX_STEPS) -> None:
        self.left = left


Evaluate = Callable[[Document, Steps], Any]
"""The one value that the expression yields: None for none, UNREADABLE, or plain data. Raises Exhausted alone."""


def problem_of(path: str) -> tuple[str, str] | None:
    """Why this expression cannot be used: what, remedy. None: it compiles."""
    if find_spec("fhirpathpy") is None:
        return "FHIRPath needs the package fhirpathpy, which is not installed", INSTALL
    if len(path) > MAX_LENGTH:
        return "the expression is too long", f"{MAX_LENGTH} characters are the most"
    try:
        tree = _parse(path)
    except _NotFhirPath as error:
        return f"not FHIRPath, at column {error.column}", "mend the expression there"
    for node, depth in _walk(tree):
        if depth > _MAX_DEPTH:
            return "the expression is nested too deeply", "write it with fewer brackets"
        if node["type"] == "ExternalConstantTerm":
            return "an expression has no variables (%…)", "begin with the resource's own elements"
        if node["type"] == "InequalityExpression" and any(map(_is_quantity, node["children"])):
            return "the engine cannot compare Quantities", "compare its number, and its code: value.value > 6"
        name = _function_in(node)
        if name in _REFUSED:
            what, remedy = _REFUSED[name]
            return f"{name}(): {what}", remedy
        if name is not None and name not in _FUNCTIONS:
            return f"{name}() is not among the functions that a call has time for", _UNFIT.get(name, _OTHERWISE)
    return None


def compile_fhirpath(path: str) -> Evaluate:
    """For an expression without a problem; the engine's R4 model knows what `value` is called in the resource."""
    engine: Any = import_module("fhirpathpy")  # it has no types where it matters
    count = _Count()
    parsed = _parse(path)
    tree = _Tree(parsed, count)
    passes = 1 + sum(_is_bulky(node) for node, _ in _walk(parsed))
    r4 = import_module("fhirpathpy.models").models["r4"]
    model = {**r4, "pathsDefinedElsewhere": _Table(r4["pathsDefinedElsewhere"], count)}
    create: Any = import_module("fhirpathpy.engine.nodes").ResourceNode.create_node

    def extension(elements: list[Any], url: str) -> list[Any]:
        """All with this URL; the engine's own takes the first one of each element."""
        listed = (element.get("extension") for element in elements if isinstance(element, dict))
        found = (one for extensions in listed if isinstance(extensions, list) for one in extensions)
        return [create(one, "Extension") for one in found if isinstance(one, dict) and one.get("url") == url]

    table: dict[str, Any] = {"extension": {"fn": extension, "arity": {1: ["String"]}}}
    if any(_grows(node) for node, _ in _walk(parsed)):
        table.update(_growing(count))
    options = {"userInvocationTable": table}

    def evaluate(document: Document, steps: Steps) -> Any:
        nodes = _nodes_of(document)
        if nodes > MAX_NODES:
            return UNREADABLE
        count.steps = steps
        try:
            count.take(nodes * passes)
            return _single(engine.apply_parsed_path(document, tree, None, model, options))
        except Exhausted:
            raise
        except Exception:  # the engine raises whatever it likes, with what it found in the text
            return UNREADABLE

    return evaluate


def holder_of(resource: Resource, value: Any) -> Component:
    """The value as if it were the resource's own, so that unit, map, plausible and take work as always."""
    match value:
        case bool():
            return Component(code=resource.code, valueBoolean=value)
        case float():
            return Component(code=resource.code, valueInteger=value)
        case str():
            return Component(code=resource.code, valueString=value)
        case {"coding": list()} if (concept := _converted(value, CodeableConcept)) is not None:
            return Component(code=resource.code, valueCodeableConcept=concept)
        case {"value": _} if (quantity := _converted(value, Quantity)) is not None:
            return Component(code=resource.code, valueQuantity=quantity)
        case {"code": str()} if (concept := _converted({"coding": [value]}, CodeableConcept)) is not None:
            return Component(code=resource.code, valueCodeableConcept=concept)
        case _:
            return Component(code=resource.code, valueUnreadable=True)


def _converted(value: Any, kind: type[T]) -> T | None:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None


def _single(found: Any) -> Any:
    """Several values are no value: which one counts is for the expression to say (`first()`)."""
    if not isinstance(found, list):
        found = [found]
    found = [value for value in found if value is not None]
    if len(found) != 1:
        return UNREADABLE if found else None
    return UNREADABLE if isinstance(found[0], list) else _plain(found[0])  # FHIR has no lists of lists


def _plain(value: Any) -> Any:
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int | float | Decimal):
        try:
            number = float(value)
        except OverflowError:
            return UNREADABLE
        return number if isfinite(number) else UNREADABLE
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return UNREADABLE  # a literal of the engine's own: a date, a time, a quantity


def _nodes_of(document: Document) -> int:
    """All elements, or some number above MAX_NODES where there are more."""
    found = 0
    waiting: list[Any] = [document]
    while waiting and found <= MAX_NODES:
        inner = waiting.pop()
        found += len(inner)
        for value in inner.values() if isinstance(inner, dict) else inner:
            if isinstance(value, dict | list):
                waiting.append(value)
            elif isinstance(value, str):
                found += len(value) // _LETTERS
    return found


def _is_bulky(node: Mapping[str, Any]) -> bool:
    """Whether it looks at all elements of a collection in one step, and into each."""
    return (
        node["type"] == "UnionExpression"
        or not _SIMILAR.isdisjoint(node["terminalNodeText"])
        or _function_in(node) in ("distinct", "isDistinct", "join")
    )


def _grows(node: Mapping[str, Any]) -> bool:
    """Whether what it makes may be larger than what it is made of."""
    return not _GROWING.isdisjoint(node["terminalNodeText"]) or _function_in(node) == "join"


class _Count:
    """Where the engine's steps are counted while it evaluates one expression."""

    steps = Steps(0)

    def take(self, steps: int = 1) -> None:
        self.steps.left -= steps
        if self.steps.left < 0:
            raise Exhausted


class _Tree(dict[str, Any]):
    """A node of the syntax tree: the engine asks for its type each time that it evaluates it."""

    def __init__(self, node: Mapping[str, Any], count: _Count) -> None:
        super().__init__(node)
        if "children" in node:
            self["children"] = [_Tree(child, count) for child in node["children"]]
        self._count = count

    def __getitem__(self, key: str) -> Any:
        if key == "type":
            self._count.take()
        return super().__getitem__(key)


class _Table(dict[str, str]):
    """A table of the R4 model: the engine looks into it once for each element that it looks at."""

    def __init__(self, table: Mapping[str, str], count: _Count) -> None:
        super().__init__(table)
        self._count = count

    def get(self, key: str, default: Any = None) -> Any:
        self._count.take()
        return super().get(key, default)


# --- what grows: `select($this & $this)`, written often enough, would fill the memory ---------------------------------

_GROWING = frozenset({"&", "+", "*"})


def _growing(count: _Count) -> Mapping[str, Mapping[str, Any]]:
    """In place of the engine's own, which need no context: a text costs steps by its letters, whole numbers end."""
    data_of: Any = import_module("fhirpathpy.engine.util").get_data
    own: Any = import_module("fhirpathpy.engine.invocations").invocation_registry

    def joined(texts: list[Any], separator: str = "") -> Any:
        count.take(sum(len(text) + len(separator) for text in texts) // _LETTERS)
        return own["join"]["fn"](None, texts, separator)

    def concatenated(left: list[Any], right: list[Any]) -> Any:
        if len(left) > 1 or len(right) > 1:
            raise TypeError
        return joined([*left, *map(data_of, right)]) or ""

    def added(left: list[Any], right: list[Any]) -> Any:
        if all(isinstance(value, str) for value in (*left, *map(data_of, right))):
            return concatenated(left, right)
        return own["+"]["fn"](None, left, right)

    def multiplied(left: list[Any], right: list[Any]) -> Any:
        (one,), (other,) = left, map(data_of, right)
        if not isinstance(one, int | Decimal) or not isinstance(other, int | Decimal):
            raise TypeError
        result = one * other
        if isinstance(result, int) and result.bit_length() > _MAX_BITS:
            raise OverflowError
        return result

    both = {2: ["Any", "Any"]}
    return {
        "&": {"fn": concatenated, "arity": both},
        "+": {"fn": added, "arity": both, "nullable": True},
        "*": {"fn": multiplied, "arity": both, "nullable": True},
        "join": {"fn": joined, "arity": own["join"]["arity"]},
    }


# --- the parser: the engine's own accepts `a..b`, and leaves out what it does not understand -------------------------


class _NotFhirPath(Exception):
    def __init__(self, column: int) -> None:
        super().__init__(column)
        self.column = column


def _parse(path: str) -> Mapping[str, Any]:
    antlr4: Any = import_module("antlr4")  # neither has types
    listener: Any = import_module("fhirpathpy.parser.ASTPathListener").ASTPathListener()
    listening: Any = import_module("antlr4.error.ErrorListener")
    generated = "fhirpathpy.parser.generated."

    class Strict(listening.ErrorListener):  # type: ignore[misc]
        def syntaxError(self, recognizer: Any, symbol: Any, line: int, column: int, *rest: Any) -> None:
            raise _NotFhirPath(column + 1)

    lexer = import_module(f"{generated}FHIRPathLexer").FHIRPathLexer(antlr4.InputStream(path))
    parser = import_module(f"{generated}FHIRPathParser").FHIRPathParser(antlr4.CommonTokenStream(lexer))
    for part in (lexer, parser):
        part.removeErrorListeners()
        part.addErrorListener(Strict())
    try:
        antlr4.ParseTreeWalker().walk(listener, parser.entireExpression())
    except RecursionError:
        raise _NotFhirPath(1) from None
    entire: Mapping[str, Any] = listener.parentStack[0]["children"][0]  # its child is what the engine evaluates
    return entire


def _walk(tree: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], int]]:
    """Every node below the root, with its depth."""
    waiting = [(child, 1) for child in tree.get("children", ())]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting += [(child, depth + 1) for child in node.get("children", ())]


def _is_quantity(node: Mapping[str, Any]) -> bool:
    """Whether an operand is a number with a unit, `6 'mmol/L'`, in brackets or with a sign or without."""
    while node["type"] != "QuantityLiteral" and len(node.get("children", ())) == 1:
        node = node["children"][0]
    return bool(node["type"] == "QuantityLiteral")


def _function_in(node: Mapping[str, Any]) -> str | None:
    if node["type"] != "Functn":
        return None
    return str(node["children"][0].get("text", "")).strip("`")
