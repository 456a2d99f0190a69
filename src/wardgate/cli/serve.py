"""`wardgate serve`: run the gateway until SIGTERM or SIGINT. Exit 2 on an unsound configuration."""

import os
import sys
from pathlib import Path

from wardgate.cli.check import examine, show_findings, summary
from wardgate.domain.errors import ConfigurationError
from wardgate.settings import read_secrets, require_startable


def run(config: Path) -> int:
    examination = examine(config)
    settings, catalog, document = examination.settings, examination.catalog, examination.document
    if examination.errors or settings is None or catalog is None or document is None:
        show_findings(examination.findings, sys.stderr)
        sys.stderr.write(f"\nNot started. {summary(os.path.normpath(config), examination)}")
        return 2
    try:
        require_startable(settings, document)
        secrets = read_secrets(settings, document, config.parent)
    except ConfigurationError as error:
        show_findings(error.findings, sys.stderr)
        sys.stderr.write("\nNot started.\n")
        return 2
    from wardgate import bootstrap  # only now: the server's libraries take longer to import than a check takes

    return bootstrap.serve(settings, secrets, catalog, examination.findings)
