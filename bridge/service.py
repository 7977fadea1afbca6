"""The gRPC face of the bridge: requests go to the worker pool as raw bytes, outcomes become status
codes with a sentence.

Nothing is decoded here: a damaged request is a planning problem like any other, and gets a
sentence from a worker, not a parse failure from the transport.
"""

from __future__ import annotations

import asyncio
import functools
import hmac
import logging
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc

from bridge import logs
from bridge.workers import DeadlinePassed, QueueFull, WorkerDied, WorkerPool

SERVICE_NAME = "heron.bridge.v1.PackingBridge"
METHODS = ("Pack", "Repack", "Predict", "Advise")
HEALTH_PREFIX = "/grpc.health.v1.Health/"

# A status message travels in the trailers, and clients accept 8 KiB of these by default.
# Outside ASCII a character takes up to twelve bytes there.
MAX_SENTENCE_CHARACTERS = 500

CLOCK_DIFFERENCE_S = 0.05

Context = grpc.aio.ServicerContext[bytes, bytes]

if TYPE_CHECKING:  # generic in the stubs only
    GenericHandler = grpc.GenericRpcHandler[bytes, bytes]
    Interceptor = grpc.aio.ServerInterceptor[bytes, bytes]
else:
    GenericHandler = grpc.GenericRpcHandler
    Interceptor = grpc.aio.ServerInterceptor


@dataclass(frozen=True)
class Outcome:
    """How a request ends: with a response, or with a sentence; and fields for the log."""

    code: grpc.StatusCode
    response: bytes = b""
    sentence: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)


def refusal(code: grpc.StatusCode, sentence: str, fields: dict[str, Any] | None = None) -> Outcome:
    """An outcome without a response; its sentence becomes one line, short enough for the wire."""
    line = " ".join(sentence.split())
    if len(line) > MAX_SENTENCE_CHARACTERS:
        line = line[: MAX_SENTENCE_CHARACTERS - 1] + "…"
    return Outcome(code, sentence=line, fields=fields or {})


class PackingBridge(GenericHandler):
    """Answers the methods of the service with a pool of workers."""

    def __init__(self, pool: WorkerPool, max_planning_s: float) -> None:
        """Bind to a pool. `max_planning_s` bounds every request's deadline."""
        self._pool = pool
        self._max_planning_s = max_planning_s
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._handlers = {
            f"/{SERVICE_NAME}/{method}": grpc.unary_unary_rpc_method_handler(
                functools.partial(self._answer, method)
            )
            for method in METHODS
        }

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Find the handler of a method; None for methods of others."""
        return self._handlers.get(handler_call_details.method)

    @property
    def in_flight(self) -> int:
        """Requests whose outcome has not been sent yet."""
        return self._in_flight

    async def idle(self) -> None:
        """Wait until no request is in flight."""
        await self._idle.wait()

    async def _answer(self, method: str, request: bytes, context: Context) -> bytes:
        started = time.perf_counter()
        self._in_flight += 1
        self._idle.clear()
        # Only then has the outcome left; a stopping server must not cut it off before.
        # The stubs want a class of theirs where gRPC takes any callable.
        context.add_done_callback(self._one_done)  # type: ignore[arg-type]
        request_bytes = len(request)
        outcome = Outcome(grpc.StatusCode.UNKNOWN)
        try:
            outcome = await self._outcome(method, request, context)
        except asyncio.CancelledError:
            # The transport cancels for both reasons; only the clock tells them apart. A caller
            # whose deadline passes cancels too, a little ahead of ours.
            remaining_s = context.time_remaining()
            passed = remaining_s is not None and remaining_s < CLOCK_DIFFERENCE_S
            codes = grpc.StatusCode
            outcome = Outcome(codes.DEADLINE_EXCEEDED if passed else codes.CANCELLED)
            raise
        finally:
            level = logging.INFO
            if outcome.code is grpc.StatusCode.INTERNAL:
                level = logging.ERROR
            fields: dict[str, Any] = {
                "method": method,
                "code": outcome.code.name,
                "took_ms": round(1000 * (time.perf_counter() - started), 2),
                "peer": context.peer(),
                "request_bytes": request_bytes,
                "sentence": outcome.sentence,
            }
            # Planning is free to choose names; where they meet, these here win.
            fields |= {key: value for key, value in outcome.fields.items() if key not in fields}
            logs.record("request", level, fields)
        # gRPC keeps the exception of an abort, and with it this frame, in a reference cycle:
        # megabytes should not wait there for the garbage collector.
        del request
        if outcome.sentence is not None:
            await context.abort(outcome.code, outcome.sentence)
        return outcome.response

    async def _outcome(self, method: str, request: bytes, context: Context) -> Outcome:
        remaining_s = context.time_remaining()
        budget_s = self._max_planning_s
        if remaining_s is not None:
            budget_s = min(budget_s, remaining_s)
        try:
            reply = await self._pool.ask(method, request, budget_s)
        except QueueFull as error:
            return refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        except DeadlinePassed:
            whose = (
                "the request's deadline"
                if budget_s == remaining_s
                else f"max_planning_s = {self._max_planning_s:g}"
            )
            return refusal(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                f"no answer within {budget_s:.3f} s ({whose}); planning was stopped",
            )
        except WorkerDied as error:
            incident = secrets.token_hex(4)
            return refusal(
                grpc.StatusCode.INTERNAL,
                f"the process that planned this request ended: {error}; another one is started, "
                f"and the log has this under incident {incident}",
                {"incident": incident},
            )
        except Exception:  # the border to the caller, who is told; the log has the rest
            incident = secrets.token_hex(4)
            return refusal(
                grpc.StatusCode.INTERNAL,
                f"a defect of the bridge; its log has the details under incident {incident}",
                {"incident": incident, "trace": traceback.format_exc()},
            )
        if reply.code == "OK":
            return Outcome(grpc.StatusCode.OK, reply.response, fields=reply.notes)
        return refusal(
            grpc.StatusCode[reply.code],
            reply.sentence,
            reply.notes | {"incident": reply.incident, "trace": reply.trace},
        )

    def _one_done(self, _: Context) -> None:
        self._in_flight -= 1
        if self._in_flight == 0:
            self._idle.set()


class TokenCheck(Interceptor):
    """Lets a call pass when it carries the token, or asks for health."""

    def __init__(self, token: str) -> None:
        """Expect `authorization: Bearer <token>`."""
        self._expected = f"Bearer {token}".encode()
        # Takes a stream, so that the refusal does not wait for the request's body.
        self._refuse = grpc.stream_unary_rpc_method_handler(_refuse_unauthenticated)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Choose the handler."""
        if handler_call_details.method.startswith(HEALTH_PREFIX):
            return await continuation(handler_call_details)
        given = b""
        for key, value in handler_call_details.invocation_metadata or ():
            if key == "authorization":
                given = value if isinstance(value, bytes) else value.encode()
        if hmac.compare_digest(given, self._expected):
            return await continuation(handler_call_details)
        logs.event("unauthenticated", level=logging.WARNING, method=handler_call_details.method)
        return self._refuse


async def _refuse_unauthenticated(_: Any, context: Context) -> None:
    await context.abort(
        grpc.StatusCode.UNAUTHENTICATED,
        "this bridge requires its token, as metadata `authorization: Bearer <token>`; the "
        "plugin reads it from the file named by heron.packing.bridge.token.file",
    )
