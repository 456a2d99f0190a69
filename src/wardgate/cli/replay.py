"""`wardgate replay`: run a captured call again, and prove the same card, or name the first difference.

Exit 0: the same, byte for byte; 1: not, or it cannot be run.
"""

import sys
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from wardgate.cli.admin import CannotAsk
from wardgate.cli.captures import NoCapture, configured_from, read
from wardgate.cli.card_view import plain
from wardgate.cli.records import opened
from wardgate.gateway.replay import STAGES, Capture, Difference, Prints, Replayed, prints_of

if TYPE_CHECKING:
    from wardgate.bootstrap.configured import Configured

_LONGEST = 200


def run(capture: Path, config: Path, json_output: bool = False) -> int:
    """Prints values of a patient where they differ."""
    try:
        captured = read(capture)
        configured = configured_from(config)
        recorded, note = _recorded(captured, configured)
        replayed, prints = _replayed(captured, configured, recorded, config)
    except NoCapture as error:
        print(f"{error.what}\n{error.remedy}", file=sys.stderr)
        return 1
    if json_output:
        told = {
            "decision_id": captured.decision_id,
            "of_gateway": captured.of_gateway,
            "replayed": replayed,
            "fingerprints": prints,
        }
        print(msgspec.json.encode(told).decode())
    else:
        print("\n".join([*_told(captured, replayed), *_of_prints(prints), *note]))
    return 0 if replayed.same and False not in prints.values() else 1


def _replayed(
    captured: Capture, configured: "Configured", recorded: Prints, config: Path
) -> tuple[Replayed, dict[str, bool | None]]:
    """What came of it, and how the record's fingerprints fit what was captured."""
    from wardgate.bootstrap import replaying

    try:
        replayed = replaying.replay(configured, captured)
    except replaying.NoService:
        what = f"{config} has no service {captured.service_id}, or not the release that the call had."
        raise NoCapture(what, "Name the configuration of that time.") from None
    return replayed, replaying.fingerprints(configured, captured, recorded)


def _recorded(captured: Capture, configured: "Configured") -> tuple[Prints, list[str]]:
    """The fingerprints of the record itself where the store can be read, else those that the capture brought along."""
    if not captured.of_gateway:
        return Prints(), []
    try:
        stories = opened(configured).trace(captured.decision_id, "replay")
    except CannotAsk as error:
        return captured.prints, [f"The record itself was not looked at. {error.what}"]
    if not stories:
        return captured.prints, ["The record itself was not looked at: the store has none of this decision."]
    return prints_of(stories[0].decision), []


def _of_prints(prints: dict[str, bool | None]) -> list[str]:
    words = {True: "fits", False: "DOES NOT FIT", None: "cannot be checked without its key"}
    return [f"The record's fingerprint of the {name} {words[fits]}." for name, fits in prints.items()]


def _told(captured: Capture, replayed: Replayed) -> list[str]:
    at = datetime.fromtimestamp(captured.now, UTC)
    lines = [f"{captured.service_id}, {at:%Y-%m-%d %H:%M:%S} UTC, decision {captured.decision_id}"]
    if replayed.release is not None:
        lines += ["Another release than then:", *_both(replayed.release)]
    first = replayed.first
    reached = STAGES if first is None or first.stage not in STAGES else STAGES[: STAGES.index(first.stage)]
    lines += [f"  {stage:<8} the same" for stage in reached if stage in captured.steps]
    if first is not None:
        lines += [f"The first difference: {first.stage}{f' · {first.field}' if first.field else ''}", *_both(first)]
    if replayed.same:
        lines.append(f"The same answer, byte for byte: sha256:{sha256(captured.answer).hexdigest()}")
    if not captured.of_gateway:
        lines.append("The capture was made beside the gateway: that the gateway gave this answer is not shown.")
    return lines


def _both(different: Difference) -> tuple[str, str]:
    return f"  then  {_value(different.before)}", f"  now   {_value(different.now)}"


def _value(value: Any) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else msgspec.json.encode(value).decode()
    text = plain(text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
