"""Outcomes come in whole, pseudonymised, once, or not at all."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.stories import CLIENTS, DAY, FHIR, NAMES, NOW, archive_in, decision, desk_of, filled
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.domain.pseudonyms import KeyRing
from wardgate.domain.record_names import RecordNames, encounter, event, patient
from wardgate.records.archive import OutcomeRow
from wardgate.records.outcomes import BadRow, BadRows, Form, Ground, NoHeader, OutcomeReader, Unnamed, lines_of

GROUND = Ground(CLIENTS, frozenset({"kidney_failure", "death"}), "registry", "ward-ehr", FHIR)
HEAD = "patient,label,value,time\n"
P1 = NAMES.of(patient("ward-ehr", FHIR, "p1"))


def rows(text: str, form: Form = Form.CSV, ground: Ground = GROUND, skip_bad: bool = False) -> list[OutcomeRow]:
    return list(OutcomeReader(ground, NAMES, skip_bad).rows(lines_of([text.encode("utf-8", "surrogateescape")]), form))


def bad(text: str, form: Form = Form.CSV, ground: Ground = GROUND) -> list[BadRow]:
    with pytest.raises(BadRows) as error:
        rows(text, form, ground)
    return list(error.value.rows)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (HEAD + "p1,kidney_failure,1,2026-01-05T08:00:00Z\n", Form.CSV),
        ("\ufeffTime,Value,LABEL,patient,remark\n2026-01-05T08:00:00Z,1,kidney_failure,p1,Mr Smith\n", Form.CSV),
        (HEAD + '"p1","kidney_failure","1.0","2026-01-05T09:00:00+01:00"', Form.CSV),
        (HEAD + "Patient/p1,kidney_failure,1,2026-01-05T09:00:00\r\n", Form.CSV),  # in the client's own zone
        ('{"patient":"p1","label":"kidney_failure","value":1,"time":"2026-01-05T08:00:00Z"}\n\n', Form.NDJSON),
        ('\ufeff{"patient":"p1","label":"kidney_failure","value":1,"time":"2026-01-05T08:00:00Z"}\r\n', Form.NDJSON),
        ('{"patient":"p1","label":"kidney_failure","value":true,"time":"2026-01-05T08:00:00Z","more":{}}', Form.NDJSON),
    ],
)
def test_both_forms_say_the_same(text: str, form: Form) -> None:
    """Columns in any order, others beside them, a last line that is whole without its end."""
    assert rows(text, form) == [OutcomeRow(P1, "kidney_failure", 1.0, 1_767_600_000.0)]


def test_of_a_value_five_digits_are_kept() -> None:
    """More of them would tell a patient apart (law 4); and of a time the second."""
    (row,) = rows(HEAD + "p1,death,123456.789,2026-01-05T08:00:00.987Z\n")
    assert (row.value, row.at) == (123460.0, 1_767_600_000.0)


def test_a_row_may_name_whose_ids_it_holds() -> None:
    """Client and FHIR server of the row stand before those of the whole; an encounter is no patient."""
    head = "encounter,label,value,time,client,fhir_server,event\n"
    (row,) = rows(f"{head}e1,death,1,2026-01-05,other-ehr,{FHIR}/,stay 7\n")
    assert row.subject == NAMES.of(encounter("other-ehr", FHIR, "e1"))
    assert row.event == NAMES.of(event("registry", "stay 7"))


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("Mr Smith,kidney_failure,1,2026-01-05", "patient"),
        (",kidney_failure,1,2026-01-05", "patient"),
        ("p1,smith_syndrome,1,2026-01-05", "label"),
        ("p1,kidney_failure,yes,2026-01-05", "value"),
        ("p1,kidney_failure,inf,2026-01-05", "value"),
        ("p1,kidney_failure,1e400,2026-01-05", "value"),
        ("p1,kidney_failure,1_000,2026-01-05", "value"),
        ("p1,kidney_failure,\u0661,2026-01-05", "value"),
        ("p1,kidney_failure,1,5 Jan 2027", "time"),
        ("p1,kidney_failure,1,2027-01", "time"),
        ("p1,kidney_failure,1", ""),
        ("p1,kidney_failure,1,2026-01-05,more", ""),
        ("\udcff\udcfe,kidney_failure,1,2026-01-05", "patient"),
        ("p\x001,kidney_failure,1,2026-01-05", "patient"),
    ],
)
def test_a_bad_row_is_named_by_place_alone(row: str, column: str) -> None:
    """Line and column; what stands there may be a name."""
    good = "p1,kidney_failure,1,2026-01-05\n"
    (told,) = bad(f"{HEAD}{good}{row}\n{good}")
    assert (told.line, told.column) == (3, column)
    assert "mith" not in told.what


@pytest.mark.parametrize("row", ["[1]", "{", '{"patient":1}', '{"value":[]}', "nul", '{"patient":"p1"', "[" * 5000])
def test_a_bad_line_of_json_is_no_traceback(row: str) -> None:
    """It is named like any other."""
    assert [told.line for told in bad(row, Form.NDJSON)] == [1]


ONE = '{"patient":"p1","label":"death","value":1,"time":"2026-01-05",%s}'


@pytest.mark.parametrize("more", ['"patient":"p2"', '"p\\u0061tient":"p2"'], ids=["plain", "escaped"])
def test_a_name_that_stands_twice_is_not_guessed_at(more: str) -> None:
    """Regression: the last one counted, and so another patient."""
    assert [told.column for told in bad(ONE % more, Form.NDJSON)] == ["patient"]


@pytest.mark.parametrize("more", ['"kind":"patient"', '"more":{"patient":"p2","time":""}', '"note":"M\\u00fcller"'])
def test_elsewhere_the_same_words_mean_nothing(more: str) -> None:
    """As another column's text, or within it."""
    assert len(rows(ONE % more, Form.NDJSON)) == 1


