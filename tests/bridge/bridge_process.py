"""The real command in a process of its own, and a client for it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = Path(__file__).resolve().parents[2]
SERVICE = "heron.bridge.v1.PackingBridge"
# Far beyond what anything here takes; only a hang gets there.
PATIENCE_S = 60.0


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def children(pid: int) -> list[int]:
    """All descendants."""
    try:
        direct = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except FileNotFoundError:
        return []
    return direct + [grandchild for child in direct for grandchild in children(child)]


class BridgeProcess:
    """A running `heron-bridge serve` whose log lines are collected."""

    def __init__(
        self,
        address: str,
        arguments: Sequence[str],
        module: str = "tests.bridge.serve_stand_in",
    ) -> None:
        self.address = address
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                module,
                "serve",
                "--address",
                address,
                *arguments,
            ],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._collect)
        self._reader.start()

    def _collect(self) -> None:
        assert self.process.stderr is not None
        self.lines += []
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def events(self, name: str) -> list[dict[str, Any]]:
        """What was logged under this name."""
        parsed = [json.loads(line) for line in list(self.lines)]
        return [event for event in parsed if event["event"] == name]

    def wait_for_event(self, name: str) -> dict[str, Any]:
        def seen() -> bool:
            assert self.process.poll() is None or self.events(name), "\n".join(self.lines)
            return bool(self.events(name))

        wait_until(seen, f"{name} in the log")
        return self.events(name)[-1]

    @property
    def target(self) -> str:
        """The address for clients, with the port that was chosen."""
        return str(self.wait_for_event("listening")["address"])

    def stop(self) -> int:
        """Ask it to stop; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        status = self.process.wait(PATIENCE_S)
        self._reader.join()
        return status

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()


class Client:
    """Calls methods with raw bytes."""

    def __init__(self, target: str, credentials: grpc.ChannelCredentials | None = None) -> None:
        options = [("grpc.max_receive_message_length", -1)]
        self.channel = (
            grpc.insecure_channel(target, options)
            if credentials is None
            else grpc.secure_channel(target, credentials, options)
        )

    def ask(self, request: bytes, method: str = "Pack", **call: Any) -> bytes:
        call.setdefault("timeout", PATIENCE_S)
        return self._method(method)(request, **call)

    def begin(self, request: bytes, method: str = "Pack", **call: Any) -> grpc.Future:
        call.setdefault("timeout", PATIENCE_S)
        return self._method(method).future(request, **call)

    def refusal(self, request: bytes, method: str = "Pack", **call: Any) -> tuple[str, str]:
        """Code and sentence of a request that is refused."""
        try:
            response = self.ask(request, method, **call)
        except grpc.RpcError as error:
            return error.code().name, error.details()
        raise AssertionError(f"answered with {response[:100]!r}")

    def is_serving(self, service: str = SERVICE) -> bool:
        check = health_pb2_grpc.HealthStub(self.channel).Check
        response = check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE_S)
        return response.status == health_pb2.HealthCheckResponse.SERVING

    def _method(self, method: str) -> Any:
        return self.channel.unary_unary(f"/{SERVICE}/{method}")


@contextlib.contextmanager
def bridge(address: str, *arguments: str) -> Iterator[BridgeProcess]:
    """Start a bridge and wait until it serves; nothing of it is left afterwards."""
    process = BridgeProcess(address, arguments)
    try:
        process.wait_for_event("serving")
        yield process
    finally:
        process.kill()


@contextlib.contextmanager
def client_of(process: BridgeProcess) -> Iterator[Client]:
    client = Client(process.target)
    with client.channel:
        yield client
