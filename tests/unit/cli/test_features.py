"""`wardgate features`: what it writes and prints, how it exits, and that nothing half-done stands anywhere."""

import csv
import io
import json
import os
import signal
import stat
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.charts import lab, patient, problem
from tests.fakes.config_tree import FILES
from tests.fakes.exports import bundle_file, ndjson
from wardgate.adapters.export import extraction, tables
from wardgate.cli import app

PHI = "Zaphod-Beeblebrox"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a user stands in, with a schema and an export of two patients; its own temporary folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "features.yaml").write_text(FILES["features"][1])
    (tmp_path / "export").mkdir()
    labs = [
        lab("33914-3", 40),
        lab("9318-7", 300, unit="mg/L"),
        lab("33914-3", 50, "2020-01-01", subject={"reference": "Patient/p2"}),
    ]
    ndjson(
        tmp_path / "export" / "all.ndjson", patient(), patient(id="p2", gender="female"), *labs, problem("265764009")
    )
    return tmp_path


def features(*arguments: str) -> int:
    clock = () if "--as-of" in arguments else ("--as-of", "2026-11-20T08:00:00Z")
    return app.run(("features", "--schema", "features.yaml", "--input", "export", "--id", "fhir", *clock, *arguments))


ROWS: list[dict[str, Any]] = [
    {
        "_patient": "p1",
        "_as_of": "2026-11-20T08:00:00Z",
        "deceased": False,
        "egfr": 40.0,
        "egfr.mark": None,
        "egfr.age": 864000.0,
        "male": 1.0,
        "uacr": None,
        "uacr.mark": "wrong_unit",
        "has_dialysis": True,
    },
    {"_patient": "p2", "egfr": None, "egfr.mark": "stale", "male": 0.0, "uacr.mark": "missing", "has_dialysis": False},
]


def is_part(expected: list[dict[str, Any]], rows: list[dict[str, Any]]) -> bool:
    return [{name: row[name] for name in part} for part, row in zip(expected, rows, strict=True)] == expected


def test_ndjson_has_a_row_a_line(here: Path) -> None:
    """Values of their type, null where there is none."""
    assert features("--out", "table.ndjson") == 0
    rows = [json.loads(line) for line in (here / "table.ndjson").read_text().splitlines()]
    assert is_part(ROWS, rows)


