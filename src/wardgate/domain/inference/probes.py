"""Probe vectors: the proof that the endpoint runs the pinned model."""

from wardgate.domain.inference.endpoint import Endpoint, ModelReply, Probe
from wardgate.domain.inference.prediction import ModelInputs, model_inputs


def probe_inputs(probe: Probe, endpoint: Endpoint) -> ModelInputs:
    """A probe takes the way of a call: same fill, same clip, same order."""
    return model_inputs(probe.inputs.get, endpoint.inputs)


def agrees(reply: ModelReply, probe: Probe, tolerance: float) -> bool:
    """Whether every declared output is within `tolerance` (absolute) of what this very model answers."""
    return all(_output_agrees(reply, name, expected, tolerance) for name, expected in probe.outputs.items())


def _output_agrees(reply: ModelReply, name: str, expected: float | tuple[float, ...], tolerance: float) -> bool:
    if name == "contributions":
        wanted = expected if isinstance(expected, tuple) else (expected,)
        got = reply.contributions
        if got is None or len(got) != len(wanted):
            return False
        return all(abs(a - b) <= tolerance for a, b in zip(got, wanted, strict=True))
    actual = reply.score if name == "score" else reply.others.get(name)
    return actual is not None and isinstance(expected, float | int) and abs(actual - expected) <= tolerance
