"""A typed tree to one Python function.

The source is straight-line: every value gets a local, and only `and`, `or` and `if` branch. Nothing of the
user's text enters it but finite floats and `ascii()` of names and strings. Each name is loaded, and brought
to its declared type, once on every path. None is "unknown" throughout.
"""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from wardgate.domain.expressions.language import Environment, Known, Type
from wardgate.domain.expressions.tree import (
    Absent,
    AgeOf,
    Arithmetic,
    Choice,
    Compare,
    Extreme,
    Literal,
    Logical,
    Membership,
    Missing,
    Name,
    Negate,
    Node,
    Not,
)

Value = float | bool | str | None
Evaluate = Callable[[Environment], Value]

_LARGEST: Final = repr(sys.float_info.max)
_UNSEEN = Known(None, unobtained=True)  # a name that the environment lacks was not even looked for: unknown


def to_function(node: Node) -> Evaluate:
    """A function from an environment to the value of `node`; it neither raises nor loops."""
    emitter = _Emitter()
    emitter.line(f"return {emitter.value(node)}")
    source = "\n".join(["def evaluate(env):", *emitter.lines])
    namespace: dict[str, object] = {
        "__builtins__": {},
        "code": _code,
        "float": float,
        "max": max,
        "min": min,
        "number": _number,
        "str": str,
        "type": type,
        "unseen": _UNSEEN,
    }
    exec(compile(source, "<expression>", "exec"), namespace)
    return namespace["evaluate"]  # type: ignore[return-value]


def _number(value: object) -> float | None:
    """The slow path of a load: whole numbers as floats; None for what is not finite or not a number."""
    if not isinstance(value, float | int) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _code(value: object) -> str | None:
    return str.__str__(value) if isinstance(value, str) else None  # an enum of strings counts as its string


