"""`wardgate.yaml` as one frozen tree. Read once, by the composition root; every error is reported together."""

import ipaddress
import os
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError

from wardgate.domain.clients import Client
from wardgate.domain.context.caller import AttributeSpec
from wardgate.domain.context.paths import compile_path
from wardgate.domain.documents import Document, Place, Wrong, duration_of, findings_of
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.findings import Finding
from wardgate.domain.hot import StorePlace
from wardgate.domain.pseudonyms import SECRET_BYTES
from wardgate.domain.units import parse_size

# --- what the gateway is told ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listen:
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Limits:
    body: int
    """Bytes of a request's body."""
    depth: int
    """Levels of nesting in it."""
    concurrency: int
    """Calls that are worked on at a time."""
    queue: int
    """Calls that may wait for a place."""
    read: float
    """Seconds to receive it."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    otlp: str | None
    """Where traces go, without the path of the signal; None: nowhere."""
    otlp_headers: Mapping[str, str]
    """By name, the environment variables that hold what is sent."""
    prometheus: str
    """The path of the metrics on the admin listener."""
    keep: float
    """The share of ordinary calls that are traced."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that `wardgate.yaml` says and that a part which is built reads."""

    environment: str
    insecure_demo: bool
    listen: Listen
    admin: Listen
    public_url: str | None
    base_path: str
    """The path of `public_url` without trailing slash; "" where there is none."""
    cds_hooks: str
    clients: tuple[Client, ...]
    attributes: tuple[AttributeSpec, ...]
    model_hosts: frozenset[str]
    limits: Limits
    hot: StorePlace | None
    """Of the shared hot store, its password and files as the file names them; None: in process."""
    pseudonym_key: tuple[str, ...]
    """The environment variables that hold it: the current one first; empty where none is named."""
    telemetry: Telemetry
    server_timing: bool
    """Whether answers say how long each stage took, and how the call ended."""
    http_client: str


@dataclass(frozen=True, slots=True)
class Secrets:
    """What stands outside of the file: values of the environment, and files by their whole path."""

    pseudonym: tuple[bytes, ...] = field(default=(), repr=False)
    """The current secret first. Empty: the gateway draws one for itself (insecure_demo)."""
    hot: StorePlace | None = None
    otlp_headers: Mapping[str, str] = field(default_factory=dict, repr=False)


# --- the file -------------------------------------------------------------------------------------------------------


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _text(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise Wrong("the text is empty", "write it, or remove the key")
    return value


def _size(value: object) -> int:
    remedy = "write a whole number with B, KiB or MiB, such as 2MiB"
    if not isinstance(value, str):
        raise Wrong("expected a size", remedy)
    try:
        size = parse_size(value)
    except ValueError:
        raise Wrong("not a size", remedy) from None
    if not 0 < size <= _LARGEST_BODY:
        raise Wrong("a size out of bounds", "write one above 0, and 64MiB at most")
    return size


def _zone(value: object) -> object:
    if isinstance(value, str):
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):  # unknown; not a key; a folder of the database
            raise Wrong("not a time zone", "write an IANA name such as Europe/Vienna or UTC") from None
    return value


def _origin(value: object) -> object:
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


def _url_parts(value: str) -> Any:
    try:
        parts = urlsplit(value)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or re.search(r"[\s\\{}]", value):
        raise Wrong("not an absolute http or https URL", "write it whole, such as https://host.example/path")
    return parts


def _authority(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?", value):
        raise Wrong("not a host", "write host or host:port in lower case, without scheme and path")
    return value


def _path(value: object) -> object:
    if isinstance(value, str):
        try:
            compile_path(value)
        except ValueError as error:
            raise Wrong("not a path", str(error)) from None
    return value


def _metrics_path(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"(?:/[A-Za-z0-9._-]+)+", value):
        raise Wrong("not a path", "write it as /metrics")
    return value


def _header(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z0-9-]{1,64}", value):
        raise Wrong("not the name of a header", "write letters, digits and hyphens, such as x-api-key")
    return value


def _hot_store(value: object) -> object:
    if isinstance(value, str) and value != "memory":
        _store_place(value)
    return value


def _store_place(url: str) -> StorePlace:
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
    if isinstance(value, str) and not re.fullmatch(_NAME, value):
        raise Wrong("not the name of an environment variable", "name the variable that holds the key, not the key")
    return value


def _store(*schemes: str) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, str) and not value.startswith(schemes):
            raise Wrong("not a store", f"write {' or '.join(schemes)}")
        return value

    return BeforeValidator(check)


