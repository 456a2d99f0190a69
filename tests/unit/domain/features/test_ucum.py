"""Which spellings of a unit are the same."""

import pytest

from wardgate.domain.features.ucum import factors_of, spellings


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("mg/dL", {"mg/dL", "mg/dl"}),
        ("l", {"l", "L"}),
        ("umol/l", {"umol/l", "umol/L"}),
        ("mL/min/{1.73_m2}", {"mL/min/{1.73_m2}", "ml/min/{1.73_m2}"}),
        ("10*9/L", {"10*9/L", "10*9/l"}),
        ("mg.L-1", {"mg.L-1", "mg.l-1"}),
        ("fL{cell}", {"fL{cell}", "fl{cell}"}),
        ("mL/L", {"mL/L", "ml/L", "mL/l", "ml/l"}),
        ("g/(kg.daL)", {"g/(kg.daL)", "g/(kg.dal)"}),
    ],
)
def test_the_litre_has_two_letters(unit: str, expected: set[str]) -> None:
    """Each litre, with or without prefix, exponent and annotation, may be written either way."""
    assert spellings(unit) == expected


@pytest.mark.parametrize(
    "unit", ["mmol", "mol/kg", "{a/l/b}", "mm[Hg]", "cal", "Cel", "[pH]", "%", "lm", "kilol", "[l]"]
)
def test_other_letters_are_left_alone(unit: str) -> None:
    """No l inside of another symbol or of an annotation is a litre."""
    assert spellings(unit) == {unit}


def test_factors_hold_all_spellings() -> None:
    """The declared unit counts as it is; each other one by its factor."""
    assert factors_of("mg/dL", {"umol/l": 0.5}) == {"mg/dL": 1.0, "mg/dl": 1.0, "umol/L": 0.5, "umol/l": 0.5}
