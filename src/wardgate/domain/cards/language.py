"""The template language of cards: Jinja2's syntax, and only the part of it that always ends and cannot fail.

Jinja parses; what its tree may hold is decided here, node by node, and compiled to closures. A template prints names,
asks simple conditions and loops over the rows of a list; it does not compute. Everything else of Jinja is refused
with its line: calls, assignments, arithmetic (a number worked out on a card is one that nobody validated), nested
loops, imports, indexing. There is no attribute, function or object to reach beyond the names that are handed in.
"""

import difflib
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, TypeVar

import msgspec
from jinja2 import TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from wardgate.domain.cards.score import Share, Shown
from wardgate.domain.cards.text import NOT_AVAILABLE, Markdown, Prepared, clean, escape, exact_percent, plain

LONGEST_SOURCE = 8_000
LONGEST_OUTPUT = 20_000
DEEPEST = 60
"""Levels of a template's tree: an `if`, a bracket, a filter or an `and` each go one or two deeper. Rendering takes some
frames of the stack for each, and may not fail in a call whose stack is deeper than that of the start."""


class TemplateProblem(Exception):
    """A template that cannot be used: what, remedy, line within the template (0: the whole of it)."""

    def __init__(self, what: str, remedy: str, line: int = 0) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.line = line


_TOO_DEEP = "the template is nested too deeply", "write it with fewer brackets, filters or conditions"


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
GAP = Absent("\0")
"""A value that is not there, in the string of a resource: the string that would hold it is left out (`has_gap`)."""


class Table:
    """Rows that a template may loop over, or print whole (`| table`)."""

    __slots__ = ()

    def markdown(self) -> Markdown:
        raise NotImplementedError

    def line(self) -> str:
        """The rows in one plain line."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.line()


class Loop(NamedTuple):
    number: int  # from 1; `loop.index`
    first: bool
    last: bool


class Frame:
    """What a template is rendered with; `row` and `loop` are those of the loop that is running."""

    __slots__ = ("loop", "row")
    loop: Loop
    row: Any


T = TypeVar("T")
Get = Callable[[Any], object]
Say = Callable[[Any], str]


class Vocabulary(msgspec.Struct, frozen=True):
    """What one kind of template may say. `names`: how each name is worked out of the frame, or each of its
    attributes. `lists`: the attributes of a list's rows; a loop that prints them all has printed the list.
    `numbers`: what may be compared by size, as `score`, `egfr.value`. `instead`: remedies for names that other
    kinds of template have."""

    names: Mapping[str, Get | Mapping[str, Get]]
    lists: Mapping[str, Mapping[str, Get]]
    numbers: frozenset[str]
    instead: Mapping[str, str] = {}


class Template(msgspec.Struct, frozen=True):
    """`render` takes a frame and cannot fail. `reads` are the names that stand in the template; `prints` what it
    prints in any case: `score`, `egfr.value`, `reasons`; a name under a condition is read and not sure to be printed.
    `percent`: the score is printed in per cent."""

    render: Say
    reads: frozenset[str]
    prints: frozenset[str]
    percent: bool


def compile_template(source: str, vocabulary: Vocabulary, markdown: bool) -> Template:
    """Raises TemplateProblem. `markdown`: what the template prints is escaped for Markdown, else made plain."""
    return _compiled(source, vocabulary, write_markdown if markdown else write_plain)


def compile_string(source: str, vocabulary: Vocabulary) -> Template:
    """A string of a resource, plain; what it gives has a gap where a value is not there. Raises TemplateProblem."""
    return _compiled(source, vocabulary, write_or_gap)


def has_gap(text: str) -> bool:
    return GAP.text in text


def _compiled(source: str, vocabulary: Vocabulary, write: Callable[[object], str]) -> Template:
    if len(source) > LONGEST_SOURCE:
        raise TemplateProblem(f"the template is longer than {LONGEST_SOURCE:,} characters", "shorten it")
    tree = _parsed(source)
    compiler = _Compiler(vocabulary, write)
    render = compiler.block(tree.body)
    prints = compiler.prints(tree.body)
    return Template(render, frozenset(compiler.reads), frozenset(prints), compiler.percent)


def _parsed(source: str) -> nodes.Template:
    try:
        tree = _PARSER.parse(source)
    except TemplateSyntaxError as error:
        what = f"the template does not parse: {error.message}"
        raise TemplateProblem(what, "mend the template's syntax", error.lineno) from None
    except RecursionError:
        raise TemplateProblem(*_TOO_DEEP) from None
    except ValueError:  # Python reads no number of thousands of digits
        raise TemplateProblem("the template holds a number that is too long", "shorten it") from None
    waiting: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > DEEPEST:
            raise TemplateProblem(*_TOO_DEEP)
        waiting += [(child, depth + 1) for child in node.iter_child_nodes()]
    return tree


# what values print as


def text_of(value: object) -> str:
    """A value as plain text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)) and not isinstance(value, Shown):
        return plain(value)
    return NOT_AVAILABLE if value is None else str(value)


