"""From files to what can be started: read at start, by each worker, and again at every reload."""

from pathlib import Path
from typing import TYPE_CHECKING

from wardgate.cli.check import Examination, examine
from wardgate.domain.errors import ConfigurationError
from wardgate.settings import read_secrets, require_startable

if TYPE_CHECKING:
    from wardgate.bootstrap import Configured


def read(config: Path) -> "Configured":
    """Raises ConfigurationError with everything that is wrong."""
    return configured_of(examine(config), config.parent)


def configured_of(examination: Examination, folder: Path) -> "Configured":
    """Raises ConfigurationError where it could not be started."""
    from wardgate.bootstrap import Configured  # only now: the server's libraries take longer to import than a check

    settings, catalog, document = examination.settings, examination.catalog, examination.document
    if examination.errors or settings is None or catalog is None or document is None:
        raise ConfigurationError(examination.errors)
    require_startable(settings, document)
    secrets = read_secrets(settings, document, folder)
    return Configured(settings, secrets, catalog, examination.findings)