_LARGEST_BODY = 64 * 1024**2
_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_TLS_FILES = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_HOT_REMEDY = "write memory, or redis://user:${NAME}@host:6379/0 (rediss:// with TLS); NAME is an environment variable"

_Text = Annotated[str, BeforeValidator(_text)]
_Url = Annotated[str, BeforeValidator(_url)]
_Variable = Annotated[str, BeforeValidator(_variable)]
_Flag = Annotated[bool, Strict()]
_Port = Annotated[int, Strict(), Field(ge=0, le=65535)]
_Count = Annotated[int, Strict(), Field(ge=1)]
_Duration = Annotated[float, BeforeValidator(duration_of)]


class _Listen(_Wire):
    host: _Text = "127.0.0.1"
    port: _Port
    """0 takes a free one."""


class _Admin(_Wire):
    listen: _Listen = _Listen(port=8081)
    """Admin API, metrics and health details; never on the EHR's listener."""


class _Paths(_Wire):
    services: _Text = "services"
    models: _Text = "models"
    rules: _Text = "rules"
    cards: _Text = "../cards"
    governance: _Text = "governance.yaml"


class _Discovery(_Wire):
    cds_hooks: Literal["2.0", "3.0"] = "2.0"
    """3.0 adds version and hookVersion."""


class _Keys(_Wire):
    jwks_url: _Url | None = None
    jwks_file: _Text | None = None


class _Client(_Wire):
    name: _Text
    """An EHR's name in records and metrics."""
    issuer: _Text | None = None
    """Required without insecure_demo, as `keys`."""
    keys: _Keys | None = None
    """jwks_url or jwks_file."""
    algorithms: Annotated[tuple[Literal["ES384", "RS384", "ES256", "RS256"], ...], Field(min_length=1)] = (
        "ES384",
        "RS384",
    )
    audiences: tuple[_Text, ...] = ()
    """Accepted besides the URL that was called under public_url."""
    replay: Literal["strict", "reject", "allow"] = "reject"
    """strict refuses when the shared cache is down; allow is for a test client that reuses its token."""
    fhir_servers: tuple[_Url, ...] = ()
    """FHIR bases, compared whole; no token goes anywhere else."""
    origins: tuple[Annotated[str, BeforeValidator(_origin)], ...] = ()
    """Of browsers, exact, or http://localhost:* and http://127.0.0.1:*."""
    site: _Text | None = None
    """Where its calls come from, unless `attributes.site` is declared."""
    timezone: Annotated[str, BeforeValidator(_zone)] = "UTC"
    """IANA name: how its dates, and its times without an offset, are read."""
    profile: Literal["standard", "epic"] = "standard"
    """What it takes of cards; `check` proves every card for it (docs/cards.md)."""
    system_actions: _Flag = False
    """It takes systemActions: agreed with it beforehand, since it may carry them out unseen."""

    def client(self) -> Client:
        zone, servers = ZoneInfo(self.timezone), frozenset(self.fhir_servers)
        return Client(self.name, servers, self.origins, self.site, zone, self.system_actions)


class _Attribute(_Wire):
    from_: Annotated[Literal["Patient", "Encounter"], Field(alias="from")]
    path: Annotated[str, BeforeValidator(_path)]
    """In dots."""
    map: Annotated[dict[str, _Text], Field(min_length=1)]
    """Values outside of it become `other`."""


class _Attributes(_Wire):
    site: _Attribute | None = None
    unit: _Attribute | None = None
    specialty: _Attribute | None = None
    role: _Attribute | None = None

    def specs(self) -> tuple[AttributeSpec, ...]:
        named = {"site": self.site, "unit": self.unit, "specialty": self.specialty, "role": self.role}
        return tuple(AttributeSpec(name, a.from_, a.path, a.map) for name, a in named.items() if a is not None)


class _Feed(_Wire):
    owner: _Text | None = None
    refresh: _Duration | None = None


class _Stores(_Wire):
    hot: Annotated[str, BeforeValidator(_hot_store)] = "memory"
    """memory, or redis:// (rediss:// with TLS) for several replicas: docs/stores.md."""
    durable: Annotated[str, _store("sqlite:///", "postgresql://")] = "sqlite:///var/wardgate.db"
    """sqlite:/// and a path, or postgresql://"""
    spool: _Text = "var/spool"
    """A folder of the local disk: decision records on their way to the durable store."""


class _PseudonymKey(_Wire):
    env: _Variable
    """The environment variable that holds it: 32 bytes or more, in base64 or as they are."""
    previous: tuple[_Variable, ...] = ()
    """Those of the secrets that it replaced, while what they wrote is still looked up."""


