"""The strict peer: the naive one, with every prefetched resource validated by `fhir.resources` (R4B) first.

A module of its own, so that the naive peer does not carry the thousand classes that this one loads.
"""

from typing import Any

from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.patient import Patient

from bench.peers import naive

_VALIDATORS = {"Bundle": Bundle.model_validate, "Patient": Patient.model_validate}


def validate(prefetch: dict[str, Any]) -> None:
    for resource in prefetch.values():
        _VALIDATORS[resource["resourceType"]](resource)


if __name__ == "__main__":
    naive.main(validate)