def write_plain(value: object) -> str:
    return clean(text_of(value))


def write_or_gap(value: object) -> str:
    """Plain text, but for a gap: `clean` would take it for a control character of the chart."""
    text = text_of(value)
    return GAP.text if has_gap(text) else clean(text)


def write_markdown(value: object) -> str:
    kind = type(value)
    if kind is Markdown:
        return value  # type: ignore[return-value]
    if kind is str:
        return escape(value)  # type: ignore[arg-type]
    if isinstance(value, Shown):
        return escape(value.text)
    if isinstance(value, Prepared):
        return value.markdown
    if isinstance(value, Table):
        return apart(value)
    return escape(text_of(value))


def apart(table: Table) -> Markdown:
    """A table between blank lines: GFM takes the line below a table for its next row ("Tables (extension)")."""
    text = table.markdown()
    return Markdown(f"\n\n{text}\n\n") if text else text


def _percent(value: object) -> object:
    if isinstance(value, Share):
        return value.percent
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return exact_percent(value)
    return value


def _table(value: object) -> object:
    return apart(value) if isinstance(value, Table) else value


def _round(value: object, decimals: int = 0) -> object:
    """Of a feature's value; a score is rounded by the card's `precision` alone, which knows the thresholds."""
    if isinstance(value, (Share, bool)) or not isinstance(value, (int, float)):
        return value
    return f"{value:.{min(max(decimals, 0), 12)}f}"


def _default(value: object, other: object = "") -> object:
    return other if value is None or isinstance(value, Absent) or value == "" else value


FILTERS: Mapping[str, Callable[..., object]] = {
    "percent": _percent,
    "table": _table,
    "round": _round,
    "default": _default,
    "upper": lambda value: text_of(value).upper(),
    "lower": lambda value: text_of(value).lower(),
    "capitalize": lambda value: text_of(value)[:1].upper() + text_of(value)[1:],
}
TESTS: Mapping[str, Callable[[object], bool]] = {
    "none": lambda value: value is None or isinstance(value, Absent),
    "defined": lambda value: True,
}
_LOOP: Mapping[str, Get] = {
    "index": lambda frame: frame.loop.number,
    "first": lambda frame: frame.loop.first,
    "last": lambda frame: frame.loop.last,
}
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
}
_EQUALITY = ("eq", "ne")
_REMEDIES: Mapping[type[nodes.Node], tuple[str, str]] = {
    nodes.Call: ("a template cannot call anything", "print names and use the filters percent, table, round, default"),
    nodes.Getitem: ("a template cannot index", "write name.attribute, such as egfr.value"),
    nodes.BinExpr: ("a template does not compute", "make the number a feature, or print the score as it is"),
    nodes.UnaryExpr: ("a template does not compute", "make the number a feature, or print the score as it is"),
}


_PARSER = ImmutableSandboxedEnvironment(autoescape=False)
"""Parses, and never runs a template."""


