"""Writes docs/cds-hooks.md from `cds_hooks_page.md`, the requirements in `cds_hooks.yaml`, and the tests that say which
of them they show: `python -m tests.cds_hooks_reference`. A test keeps it current."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from wardgate.domain.hooks import HOOKS

TESTS = Path(__file__).parent
TARGET = TESTS.parent / "docs" / "cds-hooks.md"
PAGE = TESTS / "cds_hooks_page.md"
ROWS = TESTS / "cds_hooks.yaml"
_MARKER = "pytest.mark.requirement"


@cache
def rows() -> list[dict[str, Any]]:
    """The sections with their rows, as the file has them."""
    sections: list[dict[str, Any]] = yaml.safe_load(ROWS.read_text(encoding="utf-8"))
    return sections


@cache
def shown_by() -> Mapping[str, list[tuple[str, str]]]:
    """By requirement, the tests that carry its marker: file below `tests`, and name."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)) if _MARKER in source else ():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for row in _marked(node):
                    found[row].append((path.relative_to(TESTS).as_posix(), node.name))
    return found


def _marked(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == _MARKER:
            yield from (str(ast.literal_eval(argument)) for argument in decorator.args)


def reference() -> str:
    """The whole page."""
    shown = shown_by()
    page = PAGE.read_text(encoding="utf-8").replace("@tally@", _tally(shown))
    requirements = "".join(_section(section, shown) for section in rows())
    return page.replace("@requirements@", requirements).replace("@hooks@", "".join(_hooks()))


def _tally(shown: Mapping[str, list[tuple[str, str]]]) -> str:
    listed = [row for section in rows() for row in section["rows"]]
    met = sum(row["id"] in shown for row in listed)
    outside = sum("outside" in row for row in listed)
    left = len(listed) - met - outside
    return f"Of {len(listed)} requirements, tests show {met}; {outside} are not wardgate's to meet; {left} are open."


def _section(section: dict[str, Any], shown: Mapping[str, list[tuple[str, str]]]) -> str:
    lines = [f"\n## {section['section']}\n", "| | level | requirement | shown by |", "|---|---|---|---|"]
    for row in section["rows"]:
        lines.append(f"| {row['id']} | {row['level']} | {row['text']} | {_evidence(row, shown)} |")
    return "\n".join(lines) + "\n"


def _evidence(row: dict[str, Any], shown: Mapping[str, list[tuple[str, str]]]) -> str:
    if "outside" in row:
        return f"– ({row['outside']})"
    if "open" in row:
        return f"**open**: {row['open']}"
    by_file: dict[str, list[str]] = defaultdict(list)
    for file, name in shown[row["id"]]:
        by_file[file].append(name.removeprefix("test_").replace("_", " "))
    return "; ".join(f"[{file}](../tests/{file}): {', '.join(names)}" for file, names in by_file.items())


def _hooks() -> Iterator[str]:
    for hook in HOOKS.values():
        required = ", ".join(f"`{field.name}`" for field in hook.fields if field.required)
        optional = ", ".join(f"`{field.name}`" for field in hook.fields if not field.required)
        tokens = ", ".join(f"`{name}`" for name in hook.tokens())
        former = ", ".join(f"`{name}`" for field in hook.fields for name in field.formerly)
        yield f"| {hook.name} | {hook.version} | {required} | {optional} | {tokens} | {former} |\n"


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
