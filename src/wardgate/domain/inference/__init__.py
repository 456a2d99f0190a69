"""Asking the pinned model: inputs, endpoint, reply, calibration, probes."""
