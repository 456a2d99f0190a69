"""`wardgate serve`: run the gateway until SIGTERM or SIGINT. Exit 2 on an unsound configuration."""

import os
import sys
from pathlib import Path

from wardgate.cli.check import examine, show_findings, summary
from wardgate.cli.configured import configured_of, read
from wardgate.domain.errors import ConfigurationError
from wardgate.settings import require_shared


def run(config: Path, workers: int = 1) -> int:
    examination = examine(config)
    if examination.errors:
        show_findings(examination.findings, sys.stderr)
        sys.stderr.write(f"\nNot started. {summary(os.path.normpath(config), examination)}")
        return 2
    try:
        configured = configured_of(examination, config.parent)
        if workers > 1 and examination.document is not None:
            require_shared(configured.settings, examination.document)
    except ConfigurationError as error:
        show_findings(error.findings, sys.stderr)
        sys.stderr.write("\nNot started.\n")
        return 2
    if workers > 1:
        from wardgate.cli import workers as parent

        return parent.run(config, configured, workers)
    from wardgate.bootstrap.serving import serve

    return serve(configured, lambda: read(config))