def test_what_lies_ahead_is_no_outcome(tmp_path: Path) -> None:
    """Regression: with a slip of the year a patient counted as well for years. Clocks may differ by minutes."""
    archive = filled(tmp_path, [decision(1)])
    for ahead in (400 * DAY, 600.0):
        with pytest.raises(BadRows) as error:
            load(archive, HEAD + f"p1,kidney_failure,0,{_day((ahead + DAY) / DAY)}\n", now=NOW + DAY)
        assert [(told.column, told.what) for told in error.value.rows] == [("time", "is in the future")]
    assert load(archive, HEAD + f"p1,kidney_failure,0,{_day(1 + 200 / DAY)}\n", now=NOW + DAY)[0] == 1


@pytest.mark.parametrize("cut", ["p1", "p", "p12\r", '"p1'])
def test_a_file_that_was_cut_off_is_not_loaded(cut: str) -> None:
    """Half of an id is another patient's. What is quoted has an end of its own."""
    head = "label,value,time,patient\nkidney_failure,1,2026-01-05,p7\n"
    (told,) = bad(f"{head}kidney_failure,1,2026-01-05,{cut}")
    assert (told.line, told.column) == (3, "")
    assert len(rows(f'{head}kidney_failure,1,2026-01-05,"p1"')) == 2


def test_all_bad_rows_are_told_up_to_a_hundred() -> None:
    """And all are counted."""
    with pytest.raises(BadRows) as error:
        rows(HEAD + "x y,death,1,2026-01-05\n" * 250)
    assert (error.value.count, len(error.value.rows)) == (250, 100)


@pytest.mark.parametrize("head", ["", "Smith,John,1,2026-01-05\n", "patient,label,value\n", "label,value,time\n"])
def test_a_csv_names_its_columns(head: str) -> None:
    """A file without a head would lose its first patient, or worse."""
    with pytest.raises(NoHeader):
        rows(head)


@pytest.mark.parametrize("head", ["patient,Patient ,label,value,time", "patient,label,value,time,time,label"])
def test_a_column_that_is_named_twice_is_not_guessed_at(head: str) -> None:
    """Half of the rows would be about the wrong patient; columns of others may stand there as often as they like."""
    with pytest.raises(NoHeader, match="more than once"):
        rows(f"{head}\n")
    assert len(rows("x,patient,x,label,value,time\n1,p1,2,death,1,2026-01-05\n")) == 1


@pytest.mark.parametrize("skip_bad", [False, True])
@pytest.mark.parametrize("closing", ['"', '",x', "", 'p9",death,1,2026-01-05,"'])
def test_an_open_quote_loses_no_row_unseen(closing: str, skip_bad: bool) -> None:
    """Where it is closed further down, as another quote or at the end of a cell that nobody looks at, or never: the
    lines between would be one cell. Nothing is loaded, and the line in which it was opened is named."""
    line = "p1,death,1,2026-01-05,note\n"
    text = f'patient,label,value,time,remark\n{line}p2,death,1,2026-01-05,"note\n{line}{line}{closing}\n{line}'
    with pytest.raises(BadRows) as error:
        rows(text, skip_bad=skip_bad)
    (told,) = error.value.rows
    assert (told.line, told.column, "takes in the lines up to" in told.what) == (3, "", True)


def test_whose_ids_they_are_must_be_known() -> None:
    """Ids of two servers mean two patients (law 11): nothing is guessed where there are several."""
    nobody = Ground(CLIENTS, GROUND.labels, "registry")
    assert [told.column for told in bad(HEAD + "p1,death,1,2026-01-05\n", ground=nobody)] == ["client"]
    elsewhere = Ground(CLIENTS, GROUND.labels, "registry", "ward-ehr", "https://other.example/fhir")
    assert [told.column for told in bad(HEAD + "p1,death,1,2026-01-05\n", ground=elsewhere)] == ["fhir_server"]


