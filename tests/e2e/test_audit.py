"""A gateway, somebody who takes a model out of use and puts it back, and an auditor: as processes."""

import signal
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.fakes.config_tree import sound_config
from tests.fakes.processes import PATIENCE, ask, free_port, process, wait_until, wardgate


def _digest(admin: int) -> str:
    """Of the files that are gone by."""
    replicas = ask(f"http://127.0.0.1:{admin}/admin/v1/replicas")[1]["replicas"]
    return str(replicas[0]["config"]) if replicas else ""


def test_what_was_done_stands_on_the_chain_and_verifies(tmp_path: Path) -> None:
    """And is to be found after the gateway has ended; before it stands what the file began with."""
    port, admin = free_port(), free_port()
    config = sound_config(
        tmp_path,
        wardgate=[
            ("port: 8080", f"port: {port}"),
            ("port: 8081", f"port: {admin}"),
            ("model_hosts:", "audit: {anchor_key: anchor.pem}\nmodel_hosts:"),
        ],
    )
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (config.parent / "anchor.pem").write_bytes(key)
    with process("wardgate", "serve", "--config", str(config)) as gateway:
        wait_until(lambda: ask(f"http://127.0.0.1:{admin}/health/ready")[0] == 200, of=gateway)
        for action in ("isolate", "close"):
            told = ("--reason", "fixed", "--admin", f"http://127.0.0.1:{admin}")
            done = wardgate("circuits", action, "kidney-failure", "1.0.0", *told)
            assert done.returncode == 0, done.stderr
        before = _digest(admin)
        card = tmp_path / "cards/kidney-failure.yaml"
        card.write_text(card.read_text().replace("Kidney failure risk in 2 years", "Two-year risk"))
        gateway.send_signal(signal.SIGHUP)
        wait_until(lambda: _digest(admin) != before, of=gateway)
        gateway.terminate()
        gateway.communicate(timeout=PATIENCE)
    assert gateway.returncode == 0
    anchored = wardgate("audit", "anchor", "--config", config)
    assert anchored.returncode == 0, anchored.stderr
    verified = wardgate("audit", "verify", "--config", config)
    assert verified.returncode == 0 and "up to entry 5" in verified.stdout, verified.stdout + verified.stderr
    begun = wardgate("audit", "search", "--subject", "kidney-failure", "--config", config).stdout
    assert "files  rollout.change" in begun
    found = wardgate("audit", "search", "--subject", "kidney-failure/1.0.0", "--config", config).stdout
    assert "local  circuit.isolate" in found and "local  circuit.close" in found
    reloaded = wardgate("audit", "search", "--subject", "configuration", "--config", config).stdout
    assert "signal:SIGHUP  reload" in reloaded
