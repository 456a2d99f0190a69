"""The template language of cards: Jinja2, sandboxed, and only the part of it that always ends and cannot fail.

A template prints names, asks simple conditions and loops over the rows of an input list; it does not compute.
Everything else of Jinja is refused when the template is compiled, with its line: calls, assignments, arithmetic
(a number worked out on a card is a number that nobody validated), nested loops, imports, indexing.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

import msgspec
from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from wardgate.domain.cards.score import Share, Shown
from wardgate.domain.cards.text import NOT_AVAILABLE, Markdown, Prepared, clean, escape, exact_percent, plain

LONGEST_SOURCE = 8_000
LONGEST_OUTPUT = 20_000


class TemplateProblem(Exception):
    """A template that cannot be used: what, remedy, line within the template (0: the whole of it)."""

    def __init__(self, what: str, remedy: str, line: int = 0) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.line = line


class View:
    """What a template may look into: the attributes that `readable` names, and nothing else of it."""

    __slots__ = ()
    readable: frozenset[str] = frozenset()


class Absent:
    """A value that is not there: prints as its text, is false, and every comparison with it is false."""

    __slots__ = ("text",)

    def __init__(self, text: str = NOT_AVAILABLE) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        return False

    def _never(self, other: object) -> bool:
        return False

    __lt__ = __le__ = __gt__ = __ge__ = _never


ABSENT = Absent()


class Table(View):
    """Rows that a template may loop over, or print whole (`| table`)."""

    __slots__ = ()

    def markdown(self) -> Markdown:
        raise NotImplementedError

    def line(self) -> str:
        """The rows in one plain line."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.line()