class _Snapshot(_Wire):
    lease: _Duration = 30.0


class _Limits(_Wire):
    body: Annotated[int, BeforeValidator(_size)] = 2 * 1024**2
    """Of a request; 413 above it."""
    depth: Annotated[int, Strict(), Field(ge=8, le=256)] = 64
    """Levels of nesting in a request."""
    concurrency: _Count = 256
    """Calls that are worked on at a time."""
    queue: Annotated[int, Strict(), Field(ge=0)] = 64
    """Calls that may wait for a place; the others are answered with 503 at once, the lowest risk tier first."""
    read: _Duration = 5.0
    """The time to receive a request's body."""


class _Held(_Wire):
    env: _Variable
    """The environment variable that holds it."""


class _Telemetry(_Wire):
    otlp: _Url | None = None
    """Where traces go (OTLP over HTTP), such as http://127.0.0.1:4318; /v1/traces is added: docs/telemetry.md."""
    otlp_headers: dict[Annotated[str, BeforeValidator(_header)], _Held] = {}
    """By name, such as the token that a vendor asks for; https, or loopback."""
    prometheus: Annotated[str, BeforeValidator(_metrics_path)] = "/metrics"
    """Where the metrics stand on the admin listener."""
    keep: Annotated[float, Strict(), Field(ge=0, le=1)] = 0.05
    """The share of ordinary calls that are traced; failed, slow and degraded ones are besides."""
    server_timing: _Flag = False
    """Whether answers carry a Server-Timing header, for whoever sets a gateway up: how long each stage took, and how
    the call ended, also where nobody was to see that."""


class File(_Wire):
    """`wardgate.yaml` (docs/configuration.md)."""

    environment: Literal["production", "staging", "test", "demo"]
    public_url: _Url | None = None
    """Where EHRs reach the gateway; its path stands before /cds-services."""
    listen: _Listen
    paths: _Paths = _Paths()
    """From this file's folder; every other relative path starts at the file that names it."""
    admin: _Admin = _Admin()
    insecure_demo: _Flag = False
    """No authentication: one client, loopback, never in production; stands for all approvals."""
    discovery: _Discovery = _Discovery()
    clients: Annotated[tuple[_Client, ...], Field(min_length=1)]
    attributes: _Attributes = _Attributes()
    """Who and where, from prefetched resources only."""
    sources: dict[str, _Feed] = {}
    """By the name that features give as `source`: who owns the feed, how often it refreshes."""
    model_hosts: tuple[Annotated[str, BeforeValidator(_authority)], ...]
    """host:port; no other is ever called for a score."""
    stores: _Stores = _Stores()
    pseudonym_key: _PseudonymKey | None = None
    snapshot: _Snapshot = _Snapshot()
    limits: _Limits = _Limits()
    telemetry: _Telemetry = _Telemetry()
    http_client: Literal["aiohttp", "pyreqwest"] = "aiohttp"
    """pyreqwest needs the extra of that name."""


# --- reading --------------------------------------------------------------------------------------------------------


def read_settings(document: Document) -> Settings:
    """Raises ConfigurationError with everything that is wrong with `wardgate.yaml` itself."""
    try:
        file = File.model_validate(document.data)
    except ValidationError as error:
        errors: Sequence[Any] = error.errors(include_url=False)
        raise ConfigurationError(findings_of(document, errors, File)) from None
    findings = [
        *_demo_problems(document, file),
        *_client_problems(document, file),
        *_listener_problems(document, file),
        *_telemetry_problems(document, file),
    ]
    if findings:
        raise ConfigurationError(findings)
    key = file.pseudonym_key
    return Settings(
        environment=file.environment,
        insecure_demo=file.insecure_demo,
        listen=Listen(file.listen.host, file.listen.port),
        admin=Listen(file.admin.listen.host, file.admin.listen.port),
        public_url=file.public_url,
        base_path="" if file.public_url is None else urlsplit(file.public_url).path.rstrip("/"),
        cds_hooks=file.discovery.cds_hooks,
        clients=tuple(client.client() for client in file.clients),
        attributes=file.attributes.specs(),
        model_hosts=frozenset(file.model_hosts),
        limits=Limits(
            file.limits.body, file.limits.depth, file.limits.concurrency, file.limits.queue, file.limits.read
        ),
        hot=None if file.stores.hot == "memory" else _store_place(file.stores.hot),
        pseudonym_key=() if key is None else (key.env, *key.previous),
        telemetry=Telemetry(
            file.telemetry.otlp,
            {name: held.env for name, held in file.telemetry.otlp_headers.items()},
            file.telemetry.prometheus,
            file.telemetry.keep,
        ),
        server_timing=file.telemetry.server_timing,
        http_client=file.http_client,
    )