def test_csv_has_an_empty_cell_where_there_is_no_value(here: Path) -> None:
    """And true and false for booleans."""
    assert features("--out", "table.csv") == 0
    with (here / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    as_text = [{name: text(value) for name, value in row.items()} for row in ROWS]
    assert is_part(as_text, [dict(row) for row in rows])


def text(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def test_parquet_has_types_and_says_where_it_comes_from(here: Path) -> None:
    """Nullable columns, a timestamp in UTC, version and digest of the schema in the metadata."""
    pyarrow: Any = pytest.importorskip("pyarrow")
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    assert features("--out", "table.parquet", "--zone", "Europe/Vienna") == 0
    table = parquet.read_table(here / "table.parquet")
    expected = [row | ({"_as_of": datetime(2026, 11, 20, 8, tzinfo=UTC)} if "_as_of" in row else {}) for row in ROWS]
    assert is_part(expected, [row | {"_patient": str(row["_patient"])} for row in table.to_pylist()])
    types = {name: table.schema.field(name).type for name in ("egfr", "egfr.mark", "egfr.age", "has_dialysis")}
    assert types == {
        "egfr": pyarrow.float64(),
        "egfr.mark": pyarrow.string(),
        "egfr.age": pyarrow.float64(),
        "has_dialysis": pyarrow.bool_(),
    }
    facts = {name.decode(): fact.decode() for name, fact in table.schema.metadata.items()}
    assert facts["wardgate.schema_version"] == "2026.03" and facts["wardgate.zone"] == "Europe/Vienna"
    assert facts["wardgate.features_digest"].startswith("sha256:")


def test_parquet_of_many_rows_is_written_in_groups(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last group may be short; none is lost."""
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(tables, "_BATCH", 4)
    ndjson(here / "export" / "more.ndjson", *(patient(id=f"q{number}") for number in range(7)))
    assert features("--out", "table.parquet") == 0
    file = parquet.ParquetFile(here / "table.parquet")
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [4, 4, 1]


def test_by_default_patients_are_pseudonyms_of_this_run(here: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """And the table is CSV on standard output; the summary does not stand in it."""
    tables_seen = []
    for _ in range(2):
        assert app.run(("features", "--schema", "features.yaml", "--input", "export")) == 0
        tables_seen.append(capfdbinary.readouterr().out.decode())
    ids = [{row["_patient"] for row in csv.DictReader(io.StringIO(text))} for text in tables_seen]
    assert len(ids[0] | ids[1]) == 4 and not {"p1", "p2"} & (ids[0] | ids[1])


def test_only_its_user_may_read_the_table(here: Path) -> None:
    """Whatever the umask."""
    assert features("--out", "table.csv") == 0
    assert stat.S_IMODE((here / "table.csv").stat().st_mode) == 0o600


def test_the_summary_says_what_counted_and_what_did_not(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With file and line, and nothing of what stands there."""
    ndjson(
        here / "export" / "broken.ndjson",
        f'{{"resourceType": "Observation", "{PHI}',
        {"resourceType": "Observation", "id": PHI, "subject": {"display": PHI}},
        {"resourceType": "Observation", "id": PHI, "subject": {"reference": f"https://{PHI}/Patient/1"}},
        lab("33914-3", 40, subject={"reference": "Patient/p9"}),
        lab("33914-3", 40, focus=[{"reference": f"Patient/{PHI}"}], id="f"),
    )
    assert features("--out", "table.csv") == 0
    told = capsys.readouterr()
    assert told.out == ""
    digest, *lines = told.err.splitlines()
    assert digest.startswith("table.csv: 2 rows, schema 2026.03, sha256:")
    assert lines == [
        "2 patients, 10 resources in 2 files (0 of types that no feature reads)",
        "resources that do not count:",
        "        1 unreadable as FHIR: export/broken.ndjson:1",
        "        1 without a patient that is sure: export/broken.ndjson:2",
        "        1 with a patient on a server that --fhir-server does not name:",
        "          export/broken.ndjson:3",
        "        1 about somebody else (focus)",
        "rows that are not there:",
        "        1 for patients with resources, but no Patient",
        "feature         value  missing    stale  wrong_unit",
        "egfr                1        0        1           0",
        "age                 2        0        0           0",
        "male                2        0        0           0",
        "uacr                0        1        0           1",
        "has_dialysis        2        0        0           0",
    ]


REFUSED = [
    (("--schema", "nowhere.yaml"), "nowhere.yaml"),
    (("--input", "nowhere.ndjson"), "no such file"),
    (("--as-of", "soon"), "neither a time nor a file"),
    (("--as-of", "2026", "--as-of", "features.yaml"), "not both"),
    (("--as-of", "9999-01-01"), "neither a time nor a file"),
    (("--zone", "Mars/Olympus"), "no time zone"),
    (("--zone", "../etc"), "no time zone"),
    (("--out", "table.xlsx"), "not a kind of table"),
    (("--out", "nowhere/table.csv"), "there is no folder nowhere"),
    (("--fhir-server", "ehr.example"), "no FHIR base"),
]


@pytest.mark.parametrize(("arguments", "what"), REFUSED)
def test_wrong_arguments_are_told_with_a_remedy(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], what: str
) -> None:
    """Before anything is read or written; exit 1."""
    out = () if "--out" in arguments else ("--out", "table.csv")
    assert features(*out, *arguments) == 1
    told = capsys.readouterr().err
    assert what in told and " -> " in told
    assert not (here / "table.csv").exists()


def test_a_schema_that_is_not_sound_is_told_as_check_tells_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """File, line, key, what, remedy; no warnings about keys that an export has no use for."""
    (here / "features.yaml").write_text(FILES["features"][1].replace("take: any", "take: latest"))
    assert features() == 1
    assert capsys.readouterr().err == (
        "features.yaml:23: features.4.take: has_dialysis: a Condition has no value to take -> use any or count\n"
    )


def test_without_pyarrow_it_says_what_to_install(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CSV and NDJSON need nothing."""
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    assert features("--out", "table.parquet") == 1
    assert "pip install 'wardgate[parquet]'" in capsys.readouterr().err
    assert features("--out", "table.csv") == 0


def test_an_export_without_patients_gives_no_table(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty table would look like an answer."""
    ndjson(here / "labs.ndjson", lab("33914-3", 40))
    arguments = ("features", "--schema", "features.yaml", "--input", "labs.ndjson", "--out", "table.csv")
    assert app.run(arguments) == 1
    assert "no patient gave a row" in capsys.readouterr().err
    assert not (here / "table.csv").exists()


def leftovers(here: Path) -> list[Path]:
    return [path for path in (*here.iterdir(), *(here / "tmp").iterdir()) if path.name.startswith((".", "wardgate"))]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(28, "No space left on device"), signal.SIGTERM])
def test_a_run_that_ends_early_leaves_the_old_table_and_nothing_else(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stop: Any
) -> None:
    """Ctrl-C, a full disk, SIGTERM: in the middle of the rows."""
    (here / "table.csv").write_text("old")

    def row_of(*arguments: object) -> list[tables.Cell]:
        assert leftovers(here)
        if isinstance(stop, signal.Signals):
            os.kill(os.getpid(), stop)
            return []
        raise stop

    monkeypatch.setattr(extraction, "row_of", row_of)
    assert features("--out", "table.csv") == (1 if isinstance(stop, OSError) else 130)
    assert (here / "table.csv").read_text() == "old"
    assert leftovers(here) == []
    assert "Traceback" not in capsys.readouterr().err


def test_a_damaged_file_gives_no_table(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named, and what is wrong with it; not what stands in it."""
    (here / "export" / "half.json").write_text(f'{{"resourceType": "Bundle", "id": "{PHI}')
    assert features("--out", "table.csv") == 1
    told = capsys.readouterr().err
    assert told.startswith("export/half.json: not a JSON object -> ") and PHI not in told
    assert not (here / "table.csv").exists() and leftovers(here) == []


def test_progress_is_shown_on_a_terminal_and_gone_at_the_end(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bars, and never a name of a file."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    bundle_file(here / "export" / f"{PHI}.json", patient(id="p3"))
    assert features("--out", "table.csv") == 0
    told = terminal.getvalue()
    assert "reading" in told and "extracting" in told and "100%" in told and PHI not in told
