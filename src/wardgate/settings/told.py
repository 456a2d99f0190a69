"""What the gateway is told: one frozen tree, and the secrets beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wardgate.domain.clients import Client
from wardgate.domain.context.caller import AttributeSpec
from wardgate.domain.durable import DurablePlace
from wardgate.domain.hot import StorePlace
from wardgate.domain.registrations import Registration
from wardgate.records.archive import Kind


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files, as the file names them."""

    cert: str
    key: str
    client_ca: str | None = None

    def below(self, folder: Path) -> "Tls":
        """By their whole paths; `folder` is the file's."""
        ca = None if self.client_ca is None else str((folder / self.client_ca).resolve())
        return Tls(str((folder / self.cert).resolve()), str((folder / self.key).resolve()), ca)


@dataclass(frozen=True, slots=True)
class Listen:
    host: str
    port: int
    tls: Tls | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """A client that is authenticated, and where its keys are: at one address, or in a file as the file names it."""

    registration: Registration
    jwks_url: str | None
    jwks_file: str | None


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
class Anchoring:
    """How anchors of the audit chain are exported, files as the configuration names them."""

    key: str
    folder: str
    every: float
    """Seconds."""


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
    origin: str
    """What stands before that path; "" where there is no `public_url`."""
    cds_hooks: str
    clients: tuple[Client, ...]
    registered: tuple[Registered, ...]
    """The clients, as they are authenticated; empty under insecure_demo."""
    attributes: tuple[AttributeSpec, ...]
    model_hosts: frozenset[str]
    limits: Limits
    hot: StorePlace | None
    """Of the shared hot store, its password and files as the file names them; None: in process."""
    spool: str
    """The folder of records on their way to the durable store, as the file names it."""
    spool_limit: int
    """Bytes of it, for each worker."""
    durable: DurablePlace
    """Of records, its password and files as the file names them."""
    lease: float
    """Seconds that a replica shows cards without having read what people have decided."""
    retention: Mapping[Kind, float]
    """Seconds that each kind of record is kept."""
    custodian: str | None
    """The file of the custodian's public key, as the file names it."""
    anchoring: Anchoring | None
    pseudonym_key: tuple[str, ...]
    """The environment variables that hold it: the current one first; empty where none is named."""
    telemetry: Telemetry
    server_timing: bool
    """Whether answers say how long each stage took, and how the call ended."""
    http_client: str


@dataclass(frozen=True, slots=True)
class Secrets:
    """What stands outside of the file: values of the environment, and files by their whole path."""

    spool: Path
    pseudonym: tuple[bytes, ...] = field(default=(), repr=False)
    """The current secret first. Empty: the gateway draws one for itself (insecure_demo)."""
    hot: StorePlace | None = None
    durable: DurablePlace | None = None
    """None: records are not kept."""
    custodian: bytes | None = None
    """The custodian's public key, which is no secret."""
    otlp_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    key_sets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """What stands in the clients' `jwks_file`, by the name of the client: public keys."""
    tls: tuple[Tls | None, Tls | None] = (None, None)
    """Of the EHR's listener and of the admin listener, by whole paths."""
    anchor_key: bytes | None = field(default=None, repr=False)
    anchors: Path | None = None
    """The folder of the anchors of the audit chain; None, as the key: none are made."""
