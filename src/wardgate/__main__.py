"""`python -m wardgate` and the `wardgate` command."""

import sys

from wardgate.cli.app import run

_INTERRUPTED = 130
"""As shells say of SIGINT."""


def main() -> int:
    try:
        return run(sys.argv[1:])
    except KeyboardInterrupt:
        print("\nStopped. What had been asked for may have been done: look before you ask again.", file=sys.stderr)
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