def test_what_is_named_for_all_rows_is_of_the_configuration(tmp_path: Path) -> None:
    """Else it is told before a row is read."""
    desk = desk_of(archive_in(tmp_path))
    assert desk.ground("registry", "ward-ehr", None).fhir_server == FHIR
    for source, client, server in (("Mr Smith", None, None), ("a", "nobody", None), ("a", None, "https://x.example")):
        with pytest.raises(Unnamed):
            desk.ground(source, client, server)


def test_a_row_is_found_under_every_key_of_the_ring() -> None:
    """What is joined may have been decided before the key was changed."""
    old, new = b"an old secret of thirty-two bytes", b"a newer secret of thirty-two bytes"
    before, now = RecordNames(KeyRing([old])), RecordNames(KeyRing([new, old]))
    reader = OutcomeReader(GROUND, now)
    made = list(reader.rows(lines_of([(HEAD + "p1,death,1,2026-01-05\n").encode()]), Form.CSV))
    whose = patient("ward-ehr", FHIR, "p1")
    assert [row.subject for row in made] == [now.of(whose), before.of(whose)]
    assert reader.read == 1
    earlier = OutcomeReader(GROUND, before)
    list(earlier.rows(lines_of([(HEAD + "p1,death,1,2026-01-05\n").encode()]), Form.CSV))
    assert reader.earlier_digests == (earlier.digest,), "so a file that was loaded before a rotation is known after it"


def load(
    archive: SqlArchive, text: str, skip_bad: bool = False, now: float = NOW + 900 * DAY
) -> tuple[int, int, int, bool]:
    desk = desk_of(archive, now)
    ground = desk.ground("registry", "ward-ehr", None)
    loaded = desk.load_outcomes(lines_of([text.encode()]), Form.CSV, ground, skip_bad)
    return loaded.result.new, loaded.result.corrected, loaded.skipped, loaded.result.known


def test_a_file_counts_once_and_a_correction_replaces(tmp_path: Path) -> None:
    """By its digest; a later file of the same source corrects the row of the same patient."""
    archive = filled(tmp_path, [decision(1)])
    first = HEAD + f"p1,kidney_failure,1,{_day(40)}\n"
    assert load(archive, first) == (1, 0, 0, False)
    assert load(archive, first) == (0, 0, 0, True)
    assert load(archive, HEAD + f"p1,kidney_failure,0,{_day(800)}\n") == (0, 1, 0, False)
    assert load(archive, first) == (0, 0, 0, True)
    assert load(archive, first + "\n") == (0, 1, 0, False), "an empty line makes it another file"
    assert load(archive, HEAD + f"p1,kidney_failure,0,{_day(801)}\n") == (0, 1, 0, False)
    (story,) = desk_of(archive).trace(decision(1).decision_id, "auditor")
    assert story.outcome == 0.0


def test_nothing_is_loaded_of_a_file_with_a_bad_row(tmp_path: Path) -> None:
    """Unless that is asked for, and then it is counted."""
    archive = archive_in(tmp_path)
    text = HEAD + f"p1,kidney_failure,1,{_day(40)}\nx y,kidney_failure,1,{_day(40)}\n"
    with pytest.raises(BadRows):
        load(archive, text)
    assert archive.outcomes_of([P1]) == []
    assert load(archive, text, skip_bad=True) == (1, 0, 1, False)


def test_no_id_is_written_anywhere(tmp_path: Path) -> None:
    """Pseudonymised at the door: the files of the store hold nothing of what came in."""
    archive = archive_in(tmp_path)
    load(archive, "patient,label,value,time,event\nmarked-patient-77,kidney_failure,1,2026-01-05,marked-event-77\n")
    archive.close()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"kidney_failure" in written
    assert b"marked" not in written


@given(st.lists(st.binary(max_size=40), max_size=20), st.sampled_from(Form))
def test_no_bytes_are_a_traceback(pieces: list[bytes], form: Form) -> None:
    """Whatever comes in, it ends with rows, with bad rows, or with no head."""
    try:
        list(OutcomeReader(GROUND, NAMES).rows(lines_of([b"patient,label,value,time\n", *pieces]), form))
    except (BadRows, NoHeader):
        pass


@given(st.lists(st.text("ab\n", max_size=8)), st.integers(1, 7))
def test_lines_do_not_depend_on_how_bytes_were_cut(parts: list[str], size: int) -> None:
    """Chunks of a request end anywhere."""
    whole = "".join(parts).encode()

    def cut() -> Iterator[bytes]:
        for start in range(0, len(whole), size):
            yield whole[start : start + size]

    assert list(lines_of(cut())) == whole.splitlines(keepends=True)


def test_a_line_without_end_is_not_held(tmp_path: Path) -> None:
    """A body that never breaks its line comes in pieces, and each piece is a bad row."""
    pieces = list(lines_of(iter([b"x" * 60_000] * 4)))
    assert max(map(len, pieces)) <= 60_000 + 16 * 1024
    assert b"".join(pieces) == b"x" * 240_000


def _day(days: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(NOW + days * DAY, UTC).isoformat()
