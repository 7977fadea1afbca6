"""A pool of worker processes with a bounded queue, for the event loop.

A request that is cancelled, or whose deadline passes, while it is planned costs its worker's life:
a kill is the only way to stop a computation at once. Another worker is forked in its place from a
server process that has everything imported, which takes a few milliseconds.

Every worker has a socket of its own. Nothing is shared between workers that a dying one could
leave locked or half written.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pickle
import signal
import socket
import sys
import threading
import types
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from typing import TypeVar

from bridge import fork_server, logs, worker_loop
from bridge.errors import BridgeError, CannotStart
from bridge.worker_loop import Ready, Reply, Task, WorkerSpec

T = TypeVar("T")

START_TIMEOUT_S = 60.0
BURIAL_TIMEOUT_S = 5.0
FIRST_RETRY_S = 0.1
LAST_RETRY_S = 5.0

_start_lock = threading.Lock()


class QueueFull(BridgeError):
    """Too many requests wait already."""


class DeadlinePassed(BridgeError):
    """The request's time was over before it was answered; nothing works on it any more."""


class WorkerDied(BridgeError):
    """The worker ended in the middle of a request; the sentence says how."""


class PoolUnusable(CannotStart):
    """No worker can be started; the sentence says why."""


class _Worker(asyncio.Protocol):
    """One worker process, seen from the bridge."""

    def __init__(self) -> None:
        self.ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self.gone = asyncio.Event()
        # Set once `exit_code` is known.
        self.reaped = asyncio.Event()
        self.exit_code: int | None = None
        self.process: BaseProcess | None = None
        self._killed = False
        self._reply: asyncio.Future[Reply] | None = None
        self._transport: asyncio.Transport | None = None
        self._incoming = bytearray()

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    @property
    def killed(self) -> bool:
        return self._killed

    async def ask(self, task: Task) -> Reply:
        assert self._transport is not None
        if self.gone.is_set():
            raise WorkerDied
        self._reply = asyncio.get_running_loop().create_future()
        try:
            self._transport.write(worker_loop.frame(task))
            return await self._reply
        finally:
            self._reply = None

    def kill(self) -> None:
        """End the process at once, whatever it does; `gone` follows."""
        # As long as the connection stands the process has not been reaped, so the pid is its own.
        if self.pid is not None and not self.gone.is_set():
            self._killed = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._incoming += data
        header_size = worker_loop.HEADER.size
        while len(self._incoming) >= header_size:
            end = header_size + worker_loop.HEADER.unpack_from(self._incoming)[0]
            if len(self._incoming) < end:
                return
            message = pickle.loads(memoryview(self._incoming)[header_size:end])
            # A new object and not `del [:end]`, so that the memory of a large reply is given back.
            self._incoming = self._incoming[end:]
            waiting = self.ready if isinstance(message, Ready) else self._reply
            if waiting is not None and not waiting.done():
                waiting.set_result(message)

    def connection_lost(self, error: Exception | None) -> None:
        self.gone.set()
        for waiting in (self.ready, self._reply):
            if waiting is not None and not waiting.done():
                waiting.set_exception(WorkerDied())
                waiting.exception()  # seen, even when nobody awaits it any more


