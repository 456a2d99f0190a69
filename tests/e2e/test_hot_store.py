"""A gateway and a Redis, as processes: the start, health, and what is logged of the place."""

from pathlib import Path

import pytest

from tests.fakes.config_tree import sound_config
from tests.fakes.processes import PATIENCE, ask, free_port, process, wait_until
from tests.fakes.redis_server import PASSWORD, USER, RedisServer

_SECRET = "a secret of the test, thirty-two bytes or more"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the processes that a test starts."""
    monkeypatch.setenv("WARDGATE_TEST_KEY", _SECRET)
    monkeypatch.setenv("WARDGATE_TEST_REDIS", PASSWORD)


def _config(folder: Path, redis: RedisServer | None, key: str = "WARDGATE_TEST_KEY") -> tuple[Path, str]:
    port, admin = free_port(), free_port()
    stores = (
        "" if redis is None else f"stores: {{hot: 'redis://{USER}:${{WARDGATE_TEST_REDIS}}@127.0.0.1:{redis.port}'}}\n"
    )
    config = sound_config(
        folder,
        wardgate=[
            ("port: 8080", f"port: {port}"),
            ("port: 8081", f"port: {admin}"),
            ("model_hosts:", f"{stores}pseudonym_key: {{env: {key}}}\nmodel_hosts:"),
        ],
    )
    return config, f"http://127.0.0.1:{admin}"


def test_health_tells_the_truth_about_redis(tmp_path: Path, environment: None) -> None:
    """Up, hung, back, killed, back; the log holds the changes, and neither address nor password nor key."""
    with RedisServer() as redis:
        config, admin = _config(tmp_path, redis)

        def state() -> str:
            return str(ask(f"{admin}/health/stores")[1]["hot"]["state"])

        with process("wardgate", "serve", "--config", str(config)) as gateway:
            wait_until(lambda: state() == "up", of=gateway)
            redis.hang()
            wait_until(lambda: "wardgate_hot_store_up 0.0" in ask(f"{admin}/metrics")[1])
            assert state() == "down"
            assert ask(f"{admin}/health/ready")[0] == 200
            redis.wake()
            wait_until(lambda: state() == "up", of=gateway)
            redis.kill()
            wait_until(lambda: state() == "down")
            redis.start()
            wait_until(lambda: state() == "up", of=gateway)
            gateway.terminate()
            _, log = gateway.communicate(timeout=PATIENCE)
        assert gateway.returncode == 0
        assert [line for line in log.splitlines() if '"hot_store"' in line] == [
            f'{{"event":"hot_store","state":"{state}"}}' for state in ("up", "down", "up", "down", "up")
        ]
        assert not [word for word in (PASSWORD, "redis://", str(redis.port), _SECRET) if word in log]


def test_a_missing_key_stops_the_start(tmp_path: Path) -> None:
    """With file, line and remedy, before anything listens."""
    config, _ = _config(tmp_path, None, key="WARDGATE_TEST_NO_KEY")
    with process("wardgate", "serve", "--config", str(config)) as gateway:
        _, error = gateway.communicate(timeout=PATIENCE)
    assert gateway.returncode == 2
    assert "pseudonym_key.env" in error and "set WARDGATE_TEST_NO_KEY to 32 random bytes" in error
