"""Fixtures: an engine, the images, a bridge in a container, and the topologies."""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import docker
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from integration import images
from integration.callsites import FALLBACK_CLASS, SOCKETS, CallSites
from integration.containers import Mount, background, logs, run
from integration.engine import Engine
from integration.images import FLAVOURS, HERON_HOME, Flavour
from integration.stand_ins import Exchange, recording

CACHE = Path(__file__).resolve().parent / ".cache"
BRIDGE_START_TIMEOUT_S = 60.0

# Name of the topology, and of the module that has it.
TOPOLOGIES = {
    "WordCount": "topologies",
    "Diamond": "topologies",
    "EveryGrouping": "topologies",
    "StreamletWordCount": "streamlet",
    "StormWordCount": "storm",
}


@pytest.fixture(scope="session")
def client() -> Iterator[docker.DockerClient]:
    with Engine(CACHE / "dockerd.log") as engine:
        yield engine.client


@pytest.fixture(scope="session")
def heron_image(client: docker.DockerClient) -> str:
    return images.heron_image(client)


@pytest.fixture(scope="session")
def plugin_image(client: docker.DockerClient) -> str:
    return images.plugin_image(client)


@pytest.fixture(scope="session")
def bridge_image(client: docker.DockerClient) -> str:
    return images.bridge_image(client)


@pytest.fixture(scope="session")
def sockets() -> Iterator[Path]:
    """A folder for sockets, with a path short enough for them."""
    folder = Path(tempfile.mkdtemp(prefix="hb-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def serve(
    client: docker.DockerClient, bridge_image: str, sockets: Path
) -> Callable[..., AbstractContextManager[Callable[[], str]]]:
    """Runs `heron-bridge serve` in a container; gives a function that reads its log."""

    @contextmanager
    def serving(
        address: str, *flags: str, network: str = "none", reach: str | None = None
    ) -> Iterator[Callable[[], str]]:
        command = ["python3", "-c", "from bridge.cli import main; main()", "serve"]
        options = [f"--address={address}", "--socket-mode=0600", "--workers=1", *flags]
        with background(
            client,
            bridge_image,
            [*command, *options],
            mounts=[Mount(sockets, SOCKETS)],
            environment={"PYTHONPATH": images.BRIDGE_HOME},
            network=network,
        ) as container:
            _await_health(reach or address, lambda: logs(container))
            yield lambda: logs(container)

    return serving


@pytest.fixture(scope="session")
def bridge(serve: Callable[..., AbstractContextManager[object]], sockets: Path) -> Iterator[str]:
    """The address, on this machine, of a bridge in a container."""
    reach = f"unix:{sockets}/bridge.sock"
    with serve(f"unix://{SOCKETS}/bridge.sock", reach=reach):
        yield reach


@pytest.fixture(scope="session")
def loopback_bridge(
    serve: Callable[..., AbstractContextManager[object]],
) -> Iterator[int]:
    """The port of a bridge in a container that shares this machine's loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with serve(f"localhost:{port}", network="host"):
        yield port


@pytest.fixture
def recorded(bridge: str, sockets: Path) -> Iterator[list[Exchange]]:
    """What goes through `recorded.sock` to the bridge and back."""
    with recording(sockets / "recorded.sock", bridge) as exchanges:
        yield exchanges


@pytest.fixture(scope="session")
def definitions(client: docker.DockerClient, heron_image: str) -> dict[str, bytes]:
    """The topologies as `heron submit` gets them: written by running their main classes."""
    found: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="heron-definitions-") as folder:
        options = "cmdline.topologydefn.tmpdirectory=/out,cmdline.topology.initial.state=RUNNING"
        for name, module in TOPOLOGIES.items():
            finished = run(
                client,
                heron_image,
                ["java", "-cp", f"{HERON_HOME}/{module}/*", f"org.heronbridge.integration.{name}"],
                mounts=[Mount(Path(folder), "/out")],
                environment={"HERON_OPTIONS": options},
            )
            assert finished.exit_code == 0, finished.last_words
            found[name] = (Path(folder) / f"{name}.defn").read_bytes()
    return found


@pytest.fixture(params=[flavour.name for flavour in FLAVOURS])
def flavour(request: pytest.FixtureRequest) -> Flavour:
    """Each name of Heron's SPI in turn, or the one that a test names."""
    return next(flavour for flavour in FLAVOURS if flavour.name == request.param)


@pytest.fixture
def heron(
    client: docker.DockerClient, plugin_image: str, sockets: Path, flavour: Flavour
) -> CallSites:
    """Heron's call sites, with the plugin talking to `recorded.sock`."""
    settings = {
        "address": f"unix://{SOCKETS}/recorded.sock",
        "timeout.ms": 20_000,
        "fallback.packing": FALLBACK_CLASS,
        "fallback.repacking": FALLBACK_CLASS,
    }
    return CallSites(client, plugin_image, flavour, sockets, settings)


def _await_health(address: str, log: Callable[[], str]) -> None:
    """Waits until a bridge says that it serves."""
    deadline = time.monotonic() + BRIDGE_START_TIMEOUT_S
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        while True:
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=2)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            except grpc.RpcError as error:
                if time.monotonic() > deadline:
                    raise AssertionError(f"the bridge does not serve: {error}\n{log()}") from error
            time.sleep(0.1)
