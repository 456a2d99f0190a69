"""`wardgate export decisions`: the records of a time with what came home to them. Exit 0: written; 1: not."""

import sys
from pathlib import Path

from wardgate.adapters.files.whole import whole_file
from wardgate.cli.admin import CannotAsk
from wardgate.cli.records import reached


def run(
    file: Path,
    since: str | None = None,
    until: str | None = None,
    service: str = "",
    admin: str | None = None,
    config: Path | None = None,
) -> int:
    try:
        lines = reached(admin, config).export(since, until, service)
        number = 0
        if file == Path("-"):
            for line in lines:
                sys.stdout.buffer.write(line + b"\n")
            return 0
        with whole_file(file) as written:
            for line in lines:
                written.write(line + b"\n")
                number += 1
    except CannotAsk as error:
        print(f"{error.what}\n{error.remedy}".rstrip(), file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{file} cannot be written: {error.strerror}.", file=sys.stderr)
        return 1
    print(f"{file}: {number:,} decisions (0600)")
    return 0
