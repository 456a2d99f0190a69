"""Gateways as processes of their own that start in a moment: forked from one that has imported everything."""

import asyncio
import multiprocessing
import os
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(["wardgate.bootstrap", "wardgate.cli.serve", "tests.fakes.gateway_process"])


def start_gateway(config: Path) -> BaseProcess:
    """`wardgate serve`; to be killed, and waited for with `ended`."""
    process = _FORKED.Process(target=_serve, args=(str(config),), daemon=True)
    process.start()
    return process


async def ended(process: BaseProcess) -> None:
    await asyncio.to_thread(process.join)


def _serve(config: str) -> None:
    from wardgate.cli import serve

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.exit(serve.run(Path(config)))
