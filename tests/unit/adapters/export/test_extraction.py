"""From the files of an export to rows: whose each resource is, which rows there are, and what is counted."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from tests.fakes.charts import lab as observation
from tests.fakes.charts import patient, problem
from tests.fakes.exports import Json, bundle_file, extracted, ndjson, plan_of
from tests.fakes.features_bundles import DAY, NOW, SNOMED, lab
from wardgate.adapters.export import charts
from wardgate.adapters.export.charts import Loss, Place, Unusable
from wardgate.adapters.export.extraction import Tally
from wardgate.adapters.export.tables import Cell, columns_of
from wardgate.domain.context.record import Dropped
from wardgate.domain.features.compile import compile_schema
from wardgate.domain.features.export import export_keys
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec, Take

EGFR = "98979-8"
SCHEMA = FeatureSchema(
    "1",
    (
        lab("egfr", (EGFR,), within=365 * DAY),
        lab("labs", (EGFR,), take=Take.COUNT),
        lab("dialysis", ("265764009",), system=SNOMED, source="Condition", take=Take.ANY),
        FeatureSpec(name="age", source="Patient", path="birthDate", as_="years"),
    ),
)
AT = "2026-03-01T08:00:00Z"
OTHER: Json = {"subject": {"reference": "Patient/p2"}}


def egfr(value: float, at: str = AT, **changes: object) -> Json:
    return observation(EGFR, value, at, **changes)


NAMES = [column.name for column in columns_of(compile_schema(SCHEMA, export_keys(SCHEMA)))]


def values(rows: list[list[Cell]], column: str = "egfr") -> dict[Cell, Cell]:
    """By patient, one column."""
    return {row[0]: row[NAMES.index(column)] for row in rows}


def test_a_bulk_export_is_grouped_by_patient_whatever_the_order(tmp_path: Path) -> None:
    """Files by type, patients interleaved, problems before Patients; rows come in the order of ids."""
    ndjson(tmp_path / "Condition.ndjson", problem("265764009", **OTHER))
    labs = [
        egfr(40),
        egfr(50, id="a", **OTHER),
        egfr(41, "2026-03-02", id="b"),
        egfr(51, "2026-03-02", id="c", **OTHER),
    ]
    ndjson(tmp_path / "Observation.ndjson", *labs)
    ndjson(tmp_path / "Patient.ndjson", patient(id="p2"), patient())
    ndjson(tmp_path / "Procedure.ndjson", {"resourceType": "Procedure"})
    rows, extraction = extracted(plan_of(SCHEMA, tmp_path))
    assert [row[0] for row in rows] == ["p1", "p2"]
    assert values(rows) == {"p1": 41.0, "p2": 51.0}
    assert values(rows, "dialysis") == {"p1": False, "p2": True}
    assert (extraction.reader.resources, extraction.reader.others) == (7, 1)


def test_bundles_gzip_folders_and_lines_of_bundles_are_read_alike(tmp_path: Path) -> None:
    """A plain Bundle, a gzipped one in a folder below, and one on a line of NDJSON."""
    bundle_file(tmp_path / "a.json", patient(), egfr(40))
    (tmp_path / "below").mkdir()
    plain = bundle_file(tmp_path / "b", patient(id="p2"), egfr(50, **OTHER)).read_bytes()
    (tmp_path / "below" / "b.json.gz").write_bytes(gzip.compress(plain))
    third = json.loads(plain.decode().replace("p2", "p3"))
    ndjson(tmp_path / "c.ndjson", third)
    assert values(extracted(plan_of(SCHEMA, tmp_path))[0]) == {"p1": 40.0, "p2": 50.0, "p3": 50.0}


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    """By itself and by its folder: resources without an id would count twice."""
    path = bundle_file(tmp_path / "a.json", patient(), {**egfr(40), "id": None})
    rows, _ = extracted(plan_of(SCHEMA, path, tmp_path))
    assert values(rows, "labs") == {"p1": 1.0}


def test_full_urls_hold_in_their_own_bundle(tmp_path: Path) -> None:
    """`urn:uuid:x` is p1 in one Bundle and p2 in the next; in a third it is nobody."""
    url = "urn:uuid:x"
    subject: Json = {"subject": {"reference": url}}
    bundle_file(tmp_path / "a.json", {"fullUrl": url, "resource": patient()}, egfr(40, **subject))
    bundle_file(tmp_path / "b.json", {"fullUrl": url, "resource": patient(id="p2")}, egfr(50, **subject))
    bundle_file(tmp_path / "c.json", egfr(60, **subject))
    rows, extraction = extracted(plan_of(SCHEMA, tmp_path))
    assert values(rows) == {"p1": 40.0, "p2": 50.0}
    assert extraction.tally.without_patient == 1  # the patient whose id is `x`


def test_a_full_url_of_two_patients_is_nobody(tmp_path: Path) -> None:
    """Law 11: what cannot be made sure does not count, for either of them."""
    url = "urn:uuid:x"
    patients = [{"fullUrl": url, "resource": patient(id=name)} for name in ("p1", "p2")]
    bundle_file(tmp_path / "a.json", *patients, egfr(40, subject={"reference": url}))
    rows, extraction = extracted(plan_of(SCHEMA, tmp_path))
    assert values(rows) == {"p1": None, "p2": None}
    assert extraction.reader.losses.counts == {Loss.NO_SUBJECT: 1}
    assert extraction.reader.losses.places[Loss.NO_SUBJECT] == [Place(tmp_path / "a.json", entry=3)]


def test_absolute_references_need_their_base(tmp_path: Path) -> None:
    """Patient/p1 of some other server is somebody else; of the export's own she is p1."""
    subject: Json = {"subject": {"reference": "https://ehr.example/fhir/Patient/p1"}}
    path = ndjson(tmp_path / "a.ndjson", patient(), egfr(40, **subject))
    rows, extraction = extracted(plan_of(SCHEMA, path))
    assert values(rows) == {"p1": None}
    assert extraction.reader.losses.counts == {Loss.OTHER_SERVER: 1}
    bases = frozenset({"https://ehr.example/fhir"})
    assert values(extracted(plan_of(SCHEMA, path, bases=bases))[0]) == {"p1": 40.0}


