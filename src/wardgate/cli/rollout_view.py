"""Rollouts, kill switches and replicas on a terminal."""

from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from wardgate.domain.rollout.hidden import Hidden

_COLOURS = {"off": "dim", "shadow": "blue", "silent": "cyan", "canary": "yellow", "active": "green"}


def rollouts(told: Any, console: Console) -> None:
    services = told["services"]
    table = _table("service", "mode", "release", "who sees it", "besides")
    for each in services:
        mode, left = _mode(each["mode"]), told["in_force"][each["service"]]
        if left != each["mode"]:
            mode = Text.assemble(mode, " → ", (left, "bold red"))
        table.add_row(each["service"], mode, _release(each["champion"]), _who(each), _besides(each))
    console.print(table)
    for each in services:
        _unknown_sites(each, console)
    for name in [each["service"] for each in services]:
        for line in told.get("unapproved", {}).get(name, ()):
            said = f"  is shown without an approval that it takes: {line}"
            console.print(Text.assemble(("✗ ", "red"), (name, "bold red"), said), soft_wrap=True)
    kills({"kills": told["kills"]}, console, quiet=True)
    console.print(Text(f"snapshot {told['epoch']}", style="dim"))
    _standing(told, console)


def _standing(told: Any, console: Console) -> None:
    """Where what is shown is not what the durable store says, or that is not what it was."""
    if not told["stored"]:
        console.print(Text("The durable store is away: this is what the gateway goes by.", style="yellow"))
    if told.get("beyond"):
        console.print(Text(_REWOUND.format(seen=f" (snapshot {told['beyond']})"), style="bold red"), soft_wrap=True)


_REWOUND = (
    "The durable store is older than what replicas have seen{seen}: it was emptied, moved away or put back. They show "
    "nothing until the right one is there, or an admin confirms this one: "
    "wardgate rollout confirm --reason store_restored"
)
_HIDDEN = {
    Hidden.STARTING: "It has not read yet what is decided: see to the durable store, if that lasts.",
    Hidden.LEASE: "It could read neither the durable store nor a sound copy for longer than snapshot.lease.",
    Hidden.REWOUND: _REWOUND.format(seen=""),
    Hidden.FORGED: "What stands in the durable store was not written under this pseudonym_key, or by a later version.",
    Hidden.FORGOTTEN: "Somebody said that it is gone. It shows again once it has registered anew, within moments.",
    Hidden.HOT_FORGED: "Somebody writes to Redis who should not. It lasts until the durable store was read.",
    Hidden.HOT_REPLAYED: "An older state was put back in Redis. It lasts until the durable store was read.",
    Hidden.HOT_FLUSHED: "Redis has lost its values. It lasts until the durable store was read.",
}
"""Why a replica shows nothing, and what to do; docs/operations.md says more."""


def _unknown_sites(rollout: Any, console: Console) -> None:
    sites = rollout.get("unknown_sites")
    if sites:
        what = f"No call of {rollout['service']} comes from {', '.join(sites)}: no client or attribute names that site."
        console.print(Text(what, style="yellow"), soft_wrap=True)


def kills(told: Any, console: Console, quiet: bool = False) -> None:
    if not told["kills"] and not quiet:
        console.print("No kill switch is set.")
    for each in told["kills"]:
        name, why = f"{each['scope']} {each['name']}".strip(), f" ({each['reason']})" if each["reason"] else ""
        by = f"at most {each['mode']}, since {_when(each['set_at'])} by {each['set_by']}{why}"
        console.print(Text.assemble(("✗ ", "red"), (name, "bold red"), f"  {by}"), soft_wrap=True)
        console.print(Text(f"  wardgate kill lift {each['id']} --reason CODE", style="dim"), soft_wrap=True)
    if not quiet:
        _standing(told, console)


def history(told: Any, console: Console) -> None:
    for each in told["changes"]:
        rollout, why = each["rollout"], " ".join(part for part in (each["reason"], each["ticket"]) if part)
        head = f"{_when(each['at'])}  {each['what']}", f"  by {each['by']}{f' ({why})' if why else ''}"
        console.print(Text.assemble((head[0], "bold"), head[1]), soft_wrap=True)
        became = _mode(rollout["mode"]), "  ", _release(rollout["champion"]), f"  {_who(rollout)}  {_besides(rollout)}"
        console.print(Text.assemble("  ", *became), soft_wrap=True)


def replicas(told: Any, console: Console) -> None:
    if not told["replicas"]:
        console.print("No replica has said that it is there.")
        return
    table = _table("replica", "snapshot", "older ended", "since", "heard of", "shows")
    for each in told["replicas"]:
        epochs = str(each["epoch"]), str(each["drained"])
        table.add_row(each["name"], *epochs, _when(each["began"]), _ago(each["since"]), _shows(each))
    console.print(table)
    for why in sorted({each["hidden"] for each in told["replicas"] if each["hidden"] and not each["silent"]}):
        console.print(Text(f"{why}: {_HIDDEN.get(why, 'see docs/operations.md')}", style="red"), soft_wrap=True)
    silent = [each["name"] for each in told["replicas"] if each["silent"] and not each["forgotten"]]
    if silent:
        console.print(
            Text(f"Gone for good? `wardgate replicas forget {silent[0]}`: no change waits for it then.", style="yellow")
        )
    if not told["same_files"]:
        console.print(Text("They have not all read the same files: reload those that differ.", style="yellow"))


