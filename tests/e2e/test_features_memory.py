"""`wardgate features` in constant memory: a large export takes no more of it than one run of the sort."""

import subprocess
import sys
from pathlib import Path

import pytest

STATUS = Path("/proc/self/status")
SCHEMA = """\
version: "1"
features:
  - {name: age, from: Patient, path: birthDate, as: years}
  - {name: egfr, from: Observation, code: {system: http://loinc.org, any: ["98979-8"]}, take: mean}
"""
OBSERVATION = (
    '{"resourceType":"Observation","id":"o%d-%d","status":"final","subject":{"reference":"Patient/p%d"},'
    '"code":{"coding":[{"system":"http://loinc.org","code":"98979-8"}]},"effectiveDateTime":"2025-01-01",'
    '"valueQuantity":{"value":%d},"note":[{"text":"' + "x" * 1000 + '"}]}\n'
)
PROGRAM = """\
import sys
from wardgate.cli.app import run
code = run(sys.argv[1:])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(code, peak.split()[1])
"""


def export(folder: Path, patients: int, each: int) -> Path:
    """Round by round, so that no patient's resources stand together."""
    folder.mkdir()
    people = (f'{{"resourceType":"Patient","id":"p{n}","birthDate":"1960-01-01"}}\n' for n in range(patients))
    (folder / "Patient.ndjson").write_text("".join(people))
    with (folder / "Observation.ndjson").open("w") as file:
        for turn in range(each):
            file.writelines(OBSERVATION % (turn, number, number, turn) for number in range(patients))
    return folder


def peak(folder: Path, schema: Path, out: Path) -> int:
    """MiB of a whole run in a process of its own."""
    arguments = (
        "features",
        "--schema",
        str(schema),
        "--input",
        str(folder),
        "--out",
        str(out),
        "--as-of",
        "2026-01-01",
    )
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, timeout=120, check=True
    )
    code, kilobytes = ran.stdout.split()
    assert code == "0", ran.stderr
    return int(kilobytes) // 1024


@pytest.mark.skipif(not STATUS.exists(), reason="needs /proc")
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_large_export_takes_no_more_memory_than_a_run_of_the_sort(tmp_path: Path, suffix: str) -> None:
    """110 MB in 90,000 resources of 3,000 patients, against 1 MB: at most 64 MiB more."""
    schema = tmp_path / "features.yaml"
    schema.write_text(SCHEMA)
    large = export(tmp_path / "large", 3000, 30)
    size = sum(path.stat().st_size for path in large.iterdir())
    assert size > 100_000_000
    small = peak(export(tmp_path / "small", 30, 30), schema, tmp_path / f"small{suffix}")
    assert peak(large, schema, tmp_path / f"large{suffix}") - small < 64
    if suffix == ".csv":
        header, *rows = (tmp_path / "large.csv").read_text().splitlines()
        assert len(rows) == 3000 and all(",14.5," in row for row in rows)
