"""Arguments to the commands that change what is shown: rollout, kill, rollback, replicas."""

import argparse
import sys
from typing import Any, TypeAlias

from wardgate.domain.units import parse_duration

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

NAMES = ("rollout", "kill", "rollback", "drill", "replicas")
_MODES = ("off", "shadow", "silent", "canary", "active")
_EXIT = "Exit: 0 in force on all replicas, 1 nothing was changed, 3 done, or perhaps, and not confirmed by all."


def add_to(commands: Commands) -> None:
    _rollout(commands)
    _kill(commands)
    _rollback(commands)
    _drill(commands)
    replicas = commands.add_parser(
        "replicas",
        help="who answers calls, and by what",
        description="Each process that answers calls: by which snapshot, and why it hides, where it does.",
    )
    _admin(replicas)
    whats: Commands = replicas.add_subparsers(dest="action", metavar="WHAT")
    forget = whats.add_parser(
        "forget",
        help="no change waits any more for one that is gone for good",
        description="No change waits any more for a replica that is gone for good. One that was heard of just now is "
        "not forgotten. One that comes back registers anew, and shows nothing before it has read what is decided.",
        epilog=_EXIT,
    )
    forget.add_argument("name", metavar="NAME", help="as `wardgate replicas` lists it, or its id")
    _reasons(forget)
    _admin(forget, argparse.SUPPRESS)  # else it would pass over what stands before `forget`


def run(options: argparse.Namespace) -> int:
    """The exit code."""
    from wardgate.cli import rollout

    asked = rollout.Asked(
        options.admin,
        why_of(options),
        getattr(options, "wait", 0.0),
        getattr(options, "dry_run", False),
        _watching(options),
    )
    match options.command, getattr(options, "action", None):
        case "rollout", "set":
            return rollout.change(asked, options.service, _wanted(options))
        case "rollout", "history":
            return rollout.history(asked, options.service, options.most)
        case "rollout", "put-back":
            return rollout.put_back(asked, options.service)
        case "rollout", "watch":
            return rollout.watch(asked, options.service, options.epoch)
        case "drill", _:
            return rollout.drill(asked, options.service)
        case "rollout", "confirm":
            return rollout.confirm(asked, options.above, options.more)
        case "rollout", _:
            return rollout.show(asked, options.service)
        case "kill", "list":
            return rollout.kills(asked)
        case "kill", "lift":
            return rollout.lift(asked, options.name)
        case "kill", str(scope):
            name, yes = getattr(options, "name", ""), getattr(options, "yes", "")
            return rollout.kill(asked, scope, name, options.mode, yes)
        case "replicas", "forget":
            return rollout.forget(asked, options.name)
        case "rollback", _:
            return rollout.rollback(asked, options.service, options.to)
    return rollout.replicas(asked)


def _rollout(commands: Commands) -> None:
    rollout = commands.add_parser(
        "rollout",
        help="see and change who sees what",
        description="What is decided about each service: release, mode, cohort. See docs/rollout.md.",
    )
    actions: Commands = rollout.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser("show", help="what is decided now", description="What is decided now.")
    show.add_argument("service", nargs="?", metavar="SERVICE")

    change = actions.add_parser(
        "set",
        help="change a service's rollout",
        description="Change a service's rollout. Any operator lowers at once; a raise takes an admin, and that all "
        "gates pass (`wardgate gate`).",
        epilog=_EXIT,
    )
    change.add_argument("service", metavar="SERVICE")
    change.add_argument("--mode", choices=_MODES)
    change.add_argument("--champion", metavar="RELEASE", help="a version, a digest, or its beginning")
    for name in ("site", "unit", "role", "hook"):
        change.add_argument(f"--{name}", action="append", metavar=name.upper(), help="of the cohort; repeatable")
    change.add_argument("--percent", type=float, metavar="P", help="of the cohort, by a draw that stays as it is")
    change.add_argument("--by", choices=("patient", "encounter"), help="whom the draw goes by (default: patient)")
    change.add_argument("--no-cohort", action="store_true", help="take the cohort away")
    change.add_argument("--challenger", metavar="RELEASE", help="gets part of the calls in the champion's place")
    change.add_argument("--challenger-percent", type=float, metavar="P", help="which part (default: 5)")
    change.add_argument("--no-challenger", action="store_true")
    change.add_argument("--shadow", action="append", metavar="RELEASE", help="asked after the response; repeatable")
    change.add_argument("--no-shadow", action="store_true")
    change.add_argument("--preview", action="append", metavar="USER", help="who sees a silent card: Practitioner/ID")
    change.add_argument("--no-preview", action="store_true")
    change.add_argument("--expires", metavar="TIME", help="when it goes off by itself: a time with its zone, or 4h")
    change.add_argument("--no-expiry", action="store_true")
    change.add_argument(
        "--dry-run", action="store_true", help="change nothing: say what it would alter on the last day"
    )
    _reasons(change, "alert_rate; a raise takes one")

    history = actions.add_parser("history", help="what was decided", description="What was decided, the newest first.")
    history.add_argument("service", metavar="SERVICE")
    history.add_argument("--most", type=int, default=20, metavar="N", help="(default: 20)")

    back = actions.add_parser(
        "put-back",
        help="undo the last lowering",
        description="Put back exactly what the last change took down: a second person's, for some hours.",
        epilog=_EXIT,
    )
    back.add_argument("service", metavar="SERVICE")
    _reasons(back, "mistake", needed=True)

    confirm = actions.add_parser(
        "confirm",
        help="let a store hold that was put back",
        description="After the store was put back from a backup, or was lost, replicas hide what it says until a "
        "person confirms it. Look at `rollout show` first.",
        epilog=_EXIT,
    )
    confirm.add_argument("--above", type=int, default=0, metavar="EPOCH", help="that a replica says it has seen")
    confirm.add_argument("--more", action="store_true", help="also where users see more than before it was put back")
    _reasons(confirm, "store_restored", needed=True)
    watch = actions.add_parser(
        "watch",
        help="what has become of a change",
        description="What has become of a change: the alert rate before and since, who answered, and decisions since "
        "then, each held against what was decided.",
    )
    watch.add_argument("service", metavar="SERVICE")
    watch.add_argument("--epoch", type=int, metavar="N", help="of the change (default: the last one)")
    watch.add_argument(
        "--watch", type=parse_duration, default=0.0, metavar="D", help="go on for so long (default: once)"
    )
    for action in (show, change, history, back, confirm, watch):
        _admin(action)


