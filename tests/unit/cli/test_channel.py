"""Between the parent and a worker."""

import asyncio
import socket

import pytest

from wardgate.cli.channel import Channel, Gone


async def test_who_asks_after_one_that_was_not_answered_hears_that_the_worker_is_gone() -> None:
    """A worker that stands still: several ask it at once, a kill switch among them."""
    ours, theirs = socket.socketpair()
    channel = await Channel.over(ours)
    try:
        said = await asyncio.gather(*[channel.ask("stores", 0.05) for _ in range(3)], return_exceptions=True)
        assert [type(each) for each in said] == [Gone] * 3
        with pytest.raises(Gone):
            await channel.say("stores")
    finally:
        channel.close()
        theirs.close()
