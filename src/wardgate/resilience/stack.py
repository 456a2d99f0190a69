"""The one shape of every policy, and how policies become a stack."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Req = TypeVar("Req")
Resp = TypeVar("Resp")

Handler = Callable[[Req], Awaitable[Resp]]
Layer = Callable[[Handler[Req, Resp]], Handler[Req, Resp]]


class PolicyError(Exception):
    """A policy ended the request; the root of all that policies raise (a test asserts that each is translated)."""


def stack(layers: Sequence[Layer[Req, Resp]], inner: Handler[Req, Resp]) -> Handler[Req, Resp]:
    """`layers[0]` meets the request first."""
    handler = inner
    for layer in reversed(layers):
        handler = layer(handler)
    return handler
