"""Well-typed trees, their text, and environments for them, drawn by Hypothesis."""

import string
from collections.abc import Callable
from functools import cache

from hypothesis import strategies as st

from wardgate.domain.expressions import Environment, Known, Scope, Type
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
from wardgate.domain.features.vector import Mark

N, B, C, D = Type.NUMBER, Type.BOOLEAN, Type.CODE, Type.DURATION
NAMES = {"n1": N, "n2": N, "n3": N, "score": N, "b1": B, "b2": B, "c1": C, "c2": C, "d1": D}
SCOPE = Scope(NAMES, outputs=frozenset({"score"}), timed=frozenset({"n1", "n2", "b1", "c1"}))

_NUMBERS = st.sampled_from([0.0, 1.0, 2.0, 60.0, 1e-6, 1e308, 5e-324]) | st.floats(
    0, allow_nan=False, allow_infinity=False
)
_SECONDS = st.integers(0, 10**6).map(float)
_CODES = st.sampled_from(["a", "b", "", "\u00e9", "it's"]) | st.text(string.printable, max_size=4).filter(
    lambda text: not set(text) & set("\r\n") and not {'"', "'"} <= set(text)
)
_MEASURES = st.sampled_from([N, D])

Trees = st.SearchStrategy[Node]


def _literals(type_: Type) -> st.SearchStrategy[Literal]:
    positive = {N: _NUMBERS, D: _SECONDS, C: _CODES, B: st.booleans()}[type_]
    if type_ in (N, D):
        return st.builds(lambda value, sign: Literal(value * sign, type_), positive, st.sampled_from([1.0, -1.0]))
    return st.builds(Literal, positive, st.just(type_))


def _leaves(type_: Type) -> Trees:
    names = st.sampled_from([name for name, declared in NAMES.items() if declared is type_])
    leaves: Trees = st.builds(Name, names, st.just(type_)) | _literals(type_)
    if type_ is B:
        features = st.sampled_from(sorted(NAMES.keys() - SCOPE.outputs))
        leaves |= st.builds(Missing, features) | st.builds(Absent, features)
    if type_ is D:
        leaves |= st.builds(AgeOf, st.sampled_from(sorted(SCOPE.timed)))
    return leaves


def _chain(operands: Callable[[Type], Trees], operators: str, firsts: Type, others: Type, type_: Type) -> Trees:
    steps = st.lists(st.tuples(st.sampled_from(operators), operands(others)), min_size=1, max_size=3).map(tuple)
    return st.builds(Arithmetic, operands(firsts), steps, st.just(type_))


def _measures(type_: Type, below: Callable[[Type], Trees]) -> Trees:
    parts = st.lists(below(type_), min_size=2, max_size=3).map(tuple)
    trees: Trees = st.builds(Extreme, st.sampled_from(["min", "max"]), parts, st.just(type_))
    trees |= _chain(below, "+-", type_, type_, type_)
    trees |= _chain(below, "*/", type_, N, type_)
    # The parser folds the sign of a literal, so a tree that it can build has none under a Negate.
    trees |= st.builds(Negate, below(type_).filter(lambda node: not isinstance(node, Literal)), st.just(type_))
    if type_ is D:
        trees |= st.builds(lambda n, d: Arithmetic(n, (("*", d),), D), below(N), below(D))
    else:
        trees |= st.builds(lambda a, b: Arithmetic(a, (("/", b),), N), below(D), below(D))
    return trees


def _booleans(below: Callable[[Type], Trees]) -> Trees:
    def compare(type_: Type) -> Trees:
        operators = ["==", "!="] if type_ in (B, C) else ["<", "<=", ">", ">=", "==", "!="]
        return st.builds(Compare, st.sampled_from(operators), below(type_), below(type_))

    def membership(type_: Type) -> Trees:
        return st.builds(
            Membership, below(type_), st.lists(_literals(type_), min_size=1, max_size=3).map(tuple), st.booleans()
        )

    parts = st.lists(below(B), min_size=2, max_size=4).map(tuple)
    return (
        st.builds(Logical, st.sampled_from(["and", "or"]), parts)
        | st.builds(Not, below(B))
        | st.sampled_from([N, B, C, D]).flatmap(compare)
        | st.sampled_from([N, C, D]).flatmap(membership)
    )


