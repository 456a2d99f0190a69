"""One question to one endpoint, as the model stack carries it."""

import msgspec

from wardgate.domain.inference.endpoint import Endpoint
from wardgate.domain.inference.prediction import ModelInputs


class ModelRequest(msgspec.Struct, frozen=True):
    endpoint: Endpoint
    inputs: ModelInputs
    expires: float  # monotonic seconds: when the hook call's time is up
