"""Composition root: configuration → running gateway. The only package that names concrete adapters; owns the tasks."""

from wardgate.bootstrap.configured import Configured, Read
from wardgate.bootstrap.gateway import Gateway, build
from wardgate.bootstrap.health import tell_services
from wardgate.bootstrap.parts import DecisionIds, SystemClock, certificates_of, draw_secret, http_client
from wardgate.bootstrap.serving import (
    Post,
    heed_signals,
    run_loop,
    serve,
    share_the_interpreter,
    still_the_collector,
    url_of,
)

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
    "share_the_interpreter",
    "still_the_collector",
    "tell_services",
    "url_of",
]