@cache
def trees(type_: Type, depth: int = 3) -> Trees:
    """Trees of `type_`, at most `depth` operators deep, in the one form that the parser gives a text."""
    if depth == 0:
        return _leaves(type_)

    def below(wanted: Type) -> Trees:
        return trees(wanted, depth - 1)

    grown: Trees = st.builds(Choice, below(B), below(type_), below(type_), st.just(type_))
    if type_ is B:
        grown |= _booleans(below)
    if type_ in (N, D):
        grown |= _measures(type_, below)
    return _leaves(type_) | grown | grown


TREES = st.sampled_from([B, B, N, D, C]).flatmap(trees)

_ANY = st.none() | st.booleans() | st.floats() | st.integers() | st.just(10**400) | st.sampled_from(["a", "b", ""])
_PROPER: dict[Type, st.SearchStrategy[float | bool | str]] = {
    N: _NUMBERS | st.integers(-5, 100),
    B: st.booleans(),
    C: _CODES,
    D: _SECONDS,
}


def _operands(type_: Type) -> st.SearchStrategy[Known]:
    values = _PROPER[type_] | _PROPER[type_] | st.none() | _ANY
    ages = st.none() | _SECONDS | st.floats()
    return st.builds(Known, values, ages, st.booleans(), st.sampled_from([None, *Mark]))


ENVIRONMENTS: st.SearchStrategy[Environment] = st.fixed_dictionaries(
    {}, optional={name: _operands(type_) for name, type_ in NAMES.items()}
)


_TIGHTNESS = {"or": 1, "and": 2, "not": 3, "compare": 4, "+": 5, "-": 5, "*": 6, "/": 6, "negate": 7, "leaf": 8}


def render(node: Node, brackets: bool = False) -> str:
    """The text of a tree; `brackets` puts one around every operator, else there are as few as needed."""
    return _Renderer(brackets).text(node)


class _Renderer:
    def __init__(self, brackets: bool) -> None:
        self._brackets = brackets

    def text(self, node: Node) -> str:
        return self._written(node)[0]

    def _inside(self, node: Node, tightness: int) -> str:
        """`node` where only operators that bind tighter than `tightness` may stand bare."""
        text, own = self._written(node)
        bare = own > tightness and not (self._brackets and own < _TIGHTNESS["leaf"])
        return text if bare else f"({text})"

    def _written(self, node: Node) -> tuple[str, int]:
        match node:
            case Literal(value=value, type=type_):
                return _literal(value, type_), _TIGHTNESS["leaf"]
            case Name(name=name):
                return name, _TIGHTNESS["leaf"]
            case Missing(name=name):
                return f"missing({name})", _TIGHTNESS["leaf"]
            case Absent(name=name):
                return f"absent({name})", _TIGHTNESS["leaf"]
            case AgeOf(name=name):
                return f"age_of( {name} )", _TIGHTNESS["leaf"]
            case Negate(operand=operand):
                return f"-{self._inside(operand, _TIGHTNESS['negate'])}", _TIGHTNESS["negate"]
            case Not(operand=operand):
                return f"not {self._inside(operand, _TIGHTNESS['not'] - 1)}", _TIGHTNESS["not"]
            case Compare(operator=operator, left=left, right=right):
                own = _TIGHTNESS["compare"]
                return f"{self._inside(left, own)} {operator} {self._inside(right, own)}", own
            case Membership(item=item, options=options, negated=negated):
                own = _TIGHTNESS["compare"]
                choices = ",".join(_literal(option.value, option.type) for option in options)
                return f"{self._inside(item, own)} {'not in' if negated else 'in'} [{choices}]", own
            case Logical(operator=operator, operands=operands):
                own = _TIGHTNESS[operator]
                return f" {operator}\n".join(self._inside(operand, own) for operand in operands), own
            case Arithmetic(first=first, rest=rest):
                own = _TIGHTNESS[rest[0][0]]
                steps = "".join(f" {operator} {self._inside(operand, own)}" for operator, operand in rest)
                return self._inside(first, own) + steps, own
            case Choice(condition=condition, yes=yes, no=no):
                return f"if({', '.join(self.text(part) for part in (condition, yes, no))})", _TIGHTNESS["leaf"]
            case Extreme(function=function, operands=operands):
                return f"{function}({', '.join(self.text(part) for part in operands)})", _TIGHTNESS["leaf"]


def _literal(value: float | bool | str, type_: Type) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}'" if '"' in value else f'"{value}"'
    return repr(value) if type_ is N else f"{value:.0f}s"
