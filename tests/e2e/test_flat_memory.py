"""A gateway that runs for months takes no more memory than on its first busy day.

`make proof` sends a million calls, each of another patient: what is resident stays within 5 % of what it was when all
caches were full. `make check` sends twelve thousand, too few to fill any, and looks that a call leaves behind what
caches keep of it, and not the call.
"""

from collections.abc import Sequence
from pathlib import Path
from urllib.request import urlopen

import msgspec
import pytest
import uvloop

from bench.servers import SERVER_CORE, Server, stub, wait_for
from tests.fakes.config_tree import sound_config
from tests.fakes.kidney_calls import kidney_call
from tests.fakes.processes import ask, free_port, wait_until
from tests.fakes.served import PATH, unrecorded
from wardgate.lab.load.engine import Address, Call, Generator

FULL = 150_000
"""Calls after which no cache has room: 50,000 values, 10,000 records, and what lives a minute, from several minutes."""
KEPT = 6 * 1024
"""Bytes of a call in caches that are not full yet, at most: a sealed answer, a score, a record. The call takes more."""

_BODY = msgspec.json.encode(kidney_call(0)).replace(b'"p0"', b'"p%09d"').replace(b"Patient/p0", b"Patient/p%09d")
_PATIENTS = _BODY.count(b"p%09d")
_HEAD = (
    f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n".encode()
)


def pieces(number: int) -> Sequence[bytes]:
    """Call number n, of patient n; its hookInstance ends in n."""
    patient = b"p%09d" % number
    body = _BODY.replace(b"p%09d", patient).replace(b"ba6d-000000000000", b"ba6d-%012x" % number)
    return _HEAD % len(body), body


class House:
    """A gateway process under calls that never repeat."""

    def __init__(self, port: int, pid: int) -> None:
        self._port, self._status = port, Path(f"/proc/{pid}/status")
        self._first = 1
        self.calls = self.shown = 0

    def resident(self) -> int:
        """Bytes."""
        line = next(line for line in self._status.read_text().splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    def send(self, count: int) -> None:
        """That many more, sixteen at a time."""

        async def run() -> None:
            generator = Generator(Address("127.0.0.1", self._port, False), pieces, self._answered, 16)
            try:
                await generator.run_at((0.0 for _ in range(count)), self._first)
            finally:
                generator.close()

        uvloop.run(run())
        self._first += count

    def _answered(self, call: Call) -> None:
        self.calls += 1
        self.shown += call.status == 200 and call.body.startswith(b'{"cards":[{')


def test_memory_stays_flat(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Resident bytes of the process, under calls that never repeat; every one of them has its card."""
    proof = pytestconfig.getoption("--hypothesis-profile") == "proof"
    port, admin = free_port(), free_port()
    with stub(0, tmp_path) as model:
        config = sound_config(
            tmp_path,
            wardgate=[
                ("127.0.0.1:8082", f"127.0.0.1:{model}"),
                ("port: 8080}", f"port: {port}}}"),
                ("port: 8081", f"port: {admin}"),
            ],
            release=[("http://127.0.0.1:8082", f"http://127.0.0.1:{model}"), ("timeout: 200ms", "timeout: 8s")],
            service=("deadline: 500ms", "deadline: 10s"),
        )
        server = Server("gateway", ["-m", "wardgate", "serve", "--config", str(config)], SERVER_CORE, tmp_path)
        try:
            wait_for(port, server)
            wait_until(lambda: "passed" in str(ask(f"http://127.0.0.1:{admin}/health/services")[1]))
            house = House(port, server.pid)
            house.send(FULL if proof else 9000)
            before = house.resident()
            if proof:
                sizes = []
                for _ in range(17):
                    house.send(50_000)
                    sizes.append(house.resident() / before)
                    print(f"{house.calls:,} calls: {before * sizes[-1] / 1024**2:.1f} MiB, {sizes[-1]:.1%}", flush=True)
                assert house.calls == 1_000_000 and max(sizes) <= 1.05
            else:
                house.send(3000)
                print((house.resident() - before) / 3000)
                assert house.resident() - before < 3000 * KEPT
            with urlopen(f"http://127.0.0.1:{admin}/metrics") as metrics:
                withheld = unrecorded(metrics.read().decode())
            assert house.calls - house.shown <= withheld <= house.calls // 50
        finally:
            server.stop()
