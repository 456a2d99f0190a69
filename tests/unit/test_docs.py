"""What README and the pages say exists: links, commands, make targets, modules, configuration keys."""

import importlib.util
import re
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from wardgate import settings
from wardgate.adapters.files.wire import sheet
from wardgate.adapters.files.wire_card import CardFile
from wardgate.adapters.files.wire_features import Features
from wardgate.adapters.files.wire_governance import Governance
from wardgate.adapters.files.wire_release import Release
from wardgate.adapters.files.wire_rule import Rule
from wardgate.adapters.files.wire_service import Service
from wardgate.adapters.files.yaml_documents import read_yaml
from wardgate.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCED = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"(?<![\w./-])(?:\.venv/bin/|python -m )?wardgate ([a-z][a-z-]*)((?: [^`#&|;\n]*)?)")
_IN_REPOSITORY = re.compile(r"(?:src|tests|docs|bench)/[\w./-]+")
_FILES: tuple[type[BaseModel], ...] = (settings.File, Service, Features, Release, CardFile, Rule, Governance)


def _prose(page: Path) -> str:
    return _FENCED.sub("", page.read_text("utf-8"))


def _code(page: Path) -> list[str]:
    """Fenced blocks that a reader may type, and code within a line."""
    text = page.read_text("utf-8")
    typed = [match[2] for match in _FENCED.finditer(text) if match[1] in ("", "sh", "console")]
    return [*typed, *re.findall(r"`([^`\n]+)`", _FENCED.sub("", text))]


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_links_lead_somewhere(page: Path) -> None:
    """Within the repository, down to the heading."""
    for match in _LINK.finditer(_prose(page)):
        target, _, anchor = match[1].partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        path = page.parent / target if target else page
        assert path.exists(), f"{_named(page)}: {match[1]}"
        assert not anchor or anchor in _anchors(path), f"{_named(page)}: {match[1]}"


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_files_of_the_repository_that_are_named_exist(page: Path) -> None:
    """`src/…`, `tests/…`, `docs/…`, `bench/…` in code."""
    for code in re.findall(r"`([^`\n]+)`", _prose(page)):
        if _IN_REPOSITORY.fullmatch(code):
            assert (ROOT / code).exists(), f"{_named(page)}: {code}"


def _commands() -> dict[str, ArgumentParser]:
    actions: Sequence[Any] = app._parser()._actions
    (subparsers,) = [action for action in actions if isinstance(action, _SubParsersAction)]
    return dict(subparsers.choices)


def _options(command: ArgumentParser) -> set[str]:
    """Its own, and those of its actions."""
    known, actions = set(command._option_string_actions), list[Any](command._actions)
    for action in [action for action in actions if isinstance(action, _SubParsersAction)]:
        known |= {option for each in action.choices.values() for option in _options(each)}
    return known


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_commands_exist_with_their_options(page: Path) -> None:
    """Also where only a part of a command stands in a sentence."""
    commands = _commands()
    for code in _code(page):
        for match in _COMMAND.finditer(code):
            assert match[1] in commands, f"{_named(page)}: {match[0]}"
            known = _options(commands[match[1]])
            for option in re.findall(r"--[a-z][a-z-]*", match[2]):
                assert option in known, f"{_named(page)}: {match[0]}"


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_make_targets_and_modules_exist(page: Path) -> None:
    """`make target` and `python -m module`."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for code in _code(page):
        for name in re.findall(r"(?:^|\s)make ([a-z-]+)", code):
            assert name in targets, f"{_named(page)}: make {name}"
        for module in re.findall(r"python -m ((?:wardgate|tests|bench)[\w.]*)", code):
            assert importlib.util.find_spec(module) is not None, f"{_named(page)}: python -m {module}"


def _snippets() -> list[Any]:
    return [
        pytest.param(match[2], id=f"{_named(page)}-{number}")
        for page in PAGES
        for number, match in enumerate(_FENCED.finditer(page.read_text("utf-8")))
        if match[1] in ("yaml", "yml")
    ]


@pytest.mark.parametrize("text", _snippets())
def test_configuration_in_the_docs_is_sound(text: str, tmp_path: Path) -> None:
    """What has a file's required keys is that file, and is valid; a part of one has only keys that exist."""
    path = tmp_path / "snippet.yaml"
    path.write_text(text, encoding="utf-8")
    document = read_yaml(path, "snippet.yaml")
    whole = [kind for kind in _FILES if isinstance(document.data, dict) and _required(kind) <= set(document.data)]
    if whole:
        assert any(not sheet(document, kind)[1] for kind in whole), [sheet(document, kind)[1] for kind in whole]
        return
    known = {key for kind in _FILES for key in _all_keys(kind)}
    tops = document.data if isinstance(document.data, list) else [document.data]
    for top in tops:
        assert isinstance(top, dict) and set(top) <= known, set(top) - known


def _required(kind: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in kind.model_fields.items() if field.is_required()}


def _all_keys(kind: type[BaseModel]) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        yield field.alias or name
        for inner in _models(field.annotation):
            yield from _all_keys(inner)


def _models(hint: Any) -> Iterator[type[BaseModel]]:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
    for argument in get_args(hint):
        yield from _models(argument)
