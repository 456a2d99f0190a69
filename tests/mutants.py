"""Are the tests of a module sharp? Each mutant is the module with one small mistake in it; the tests must find each.

    python -m tests.mutants [--every N] [MODULE ...]

Without a module: all of `SUSPECTS`. `--every 5` tries each fifth mutant. Prints the survivors; exit 1 where there is
one that is not in `EQUAL`. Every mutant is tried in a fork of this process, which has imported all that is slow.
"""

import argparse
import ast
import copy
import importlib
import os
import signal
import sys
import time
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
SUSPECTS = {
    "wardgate.resilience.breaker": "tests/unit/resilience/test_breaker.py",
    "wardgate.resilience.bulkhead": "tests/unit/resilience/test_bulkhead.py",
    "wardgate.resilience.retry": "tests/unit/resilience/test_retry.py",
    "wardgate.resilience.coalesce": "tests/unit/resilience/test_coalesce.py",
    "wardgate.gateway.proof": "tests/unit/gateway/test_proof.py",
    "wardgate.domain.registrations": "tests/unit/domain/test_registrations.py",
    "wardgate.gateway.token_replays": "tests/unit/gateway/test_token_replays.py",
    "wardgate.domain.rollout.buckets": "tests/unit/domain/rollout/test_buckets.py",
    "wardgate.domain.rollout.modes": "tests/unit/domain/rollout/test_modes.py",
    "wardgate.domain.rollout.visibility": "tests/unit/domain/rollout/test_visibility.py",
    "wardgate.domain.rollout.assignment": "tests/cases/test_rollout.py",
}
"""Module and the tests that must find its mutants."""

_NAMES_ONLY = "generations and doubts are only ever compared with each other"
_SET_ANEW = "set anew with each state, before it is read"
_LATER = "if own >= left(flight.request):  # the attempt ends before this caller's time does"
_SPARES = "it spares a timer that would not fire"
_RANK = "RANK = {Mode.NONE: -1, Mode.OFF: 0, Mode.SHADOW: 1, Mode.SILENT: 2, Mode.CANARY: 3, Mode.ACTIVE: 4}"
_EXACT = "no clock is met to the last bit"
_SPACE = "it frees memory sooner"
_STRUCT = "how it is kept, not what it says"
EQUAL: dict[str, str] = {
    "if isinstance(result, Exception) and left(flight.request) <= _OVER < left(request):  ·  Lt": _EXACT,
    "del result  # else it and this frame hold each other, and all of the call, until a collection"
    "  ·  left out": _SPACE,
    "_RESOLVED = -1  ·  2": _NAMES_ONLY,
    "self._generation = 0  ·  1": _NAMES_ONLY,
    "self._generation += 1  ·  2": _NAMES_ONLY,
    "self._doubts = 0  ·  1": _NAMES_ONLY,
    "self._doubts += 1  ·  Sub": _NAMES_ONLY,
    "self._doubts += 1  ·  2": _NAMES_ONLY,
    "self._until = 0.0  ·  left out": _SET_ANEW,
    "self._until = 0.0  ·  1.0": _SET_ANEW,
    "self._probing = False  ·  left out": _SET_ANEW,
    "self._probing = False  ·  True": _SET_ANEW,
    "self._passed = 0  ·  left out": _SET_ANEW,
    "self._passed = 0  ·  1": _SET_ANEW,
    "self._most = options.burst * _WHOLE if self._share else 0  ·  1": "a thousandth of a retry is none",
    "entries: int = 200_000  ·  200001": "an id more or less",
    f"{_LATER}  ·  never": _SPARES,
    f"{_LATER}  ·  Gt": _SPARES,
    f"{_RANK}  ·  2": "only ever compared with each other",
    f"{_RANK}  ·  5": "only ever compared with each other",
    "class Occasion(msgspec.Struct, frozen=True, gc=False):  ·  False": _STRUCT,
    "class Occasion(msgspec.Struct, frozen=True, gc=False):  ·  True": _STRUCT,
    "class Assignment(msgspec.Struct, frozen=True, omit_defaults=True):  ·  False": _STRUCT,
    "return other if RANK[other] < RANK[one] else one  ·  LtE": "they are the same mode",
    "if snapshot.ceilings:  ·  always": "it spares a loop over none",
}
"""Mutants that do the same as the module, and why."""


@dataclass(frozen=True)
class Mutant:
    """`what` names the line by its text, so that a line moved is the same mutant."""

    what: str
    line: int
    tree: ast.Module


_PATIENCE = 60.0
"""Seconds for the tests of the module as it is."""


# --- making them ------------------------------------------------------------------------------------------------------

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}


def mutants(source: str) -> Iterator[Mutant]:
    lines = source.splitlines()
    tree = ast.parse(source)
    places = sum(1 for _ in _changes(tree))
    for number in range(places):
        changed = copy.deepcopy(tree)
        node, what, change = next(item for index, item in enumerate(_changes(changed)) if index == number)
        change()
        ast.fix_missing_locations(changed)
        yield Mutant(f"{lines[node.lineno - 1].strip()}  ·  {what}", node.lineno, changed)