def test_what_is_missing_from_an_export_is_missing_not_unobtained(tmp_path: Path) -> None:
    """Whoever exports all of it has asked for all of it: nothing found is nothing there."""
    path = ndjson(tmp_path / "a.ndjson", patient())
    (row,) = extracted(plan_of(SCHEMA, path))[0]
    cells = dict(zip(NAMES, row, strict=True))
    assert [cells[name] for name in ("egfr", "egfr.mark", "egfr.age", "egfr.late")] == [None, "missing", None, None]
    assert [cells[name] for name in ("labs", "labs.mark", "dialysis", "dialysis.mark")] == [0.0, None, False, None]


def test_in_the_chart_of_one_patient_what_names_nobody_casts_doubt(tmp_path: Path) -> None:
    """As in a hook call: counts are unobtained then. In an export of many it is nobody's, and is counted."""
    nameless = {**egfr(40), "subject": None}
    path = bundle_file(tmp_path / "a.json", patient(), nameless)
    rows, extraction = extracted(plan_of(SCHEMA, path))
    assert (values(rows, "labs"), values(rows, "labs.mark")) == ({"p1": None}, {"p1": "unobtained"})
    assert extraction.tally.dropped == {Dropped.NO_SUBJECT: 1}
    path = ndjson(tmp_path / "a.ndjson", patient(), nameless)
    rows, extraction = extracted(plan_of(SCHEMA, path))
    assert values(rows, "labs") == {"p1": 0.0}
    assert extraction.reader.losses.counts == {Loss.NO_SUBJECT: 1}


@pytest.mark.parametrize("entry", [5, {"resource": 5}, {"resource": {"resourceType": 5}}, {"resource": []}])
def test_an_entry_that_cannot_be_read_may_be_of_any_type(tmp_path: Path, entry: object) -> None:
    """In the chart of one patient no count is sure any more."""
    path = bundle_file(tmp_path / "a.json", patient(), egfr(40), entry)
    rows, extraction = extracted(plan_of(SCHEMA, path))
    assert values(rows) == {"p1": 40.0}
    assert [values(rows, f"{name}.mark")["p1"] for name in ("labs", "dialysis")] == ["unobtained", "unobtained"]
    assert extraction.tally.dropped[Dropped.UNREADABLE] > 0


