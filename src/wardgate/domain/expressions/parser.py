"""Tokens to a typed tree: precedence climbing, each type checked where it is met.

    or  <  and  <  not  <  comparisons and in  <  + -  <  * /  <  unary minus

Comparisons do not chain. Every level of nesting passes through `_Parser._node`, which bounds it.
"""

from difflib import get_close_matches
from itertools import islice

from wardgate.domain.expressions.checks import arithmetic_type, boolean, measure, same
from wardgate.domain.expressions.language import ExpressionError, Scope, Type
from wardgate.domain.expressions.tokens import FUNCTIONS, Kind, Token, tokenize
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

MAX_LENGTH = 2000
"""Characters of an expression."""
MAX_DEPTH = 50
"""Levels of nesting."""

_OR, _AND, _NOT, _COMPARISON, _SUM, _PRODUCT, _UNARY = range(1, 8)
_POWER = {
    "or": _OR,
    "and": _AND,
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!=", "in", "not"), _COMPARISON),
    **dict.fromkeys("+-", _SUM),
    **dict.fromkeys("*/", _PRODUCT),
}
_UNITS = ("ms", "s", "m", "h", "d")
_FOREIGN = {
    "True": "write true",
    "False": "write false",
    **dict.fromkeys(("null", "None", "none", "nil", "NULL"), "write missing(x) to ask whether x has a value"),
    **{word.upper(): f"write {word}, in lower case" for word in ("and", "or", "not", "in")},
}


