"""The values of `wardgate.yaml`: read from what stands there, or told what is wrong with it and how to mend it."""

import re
from typing import Annotated, Any
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, Strict

from wardgate.domain.context.paths import compile_path
from wardgate.domain.documents import Wrong, duration_of
from wardgate.domain.hot import StorePlace
from wardgate.domain.units import parse_size
from wardgate.settings.durable import NAME, durable_place


def _text(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise Wrong("the text is empty", "write it, or remove the key")
    return value


def size_of(value: object) -> int:
    size = _sized(value)
    if not 0 < size <= _LARGEST_BODY:
        raise Wrong("a size out of bounds", "write one above 0, and 64MiB at most")
    return size


def spool_size_of(value: object) -> int:
    size = _sized(value)
    if size < _SMALLEST_SPOOL:
        raise Wrong("a size out of bounds", "write 16MiB or more")
    return size


def _sized(value: object) -> int:
    remedy = "write a whole number with B, KiB or MiB, such as 2MiB"
    if not isinstance(value, str):
        raise Wrong("expected a size", remedy)
    try:
        return parse_size(value)
    except ValueError:
        raise Wrong("not a size", remedy) from None


def zone_of(value: object) -> object:
    if isinstance(value, str):
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):  # unknown; not a key; a folder of the database
            raise Wrong("not a time zone", "write an IANA name such as Europe/Vienna or UTC") from None
    return value


def origin_of(value: object) -> object:
    if isinstance(value, str) and value not in ("http://localhost:*", "http://127.0.0.1:*"):
        parts = _url_parts(value)
        if f"{parts.scheme}://{parts.netloc}" != value or parts.username is not None or "*" in value:
            raise Wrong(
                "not an origin",
                "write scheme, host and port alone, such as https://ehr.example, "
                "or http://localhost:* or http://127.0.0.1:*",
            )
    return value


def _url(value: object) -> object:
    if isinstance(value, str):
        parts = _url_parts(value)
        if parts.query or parts.fragment or "?" in value or "#" in value or parts.username is not None:
            raise Wrong("a URL with a query, a fragment or a user", "write scheme, host, port and path alone")
        return value.rstrip("/")
    return value


def _key_url(value: object) -> object:
    """As it is written: a token's `jku` is compared with it whole."""
    if isinstance(value, str) and (_url_parts(value).username is not None or "#" in value):
        raise Wrong("a URL with a fragment or a user", "write scheme, host, port, path and query alone")
    return value


def _url_parts(value: str) -> Any:
    try:
        parts = urlsplit(value)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or re.search(r"[\s\\{}]", value):
        raise Wrong("not an absolute http or https URL", "write it whole, such as https://host.example/path")
    return parts


def authority_of(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?", value):
        raise Wrong("not a host", "write host or host:port in lower case, without scheme and path")
    return value


def path_of(value: object) -> object:
    if isinstance(value, str):
        try:
            compile_path(value)
        except ValueError as error:
            raise Wrong("not a path", str(error)) from None
    return value


def metrics_path_of(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"(?:/[A-Za-z0-9._-]+)+", value):
        raise Wrong("not a path", "write it as /metrics")
    return value


def header_of(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z0-9-]{1,64}", value):
        raise Wrong("not the name of a header", "write letters, digits and hyphens, such as x-api-key")
    return value


def hot_store_of(value: object) -> object:
    if isinstance(value, str) and value != "memory":
        store_place(value)
    return value


def store_place(url: str) -> StorePlace:
    """Of `redis://user:password@host:port/database`; Wrong for anything else. No message repeats what stands there."""
    try:
        parts = urlsplit(url)
        port = 6379 if parts.port is None else parts.port
        query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise Wrong("not a store", _HOT_REMEDY) from None
    database = parts.path.removeprefix("/")
    sound = parts.scheme in ("redis", "rediss") and parts.hostname and port > 0 and not parts.fragment
    if not sound or re.search(r"[\s\\]", url) or not re.fullmatch(r"[0-9]{0,4}", database):
        raise Wrong("not a store", _HOT_REMEDY)
    if parts.username and not parts.password:
        raise Wrong("a user without a password", "write user:${NAME}@; NAME is an environment variable")
    tls = parts.scheme == "rediss"
    if query.keys() - (_TLS_FILES if tls else set()) or not all(query.values()):
        what = "not an option of this store"
        raise Wrong(what, f"only rediss:// takes some, and those are {', '.join(sorted(_TLS_FILES))}")
    if ("ssl_keyfile" in query) != ("ssl_certfile" in query):
        raise Wrong("half of a client certificate", "give ssl_certfile and ssl_keyfile, or none of them")
    return StorePlace(
        parts.hostname or "",
        port,
        int(database or 0),
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
        tls,
        query.get("ssl_ca_certs"),
        query.get("ssl_certfile"),
        query.get("ssl_keyfile"),
    )


def _variable(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(NAME, value):
        raise Wrong("not the name of an environment variable", "name the variable that holds the key, not the key")
    return value


def lease_of(value: float) -> float:
    if not 2.0 <= value <= 3600.0:
        raise ValueError("is 2s to 1h: a shorter one hides cards at each hiccup of a store")
    return value


def durable_store_of(value: object) -> object:
    if isinstance(value, str):
        durable_place(value)
    return value


def _at_least_a_day(seconds: float) -> float:
    if seconds < DAY:
        raise Wrong("less than a day", "write a day or more, such as 400d: what is purged is gone")
    return seconds


_LARGEST_BODY = 64 * 1024**2
_SMALLEST_SPOOL = 16 * 1024**2
DAY = 86400.0
_TLS_FILES = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_HOT_REMEDY = "write memory, or redis://user:${NAME}@host:6379/0 (rediss:// with TLS); NAME is an environment variable"

Text = Annotated[str, BeforeValidator(_text)]
Url = Annotated[str, BeforeValidator(_url)]
KeyUrl = Annotated[str, BeforeValidator(_key_url)]
Variable = Annotated[str, BeforeValidator(_variable)]
Flag = Annotated[bool, Strict()]
Port = Annotated[int, Strict(), Field(ge=0, le=65535)]
Count = Annotated[int, Strict(), Field(ge=1)]
Duration = Annotated[float, BeforeValidator(duration_of)]
Kept = Annotated[float, BeforeValidator(duration_of), AfterValidator(_at_least_a_day)]