def test_a_misfit_costs_itself(tmp_path: Path) -> None:
    """A status that is a number costs the status; a subject that is a list costs the resource."""
    odd = [egfr(40), egfr(41, "2026-03-02", status=5), egfr(42, "2026-03-03", subject=[{"reference": "Patient/p1"}])]
    path = ndjson(tmp_path / "a.ndjson", patient(), *odd)
    rows, extraction = extracted(plan_of(SCHEMA, path))
    assert values(rows) == {"p1": 40.0}
    assert extraction.reader.losses.counts == {Loss.NO_SUBJECT: 1}


def test_more_misfits_than_a_call_has_time_for_are_read_all_the_same(tmp_path: Path) -> None:
    """3,000 broken results and one sound one: in a call the whole key would be unobtained."""
    broken = [egfr(9, "2025-01-01", id=f"b{number}", status=5) for number in range(3000)]
    path = ndjson(tmp_path / "a.ndjson", patient(), *broken, egfr(40))
    assert values(extracted(plan_of(SCHEMA, path), run_bytes=100_000)[0]) == {"p1": 40.0}


HOSTILE = [
    '{"resourceType": "Observation"',
    "not JSON",
    "[]",
    "5",
    '"text"',
    "null",
    "{}",
    '{"resourceType": 7}',
    '{"resourceType": "Bundle", "entry": 7}',
    "[" * 5000 + "]" * 5000,
    "\ud7ff",
]


def test_a_line_that_cannot_be_read_is_counted_with_its_place(tmp_path: Path) -> None:
    """However it is broken: the other lines count, and the first three places are named."""
    path = ndjson(tmp_path / "a.ndjson", patient(), *HOSTILE, "", egfr(40))
    rows, extraction = extracted(plan_of(SCHEMA, path))
    assert values(rows) == {"p1": 40.0}
    assert extraction.reader.losses.counts == {Loss.NOT_FHIR: len(HOSTILE)}
    assert extraction.reader.losses.places[Loss.NOT_FHIR] == [Place(path, line) for line in (2, 3, 4)]


def test_bytes_that_are_no_text_cost_what_holds_them(tmp_path: Path) -> None:
    """A display that is no UTF-8 costs the display; a byte order mark costs nothing."""
    raw = json.dumps(egfr(40, issued="\x00")).encode().replace(b"\\u0000", b"\xff\xfe")
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(patient()).encode() + b"\r\n" + raw)
    assert values(extracted(plan_of(SCHEMA, path))[0]) == {"p1": 40.0}


def test_a_line_longer_than_a_resource_is_never_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is skipped to its end, and counted."""
    monkeypatch.setattr(charts, "MAX_RESOURCE", 1000)
    path = ndjson(
        tmp_path / "a.ndjson", patient(), egfr(40), egfr(9, "2026-03-03", note="x" * 5000), egfr(41, "2026-03-02")
    )
    rows, extraction = extracted(plan_of(SCHEMA, path))
    assert values(rows) == {"p1": 41.0}
    assert extraction.reader.losses.places == {Loss.TOO_LARGE: [Place(path, 3)]}


def test_a_patient_without_an_id_is_nobody(tmp_path: Path) -> None:
    """Nor one whose id is none: it could stand for a path, or for another column."""
    path = ndjson(tmp_path / "a.ndjson", {**patient(), "id": None}, patient(id="a b"), patient(id="x" * 300), patient())
    rows, extraction = extracted(plan_of(SCHEMA, path))
    assert [row[0] for row in rows] == ["p1"]
    assert extraction.reader.losses.counts == {Loss.NO_ID: 3}


def damaged(path: Path, raw: bytes) -> Path:
    path.write_bytes(raw)
    return path


SOUND = gzip.compress(json.dumps({"resourceType": "Bundle"}).encode() * 50, mtime=0)


@pytest.mark.parametrize(
    ("name", "raw", "what"),
    [
        ("a.json", b"", "not a JSON object"),
        ("a.json", b"[]", "not a JSON object"),
        ("a.json", b'{"resourceType":"Bundle","entry":[', "not a JSON object"),
        ("a.json.gz", b"no gzip", "damaged"),
        ("a.ndjson.gz", SOUND[:-9], "damaged"),
        ("a.ndjson.gz", SOUND[:20] + bytes(20) + SOUND[40:], "damaged"),
        ("a.txt", b"", "does not say what it is"),
    ],
)
def test_a_file_that_cannot_be_read_to_its_end_stops_it_all(tmp_path: Path, name: str, raw: bytes, what: str) -> None:
    """A table over half an export would look like one over all of it."""
    with pytest.raises(Unusable, match=what) as caught:
        extracted(plan_of(SCHEMA, damaged(tmp_path / name, raw)))
    assert caught.value.path == tmp_path / name


def test_a_document_larger_than_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small gzip file may unpack to anything."""
    monkeypatch.setattr(charts, "MAX_BUNDLE", 1024 * 1024)
    path = damaged(tmp_path / "a.json.gz", gzip.compress(b" " * (1024 * 1024 + 1)))
    with pytest.raises(Unusable, match="larger than 1 MiB"):
        extracted(plan_of(SCHEMA, path))