class WorkerPool:
    """`count` workers and room for `queue_size` requests that wait for one."""

    def __init__(
        self,
        spec: WorkerSpec,
        count: int,
        queue_size: int,
        on_change: Callable[[bool], None] = lambda usable: None,
    ) -> None:
        """Make a pool that starts with `start`.

        `on_change` is called with True when a worker becomes ready and with False when none is
        left and no new one could be started.
        """
        self._spec = spec
        self._count = count
        self._queue_size = queue_size
        self._on_change = on_change
        self._workers: set[_Worker] = set()
        self._idle: list[_Worker] = []
        self._waiters: deque[asyncio.Future[_Worker]] = deque()
        self._keepers: list[asyncio.Task[None]] = []
        self._started: asyncio.Future[None] | None = None

    def start(self) -> None:
        """Begin to start the workers; requests may be asked already and wait for them."""
        self._started = asyncio.get_running_loop().create_future()
        self._keepers = [asyncio.create_task(self._keep_one()) for _ in range(self._count)]

    async def started(self) -> None:
        """Wait for the first worker; raise PoolUnusable when it cannot be started."""
        assert self._started is not None, "start() comes first"
        await asyncio.shield(self._started)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that are ready or busy."""
        return sorted(worker.pid for worker in self._workers if worker.pid is not None)

    async def ask(self, method: str, request: bytes, budget_s: float) -> Reply:
        """Let a worker answer within `budget_s` seconds.

        Cancelling this stops the work. Raises QueueFull, DeadlinePassed or WorkerDied.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + budget_s
        try:
            async with asyncio.timeout_at(deadline):
                worker = await self._take()
                try:
                    reply = await worker.ask(Task(method, request, deadline - loop.time()))
                except WorkerDied:
                    await worker.reaped.wait()
                    raise WorkerDied(_how_it_ended(worker.exit_code)) from None
                except asyncio.CancelledError:
                    worker.kill()
                    raise
        except TimeoutError:
            raise DeadlinePassed from None
        if not reply.retiring:
            self._give(worker)
        return reply

    async def close(self) -> None:
        """Kill every worker, also one that is starting; nothing is left running."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    async def _take(self) -> _Worker:
        while True:
            if self._idle:
                return self._idle.pop()
            if len(self._waiters) >= self._queue_size:
                raise QueueFull(
                    f"{len(self._waiters)} requests are waiting already and no worker is free "
                    f"(queue_size = {self._queue_size}, workers = {self._count}); try again later"
                )
            waiter: asyncio.Future[_Worker] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                worker = await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._give(waiter.result())  # handed over at the very moment of giving up
                else:
                    self._waiters.remove(waiter)
                raise
            if not worker.gone.is_set():
                return worker

    def _give(self, worker: _Worker) -> None:
        if worker.gone.is_set():
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(worker)
                return
        self._idle.append(worker)

    async def _keep_one(self) -> None:
        """Keep one worker running, replacing it whenever it ends."""
        retry_s = FIRST_RETRY_S
        while True:
            worker = _Worker()
            try:
                try:
                    async with asyncio.timeout(START_TIMEOUT_S):
                        await self._launch(worker)
                except Exception as error:  # reported; the next attempt may fare better
                    self._report_failed_start(error)
                    await asyncio.sleep(retry_s)
                    retry_s = min(2 * retry_s, LAST_RETRY_S)
                    continue
                retry_s = FIRST_RETRY_S
                self._workers.add(worker)
                assert self._started is not None
                if not self._started.done():
                    self._started.set_result(None)
                self._on_change(True)
                self._give(worker)
                await worker.gone.wait()
            finally:
                self._workers.discard(worker)
                if worker in self._idle:
                    self._idle.remove(worker)
                await self._bury(worker)
            if not worker.killed and worker.exit_code != 0:
                logs.event(
                    "worker_died",
                    level=logging.WARNING,
                    pid=worker.pid,
                    how=_how_it_ended(worker.exit_code),
                )

    async def _launch(self, worker: _Worker) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        await asyncio.get_running_loop().create_connection(lambda: worker, sock=ours)
        # In a thread: it waits until the fork server has finished its imports.
        worker.process = await _in_thread(lambda: _start(theirs, self._spec))
        ready = await worker.ready
        if ready.failure:
            logs.event("worker_failed", level=logging.DEBUG, trace=ready.trace)
            raise PoolUnusable(ready.failure)

    def _report_failed_start(self, error: Exception) -> None:
        reason = str(error) or type(error).__name__
        if isinstance(error, TimeoutError):
            reason = f"it was not ready after {START_TIMEOUT_S:.0f} s"
        sentence = f"a worker process did not start: {reason}"
        logs.event("worker_start_failed", level=logging.ERROR, reason=reason)
        assert self._started is not None
        if not self._started.done():
            self._started.set_exception(PoolUnusable(sentence))
            self._started.exception()  # seen, even when nobody waits
        if not self._workers:
            self._on_change(False)

    async def _bury(self, worker: _Worker) -> None:
        """Make sure that the process has ended, and learn how."""
        worker.kill()
        try:
            if process := worker.process:
                # In a thread: a process may take a moment to give back a lot of memory.
                await _in_thread(lambda: process.join(BURIAL_TIMEOUT_S))
                worker.exit_code = process.exitcode
        finally:
            worker.reaped.set()


def _start(connection: socket.socket, spec: WorkerSpec) -> BaseProcess:
    # When nobody waits for the result any more, the other end is closed as well, and the worker
    # ends as soon as it reads.
    with connection, _start_lock, _without_main_module():
        process = fork_server.CONTEXT.Process(
            target=worker_loop.run, args=(connection, spec), name="worker", daemon=True
        )
        process.start()
        return process


@contextlib.contextmanager
def _without_main_module() -> Iterator[None]:
    """Hide the program's main module from multiprocessing.

    It would be run again in every worker, which needs nothing of the command line.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _in_thread(function: Callable[[], T]) -> asyncio.Future[T]:
    """Run a blocking function in a daemon thread: unlike an executor's, it never delays the end
    of the program.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result, failure = None, None
        try:
            result = function()
        except BaseException as error:  # handed to whoever awaits
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody awaits
            loop.call_soon_threadsafe(deliver, result, failure)

    threading.Thread(target=work, daemon=True).start()
    return future


def _how_it_ended(exit_code: int | None) -> str:
    if exit_code is None:
        return "it closed its connection"
    if exit_code >= 0:
        return f"it exited with status {exit_code}"
    name = signal.Signals(-exit_code).name
    hint = "; the kernel does that when memory is short" if name == "SIGKILL" else ""
    return f"it was ended by {name}{hint}"
