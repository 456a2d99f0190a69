"""`stores.durable` and `retention` of wardgate.yaml."""

from pathlib import Path

import pytest

from tests.fakes.config_tree import sound_config
from wardgate.adapters.files.yaml_documents import read_yaml
from wardgate.cli.check import examine
from wardgate.domain.durable import PostgresPlace, SqlitePlace
from wardgate.domain.errors import ConfigurationError
from wardgate.records.archive import Kind
from wardgate.settings import Secrets, read_secrets, read_settings

REMOTE = "postgresql://gate%40:${WORD}@db.example:6543/records?sslmode=verify-full&sslrootcert=ca.pem"
DAY = 86400


def config(folder: Path, added: str) -> Path:
    return sound_config(folder, wardgate=[("model_hosts:", f"{added}\nmodel_hosts:")])


def secrets(folder: Path, url: str, **environment: str) -> Secrets:
    path = config(folder, f'stores: {{durable: "{url}"}}')
    document = read_yaml(path, "wardgate.yaml")
    return read_secrets(read_settings(document), document, path.parent, environment)


def test_a_file_is_found_from_the_folder_of_the_configuration(tmp_path: Path) -> None:
    """Never from the working directory; with a fourth slash, a path is whole."""
    assert secrets(tmp_path, "sqlite:///var/w.db").durable == SqlitePlace(str(tmp_path / "config" / "var" / "w.db"))
    assert secrets(tmp_path, "sqlite:////srv/w.db").durable == SqlitePlace("/srv/w.db")


def test_a_server_is_told_whole(tmp_path: Path) -> None:
    """The password from the environment, files from the configuration's folder, neither in a text."""
    folder = config(tmp_path, "").parent
    (folder / "ca.pem").write_text("", encoding="utf-8")
    held = secrets(tmp_path, REMOTE, WORD="secret-word")
    assert held.durable == PostgresPlace(
        "db.example", "records", "gate@", 6543, "secret-word", "verify-full", str(folder / "ca.pem")
    )
    assert "secret-word" not in repr(held)
    local = secrets(tmp_path, "postgresql://gate@/records?host=/run/postgresql").durable
    assert local == PostgresPlace("/run/postgresql", "records", "gate")


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        secrets(tmp_path, REMOTE)
    assert [finding.what for finding in caught.value.findings] == [
        "the environment holds no password for this store",
        "a file of this store cannot be read",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://w.db",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///var/",
        "sqlite:///w.db?mode=ro",
        "mysql://gate@host/db",
        "postgresql://host/db",
        "postgresql://gate@host",
        "postgresql://gate@host/db/more",
        "postgresql://gate@host:99999/db",
        "postgresql://gate@host/db?options=-cstatement_timeout=0",
        "postgresql://gate@host/db?sslmode=",
        "postgresql://gate@host/db?sslmode=perhaps",
        "postgresql://gate@host/db?sslcert=cert.pem",
        "postgresql://gate@host/db?host=/run",
        "postgresql://gate@/db?host=elsewhere",
        "postgresql://gate:secret word@host/db",
        "postgresql://gate:secret-word@host/db#x",
    ],
)
def test_what_is_no_store_is_refused(tmp_path: Path, url: str) -> None:
    """With its line and a remedy, and without repeating what stands there: it may hold a password."""
    findings = examine(config(tmp_path, f'stores: {{durable: "{url}"}}')).errors
    assert [finding.key for finding in findings] == ["stores.durable"]
    assert findings[0].remedy and "secret" not in findings[0].what + findings[0].remedy


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("postgresql://gate@127.0.0.1/db", []),
        ("postgresql://gate@/db?host=/run", []),
        (REMOTE, []),
        ("postgresql://gate@db.example/db", ["records may cross the network unencrypted"]),
        ("postgresql://gate@db.example/db?sslmode=require", ["anybody may answer in the store's place"]),
        ("postgresql://gate:word@localhost/db", ["a password in the file"]),
    ],
)
def test_who_else_may_read_is_seen_where_it_can_be(tmp_path: Path, url: str, warned: list[str]) -> None:
    """A warning of `check` and of the start."""
    findings = examine(config(tmp_path, f'stores: {{durable: "{url}"}}')).findings
    assert [finding.what for finding in findings if finding.key == "stores.durable"] == warned
    assert all(finding.warning for finding in findings)


def test_a_file_that_others_may_read_is_seen(tmp_path: Path) -> None:
    path = config(tmp_path, "stores: {durable: 'sqlite:///var/w.db'}")
    assert [finding for finding in examine(path).findings if finding.key == "stores.durable"] == []
    folder = path.parent / "var"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "w.db").touch()
    (folder / "w.db").chmod(0o644)
    assert [finding.what for finding in examine(path).findings if finding.key == "stores.durable"] == [
        "others on this machine may read the store's file",
        "everybody on this machine may replace the store's file",
    ]


def test_each_kind_is_kept_for_its_time(tmp_path: Path) -> None:
    """What is not named keeps its default."""
    settings = read_settings(read_yaml(config(tmp_path, "retention: {decisions: 30d, access: 48h}"), "wardgate.yaml"))
    assert settings.retention == {
        Kind.DECISIONS: 30 * DAY,
        Kind.FEEDBACK: 400 * DAY,
        Kind.OUTCOMES: 1100 * DAY,
        Kind.ACCESS: 2 * DAY,
        Kind.CUSTODY: 400 * DAY,
    }


@pytest.mark.parametrize("value", ["23h", "0d", "400", "forever"])
def test_a_time_that_is_a_mistake_is_refused(tmp_path: Path, value: str) -> None:
    """What is purged is gone: a unit that was forgotten purges nothing."""
    findings = examine(config(tmp_path, f"retention: {{decisions: {value}}}")).errors
    assert [finding.key for finding in findings] == ["retention.decisions"]


def test_the_custodians_key_is_read_at_the_start(tmp_path: Path) -> None:
    """Without one nobody's identity is kept; one that cannot be read stops the start."""
    path = config(tmp_path, "custody: {public_key: custodian.pem}")
    document = read_yaml(path, "wardgate.yaml")
    with pytest.raises(ConfigurationError) as caught:
        read_secrets(read_settings(document), document, path.parent, {})
    assert [finding.key for finding in caught.value.findings] == ["custody.public_key"]
    (path.parent / "custodian.pem").write_bytes(b"key")
    assert read_secrets(read_settings(document), document, path.parent, {}).custodian == b"key"
