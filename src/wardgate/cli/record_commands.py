"""Arguments to the commands about records: replay, trace, affected, export, outcomes, purge, requeue, reidentify."""

import argparse
import re
from pathlib import Path
from typing import TypeAlias

from wardgate.cli.configs import CONFIG, CONFIG_HELP, config_of, file_of
from wardgate.cli.times import span_to

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_to(commands: Commands) -> None:
    for add in (_replay, _trace, _affected, _export, _outcomes, _purge, _records, _reidentify):
        add(commands)


def run(options: argparse.Namespace) -> int:
    """The exit code."""
    if options.command == "replay":
        from wardgate.cli import replay

        return replay.run(options.capture, file_of(options.config), options.json)
    if options.command == "purge":
        from wardgate.cli import purge

        return purge.run(file_of(options.config), options.dry_run)
    if options.command == "records":
        from wardgate.cli import requeue

        return requeue.run(file_of(options.config), options.dry_run)
    if options.command == "reidentify":
        from wardgate.cli import reidentify

        return reidentify.run(file_of(options.config), options.key, options.names)
    reach = {"admin": options.admin, "config": config_of(options.config)}
    if options.command == "trace":
        from wardgate.cli import trace

        return trace.run(options.name, **reach, json_output=options.json)
    if options.command == "affected":
        from wardgate.cli import affected

        span = (options.since, options.until)
        return affected.run(options.release, *span, options.csv, **reach, json_output=options.json)
    if options.command == "export":
        from wardgate.cli import export

        return export.run(options.file, options.since, options.until, options.service, **reach)
    from wardgate.cli import outcomes

    named = (options.source, options.client, options.fhir_server)
    return outcomes.run(options.file, *named, options.skip_bad, **reach)


def _replay(commands: Commands) -> None:
    replay = commands.add_parser(
        "replay",
        help="run a captured call again, and prove the same card",
        description="Run a call that `call --capture` wrote down again, at its clock and under its decision id, and "
        "prove the same answer, byte for byte, or name the first stage and field that differs. Prints patient data "
        "where they differ.",
        epilog="Exit: 0 the same; 1 not, or it cannot be run.",
    )
    replay.add_argument("--capture", type=Path, required=True, metavar="FILE", help="what `call --capture` wrote")
    replay.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help=CONFIG_HELP)
    replay.add_argument("--json", action="store_true", help="print what was found as JSON")


def _trace(commands: Commands) -> None:
    trace = commands.add_parser(
        "trace",
        help="tell the whole story of a card",
        description="Tell the whole story of a card: who, when, where and under which version, its inputs and stages, "
        "how it ended and why, what was reported of it, and what became of the patient. No value of a patient is kept.",
        epilog="Exit: 0 told; 1 nothing is known by that name, or nobody answers. Every look is on the access log.",
    )
    trace.add_argument("name", metavar="UUID", help="of a card, of a decision, or the hookInstance of a call")
    trace.add_argument("--json", action="store_true", help="print it as JSON")
    _reach(trace)


def _release(text: str) -> str:
    if re.fullmatch(r"(sha256:)?[0-9a-f]{6,64}|[A-Za-z0-9._-]{1,100}@[A-Za-z0-9.+_-]{1,100}", text) is None:
        raise argparse.ArgumentTypeError("write a digest (its first 6 digits or more will do), or MODEL@VERSION")
    return text


def _affected(commands: Commands) -> None:
    affected = commands.add_parser(
        "affected",
        help="list everybody who was shown a card of a release",
        description="List the decisions, sites, units and pseudonyms of everybody who was shown a card of a release. "
        "Whom a pseudonym stands for, the EHR alone can say.",
        epilog="Exit: 0 told, also where there is nobody; 1 not. Every look is on the access log.",
    )
    affected.add_argument(
        "--release", required=True, type=_release, metavar="RELEASE", help="a digest, its beginning, or MODEL@VERSION"
    )
    span_to(affected, "the beginning", "now")
    affected.add_argument("--csv", type=Path, metavar="FILE", help="write all of them there")
    affected.add_argument("--json", action="store_true", help="print all of them as NDJSON, the summary first")
    _reach(affected)


