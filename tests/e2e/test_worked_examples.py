"""Worked examples of published scores, from a hook call to the card, through real processes.

All of a folder of examples run in tests/corpus; enough of them stand here.
"""

from collections.abc import Iterator

import pytest

from tests.fakes.worked_examples import news2, score, worked_examples

# age, male, eGFR, UACR in mg/g → risk. Source: kfre 0.1.18 (MIT, lshpaner/kfre@0747223, `kfre_person`), after
# Tangri et al., JAMA 2016. The two-year risks outside of North America are in test_kidney_failure.py.
KFRE = [
    ("kfre_na_2y-1", 65, 1, 19, 30, 0.09283767055041114),
    ("kfre_na_2y-1", 45, 0, 12, 1200, 0.7435132324404377),
    ("kfre_na_2y-1", 80, 0, 30, 50, 0.02004260473710251),
    ("kfre_na_5y-1", 65, 1, 19, 30, 0.2622811100179675),
    ("kfre_na_5y-1", 72, 1, 15, 1762, 0.9223215346906964),
    ("kfre_na_5y-1", 50, 1, 60, 30, 0.004395883488727215),
    ("kfre_5y-1", 65, 1, 19, 30, 0.22312771915586194),
    ("kfre_5y-1", 70, 0, 50, 35, 0.005986819988658798),
    ("kfre_5y-1", 45, 0, 12, 1200, 0.9705749948353323),
    ("kfre-1", 75, 1, 22, 40, 0.04175743094093043),
]

_SUPPORT2 = ("age", "hrt", "resp", "temp", "meanbp", "wblc", "crea", "sod", "alb", "bili")

# Stays of SUPPORT2 (UCI Machine Learning Repository, data set 880, CC BY 4.0), by row, and what the logistic model of
# lab/support2.py was found to answer where it was trained; None: not measured, and filled in.
SUPPORT2 = [
    ((62.84998, 69.0, 22.0, 36.0, 97.0, 6.0, 1.19995117, 141.0, 1.7998047, 0.19998169), 0.15163243366814455),
    ((52.74698, 88.0, 28.0, 37.39844, 70.0, 8.5, 2.0, 134.0, None, 2.19970703), 0.1907524977099507),
    ((42.38498, 88.0, 32.0, 35.0, 75.0, 9.09960938, 0.79992676, 139.0, None, None), 0.16569971373760195),
    ((79.88495, 112.0, 20.0, 37.89844, 59.0, 13.5, 0.79992676, 143.0, None, None), 0.25011242855775656),
    ((63.66299, 108.0, 22.0, 36.69531, 69.0, 30.0976562, 2.89990234, 130.0, 2.8999023, 14.0), 0.40410407425509),
    ((49.61298, 120.0, 48.0, 38.89844, 67.0, 11.0, 0.59997559, 130.0, 2.0, 4.09960938), 0.31730246685836266),
    ((75.79498, 90.0, 22.0, 37.5, 59.0, 30.5976562, 2.69970703, 128.0, 1.8999023, 5.39941406), 0.4795194465883894),
    ((68.31799, 92.0, 18.0, 39.0, 89.0, 10.5996094, 1.0, 136.0, None, 0.5), 0.18395702789534374),
]

