"""Arguments to commands."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from wardgate import __version__

_CONFIG = Path("config/wardgate.yaml")


def run(arguments: Sequence[str]) -> int:
    """The exit code: 0 done, 1 not done, 2 wrong usage or (`serve`) an unsound configuration."""
    options = _parser().parse_args(arguments)
    match options.command:
        case "serve":
            from wardgate.cli import serve

            return serve.run(_file(options.config))
        case "check":
            from wardgate.cli import check

            return check.run(_file(options.config))
        case "demo":
            from wardgate.cli import demo

            return demo.run(options.port, not options.no_browser, options.config, options.patients)
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
            )


def _file(config: Path) -> Path:
    """A folder stands for the `wardgate.yaml` in it."""
    return config / "wardgate.yaml" if config.is_dir() else config


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wardgate", description="A CDS Hooks gateway between an EHR and clinical model endpoints."
    )
    parser.add_argument("--version", action="version", version=f"wardgate {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    serve = commands.add_parser(
        "serve",
        help="run the gateway",
        description="Run the gateway until SIGTERM or SIGINT; calls in flight are finished first.",
        epilog="Exit: 0 stopped in order, 1 an address cannot be had, 2 the configuration is unsound.",
    )
    serve.add_argument("--config", type=Path, default=_CONFIG, metavar="FILE", help="default: %(default)s")

    check = commands.add_parser(
        "check",
        help="prove that a configuration is sound, or list all that is wrong with it",
        description="List every error of every file, with line and remedy, or print the digest of each release.",
        epilog="Exit: 0 sound, also with warnings; 1 not.",
    )
    check.add_argument("--config", type=Path, default=_CONFIG, metavar="FILE", help="default: %(default)s")

    demo = commands.add_parser(
        "demo",
        help="run a gateway with all that it needs around it, and an EHR in the browser to look at its cards",
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

    call = commands.add_parser(
        "call",
        help="call a service for a patient, as an EHR does, and show its cards",
        description="Call a service for a patient, as an EHR does, and show its cards. Prints patient data.",
        epilog="Exit: 0 answered with 200, also without a card; 1 not.",
    )
    call.add_argument("service", help="the id of a service")
    call.add_argument("--patient", required=True, metavar="ID", help="the FHIR id of a patient")
    call.add_argument("--gateway", metavar="URL", help="default: the running demo, else http://127.0.0.1:8080")
    call.add_argument("--fhir", metavar="URL", help="the FHIR base; default: the running demo's")
    call.add_argument("--user", default="Practitioner/demo", metavar="TYPE/ID", help="who asks (default: %(default)s)")
    call.add_argument("--no-prefetch", action="store_true", help="send no prefetch: the gateway reads it all")
    call.add_argument("--json", action="store_true", help="print request and response as JSON")
    return parser