def parse(text: str, scope: Scope) -> tuple[Node, frozenset[str]]:
    """The tree, and every name that it reads. Raises ExpressionError."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"the expression is longer than {MAX_LENGTH} characters", "split it into several rules", MAX_LENGTH + 1
        )
    parser = _Parser(tokenize(text), scope)
    return parser.whole(), frozenset(parser.names)


class _Parser:
    def __init__(self, tokens: list[Token], scope: Scope) -> None:
        self._tokens = iter(tokens)
        self._next = next(self._tokens)
        self._scope = scope
        self._depth = 0
        self.names: set[str] = set()

    def whole(self) -> Node:
        if self._at_end():
            raise ExpressionError("the expression is empty", "write a condition such as age >= 18", 1)
        node = self._node(0)
        if not self._at_end():
            raise self._unexpected("an operator or the end")
        return node

    # tokens

    def _at_end(self) -> bool:
        return self._next.kind is Kind.END

    def _take(self) -> Token:
        token = self._next
        if not self._at_end():
            self._next = next(self._tokens)
        return token

    def _at(self, *marks: str) -> bool:
        return self._next.kind is Kind.MARK and self._next.text in marks

    def _accept(self, mark: str) -> bool:
        found = self._at(mark)
        if found:
            self._take()
        return found

    def _expect(self, mark: str, remedy: str) -> None:
        if not self._accept(mark):
            raise self._unexpected(mark, remedy)

    def _unexpected(self, wanted: str, remedy: str = "") -> ExpressionError:
        token = self._next
        if token.kind is Kind.END:
            return ExpressionError(
                f"the expression ends where {wanted} is wanted", remedy or "complete it", token.column
            )
        if not remedy and token.kind is Kind.NAME and token.text in _FOREIGN:
            remedy = _FOREIGN[token.text]
        what = f"{_shown(token)} stands where {wanted} is wanted"
        return ExpressionError(what, remedy or "join two conditions with and, or with or", token.column)

    # the climb

    def _node(self, power: int) -> Node:
        """One operand with every operator behind it that binds tighter than `power`."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(
                f"the expression is nested more than {MAX_DEPTH} deep",
                "remove brackets, or split it into several rules",
                self._next.column,
            )
        column = self._next.column
        node = self._prefix(power)
        while self._next.kind is Kind.MARK and _POWER.get(self._next.text, 0) > power:
            node = self._infix(node, column)
        self._depth -= 1
        return node

    def _infix(self, left: Node, column: int) -> Node:
        power = _POWER[self._next.text]
        if power in (_OR, _AND):
            return self._logical(left, column)
        if power in (_SUM, _PRODUCT):
            return self._arithmetic(left, column)
        node = self._membership(left, column) if self._at("in", "not") else self._comparison(left, column)
        if self._next.kind is Kind.MARK and _POWER.get(self._next.text) == _COMPARISON:
            raise ExpressionError(
                "comparisons do not chain", "write a < b and b < c, or put one into brackets", self._next.column
            )
        return node

    def _logical(self, left: Node, column: int) -> Node:
        operator = self._next.text
        operands = [boolean(left, column, operator)]
        while self._accept(operator):
            column = self._next.column
            operands.append(boolean(self._node(_POWER[operator]), column, operator))
        return Logical(operator, tuple(operands))

    def _comparison(self, left: Node, column: int) -> Node:
        operator = self._take().text
        if operator not in ("==", "!="):
            measure(left, column, operator)
        column = self._next.column
        right = self._node(_COMPARISON)
        same(left.type, right, column, operator)
        return Compare(operator, left, right)

    def _membership(self, item: Node, column: int) -> Node:
        negated = self._accept("not")
        self._expect("in", 'write x not in ["a", "b"], or not in front of the comparison')
        if item.type is Type.BOOLEAN:
            raise ExpressionError("in looks for a number, a code or a duration", "write x, or not x", column)
        options: list[Literal] = []
        self._expect("[", 'a list stands in square brackets: x in ["a", "b"]')
        while not options or self._accept(","):
            column = self._next.column
            option = self._node(_PRODUCT)
            if not isinstance(option, Literal):
                raise ExpressionError("a list holds literals only", "compare with names by ==, joined by or", column)
            same(item.type, option, column, "in")
            options.append(option)
        self._expect("]", "close the list with ]")
        return Membership(item, tuple(options), negated)

    def _arithmetic(self, first: Node, column: int) -> Node:
        operators, power = (("+", "-"), _SUM) if self._at("+", "-") else (("*", "/"), _PRODUCT)
        type_ = measure(first, column, self._next.text).type
        rest: list[tuple[str, Node]] = []
        while self._at(*operators):
            operator = self._take().text
            column = self._next.column
            operand = measure(self._node(power), column, operator)
            type_ = arithmetic_type(type_, operator, operand, column)
            rest.append((operator, operand))
        return Arithmetic(first, tuple(rest), type_)

    # operands

    def _prefix(self, power: int) -> Node:
        token = self._next
        if self._at("not"):
            return self._not(power)
        if self._accept("-"):
            return self._minus()
        if self._accept("("):
            node = self._node(0)
            self._expect(")", "close the bracket with )")
            return node
        match token.kind:
            case Kind.NUMBER:
                return self._number()
            case Kind.DURATION:
                return Literal(self._take().value, Type.DURATION)
            case Kind.STRING:
                return Literal(self._take().text, Type.CODE)
            case Kind.NAME:
                return self._word(self._take())
        raise self._unexpected("a value", "write a name, a number, a duration, a string, or a bracket")

    def _number(self) -> Node:
        value = self._take().value
        if self._next.kind is Kind.NAME and self._next.text in _UNITS:
            raise ExpressionError(
                "a space before a unit", "a unit stands directly behind its number, as in 180d", self._next.column
            )
        return Literal(value, Type.NUMBER)

    def _not(self, power: int) -> Node:
        if power >= _NOT:
            raise ExpressionError("not stands inside a comparison", "put it into brackets: (not x)", self._next.column)
        self._take()
        column = self._next.column
        return Not(boolean(self._node(_NOT - 1), column, "not"))

    def _minus(self) -> Node:
        column = self._next.column
        operand = measure(self._node(_UNARY), column, "-")
        if isinstance(operand, Literal) and isinstance(operand.value, float):
            return Literal(-operand.value, operand.type)
        return Negate(operand, operand.type)

    def _word(self, token: Token) -> Node:
        match token.text:
            case "true" | "false":
                return Literal(token.text == "true", Type.BOOLEAN)
            case "missing" | "absent":
                return self._missing(token.text)
            case "age_of":
                return self._age_of()
            case "if":
                return self._choice()
            case "min" | "max":
                return self._extreme(token.text)
        if self._at("("):
            near = get_close_matches(token.text, FUNCTIONS, 1)
            remedy = f"did you mean {near[0]}?" if near else f"the functions are {', '.join(FUNCTIONS)}"
            raise ExpressionError(f"{_shown(token)} is not a function", remedy, token.column)
        return Name(token.text, self._declared(token))

    def _missing(self, function: str) -> Node:
        name = self._argument(function)
        if name.text in self._scope.outputs:
            raise ExpressionError(
                f"{_shown(name)} is an output of the model, which is never missing",
                "ask for a feature; a reply without its outputs is refused",
                name.column,
            )
        return Absent(name.text) if function == "absent" else Missing(name.text)

    def _age_of(self) -> Node:
        name = self._argument("age_of")
        if name.text not in self._scope.timed:
            timed = ", ".join(islice(sorted(self._scope.timed), 5))
            remedy = f"names that have an age: {timed}" if timed else "no name of this schema has an age"
            raise ExpressionError(f"{_shown(name)} has no time, so it has no age", remedy, name.column)
        return AgeOf(name.text)

    def _argument(self, function: str) -> Token:
        """The bare name in `function(name)`."""
        example = f"write {function}(x), x being the name of a feature"
        self._expect("(", example)
        token = self._take()
        if token.kind is not Kind.NAME:
            raise ExpressionError(f"{function} takes one name", example, token.column)
        self._declared(token)
        self._expect(")", example)
        return token

    def _choice(self) -> Node:
        example = "write if(condition, then, else)"
        self._expect("(", example)
        column = self._next.column
        condition = boolean(self._node(0), column, "the condition of if")
        self._expect(",", example)
        yes = self._node(0)
        self._expect(",", example)
        column = self._next.column
        no = self._node(0)
        same(yes.type, no, column, "if")
        self._expect(")", example)
        return Choice(condition, yes, no, yes.type)

    def _extreme(self, function: str) -> Node:
        example = f"write {function}(a, b) with two or more values"
        self._expect("(", example)
        column = self._next.column
        first = measure(self._node(0), column, function)
        operands = [first]
        self._expect(",", example)
        while len(operands) == 1 or self._accept(","):
            column = self._next.column
            operand = self._node(0)
            same(first.type, operand, column, function)
            operands.append(operand)
        self._expect(")", example)
        return Extreme(function, tuple(operands), first.type)

    def _declared(self, token: Token) -> Type:
        type_ = self._scope.names.get(token.text)
        if type_ is None:
            raise self._unknown(token)
        self.names.add(token.text)
        return type_

    def _unknown(self, token: Token) -> ExpressionError:
        if token.text in FUNCTIONS or token.text in ("true", "false"):
            return ExpressionError(f"{_shown(token)} is not a name", "write the name of a feature", token.column)
        if token.text in self._scope.hidden:
            what = f"{_shown(token)} is cohort_only, and no expression may see it"
            return ExpressionError(what, "declare use: rule_only for it, or name another feature", token.column)
        near = get_close_matches(token.text, self._scope.names, 1)
        remedy = (
            f"did you mean {near[0]}?"
            if near
            else "declare it as a feature or as an output of the release; a code stands in quotes"
        )
        what = f"{_shown(token)} is neither a feature nor a declared output"
        return ExpressionError(what, _FOREIGN.get(token.text, remedy), token.column)


def _shown(token: Token) -> str:
    """A token in a message, cut where it is long."""
    return token.text if len(token.text) <= 40 else f"{token.text[:39]}…"
