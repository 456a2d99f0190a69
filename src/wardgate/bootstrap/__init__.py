"""Composition root: configuration → running gateway. The only package that names concrete adapters; owns the tasks."""

from wardgate.bootstrap.gateway import Configured, Gateway, Read, build
from wardgate.bootstrap.parts import DecisionIds, SystemClock, certificates_of, draw_secret, http_client
from wardgate.bootstrap.serving import Post, heed_signals, run_loop, serve, still_the_collector, url_of

__all__ = [
    "Configured",
    "DecisionIds",
    "Gateway",
    "Post",
    "Read",
    "SystemClock",
    "build",
    "certificates_of",
    "draw_secret",
    "draw_secret",
    "heed_signals",
    "http_client",
    "run_loop",
    "serve",
    "still_the_collector",
    "url_of",
]
