"""`wardgate.yaml`: what it may say, what the gateway takes from it, and when it does not start."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.fakes.config_tree import Edit, sound_config
from wardgate.adapters.files.yaml_documents import read_yaml
from wardgate.domain.context.caller import AttributeSpec
from wardgate.domain.documents import Document
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.hot import StorePlace
from wardgate.domain.registrations import Replay
from wardgate.settings import (
    Limits,
    Listen,
    Secrets,
    Settings,
    is_loopback,
    read_secrets,
    read_settings,
    refuse_fixed,
)

ROOT = Path(__file__).parents[2]

_PRODUCTION = [
    ("environment: test", "environment: production"),
    ("insecure_demo: true\n", ""),
    (
        "  - name: ehr\n",
        "  - name: ehr\n    issuer: https://ehr.example\n    keys: {jwks_url: https://ehr.example/jwks}\n",
    ),
    ("http://127.0.0.1:8083/fhir", "https://ehr.example/fhir"),
    ("http://127.0.0.1:8080", "https://cds.example"),
]


def _document(folder: Path, *edits: Edit) -> Document:
    return read_yaml(sound_config(folder, wardgate=list(edits)), "wardgate.yaml")


def _settings(folder: Path, *edits: Edit) -> Settings:
    return read_settings(_document(folder, *edits))


def _errors(folder: Path, *edits: Edit) -> list[tuple[int, str]]:
    with pytest.raises(ConfigurationError) as caught:
        _settings(folder, *edits)
    assert all(finding.remedy and finding.file == "wardgate.yaml" for finding in caught.value.findings)
    return [(finding.line, finding.key) for finding in caught.value.findings]


def test_a_demo_and_its_defaults(tmp_path: Path) -> None:
    """Everything that the file leaves out has its documented default."""
    settings = _settings(tmp_path)

    assert settings.insecure_demo and settings.environment == "test"
    assert (settings.listen, settings.admin) == (Listen("127.0.0.1", 8080), Listen("127.0.0.1", 8081))
    assert settings.limits == Limits(body=2 * 1024**2, depth=64, concurrency=256, queue=128, read=5.0)
    assert (settings.cds_hooks, settings.http_client, settings.base_path) == ("2.0", "aiohttp", "")
    assert settings.model_hosts == {"127.0.0.1:8082"}
    (client,) = settings.clients
    assert (client.name, client.site, client.zone) == ("ehr", "hospital_a", ZoneInfo("UTC"))
    assert client.fhir_servers == {"http://127.0.0.1:8083/fhir"}
    assert client.origins == ("http://localhost:*",)


def test_what_the_file_says_is_taken(tmp_path: Path) -> None:
    """Sizes in bytes, durations in seconds, URLs without their last slash."""
    settings = _settings(
        tmp_path,
        ("public_url: http://127.0.0.1:8080", "public_url: https://cds.example/ward/"),
        ("8083/fhir", "8083/fhir/"),
        ("    site: hospital_a\n", "    timezone: Europe/Vienna\n"),
        ("model_hosts:", "limits: {body: 64KiB, depth: 32, read: 500ms}\nhttp_client: pyreqwest\nmodel_hosts:"),
        ("environment: test", "environment: demo\nattributes:\n  unit: {from: Encounter, path: a.b, map: {W: w}}"),
    )

    assert (settings.base_path, settings.http_client) == ("/ward", "pyreqwest")
    assert (settings.limits.body, settings.limits.depth, settings.limits.read) == (65536, 32, 0.5)
    assert settings.clients[0].fhir_servers == {"http://127.0.0.1:8083/fhir"}
    assert settings.clients[0].zone == ZoneInfo("Europe/Vienna") and settings.clients[0].site is None
    assert settings.attributes == (AttributeSpec("unit", "Encounter", "a.b", {"W": "w"}),)


@pytest.mark.parametrize(
    ("edit", "line", "key"),
    [
        (("environment: test", "environment: prod"), 1, "environment"),
        (("environment: test\n", ""), 1, "environment"),
        (("model_hosts: [", "colour: blue\nmodel_hosts: ["), 11, "colour"),
        (("model_hosts: [", "model_hosts: [http://x, "), 11, "model_hosts.0"),
        (("model_hosts: [", "model_hosts: [X.example, "), 11, "model_hosts.0"),
        (("clients:\n", "clients:\n  - {name: other}\n"), 6, "clients"),
        (("listen: {host: 127.0.0.1, port: 8080}", "listen: {host: 0.0.0.0, port: 8080}"), 4, "listen.host"),
        (("listen: {host: 127.0.0.1, port: 8081}", "listen: {host: ehr.example, port: 8081}"), 5, "admin.listen.host"),
        (("port: 8081", "port: 8080"), 5, "admin.listen.port"),
        (("port: 8081", "port: 70000"), 5, "admin.listen.port"),
        (("port: 8081", "port: '8081'"), 5, "admin.listen.port"),
        (("8083/fhir", "8083/fhir?x=1"), 8, "clients.0.fhir_servers.0"),
        (("http://127.0.0.1:8083/fhir", "127.0.0.1/fhir"), 8, "clients.0.fhir_servers.0"),
        (("http://127.0.0.1:8083/fhir", "https://user:word@ehr.example/fhir"), 8, "clients.0.fhir_servers.0"),
        (("http://localhost:*", "http://localhost"), 0, ""),
        (("http://localhost:*", "http://ehr.example:*"), 9, "clients.0.origins.0"),
        (("http://localhost:*", "https://ehr.example/"), 9, "clients.0.origins.0"),
        (("http://localhost:*", "*"), 9, "clients.0.origins.0"),
        (("    site: hospital_a", "    timezone: Mars/Olympus"), 10, "clients.0.timezone"),
        (("    site: hospital_a", "    timezone: ../etc/passwd"), 10, "clients.0.timezone"),
        (("model_hosts:", "limits: {body: 2MB}\nmodel_hosts:"), 11, "limits.body"),
        (("model_hosts:", "limits: {body: 2000000}\nmodel_hosts:"), 11, "limits.body"),
        (("model_hosts:", "limits: {body: 1024MiB}\nmodel_hosts:"), 11, "limits.body"),
        (("model_hosts:", "limits: {depth: 2}\nmodel_hosts:"), 11, "limits.depth"),
        (("model_hosts:", "limits: {read: 5}\nmodel_hosts:"), 11, "limits.read"),
        (("model_hosts:", "stores: {hot: memcached}\nmodel_hosts:"), 11, "stores.hot"),
        (("model_hosts:", "stores: {hot: 'redis://'}\nmodel_hosts:"), 11, "stores.hot"),
        (("model_hosts:", "stores: {hot: 'redis://h:0'}\nmodel_hosts:"), 11, "stores.hot"),
        (("model_hosts:", "stores: {hot: 'redis://h:port'}\nmodel_hosts:"), 11, "stores.hot"),
        (("model_hosts:", "stores: {hot: 'redis://user@h'}\nmodel_hosts:"), 11, "stores.hot"),
        (("model_hosts:", "stores: {hot: 'redis://h/zero'}\nmodel_hosts:"), 11, "stores.hot"),
        (("model_hosts:", "stores: {hot: 'redis://h/0?ssl_ca_certs=a'}\nmodel_hosts:"), 11, "stores.hot"),
        (("model_hosts:", "stores: {hot: 'rediss://h/0?ssl_cert_reqs=none'}\nmodel_hosts:"), 11, "stores.hot"),
        (("model_hosts:", "stores: {hot: 'rediss://h/0?ssl_certfile=a'}\nmodel_hosts:"), 11, "stores.hot"),
        (("model_hosts:", "stores: {durable: mysql://x}\nmodel_hosts:"), 11, "stores.durable"),
        (("model_hosts:", "telemetry: {keep: 5}\nmodel_hosts:"), 11, "telemetry.keep"),
        (("model_hosts:", "telemetry: {otlp: collector:4318}\nmodel_hosts:"), 11, "telemetry.otlp"),
        (("model_hosts:", "telemetry: {prometheus: /admin/v1}\nmodel_hosts:"), 11, "telemetry.prometheus"),
        (
            ("model_hosts:", "telemetry: {otlp_headers: {'x key': {env: A}}}\nmodel_hosts:"),
            11,
            "telemetry.otlp_headers.x key",
        ),
        (("model_hosts:", "telemetry: {otlp_headers: {x: a-token}}\nmodel_hosts:"), 11, "telemetry.otlp_headers.x"),
        (
            ("model_hosts:", "telemetry: {otlp: 'http://c.example', otlp_headers: {x: {env: A}}}\nmodel_hosts:"),
            11,
            "telemetry.otlp",
        ),
        (("model_hosts:", "pseudonym_key: {}\nmodel_hosts:"), 11, "pseudonym_key.env"),
        (("model_hosts:", "pseudonym_key: {env: 'a b'}\nmodel_hosts:"), 11, "pseudonym_key.env"),
        (("model_hosts:", "pseudonym_key: {env: A, previous: ['x=']}\nmodel_hosts:"), 11, "pseudonym_key.previous.0"),
        (("model_hosts:", "discovery: {cds_hooks: 2.0}\nmodel_hosts:"), 11, "discovery.cds_hooks"),
        (("model_hosts:", "attributes: {ward: {}}\nmodel_hosts:"), 11, "attributes.ward"),
        (
            ("model_hosts:", "attributes: {unit: {from: Encounter, path: 'a..b', map: {a: b}}}\nmodel_hosts:"),
            11,
            "attributes.unit.path",
        ),
        (("insecure_demo: true", "insecure_demo: yes"), 2, "insecure_demo"),
    ],
)
def test_each_error_has_its_line(tmp_path: Path, edit: Edit, line: int, key: str) -> None:
    """Line, key and a remedy; an exact origin without a wildcard is fine."""
    if not key:
        assert _settings(tmp_path, edit)
    else:
        assert _errors(tmp_path, edit) == [(line, key)]


def test_all_errors_come_at_once(tmp_path: Path) -> None:
    """The types of all keys first; then what the values say about each other."""
    assert (
        len(_errors(tmp_path, ("environment: test", "environment: x"), ("8083/fhir", "8083/f?"), ("8081", "no"))) == 3
    )
    assert len(_errors(tmp_path, ("environment: test", "environment: production"), ("port: 8081", "port: 8080"))) == 3


def test_production_registers_its_clients(tmp_path: Path) -> None:
    """With the defaults of a registration; a demo registers nobody."""
    (registered,) = _settings(tmp_path, *_PRODUCTION).registered
    registration = registered.registration

    assert (registered.jwks_url, registered.jwks_file) == ("https://ehr.example/jwks", None)
    assert (registration.client.name, registration.issuer) == ("ehr", "https://ehr.example")
    assert registration.algorithms == {"ES384", "RS384"} and registration.replay is Replay.REJECT
    assert (registration.leeway, registration.max_age, registration.tenant) == (60, 3600, None)
    assert registration.jku == frozenset({"https://ehr.example/jwks"}) and not registration.audiences
    assert _settings(tmp_path).registered == ()


def test_what_a_registration_says_is_taken(tmp_path: Path) -> None:
    """Keys from a file, times in seconds, addresses as they are written."""
    (registered,) = _settings(
        tmp_path,
        *_PRODUCTION[:2],
        (
            "  - name: ehr\n",
            "  - name: ehr\n    issuer: https://ehr.example/\n    tenant: t1\n    keys: {jwks_file: keys.json}\n"
            "    algorithms: [RS256]\n    audiences: [sand_man]\n    replay: strict\n    leeway: 5s\n    max_age: 8m\n",
        ),
        *_PRODUCTION[3:],
        ("port: 8080}", "port: 8443, tls: {cert: c, key: k, client_ca: a}}"),
    ).registered
    terms = registered.registration

    assert (registered.jwks_url, registered.jwks_file, terms.jku) == (None, "keys.json", None)
    assert (terms.issuer, terms.tenant, terms.audiences) == ("https://ehr.example/", "t1", frozenset({"sand_man"}))
    assert (terms.algorithms, terms.replay) == (frozenset({"RS256"}), Replay.STRICT)
    assert (terms.leeway, terms.max_age) == (5, 480)


def test_clients_that_share_an_issuer_have_tenants(tmp_path: Path) -> None:
    """Each one of its own: otherwise nobody knows whose a call is."""
    client = (
        "  - name: {name}\n    issuer: https://ehr.example\n    keys: {{jwks_url: https://ehr.example/jwks}}\n{tenant}"
    )

    def keys(*tenants: str) -> list[str]:
        more = "".join(
            client.format(name=f"c{number}", tenant=f"    tenant: {tenant}\n" if tenant else "")
            for number, tenant in enumerate(tenants)
        )
        edits = [*_PRODUCTION[:2], *_PRODUCTION[3:], ("clients:\n", f"clients:\n{more}")]
        edits.append(("  - name: ehr\n", "  - name: ehr\n    issuer: https://o\n    keys: {jwks_url: https://o}\n"))
        config = sound_config(tmp_path, wardgate=edits)
        try:
            assert len(read_settings(read_yaml(config, "wardgate.yaml")).registered) == len(tenants) + 1
        except ConfigurationError as error:
            return [finding.key for finding in error.findings]
        return []

    assert keys("") == keys("a", "b") == keys("a") == []
    assert keys("", "") == keys("a", "a") == ["clients.0.tenant", "clients.1.tenant"]
    assert keys("a", "") == ["clients.1.tenant"]


def test_insecure_demo_in_production(tmp_path: Path) -> None:
    """Refused, and its server on this machine with it."""
    assert _errors(tmp_path, ("environment: test", "environment: production")) == [
        (2, "insecure_demo"),
        (8, "clients.0.fhir_servers.0"),
    ]


@pytest.mark.parametrize(
    ("edit", "key"),
    [
        (("    issuer: https://ehr.example\n", ""), "clients.0.issuer"),
        (("    keys: {jwks_url: https://ehr.example/jwks}\n", ""), "clients.0.keys"),
        (("{jwks_url: https://ehr.example/jwks}", "{}"), "clients.0.keys"),
        (("{jwks_url: https://ehr.example/jwks}", "{jwks_url: 'http://ehr.example/jwks'}"), "clients.0.keys.jwks_url"),
        (("{jwks_url: https://ehr.example/jwks}", "{jwks_url: 'https://u@ehr.example'}"), "clients.0.keys.jwks_url"),
        (("{jwks_url: https://ehr.example/jwks}", "{jwks_url: 'file:///etc/keys'}"), "clients.0.keys.jwks_url"),
        (
            ("{jwks_url: https://ehr.example/jwks}", "{jwks_url: 'https://e#x', jwks_file: f}"),
            "clients.0.keys.jwks_url",
        ),
        (("/jwks}", "/jwks}\n    algorithms: [HS256]"), "clients.0.algorithms.0"),
        (("/jwks}", "/jwks}\n    algorithms: [none]"), "clients.0.algorithms.0"),
        (("/jwks}", "/jwks}\n    algorithms: []"), "clients.0.algorithms"),
        (("/jwks}", "/jwks}\n    replay: sometimes"), "clients.0.replay"),
        (("/jwks}", "/jwks}\n    leeway: 10m"), "clients.0.leeway"),
        (("/jwks}", "/jwks}\n    max_age: 2d"), "clients.0.max_age"),
        (("/jwks}", "/jwks}\n    max_age: 1s"), "clients.0.max_age"),
        (("public_url: https://cds.example\n", ""), "public_url"),
        (("public_url: https://cds.example", "public_url: http://cds.example"), "public_url"),
        (("port: 8080}", "port: 8080, tls: {cert: c}}"), "listen.tls.key"),
        (("https://ehr.example/fhir", "http://ehr.example/fhir"), "clients.0.fhir_servers.0"),
        (("https://ehr.example/fhir", "https://10.0.0.7/fhir"), "clients.0.fhir_servers.0"),
        (("https://ehr.example/fhir", "https://localhost/fhir"), "clients.0.fhir_servers.0"),
        (("https://ehr.example/fhir", "https://[fe80::1]/fhir"), "clients.0.fhir_servers.0"),
    ],
)
def test_production_needs_credentials_and_public_servers(tmp_path: Path, edit: Edit, key: str) -> None:
    """No token to a private address or over plain http."""
    config = sound_config(tmp_path, wardgate=_PRODUCTION)
    text = config.read_text()
    assert text.count(edit[0]) == 1
    config.write_text(text.replace(*edit))

    with pytest.raises(ConfigurationError) as caught:
        read_settings(read_yaml(config, "wardgate.yaml"))
    assert [finding.key for finding in caught.value.findings] == [key]


def test_the_example_of_the_documentation_is_read() -> None:
    """Every key of it is known."""
    settings = read_settings(read_yaml(ROOT / "config" / "wardgate.yaml", "wardgate.yaml"))

    assert not settings.insecure_demo and settings.clients[0].name == "ward-ehr"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
    ],
)
def test_loopback_is_an_address_or_localhost(host: str, loopback: bool) -> None:
    """A name that only looks like one is none."""
    assert is_loopback(host) is loopback


_REDIS = "stores: {hot: 'rediss://gate%40:${HOT}@redis.example:6380/2?ssl_ca_certs=ca.pem'}\n"
_KEYS = "pseudonym_key: {env: KEY, previous: [OLD]}\n"


def _secrets(folder: Path, added: str, environment: dict[str, str], *edits: Edit) -> Secrets:
    document = _document(folder, ("model_hosts:", f"{added}model_hosts:"), *edits)
    return read_secrets(read_settings(document), document, folder / "config", environment)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("x" * 32, b"x" * 32),
        ("pass phrase, thirty-two characters", b"pass phrase, thirty-two characters"),
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", bytes(range(32))),
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", bytes(range(32))),
        ("_-_-" * 11, b"\xff\xef\xfe" * 11),
        ("x" * 31, None),
        ("", None),
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=="),
    ],
)
def test_a_key_is_32_bytes_in_base64_or_plain(tmp_path: Path, text: str, secret: bytes | None) -> None:
    """Base64 where it is some and long enough; anything shorter is no key."""
    if secret is None:
        with pytest.raises(ConfigurationError):
            _secrets(tmp_path, "pseudonym_key: {env: KEY}\n", {"KEY": text})
    else:
        assert _secrets(tmp_path, "pseudonym_key: {env: KEY}\n", {"KEY": text}).pseudonym == (secret,)


def test_secrets_come_from_the_environment(tmp_path: Path) -> None:
    """Keys, the current one first; the store's password; files from the folder of `wardgate.yaml`. None is printed."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "ca.pem").write_text("", encoding="utf-8")
    secrets = _secrets(tmp_path, _KEYS + _REDIS, {"KEY": "k" * 32, "OLD": "o" * 40, "HOT": "word"})

    assert secrets.pseudonym == (b"k" * 32, b"o" * 40)
    assert secrets.hot == StorePlace(
        "redis.example", 6380, 2, "gate@", "word", True, str(tmp_path / "config" / "ca.pem"), None, None
    )
    assert "word" not in repr(secrets) and "kkkk" not in repr(secrets)


