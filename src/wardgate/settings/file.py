"""`wardgate.yaml` as it is written: every key with its type, default and bounds."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict

from wardgate.domain.clients import Client
from wardgate.domain.context.caller import AttributeSpec
from wardgate.domain.documents import duration_of
from wardgate.domain.registrations import Registration, Replay
from wardgate.records.archive import Kind
from wardgate.settings.told import Listen, Registered, Tls
from wardgate.settings.values import (
    DAY,
    Count,
    Duration,
    Flag,
    Kept,
    KeyUrl,
    Port,
    Text,
    Url,
    Variable,
    authority_of,
    durable_store_of,
    header_of,
    hot_store_of,
    lease_of,
    metrics_path_of,
    origin_of,
    path_of,
    size_of,
    spool_size_of,
    zone_of,
)


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Tls(_Wire):
    cert: Text
    """A PEM file: the certificate, and those between it and its root. Read again at a reload."""
    key: Text
    """A PEM file with its private key, without a password."""
    client_ca: Text | None = None
    """A PEM file: whoever connects needs a certificate that one of these has signed (mutual TLS)."""


class _Listen(_Wire):
    host: Text = "127.0.0.1"
    port: Port
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
    services: Text = "services"
    models: Text = "models"
    rules: Text = "rules"
    cards: Text = "../cards"
    governance: Text = "governance.yaml"


class _Discovery(_Wire):
    cds_hooks: Literal["2.0", "3.0"] = "2.0"
    """3.0 adds version and hookVersion."""


class _Keys(_Wire):
    jwks_url: KeyUrl | None = None
    """The one address that is ever fetched for this client; https, or http on loopback."""
    jwks_file: Text | None = None
    """Read at start and at a reload."""
    jku: tuple[KeyUrl, ...] = ()
    """Addresses that its tokens may name besides jwks_url; they are never fetched. With jwks_file and none here, a
    token may name any."""


class ClientFile(_Wire):
    name: Text
    """An EHR's name in records and metrics."""
    issuer: Text | None = None
    """The `iss` of its tokens, letter by letter. Required without insecure_demo, as `keys`."""
    tenant: Text | None = None
    """The `tenant` of its tokens, where a vendor signs for many organisations: clients that share an issuer have one
    each. Without it, a token's is not looked at."""
    keys: _Keys | None = None
    """jwks_url or jwks_file."""
    algorithms: Annotated[tuple[Literal["ES384", "RS384", "ES256", "RS256"], ...], Field(min_length=1)] = (
        "ES384",
        "RS384",
    )
    audiences: tuple[Text, ...] = ()
    """Accepted besides the URL that was called under public_url."""
    replay: Literal["strict", "reject", "allow"] = "reject"
    """strict refuses when the shared cache is down; allow is for a test client that reuses its token."""
    leeway: Annotated[float, BeforeValidator(duration_of), Field(ge=0, le=300)] = 60.0
    """By how much its clock may differ from ours; 5m at most."""
    max_age: Annotated[float, BeforeValidator(duration_of), Field(ge=60, le=86400)] = 3600.0
    """How long after its `iat` a token counts, whatever its `exp`: 1m to 1d. So long its `jti` is remembered."""
    fhir_servers: tuple[Url, ...] = ()
    """FHIR bases, compared whole; no token goes anywhere else."""
    origins: tuple[Annotated[str, BeforeValidator(origin_of)], ...] = ()
    """Of browsers, exact, or http://localhost:* and http://127.0.0.1:*."""
    site: Text | None = None
    """Where its calls come from, unless `attributes.site` is declared."""
    timezone: Annotated[str, BeforeValidator(zone_of)] = "UTC"
    """IANA name: how its dates, and its times without an offset, are read."""
    profile: Literal["standard", "epic"] = "standard"
    """What it takes of cards; `check` proves every card for it (docs/cards.md)."""
    system_actions: Flag = False
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
    path: Annotated[str, BeforeValidator(path_of)]
    """In dots."""
    map: Annotated[dict[str, Text], Field(min_length=1)]
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
    owner: Text | None = None
    refresh: Duration | None = None


class _Stores(_Wire):
    hot: Annotated[str, BeforeValidator(hot_store_of), Field(repr=False)] = "memory"
    """memory, or redis:// (rediss:// with TLS) for several replicas: docs/stores.md."""
    durable: Annotated[str, BeforeValidator(durable_store_of), Field(repr=False)] = "sqlite:///var/wardgate.db"
    """sqlite:/// and a path, or postgresql:// for several replicas: docs/stores.md."""
    spool: Text = "var/spool"
    """A folder of the local disk: decision records on their way to the durable store (docs/records.md)."""
    spool_limit: Annotated[int, BeforeValidator(spool_size_of)] = 1024 * 1024**2
    """Of the spool of each worker. A full one withholds cards."""