@pytest.mark.parametrize("given", ["nowhere.json", "."])
def test_no_export_is_an_error(tmp_path: Path, given: str) -> None:
    """Neither a file that is not there, nor a folder without one."""
    with pytest.raises(Unusable):
        plan_of(SCHEMA, tmp_path / given)


def dates(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "dates.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_index_dates_give_each_patient_rows_of_her_own(tmp_path: Path) -> None:
    """Several a patient, sorted; a patient without one has no row, and a date of nobody is counted."""
    path = ndjson(
        tmp_path / "a.ndjson", patient(), patient(id="p2"), patient(id="p3"), egfr(40), egfr(50, "2026-03-10")
    )
    table = "label,time,patient\n1,2026-03-12,p1\n0,2026-03-05T08:00:00+01:00,Patient/p1\n1,2026-03-05,p2\n1,2026,p9\n"
    rows, extraction = extracted(plan_of(SCHEMA, path, dates=dates(tmp_path, table)))
    assert [(row[0], str(row[1]), row[3]) for row in rows] == [
        ("p1", "2026-03-05 07:00:00+00:00", 40.0),
        ("p1", "2026-03-11 23:00:00+00:00", 50.0),
        ("p2", "2026-03-04 23:00:00+00:00", None),
    ]
    tally = extraction.tally
    assert (tally.patients, tally.rows, tally.without_date, tally.dates_of_nobody) == (3, 3, 1, 1)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "not a table of patients"),
        ("patient,when\np1,2026\n", "not a table of patients"),
        ("patient,time\np1,2026\np1,soon\n", "line 3: not a time"),
        ("patient,time\np1\n", "line 2: not a time"),
        ("patient,time\n ,2026\n", "line 2: no patient"),
        ("patient,time\np1,9999-12-31\n", "line 2: not a time"),
        ('patient,time\n"p1,2026\n', "not CSV"),
    ],
)
def test_index_dates_that_are_not_sound_are_refused(tmp_path: Path, text: str, what: str) -> None:
    """A row that is silently not there makes another training set. The message holds nothing of the file."""
    path = ndjson(tmp_path / "a.ndjson", patient())
    with pytest.raises(Unusable, match=what) as caught:
        extracted(plan_of(SCHEMA, path, dates=dates(tmp_path, text)))
    assert "soon" not in caught.value.what + caught.value.remedy


def test_pseudonyms_hold_for_one_key_and_say_nothing(tmp_path: Path) -> None:
    """One for each patient, in an order of their own; another key, other ones."""
    path = ndjson(tmp_path / "a.ndjson", *(patient(id=f"p{number}") for number in range(20)))
    first, again, other = (
        [str(row[0]) for row in extracted(plan_of(SCHEMA, path, key=key * 32))[0]] for key in (b"a", b"a", b"b")
    )
    assert first == again == sorted(first) and len(set(first)) == 20
    assert set(first).isdisjoint(other)
    assert all(len(name) == 32 and "p" not in name for name in first)


