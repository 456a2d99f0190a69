"""`wardgate serve`: run the gateway until SIGTERM or SIGINT. Exit 2 on an unsound configuration."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wardgate.cli.check import Examination, examine, show_findings, summary
from wardgate.domain.errors import ConfigurationError
from wardgate.settings import require_shared, require_startable

if TYPE_CHECKING:
    from wardgate.bootstrap import Configured


def run(config: Path, workers: int = 1) -> int:
    examination = examine(config)
    try:
        configured = _configured(examination)
        if workers > 1 and examination.document is not None:
            require_shared(configured.settings, examination.document)
    except ConfigurationError as error:
        show_findings(examination.findings if examination.errors else error.findings, sys.stderr)
        why = summary(os.path.normpath(config), examination) if examination.errors else "\n"
        sys.stderr.write(f"\nNot started.{' ' if examination.errors else ''}{why}")
        return 2
    if workers > 1:
        from wardgate.cli import workers as parent

        return parent.run(config, configured, workers)
    from wardgate import bootstrap

    return bootstrap.serve(configured, lambda: read(config))


def read(config: Path) -> "Configured":
    """Raises ConfigurationError with everything that is wrong."""
    return _configured(examine(config))


def _configured(examination: Examination) -> "Configured":
    """Raises ConfigurationError where it could not be started."""
    from wardgate.bootstrap import Configured  # only now: the server's libraries take longer to import than a check

    settings, catalog, document = examination.settings, examination.catalog, examination.document
    if examination.errors or settings is None or catalog is None or document is None:
        raise ConfigurationError(examination.errors)
    require_startable(settings, document)
    return Configured(settings, catalog, examination.findings)
