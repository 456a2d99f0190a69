"""Run a module as a program that ends with its parent: `python -m wardgate.lab.leash MODULE [ARGUMENT ...]`.

The parent holds the other end of standard input and never writes to it. The system closes it when the parent
ends, however it ends (also by kill -9), so this needs no platform call and leaves no orphan.
"""

import os
import runpy
import signal
import sys
import threading
import time

_PATIENCE = 5.0  # seconds for an orderly end


def main() -> None:
    module, sys.argv[:] = sys.argv[1], sys.argv[1:]
    threading.Thread(target=_watch, daemon=True).start()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _watch() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE)
    os._exit(1)


if __name__ == "__main__":
    main()