def _kill(commands: Commands) -> None:
    kill = commands.add_parser(
        "kill",
        help="take models out of sight, in one step",
        description="Nothing is shown there from now on, until it is lifted: of all services, one service, one site or "
        "one release. It needs no durable store.",
        epilog=_EXIT,
    )
    whats: Commands = kill.add_subparsers(dest="action", metavar="WHAT", required=True)
    for what, meant in (
        ("all", "everything; confirmed by typing it"),
        ("service", "one service"),
        ("site", "the calls of one site"),
        ("release", "one release: by version, digest, or its beginning"),
    ):
        scope = whats.add_parser(what, help=meant, description=f"Out of sight: {meant}.", epilog=_EXIT)
        if what == "all":
            scope.add_argument("--yes", default="", metavar="all", help="what is typed to confirm it")
        else:
            scope.add_argument("name", metavar="NAME")
        scope.add_argument(
            "--mode", choices=("off", "shadow", "silent"), default="off", help="what is left (default: off)"
        )
        scope.add_argument("--dry-run", action="store_true", help="set nothing: say whom it would meet")
        _reasons(scope)
        _admin(scope)
    _admin(whats.add_parser("list", help="what is set", description="The kill switches that are set."))
    lift = whats.add_parser(
        "lift",
        help="take one back: a second person's",
        description="Lift a kill switch: a second person's for some hours, then an admin's, where all gates pass.",
        epilog=_EXIT,
    )
    lift.add_argument("name", metavar="ID", help="as `wardgate kill list` shows it")
    _reasons(lift, "fixed", needed=True)
    _admin(lift)


def _rollback(commands: Commands) -> None:
    back = commands.add_parser(
        "rollback",
        help="return to the release before this one",
        description="Return to the release before this one, with the whole configuration that its digest covers. Its "
        "endpoint must prove that it runs it.",
        epilog=_EXIT,
    )
    back.add_argument("service", metavar="SERVICE")
    back.add_argument("--to", metavar="RELEASE", help="a version, a digest, or its beginning")
    back.add_argument(
        "--watch",
        type=parse_duration,
        metavar="D",
        help="for so long, show what has become of it; 0 for not (default: 15m on a terminal)",
    )
    _reasons(back, needed=True)
    _admin(back)


def _drill(commands: Commands) -> None:
    drill = commands.add_parser(
        "drill",
        help="rehearse a rollback and a kill, without harm",
        description="Rehearse a rollback and a kill on the running system: everything that they need is used, and "
        "nobody sees any of it. The gate rollback_rehearsed_days asks for it.",
        epilog="Exit: 0 every step passed and stands on the audit chain, 1 not.",
    )
    drill.add_argument("service", metavar="SERVICE")
    _reasons(drill)
    _admin(drill)


def _watching(options: argparse.Namespace) -> float:
    given: float | None = getattr(options, "watch", 0.0)
    return given if given is not None else 900.0 if sys.stdout.isatty() else 0.0


def add_why(command: argparse.ArgumentParser, such: str = "alert_rate", needed: bool = False) -> None:
    """`needed`: of what always shows more."""
    told = f"such as {such}; it stands on the audit chain"
    command.add_argument("--reason", default="", required=needed, metavar="CODE", help=told)
    command.add_argument("--ticket", default="", metavar="TICKET")
    command.add_argument("--remark", default="", metavar="TEXT", help="in your words; kept where it can be erased")


def _reasons(command: argparse.ArgumentParser, such: str = "alert_rate", needed: bool = False) -> None:
    add_why(command, such, needed)
    command.add_argument(
        "--wait", type=parse_duration, default=45.0, metavar="D", help="for the replicas to confirm it (default: 45s)"
    )


def _admin(command: argparse.ArgumentParser, default: str | None = None) -> None:
    command.add_argument(
        "--admin", metavar="URL", default=default, help="the admin listener (default: that of the running demo)"
    )


def why_of(options: argparse.Namespace) -> dict[str, str]:
    return {name: value for name in ("reason", "ticket", "remark") if (value := getattr(options, name, ""))}


def _wanted(options: argparse.Namespace) -> dict[str, Any]:
    """The fields that were named."""
    wanted: dict[str, Any] = {name: value for name in ("mode", "champion") if (value := getattr(options, name))}
    cohort = {f"{name}s": value for name in ("site", "unit", "role", "hook") if (value := getattr(options, name))}
    cohort |= {name: value for name in ("percent", "by") if (value := getattr(options, name)) is not None}
    if cohort or options.no_cohort:
        wanted["cohort"] = cohort or None
    if options.challenger or options.no_challenger:
        share = {"percent": options.challenger_percent or 5.0}
        wanted["challenger"] = {"release": options.challenger, "cohort": share} if options.challenger else None
    for name in ("shadow", "preview"):
        if getattr(options, name) or getattr(options, f"no_{name}"):
            wanted[name] = getattr(options, name) or []
    if options.expires or options.no_expiry:
        wanted["expires"] = options.expires
    return wanted
