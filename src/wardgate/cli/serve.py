"""`wardgate serve`: run the gateway until SIGTERM or SIGINT. Exit 2 on an unsound configuration."""

import sys
from pathlib import Path

from wardgate.domain.errors import ConfigurationError


def run(config: Path) -> int:
    from wardgate import bootstrap
    from wardgate.cli.check import show_findings

    try:
        return bootstrap.serve(config)
    except ConfigurationError as error:
        show_findings(error.findings, sys.stderr)
        return 2
