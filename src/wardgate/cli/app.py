"""Arguments to commands."""

import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from wardgate import __version__
from wardgate.cli import approval_commands, control_commands, record_commands, release_commands, rollout_commands
from wardgate.cli.configs import CONFIG, CONFIG_HELP, config_of, file_of
from wardgate.cli.starter import PROTOCOLS, URL
from wardgate.domain.units import parse_duration

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_MOST_WORKERS = 64


def run(arguments: Sequence[str]) -> int:
    """The exit code: 0 done, 1 not done, 2 wrong usage or (`serve`) an unsound configuration."""
    parser = _parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(_unrecognized(options, unknown))
    match options.command:
        case "serve":
            from wardgate.cli import serve

            return serve.run(file_of(options.config), options.workers)
        case "check":
            from wardgate.cli import check

            return check.run(file_of(options.config))
        case "new":
            from wardgate.cli import new

            return new.run(options.service, options.dir, options.protocol, options.hook, options.url)
        case "probes":
            from wardgate.cli import probes

            return probes.run(options.service, file_of(options.config), version=options.release, write=options.write)
        case "demo":
            from wardgate.cli import demo

            return demo.run(options.port, not options.no_browser, options.config, options.patients)
        case "features":
            from wardgate.cli import features

            return features.run(
                features.Request(
                    schema=options.schema,
                    inputs=tuple(options.input),
                    as_of=tuple(options.as_of),
                    out=options.out,
                    zone=options.zone,
                    fhir_ids=options.id == "fhir",
                    fhir_servers=tuple(options.fhir_server),
                )
            )
        case "chaos":
            from wardgate.cli import chaos

            return chaos.run(options.scenario, options.calls, options.json, options.only)
        case "phi-canary":
            from wardgate.cli import phi_canary

            return phi_canary.run(file_of(options.config), options.calls)
        case "circuits":
            from wardgate.cli import circuits

            return circuits.run(
                options.action or "list",
                options.service,
                options.release,
                options.admin,
                rollout_commands.why_of(options),
            )
        case "load":
            from wardgate.cli import load

            return load.run(
                load.Plan(
                    url=options.url,
                    demo=options.demo,
                    rate=options.rate,
                    duration=options.duration,
                    mix=options.mix,
                    service=options.service,
                    patients=tuple(options.patient),
                    prefetch=not options.no_prefetch,
                    fhir=options.fhir,
                    in_flight=options.in_flight,
                    cpu=options.cpu,
                    limit=options.limit,
                    out=tuple(options.out),
                )
            )
        case "trace" | "affected" | "export" | "outcomes" | "replay" | "purge" | "records" | "reidentify":
            return record_commands.run(options)
        case "audit" | "token":
            return control_commands.run(options)
        case "rollout" | "kill" | "rollback" | "drill" | "replicas":
            return rollout_commands.run(options)
        case "release":
            return release_commands.run(options)
        case "gate" | "approve" | "exception":
            return approval_commands.run(options)
        case _:
            from wardgate.cli import call

            return call.run(
                options.service,
                options.patient,
                gateway=options.gateway,
                fhir=options.fhir,
                user=options.user,
                json_output=options.json,
                prefetch=not options.no_prefetch,
                admin=options.admin,
                capture=options.capture,
                config=config_of(options.config),
                key=options.key,
                issuer=options.issuer,
                public=options.public_url,
                token_file=options.token_file,
            )


def _unrecognized(options: argparse.Namespace, unknown: Sequence[str]) -> str:
    """Most often the configuration, by its name alone."""
    told = f"unrecognized arguments: {' '.join(unknown)}"
    if not hasattr(options, "config") or len(unknown) > 1 or unknown[0].startswith("-"):
        return told
    return f"{told}\nA configuration is named with --config: wardgate {options.command} --config {unknown[0]}"


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"a number from 1 to {_MOST_WORKERS}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wardgate",
        description="A CDS Hooks gateway between an EHR and clinical model endpoints.",
        epilog="wardgate COMMAND --help tells more. Begin with `wardgate demo`; then docs/tutorial.md.",
    )
    parser.add_argument("--version", action="version", version=f"wardgate {__version__}")
    commands: _Commands = parser.add_subparsers(dest="command", required=True, title="commands", metavar="COMMAND")
    for add in (_demo, _new, _check, _probes, _serve, _call):
        add(commands)
    record_commands.add_to(commands)
    rollout_commands.add_to(commands)
    approval_commands.add_to(commands)
    control_commands.add_to(commands)
    release_commands.add_to(commands)
    for add in (_features, _circuits, _load, _chaos, _phi_canary):
        add(commands)
    return parser


