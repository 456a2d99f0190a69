"""Arguments to the commands about who may do what, and who did: audit, token."""

import argparse
from pathlib import Path
from typing import TypeAlias

from wardgate.cli.configs import CONFIG, CONFIG_HELP, config_of, file_of
from wardgate.cli.times import span_to
from wardgate.domain.admin_tokens import Role
from wardgate.domain.units import parse_duration

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_ROLES = "repeatable: " + ", ".join(Role)


def add_to(commands: Commands) -> None:
    _audit(commands)
    _token(commands)


def run(options: argparse.Namespace) -> int:
    """The exit code."""
    if options.command == "token":
        return _run_token(options)
    from wardgate.cli import audit

    if options.action == "verify":
        return audit.verify(options.export, config_of(options.config), options.anchor, options.key)
    config = file_of(options.config)
    if options.action == "export":
        return audit.export(options.file, config)
    if options.action == "search":
        wanted = {name: getattr(options, name) for name in ("who", "subject", "what", "ticket")}
        return audit.search(config, wanted, options.since, options.until, options.json)
    if options.action == "anchor":
        return audit.anchor(config)
    return audit.erase(config, options.event, options.reason, options.ticket)


def _audit(commands: Commands) -> None:
    audit = commands.add_parser(
        "audit",
        help="verify, search or export who did what to the gateway",
        description="The audit chain: every change, denial and exception, each entry sealed upon the one before it. "
        "See docs/audit.md.",
    )
    actions: Commands = audit.add_subparsers(dest="action", metavar="ACTION", required=True)

    verify = actions.add_parser(
        "verify",
        help="prove that the chain is what was written",
        description="Prove that the chain is what was written, of the store or of an export, or say where it is not.",
        epilog="Exit: 0 sound, 1 not, or it cannot be read.",
    )
    verify.add_argument("export", type=Path, nargs="?", metavar="EXPORT", help="an export; default: the store itself")
    verify.add_argument("--config", type=Path, metavar="FILE", help=f"whose store, key and anchors; default: {CONFIG}")
    verify.add_argument(
        "--anchor", type=Path, action="append", metavar="FILE", help="an anchor, or a folder of them; repeatable"
    )
    verify.add_argument("--key", type=Path, metavar="FILE", help="the public key that signed them, PEM")

    export = actions.add_parser(
        "export",
        help="write the whole chain, an entry a line",
        description="Write the whole chain, an entry a line. It holds no patient, and no remark.",
    )
    export.add_argument("file", type=Path, metavar="FILE", help="a new .ndjson; - for standard output")

    search = actions.add_parser("search", help="show entries", description="Show entries, oldest first.")
    for name, what in (
        ("who", "of this principal"),
        ("subject", "about this service, release, token"),
        ("what", "of this kind, such as circuit.isolate"),
        ("ticket", "under this ticket"),
    ):
        search.add_argument(f"--{name}", metavar=name.upper(), default="", help=what)
    span_to(search)
    search.add_argument("--json", action="store_true", help="as an export has them")

    anchor = actions.add_parser(
        "anchor", help="export an anchor now", description="Sign the last entry, into the folder `audit.anchors`."
    )
    erase = actions.add_parser(
        "erase",
        help="erase the remark of an entry",
        description="Erase what a person wrote beside an entry. The entry stays, and so does this one's.",
    )
    erase.add_argument("event", metavar="ID", help="the entry's id, as `search --json` has it")
    erase.add_argument("--reason", required=True, metavar="CODE", help="a code, such as names_a_patient")
    erase.add_argument("--ticket", default="", metavar="TICKET", help="where it was asked for")
    for action in (export, search, anchor, erase):
        action.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help=CONFIG_HELP)


def _run_token(options: argparse.Namespace) -> int:
    from wardgate.cli import token

    config = file_of(options.config)
    if options.action == "new":
        return token.new(config, options.name, options.role, options.service, options.expires)
    if options.action == "list":
        return token.listing(config)
    return token.revoke(config, options.token, options.reason, options.ticket)


def _token(commands: Commands) -> None:
    token = commands.add_parser(
        "token",
        help="give, list or revoke tokens of the admin listener",
        description="Tokens of the admin listener: who may do what, over which services, until when.",
        epilog="Exit: 0 done, 1 not. See docs/audit.md.",
    )
    actions: Commands = token.add_subparsers(dest="action", metavar="ACTION", required=True)
    new = actions.add_parser(
        "new",
        help="give one, shown once",
        description="Give one. Its secret is shown this once: it goes into WARDGATE_TOKEN, or an Authorization header.",
    )
    new.add_argument("name", metavar="NAME", help="of the person or program, in small letters; it stands on the chain")
    new.add_argument("--role", action="append", required=True, choices=[*Role], metavar="ROLE", help=_ROLES)
    new.add_argument("--service", action="append", default=[], metavar="ID", help="repeatable; default: all services")
    new.add_argument("--expires", type=parse_duration, default=90 * 86400.0, metavar="D", help="(default: 90d)")
    listing = actions.add_parser("list", help="all, without their secrets", description="All, without their secrets.")
    revoke = actions.add_parser("revoke", help="take one back", description="Take one back, at once.")
    revoke.add_argument("token", metavar="ID", help="as `list` has it")
    revoke.add_argument("--reason", default="", metavar="CODE", help="a code, such as left_the_team")
    revoke.add_argument("--ticket", default="", metavar="TICKET")
    for action in (new, listing, revoke):
        action.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help=CONFIG_HELP)
