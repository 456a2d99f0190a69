"""A process on the leash ends with whoever holds it."""

import signal
import subprocess
import sys


def test_it_ends_when_its_standard_input_closes() -> None:
    """Closing the pipe is what the system does when a parent is killed."""
    command = [sys.executable, "-m", "wardgate.lab.leash", "wardgate.lab.model_server", "--port", "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"model http://127.0.0.1:")
        process.stdin.close()
        # in order, or by the signal itself where it came before the server had its handlers
        assert process.wait(10) in (0, -signal.SIGTERM)
