"""Arguments to `wardgate release`."""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from wardgate.cli.configs import CONFIG, CONFIG_HELP, file_of

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_RELEASE = "a version, or the beginning of a digest"


def run(options: argparse.Namespace) -> int:
    """The exit code."""
    from wardgate.cli import release

    config = file_of(options.config)
    match options.action:
        case "new":
            return release.new(config, options.service, options.version, (options.reason, options.ticket))
        case "list":
            return release.listing(config, options.service)
        case "show":
            return release.show(config, options.service, options.release, options.files)
        case "diff":
            return release.diff(config, options.service, options.before, options.after, options.lines)
        case "verify":
            return release.verify(config, options.service, options.release, options.offline)
    by = (options.reason, options.ticket)
    return release.retire(config, options.service, options.release, options.at, options.cancel, by)


def add_to(commands: Commands) -> None:
    release = commands.add_parser(
        "release",
        help="submit, compare, verify or retire releases",
        description="Releases of a service's model, each with everything that decides what is shown, under one digest.",
        epilog="See docs/releases.md.",
    )
    actions: Commands = release.add_subparsers(dest="action", metavar="ACTION", required=True)
    _changing(actions)
    _looking(actions)
    for action in actions.choices.values():
        action.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help=CONFIG_HELP)


def _changing(actions: Commands) -> None:
    new = actions.add_parser(
        "new",
        help="submit what the files say, for approval",
        description="Keep the files of a release whole, under their digest, for people to approve. Whoever submits it "
        "is its author. Nobody sees anything of it yet.",
        epilog="Exit: 0 submitted, 1 not.",
    )
    new.add_argument("service", metavar="SERVICE", help="its id")
    new.add_argument("version", metavar="VERSION", nargs="?", help="of a release file; default: the files' champion")
    retire = actions.add_parser(
        "retire",
        help="end a release for good",
        description="End a release for good, once no rollout names it and no way back leads to it. Its content and "
        "evidence stay in the store. With --at it is announced first: until then nothing can be raised to it.",
        epilog="Exit: 0 done, 1 not.",
    )
    retire.add_argument("service", metavar="SERVICE", help="its id")
    retire.add_argument("release", metavar="RELEASE", help=_RELEASE)
    when = retire.add_mutually_exclusive_group()
    when.add_argument("--at", type=_moment, metavar="TIME", help="from when on it may be retired, UTC's: announce that")
    when.add_argument("--cancel", action="store_true", help="take the announcement back")
    for action in (new, retire):
        action.add_argument("--reason", metavar="CODE", default="", help="a code, such as first_release")
        action.add_argument("--ticket", metavar="TICKET", default="")


def _looking(actions: Commands) -> None:
    listing = actions.add_parser("list", help="all, with how far they have come", description="All releases.")
    listing.add_argument("service", metavar="SERVICE", nargs="?", help="of this service alone")
    show = actions.add_parser(
        "show",
        help="all that is known of one",
        description="All that is known of a release: content, evidence, limitations, approvals, rollouts.",
    )
    show.add_argument(
        "--files", type=Path, metavar="FOLDER", help="write its files, evidence included, to a new folder"
    )
    diff = actions.add_parser(
        "diff",
        help="what differs between two, or waits in the files",
        description="What differs between two releases; without a second one, between it and the files; without any, "
        "between what was decided and the files.",
        epilog="Exit: 0 the same, 1 not, or it cannot be told.",
    )
    diff.add_argument("service", metavar="SERVICE", help="its id")
    diff.add_argument("before", metavar="RELEASE", nargs="?", help=_RELEASE)
    diff.add_argument("after", metavar="RELEASE", nargs="?", help=f"{_RELEASE}; `files` for those of now")
    diff.add_argument("--lines", action="store_true", help="also line by line")
    verify = actions.add_parser(
        "verify",
        help="prove that one is whole, and that its endpoint runs it",
        description="Compile what was kept and prove its digest and evidence; then ask the endpoint every probe.",
        epilog="Exit: 0 proven, 1 not.",
    )
    verify.add_argument("--offline", action="store_true", help="do not ask the endpoint")
    for action in (show, verify):
        action.add_argument("service", metavar="SERVICE", help="its id")
        action.add_argument("release", metavar="RELEASE", nargs="?", help=f"{_RELEASE}; default: the files' champion")


def _moment(text: str) -> float:
    """Epoch seconds of a date or a time, UTC's unless it says otherwise."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            "write a date such as 2027-05-01, or a time such as 2027-05-01T06:00"
        ) from None
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