def test_the_tally_counts_every_feature_of_every_row(tmp_path: Path) -> None:
    """Marks by feature: what a reader of the summary relies on."""
    path = ndjson(tmp_path / "a.ndjson", patient(), patient(id="p2"), egfr(40), egfr(40, "2020-01-01", id="x", **OTHER))
    tally: Tally = extracted(plan_of(SCHEMA, path))[1].tally
    of_egfr = {mark: count for (name, mark), count in tally.marks.items() if name == "egfr"}
    assert of_egfr == {"value": 1, "stale": 1}
    assert Counter(name for name, _ in tally.marks.elements()) == dict.fromkeys(("egfr", "labs", "dialysis", "age"), 2)


def test_the_clock_of_a_row_hides_what_came_later(tmp_path: Path) -> None:
    """The same export at two clocks: two rows, each as of its own."""
    path = ndjson(tmp_path / "a.ndjson", patient(), egfr(40), egfr(50, "2026-03-20"))
    rows, _ = extracted(plan_of(SCHEMA, path, as_of=(NOW - 15 * DAY, NOW)))
    assert [row[3] for row in rows] == [40.0, 50.0]


MEDICINES = FeatureSchema(
    "1",
    (
        lab("statin", ("259255",), system="rx", source="MedicationRequest", take=Take.ANY),
        lab("drafts", ("1",), source="context", path="draftOrders", take=Take.COUNT),
        FeatureSpec(name="stay", source="Encounter", path="period.start", as_="hours"),
        lab("late", (EGFR,), max_lag=DAY),
    ),
)


def order(patient_id: str, reference: str) -> Json:
    return {
        "resourceType": "MedicationRequest",
        "id": f"r-{patient_id}",
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{patient_id}"},
        "medicationReference": {"reference": reference},
    }


def medicine(code: str, **changes: object) -> Json:
    return {"resourceType": "Medication", "id": "m1", "code": {"coding": [{"system": "rx", "code": code}]}, **changes}


def test_a_medicine_goes_to_whoever_refers_to_it(tmp_path: Path) -> None:
    """In a file of its own, before or after the orders; in a Bundle by its fullUrl, which another Bundle also uses."""
    ndjson(
        tmp_path / "a.ndjson", *(order(name, "Medication/m1") for name in ("p1", "p2")), order("p3", "Medication/no")
    )
    ndjson(tmp_path / "b.ndjson", medicine("259255"), *(patient(id=f"p{number}") for number in range(1, 4)))
    for name, code in (("p4", "259255"), ("p5", "1")):
        entries = [{"fullUrl": "urn:uuid:m", "resource": medicine(code, id=None)}, order(name, "urn:uuid:m")]
        bundle_file(tmp_path / f"{name}.json", patient(id=name), *entries)
    rows, extraction = extracted(plan_of(MEDICINES, tmp_path))
    assert {row[0]: (row[3], row[4]) for row in rows} == {
        "p1": (True, None),
        "p2": (True, None),
        "p3": (None, "unobtained"),  # which medicine it is, cannot be known
        "p4": (True, None),
        "p5": (False, None),
    }
    assert not extraction.reader.losses.counts


def test_what_only_a_call_has_is_unobtained(tmp_path: Path) -> None:
    """Drafts and the call's own Encounter: that they are not in an export is no evidence of absence."""
    rows, _ = extracted(plan_of(MEDICINES, ndjson(tmp_path / "a.ndjson", patient())))
    names = [column.name for column in columns_of(plan_of(MEDICINES, tmp_path).extractor)]
    cells = dict(zip(names, rows[0], strict=True))
    assert cells["drafts.mark"] == cells["stay.mark"] == "unobtained"


@pytest.mark.parametrize(("issued", "late"), [("2026-03-01T20:00:00Z", False), ("2026-03-04", True)])
def test_lateness_is_told_where_the_feed_has_promised_something(tmp_path: Path, issued: str, late: bool) -> None:
    """And is empty for all other features, and where nothing was selected."""
    path = ndjson(tmp_path / "a.ndjson", patient(), patient(id="p2"), egfr(40, issued=issued))
    rows, _ = extracted(plan_of(MEDICINES, path))
    assert [row[-1] for row in rows] == [late, None]
    assert [row[6] for row in rows] == [None, None]
