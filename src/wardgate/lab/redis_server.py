"""A Redis of its own for as long as this runs: `redis-server` on a free port of 127.0.0.1, which keeps nothing on disk.

python -m wardgate.lab.redis_server        prints `redis URL` once it listens
"""

import shutil
import signal
import socket
import subprocess
import sys
import time

_PATIENCE = 10.0


def main() -> None:
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("redis-server is not installed: install it with your system's package manager (package redis-server)")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            print(f"redis redis://127.0.0.1:{port}", flush=True)
            process.wait()
        finally:
            process.kill()
    sys.exit(f"redis-server ended with code {process.returncode}")


def _wait_for(port: int) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > until:
                sys.exit("redis-server does not listen")
            time.sleep(0.02)


if __name__ == "__main__":
    main()
