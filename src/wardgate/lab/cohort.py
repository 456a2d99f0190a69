"""The demo's patients: made at start, dated back from now, the same for everybody on the same day but for the hour.

The bodies of the charts (labs, vitals, conditions, medications) come from the generator `carebundle`, which is
calibrated on NHANES and written by others; its eGFR stays at 30 or more, so the patients with advanced disease
get their kidney values from here. Earlier visits are the generated one, moved back, with the values that a
steady decline implies. Nobody in it is real.
"""

import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from wardgate.lab import chart
from wardgate.lab.chart import ACR, EGFR, Bundle
from wardgate.lab.ward import Ward, admit

_SEED = 20
_VISIT_EVERY = 119  # days
_VISIT_AT = time(9)  # when the generator's visits are, UTC


class NoGenerator(Exception):
    """The package that makes the patients is not installed."""


@dataclass(frozen=True)
class Person:
    """`egfr` (mL/min/1.73 m2) and `uacr` (mg/g) replace the generated ones; `last_visit` is in days before now.
    `ward`: an inpatient now, with what was charted there."""

    id: str
    shows: str
    egfr: float | None = None
    uacr: float | None = None
    last_visit: int = 5
    age: int | None = None
    change: Callable[[Bundle, date], Bundle] | None = None
    ward: Ward | None = None


def build(today: date, now: datetime | None = None) -> list[Bundle]:
    """One Bundle for each of PEOPLE, in that order, ids given; raises NoGenerator.

    Visits and what inpatients have charted are dated back from `now`, the start of today unless given: a visit of
    five days ago is one at every hour of the day.
    """
    now = now or datetime.combine(today, time(), UTC)
    charts = _generate(len(PEOPLE), today)
    seen = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    since = datetime.combine(today, _VISIT_AT, UTC) - seen
    bundles = [_person(person, bundle, today, since) for person, bundle in zip(PEOPLE, charts, strict=True)]
    for person, bundle in zip(PEOPLE, bundles, strict=True):
        if person.ward is not None:
            admit(bundle, person.ward, now)
    return bundles


def _generate(count: int, today: date) -> list[Bundle]:
    try:
        from carebundle import generate_cohort, to_json
    except ImportError:
        raise NoGenerator(
            "the demo's patients are made by the package carebundle, which is not installed: "
            "pip install 'wardgate[demo]', or name a folder of your own with --patients"
        ) from None
    charts = generate_cohort(
        count=count, seed=_SEED, prevalence={"ckd_stage3": 1.0}, age_range=(45, 80), reference_date=today
    )
    return [json.loads(to_json(each)) for each in charts]


def _person(person: Person, bundle: Bundle, today: date, since: timedelta) -> Bundle:
    """`since` is how long before the generated visit a visit of day 0 was."""
    chart.name_resources(bundle, person.id)
    chart.shift_visit(bundle, timedelta(days=person.last_visit) + since)
    if person.age is not None:
        chart.patient(bundle)["birthDate"] = _years_before(today, person.age).isoformat()
    if person.egfr is not None:
        chart.set_kidney_values(bundle, person.egfr, person.uacr, today)
    _add_earlier_visits(bundle, person.id, today)
    return person.change(bundle, today) if person.change else bundle


def _add_earlier_visits(bundle: Bundle, seed: str, today: date) -> None:
    """3 to 5 earlier visits with eGFR, creatinine and albuminuria, as a decline of 2 to 5 mL/min a year implies."""
    dice = random.Random(seed)
    now = chart.newest(bundle, EGFR)["valueQuantity"]["value"], chart.newest(bundle, ACR)["valueQuantity"]["value"]
    visit = copy.deepcopy(chart.kidney_labs(bundle))
    decline, visits = dice.uniform(2, 5), dice.randint(3, 5)
    for number in range(1, visits + 1):
        years = number * _VISIT_EVERY / 365.25
        egfr = round(now[0] + decline * years + dice.uniform(-1, 1))
        uacr = max(5, round(now[1] * (0.85**years) * dice.uniform(0.9, 1.1)))
        earlier = copy.deepcopy(visit)
        for observation in earlier:
            observation["id"] += f"-{number}"
        moved: Bundle = {"entry": [{"resource": each} for each in (*earlier, copy.deepcopy(chart.patient(bundle)))]}
        chart.shift_visit(moved, timedelta(days=number * _VISIT_EVERY))
        chart.set_kidney_values(moved, egfr, uacr, today)
        bundle["entry"] += [{"resource": each} for each in earlier]


def _years_before(day: date, years: int) -> date:
    return day - timedelta(days=round(years * 365.2425) + 40)


def _instant(day: date) -> str:
    return datetime.combine(day, time(9), UTC).isoformat().replace("+00:00", "Z")


# -- what makes a chart difficult ---------------------------------------------------------------------


def _without_uacr(bundle: Bundle, today: date) -> Bundle:
    return chart.without(bundle, {ACR})


def _wrong_unit(bundle: Bundle, today: date) -> Bundle:
    """The albumin concentration, filed under the ratio's code: a number that looks right in the wrong unit."""
    chart.newest(bundle, ACR)["valueQuantity"] |= {"unit": "mg/L", "code": "mg/L"}
    return bundle


def _si_units(bundle: Bundle, today: date) -> Bundle:
    quantity = chart.newest(bundle, ACR)["valueQuantity"]
    quantity |= {"value": round(quantity["value"] / 8.84, 1), "unit": "mg/mmol", "code": "mg/mmol"}
    return bundle


def _comparator(bundle: Bundle, today: date) -> Bundle:
    chart.newest(bundle, EGFR)["valueQuantity"] |= {"value": 60, "comparator": ">"}
    return bundle