def require_startable(settings: Settings, document: Document) -> None:
    """What `check` lets pass, and a start does not. Raises ConfigurationError."""
    if not settings.insecure_demo:
        what = "authentication is not built yet: insecure_demo: true is the only way to start"
        remedy = "set `insecure_demo: true` and an environment other than production, on loopback with one client"
        raise ConfigurationError([document.finding(("insecure_demo",), what, remedy)])


def require_shared(settings: Settings, document: Document) -> None:
    """What several workers need. Raises ConfigurationError."""
    if settings.hot is None:
        what = "several workers need a hot store that they share"
        remedy = "write the URL of a Redis, redis://…, or start with one worker"
        raise ConfigurationError([document.finding(("stores", "hot"), what, remedy)])
    if not settings.pseudonym_key:
        what, remedy = "several workers need one key for pseudonyms", "add `pseudonym_key: {env: NAME}`"
        raise ConfigurationError([document.finding(("pseudonym_key",), what, remedy)])


_FIXED = {
    "listen": "listen",
    "admin": "admin.listen",
    "http_client": "http_client",
    "hot": "stores.hot",
    "pseudonym_key": "pseudonym_key",
    "telemetry.otlp": "telemetry.otlp",
    "telemetry.otlp_headers": "telemetry.otlp_headers",
    "telemetry.prometheus": "telemetry.prometheus",
}
"""What holds for the life of a process, with its key in the file."""


def refuse_fixed(before: Settings, after: Settings) -> None:
    """What a reload cannot change. Raises ConfigurationError."""
    changed = [key for name, key in _FIXED.items() if attrgetter(name)(before) != attrgetter(name)(after)]
    if changed:
        what, remedy = "changed, which only a restart can do", "restart, or put back what was there"
        raise ConfigurationError([Finding("wardgate.yaml", 0, key, what, remedy) for key in changed])


