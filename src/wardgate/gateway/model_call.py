"""One question to one endpoint, as the model stack carries it."""

import msgspec

from wardgate.domain.hooks import HookRequest
from wardgate.domain.inference.endpoint import Endpoint
from wardgate.domain.inference.prediction import ModelInputs

Subject = tuple[str, str | None, str]
"""Whom a prediction is about: client, FHIR server, patient. Equal inputs are not the same patient (law 11)."""


class ModelRequest(msgspec.Struct, frozen=True):
    endpoint: Endpoint
    inputs: ModelInputs
    expires: float  # monotonic seconds: when the model's part of the hook call is over
    subject: Subject
    traceparent: str | None = None  # None: nothing is traced


def subject_of(request: HookRequest) -> Subject:
    return request.client.name, request.fhir_server, request.patient_id