def _shows(replica: Any) -> Text:
    if replica["forgotten"]:
        return Text("forgotten", style="dim")
    if replica["silent"]:
        return Text("silent", style="red")
    return Text(f"nothing: {replica['hidden']}", style="red") if replica["hidden"] else Text("yes", style="green")


def _ago(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return "now" if seconds < 5 else f"{seconds:.0f} s ago"


def changed(told: Any, console: Console) -> None:
    rollout, kill = told.get("rollout"), told.get("kill")
    mark = Text("would be  ", style="yellow") if told["dry_run"] else Text("✔ ", style="green")
    if rollout is not None:
        console.print(
            mark
            + Text.assemble(
                rollout["service"],
                "  ",
                _mode(rollout["mode"]),
                "  ",
                _release(rollout["champion"]),
                "  ",
                _who(rollout),
            )
        )
        _unknown_sites(rollout, console)
    elif kill is not None:
        name = f"{kill['scope']} {kill['name']}".strip()
        done = "killed " if kill["mode"] == "off" else "lowered "
        console.print(mark + Text.assemble(done, (name, "bold"), f"   at most {kill['mode']}"))
        console.print(Text(f"  wardgate kill lift {kill['id']} --reason CODE", style="dim"), soft_wrap=True)
    elif not told["dry_run"]:
        console.print(mark + Text("done"))
    if told["dry_run"]:
        _impact(told, console)
    elif not told["stored"]:
        console.print(Text("The durable store is away: a kill switch stands for it until somebody lifts it.", "yellow"))
        if told.get("trouble"):
            console.print(Text(f"  It says: {told['trouble']}"), soft_wrap=True)
        if "shared" in told["heard"]:
            console.print("  The shared cache has it, so every replica that hears that obeys.")
        else:
            what = "  The shared cache is away too: ONLY the replicas of this gateway have heard of it."
            console.print(Text(what, style="bold red"), soft_wrap=True)
            console.print("  Ask the admin listener of EVERY OTHER gateway as well. Who can read no store hides once")
            console.print("  its lease is over; who can still read the durable store, which takes no change, goes on.")


def _impact(told: Any, console: Console) -> None:
    if told["impact"] is not None:
        _counts(told["impact"], console)
    elif told["impact_unknown"]:
        console.print(Text(f"Whom it would have met is not known: {told['impact_unknown']}", style="yellow"))
    if told["refused"]:
        console.print(Text(told["refused"], style="red"))
    for line in told["gates"]:
        console.print(Text(f"  ✗ {line}", style="red"))


def _counts(impact: Any, console: Console) -> None:
    since = f"since {_when(impact['since'])}"
    if impact["sample"]:
        since += ", the newest of very many"
    console.print(Text(f"  of the {impact['calls']:,} calls {since}", style="dim"))
    table = _table("service", "site", "calls", "cards, as decided now", "after the change")
    for service, found in impact["services"].items():
        after = _after(found["shown_after"], found["unknown_after"])
        table.add_row(service, "all", f"{found['calls']:,}", f"{found['shown_before']:,}", after)
        for site, each in found["sites"].items():
            shown = f"{each['shown_before']:,}"
            table.add_row("", Text(site, style="dim"), f"{each['calls']:,}", shown, f"{each['shown_after']:,}")
    console.print(table)


def _after(shown: int, unknown: int) -> str:
    return f"{shown:,} (and {unknown:,} calls of a release that was not asked)" if unknown else f"{shown:,}"


class Waiting:
    """Who has not answered yet, live on a terminal; silent elsewhere."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, transient=True, refresh_per_second=10) if console.is_terminal else None

    def __enter__(self) -> "Waiting":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, what: RenderableType) -> None:
        if self._live is not None:
            self._live.update(what)

    def update(self, effect: Any, seconds: float) -> None:
        if self._live is not None:
            self._live.update(_states(effect, seconds))


def effect(told: Any, seconds: float, console: Console, replicas: Sequence[Any] = ()) -> None:
    """The last word. `replicas`: what those say of themselves that have not confirmed it, where that is known."""
    every = len(told["done"]) + len(told["silent"]) + len(told["waiting"])
    if told["verified"]:
        line = f"✔ in force on all {every} replicas after {seconds:.2f} s"
        if told["silent"]:
            line += f" ({', '.join(told['silent'])} silent beyond the lease: shows nothing)"
        console.print(Text(line, style="green"))
    elif not every:
        console.print(Text("✗ unconfirmed: no replica has said that it is there", style="bold red"))
    else:
        console.print(Text(f"✗ unconfirmed after {seconds:.0f} s by {', '.join(told['waiting'])}", style="bold red"))
        if told["done"]:
            console.print(f"  in force on {', '.join(told['done'])}")
        for each in replicas:
            console.print(f"  {each['name']} {_standing_of(each, told['epoch'])}", soft_wrap=True)
        if not replicas:
            console.print("  One that does not answer shows nothing once its lease is over: `wardgate replicas`.")


def _standing_of(replica: Any, epoch: int) -> str:
    if replica["epoch"] < epoch:
        said = f"said last that it goes by snapshot {replica['epoch']}, not {epoch}."
        return f"{said} Cut off or dead, it shows nothing once its lease is over; if it answers calls, end its process."
    if replica["hidden"]:
        return f"shows nothing ({replica['hidden']})."
    return (
        "obeys, and cannot confirm it: calls from before go on there, or its disk does not take its own copy (the log "
        "says local_copy unwritten), so that a restart would forget it."
    )


def _states(effect: Any, seconds: float) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    for style, mark, names in (
        ("green", "✔", effect["done"]),
        ("dim", "–", effect["silent"]),
        ("yellow", "…", effect["waiting"]),
    ):
        for name in names:
            table.add_row(Text(mark, style=style), name)
    table.add_row("", Text(f"{seconds:.1f} s", style="dim"))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _mode(mode: str) -> Text:
    return Text(mode, style=_COLOURS.get(mode, ""))


def _release(release: Any) -> Text:
    digest = release["digest"].removeprefix("sha256:")[:12]
    return Text.assemble(release["version"] or "?", " ", (digest, "dim"))


def _who(rollout: Any) -> str:
    match rollout["mode"]:
        case "active":
            return "everybody"
        case "canary":
            return _cohort(rollout["cohort"])
        case "silent":
            users = rollout["preview_users"]
            return f"{users} preview users" if users else "nobody"
    return "nobody"


def _cohort(cohort: Any) -> str:
    if cohort is None:
        return "nobody"
    parts = [", ".join(cohort[name]) for name in ("sites", "units", "roles", "hooks") if cohort[name]]
    if cohort["percent"] is not None:
        parts.append(f"{cohort['percent']:g} % by {cohort['by']}")
    return " · ".join(parts) or "everybody"


def _besides(rollout: Any) -> str:
    parts = []
    if rollout["challenger"] is not None:
        challenger = rollout["challenger"]
        parts.append(f"challenger {challenger['release']['version'] or '?'} for {_cohort(challenger['cohort'])}")
    if rollout["shadow"]:
        parts.append("in shadow " + ", ".join(each["version"] or "?" for each in rollout["shadow"]))
    if rollout["expires"] is not None:
        parts.append(f"{rollout['expires']['mode']} from {rollout['expires']['at']}")
    return "; ".join(parts)


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def drilled(told: Any, console: Console) -> None:
    for step in told["steps"]:
        mark = Text("✔ ", style="green") if step["passed"] else Text("✗ ", style="bold red")
        console.print(mark + Text.assemble(f"{step['name']:14}", (f"{step['took']:7.3f} s  ", "dim"), step["what"]))
    if not told["rolls_back"]:
        console.print(Text("  There is no release to return to yet: this one was proven instead.", style="yellow"))
    if not told["recorded"]:
        console.print(Text("✗ The audit chain did not take it, so it does not count as rehearsed.", style="bold red"))
    elif told["passed"]:
        console.print(Text("Rehearsed: nobody saw any of it, and it stands on the audit chain.", style="green"))
    else:
        console.print(Text("NOT READY: mend what failed, and rehearse again.", style="bold red"))


_ALERTS = {
    "down": ("✔ the alert rate came down", "green"),
    "same": ("… no change of the alert rate can be told yet", "yellow"),
    "up": ("✗ the alert rate went up", "bold red"),
    "unknown": ("… too few calls to tell", "yellow"),
}


def watched(told: Any) -> RenderableType:
    table = _table("", "calls", "cards", "per 100 calls", "by model", "cached", "by rule", "unavailable")
    for name in ("before", "after"):
        each = told[name]
        rate = (
            "–"
            if each["rate"] is None
            else f"{100 * each['rate']:.1f}  ({100 * each['low']:.1f}–{100 * each['high']:.1f})"
        )
        counts = [f"{each[key]:,}" for key in ("model", "cached", "rule", "unavailable")]
        table.add_row(name, f"{each['calls']:,}", f"{each['shown']:,}", rate, *counts)
    lines: list[RenderableType] = [table, Text(*_ALERTS[told["alerts"]])]
    if told["unlike"]:
        lines.append(Text(f"✗ {told['unlike']:,} calls were not decided as the snapshot says", style="bold red"))
    elif told["after"]["calls"]:
        lines.append(Text("✔ every call since then was decided as the snapshot says", style="green"))
    if told["late"]:
        lines.append(Text(f"  {told['late']:,} that were under way ended by the snapshot before", style="dim"))
    for each in told["samples"]:
        mark = "✗" if each["unlike"] else "✔"
        said = f"  {mark} {_when(each['at'])[11:]}  {each['mode']:6}  {each['outcome']:15} {each['decision_id']}"
        said += "".join(f"  other {what}" for what in each["unlike"])
        lines.append(Text(said, style="red" if each["unlike"] else "dim"))
    return Group(*lines)