def _on_dialysis(bundle: Bundle, today: date) -> Bundle:
    return chart.with_condition(bundle, "265764009", "Renal dialysis", today - timedelta(days=200))


def _deceased(bundle: Bundle, today: date) -> Bundle:
    chart.patient(bundle)["deceasedDateTime"] = _instant(today - timedelta(days=12))
    return bundle


def _mixed(bundle: Bundle, today: date) -> Bundle:
    """A newer eGFR of somebody else, which the server files here: its subject is another patient."""
    stranger = copy.deepcopy(chart.newest(bundle, EGFR))
    stranger["id"] += "-stranger"
    stranger["effectiveDateTime"] = _instant(today - timedelta(days=1))
    stranger["valueQuantity"]["value"] = 8
    stranger["meta"]["tag"] = [chart.filed_under(chart.patient(bundle)["id"])]
    stranger["subject"] = {"reference": "Patient/advanced-01"}
    bundle["entry"].append({"resource": stranger})
    return bundle


def _entered_in_error(bundle: Bundle, today: date) -> Bundle:
    """The newest eGFR was withdrawn by the lab; the one before it is what counts."""
    wrong = copy.deepcopy(chart.newest(bundle, EGFR))
    wrong["id"] += "-withdrawn"
    wrong |= {"status": "entered-in-error", "effectiveDateTime": _instant(today - timedelta(days=1))}
    wrong["valueQuantity"]["value"] = 7
    bundle["entry"].append({"resource": wrong})
    return bundle


def _dirty(bundle: Bundle, today: date) -> Bundle:
    """Duplicates, values of the future, values that are no numbers: carebundle's own defects."""
    from carebundle import Imperfection, inject_defects

    rates = Imperfection(duplicate_entry=0.2, out_of_order_timestamp=0.1, unparseable_value=0.05)
    dirty: dict[str, Any] = inject_defects(bundle, rates, seed=_SEED)[0]
    for number, entry in enumerate(dirty["entry"]):
        entry["resource"].setdefault("id", f"dirty-{number}")
    return dirty


_SEPSIS = Ward(
    resp=26,
    spo2=92,
    oxygen=4,
    pressure=(88, 50),
    pulse=124,
    acvpu="C",
    temperature=38.7,
    wbc=24.6,
    creatinine=2.9,
    sodium=130,
    albumin=2.2,
    bilirubin=3.4,
)
_UNCHARTED = Ward(resp=None, temperature=None, pulse=104, pressure=(104, 62), spo2=94)
_OLD_LABS = Ward(resp=22, spo2=95, pulse=108, pressure=(108, 64), temperature=38.3, labs_age=97)
_HYPERCAPNIC = Ward(resp=23, spo2=90, oxygen=2, pulse=98, pressure=(134, 80), wbc=12.8, albumin=None, hypercapnic=True)

PEOPLE: tuple[Person, ...] = (
    Person("advanced-01", "eGFR 24, moderate albuminuria", egfr=24, uacr=180),
    Person("advanced-02", "eGFR 21 and falling", egfr=21, uacr=420, last_visit=12),
    Person("advanced-03", "eGFR 18, heavy albuminuria", egfr=18, uacr=900, last_visit=2),
    Person("advanced-04", "eGFR 15", egfr=15, uacr=640, last_visit=31),
    Person("advanced-05", "eGFR 12, heavy albuminuria", egfr=12, uacr=1500, last_visit=8),
    Person("advanced-06", "eGFR 10, nephrotic", egfr=10, uacr=2600, last_visit=1),
    *(Person(f"ckd-{n:02}", "CKD stage 3, as generated", last_visit=3 + 11 * n % 90) for n in range(1, 9)),
    Person("no-uacr", "albuminuria never measured", egfr=26, uacr=300, change=_without_uacr),
    Person("stale-labs", "last labs 400 days ago", egfr=27, uacr=260, last_visit=400),
    Person("wrong-unit", "albuminuria in a unit that cannot be converted", egfr=23, uacr=310, change=_wrong_unit),
    Person("si-units", "albuminuria in mg/mmol, converted", egfr=23, uacr=310, change=_si_units),
    Person("above-60", "eGFR reported as > 60", egfr=61, uacr=40, change=_comparator),
    Person("on-dialysis", "already on dialysis", egfr=11, uacr=1900, change=_on_dialysis),
    Person("child", "eleven years old", egfr=28, uacr=400, age=11),
    Person("deceased", "died twelve days ago", egfr=13, uacr=1700, last_visit=40, change=_deceased),
    Person("mixed-chart", "somebody else's eGFR of 8 in the chart", egfr=29, uacr=350, change=_mixed),
    Person("withdrawn-lab", "newest eGFR of 7 entered in error", egfr=25, uacr=280, change=_entered_in_error),
    Person("dirty-chart", "duplicates, future dates, texts for numbers", egfr=20, uacr=500, change=_dirty),
    Person("ward-sepsis", "inpatient, deteriorating: NEWS2 16", age=74, ward=_SEPSIS),
    Person("ward-well", "inpatient, well: NEWS2 0", age=58, ward=Ward()),
    Person("ward-no-resp", "inpatient, breaths and temperature not charted", age=69, ward=_UNCHARTED),
    Person("ward-old-labs", "inpatient, labs four days old", age=66, ward=_OLD_LABS),
    Person("ward-copd", "inpatient on oxygen, SpO2 target 88 to 92 %", age=71, ward=_HYPERCAPNIC),
)
"""`id` is the patient's id on the FHIR server; `shows` says what a call for this patient teaches."""