def _text(value: object) -> str:
    """A value as plain text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)) and not isinstance(value, Shown):
        return plain(value)
    return NOT_AVAILABLE if value is None else str(value)


def _plain(value: object) -> str:
    return clean(_text(value))


def _markdown(value: object) -> str:
    if isinstance(value, str):
        if type(value) is Markdown:
            return value
        return value.markdown if type(value) is Prepared else escape(value)
    if isinstance(value, Shown):
        return escape(value.text)
    return value.markdown() if isinstance(value, Table) else escape(_text(value))


def _percent(value: object) -> object:
    if isinstance(value, Share):
        return value.percent
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return exact_percent(value)
    return value


def _table(value: object) -> object:
    return value.markdown() if isinstance(value, Table) else value


def _round(value: object, decimals: int = 0) -> object:
    """Of a feature's value; a score is rounded by the card's `precision` alone, which knows the thresholds."""
    if isinstance(value, Share) or isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    return f"{value:.{min(max(decimals, 0), 12)}f}"


def _default(value: object, other: object = "") -> object:
    return other if value is None or isinstance(value, Absent) or value == "" else value


def _join(value: object, separator: str = ", ") -> str:
    return separator.join(_text(item) for item in value) if isinstance(value, tuple) else _text(value)


_FILTERS: dict[str, Callable[..., object]] = {
    "percent": _percent,
    "table": _table,
    "round": _round,
    "default": _default,
    "join": _join,
    "upper": lambda value: _text(value).upper(),
    "lower": lambda value: _text(value).lower(),
    "capitalize": lambda value: _text(value)[:1].upper() + _text(value)[1:],
}
_TESTS: dict[str, Callable[..., bool]] = {
    "none": lambda value: value is None or isinstance(value, Absent),
    "defined": lambda value: True,
}
_LOOP = frozenset({"first", "last", "index"})


class _Environment(ImmutableSandboxedEnvironment):
    """The second wall: whatever the compiler let through, only the attributes of views can be read."""

    def __init__(self, finalize: Callable[[object], str]) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, finalize=finalize)
        self.globals.clear()
        self.filters.clear()
        self.filters.update(_FILTERS)
        self.tests.clear()
        self.tests.update(_TESTS)

    def getattr(self, obj: Any, attribute: str) -> Any:
        readable = _LOOP if type(obj) is LoopContext else obj.readable if isinstance(obj, View) else ()
        return getattr(obj, attribute) if attribute in readable else self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return self.undefined(obj=obj, name=argument)

    def is_safe_callable(self, obj: Any) -> bool:
        return False


_PLAIN = _Environment(_plain)
_MARKDOWN = _Environment(_markdown)


class Vocabulary(msgspec.Struct, frozen=True):
    """What one kind of template may say. `names`: what each name offers by attribute (none: it is printed whole).
    `lists`: the attributes of each list's rows, printed by a loop that prints them all. `numbers`: what may be
    compared by size, as `score`, `egfr.value`. `instead`: remedies for names that other kinds have."""

    names: Mapping[str, frozenset[str]]
    lists: Mapping[str, frozenset[str]]
    numbers: frozenset[str]
    instead: Mapping[str, str] = {}


class Template(msgspec.Struct, frozen=True):
    """`reads` are the names that rendering needs; `prints` what it prints in any case: `score`, `egfr.value`,
    `reasons`. A name that stands under a condition is read and not sure to be printed. `percent`: the score is
    printed in per cent."""

    run: Callable[[dict[str, Any]], str]
    reads: frozenset[str]
    prints: frozenset[str]
    percent: bool

    def render(self, values: dict[str, Any]) -> str:
        """`values` holds every name in `reads`."""
        return self.run(values)


def compile_template(source: str, vocabulary: Vocabulary, markdown: bool) -> Template:
    """Raises TemplateProblem. `markdown`: what the template prints is escaped for Markdown, else made plain."""
    if len(source) > LONGEST_SOURCE:
        raise TemplateProblem(f"the template is longer than {LONGEST_SOURCE:,} characters", "shorten it")
    environment = _MARKDOWN if markdown else _PLAIN
    try:
        tree = environment.parse(source)
    except TemplateSyntaxError as error:
        raise TemplateProblem(
            f"the template does not parse: {error.message}", "mend the template's syntax", error.lineno
        ) from None
    checker = _Checker(vocabulary)
    checker.check(tree)
    template = environment.from_string(tree)
    concat = environment.concat

    def run(values: dict[str, Any]) -> str:
        return concat(template.root_render_func(template.new_context(values, shared=True)))

    return Template(run, frozenset(checker.reads), frozenset(checker.prints), checker.percent)


_ORDER = ("lt", "lteq", "gt", "gteq")
_REMEDIES: dict[type[nodes.Node], tuple[str, str]] = {
    nodes.Call: ("a template cannot call anything", "print names and use the filters percent, table, round, default"),
    nodes.Getitem: ("a template cannot index", "write name.attribute, such as egfr.value"),
    nodes.BinExpr: ("a template does not compute", "make the number a feature, or print the score as it is"),
    nodes.UnaryExpr: ("a template does not compute", "make the number a feature, or print the score as it is"),
}
_PASSIVE = (nodes.Output, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Concat, nodes.Operand, nodes.Keyword)


class _Checker:
    """Walks a parsed template once: refuses what the language does not have, and notes what is read and printed."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.reads: set[str] = set()
        self.prints: set[str] = set()
        self.percent = False
        self._row: tuple[str, frozenset[str]] | None = None

    def check(self, tree: nodes.Template) -> None:
        for node in tree.body:
            if isinstance(node, nodes.Output):
                self.prints.update(self._printed_by(node))
            elif isinstance(node, nodes.For) and node.test is None and isinstance(node.iter, nodes.Name):
                self.prints.update(self._listed(node, node.iter.name))
            self._visit(node)

    def _printed_by(self, *outputs: nodes.Node) -> set[str]:
        return {
            name
            for output in outputs
            if isinstance(output, nodes.Output)
            for child in output.nodes
            for name in self._printed(child)
        }

    def _listed(self, loop: nodes.For, name: str) -> set[str]:
        """A list counts as printed by a loop that prints every attribute of every row."""
        row = loop.target.name if isinstance(loop.target, nodes.Name) else ""
        wanted = {f"{row}.{attribute}" for attribute in self.vocabulary.lists.get(name, ())}
        return {name} if wanted and wanted <= self._printed_by(*loop.body) else set()

    def _printed(self, node: nodes.Node) -> Iterable[str]:
        """What an expression prints whatever the data: a name, an attribute, or either through a filter."""
        while isinstance(node, nodes.Filter) and node.node is not None:
            node = node.node
        if isinstance(node, nodes.Name):
            return (node.name,)
        if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
            return (f"{node.node.name}.{node.attr}",)
        if isinstance(node, nodes.Concat):
            return [name for child in node.nodes for name in self._printed(child)]
        return ()

    def _visit(self, node: nodes.Node) -> None:
        match node:
            case nodes.TemplateData() | nodes.Const() | nodes.Neg(node=nodes.Const()):
                pass
            case nodes.Name():
                self._name(node)
            case nodes.Getattr():
                self._attribute(node)
            case nodes.Filter():
                self._filter(node)
            case nodes.Test():
                self._one_of(node.name, _TESTS, "test", node.lineno)
                self._children(node)
            case nodes.Compare():
                self._compare(node)
            case nodes.For():
                self._loop(node)
            case nodes.If():
                self._children(node)
            case _ if isinstance(node, _PASSIVE):
                self._children(node)
            case _:
                self._refuse(node)

    def _children(self, node: nodes.Node) -> None:
        for child in node.iter_child_nodes():
            self._visit(child)

    def _name(self, node: nodes.Name) -> None:
        if node.name == "loop" and self._row is not None:
            return
        if self._row is not None and node.name == self._row[0]:
            raise TemplateProblem(
                f"a row cannot be printed whole: {node.name}",
                "print one of " + ", ".join(f"{node.name}.{name}" for name in sorted(self._row[1])),
                node.lineno,
            )
        if node.name in self.vocabulary.instead:
            raise TemplateProblem(f"{node.name} does not exist here", self.vocabulary.instead[node.name], node.lineno)
        self._one_of(node.name, self.vocabulary.names, "name", node.lineno)
        if self.vocabulary.names[node.name] and node.name not in self.vocabulary.lists:
            attributes = ", ".join(f"{node.name}.{name}" for name in sorted(self.vocabulary.names[node.name]))
            raise TemplateProblem(f"{node.name} cannot be printed whole", f"print one of {attributes}", node.lineno)
        self.reads.add(node.name)

    def _attribute(self, node: nodes.Getattr) -> None:
        if not isinstance(node.node, nodes.Name):
            raise TemplateProblem("only names have attributes", "write name.attribute, such as egfr.value", node.lineno)
        name = node.node.name
        if name == "loop" and self._row is not None:
            self._one_of(node.attr, _LOOP, "attribute of loop", node.lineno)
            return
        if self._row is not None and name == self._row[0]:
            self._one_of(node.attr, self._row[1], f"attribute of {name}", node.lineno)
            return
        if name in self.vocabulary.instead:
            raise TemplateProblem(f"{name} does not exist here", self.vocabulary.instead[name], node.lineno)
        self._one_of(name, self.vocabulary.names, "name", node.lineno)
        self._one_of(node.attr, self.vocabulary.names[name], f"attribute of {name}", node.lineno)
        self.reads.add(name)

    def _filter(self, node: nodes.Filter) -> None:
        self._one_of(node.name, _FILTERS, "filter", node.lineno)
        if node.dyn_args is not None or node.dyn_kwargs is not None or node.kwargs:
            raise TemplateProblem("a filter takes plain arguments only", "write | round(1)", node.lineno)
        if len(node.args) > (1 if node.name in ("round", "default", "join") else 0):
            raise TemplateProblem(f"the filter {node.name} takes fewer arguments", "leave them out", node.lineno)
        wanted = {"round": int, "join": str}.get(node.name)
        if wanted and not all(isinstance(a, nodes.Const) and type(a.value) is wanted for a in node.args):
            raise TemplateProblem(f"the argument of {node.name} is not a literal", "write | round(1)", node.lineno)
        if node.name == "percent" and isinstance(node.node, nodes.Name) and node.node.name == "score":
            self.percent = True
        self._children(node)

    def _compare(self, node: nodes.Compare) -> None:
        operands = [node.expr, *(operand.expr for operand in node.ops)]
        if any(operand.op in _ORDER for operand in node.ops) and not all(map(self._is_number, operands)):
            raise TemplateProblem(
                "only numbers are greater or smaller",
                "compare score, threshold, a literal or a number's value",
                node.lineno,
            )
        if any(operand.op not in (*_ORDER, "eq", "ne") for operand in node.ops):
            raise TemplateProblem("a template compares with == != < <= > >= only", "write == and or", node.lineno)
        self._children(node)

    def _is_number(self, node: nodes.Node) -> bool:
        if isinstance(node, nodes.Neg):
            node = node.node
        if isinstance(node, nodes.Const):
            return isinstance(node.value, (int, float)) and not isinstance(node.value, bool)
        return any(name in self.vocabulary.numbers for name in self._printed(node)) and not isinstance(
            node, (nodes.Filter, nodes.Concat)
        )

    def _loop(self, node: nodes.For) -> None:
        if self._row is not None or node.recursive:
            raise TemplateProblem("a loop cannot stand in a loop", "loop over one list at a time", node.lineno)
        if not isinstance(node.iter, nodes.Name) or not isinstance(node.target, nodes.Name):
            raise TemplateProblem("a loop runs over a list by name", "write for row in reasons", node.lineno)
        rows = self.vocabulary.lists.get(node.iter.name)
        if rows is None:
            raise TemplateProblem(
                f"{node.iter.name} is not a list",
                "loop over one of " + ", ".join(sorted(self.vocabulary.lists)),
                node.lineno,
            )
        if node.target.name in self.vocabulary.names or node.target.name == "loop":
            raise TemplateProblem(f"{node.target.name} already has a meaning", "name the row otherwise", node.lineno)
        self._visit(node.iter)
        self._row = (node.target.name, rows)
        for child in (*([node.test] if node.test else []), *node.body, *node.else_):
            self._visit(child)
        self._row = None

    def _refuse(self, node: nodes.Node) -> NoReturn:
        for kind, (what, remedy) in _REMEDIES.items():
            if isinstance(node, kind):
                raise TemplateProblem(what, remedy, node.lineno)
        what = type(node).__name__.lower()
        raise TemplateProblem(
            f"a card template has no {what!r}", "use names, filters, if and for over a list", node.lineno or 0
        )

    def _one_of(self, name: str, names: Iterable[str], what: str, line: int) -> None:
        known = sorted(names)
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            remedy = f"did you mean {near[0]}?" if near else "there is " + (", ".join(known) or "none")
            raise TemplateProblem(f"no {what} is called {name!r}", remedy, line)
