"""The spool of a real process: one owner, health, and everything delivered in the end."""

from pathlib import Path

import msgspec

from tests.fakes.config_tree import sound_config
from tests.fakes.kidney_calls import kidney_call
from tests.fakes.processes import PATIENCE, ask, free_port, process, wait_until
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.domain.durable import SqlitePlace


def _config(folder: Path) -> tuple[Path, str, str]:
    port, admin = free_port(), free_port()
    edits = [("port: 8080}", f"port: {port}}}"), ("port: 8081", f"port: {admin}")]
    return sound_config(folder, wardgate=edits), f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}"


def test_one_process_owns_a_spool_and_delivers_it(tmp_path: Path) -> None:
    """A second one on the same folder says so and does not start; an orderly end leaves nothing undelivered."""
    config, gateway, admin = _config(tmp_path)
    with process("wardgate", "serve", "--config", str(config)) as first:
        wait_until(lambda: ask(f"{gateway}/health/ready")[0] == 200, of=first)
        again, _, _ = _config(tmp_path)  # on other ports
        with process("wardgate", "serve", "--config", str(again)) as second:
            _, error = second.communicate(timeout=PATIENCE)
        assert second.returncode == 1
        told = msgspec.json.decode(error.splitlines()[-1])
        assert (told["event"], told["key"]) == ("cannot_record", "stores.spool")
        assert "worker-0 belongs to another process: stop that one, or name another folder" in told["what"]
        for number in range(5):
            assert ask(f"{gateway}/cds-services/kidney-failure", kidney_call(number))[0] == 200
        spool = ask(f"{admin}/health/stores")[1]["spool"]
        metrics = ask(f"{admin}/metrics")[1]
        assert (spool["state"], spool["disk"], spool["store"]) == ("up", "up", "up")
        assert int(spool["bytes"]) > 0 or 'wardgate_spool_total{event="delivered"} 5.0' in metrics
        assert 'wardgate_spool_state{state="up"} 1.0' in metrics
        first.terminate()
        first.communicate(timeout=PATIENCE)
    archive = SqlArchive(Sqlite(SqlitePlace(str(config.parent / "var" / "wardgate.db"))), lambda uuid: uuid)
    records = list(archive.decisions(0.0, 1e12))
    archive.close()
    assert len(records) == 5 and all(record.config_digest and record.patient for record in records)
