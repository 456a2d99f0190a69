"""How a command is told which configuration it is about."""

import os
from pathlib import Path

CONFIG = Path("config/wardgate.yaml")
CONFIG_HELP = "a wardgate.yaml, or its folder (default: %(default)s)"


def file_of(config: Path) -> Path:
    """A folder stands for the `wardgate.yaml` in it."""
    return config / "wardgate.yaml" if os.path.isdir(config) else config


def config_of(config: Path | None) -> Path | None:
    return None if config is None else file_of(config)
