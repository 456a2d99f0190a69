"""The demo's patients: what each of them is meant to show is in the chart."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from wardgate.lab import chart, cohort, kfre
from wardgate.lab.chart import ACR, EGFR
from wardgate.lab.fhir_search import search
from wardgate.lab.fhir_store import Store, load_bundle

_TODAY = date(2026, 11, 21)


@pytest.fixture(scope="module")
def store() -> Store:
    store = Store()
    for bundle in cohort.build(_TODAY):
        load_bundle(store, bundle)
    return store


def _labs(store: Store, patient: str, code: str) -> list[dict[str, Any]]:
    return search(
        store, "Observation", [("patient", patient), ("code", f"http://loinc.org|{code}"), ("_sort", "-date")]
    )


def _risk(store: Store, key: str) -> float:
    person = store.read("Patient", key)
    assert person is not None
    egfr, uacr = (_labs(store, key, code)[0]["valueQuantity"]["value"] for code in (EGFR, ACR))
    age = (_TODAY - date.fromisoformat(person["birthDate"])).days / 365.2425
    return kfre.risk(kfre.VARIANTS["kfre"], kfre.terms(age, float(person["gender"] == "male"), egfr, uacr))


def test_the_same_day_gives_the_same_patients(store: Store) -> None:
    """The seed is fixed, so that two people look at the same demo."""
    again = Store()
    for bundle in cohort.build(_TODAY):
        load_bundle(again, bundle)
    for kind in store.kinds():
        assert list(store.all(kind)) == list(again.all(kind))


def test_everything_is_valid_fhir(store: Store) -> None:
    """An independent validator accepts every resource: the difficulties are clinical, not broken syntax."""
    for kind in store.kinds():
        for resource in store.all(kind):
            get_fhir_model_class(kind).model_validate(resource)


def test_every_person_has_a_readable_id(store: Store) -> None:
    """Ids are what people type, and each reference of a chart leads to something in it."""
    for person in cohort.PEOPLE:
        assert store.read("Patient", person.id) is not None
        for observation in store.of_patient("Observation", person.id):
            kind, _, key = observation["performer"][0]["reference"].partition("/")
            assert store.read(kind, key) is not None


def test_the_risks_spread_over_all_bands(store: Store) -> None:
    """Some below 1 %, some of 1 to 10 %, some above: a demo of one band shows little."""
    risks = [_risk(store, person.id) for person in cohort.PEOPLE if person.id.startswith(("ckd-", "advanced-"))]
    assert sum(risk < 0.01 for risk in risks) >= 5
    assert sum(0.01 <= risk < 0.10 for risk in risks) >= 2
    assert sum(risk >= 0.10 for risk in risks) >= 4


def test_histories_decline_to_the_newest_value(store: Store) -> None:
    """Three to five earlier visits, all in the past, the eGFR falling on the whole."""
    for person in cohort.PEOPLE:
        if person.change is None:
            history = _labs(store, person.id, EGFR)
            assert 4 <= len(history) <= 6
            assert history[-1]["valueQuantity"]["value"] > history[0]["valueQuantity"]["value"]


def test_nothing_is_measured_in_the_future_of_a_clean_chart(store: Store) -> None:
    """A result of later today would not count yet, and the demo would be empty in the morning."""
    midnight = datetime.combine(_TODAY, datetime.min.time(), UTC)
    for person in cohort.PEOPLE:
        if person.id != "dirty-chart":
            for observation in store.of_patient("Observation", person.id):
                assert datetime.fromisoformat(observation["effectiveDateTime"]) < midnight


@pytest.mark.parametrize("now", ["2026-11-26T00:00", "2028-02-29T08:59:59", "2027-01-01T09:00", "2028-03-01T23:59:59"])
def test_days_ago_are_as_many_at_every_hour(now: str) -> None:
    """The tutorial says "5 days ago": it was wrong from midnight to nine, when a visit was at nine of its day."""
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    for person, bundle in zip(cohort.PEOPLE, cohort.build(moment.date(), moment), strict=True):
        if person.change is None:
            seen = datetime.fromisoformat(chart.newest(bundle, EGFR)["effectiveDateTime"])
            assert (moment - seen).days == person.last_visit
            issued = [each["issued"] for entry in bundle["entry"] if "issued" in (each := entry["resource"])]
            assert issued and all(datetime.fromisoformat(at) <= moment for at in issued)


def test_creatinine_fits_the_egfr(store: Store) -> None:
    """CKD-EPI 2021 of the creatinine gives the eGFR that the chart states, within rounding."""
    person, value = store.read("Patient", "advanced-03"), _labs(store, "advanced-03", chart.CREATININE)[0]
    assert person is not None
    age = (_TODAY - date.fromisoformat(person["birthDate"])).days / 365.2425
    female = person["gender"] == "female"
    knot, exponent, factor = (0.7, -0.241, 1.012) if female else (0.9, -0.302, 1.0)
    ratio = value["valueQuantity"]["value"] / knot
    egfr = 142 * min(ratio, 1) ** exponent * max(ratio, 1) ** -1.2 * 0.9938**age * factor
    assert egfr == pytest.approx(18, abs=0.2)


def test_the_defects_are_there(store: Store) -> None:
    """Each difficult chart has the difficulty that its name promises."""
    patients = {person.id: store.read("Patient", person.id) or {} for person in cohort.PEOPLE}
    assert _labs(store, "no-uacr", ACR) == []
    assert _labs(store, "stale-labs", EGFR)[0]["effectiveDateTime"] < "2025-11"
    assert _labs(store, "wrong-unit", ACR)[0]["valueQuantity"]["unit"] == "mg/L"
    assert _labs(store, "si-units", ACR)[0]["valueQuantity"]["unit"] == "mg/mmol"
    assert _labs(store, "above-60", EGFR)[0]["valueQuantity"]["comparator"] == ">"
    assert _labs(store, "withdrawn-lab", EGFR)[0]["status"] == "entered-in-error"
    assert search(store, "Condition", [("patient", "on-dialysis"), ("code", "http://snomed.info/sct|265764009")])
    assert patients["child"]["birthDate"] > "2014"
    assert patients["deceased"]["deceasedDateTime"] < "2026-11-21"


def test_one_chart_holds_somebody_else_s_result(store: Store) -> None:
    """The server files it under the wrong patient; its subject says whose it is."""
    subjects = {each["subject"]["reference"] for each in store.of_patient("Observation", "mixed-chart")}
    assert subjects == {"Patient/mixed-chart", "Patient/advanced-01"}
    assert _labs(store, "mixed-chart", EGFR)[0]["subject"]["reference"] == "Patient/advanced-01"


def test_the_dirty_chart_is_dirty(store: Store) -> None:
    """Duplicates, dates of the future, and values that are no numbers."""
    observations = list(store.of_patient("Observation", "dirty-chart"))
    assert any(each["effectiveDateTime"] > "2026-11-21" for each in observations)
    assert any("valueString" in each for each in observations)
