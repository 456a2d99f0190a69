"""`wardgate trace`: the whole story of a card, decision or call, on one screen. Exit 0: told; 1: not."""

import sys
from pathlib import Path

import msgspec

from wardgate.cli.admin import CannotAsk
from wardgate.cli.records import reached
from wardgate.records.story import Stories


def run(name: str, admin: str | None = None, config: Path | None = None, json_output: bool = False) -> int:
    try:
        stories = reached(admin, config).trace(name)
    except CannotAsk as error:
        print(f"{error.what}\n{error.remedy}".rstrip(), file=sys.stderr)
        return 1
    if not stories:
        print("No record is kept of a card, decision or hookInstance of this name.", file=sys.stderr)
        print(
            "Ask by the UUID of a card as the EHR got it, of a decision or of a call; a new one comes within seconds.",
            file=sys.stderr,
        )
        return 1
    if json_output:
        print(msgspec.json.format(msgspec.json.encode(Stories(stories))).decode())
        return 0
    from rich.console import Console

    from wardgate.cli.story_view import show

    show(stories, Console(highlight=False))
    return 0
