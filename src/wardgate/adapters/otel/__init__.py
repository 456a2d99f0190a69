"""Traces over OTLP: spans from what the gateway says of a call, looked at once more, sent by a thread of their own."""
