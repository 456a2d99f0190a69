"""What `wardgate audit` shows of a chain: verdicts, and entries as a person reads them."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from wardgate.control.audit import Remark
from wardgate.domain.audit import SealedEntry, body_of, moment, remark_hash
from wardgate.domain.audit_beside import Beside, Judge
from wardgate.domain.audit_verification import Fault, Found, Verdict, as_sealed

if TYPE_CHECKING:
    from wardgate.adapters.sql.chain import SqlAuditStore

_MOST_TOLD = 20
_LONGEST = 500
"""Letters of what is no entry."""
_DIGEST = re.compile(r"sha256:([0-9a-f]{12})[0-9a-f]{52}")

EMPTY = (
    "NOTHING TO PROVE: the chain is empty. The store is new, or was emptied, moved away or taken for another. An "
    "anchor that is kept elsewhere would tell."
)

_MEANINGS = {
    Fault.UNREADABLE: "is no entry as an export has it",
    Fault.ALTERED: "was altered: its seal is another's",
    Fault.REPLACED: "was replaced: the one after it was sealed upon another",
    Fault.MISSING: "missing",
    Fault.ADDED: "stands there more than once: one of them was added",
    Fault.REORDERED: "stands after entries that were sealed later",
    Fault.TRUNCATED: "cut off: an anchor has seen more",
    Fault.REWRITTEN: "is not the one that an anchor has seen: it, or one before it, was written anew",
}


_BESIDE = {
    Beside.MISFILED: "is kept under another id, time, name or subject than it has: searches miss it",
    Beside.REMARK_ALTERED: "the remark beside it is another text than was sealed",
    Beside.REMARK_ADDED: "a remark stands beside it, and it was sealed without one",
    Beside.REMARK_LOST: "its remark is gone, and no entry says that it was erased",
    Beside.REMARK_KEPT: "its remark was to be erased, and is still there: erase it again",
}


def show(verdict: Verdict, anchored: bool, signed: bool) -> None:
    for found in verdict.found[:_MOST_TOLD]:
        print(_told_of(found))
    if len(verdict.found) > _MOST_TOLD:
        more = "more" if verdict.more else f"{len(verdict.found) - _MOST_TOLD} more"
        print(f"… and {more} of the kind")
    print(f"{verdict.entries:,} entries; the last is {verdict.last.number}, sealed {verdict.last.seal or 'unreadably'}")
    if not verdict.sound:
        print("NOT SOUND: the chain is not what was written")
        return
    if not verdict.entries:
        print(EMPTY)
        return
    print("sound: every entry is as it was sealed, none is missing, added or out of order")
    if verdict.back:
        print(
            f"the clock goes back before {len(verdict.back)} entries, first before {verdict.back[0]}, by more than a "
            "minute: was a clock put right then, or was something dated back?"
        )
    if anchored and not signed:
        print("who signed the anchors was not checked: name the public key with --key")
    if verdict.proven:
        print(f"an anchor proves that nothing was cut off or written anew up to entry {verdict.proven}")
    if verdict.unproven:
        print(f"the tail is unproven: {verdict.unproven:,} entries at the end stand under no anchor, nor what followed")


def show_beside(judge: Judge, chain_is_sound: bool) -> bool:
    """Whether all is as it should be."""
    found = list(judge.found())
    for each in found[:_MOST_TOLD]:
        print(f"entry {each.number}: {_BESIDE[each.fault]}")
    if len(found) > _MOST_TOLD:
        print(f"… and {len(found) - _MOST_TOLD} more of the kind")
    if judge.foreign:
        print(
            f"{judge.foreign:,} entries carry no MAC of this deployment, first {judge.first_foreign}: somebody else "
            "may have written them, or a key is no longer among `previous`; no approval among them counts"
        )
    if found:
        print("NOT SOUND: what stands beside the chain is not what was written")
    elif chain_is_sound:
        print("sound: searches find every entry, and remarks are what was written, or erased on the chain")
    return not found


def _told_of(found: Found) -> str:
    which = f"entry {found.first}" if found.first == found.last else f"entries {found.first} to {found.last}"
    at = f" (line {found.line})" if found.line else ""
    return f"{which}{at}: {_MEANINGS[found.fault]}"


def entry_line(entry: SealedEntry, store: "SqlAuditStore", as_json: bool) -> str:
    """What a search shows of it; a line, or several."""
    return _unsound(entry, as_json) or _sound(entry, store, as_json)


def _unsound(entry: SealedEntry, as_json: bool) -> str:
    """Empty for one that is what its seal says; else what stands there, for whoever looks for it."""
    if as_sealed(entry):
        return ""
    if as_json:
        return msgspec.json.encode({"unsound": entry.number, "text": entry.text}).decode()
    return f"{entry.number}  NOT WHAT WAS SEALED (wardgate audit verify): {_printable(entry.text[:_LONGEST])}"


def _sound(entry: SealedEntry, store: "SqlAuditStore", as_json: bool) -> str:
    if as_json:
        return _printable(entry.line.decode())
    said = body_of(entry)
    return _line(said, store.remark(str(said.get("id"))) if said.get("remark") else None)


def _printable(text: str) -> str:
    """Nothing that steers a terminal, nor turns the direction of what is read."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _line(said: Mapping[str, Any], remark: Remark | None) -> str:
    """One entry for a terminal; of a raise, what it stood on in further lines."""
    change = "" if said.get("to") is None else _change(said.get("from"), said["to"])
    result = "" if said.get("result") == "done" else str(said.get("result"))
    more = ["remark erased"] if said.get("remark") and remark is None else []
    text = "" if remark is None else f'"{remark.text}"'
    if remark is not None and remark_hash(remark.salt, remark.text) != said.get("remark"):
        text += " (NOT the text that was sealed)"
    parts = [*(said.get(name) for name in ("number", "at", "who", "what", "subject")), result, change]
    parts += [said.get("reason"), said.get("ticket"), *more, text]
    lines = ["  ".join(str(part) for part in parts if part)]
    lines += [f"    {each}" for each in str(said.get("grounds") or "").split("; ") if each]
    return "\n".join(map(_printable, lines))


def _change(before: str | None, after: str) -> str:
    """Of two documents, what is not the same in both; the whole of them is in an export."""
    old, new = _document(before) if before else {}, _document(after)
    if old is None or new is None:
        return f"{before or '–'} → {after}"
    names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    return "; ".join(f"{name} {_short(old.get(name))} → {_short(new.get(name))}" for name in names) or "as it was"


_NOTHING: tuple[Any, ...] = (None, [], {}, "")


def _told_at(name: str, value: Any) -> str:
    """Times of the chain's documents are epoch seconds."""
    if name == "at" and isinstance(value, (int, float)) and 0 <= value < 1e11:
        return moment(value)[:16] + "Z"
    return f"({_short(value)})" if isinstance(value, dict) else _short(value)


def _document(text: str | None) -> dict[str, Any] | None:
    try:
        document = None if text is None else msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    return document if isinstance(document, dict) else None


def _short(value: Any) -> str:
    if value in _NOTHING:
        return "–"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_told_at(name, each)}" for name, each in value.items() if each not in _NOTHING)
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return _DIGEST.sub(lambda found: found[1], text)