class _Compiler:
    """Turns a parsed template into closures over a frame, and notes what it reads."""

    def __init__(self, vocabulary: Vocabulary, write: Callable[[object], str]) -> None:
        self.vocabulary = vocabulary
        self.reads: set[str] = set()
        self.percent = False
        self._write = write
        self._row: tuple[str, Mapping[str, Get]] | None = None

    # statements

    def block(self, body: Sequence[nodes.Node]) -> Say:
        pattern: list[str] = []
        says: list[Say] = []
        for node in body:
            for part in node.nodes if isinstance(node, nodes.Output) else (node,):
                if isinstance(part, nodes.TemplateData):
                    pattern.append(part.data.replace("%", "%%"))
                else:
                    pattern.append("%s")
                    says.append(self._say(part))
        return _joined("".join(pattern), tuple(says))

    def _say(self, node: nodes.Node) -> Say:
        match node:
            case nodes.If():
                return self._if(node)
            case nodes.For():
                return self._for(node)
            case nodes.Expr():
                get, write = self._get(node), self._write
                return lambda frame: write(get(frame))
            case _:
                self._refuse(node)

    def _if(self, node: nodes.If) -> Say:
        branches = [(self._get(one.test), self.block(one.body)) for one in (node, *node.elif_)]
        otherwise = self.block(node.else_)

        def say(frame: Frame) -> str:
            for test, body in branches:
                if test(frame):
                    return body(frame)
            return otherwise(frame)

        return say

    def _for(self, node: nodes.For) -> Say:
        name, rows = self._list_of(node)
        get = self._get(node.iter)
        self._row = (name, rows)
        test = None if node.test is None else self._get(node.test)
        body, otherwise = self.block(node.body), self.block(node.else_)
        self._row = None

        def say(frame: Frame) -> str:
            kept = [row for row in get(frame) if test is None or _holds(test, frame, row)]  # type: ignore[attr-defined]
            texts = []
            for number, row in enumerate(kept, 1):
                frame.row, frame.loop = row, Loop(number, number == 1, number == len(kept))
                texts.append(body(frame))
            return "".join(texts) if texts else otherwise(frame)

        return say

    def _list_of(self, node: nodes.For) -> tuple[str, Mapping[str, Get]]:
        if self._row is not None or node.recursive:
            raise TemplateProblem("a loop cannot stand in a loop", "loop over one list at a time", node.lineno)
        if not isinstance(node.iter, nodes.Name) or not isinstance(node.target, nodes.Name):
            raise TemplateProblem("a loop runs over a list by name", "write for row in reasons", node.lineno)
        rows, name = self.vocabulary.lists.get(node.iter.name), node.target.name
        if rows is None:
            remedy = "loop over one of " + ", ".join(sorted(self.vocabulary.lists))
            raise TemplateProblem(f"{node.iter.name} is not a list", remedy, node.lineno)
        if name in self.vocabulary.names or name == "loop":
            raise TemplateProblem(f"{name} already has a meaning", "name the row otherwise", node.lineno)
        return name, rows

    # expressions

    def _get(self, node: nodes.Node) -> Get:
        match node:
            case nodes.Const(value=value) | nodes.TemplateData(data=value):
                return lambda frame: value
            case nodes.Neg(node=nodes.Const(value=int() | float() as value)):
                negative = -value
                return lambda frame: negative
            case nodes.Name():
                return self._name(node)
            case nodes.Getattr():
                return self._attribute(node)
            case nodes.Filter():
                return self._filter(node)
            case nodes.Test():
                asks, inner = _one_of(node.name, TESTS, "test", node.lineno), self._get(node.node)
                return lambda frame: asks(inner(frame))
            case nodes.Compare():
                return self._compare(node)
            case nodes.Not():
                inner = self._get(node.node)
                return lambda frame: not inner(frame)
            case nodes.And():
                left, right = self._get(node.left), self._get(node.right)
                return lambda frame: left(frame) and right(frame)
            case nodes.Or():
                left, right = self._get(node.left), self._get(node.right)
                return lambda frame: left(frame) or right(frame)
            case nodes.CondExpr():
                test, then = self._get(node.test), self._get(node.expr1)
                otherwise = self._get(node.expr2) if node.expr2 is not None else lambda frame: ""
                return lambda frame: then(frame) if test(frame) else otherwise(frame)
            case nodes.Concat():
                parts = [self._get(part) for part in node.nodes]
                return lambda frame: "".join([text_of(part(frame)) for part in parts])
            case _:
                self._refuse(node)

    def _name(self, node: nodes.Name) -> Get:
        if self._row is not None and node.name == self._row[0]:
            self._not_whole(node, self._row[1])
        found = self._lookup(node.name, node.lineno)
        if not callable(found):
            self._not_whole(node, found)
        return found

    def _attribute(self, node: nodes.Getattr) -> Get:
        if not isinstance(node.node, nodes.Name):
            raise TemplateProblem("only names have attributes", "write name.attribute, such as egfr.value", node.lineno)
        name, what = node.node.name, f"attribute of {node.node.name}"
        if self._row is not None and name == self._row[0]:
            of_row = _one_of(node.attr, self._row[1], what, node.lineno)
            return lambda frame: of_row(frame.row)
        if self._row is not None and name == "loop":
            return _one_of(node.attr, _LOOP, what, node.lineno)
        found = self._lookup(name, node.lineno)
        return _one_of(node.attr, {} if callable(found) else found, what, node.lineno)

    def _lookup(self, name: str, line: int) -> Get | Mapping[str, Get]:
        if name in self.vocabulary.instead:
            raise TemplateProblem(f"{name} does not exist here", self.vocabulary.instead[name], line)
        found = _one_of(name, self.vocabulary.names, "name", line)
        self.reads.add(name)
        return found

    def _not_whole(self, node: nodes.Name, attributes: Iterable[str]) -> NoReturn:
        remedy = "print one of " + ", ".join(f"{node.name}.{attribute}" for attribute in sorted(attributes))
        raise TemplateProblem(f"{node.name} cannot be printed whole", remedy, node.lineno)

    def _filter(self, node: nodes.Filter) -> Get:
        function = _one_of(node.name, FILTERS, "filter", node.lineno)
        if node.node is None or node.dyn_args is not None or node.dyn_kwargs is not None or node.kwargs:
            raise TemplateProblem("a filter takes plain arguments only", "write | round(1)", node.lineno)
        if len(node.args) > (1 if node.name in ("round", "default") else 0):
            raise TemplateProblem(f"the filter {node.name} takes fewer arguments", "leave them out", node.lineno)
        if node.name == "round" and not all(isinstance(a, nodes.Const) and type(a.value) is int for a in node.args):
            raise TemplateProblem("the argument of round is not a whole number", "write | round(1)", node.lineno)
        if node.name == "percent" and isinstance(node.node, nodes.Name) and node.node.name == "score":
            self.percent = True
        inner = self._get(node.node)
        if not node.args:
            return lambda frame: function(inner(frame))
        argument = self._get(node.args[0])
        return lambda frame: function(inner(frame), argument(frame))

    def _compare(self, node: nodes.Compare) -> Get:
        operands = [node.expr, *(operand.expr for operand in node.ops)]
        if any(operand.op not in _COMPARE for operand in node.ops):
            raise TemplateProblem("a template compares with == != < <= > >= only", "write == and or", node.lineno)
        if any(operand.op not in _EQUALITY for operand in node.ops) and not all(map(self._is_number, operands)):
            remedy = "compare score, threshold, a literal or a number's value"
            raise TemplateProblem("only numbers are greater or smaller", remedy, node.lineno)
        first = self._get(node.expr)
        rest = [(_COMPARE[operand.op], self._get(operand.expr)) for operand in node.ops]

        def holds(frame: Frame) -> bool:
            left = first(frame)
            for compare, get in rest:
                right = get(frame)
                if not compare(left, right):
                    return False
                left = right
            return True

        return holds

    def _is_number(self, node: nodes.Node) -> bool:
        if isinstance(node, nodes.Neg):
            node = node.node
        if isinstance(node, nodes.Const):
            return isinstance(node.value, (int, float)) and not isinstance(node.value, bool)
        return isinstance(node, (nodes.Name, nodes.Getattr)) and _printed(node) <= self.vocabulary.numbers

    def _refuse(self, node: nodes.Node) -> NoReturn:
        for kind, (what, remedy) in _REMEDIES.items():
            if isinstance(node, kind):
                raise TemplateProblem(what, remedy, node.lineno)
        what = f"a card template has no {type(node).__name__.lower()!r}"
        raise TemplateProblem(what, "use names, filters, if and for over a list", node.lineno or 0)

    # what is printed in any case

    def prints(self, body: Sequence[nodes.Node]) -> set[str]:
        found: set[str] = set()
        for node in body:
            if isinstance(node, nodes.Output):
                found.update(*(_printed(child) for child in node.nodes))
            elif isinstance(node, nodes.For) and node.test is None:
                found.update(self._printed_list(node))
        return found

    def _printed_list(self, node: nodes.For) -> set[str]:
        """A list counts as printed by a loop that prints every attribute of every row."""
        if not isinstance(node.iter, nodes.Name) or not isinstance(node.target, nodes.Name):
            return set()
        wanted = {f"{node.target.name}.{attribute}" for attribute in self.vocabulary.lists[node.iter.name]}
        return {node.iter.name} if wanted <= self.prints(node.body) else set()


def _printed(node: nodes.Node) -> set[str]:
    """What an expression prints whatever the data: a name, an attribute, or either through a filter."""
    while isinstance(node, nodes.Filter) and node.node is not None:
        node = node.node
    match node:
        case nodes.Name(name=name):
            return {name}
        case nodes.Getattr(node=nodes.Name(name=name), attr=attribute):
            return {f"{name}.{attribute}"}
        case nodes.Concat():
            return {name for part in node.nodes for name in _printed(part)}
        case _:
            return set()


def _joined(pattern: str, says: tuple[Say, ...]) -> Say:
    if not says:
        text = pattern.replace("%%", "%")
        return lambda frame: text
    return lambda frame: pattern % tuple([say(frame) for say in says])


def _holds(test: Get, frame: Frame, row: object) -> bool:
    frame.row = row
    return bool(test(frame))


def _one_of(name: str, known: Mapping[str, T], what: str, line: int) -> T:
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, 1)
    remedy = f"did you mean {near[0]}?" if near else "there is " + (", ".join(sorted(known)) or "none")
    raise TemplateProblem(f"no {what} is called {name!r}", remedy, line)
