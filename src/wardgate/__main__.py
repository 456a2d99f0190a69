"""`python -m wardgate` and the `wardgate` command."""

import sys

from wardgate.cli.app import run


def main() -> int:
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
