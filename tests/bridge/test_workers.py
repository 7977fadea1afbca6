"""The pool by itself: what a server process cannot show from outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from bridge import fork_server
from bridge.worker_loop import WorkerSpec
from bridge.workers import (
    DeadlinePassed,
    PoolUnusable,
    QueueFull,
    WorkerDied,
    WorkerPool,
)
from tests.bridge.bridge_process import PATIENCE_S, is_running

SPEC = WorkerSpec("tests.bridge.answers:answer")


@pytest.fixture(autouse=True, scope="module")
def _forkserver() -> None:
    fork_server.prepare(SPEC.answer)


def with_pool(
    work: Callable[[WorkerPool], Awaitable[None]],
    *,
    count: int = 1,
    queue_size: int = 0,
) -> None:
    async def run() -> None:
        pool = WorkerPool(SPEC, count, queue_size)
        pool.start()
        try:
            await pool.started()
            await work(pool)
        finally:
            pids = pool.pids
            await pool.close()
        assert not any(is_running(pid) for pid in pids)

    asyncio.run(run())


def test_an_answer_that_does_not_exist_makes_the_pool_unusable() -> None:
    async def run(answer: str) -> str:
        changes: list[bool] = []
        pool = WorkerPool(WorkerSpec(answer), 1, 0, changes.append)
        pool.start()
        with pytest.raises(PoolUnusable) as caught:
            await pool.started()
        await pool.close()
        assert changes == [False]
        return str(caught.value)

    assert "No module named 'no_such_module'" in asyncio.run(run("no_such_module:answer"))
    assert "no_such_function" in asyncio.run(run("tests.bridge.answers:no_such_function"))


def test_a_request_whose_time_is_over_in_the_queue_never_starts() -> None:
    async def work(pool: WorkerPool) -> None:
        [pid] = pool.pids
        busy = asyncio.create_task(pool.ask("Pack", b"spin /dev/null", PATIENCE_S))
        await asyncio.sleep(0)
        with pytest.raises(DeadlinePassed):
            await pool.ask("Pack", b"exit 1", 0.05)
        with pytest.raises(DeadlinePassed):
            await pool.ask("Pack", b"exit 1", -1)
        assert pool.pids == [pid]
        busy.cancel()
        # Its place in the queue is free again.
        assert (await pool.ask("Pack", b"echo x", PATIENCE_S)).response == b"x"

    with_pool(work, queue_size=1)


def test_a_queue_of_length_zero_serves_as_long_as_a_worker_is_free() -> None:
    async def work(pool: WorkerPool) -> None:
        assert (await pool.ask("Pack", b"echo x", PATIENCE_S)).response == b"x"
        busy = asyncio.create_task(pool.ask("Pack", b"spin /dev/null", PATIENCE_S))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await pool.ask("Pack", b"echo x", PATIENCE_S)
        busy.cancel()
        with pytest.raises(asyncio.CancelledError):
            await busy

    with_pool(work)


def test_requests_wait_in_the_order_of_their_arrival() -> None:
    async def work(pool: WorkerPool) -> None:
        order: list[int] = []

        async def ask(number: int) -> None:
            await pool.ask("Pack", b"echo x", PATIENCE_S)
            order.append(number)

        await asyncio.gather(*(ask(number) for number in range(10)))
        assert order == list(range(10))

    with_pool(work, queue_size=10)


def test_cancelling_one_of_many_waiting_requests_leaves_the_others() -> None:
    async def work(pool: WorkerPool) -> None:
        asks = [
            asyncio.create_task(pool.ask("Pack", b"echo %d" % number, PATIENCE_S))
            for number in range(40)
        ]
        await asyncio.sleep(0)
        for number, task in enumerate(asks):
            if number % 3 == 0:
                task.cancel()
            await asyncio.sleep(0)
        results = await asyncio.gather(*asks, return_exceptions=True)
        for number, result in enumerate(results):
            if number % 3:
                assert not isinstance(result, BaseException)
                assert result.response == b"%d" % number

    with_pool(work, count=2, queue_size=40)


def test_a_worker_that_dies_says_how_and_is_replaced() -> None:
    async def work(pool: WorkerPool) -> None:
        with pytest.raises(WorkerDied, match="status 7"):
            await pool.ask("Pack", b"exit 7", PATIENCE_S)
        assert (await pool.ask("Pack", b"echo x", PATIENCE_S)).response == b"x"

    with_pool(work, queue_size=1)


def test_a_grown_worker_answers_and_is_replaced() -> None:
    async def work(pool: WorkerPool) -> None:
        before = pool.pids
        reply = await pool.ask("Pack", b"leak 64", PATIENCE_S)
        assert (reply.code, reply.response) == ("OK", b"64")
        assert reply.retiring
        assert (await pool.ask("Pack", b"echo x", PATIENCE_S)).response == b"x"
        assert pool.pids != before

    with_pool(work, queue_size=1)


def test_large_messages_in_both_directions() -> None:
    async def work(pool: WorkerPool) -> None:
        content = bytes(range(256)) * 2**15
        reply = await pool.ask("Pack", b"echo " + content, PATIENCE_S)
        assert reply.response == content

    with_pool(work, queue_size=1)


def test_a_kill_costs_no_more_than_its_worker() -> None:
    """The other worker answers while one is being killed and replaced, again and again."""

    async def work(pool: WorkerPool) -> None:
        async def victims() -> None:
            for _ in range(10):
                with pytest.raises(DeadlinePassed):
                    await pool.ask("Pack", b"spin /dev/null", 0.05)

        killing = asyncio.create_task(victims())
        answered = 0
        end = time.monotonic() + PATIENCE_S
        while not killing.done() and time.monotonic() < end:
            assert (await pool.ask("Pack", b"echo x", PATIENCE_S)).response == b"x"
            answered += 1
        await killing
        assert answered

    with_pool(work, count=2, queue_size=2)


def test_closing_ends_the_pool_in_every_state_of_its_workers() -> None:
    """Also while workers start, die or are replaced; a pool that did not end would hang here."""

    async def run(delay_s: float) -> None:
        pool = WorkerPool(SPEC, 2, 4)
        pool.start()
        asks = [
            asyncio.create_task(pool.ask("Pack", request, PATIENCE_S))
            for request in (b"exit 1", b"spin /dev/null", b"exit 1", b"exit 1")
        ]
        await asyncio.sleep(delay_s)
        async with asyncio.timeout(PATIENCE_S):
            await pool.close()
        for ask in asks:
            ask.cancel()
        await asyncio.gather(*asks, return_exceptions=True)

    for step in range(25):
        asyncio.run(run(step * 0.004))