class _Retention(_Wire):
    decisions: Kept = 400 * DAY
    """Since the call. A year, with a month to look back on it."""
    feedback: Kept = 400 * DAY
    """Since it came; without its decision it says little."""
    outcomes: Kept = 1100 * DAY
    """Since they came: three years, for models that look two years ahead."""
    access: Kept = 2190 * DAY
    """Since somebody looked at records: six years, as the HIPAA Security Rule has it for documentation."""
    custody: Kept = 400 * DAY
    """Since a patient was last seen: as long as a decision about her may be asked about."""

    def by_kind(self) -> dict[Kind, float]:
        return {kind: getattr(self, kind.value) for kind in Kind}


class _Custody(_Wire):
    public_key: Text
    """A PEM file with the custodian's X25519 public key. Patients who had a card are kept sealed for her, beside their
    pseudonyms; her private key never comes here: docs/stores.md."""


class _Audit(_Wire):
    anchor_key: Text
    """A PEM file with an Ed25519 private key, which signs the anchors of the audit chain: docs/audit.md."""
    anchors: Text = "var/anchors"
    """The folder that anchors are exported to: a copy of it on another machine shows what was cut off here."""
    every: Duration = 3600.0
    """How often, where there is something new."""


class _PseudonymKey(_Wire):
    env: Variable
    """The environment variable that holds it: 32 bytes or more, in base64 or as they are."""
    previous: tuple[Variable, ...] = ()
    """Those of the secrets that it replaced, while what they wrote is still looked up."""


class _Snapshot(_Wire):
    lease: Annotated[Duration, AfterValidator(lease_of)] = 30.0
    """How long a replica that cannot read what people have decided goes on showing cards; then it hides them."""


class _Limits(_Wire):
    body: Annotated[int, BeforeValidator(size_of)] = 2 * 1024**2
    """Of a request; 413 above it."""
    depth: Annotated[int, Strict(), Field(ge=8, le=256)] = 64
    """Levels of nesting in a request."""
    concurrency: Count = 256
    """Calls that are worked on at a time."""
    queue: Annotated[int, Strict(), Field(ge=0)] = 128
    """Calls that may wait for a place; the others are answered with 503 at once, the lowest risk tier first."""
    read: Duration = 5.0
    """The time to receive a request's body."""


class _Held(_Wire):
    env: Variable
    """The environment variable that holds it."""


class _Telemetry(_Wire):
    otlp: Url | None = None
    """Where traces go (OTLP over HTTP, docs/telemetry.md), as http://127.0.0.1:4318; /v1/traces may be left out."""
    otlp_headers: dict[Annotated[str, BeforeValidator(header_of)], _Held] = {}
    """By name, such as the token that a vendor asks for; https, or loopback."""
    prometheus: Annotated[str, BeforeValidator(metrics_path_of)] = "/metrics"
    """Where the metrics stand on the admin listener."""
    keep: Annotated[float, Strict(), Field(ge=0, le=1)] = 0.05
    """The share of ordinary calls that are traced; failed, slow and degraded ones are besides."""
    server_timing: Flag = False
    """Whether answers carry a Server-Timing header, for whoever sets a gateway up: how long each stage took, and how
    the call ended, also where nobody was to see that."""


class File(_Wire):
    """`wardgate.yaml` (docs/configuration.md)."""

    environment: Literal["production", "staging", "test", "demo"]
    public_url: Url | None = None
    """Where EHRs reach the gateway; its path stands before /cds-services."""
    listen: _Listen
    paths: _Paths = _Paths()
    """From this file's folder; every other relative path starts at the file that names it."""
    admin: _Admin = _Admin()
    insecure_demo: Flag = False
    """No authentication: one client, loopback, never in production; stands for all approvals. Otherwise each client
    needs `issuer` and `keys`, and the gateway a `public_url`."""
    discovery: _Discovery = _Discovery()
    clients: Annotated[tuple[ClientFile, ...], Field(min_length=1)]
    attributes: _Attributes = _Attributes()
    """Who and where, from prefetched resources only."""
    sources: dict[str, _Feed] = {}
    """By the name that features give as `source`: who owns the feed, how often it refreshes."""
    model_hosts: tuple[Annotated[str, BeforeValidator(authority_of)], ...]
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
