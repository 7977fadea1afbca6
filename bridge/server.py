"""The life of the server: start, serve, stop."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge import fork_server, logs
from bridge.settings import Settings
from bridge.worker_loop import WorkerSpec
from bridge.workers import WorkerPool

if TYPE_CHECKING:
    from bridge.endpoint import Endpoint


def run(settings: Settings, answer: str) -> None:
    """Serve what `answer` (`module:function`) answers, until SIGTERM or SIGINT.

    Then the requests in flight have `grace_s`, or until a second signal. Raises CannotStart.
    """
    asyncio.run(_serve(settings, answer))


@dataclass
class _StopSignals:
    """The signals that ask the server to stop."""

    first: asyncio.Event
    second: asyncio.Event

    def receive(self, name: str) -> None:
        if self.first.is_set():
            self.second.set()
        else:
            logs.event("stop_asked", signal=name)
            self.first.set()


async def _serve(settings: Settings, answer: str) -> None:
    started = time.perf_counter()
    _give_memory_back()
    loop = asyncio.get_running_loop()
    stop = _StopSignals(asyncio.Event(), asyncio.Event())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.receive, number.name)

    usable = asyncio.Queue[bool]()
    pool = WorkerPool(
        WorkerSpec(
            answer=answer,
            configuration={
                "objective": settings.objective,
                "profiles_dir": str(settings.profiles_dir) if settings.profiles_dir else None,
                "headroom": settings.headroom,
                "probability": settings.probability,
                "effort": settings.effort,
                "spread_components": settings.spread_components,
            },
            max_memory_bytes=settings.max_worker_memory_bytes,
            log_format=settings.log_format,
            log_level=settings.log_level,
        ),
        settings.workers,
        settings.queue_size,
        on_change=usable.put_nowait,
    )
    async with contextlib.AsyncExitStack() as stack:
        # The workers first: they start in other processes while this one imports gRPC.
        fork_server.prepare(answer)
        pool.start()
        stack.push_async_callback(pool.close)
        await asyncio.sleep(0)
        # gRPC's own log would only mix into ours; its errors come back as exceptions.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        from bridge.endpoint import Endpoint  # noqa: PLC0415 -- takes its time

        endpoint = Endpoint(settings, pool)
        address = stack.enter_context(endpoint.listening())
        await endpoint.start()
        stack.push_async_callback(endpoint.stop)
        logs.event("listening", address=address, pid=os.getpid(), workers=settings.workers)
        if not await _started(pool, stop):
            return
        health = asyncio.create_task(_report_health(endpoint, usable))
        stack.callback(health.cancel)
        logs.event("serving", took_ms=round(1000 * (time.perf_counter() - started)))
        await stop.first.wait()
        await endpoint.drain(settings.grace_s, stop.second)
    logs.event("stopped")


async def _started(pool: WorkerPool, stop: _StopSignals) -> bool:
    """Wait for the first worker; False when the server is asked to stop before."""
    started = asyncio.create_task(pool.started())
    stopped = asyncio.create_task(stop.first.wait())
    await asyncio.wait({started, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not started.done():
        started.cancel()
        return False
    started.result()
    return True


async def _report_health(endpoint: Endpoint, usable: asyncio.Queue[bool]) -> None:
    while True:
        await endpoint.set_serving(await usable.get())


def _give_memory_back() -> None:
    """Let glibc return large messages to the system when they are freed.

    By itself it takes the first one for a sign that more will follow, and keeps such memory.
    """
    m_mmap_threshold = -3
    with contextlib.suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(m_mmap_threshold, fork_server.LARGE_ALLOCATION_BYTES)