def read_secrets(
    settings: Settings, document: Document, folder: Path, environment: Mapping[str, str] | None = None
) -> Secrets:
    """What the file names and does not hold; `folder` is the file's. Raises ConfigurationError with all that is
    missing: a check passes without it, on another machine, and a start does not."""
    held = os.environ if environment is None else environment  # noqa: TID251 - here it is read, once
    findings: list[Finding] = []
    secrets = []
    for number, name in enumerate(settings.pseudonym_key):
        place: Place = ("pseudonym_key", *(("env",) if number == 0 else ("previous", number - 1)))
        secret = _secret(held.get(name))
        if secret is None:
            remedy = f"set {name} to {SECRET_BYTES} random bytes or more, such as `openssl rand -base64 {SECRET_BYTES}`"
            findings.append(document.finding(place, "the environment holds no key of sufficient length", remedy))
        else:
            secrets.append(secret)
    if not settings.pseudonym_key and not settings.insecure_demo:
        remedy = "add `pseudonym_key: {env: NAME}`, and the key to the environment"
        findings.append(document.finding(("pseudonym_key",), "no key for pseudonyms is named", remedy))
    hot = settings.hot and _with_secrets(settings.hot, document, folder, held, findings)
    headers = {name: held.get(variable, "").strip() for name, variable in settings.telemetry.otlp_headers.items()}
    for name, value in headers.items():
        if not re.fullmatch(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?", value):
            what, remedy = "the environment holds no text for this header", "set the variable that it names"
            findings.append(document.finding(("telemetry", "otlp_headers", name), what, remedy))
    if findings:
        raise ConfigurationError(findings)
    return Secrets(tuple(secrets), hot, headers)


def _secret(text: str | None) -> bytes | None:
    """The bytes of a key: what its base64 stands for, where it is some and long enough; else the text's own."""
    if text is None:
        return None
    text = text.strip()
    if re.fullmatch(r"(?:[A-Za-z0-9+/]+|[A-Za-z0-9_-]+)={0,2}", text):
        digits = text.rstrip("=").replace("-", "+").replace("_", "/")
        try:
            raw = b64decode(digits + "=" * (-len(digits) % 4))
        except ValueError:  # no number of bytes has this many digits
            raw = b""
        if len(raw) >= SECRET_BYTES:
            return raw
    plain = text.encode("utf-8", "surrogateescape")
    return plain if len(plain) >= SECRET_BYTES else None


def _with_secrets(
    hot: StorePlace, document: Document, folder: Path, held: Mapping[str, str], findings: list[Finding]
) -> StorePlace:
    named = re.fullmatch(rf"\$\{{({_NAME})\}}", hot.password or "")
    password = hot.password if named is None else held.get(named[1])
    if named is not None and not password:
        what, remedy = "the environment holds no password for this store", f"set {named[1]}"
        findings.append(document.finding(("stores", "hot"), what, remedy))
    ca, certificate, key = [
        None if file is None else str((folder / file).resolve()) for file in (hot.ca, hot.certificate, hot.key)
    ]
    if not all([file is None or os.access(file, os.R_OK) for file in (ca, certificate, key)]):
        what, remedy = "a file of this store cannot be read", "name files that can, from this file's folder"
        findings.append(document.finding(("stores", "hot"), what, remedy))
    return replace(hot, password=password, ca=ca, certificate=certificate, key=key)


def _demo_problems(document: Document, file: File) -> list[Finding]:
    if not file.insecure_demo:
        return []
    findings = []
    if file.environment == "production":
        remedy = "set it to false, or name another environment"
        findings.append(document.finding(("insecure_demo",), "insecure_demo in production", remedy))
    if len(file.clients) != 1:
        what, remedy = "insecure_demo takes exactly one client: every call is hers", "keep one"
        findings.append(document.finding(("clients",), what, remedy))
    listeners: tuple[tuple[Place, str], ...] = (
        (("listen", "host"), file.listen.host),
        (("admin", "listen", "host"), file.admin.listen.host),
    )
    for place, host in listeners:
        if not is_loopback(host):
            what = "insecure_demo listens on loopback only"
            findings.append(document.finding(place, what, "write 127.0.0.1"))
    return findings


def _listener_problems(document: Document, file: File) -> list[Finding]:
    listen, admin = file.listen, file.admin.listen
    if listen.port == admin.port != 0 and listen.host == admin.host:
        what, remedy = "the address of the EHR's listener", "give the admin listener a port of its own"
        return [document.finding(("admin", "listen", "port"), what, remedy)]
    return []


def _telemetry_problems(document: Document, file: File) -> list[Finding]:
    telemetry, admin = file.telemetry, ("/health", "/admin")
    findings = []
    if telemetry.prometheus.startswith(admin):
        what, remedy = "a path of the admin listener's own", "write another, such as /metrics"
        findings.append(document.finding(("telemetry", "prometheus"), what, remedy))
    if telemetry.otlp_headers and telemetry.otlp is not None:
        parts = urlsplit(telemetry.otlp)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            what, remedy = "a token over plain http", "write https, or send to a collector on loopback"
            findings.append(document.finding(("telemetry", "otlp"), what, remedy))
    return findings


def _client_problems(document: Document, file: File) -> list[Finding]:
    findings = []
    names = [client.name for client in file.clients]
    for number, client in enumerate(file.clients):
        place: Place = ("clients", number)
        if client.name in names[:number]:
            findings.append(document.finding((*place, "name"), "two clients have this name", "rename one"))
        if not file.insecure_demo:
            findings += _credential_problems(document, client, place)
        if file.environment == "production":
            findings += _server_problems(document, client, place)
    return findings


def _credential_problems(document: Document, client: _Client, place: Place) -> list[Finding]:
    findings = []
    if client.issuer is None:
        what = "`issuer` is required where calls are authenticated"
        findings.append(document.finding((*place, "issuer"), what, "add the `iss` of the client's tokens"))
    if client.keys is None:
        what = "`keys` is required where calls are authenticated"
        findings.append(document.finding((*place, "keys"), what, "add `keys: {jwks_url: …}` or jwks_file"))
    elif (client.keys.jwks_url is None) == (client.keys.jwks_file is None):
        what = "keys come from one place"
        findings.append(document.finding((*place, "keys"), what, "give jwks_url or jwks_file"))
    return findings


def _server_problems(document: Document, client: _Client, place: Place) -> list[Finding]:
    findings = []
    for number, server in enumerate(client.fhir_servers):
        parts = urlsplit(server)
        where: Place = (*place, "fhir_servers", number)
        if parts.scheme != "https":
            findings.append(document.finding(where, "plain http in production", "write https"))
        elif _is_private(parts.hostname or ""):
            what, remedy = "a private address in production", "name the server's public host"
            findings.append(document.finding(where, what, remedy))
    return findings


def is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _is_private(host: str) -> bool:
    address = _address(host)
    if address is None:
        return host == "localhost" or host.endswith(".localhost")
    return not address.is_global


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