class _Emitter:
    """`value` emits the lines that compute a node and returns the local, or the literal, that holds it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._indent = 1
        self._count = 0
        self._loaded: dict[str, str] = {}  # source of a load -> its local, for what every path to here has loaded

    def line(self, text: str) -> None:
        self.lines.append("    " * self._indent + text)

    def value(self, node: Node) -> str:
        match node:
            case Literal(value=value):
                return ascii(value)
            case Name(name=name, type=type_):
                return self._load(name, type_)
            case Missing(name=name):
                return self._missing(name)
            case Absent(name=name):
                return self._absent(name)
            case AgeOf(name=name):
                return self._measure(f"{self._operand(name)}.age")
            case Negate(operand=operand):
                return self._guarded([held := self.value(operand)], f"-{held}")
            case Not(operand=operand):
                return self._guarded([held := self.value(operand)], f"not {held}")
            case Compare(operator=operator, left=left, right=right):
                a, b = self.value(left), self.value(right)
                return self._guarded([a, b], f"{a} {operator} {b}")
            case Membership(item=item, options=options, negated=negated):
                held = self.value(item)
                choices = ", ".join(ascii(option.value) for option in options)
                return self._guarded([held], f"{held} {'not in' if negated else 'in'} {{{choices}}}")
            case Extreme(function=function, operands=operands):
                values = [self.value(operand) for operand in operands]
                return self._guarded(values, f"{function}({', '.join(values)})")
            case Arithmetic():
                return self._arithmetic(node)
            case Logical():
                return self._logical(node)
            case Choice():
                return self._choice(node)

    # loads

    def _operand(self, name: str) -> str:
        return self._once(f"env.get({ascii(name)}, unseen)")

    def _load(self, name: str, type_: Type) -> str:
        source = f"{self._operand(name)}.value"
        match type_:
            case Type.NUMBER | Type.DURATION:
                return self._measure(source)
            case Type.CODE:
                return self._checked(source, "type({0}) is not str", "code({0})")
            case Type.BOOLEAN:
                return self._checked(source, "{0} is not True and {0} is not False", "None")

    def _measure(self, source: str) -> str:
        """A finite float is what almost every load yields; all else goes the slow way."""
        finite = f"-{_LARGEST} <= {{0}} <= {_LARGEST}"
        return self._checked(source, f"type({{0}}) is not float or not {finite}", "number({0})")

    def _checked(self, source: str, strange: str, remedy: str) -> str:
        if source not in self._loaded:
            local = self._once(source)
            self.line(f"if {strange.format(local)}: {local} = {remedy.format(local)}")
        return self._loaded[source]

    def _missing(self, name: str) -> str:
        operand = self._operand(name)
        local = self._local()
        # A value that could not be fetched is not known to be missing from the chart (docs/adr/0004).
        self.line(f"{local} = False if {operand}.value is not None else None if {operand}.unobtained else True")
        return local

    def _absent(self, name: str) -> str:
        operand = self._operand(name)
        local = self._local()
        # What has neither a value nor a mark is not known to be anything.
        self.line(f"{local} = {operand}.mark")
        self.line(f"{local} = None if {operand}.unobtained or not {local} else {local} in {{'missing', 'stale'}}")
        self.line(f"if {operand}.value is not None: {local} = False")
        return local

    # operators

    def _arithmetic(self, node: Arithmetic) -> str:
        first = self.value(node.first)
        steps = [(operator, self.value(operand)) for operator, operand in node.rest]
        # A divisor is tested for truth: None and zero both make the result unknown.
        conditions = _knowable([first, *(held for operator, held in steps if operator != "/")])
        conditions += [held for operator, held in steps if operator == "/"]
        local = self._local()
        self.line(f"{local} = None")
        with self._branch(f"if {' and '.join(conditions) or 'True'}"):
            for operator, held in steps:
                self.line(f"{local} = {first} {operator} {held}")
                first = local
            # What overflowed stays infinite or turns to nan on its way through a chain, so one test is enough.
            self.line(f"if not -{_LARGEST} <= {local} <= {_LARGEST}: {local} = None")
        return local

    def _logical(self, node: Logical) -> str:
        """Kleene's tables: the deciding value (False of `and`) ends it, unknown outlasts the other one."""
        deciding, neutral = ("False", "True") if node.operator == "and" else ("True", "False")
        local = self._local()
        self.line(f"{local} = {self.value(node.operands[0])}")
        for operand in node.operands[1:]:
            with self._branch(f"if {local} is not {deciding}"):
                held = self.value(operand)
                self.line(f"if {held} is not {neutral}: {local} = {held}")
        return local

    def _choice(self, node: Choice) -> str:
        condition = self.value(node.condition)
        local = self._local()
        self.line(f"{local} = None")
        for wanted, branch in (("True", node.yes), ("False", node.no)):
            with self._branch(f"if {condition} is {wanted}"):
                self.line(f"{local} = {self.value(branch)}")
        return local

    def _guarded(self, operands: list[str], source: str) -> str:
        """`source`, or None where an operand is unknown."""
        conditions = _knowable(operands)
        local = self._local()
        self.line(
            f"{local} = {source} if {' and '.join(conditions)} else None" if conditions else f"{local} = {source}"
        )
        return local

    # locals and branches

    def _local(self) -> str:
        self._count += 1
        return f"v{self._count}"

    def _once(self, source: str) -> str:
        if source not in self._loaded:
            self._loaded[source] = self._local()
            self.line(f"{self._loaded[source]} = {source}")
        return self._loaded[source]

    @contextmanager
    def _branch(self, condition: str) -> Iterator[None]:
        """An indented block; what it loads is not loaded behind it."""
        self.line(f"{condition}:")
        outside, self._loaded = self._loaded, dict(self._loaded)
        self._indent += 1
        yield
        self._indent -= 1
        self._loaded = outside


def _knowable(held: list[str]) -> list[str]:
    """The conditions under which all operands are known; a literal always is."""
    return [f"{local} is not None" for local in dict.fromkeys(held) if local.startswith("v")]
