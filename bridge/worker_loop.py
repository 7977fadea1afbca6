"""What a worker process does: take a request from its socket, answer it, send the reply back.

Runs in its own process so that planning can be stopped at any instruction, by a kill, and so that
whatever a request does to a process (endless loop, crash, memory) stays there.
"""

from __future__ import annotations

import gc
import importlib
import pickle
import resource
import secrets
import signal
import socket
import struct
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from bridge import deadline, logs
from packing.errors import PackingError

Answer = Callable[[str, bytes], bytes]

HEADER = struct.Struct("!Q")

# A worker that has grown by this much is replaced after its reply: the allocator rarely gives
# memory back, and an idle bridge should be small.
RETIREMENT_GROWTH_BYTES = 32 * 2**20

# Frames of a stack trace that go to the log.
TRACE_FRAMES = 40

# The bridge kills a worker at the deadline; the kernel does it this much later in case the bridge
# is no longer there.
ALARM_SLACK_S = 2.0


@dataclass(frozen=True)
class WorkerSpec:
    """How a worker answers. `answer` is `module:function`; the function gets the name of the
    method and the serialized request and returns the serialized response.

    When its module has a function `configure`, that is called first with `configuration`. When
    the module has the exceptions `IncompatibleContract` or `NotOffered`, they become
    FAILED_PRECONDITION and UNIMPLEMENTED.
    """

    answer: str
    configuration: dict[str, Any] = field(default_factory=dict)
    max_memory_bytes: int | None = None
    log_format: logs.LogFormat = "json"
    log_level: logs.LogLevel = "info"


@dataclass(frozen=True)
class Task:
    """One request; `budget_s` is the time until its deadline."""

    method: str
    request: bytes
    budget_s: float


@dataclass(frozen=True)
class Reply:
    """The outcome of one request: the name of a gRPC status code, and either a response or a
    sentence for the caller.

    `incident` and `trace` tell of a defect; `notes` are fields for the log; a `retiring` worker
    answers no further request.
    """

    code: str
    response: bytes = b""
    sentence: str = ""
    incident: str | None = None
    trace: str | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    retiring: bool = False


@dataclass(frozen=True)
class Ready:
    """First message of a worker. `failure` says why it cannot work."""

    failure: str | None = None
    trace: str | None = None


def frame(message: object) -> bytes:
    """A message as it travels between the bridge and a worker: length, then pickle."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(len(body)) + body


def run(connection: socket.socket, spec: WorkerSpec) -> None:
    """Answer requests until the bridge closes the connection."""
    # A terminal or a service manager signals the whole group; the bridge alone decides when its
    # workers end, after the requests in flight.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    # Collections would write to, and so copy, pages that are shared with the other workers.
    gc.freeze()
    logs.configure(spec.log_format, spec.log_level)
    with connection, connection.makefile("rb") as incoming:
        try:
            answer, refusals = _prepare(spec)
        except Exception as error:  # reported to the bridge, which reports it to the operator
            failure = f"{type(error).__name__}: {error}"
            _send(connection, Ready(failure, traceback.format_exc()))
            return
        if not _send(connection, Ready()):
            return
        retirement_bytes = _resident_bytes() + RETIREMENT_GROWTH_BYTES
        while len(header := incoming.read(HEADER.size)) == HEADER.size:
            task = pickle.loads(incoming.read(HEADER.unpack(header)[0]))
            signal.setitimer(signal.ITIMER_REAL, task.budget_s + ALARM_SLACK_S)
            reply = _reply(answer, refusals, task, spec)
            signal.setitimer(signal.ITIMER_REAL, 0)
            del task
            if _resident_bytes() > retirement_bytes:
                reply = replace(reply, retiring=True)
            if not _send(connection, reply) or reply.retiring:
                return


def _prepare(spec: WorkerSpec) -> tuple[Answer, list[tuple[type[Exception], str]]]:
    module_name, _, function_name = spec.answer.partition(":")
    module = importlib.import_module(module_name)
    if configure := getattr(module, "configure", None):
        configure(**spec.configuration)
    if spec.max_memory_bytes is not None:
        # RLIMIT_DATA and not RLIMIT_AS: libraries reserve address space that they never touch.
        resource.setrlimit(resource.RLIMIT_DATA, (spec.max_memory_bytes, spec.max_memory_bytes))
    refusals: list[tuple[type[Exception], str]] = [(PackingError, "INVALID_ARGUMENT")]
    for name, code in (
        ("IncompatibleContract", "FAILED_PRECONDITION"),
        ("NotOffered", "UNIMPLEMENTED"),
    ):
        if kind := getattr(module, name, None):
            # Before the general one, in case it derives from it.
            refusals.insert(0, (kind, code))
    return getattr(module, function_name), refusals


def _reply(
    answer: Answer,
    refusals: list[tuple[type[Exception], str]],
    task: Task,
    spec: WorkerSpec,
) -> Reply:
    notes = logs.start_notes()
    deadline.begin(task.budget_s)
    try:
        response = answer(task.method, task.request)
        if not isinstance(response, bytes):
            raise TypeError(f"{spec.answer} returned {type(response).__name__}, not bytes")
        return Reply("OK", response, notes=notes)
    except MemoryError:
        sentence = (
            f"planning this request needs more memory than a worker may use "
            f"(max_worker_memory_bytes = {spec.max_memory_bytes}); raise it, or ask for less"
        )
        return Reply("RESOURCE_EXHAUSTED", sentence=sentence, notes=notes, retiring=True)
    except Exception as error:  # the border of the process: whatever it is, the caller is told
        for kind, code in refusals:
            if isinstance(error, kind):
                return Reply(code, sentence=str(error), notes=notes)
        incident = secrets.token_hex(4)
        sentence = (
            f"a defect of the bridge ({type(error).__name__}) stopped this request; "
            f"its log has the details under incident {incident}"
        )
        return Reply(
            "INTERNAL",
            sentence=sentence,
            incident=incident,
            trace=traceback.format_exc(limit=-TRACE_FRAMES),
            notes=notes,
        )


def _send(connection: socket.socket, message: object) -> bool:
    try:
        connection.sendall(frame(message))
    except OSError:
        return False  # the bridge is gone, or no longer wants the reply
    return True


def _resident_bytes() -> int:
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 -- once per request, cheaply
        return int(file.read().split()[1]) * resource.getpagesize()