# Respiration, SpO2, hypercapnic (scale 2), on oxygen, systolic, pulse, alert, temperature → points, band. Source:
# openEHR/gdl-guideline-models@430af4d, NEWS2.v1.test.yml (Apache-2.0), all 19 of them.
NEWS2 = [
    (20, 98, False, False, 111, 78, True, 37.0, 0, "low"),
    (20, 95, False, False, 111, 78, True, 37.0, 1, "low"),
    (20, 93, False, False, 111, 78, True, 37.0, 2, "low"),
    # three points in one parameter: the source says low here, and low-medium in the next but one; RCP 2017: low-medium
    (20, 91, False, False, 111, 78, True, 37.0, 3, "low-medium"),
    (7, 98, False, False, 112, 78, True, 37.0, 3, "low-medium"),
    (20, 98, True, True, 111, 78, True, 37.0, 5, "medium"),
    (20, 98, True, False, 111, 78, True, 37.0, 0, "low"),
    (20, 82, True, False, 111, 78, True, 37.0, 3, "low-medium"),
    (20, 98, True, True, 111, 78, False, 37.0, 8, "high"),
    (20, 95, True, True, 95, 112, True, 34.0, 11, "high"),
    (20, 98, True, True, 111, 78, False, 39.0, 9, "high"),
    (22, 98, True, True, 111, 92, True, 40.0, 10, "high"),
    (20, 98, True, True, 111, 48, False, 40.0, 11, "high"),
    (20, 98, True, True, 111, 150, False, 40.0, 13, "high"),
    (10, 98, True, True, 80, 150, False, 35.5, 16, "high"),
    (22, 86, True, True, 105, 150, False, 40.0, 14, "high"),
    (22, 93, True, True, 230, 150, False, 40.0, 16, "high"),
    (27, 84, True, True, 230, 150, False, 34.0, 19, "high"),
    (10, 98, True, True, 230, 39, False, 40.0, 17, "high"),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with worked_examples(tmp_path_factory.mktemp("config")) as url:
        yield url


@pytest.mark.parametrize("service, age, male, egfr, uacr, published", KFRE)
def test_kidney_failure_in_all_variants(
    gateway: str, service: str, age: float, male: float, egfr: float, uacr: float, published: float
) -> None:
    """North America and elsewhere, two years and five: |Δ| ≤ 1e-6."""
    found = score(gateway, service, {"age": age, "male": male, "egfr": egfr, "uacr": uacr})
    assert found == pytest.approx(published, rel=0, abs=1e-6)


@pytest.mark.parametrize("age, male, egfr, uacr, published", [(row[1:]) for row in KFRE if row[0] == "kfre-1"])
def test_an_age_by_birth_date_moves_the_risk_by_half_a_day_at_most(
    gateway: str, age: float, male: float, egfr: float, uacr: float, published: float
) -> None:
    """|Δ| ≤ 1e-4: no birth date gives the age of the example to the second."""
    found = score(gateway, "kfre-birth-date", {"age": age, "male": male, "egfr": egfr, "uacr": uacr})
    assert found == pytest.approx(published, rel=0, abs=1e-4)


@pytest.mark.parametrize("values, published", SUPPORT2)
def test_death_in_hospital(gateway: str, values: tuple[float | None, ...], published: float) -> None:
    """Filled and cut off by the gateway as in training: |Δ| ≤ 1e-6; version 2, side by side, says something else."""
    row = dict(zip(_SUPPORT2, values, strict=True))
    assert score(gateway, "support2-1", row) == pytest.approx(published, rel=0, abs=1e-6)
    assert abs(score(gateway, "support2-2", row) - published) > 1e-6


@pytest.mark.parametrize("female", [0, 1])
@pytest.mark.parametrize("creatinine, age", [(0.5, 20), (0.7, 45), (0.9, 61.5), (1.4, 70), (5.2, 83)])
def test_filtration_rate(gateway: str, creatinine: float, age: float, female: float) -> None:
    """The equation as it was printed (Inker et al., N Engl J Med 2021), around both of its knots: |Δ| ≤ 1e-6."""
    k, a = (0.7, -0.241) if female else (0.9, -0.302)
    printed = 142 * min(creatinine / k, 1) ** a * max(creatinine / k, 1) ** -1.2 * 0.9938**age
    printed *= 1.012 if female else 1
    found = score(gateway, "ckd_epi_2021-1", {"creatinine": creatinine, "age": age, "female": female})
    assert found == pytest.approx(printed, rel=0, abs=1e-6)


@pytest.mark.parametrize("resp, spo2, hypercapnic, oxygen, sbp, pulse, alert, temperature, points, band", NEWS2)
def test_news2(
    gateway: str,
    resp: float,
    spo2: float,
    hypercapnic: bool,
    oxygen: bool,
    sbp: float,
    pulse: float,
    alert: bool,
    temperature: float,
    points: float,
    band: str,
) -> None:
    """Both SpO2 scales, oxygen, consciousness: the rule of the demo, on the card of a service without its model."""
    values = {"resp_rate": resp, "spo2": spo2, "o2_flow": 2.0 * oxygen, "sbp": sbp, "heart_rate": pulse}
    found = news2(gateway, {**values, "temperature": temperature}, alert, hypercapnic)
    assert found == (points, band)
