"""From files to what can be started: read at start, by each worker, and again at every reload."""

from pathlib import Path
from typing import TYPE_CHECKING

from wardgate.cli.check import Examination, examine
from wardgate.domain.errors import ConfigurationError
from wardgate.settings import require_startable

if TYPE_CHECKING:
    from wardgate.bootstrap import Configured


def read(config: Path) -> "Configured":
    """Raises ConfigurationError with everything that is wrong."""
    return configured_of(examine(config))


def configured_of(examination: Examination) -> "Configured":
    """Raises ConfigurationError where it could not be started."""
    from wardgate.bootstrap import Configured  # only now: the server's libraries take longer to import than a check

    settings, catalog, document = examination.settings, examination.catalog, examination.document
    if examination.errors or settings is None or catalog is None or document is None:
        raise ConfigurationError(examination.errors)
    require_startable(settings, document)
    return Configured(settings, catalog, examination.findings)
