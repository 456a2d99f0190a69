"""`wardgate outcomes load`: what became of patients, as CSV or NDJSON. Exit 0: loaded, or known; 1: not.

Ids are pseudonymised where they come in: by the gateway that is asked, or here, with the store's own configuration.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from wardgate.cli.admin import CannotAsk
from wardgate.cli.records import reached
from wardgate.records.archive import BatchResult
from wardgate.records.desk import Loaded
from wardgate.records.outcomes import BadRows, Form

_FORMS = {".csv": Form.CSV, ".ndjson": Form.NDJSON, ".jsonl": Form.NDJSON}


def run(
    file: Path,
    source: str = "file",
    client: str | None = None,
    fhir_server: str | None = None,
    skip_bad: bool = False,
    admin: str | None = None,
    config: Path | None = None,
) -> int:
    form = _FORMS.get(file.suffix.lower())
    if form is None:
        print(f"{file}: let the name end in {', '.join(_FORMS)}.", file=sys.stderr)
        return 1
    named = {"source": source, "client": client, "fhir_server": fhir_server}
    try:
        with file.open("rb") as rows:
            loaded = reached(admin, config).load(rows, form, named, skip_bad)
    except BadRows as error:
        for row in error.rows:
            print(f"{file}:{row.line}: {f'{row.column} ' if row.column else ''}{row.what}", file=sys.stderr)
        more = error.count - len(error.rows)
        rest = "." if skip_bad else "; --skip-bad leaves out what can be."
        print(f"{f'… and {more:,} more. ' if more else ''}Nothing was loaded{rest}", file=sys.stderr)
        return 1
    except CannotAsk as error:
        print(f"{error.what}\n{error.remedy}".rstrip(), file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{file} cannot be read: {error.strerror}.", file=sys.stderr)
        return 1
    print(_told(file, loaded))
    return 0


def _known(result: BatchResult) -> str:
    when = "" if result.loaded is None else f" on {datetime.fromtimestamp(result.loaded, UTC):%Y-%m-%d %H:%M} (UTC)"
    told = f"already loaded{when}, so nothing is changed; rows since corrected: {result.superseded:,}."
    if result.superseded:
        told += "\nTo have its own rows back, load it as another file: an empty line at its end makes it one."
    return told


def _told(file: Path, loaded: Loaded) -> str:
    result = loaded.result
    if result.known:
        return f"{file}: {_known(result)}"
    parts = [f"{loaded.read:,} rows read", f"{result.new:,} new", f"{result.corrected:,} corrected"]
    parts += [f"{result.unchanged:,} unchanged"] if result.unchanged else []
    parts += [f"{result.repeated:,} replaced within the file"] if result.repeated else []
    parts += [f"{loaded.skipped:,} left out"] if loaded.skipped else []
    return f"{file}: {', '.join(parts)}"
