"""`wardgate.yaml` as it is written: every key with its type, default and bounds."""

import re
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict

from wardgate.domain.clients import Client
from wardgate.domain.context.caller import AttributeSpec
from wardgate.domain.context.paths import compile_path
from wardgate.domain.documents import Wrong, duration_of
from wardgate.domain.hot import StorePlace
from wardgate.domain.registrations import Registration, Replay
from wardgate.domain.units import parse_size
from wardgate.records.archive import Kind
from wardgate.settings.durable import NAME, durable_place
from wardgate.settings.told import Listen, Registered, Tls


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _text(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise Wrong("the text is empty", "write it, or remove the key")
    return value


def _size(value: object) -> int:
    size = _sized(value)
    if not 0 < size <= _LARGEST_BODY:
        raise Wrong("a size out of bounds", "write one above 0, and 64MiB at most")
    return size


def _spool_size(value: object) -> int:
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


def _lease(value: float) -> float:
    if not 2.0 <= value <= 3600.0:
        raise ValueError("is 2s to 1h: a shorter one hides cards at each hiccup of a store")
    return value


def _durable_store(value: object) -> object:
    if isinstance(value, str):
        durable_place(value)
    return value


def _at_least_a_day(seconds: float) -> float:
    if seconds < _DAY:
        raise Wrong("less than a day", "write a day or more, such as 400d: what is purged is gone")
    return seconds


_LARGEST_BODY = 64 * 1024**2
_SMALLEST_SPOOL = 16 * 1024**2
_DAY = 86400.0
_TLS_FILES = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_HOT_REMEDY = "write memory, or redis://user:${NAME}@host:6379/0 (rediss:// with TLS); NAME is an environment variable"

_Text = Annotated[str, BeforeValidator(_text)]
_Url = Annotated[str, BeforeValidator(_url)]
_KeyUrl = Annotated[str, BeforeValidator(_key_url)]
_Variable = Annotated[str, BeforeValidator(_variable)]
_Flag = Annotated[bool, Strict()]
_Port = Annotated[int, Strict(), Field(ge=0, le=65535)]
_Count = Annotated[int, Strict(), Field(ge=1)]
_Duration = Annotated[float, BeforeValidator(duration_of)]
_Kept = Annotated[float, BeforeValidator(duration_of), AfterValidator(_at_least_a_day)]


class _Tls(_Wire):
    cert: _Text
    """A PEM file: the certificate, and those between it and its root. Read again at a reload."""
    key: _Text
    """A PEM file with its private key, without a password."""
    client_ca: _Text | None = None
    """A PEM file: whoever connects needs a certificate that one of these has signed (mutual TLS)."""


class _Listen(_Wire):
    host: _Text = "127.0.0.1"
    port: _Port
    """0 takes a free one."""
    tls: _Tls | None = None
    """Without it, TLS ends in a proxy in front (docs/security.md)."""

    def listen(self) -> Listen:
        tls = None if self.tls is None else Tls(self.tls.cert, self.tls.key, self.tls.client_ca)
        return Listen(self.host, self.port, tls)


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
    jwks_url: _KeyUrl | None = None
    """The one address that is ever fetched for this client; https, or http on loopback."""
    jwks_file: _Text | None = None
    """Read at start and at a reload."""
    jku: tuple[_KeyUrl, ...] = ()
    """Addresses that its tokens may name besides jwks_url; they are never fetched. With jwks_file and none here, a
    token may name any."""


class ClientFile(_Wire):
    name: _Text
    """An EHR's name in records and metrics."""
    issuer: _Text | None = None
    """The `iss` of its tokens, letter by letter. Required without insecure_demo, as `keys`."""
    tenant: _Text | None = None
    """The `tenant` of its tokens, where a vendor signs for many organisations: clients that share an issuer have one
    each. Without it, a token's is not looked at."""
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
    leeway: Annotated[float, BeforeValidator(duration_of), Field(ge=0, le=300)] = 60.0
    """By how much its clock may differ from ours; 5m at most."""
    max_age: Annotated[float, BeforeValidator(duration_of), Field(ge=60, le=86400)] = 3600.0
    """How long after its `iat` a token counts, whatever its `exp`: 1m to 1d. So long its `jti` is remembered."""
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

    def registered(self) -> Registered | None:
        """None where it is not authenticated."""
        if self.issuer is None or self.keys is None:
            return None
        named = (*self.keys.jku, self.keys.jwks_url)
        registration = Registration(
            self.client(),
            self.issuer,
            self.tenant,
            frozenset(self.algorithms),
            frozenset(self.audiences),
            frozenset(filter(None, named)) or None,
            Replay(self.replay),
            self.leeway,
            self.max_age,
        )
        return Registered(registration, self.keys.jwks_url, self.keys.jwks_file)


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
    encounter_type: _Attribute | None = None
    """For records, such as `{from: Encounter, path: class.code, map: {AMB: ambulatory, IMP: inpatient}}`."""

    def specs(self) -> tuple[AttributeSpec, ...]:
        declared = [(name, getattr(self, name)) for name in type(self).model_fields]
        return tuple(AttributeSpec(name, a.from_, a.path, a.map) for name, a in declared if a is not None)


class _Feed(_Wire):
    owner: _Text | None = None
    refresh: _Duration | None = None


class _Stores(_Wire):
    hot: Annotated[str, BeforeValidator(_hot_store), Field(repr=False)] = "memory"
    """memory, or redis:// (rediss:// with TLS) for several replicas: docs/stores.md."""
    durable: Annotated[str, BeforeValidator(_durable_store), Field(repr=False)] = "sqlite:///var/wardgate.db"
    """sqlite:/// and a path, or postgresql:// for several replicas: docs/stores.md."""
    spool: _Text = "var/spool"
    """A folder of the local disk: decision records on their way to the durable store (docs/records.md)."""
    spool_limit: Annotated[int, BeforeValidator(_spool_size)] = 1024 * 1024**2
    """Of the spool of each worker. A full one withholds cards."""


class _Retention(_Wire):
    decisions: _Kept = 400 * _DAY
    """Since the call. A year, with a month to look back on it."""
    feedback: _Kept = 400 * _DAY
    """Since it came; without its decision it says little."""
    outcomes: _Kept = 1100 * _DAY
    """Since they came: three years, for models that look two years ahead."""
    access: _Kept = 2190 * _DAY
    """Since somebody looked at records: six years, as the HIPAA Security Rule has it for documentation."""
    custody: _Kept = 400 * _DAY
    """Since a patient was last seen: as long as a decision about her may be asked about."""

    def by_kind(self) -> dict[Kind, float]:
        return {kind: getattr(self, kind.value) for kind in Kind}


class _Custody(_Wire):
    public_key: _Text
    """A PEM file with the custodian's X25519 public key. Patients who had a card are kept sealed for her, beside their
    pseudonyms; her private key never comes here: docs/stores.md."""


class _Audit(_Wire):
    anchor_key: _Text
    """A PEM file with an Ed25519 private key, which signs the anchors of the audit chain: docs/audit.md."""
    anchors: _Text = "var/anchors"
    """The folder that anchors are exported to: a copy of it on another machine shows what was cut off here."""
    every: _Duration = 3600.0
    """How often, where there is something new."""


class _PseudonymKey(_Wire):
    env: _Variable
    """The environment variable that holds it: 32 bytes or more, in base64 or as they are."""
    previous: tuple[_Variable, ...] = ()
    """Those of the secrets that it replaced, while what they wrote is still looked up."""


class _Snapshot(_Wire):
    lease: Annotated[_Duration, AfterValidator(_lease)] = 30.0
    """How long a replica that cannot read what people have decided goes on showing cards; then it hides them."""


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
    """Where traces go (OTLP over HTTP, docs/telemetry.md), as http://127.0.0.1:4318; /v1/traces may be left out."""
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
    """No authentication: one client, loopback, never in production; stands for all approvals. Otherwise each client
    needs `issuer` and `keys`, and the gateway a `public_url`."""
    discovery: _Discovery = _Discovery()
    clients: Annotated[tuple[ClientFile, ...], Field(min_length=1)]
    attributes: _Attributes = _Attributes()
    """Who and where, from prefetched resources only."""
    sources: dict[str, _Feed] = {}
    """By the name that features give as `source`: who owns the feed, how often it refreshes."""
    model_hosts: tuple[Annotated[str, BeforeValidator(_authority)], ...]
    """host:port; no other is ever called for a score."""
    stores: _Stores = _Stores()
    retention: _Retention = _Retention()
    """How long the durable store keeps each kind of record; then it is purged."""
    custody: _Custody | None = None
    """Without it, nobody can be told from a pseudonym but by whoever knows the id already."""
    audit: _Audit | None = None
    """Without it the audit chain is kept, and nothing proves its end."""
    pseudonym_key: _PseudonymKey | None = None
    snapshot: _Snapshot = _Snapshot()
    limits: _Limits = _Limits()
    telemetry: _Telemetry = _Telemetry()
    http_client: Literal["aiohttp", "pyreqwest"] = "aiohttp"
    """pyreqwest needs the extra of that name."""