def _export(commands: Commands) -> None:
    export = commands.add_parser(
        "export",
        help="write the records of a time into a file",
        description="Write every decision of a time as a line of JSON, with what the clinician did (user_action) and "
        "what became of the patient (outcome_label).",
        epilog="Exit: 0 written; 1 not. Every look is on the access log.",
    )
    export.add_argument("what", choices=("decisions",))
    export.add_argument("file", type=Path, metavar="FILE", help="a new .ndjson; - for standard output")
    export.add_argument("--service", default="", metavar="ID", help="of this service alone")
    span_to(export, "30 days before", "now")
    _reach(export)


def _outcomes(commands: Commands) -> None:
    outcomes = commands.add_parser(
        "outcomes",
        help="load what became of the patients",
        description="Load outcomes from a CSV with a head, or NDJSON: patient or encounter, label, value, time; and, "
        "where they differ from row to row, client, fhir_server and event. Ids become pseudonyms at the door.",
        epilog="Exit: 0 loaded, or known before; 1 not, and then nothing was. See docs/story.md.",
    )
    outcomes.add_argument("what", choices=("load",))
    outcomes.add_argument("file", type=Path, metavar="FILE", help=".csv or .ndjson")
    outcomes.add_argument("--source", default="file", metavar="NAME", help="a correction replaces rows of its source")
    outcomes.add_argument("--client", metavar="NAME", help="whose ids they are; default: the one client there is")
    outcomes.add_argument("--fhir-server", metavar="URL", help="of the ids; default: the one server of the client")
    outcomes.add_argument("--skip-bad", action="store_true", help="leave out rows that cannot be read")
    _reach(outcomes)


def _purge(commands: Commands) -> None:
    purge = commands.add_parser(
        "purge",
        help="remove records that have been kept for their time",
        description="Remove from the durable store what is older than `retention` says. A running gateway does so by "
        "itself, once an hour.",
        epilog="Exit: 0 removed, or told; 1 not. See docs/stores.md.",
    )
    purge.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help=CONFIG_HELP)
    purge.add_argument("--dry-run", action="store_true", help="say how many records would go, and remove none")


def _records(commands: Commands) -> None:
    records = commands.add_parser(
        "records",
        help="try again what could not be delivered to the store",
        description="Give to the durable store what was set aside on the way there: entries that it refused, segments "
        "of the spool that could not be read. What is still refused stays. On the machine whose spool it is, as the "
        "gateway's user; the gateway may run.",
        epilog="Exit: 0 nothing is left; 1 some is, or the store cannot be asked. See docs/records.md.",
    )
    records.add_argument("what", choices=("requeue",))
    records.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help=CONFIG_HELP)
    records.add_argument("--dry-run", action="store_true", help="say what there is, and give nothing to anybody")


def _reidentify(commands: Commands) -> None:
    reidentify = commands.add_parser(
        "reidentify",
        help="for the custodian: whom pseudonyms stand for",
        description="Open what `custody` has kept sealed, with the custodian's private key. Prints patients' ids "
        "as CSV; every use is on the access log.",
        epilog="Exit: 0 told, also where some cannot be; 1 not. See docs/stores.md.",
    )
    reidentify.add_argument(
        "names",
        type=Path,
        metavar="FILE",
        help="a pseudonym a line, or a CSV with a column `patient`; -: standard input",
    )
    reidentify.add_argument("--key", type=Path, required=True, metavar="FILE", help="her private key, PEM")
    reidentify.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help=CONFIG_HELP)


def _reach(command: argparse.ArgumentParser) -> None:
    command.add_argument("--admin", metavar="URL", help="the gateway's admin listener; default: the running demo's")
    command.add_argument("--config", type=Path, metavar="FILE", help="read its store itself, without the gateway")
