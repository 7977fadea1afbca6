"""The gRPC server with its three services: planning, health, reflection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import grpc
from grpc_health.v1 import _async as aio_health
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from bridge import listening, logs
from bridge.service import SERVICE_NAME, PackingBridge, TokenCheck
from bridge.settings import Settings

# Reflection reads the descriptors that this import registers.
from bridge.wire import packing_bridge_pb2  # noqa: F401
from bridge.workers import WorkerPool

HEALTH_NAME = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name


class Endpoint:
    """A gRPC server on the address of the settings."""

    def __init__(self, settings: Settings, pool: WorkerPool) -> None:
        """Build it; raises CannotListen when the token cannot be read."""
        self._settings = settings
        interceptors = []
        if settings.token_file is not None:
            interceptors.append(TokenCheck(listening.read_token(settings.token_file)))
        self._server = grpc.aio.server(
            interceptors=interceptors,
            options=[
                ("grpc.max_receive_message_length", settings.max_message_bytes),
                # Without this a second bridge would quietly share the port with the first.
                ("grpc.so_reuseport", 0),
            ],
        )
        self._bridge = PackingBridge(pool, settings.max_planning_s)
        self._server.add_generic_rpc_handlers((self._bridge,))
        self._health = aio_health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (SERVICE_NAME, HEALTH_NAME, reflection.SERVICE_NAME), self._server
        )

    @contextlib.contextmanager
    def listening(self) -> Iterator[str]:
        """Bind; yield the address. Raises CannotListen."""
        with listening.listening(self._server, self._settings) as address:
            yield address

    async def start(self) -> None:
        """Accept calls; health says NOT_SERVING until told otherwise."""
        await self.set_serving(False)
        await self._server.start()

    async def set_serving(self, serving: bool) -> None:
        """Tell health checks whether requests can be answered."""
        state = health_pb2.HealthCheckResponse
        for service in ("", SERVICE_NAME):
            await self._health.set(service, state.SERVING if serving else state.NOT_SERVING)

    async def drain(self, grace_s: float, hurry: asyncio.Event) -> None:
        """Accept nothing more; wait until the requests in flight have ended, or `grace_s` seconds
        are over, or `hurry` is set.
        """
        logs.event("draining", in_flight=self._bridge.in_flight)
        await self._health.enter_graceful_shutdown()
        # Only to close the door. Its own end is no use: it also waits for health watches, which do
        # not end by themselves, and nothing else can stop the server while it waits.
        refusing = asyncio.create_task(self._server.stop(grace_s))
        waits = [asyncio.create_task(self._bridge.idle()), asyncio.create_task(hurry.wait())]
        await asyncio.wait(waits, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        for task in (*waits, refusing):
            task.cancel()
        await asyncio.wait([refusing])
        if self._bridge.in_flight:
            logs.event("cut_off", in_flight=self._bridge.in_flight)
        await self.stop()

    async def stop(self) -> None:
        """End at once, with every call."""
        await self._server.stop(None)