def _demo(commands: _Commands) -> None:
    demo = commands.add_parser(
        "demo",
        help="run a gateway and an EHR in the browser, to look at cards",
        description="Run a gateway, a model server, a FHIR server with synthetic patients, and a small EHR in the "
        "browser, until Ctrl-C.",
        epilog="Exit: 0 stopped, 1 it could not start, or a part of it ended.",
    )
    demo.add_argument("--port", type=int, default=8080, help="where the gateway listens (default: %(default)s)")
    demo.add_argument("--no-browser", action="store_true", help="do not open a browser")
    demo.add_argument(
        "--patients", type=Path, metavar="DIR", help="a folder of FHIR Bundles in place of the demo's patients"
    )
    demo.add_argument(
        "--config", type=Path, default=None, metavar="FILE", help="a wardgate.yaml in place of the demo's own"
    )


def _new(commands: _Commands) -> None:
    new = commands.add_parser(
        "new",
        help="write the files that connect a model of your own",
        description=(
            "Write a service, a feature schema, a release with probe vectors and a card, with comments that teach, "
            "and a wardgate.yaml where there is none. What is written passes `wardgate check`. "
            "Nothing that exists is changed."
        ),
        epilog="Exit: 0 written; 1 not, and then nothing was.",
    )
    new.add_argument("service", metavar="SERVICE", help="its id: the end of its URL, and the name of its files")
    new.add_argument(
        "--dir", type=Path, default=Path("config"), metavar="DIR", help="of the wardgate.yaml (default: %(default)s)"
    )
    new.add_argument(
        "--protocol", choices=PROTOCOLS, default="oip", help="what the model server speaks (default: %(default)s)"
    )
    new.add_argument("--url", default=URL, metavar="URL", help="the model server (default: %(default)s)")
    new.add_argument("--hook", default="patient-view", metavar="HOOK", help="when the EHR calls (default: %(default)s)")


def _check(commands: _Commands) -> None:
    check = commands.add_parser(
        "check",
        help="prove a configuration sound, or list all that is wrong",
        description="List every error of every file, with line and remedy, or print the digest of each release.",
        epilog="Exit: 0 sound, also with warnings; 1 not.",
    )
    check.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help=CONFIG_HELP)


def _probes(commands: _Commands) -> None:
    probes = commands.add_parser(
        "probes",
        help="compare an endpoint's answers with the probes of its release",
        description=(
            "Ask the endpoint of a release for each of its probe vectors, as the gateway does, and show both numbers. "
            "A probe pins the model: take its outputs from the model file, offline, and let this command compare them."
        ),
        epilog="Exit: 0 all agree, or were written; 1 not.",
    )
    probes.add_argument("service", metavar="SERVICE", help="the id of a service")
    probes.add_argument("--release", metavar="VERSION", help="default: the champion of the service's rollout")
    probes.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help=CONFIG_HELP)
    probes.add_argument(
        "--write", action="store_true", help="put what the endpoint answers into the probe file: then it is the pin"
    )


def _serve(commands: _Commands) -> None:
    serve = commands.add_parser(
        "serve",
        help="run the gateway",
        description="Run the gateway until SIGTERM or SIGINT; calls in flight are finished first.",
        epilog="Exit: 0 stopped in order, 1 an address cannot be had, 2 the configuration is unsound.",
    )
    serve.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help=CONFIG_HELP)
    serve.add_argument(
        "--workers", type=_count, default=1, metavar="N", help="processes that share the port; above 1 with Redis"
    )


