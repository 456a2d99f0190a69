"""Where the durable store is: from the file's text to a place, its secrets, and what can be seen of its safety."""

import os
import re
import sqlite3
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from wardgate.domain.documents import Document, Place, Wrong
from wardgate.domain.durable import DurablePlace, PostgresPlace, SqlitePlace
from wardgate.domain.findings import Finding
from wardgate.settings.addresses import is_loopback

NAME = "[A-Za-z_][A-Za-z0-9_]*"
"""Of an environment variable."""

_KEY: Place = ("stores", "durable")
_REMEDY = (
    "write sqlite:/// and a path, or postgresql://user:${NAME}@host:5432/database; NAME is an environment variable"
)
_SQLITE = (3, 35)
"""Has RETURNING, and UPDATE … FROM."""
_SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_OPTIONS = ("host", "sslmode", "sslrootcert", "sslcert", "sslkey", "passfile")


def durable_place(url: str) -> DurablePlace:
    """Wrong for what is no place. No message repeats what stands there."""
    if re.search(r"[\x00-\x1f\\]", url):
        raise Wrong("not a store", _REMEDY)
    return _sqlite(url) if url.startswith("sqlite:") else _postgres(url)


def _sqlite(url: str) -> SqlitePlace:
    path = url.removeprefix("sqlite:///")
    if path == url or not path or path.endswith("/") or path.startswith(":") or "?" in path:
        raise Wrong("not a file", "write sqlite:/// and a path, from this file's folder; sqlite://// for a whole one")
    return SqlitePlace(path)


def _postgres(url: str) -> PostgresPlace:
    try:
        parts = urlsplit(url)
        port = 5432 if parts.port is None else parts.port
        query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise Wrong("not a store", _REMEDY) from None
    database, host = unquote(parts.path.removeprefix("/")), query.get("host") or parts.hostname
    sound = parts.scheme == "postgresql" and port > 0 and not parts.fragment and not re.search(r"\s", url)
    if not sound or not host or not database or "/" in database or not parts.username:
        raise Wrong("not a store", _REMEDY)
    if query.keys() - set(_OPTIONS) or not all(query.values()):
        raise Wrong("not an option of this store", f"write {', '.join(_OPTIONS)}, or none")
    if "host" in query and (parts.hostname or not query["host"].startswith("/")):
        raise Wrong("not a folder of sockets", "leave the host out, and write host=/run/postgresql")
    if query.get("sslmode", "prefer") not in _SSLMODES:
        raise Wrong("not an sslmode", f"write one of {', '.join(_SSLMODES)}")
    if ("sslkey" in query) != ("sslcert" in query):
        raise Wrong("half of a client certificate", "give sslcert and sslkey, or none of them")
    return PostgresPlace(
        host,
        database,
        unquote(parts.username),
        port,
        unquote(parts.password) if parts.password else None,
        query.get("sslmode"),
        query.get("sslrootcert"),
        query.get("sslcert"),
        query.get("sslkey"),
        query.get("passfile"),
    )


def held(
    place: DurablePlace, document: Document, folder: Path, environment: Mapping[str, str], findings: list[Finding]
) -> DurablePlace:
    """With its password and the whole paths of its files; adds what is missing to `findings`."""
    if isinstance(place, SqlitePlace):
        if sqlite3.sqlite_version_info < _SQLITE:
            what, remedy = "this Python's SQLite is too old", "use a Python with SQLite 3.35 or later, or PostgreSQL"
            findings.append(document.finding(_KEY, what, remedy))
        return SqlitePlace(str((folder / place.path).absolute()))
    named = re.fullmatch(rf"\$\{{({NAME})\}}", place.password or "")
    password = place.password if named is None else environment.get(named[1])
    if named is not None and not password:
        what, remedy = "the environment holds no password for this store", f"set {named[1]}"
        findings.append(document.finding(_KEY, what, remedy))
    files: dict[str, Any] = {
        name: str((folder / file).resolve())
        for name in ("ca", "certificate", "key", "passfile")
        if (file := getattr(place, name)) is not None and not (name == "ca" and file == "system")
    }
    if not all([os.access(file, os.R_OK) for file in files.values()]):
        what, remedy = "a file of this store cannot be read", "name files that can, from this file's folder"
        findings.append(document.finding(_KEY, what, remedy))
    return replace(place, password=password, **files)


def seen_unsafe(place: DurablePlace, document: Document, folder: Path) -> list[Finding]:
    """Warnings: who else may read the store, as far as that can be seen from here. Encryption at rest cannot."""
    told = list(_seen_of_file(folder / place.path) if isinstance(place, SqlitePlace) else _seen_of_server(place))
    return [document.finding(_KEY, what, remedy, warning=True) for what, remedy in told]


def _seen_of_file(path: Path) -> list[tuple[str, str]]:
    told = []
    if _mode(path) & 0o077:
        told.append(("others on this machine may read the store's file", "chmod 600 it, and its -wal and -shm"))
    if _mode(path.parent) & 0o002:
        told.append(("everybody on this machine may replace the store's file", "chmod 700 its folder"))
    return told


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:  # not there yet: it is made for its user alone
        return 0


def _seen_of_server(place: PostgresPlace) -> list[tuple[str, str]]:
    told = []
    if place.password and not place.password.startswith("${"):
        told.append(("a password in the file", "write ${NAME}, the name of an environment variable, or use a passfile"))
    if not place.host.startswith("/") and not is_loopback(place.host):
        if place.sslmode in (None, "disable", "allow", "prefer"):
            told.append(("records may cross the network unencrypted", "add ?sslmode=verify-full&sslrootcert=FILE"))
        elif place.sslmode == "require":
            told.append(("anybody may answer in the store's place", "write sslmode=verify-full, and sslrootcert=FILE"))
    return told