def test_all_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    """By the line that names it; `check` passes without any of it."""
    with pytest.raises(ConfigurationError) as caught:
        _secrets(tmp_path, _KEYS + _REDIS, {"KEY": "short"})
    findings = caught.value.findings
    assert [finding.key for finding in findings] == ["pseudonym_key.env", "pseudonym_key.previous.0"] + [
        "stores.hot"
    ] * 2
    assert all(finding.remedy and "short" not in finding.what + finding.remedy for finding in findings)


def test_only_a_demo_does_without_a_key(tmp_path: Path) -> None:
    """Elsewhere it stops the start."""
    assert _secrets(tmp_path, "", {}).pseudonym == ()
    with pytest.raises(ConfigurationError) as caught:
        _secrets(tmp_path, "", {}, *_PRODUCTION)
    assert [finding.key for finding in caught.value.findings] == ["pseudonym_key"]


def test_a_place_without_secrets_is_complete(tmp_path: Path) -> None:
    """Defaults: port 6379, database 0, nobody's name."""
    assert _secrets(tmp_path, "stores: {hot: 'redis://127.0.0.1'}\n", {}).hot == StorePlace("127.0.0.1")
    assert _secrets(tmp_path, "stores: {hot: 'redis://:a%3Ab@[::1]:1'}\n", {}).hot == StorePlace(
        "::1", 1, password="a:b"
    )


