"""What an action would do to whom: only the call's own patient, and only where that is sure."""

from typing import Any

import pytest

from wardgate.domain.cards.strangers import touches_another

HERS = {"resourceType": "Flag", "subject": {"reference": "Patient/p"}}


@pytest.mark.parametrize(
    "made",
    [
        HERS,
        {**HERS, "code": {"text": "See Patient/Family education"}},
        {**HERS, "author": {"reference": "Practitioner/u"}, "encounter": {"reference": "Encounter/e"}},
        {**HERS, "participant": [{"actor": {"type": "Practitioner", "identifier": {"value": "1"}}}]},
        {"resourceType": "Patient", "id": "p", "active": True},
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": HERS}]},
        {"resourceType": "Observation", "subject": {"reference": "Location/ward"}},
        {
            "resourceType": "Basic",
            "code": {"coding": [{"system": "http://hl7.org/fhir/OutPatient", "code": "Patient"}]},
        },
        "Patient/p",
        "Flag/recall-p",
    ],
)
def test_what_is_about_the_calls_patient_or_about_nobody(made: Any) -> None:
    """Also what only sounds like a patient."""
    assert not touches_another(made, "p")


@pytest.mark.parametrize(
    "made",
    [
        {**HERS, "subject": {"reference": "Patient/q"}},
        {**HERS, "subject": {"reference": "Patient/p/../q"}},
        {**HERS, "subject": {"reference": "Patient/P"}},
        {**HERS, "subject": {"reference": "https://ehr.example/fhir/Patient/q"}},
        {**HERS, "subject": {"reference": "Patient?identifier=urn:x|1"}},
        {**HERS, "subject": {"reference": "%50atient/q"}},
        {**HERS, "subject": {"reference": "Patient/q other"}},
        {**HERS, "subject": {"identifier": {"value": "1"}}},
        {**HERS, "focus": [{"type": "Patient", "identifier": {"value": "1"}}]},
        {**HERS, "extension": [{"url": "x", "valueReference": {"reference": "Patient/q"}}]},
        {**HERS, "contained": [{"resourceType": "Patient", "id": "q"}]},
        {"resourceType": "Patient", "id": "q"},
        {"resourceType": "Patient", "name": [{"text": "new"}]},
        {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": HERS}]},
        {"resourceType": "Bundle", "type": "batch"},
        {"resourceType": "Bundle", "type": "collection", "entry": [{"request": {"url": "Flag?subject=Patient/q"}}]},
        "Patient/q",
    ],
)
def test_what_is_or_may_be_about_somebody_else(made: Any) -> None:
    """However it is written."""
    assert touches_another(made, "p")
