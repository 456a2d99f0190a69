"""The life of a gateway as a process: it drains, reloads, and several workers share a port, through real sockets."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.fakes.config_tree import sound_config
from tests.fakes.kidney_calls import kidney_call
from tests.fakes.processes import PATIENCE
from tests.fakes.served import PATH, READY, Running, children, post, running
from tests.fakes.waiting import becomes, until


async def test_a_stop_loses_no_call(tmp_path: Path) -> None:
    """Sixteen calls, which a busy machine lets in too, wait for their model when SIGTERM comes; readiness says so, and
    each gets its card."""
    async with running(tmp_path) as here, asyncio.TaskGroup() as group:
        here.server.hold.clear()
        calls = [group.create_task(here.call()) for _ in range(16)]
        await until(lambda: here.server.waiting == 16)
        here.process.send_signal(signal.SIGTERM)

        async def unready() -> bool:
            return (await here.send(READY))[0] == 503

        await becomes(unready)
        here.server.hold.set()
        answers = await asyncio.gather(*calls)
        assert [status for status, _ in answers] == [200] * 16
        assert all(b"Kidney failure risk" in body for _, body in answers)
        assert await asyncio.wait_for(here.process.wait(), PATIENCE) == 0
    assert here.events[-1] == {"event": "stopped"}


async def test_sighup_reloads(tmp_path: Path) -> None:
    """An edited card is shown, an unsound one is told and not shown."""
    async with running(tmp_path) as here:
        here.edit(card=("Kidney failure risk in 2 years", "Two-year risk"))
        here.process.send_signal(signal.SIGHUP)
        await until(lambda: bool(here.named("reloaded")))
        assert b"Two-year risk" in (await here.call())[1]
        here.edit(card=("bands:", "bends:"))
        here.process.send_signal(signal.SIGHUP)
        await until(lambda: bool(here.named("reload_refused")))
        assert b"Two-year risk" in (await here.call())[1]
        assert here.named("error")[0]["file"].endswith("kidney-failure.yaml")
        status, body = await here.send(post("/admin/v1/reload", b""), here.admin)
        assert (status, msgspec.json.decode(body)["reloaded"]) == (422, False)


async def test_a_storm_of_sighups_holds_up_no_stop(tmp_path: Path) -> None:
    """What comes while a reload is under way is one more reload, and none where the process is to end."""
    async with running(tmp_path) as here:
        for _ in range(400):
            here.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(0.002)
        while not here.named("reloaded"):
            here.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(0.002)
        before = len(here.named("reloaded"))
        here.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(here.process.wait(), PATIENCE) == 0
    assert len(here.named("reloaded")) <= before + 10


async def test_a_client_that_leaves_ends_no_work(tmp_path: Path) -> None:
    """Others may share it: the call ends as it would have, and is counted (law 1)."""
    async with running(tmp_path) as here:
        here.server.hold.clear()
        _, writer = await asyncio.open_connection("127.0.0.1", here.listen)
        writer.write(post(PATH, msgspec.json.encode(kidney_call())))
        await until(lambda: here.server.waiting == 1)
        writer.transport.abort()
        here.server.hold.set()

        async def counted() -> bool:
            return 'outcome="shown"' in await here.metrics()

        await becomes(counted)


async def test_several_workers_answer_and_one_that_is_killed_is_replaced(tmp_path: Path) -> None:
    """kill -9 under load: what it had in flight is lost and said so, every other call is answered whole. Fewer calls
    than the bulkhead of one worker takes, since the port shares them out as it likes."""
    async with running(tmp_path, "--workers", "2") as here, asyncio.TaskGroup() as group:
        first = children(here.process.pid)
        assert len(first) == 2
        here.server.hold.clear()
        doomed = [group.create_task(here.call()) for _ in range(24)]
        await until(lambda: here.server.waiting == 24)
        os.kill(first[0], signal.SIGKILL)
        await until(lambda: bool(here.named("worker_lost")))
        here.server.hold.set()
        answers = [await call for call in doomed]
        answers += [await here.call() for _ in range(20)]
        lost = [status for status, _ in answers].count(0)
        (told,) = here.named("worker_lost")
        assert (told["code"], told["calls_lost"]) == (-signal.SIGKILL, lost)
        assert {status for status, _ in answers} <= {0, 200}
        assert all(msgspec.json.decode(body)["cards"] for status, body in answers if status == 200)
        assert [status for status, _ in answers[24:]] == [200] * 20, "a worker that was not killed was lost"
        await until(lambda: len(children(here.process.pid)) == 2)
        await becomes(lambda: here.has_workers(2))
        text = await here.metrics()
        assert "wardgate_workers_lost_total 1.0" in text
        assert f"wardgate_calls_lost_total {float(lost)}" in text
        assert 'wardgate_calls_total{worker="' in text


async def test_a_worker_that_stands_still_is_replaced(tmp_path: Path) -> None:
    """It would keep its connections and answer nobody; and it hears no SIGTERM."""
    async with running(tmp_path, "--workers", "2") as here:
        first = children(here.process.pid)
        os.kill(first[0], signal.SIGSTOP)
        await until(lambda: bool(here.named("worker_lost")))
        assert here.named("worker_lost")[0]["code"] == -signal.SIGKILL
        await until(lambda: len(children(here.process.pid)) == 2)
        assert first[0] not in children(here.process.pid)


async def test_an_edit_that_nobody_has_reloaded_is_not_shown_by_a_replacement(tmp_path: Path) -> None:
    """All workers or none, also where one dies between the edit and the reload; by then its place is filled again."""
    async with running(tmp_path, "--workers", "2") as here:
        here.edit(card=("Kidney failure risk in 2 years", "Two-year risk"))
        os.kill(children(here.process.pid)[0], signal.SIGKILL)
        await until(lambda: bool(here.named("worker_differs")))
        async for body in _bodies(here, 10):
            assert b"Kidney failure risk in 2 years" in body
        assert (await here.send(post("/admin/v1/reload", b""), here.admin))[0] == 200
        await becomes(lambda: here.has_workers(2))
        async for body in _bodies(here, 10):
            assert b"Two-year risk" in body
        assert "wardgate_workers_up 2.0" in await here.metrics()


async def test_a_model_out_of_use_is_so_in_every_worker_and_in_those_that_replace_them(tmp_path: Path) -> None:
    """By the command; the answer says which workers have done it. Across a reload and a kill -9, until it is closed."""
    async with running(tmp_path, "--workers", "2") as here:

        async def circuits(*arguments: str) -> tuple[int | None, str]:
            command = [sys.executable, "-m", "wardgate", "circuits", "--admin", f"http://127.0.0.1:{here.admin}"]
            process = await asyncio.create_subprocess_exec(*command, *arguments, stdout=asyncio.subprocess.PIPE)
            said, _ = await process.communicate()
            return process.returncode, said.decode()

        one = ("kidney-failure", "1.0.0")
        isolated = "kidney-failure 1.0.0  isolated (worker 1 isolated, worker 2 isolated)\n"
        assert await circuits() == (0, isolated.replace("isolated", "closed"))
        assert (await circuits("isolate", "kidney-failure", "9.9.9"))[0] == 1
        done = await circuits("isolate", *one)
        assert done[0] == 0 and done[1].startswith(isolated) and "in force on all 2 replicas" in done[1]
        asked = len(here.server.raw.requests)
        assert (await here.send(post("/admin/v1/reload", b""), here.admin))[0] == 200
        os.kill(children(here.process.pid)[0], signal.SIGKILL)
        await until(lambda: bool(here.named("worker_lost")))
        await becomes(lambda: here.has_workers(2))
        assert await circuits("list") == (0, isolated)
        assert {body async for body in _bodies(here, 20)} == {b'{"cards":[]}'}
        assert not [head for head, _ in here.server.raw.requests[asked:] if b"X-Request-Timeout-Ms: 8" in head]
        done = await circuits("close", *one, "--reason", "fixed")
        assert done[0] == 0 and done[1].startswith(isolated.replace("isolated", "closed"))
        assert all([b"Kidney failure risk" in body async for body in _bodies(here, 10)])


async def _bodies(here: Running, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield (await here.call())[1]


async def test_several_workers_reload_together_and_drain_together(tmp_path: Path) -> None:
    """All or none, and one entry of the audit chain for each reload; a stop of the parent loses no call of any
    worker."""
    async with running(tmp_path, "--workers", "2") as here, asyncio.TaskGroup() as group:
        assert await _outcomes_load(here) == 422
        declared = ("deadline: 10s", "deadline: 10s\noutcome: {label: kidney_failure, within: 730d}")
        here.edit(card=("Kidney failure risk in 2 years", "Two-year risk"), service=declared)
        status, body = await here.send(post("/admin/v1/reload", b""), here.admin)
        assert (status, msgspec.json.decode(body)["reloaded"]) == (200, True)
        assert await _outcomes_load(here) == 200  # the parent, who has the desk, goes by the new files as well
        assert [event["worker"] for event in sorted(here.named("reloaded"), key=lambda e: e.get("worker", 9))[:2]] == [
            1,
            2,
        ]
        for _ in range(20):
            assert b"Two-year risk" in (await here.call())[1]
        here.edit(card=("bands:", "bends:"))
        here.process.send_signal(signal.SIGHUP)
        await until(lambda: any("worker" not in event for event in here.named("reload_refused")))
        here.edit(card=("Kidney failure risk in 2 years", "Risk of kidney failure"))
        here.process.send_signal(signal.SIGHUP)
        await until(lambda: [event.get("worker") for event in here.named("reloaded")].count(None) == 2)
        assert await _reloads(here) == [("local", "done"), ("signal:SIGHUP", "refused"), ("signal:SIGHUP", "done")]
        here.server.hold.clear()
        calls = [group.create_task(here.call()) for _ in range(16)]
        await until(lambda: here.server.waiting == 16)
        here.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.2)
        here.server.hold.set()
        assert [status for status, _ in await asyncio.gather(*calls)] == [200] * 16
        assert await asyncio.wait_for(here.process.wait(), PATIENCE) == 0


async def _reloads(here: Running) -> list[tuple[str, str]]:
    """Who, and what became of it, as the chain has them; once it has the last one, which nothing waits for."""
    request = b"GET /admin/v1/audit?what=reload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    for _ in range(200):
        entries = msgspec.json.decode((await here.send(request, here.admin))[1])["entries"]
        if len(entries) >= 3:
            break
        await asyncio.sleep(0.05)
    return [(each["who"], "refused" if "refused" in each["after"] else "done") for each in entries]


async def _outcomes_load(here: Running) -> int:
    rows = post("/admin/v1/outcomes", b"patient,label,value,time\np1,kidney_failure,1,2026-01-05\n")
    return (await here.send(rows.replace(b"application/json", b"text/csv"), here.admin))[0]


async def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    """Also where that was killed: no orphan holds the port."""
    async with running(tmp_path, "--workers", "2") as here:
        workers = children(here.process.pid)
        here.process.kill()
        await here.process.wait()
        await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


async def test_several_workers_need_a_shared_store(tmp_path: Path) -> None:
    """Exit 2, with a sentence that says what to do."""
    config = sound_config(tmp_path)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "wardgate", "serve", "--workers", "2", "--config", str(config)),
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 2
    assert b"several workers need a hot store that they share" in told


@pytest.mark.parametrize("number", ["0", "two", "65"])
def test_a_number_of_workers_is_one(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage is exit 2."""
    from wardgate.cli.app import run

    with pytest.raises(SystemExit) as ended:
        run(["serve", "--workers", number])
    assert ended.value.code == 2
    assert "1 to 64" in capsys.readouterr().err
