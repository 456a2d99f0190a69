"""`wardgate.yaml`: read once, by the composition root."""

from wardgate.settings.addresses import is_loopback
from wardgate.settings.durable import seen_unsafe
from wardgate.settings.file import ClientFile, File
from wardgate.settings.reading import (
    admin_token,
    read_secrets,
    read_settings,
    refuse_fixed,
    require_shared,
    require_startable,
)
from wardgate.settings.told import Anchoring, Limits, Listen, Secrets, Settings

__all__ = [
    "Anchoring",
    "ClientFile",
    "File",
    "Limits",
    "Listen",
    "Secrets",
    "Settings",
    "admin_token",
    "is_loopback",
    "read_secrets",
    "read_settings",
    "refuse_fixed",
    "require_shared",
    "require_startable",
    "seen_unsafe",
]