def _call(commands: _Commands) -> None:
    call = commands.add_parser(
        "call",
        help="call a service for a patient, as an EHR does, and show its cards",
        description="Call a service for a patient, as an EHR does, and show its cards. Prints patient data.",
        epilog="Exit: 0 answered with 200, also without a card; 1 not.",
    )
    call.add_argument("service", metavar="SERVICE", help="the id of a service")
    call.add_argument("--patient", required=True, metavar="ID", help="the FHIR id of a patient")
    call.add_argument("--gateway", metavar="URL", help="default: the running demo, else http://127.0.0.1:8080")
    call.add_argument("--admin", metavar="URL", help="its admin listener, which says why there is no card")
    call.add_argument("--fhir", metavar="URL", help="the FHIR base; default: the running demo's")
    call.add_argument("--user", default="Practitioner/demo", metavar="TYPE/ID", help="who asks (default: %(default)s)")
    call.add_argument("--key", type=Path, metavar="FILE", help="sign as the EHR does: its private JSON Web Key")
    call.add_argument("--issuer", metavar="URL", help="of that client, as wardgate.yaml has it")
    call.add_argument("--public-url", metavar="URL", help="the gateway's, where it is called under another")
    call.add_argument(
        "--token-file", type=Path, metavar="FILE", help="with the JWT of a CDS client, where the gateway asks for one"
    )
    call.add_argument("--no-prefetch", action="store_true", help="send no prefetch: the gateway reads it all")
    call.add_argument("--json", action="store_true", help="print request and response as JSON")
    call.add_argument(
        "--capture",
        type=Path,
        metavar="FILE",
        help="write down what came into the call, for `replay`; patient data, and never over another file",
    )
    call.add_argument(
        "--config", type=Path, metavar="FILE", help="the gateway's, for --capture; default: the running demo's"
    )


def _features(commands: _Commands) -> None:
    features = commands.add_parser(
        "features",
        help="make the training table of an export of FHIR data",
        description="Make the training table of an export: one row for each patient and clock, one value, mark and age"
        " for each feature, by the code of the hook call. Writes patient data.",
        epilog="Exit: 0 written, also where some resources do not count; 1 not. See docs/offline.md.",
    )
    features.add_argument("--schema", type=Path, required=True, metavar="FILE", help="a features.yaml")
    features.add_argument(
        "--input",
        type=Path,
        required=True,
        action="append",
        metavar="PATH",
        help="a Bundle (.json), bulk export (.ndjson), either of them gzipped, or a folder of these; repeatable",
    )
    features.add_argument(
        "--as-of",
        action="append",
        default=[],
        metavar="TIME|FILE",
        help="the clock of each row: a time, repeatable, or a CSV with the columns patient and time (default: now)",
    )
    features.add_argument(
        "--out", type=Path, default=Path("-"), metavar="FILE", help=".parquet, .csv, .ndjson; default: CSV on stdout"
    )
    features.add_argument("--zone", default="UTC", help="of times without an offset, and of dates (default: UTC)")
    features.add_argument(
        "--id",
        choices=("hash", "fhir"),
        default="hash",
        help="hash: a pseudonym of this run alone (default); fhir: the patient's id, to join labels",
    )
    features.add_argument(
        "--fhir-server", action="append", default=[], metavar="URL", help="the base of absolute references; repeatable"
    )


def _circuits(commands: _Commands) -> None:
    circuits = commands.add_parser(
        "circuits",
        help="list the circuits to the models, or take a model out of use",
        description="List the circuits to the models' endpoints; `isolate` keeps all calls away from one, in all "
        "workers and across reloads, until `close`. See docs/policies/circuit-breaker.md.",
        epilog="Exit: 0 done, 1 not, 3 done, or perhaps, and not confirmed by all.",
    )
    circuits.set_defaults(service=None, release=None)
    actions: _Commands = circuits.add_subparsers(dest="action", metavar="ACTION")
    listing = actions.add_parser("list", help="what there is, and its state (the default)")
    for name, text in (("isolate", "keep all calls away"), ("close", "let calls flow again")):
        action = actions.add_parser(name, help=text)
        action.add_argument("service", metavar="SERVICE", help="the id of a service")
        action.add_argument("release", metavar="RELEASE", help="the version of a release of its rollout")
        such, needed = ("fixed", True) if name == "close" else ("wrong_scores", False)
        rollout_commands.add_why(action, such, needed)
        _admin(action, default=argparse.SUPPRESS)
    _admin(listing, default=argparse.SUPPRESS)
    _admin(circuits, default=None)


