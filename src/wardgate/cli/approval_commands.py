"""Arguments to the commands about what a release needs before it is shown: gate, approve, exception."""

import argparse
from pathlib import Path
from typing import TypeAlias

from wardgate.cli.configs import CONFIG, CONFIG_HELP, file_of
from wardgate.domain.documents import did_you_mean
from wardgate.domain.governance import APPROVERS, STEPS, Figure
from wardgate.domain.units import parse_duration

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_POLICY = "governance"
_PREFIX = "approver-"
_RELEASE = "a version, a digest, or the first digits of one"


def add_to(commands: Commands) -> None:
    _gate(commands)
    _approve(commands)
    _exception(commands)


def run(options: argparse.Namespace) -> int:
    """The exit code."""
    if options.command == "approve" and (lack := _lack(options)):
        options.usage_error(lack)
    config = file_of(options.config)
    if options.command == "gate":
        from wardgate.cli import gates

        return gates.run(config, options.service, options.release, options.mode, options.json)
    from wardgate.cli import approve

    said = (options.reason, options.ticket, options.remark)
    if options.command == "exception":
        named = (options.service, options.release, options.mode, options.figure)
        return approve.exception(config, *named, options.duration, *said)
    if options.release is None:
        return approve.policy(config, *said)
    if options.withdraw:
        return approve.withdraw(config, options.service, options.release, options.of, options.dry_run, *said)
    return approve.release(config, options.service, options.release, options.mode, options.role, *said)


def _gate(commands: Commands) -> None:
    gate = commands.add_parser(
        "gate",
        help="show what stands between a release and a mode",
        description="Show each gate between a release and a mode: what is needed, what was found, whether it passes. "
        "Reads the durable store of the configuration. See docs/governance.md.",
        epilog="Exit: 0 nothing is in the way, 1 something is, or it cannot be told.",
    )
    _of_release(gate)
    gate.add_argument("mode", metavar="MODE", choices=[*STEPS], help=", ".join(STEPS))
    gate.add_argument("--json", action="store_true", help="for a program")
    gate.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help=CONFIG_HELP)


def _approve(commands: Commands) -> None:
    approve = commands.add_parser(
        "approve",
        help="approve a release for a mode, or the policy itself; take it back",
        description="Approve a release, by its digest, for a mode and what is beneath; or, as `approve governance`, "
        "the policy of governance.yaml, which holds once two people have. On the audit chain, by whoever has the token "
        "in WARDGATE_TOKEN. See docs/governance.md.",
        epilog="Exit: 0 it is on the chain, 1 not, 3 it is, and what is shown without it could not be lowered yet.",
    )
    approve.add_argument("service", metavar="SERVICE", help=f"the id of a service; or {_POLICY}")
    approve.add_argument("release", nargs="?", metavar="RELEASE", help=_RELEASE)
    approve.add_argument("--mode", choices=[*STEPS], metavar="MODE", help=f"the highest: {', '.join(STEPS)}")
    roles = ", ".join(role.removeprefix(_PREFIX) for role in APPROVERS)
    approve.add_argument(
        "--as", dest="role", type=_role, metavar="ROLE", help=f"{roles}; default: the one that the token has"
    )
    approve.add_argument("--withdraw", action="store_true", help="take your approval of this release back")
    approve.add_argument(
        "--dry-run",
        action="store_true",
        help="with --withdraw: say what it would take out of sight, and change nothing",
    )
    approve.add_argument("--of", default="", metavar="NAME", help="with --withdraw, as an administrator: whose")
    _said(approve)
    approve.set_defaults(usage_error=approve.error)


def _exception(commands: Commands) -> None:
    exception = commands.add_parser(
        "exception",
        help="let a release miss a figure for a time",
        description="Let a release miss a figure that a mode demands, for a time, where the risk tier allows it. The "
        "first person says why and for how long; it holds once a second person says the same.",
        epilog="Exit: 0 it is on the chain, 1 not.",
    )
    _of_release(exception)
    exception.add_argument("--mode", required=True, choices=[*STEPS], metavar="MODE", help=", ".join(STEPS))
    exception.add_argument("--figure", required=True, type=_figure, metavar="NAME", help="as `wardgate gate` names it")
    exception.add_argument(
        "--for",
        dest="duration",
        type=parse_duration,
        metavar="D",
        help="such as 14d, at most 90d; by the first person",
    )
    _said(exception)


def _of_release(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service", metavar="SERVICE", help="the id of a service")
    parser.add_argument("release", metavar="RELEASE", help=_RELEASE)


def _said(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", required=True, metavar="CODE", help="a code, such as validated")
    parser.add_argument("--ticket", default="", metavar="TICKET")
    parser.add_argument("--remark", default="", metavar="TEXT", help="kept beside the chain, and can be erased there")
    parser.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help=CONFIG_HELP)


def _lack(options: argparse.Namespace) -> str:
    """What the arguments lack together; empty: nothing."""
    if options.dry_run and not options.withdraw:
        return "--dry-run goes with --withdraw"
    if options.release is None:
        return "" if options.service == _POLICY else f"name a release; only `{_POLICY}` has none"
    given = options.withdraw or options.mode is not None
    return "" if given else "name the mode with --mode, or take an approval back with --withdraw"


def _role(text: str) -> str:
    role = text if text.startswith(_PREFIX) else _PREFIX + text
    if role not in APPROVERS:
        raise argparse.ArgumentTypeError(f"one of {', '.join(each.removeprefix(_PREFIX) for each in APPROVERS)}")
    return role


def _figure(text: str) -> str:
    if text not in [*Figure]:
        raise argparse.ArgumentTypeError(did_you_mean(text, [*Figure], f"one of {', '.join(Figure)}"))
    return text
