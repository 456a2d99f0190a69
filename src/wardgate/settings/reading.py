"""From the file to what the gateway is told; every error is reported together."""

import os
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from wardgate.domain.documents import Document, Place, findings_of
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.findings import Finding
from wardgate.domain.hot import StorePlace
from wardgate.domain.pseudonyms import SECRET_BYTES
from wardgate.settings import durable
from wardgate.settings.addresses import is_loopback, is_private
from wardgate.settings.durable import NAME
from wardgate.settings.file import ClientFile, File
from wardgate.settings.told import Anchoring, Limits, Registered, Secrets, Settings, Telemetry, Tls
from wardgate.settings.values import store_place


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
        *_issuer_problems(document, file),
        *_listener_problems(document, file),
        *_telemetry_problems(document, file),
    ]
    if findings:
        raise ConfigurationError(findings)
    key = file.pseudonym_key
    base = "" if file.public_url is None else urlsplit(file.public_url).path.rstrip("/")
    return Settings(
        environment=file.environment,
        insecure_demo=file.insecure_demo,
        listen=file.listen.listen(),
        admin=file.admin.listen.listen(),
        public_url=file.public_url,
        base_path=base,
        origin="" if file.public_url is None else file.public_url.removesuffix(base),
        cds_hooks=file.discovery.cds_hooks,
        clients=tuple(client.client() for client in file.clients),
        registered=() if file.insecure_demo else _registered(file.clients),
        attributes=file.attributes.specs(),
        model_hosts=frozenset(file.model_hosts),
        limits=Limits(
            file.limits.body, file.limits.depth, file.limits.concurrency, file.limits.queue, file.limits.read
        ),
        hot=None if file.stores.hot == "memory" else store_place(file.stores.hot),
        spool=file.stores.spool,
        spool_limit=file.stores.spool_limit,
        durable=durable.durable_place(file.stores.durable),
        lease=file.snapshot.lease,
        retention=file.retention.by_kind(),
        custodian=None if file.custody is None else file.custody.public_key,
        anchoring=None
        if file.audit is None
        else Anchoring(file.audit.anchor_key, file.audit.anchors, file.audit.every),
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


def _registered(clients: Sequence[ClientFile]) -> tuple[Registered, ...]:
    return tuple(registered for client in clients if (registered := client.registered()) is not None)


def require_shared(settings: Settings, document: Document) -> None:
    """What several workers need. Raises ConfigurationError."""
    if settings.hot is None:
        what = "several workers need a hot store that they share"
        remedy = "write the URL of a Redis, redis://…, or start with one worker"
        raise ConfigurationError([document.finding(("stores", "hot"), what, remedy)])


_FIXED = {
    "listen": "listen",
    "admin": "admin.listen",
    "http_client": "http_client",
    "hot": "stores.hot",
    "spool": "stores.spool",
    "spool_limit": "stores.spool_limit",
    "durable": "stores.durable",
    "lease": "snapshot.lease",
    "pseudonym_key": "pseudonym_key",
    "custodian": "custody",
    "anchoring": "audit",
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
    kept = durable.held(settings.durable, document, folder, held, findings)
    headers = {name: held.get(variable, "").strip() for name, variable in settings.telemetry.otlp_headers.items()}
    for name, value in headers.items():
        if not re.fullmatch(r"[\x20-\x7e]+", value):
            what, remedy = "the environment holds no text for this header", "set the variable that it names"
            findings.append(document.finding(("telemetry", "otlp_headers", name), what, remedy))
    custodian = _custodian(settings, document, folder, findings)
    key_sets, unread = read_key_sets(settings, document, folder)
    findings += unread
    tls = _tls(settings, document, folder, findings)
    anchoring = settings.anchoring
    anchor_key = None if anchoring is None else _anchor_key(anchoring, document, folder, findings)
    anchors = None if anchoring is None else (folder / anchoring.folder).resolve()
    if findings:
        raise ConfigurationError(findings)
    spool = (folder / settings.spool).resolve()
    return Secrets(spool, tuple(secrets), hot, kept, custodian, headers, key_sets, tls, anchor_key, anchors)


def read_key_sets(settings: Settings, document: Document, folder: Path) -> tuple[dict[str, bytes], list[Finding]]:
    """What stands in the clients' `jwks_file`, by the name of the client; and those that cannot be read."""
    found: dict[str, bytes] = {}
    findings: list[Finding] = []
    for number, registered in enumerate(settings.registered):
        if registered.jwks_file is None:
            continue
        try:
            found[registered.registration.client.name] = (folder / registered.jwks_file).read_bytes()
        except OSError:
            place: Place = ("clients", number, "keys", "jwks_file")
            what, remedy = "the client's key set cannot be read", "name a JSON Web Key Set, from this file's folder"
            findings.append(document.finding(place, what, remedy))
    return found, findings


def _tls(
    settings: Settings, document: Document, folder: Path, findings: list[Finding]
) -> tuple[Tls | None, Tls | None]:
    places: tuple[Place, Place] = (("listen", "tls"), ("admin", "listen", "tls"))
    found = []
    for place, listen in zip(places, (settings.listen, settings.admin), strict=True):
        tls = None if listen.tls is None else listen.tls.below(folder)
        found.append(tls)
        files = {} if tls is None else {"cert": tls.cert, "key": tls.key, "client_ca": tls.client_ca}
        for name, file in files.items():
            if file is not None and not os.access(file, os.R_OK):
                what, remedy = "the file cannot be read", "name a PEM file that can, from this file's folder"
                findings.append(document.finding((*place, name), what, remedy))
    return found[0], found[1]


def admin_token(environment: Mapping[str, str] | None = None) -> str | None:
    """What a command shows the admin listener: `WARDGATE_TOKEN`. A command line is no place for it, others see that."""
    held = os.environ if environment is None else environment  # noqa: TID251 - the commands' variables, read here
    return held.get("WARDGATE_TOKEN") or None


def admin_certificates(environment: Mapping[str, str] | None = None) -> tuple[str | None, str | None]:
    """Files by which a command and an admin listener with TLS know each other: `WARDGATE_ADMIN_CA`, the authority of
    the listener's certificate where this machine does not know it, and `WARDGATE_ADMIN_CERT`, the command's own
    certificate and key, where the listener asks for one."""
    held = os.environ if environment is None else environment  # noqa: TID251 - the commands' variables, read here
    return held.get("WARDGATE_ADMIN_CA") or None, held.get("WARDGATE_ADMIN_CERT") or None


def _custodian(settings: Settings, document: Document, folder: Path, findings: list[Finding]) -> bytes | None:
    if settings.custodian is None:
        return None
    try:
        return (folder / settings.custodian).read_bytes()
    except OSError:
        what, remedy = "the custodian's public key cannot be read", "name a PEM file, from this file's folder"
        findings.append(document.finding(("custody", "public_key"), what, remedy))
        return None


def _anchor_key(anchoring: Anchoring, document: Document, folder: Path, findings: list[Finding]) -> bytes | None:
    try:
        return (folder / anchoring.key).read_bytes()
    except OSError:
        what, remedy = "the key of the anchors cannot be read", "name a PEM file, from this file's folder"
        findings.append(document.finding(("audit", "anchor_key"), what, remedy))
        return None


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
    named = re.fullmatch(rf"\$\{{({NAME})\}}", hot.password or "")
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
    telemetry, findings = file.telemetry, []
    if re.match(r"/(?:health|admin)(?:/|$)", telemetry.prometheus):
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


def _credential_problems(document: Document, client: ClientFile, place: Place) -> list[Finding]:
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
    elif client.keys.jwks_url is not None and not _is_safe(client.keys.jwks_url):
        what = "plain http: whoever is on the way could put a key of hers there"
        findings.append(document.finding((*place, "keys", "jwks_url"), what, "write https (http on loopback only)"))
    return findings


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


def _issuer_problems(document: Document, file: File) -> list[Finding]:
    """A token must be of one client, and it must be known under which URL it was called."""
    if file.insecure_demo:
        return []
    findings = []
    for number, client in enumerate(file.clients):
        others = [one for one in file.clients if one is not client and one.issuer == client.issuer is not None]
        if others and (client.tenant is None or any(one.tenant == client.tenant for one in others)):
            what = "clients that share an issuer are told apart by `tenant`"
            place: Place = ("clients", number, "tenant")
            findings.append(document.finding(place, what, "give each of them one of its own"))
    if file.public_url is None:
        what = "`public_url` is required where calls are authenticated: tokens name it as their audience"
        findings.append(document.finding(("public_url",), what, "add the URL under which EHRs reach the gateway"))
    elif file.environment == "production" and urlsplit(file.public_url).scheme != "https":
        findings.append(document.finding(("public_url",), "plain http in production", "write https"))
    return findings


def _server_problems(document: Document, client: ClientFile, place: Place) -> list[Finding]:
    findings = []
    for number, server in enumerate(client.fhir_servers):
        parts = urlsplit(server)
        where: Place = (*place, "fhir_servers", number)
        if parts.scheme != "https":
            findings.append(document.finding(where, "plain http in production", "write https"))
        elif is_private(parts.hostname or ""):
            what, remedy = "a private address in production", "name the server's public host"
            findings.append(document.finding(where, what, remedy))
    return findings
