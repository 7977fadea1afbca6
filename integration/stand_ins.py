"""What stands between the plugin and the bridge: a recorder, and bridges that misbehave."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import grpc

from bridge.wire import heron_pb2
from bridge.wire import packing_bridge_pb2 as pb


@dataclass(frozen=True)
class Exchange:
    """One request that Heron made and what the bridge answered."""

    method: str
    request: bytes
    response: bytes
    metadata: tuple[tuple[str, str | bytes], ...]

    @property
    def context(self) -> pb.PlanningContext:
        """The part that all planning requests have."""
        kind = pb.PackRequest if self.method == "Pack" else pb.RepackRequest
        return kind.FromString(self.request).context

    @property
    def answer(self) -> pb.PlanResponse:
        """The answer, decoded."""
        return pb.PlanResponse.FromString(self.response)


Answer = Callable[[str, bytes, grpc.ServicerContext], bytes]


class _Handler(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Answers every unary method with a function of its name and the bytes of the request."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        method = details.method.rpartition("/")[2]

        def call(request: bytes, context: grpc.ServicerContext) -> bytes:
            return self._answer(method, request, context)

        return grpc.unary_unary_rpc_method_handler(call)


@contextmanager
def answering(address: str, answer: Answer) -> Iterator[int]:
    """A gRPC server that speaks bytes; gives the port that it listens on, if it is one."""
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[_Handler(answer)])
    port = server.add_insecure_port(address)
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()


@contextmanager
def recording(socket_file: Path, bridge: str) -> Iterator[list[Exchange]]:
    """Hands on every call to the bridge, and keeps a copy of both directions."""
    exchanges: list[Exchange] = []
    with grpc.insecure_channel(bridge) as channel:

        def answer(method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
            metadata = tuple((key, value) for key, value in context.invocation_metadata())
            try:
                response = _forward(channel, method, request, context.time_remaining())
            except grpc.RpcError as error:
                assert isinstance(error, grpc.Call)
                context.abort(error.code(), error.details() or "")
                raise
            exchanges.append(Exchange(method, request, response, metadata))
            return response

        with answering(f"unix:{socket_file}", answer):
            yield exchanges


@contextmanager
def hanging(socket_file: Path) -> Iterator[None]:
    """Accepts connections and never says a word."""
    with _listening(socket_file, lambda connection: None):
        yield


@contextmanager
def babbling(socket_file: Path) -> Iterator[None]:
    """Answers every connection with bytes that are no HTTP/2."""

    def babble(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(b"\x00\xff\x13garbage\r\n" * 4096)

    with _listening(socket_file, babble):
        yield


@contextmanager
def nonsense(socket_file: Path) -> Iterator[None]:
    """Answers with bytes that are no message."""
    with answering(f"unix:{socket_file}", lambda *_: b"\xff\xfe\xfdgarbage"):
        yield


@contextmanager
def wrong(socket_file: Path, bridge: str) -> Iterator[None]:
    """A bridge with a defect: the plans it gives lack an instance."""
    with grpc.insecure_channel(bridge) as channel:

        def answer(method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
            response = pb.PlanResponse.FromString(_forward(channel, method, request))
            plan = _without_an_instance(response.plan)
            return pb.PlanResponse(plan=plan, report=response.report).SerializeToString()

        with answering(f"unix:{socket_file}", answer):
            yield


@contextmanager
def slow(socket_file: Path, bridge: str, delay_s: float) -> Iterator[None]:
    """A bridge that is right, but too late."""
    over = threading.Event()
    with grpc.insecure_channel(bridge) as channel:

        def answer(method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
            response = _forward(channel, method, request)
            over.wait(delay_s)
            return response

        with answering(f"unix:{socket_file}", answer):
            yield
            over.set()


def _forward(
    channel: grpc.Channel, method: str, request: bytes, timeout_s: float | None = None
) -> bytes:
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
        f"/heron.bridge.v1.PackingBridge/{method}",
        request_serializer=None,
        response_deserializer=None,
    )
    return call(request, timeout=timeout_s)


def _without_an_instance(plan: bytes) -> bytes:
    parsed = heron_pb2.PackingPlan.FromString(plan)
    del parsed.container_plans[0].instance_plans[0]
    return parsed.SerializeToString()


@contextmanager
def _listening(socket_file: Path, serve: Callable[[socket.socket], None]) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_file))
        listener.listen()
        connections: list[socket.socket] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connections.append(connection)
                    serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for connection in connections:
                connection.close()
            socket_file.unlink()