def test_the_token_of_a_collector_comes_from_the_environment(tmp_path: Path) -> None:
    """The file names the variable; a line break in it would be a header of somebody else's."""
    keys = "telemetry: {otlp: 'https://c.example', otlp_headers: {x-api-key: {env: TOKEN}}}\n"
    held = {"TOKEN": " a-token\n"}
    assert _secrets(tmp_path, keys, held).otlp_headers == {"x-api-key": "a-token"}
    assert "a-token" not in repr(_secrets(tmp_path, keys, held))
    for text in ("", "a\r\nHost: b", "tökén"):
        with pytest.raises(ConfigurationError) as caught:
            _secrets(tmp_path, keys, {"TOKEN": text})
        assert [finding.key for finding in caught.value.findings] == ["telemetry.otlp_headers.x-api-key"]


@pytest.mark.parametrize("key", ["otlp: 'http://127.0.0.1:1'", "prometheus: /m", "keep: 0.5"])
def test_where_telemetry_goes_needs_a_restart_and_its_share_does_not(tmp_path: Path, key: str) -> None:
    """The sender and the admin listener live as long as the process."""
    before = _settings(tmp_path)
    after = _settings(tmp_path, ("model_hosts:", f"telemetry: {{{key}}}\nmodel_hosts:"))
    if key.startswith("keep"):
        refuse_fixed(before, after)
        return
    with pytest.raises(ConfigurationError) as caught:
        refuse_fixed(before, after)
    assert [finding.key for finding in caught.value.findings] == [f"telemetry.{key.split(':')[0]}"]
