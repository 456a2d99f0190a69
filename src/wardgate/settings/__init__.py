"""`wardgate.yaml`: read once, by the composition root."""

from wardgate.settings.addresses import is_loopback
from wardgate.settings.durable import seen_unsafe
from wardgate.settings.file import ClientFile, File
from wardgate.settings.reading import (
    admin_certificates,
    admin_token,
    read_key_sets,
    read_secrets,
    read_settings,
    refuse_fixed,
    require_shared,
)
from wardgate.settings.told import Anchoring, Limits, Listen, Registered, Secrets, Settings, Tls

__all__ = [
    "Anchoring",
    "ClientFile",
    "File",
    "Limits",
    "Listen",
    "Registered",
    "Secrets",
    "Settings",
    "admin_certificates",
    "admin_token",
    "Tls",
    "is_loopback",
    "read_key_sets",
    "read_secrets",
    "read_settings",
    "refuse_fixed",
    "require_shared",
    "seen_unsafe",
]
