"""A gateway and its durable store, as processes: the start, health, what is logged, and the purge."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.archive_rows import decision
from tests.fakes.config_tree import sound_config
from tests.fakes.postgres_server import PASSWORD, USER, PostgresServer
from tests.fakes.processes import PATIENCE, ask, free_port, process, wait_until
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.domain.durable import SqlitePlace


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the processes that a test starts."""
    monkeypatch.setenv("WARDGATE_TEST_POSTGRES", PASSWORD)


def _config(folder: Path, durable: str) -> tuple[Path, str]:
    port, admin = free_port(), free_port()
    config = sound_config(
        folder,
        wardgate=[
            ("port: 8080", f"port: {port}"),
            ("port: 8081", f"port: {admin}"),
            ("model_hosts:", f"stores: {{durable: '{durable}'}}\nmodel_hosts:"),
        ],
    )
    return config, f"http://127.0.0.1:{admin}"


def test_health_tells_the_truth_about_postgresql(tmp_path: Path, environment: None) -> None:
    """Down at the start, which it does not hold up; up, killed, back. The log holds the changes, and no secret."""
    with PostgresServer() as postgres:
        url = f"postgresql://{USER}:${{WARDGATE_TEST_POSTGRES}}@127.0.0.1:{postgres.port}/{postgres.database()}"
        config, admin = _config(tmp_path, url)

        def state() -> str:
            return str(ask(f"{admin}/health/stores")[1]["durable"]["state"])

        postgres.kill()
        with process("wardgate", "serve", "--config", str(config)) as gateway:
            wait_until(lambda: ask(f"{admin}/health/ready")[0] == 200, of=gateway)
            assert state() == "down"
            assert "wardgate_durable_store_up 0.0" in ask(f"{admin}/metrics")[1]
            postgres.start()
            wait_until(lambda: state() == "up", of=gateway)
            gateway.terminate()
            _, log = gateway.communicate(timeout=PATIENCE)
        assert gateway.returncode == 0
        assert [line for line in log.splitlines() if '"durable_store"' in line] == [
            f'{{"event":"durable_store","kind":"postgresql","state":"{state}"}}' for state in ("down", "up")
        ]
        assert not [word for word in (PASSWORD, "postgresql://", str(postgres.port)) if word in log]


def test_a_file_that_is_no_store_stops_the_start(tmp_path: Path) -> None:
    """With a sentence that says what to do, before anything listens; the file stays as it is."""
    config, _ = _config(tmp_path, "sqlite:///var/wardgate.db")
    file = config.parent / "var" / "wardgate.db"
    file.parent.mkdir()
    file.write_bytes(b"a letter to somebody, and no database" * 40)
    with process("wardgate", "serve", "--config", str(config)) as gateway:
        _, log = gateway.communicate(timeout=PATIENCE)
    assert gateway.returncode == 1
    assert '"store_refused"' in log and "is no store of wardgate" in log
    assert '"listening"' not in log
    assert file.read_bytes().startswith(b"a letter")


def test_the_command_purges_what_the_retention_says(tmp_path: Path) -> None:
    """After a dry run that says the same, and removes nothing."""
    config, _ = _config(tmp_path, "sqlite:///var/wardgate.db")
    archive = SqlArchive(Sqlite(SqlitePlace(str(config.parent / "var" / "wardgate.db"))), str)
    archive.add_decisions([decision(n, at=1_000_000_000.0 + n) for n in range(7)] + [decision(8, at=4e9)])

    def purge(*options: str) -> list[str]:
        command = [sys.executable, "-m", "wardgate", "purge", "--config", str(config), *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True, cwd=tmp_path)
        return [line.strip() for line in done.stdout.splitlines() if line.startswith("decisions")]

    assert purge("--dry-run") == ["decisions           7 would go, kept for 400 days"]
    assert purge() == ["decisions           7 removed, kept for 400 days"]
    assert purge() == ["decisions           0 removed, kept for 400 days"]
    assert len(list(archive.decisions(0, 5e9))) == 1
    archive.close()


def test_a_folder_that_cannot_be_had_does_not_stop_the_start(tmp_path: Path) -> None:
    """The spool holds what comes meanwhile; health says what is wrong."""
    config, admin = _config(tmp_path, "sqlite:///wardgate.yaml/wardgate.db")
    with process("wardgate", "serve", "--config", str(config)) as gateway:
        wait_until(lambda: ask(f"{admin}/health/ready")[0] == 200, of=gateway)
        assert ask(f"{admin}/health/stores")[1]["durable"] == {"kind": "sqlite", "state": "denied"}