def _admin(parser: argparse.ArgumentParser, default: str | None) -> None:
    text = "default: the running demo's, else http://127.0.0.1:8081"
    parser.add_argument("--admin", metavar="URL", default=default, help=text)


def _load(commands: _Commands) -> None:
    load = commands.add_parser(
        "load",
        help="send hook calls at a steady rate, and show how long they took",
        description="Send hook calls at a steady rate, whatever became of the earlier ones, and show how they ended "
        "and how long they took, counted from when each was due. Holds patient data in memory, and writes none.",
        epilog="Exit: 0 every call had an answer, 1 not, 2 it cannot be run.",
    )
    where = load.add_mutually_exclusive_group()
    where.add_argument("url", nargs="?", metavar="URL", help="the gateway; default: the running demo")
    where.add_argument("--demo", action="store_true", help="start the demo's parts for it")
    load.add_argument("--rate", type=_above_zero, default=100.0, metavar="R", help="calls a second (default: 100)")
    load.add_argument("--duration", type=_seconds, default=10.0, metavar="D", help="such as 30s or 5m (default: 10s)")
    load.add_argument("--service", default="kidney-failure", help="(default: %(default)s)")
    load.add_argument("--patient", action="append", default=[], metavar="ID", help="in turns; default: all there are")
    load.add_argument("--fhir", metavar="URL", help="the FHIR base; default: the running demo's")
    load.add_argument("--no-prefetch", action="store_true", help="send no prefetch: the gateway reads it all")
    load.add_argument(
        "--mix", type=Path, metavar="FILE", help="several kinds of calls and their weights (docs/chaos.md)"
    )
    load.add_argument("--in-flight", type=_at_least_one, default=256, metavar="N", help="open calls (default: 256)")
    load.add_argument("--cpu", type=int, metavar="N", help="run the generator on this core alone")
    load.add_argument("--limit", type=_seconds, metavar="D", help="drawn into the picture, and counted")
    load.add_argument("--out", type=Path, action="append", default=[], metavar="FILE", help=".json or .svg; repeatable")


def _chaos(commands: _Commands) -> None:
    chaos = commands.add_parser(
        "chaos",
        help="break what the gateway depends on, and see what it answers",
        description="Put a proxy before each dependency of a gateway, let it do what networks and servers do, and see "
        "what the gateway answers meanwhile, how fast, and when it is well again. See docs/chaos.md.",
        epilog="Exit: 0 all as the scenario expects, 1 not, 2 the scenario cannot be run.",
    )
    chaos.add_argument("scenario", type=Path, metavar="SCENARIO", help="a file such as config/demo/chaos.yaml")
    chaos.add_argument("--calls", type=_at_least_one, metavar="N", help="for each fault, in place of the scenario's")
    chaos.add_argument("--only", action="append", default=[], metavar="NAME", help="the fault of this name; repeatable")
    chaos.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")


def _phi_canary(commands: _Commands) -> None:
    canary = commands.add_parser(
        "phi-canary",
        help="prove that nothing of a patient leaves the calls",
        description="Run a copy of a configuration with stand-ins for its models, its FHIR server and its stores; send "
        "calls, reports and questions in which everything that is somebody's is a mark; search all that the gateway "
        "says and keeps for these marks. Nothing real is called or written.",
        epilog="Exit: 0 no mark was found, 1 one was, 2 it cannot be run. See docs/canary.md.",
    )
    canary.add_argument("config", type=Path, nargs="?", default=CONFIG, metavar="CONFIG", help=CONFIG_HELP)
    canary.add_argument(
        "--calls",
        type=_at_least_one,
        default=200,
        metavar="N",
        help="besides each way and fault (default: %(default)s)",
    )


def _seconds(text: str) -> float:
    return parse_duration(text)


def _above_zero(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < (number := float(text)) < float("inf"):
            return number
    raise argparse.ArgumentTypeError(f"write a number above 0, not {text}")


def _at_least_one(text: str) -> int:
    with contextlib.suppress(ValueError):
        if (number := int(text)) >= 1:
            return number
    raise argparse.ArgumentTypeError(f"write a whole number from 1 on, not {text}")