def _changes(parent: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str, "Change"]]:
    """Every place that can be changed, in the order of the source, with what would change it."""
    for name, value in ast.iter_fields(parent):
        if name in _NOT_RUN:
            continue
        for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(node, ast.expr | ast.stmt):
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                    continue  # a docstring
                yield from ((node, what, change) for what, change in _of(Slot(parent, name, index), node))
            if isinstance(node, ast.AST):
                yield from _changes(node)


_NOT_RUN = ("annotation", "returns", "decorator_list", "bases", "slice")
"""What says something to a reader or a type checker only."""


@dataclass(frozen=True)
class Slot:
    """Where a node hangs."""

    parent: ast.AST
    name: str
    index: int | None

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.name, node)
        else:
            getattr(self.parent, self.name)[self.index] = node


@dataclass(frozen=True)
class Change:
    slot: Slot
    node: ast.AST

    def __call__(self) -> None:
        self.slot.put(self.node)


def _of(slot: Slot, node: ast.expr | ast.stmt) -> Iterator[tuple[str, Change]]:
    match node:
        case ast.Compare(left=left, ops=[first, *rest], comparators=comparators):
            other = _COMPARISONS[type(first)]()
            yield f"{type(other).__name__}", Change(slot, ast.Compare(left, [other, *rest], comparators))
        case ast.BoolOp(op=op, values=values):
            other_op = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield type(other_op).__name__, Change(slot, ast.BoolOp(other_op, values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "without not", Change(slot, operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            operator = _OPERATORS[type(op)]()
            yield type(operator).__name__, Change(slot, ast.BinOp(left, operator, right))
        case ast.Constant(value=bool(value)):
            yield str(not value), Change(slot, ast.Constant(not value))
        case ast.Constant(value=int(value) | float(value)):
            yield f"{value + 1}", Change(slot, ast.Constant(value + 1))
        case ast.AugAssign(target=target, op=op, value=value) if type(op) in _OPERATORS:
            operator = _OPERATORS[type(op)]()
            yield type(operator).__name__, Change(slot, ast.AugAssign(target, operator, value))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield "the other branch", Change(slot, ast.IfExp(test, orelse, body))
        case ast.Assign(targets=[ast.Attribute()]) | ast.Expr() | ast.Delete():
            yield "left out", Change(slot, ast.Pass())
        case ast.If(test=test, body=body):
            yield "never", Change(slot, ast.If(ast.Constant(False), body, node.orelse))
            yield "always", Change(slot, ast.If(ast.Constant(True), body, node.orelse))
        case ast.Raise() if not isinstance(slot.parent, ast.If):
            yield "left out", Change(slot, ast.Pass())


# --- trying them ------------------------------------------------------------------------------------------------------


def survives(module: str, mutant: Mutant, test: str, seconds: float) -> bool:
    """Whether the tests pass with the mutant in the module's place; one that hangs is found out too."""
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        os._exit(_tried(module, mutant, test))
    _, status = os.waitpid(child, 0)
    return status == 0


def _tried(module: str, mutant: Mutant, test: str) -> int:
    import pytest

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        made = types.ModuleType(module)
        made.__file__ = importlib.import_module(module).__file__
        sys.modules[module] = made
        exec(compile(mutant.tree, module, "exec"), made.__dict__)
    except Exception:
        return 1  # it does not even start
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # noqa: TID251 - to load them all takes longer than the tests
    arguments = [
        *("-p", "pytest_asyncio.plugin", "-p", "_hypothesis_pytestplugin"),
        "-x",
        "-q",
        "--assert=plain",
        "-p",
        "no:cacheprovider",
        "--hypothesis-profile",
        "mutants",
        str(ROOT / test),
    ]
    return int(pytest.main(arguments))


def run(modules: list[str], every: int) -> int:
    """How many survive that should not."""
    for name in ("pytest", "pytest_asyncio.plugin", "_hypothesis_pytestplugin", "hypothesis.strategies"):
        importlib.import_module(name)  # here once, for all the children
    unexpected = 0
    for module in modules:
        source = Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8")
        unchanged = Mutant("the module as it is", 0, ast.parse(source))
        before = time.monotonic()
        if not survives(module, unchanged, SUSPECTS[module], _PATIENCE):
            raise SystemExit(f"{SUSPECTS[module]} fails without any mutant")
        seconds = 3 + 5 * (time.monotonic() - before)
        tried = list(mutants(source))[::every]
        alive = [mutant for mutant in tried if survives(module, mutant, SUSPECTS[module], seconds)]
        wrong = [mutant for mutant in alive if mutant.what not in EQUAL]
        unexpected += len(wrong)
        print(f"{module}: {len(tried)} mutants, {len(tried) - len(alive)} killed, {len(alive) - len(wrong)} equal")
        for mutant in wrong:
            print(f"  survives: line {mutant.line}: {mutant.what}")
    return unexpected


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.mutants")
    options.add_argument("--every", type=int, default=1)
    options.add_argument("modules", nargs="*", default=[])
    chosen = options.parse_args()
    os.chdir(ROOT)
    return 1 if run(chosen.modules or list(SUSPECTS), chosen.every) else 0


if __name__ == "__main__":
    sys.exit(main())
