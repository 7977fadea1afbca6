"""A whole Heron in a container, with its local scheduler, and what can be read from it."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import docker
from docker.errors import APIError, ImageNotFound
from docker.models.containers import Container

from bridge.wire import heron_pb2
from integration.callsites import SOCKETS
from integration.containers import Finished, Mount

HERON = "/usr/local/heron"
EXAMPLES = f"{HERON}/examples/heron-api-examples.jar"
TOPOLOGY = "org.apache.heron.examples.api.ExclamationTopology"
PUBLIC_IMAGE = "apache/heron:0.20.5-incubating"
IMAGE_VARIABLE = "HERON_IMAGE"
# What an installation of the plugin changes. Mounted into the container from a folder of this
# machine, so that the command that installs it needs nothing of the image.
CHANGED = ("conf", "lib/packing", "dist/heron-core/lib/packing")
START_TIMEOUT_S = 120.0
COMMAND_TIMEOUT_S = 120.0
# Of `timeout`, when it had to end a command.
TIMED_OUT = 124


def image(client: docker.DockerClient) -> tuple[str | None, str]:
    """The image to use, or None and why there is none.

    An image that was asked for has to be there; the public one is used where the network allows.
    """
    asked = os.environ.get(IMAGE_VARIABLE)
    name = asked or PUBLIC_IMAGE
    try:
        client.images.get(name)
    except ImageNotFound:
        try:
            client.images.pull(name)
        except APIError as error:
            if asked:
                raise
            reason = f"{name} cannot be pulled and {IMAGE_VARIABLE} names no other image"
            return None, f"{reason}: {error.explanation}"
    return name, ""


@contextmanager
def installation(client: docker.DockerClient, image_name: str, folder: Path) -> Iterator[Path]:
    """The part of the image's Heron that an installation of the plugin changes, as a folder."""
    container = client.containers.create(image_name, network_mode="none")
    try:
        for part in (*CHANGED, "release.yaml"):
            chunks, _ = container.get_archive(f"{HERON}/{part}")
            target = (folder / part).parent
            target.mkdir(parents=True, exist_ok=True)
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
                archive.extractall(target, filter="data")
    finally:
        container.remove(force=True)
    yield folder


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `heron-bridge` on this machine."""
    return subprocess.run(
        [sys.executable, "-m", "bridge", *arguments], capture_output=True, text=True, check=False
    )


@dataclass(frozen=True)
class Cluster:
    """A container in which topologies run."""

    container: Container
    state: str
    """Folder of the state manager."""
    jobs: str
    """Folder with the working directories of topologies."""

    def heron(
        self, verb: str, *arguments: str, settings: Mapping[str, object] | None = None
    ) -> Finished:
        """Runs the command line of Heron, with keys below `heron.packing.bridge` overridden."""
        properties = [
            f"--config-property=heron.packing.bridge.{key}={value}"
            for key, value in (settings or {}).items()
        ]
        bounded = ["timeout", "--kill-after=5", f"{COMMAND_TIMEOUT_S:.0f}"]
        start = time.monotonic()
        # The processes of a topology are children of its submit, and those of the examples take
        # all the time they can get. Commands that run beside them must not starve.
        priority = ["nice", "-n", "19"] if verb == "submit" else []
        code, out, err = execute(
            self.container,
            [*bounded, *priority, f"{HERON}/bin/heron", verb, "local", *arguments, *properties],
        )
        return Finished(
            None if code == TIMED_OUT else code,
            out.decode(errors="replace"),
            err.decode(errors="replace"),
            time.monotonic() - start,
        )

    @contextmanager
    def submitted(
        self, topology: str, *arguments: str, settings: Mapping[str, object]
    ) -> Iterator[Finished]:
        """A topology of the examples, from its submit until it is killed."""
        done = self.heron("submit", EXAMPLES, TOPOLOGY, topology, *arguments, settings=settings)
        assert done.exit_code == 0, done.all_words
        try:
            # Commands find the scheduler of a topology through the state manager, and it is slower
            # to appear there than the submit is to end.
            await_state(
                lambda: self._stored("schedulers", topology) is not None,
                f"{topology} has no scheduler",
            )
            yield done
        finally:
            killed = self.heron("kill", topology)
        assert killed.exit_code == 0, killed.all_words
        assert topology not in self.topologies()

    def plan(self, topology: str) -> heron_pb2.PackingPlan | None:
        """The packing plan in the state manager."""
        stored = self._stored("packingplans", topology)
        return None if stored is None else heron_pb2.PackingPlan.FromString(stored)

    def topologies(self) -> set[str]:
        """The names of all topologies in the state manager."""
        return set(self._shell(f"ls {shlex.quote(self.state)}/topologies").split())

    def running(self, topology: str) -> bool:
        """Whether there is a physical plan, and in it the topology is running."""
        stored = self._stored("pplans", topology)
        return stored is not None and _topology_of(stored).state == 1

    def processes(self, topology: str) -> dict[str, int]:
        """The processes that live, by the names of their instances."""
        folder = f"{shlex.quote(self.jobs)}/*/{shlex.quote(topology)}"
        # A file that is just being written is empty.
        listing = self._shell(
            f'for file in {folder}/container_*.pid; do pid=$(cat "$file"); '
            '[ -n "$pid" ] && [ -d "/proc/$pid" ] && echo "$(basename "$file" .pid) $pid"; done'
        )
        return {name: int(pid) for name, pid in map(str.split, listing.splitlines())}

    def await_running(self, topology: str, instances: set[str]) -> dict[str, int]:
        """Waits until the topology is running with exactly these instances."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            processes = self.processes(topology)
            if self.running(topology) and processes.keys() == instances:
                return processes
            time.sleep(0.5)
        raise AssertionError(
            f"{topology} is {'' if self.running(topology) else 'not '}running, "
            f"with {sorted(self.processes(topology))} instead of {sorted(instances)}"
        )

    def _stored(self, kind: str, topology: str) -> bytes | None:
        code, content, _ = execute(self.container, ["cat", f"{self.state}/{kind}/{topology}"])
        # A file that is just being written is empty.
        return content if code == 0 and content else None

    def _shell(self, script: str) -> str:
        return execute(self.container, ["sh", "-c", script])[1].decode()


def execute(container: Container, command: Sequence[str]) -> tuple[int, bytes, bytes]:
    """Runs a command in a container that runs: its exit code, standard output and error."""
    code, output = container.exec_run(list(command), demux=True)
    out, err = cast("tuple[bytes | None, bytes | None]", output)
    assert code is not None
    return code, out or b"", err or b""


@contextmanager
def cluster(
    client: docker.DockerClient, image_name: str, home: Path, sockets: Path
) -> Iterator[Cluster]:
    """A container of the image with the installation of `home`."""
    mounts = [Mount(home / part, f"{HERON}/{part}") for part in CHANGED]
    container = client.containers.run(
        image_name,
        ["sleep", "infinity"],
        entrypoint="",
        detach=True,
        init=True,
        network_mode="none",
        # Without a network only this name has an address, and Heron asks for that of its host.
        hostname="localhost",
        volumes=[str(mount) for mount in (*mounts, Mount(sockets, SOCKETS))],
    )
    try:
        _, user_home, _ = execute(container, ["sh", "-c", 'printf %s "$HOME"'])
        data = f"{user_home.decode()}/.herondata"
        yield Cluster(container, f"{data}/repository/state/local", f"{data}/topologies/local")
    finally:
        container.remove(force=True)


def instances(plan: heron_pb2.PackingPlan) -> set[str]:
    """The names that Heron gives to the instances of a plan."""
    return {
        f"container_{c.id}_{i.component_name}_{i.task_id}"
        for c in plan.container_plans
        for i in c.instance_plans
    }


def printed_plans(output: str) -> list[heron_pb2.PackingPlan]:
    """The plans that a dry run printed as JSON; an update prints the new one first."""
    found = [line for line in output.splitlines() if line.startswith('{"packingClass"')]
    return [_plan(json.loads(line)) for line in found]


def _plan(printed: Mapping[str, Any]) -> heron_pb2.PackingPlan:
    plan = heron_pb2.PackingPlan(id=printed["topology"])
    for container in printed["containers"]:
        added = plan.container_plans.add(
            id=container["id"], requiredResource=heron_pb2.Resource(**container["resources"])
        )
        for instance in container["components"]:
            added.instance_plans.add(
                component_name=instance["component"],
                task_id=instance["id"],
                component_index=instance["index"],
                resource=heron_pb2.Resource(**instance["resources"]),
            )
    return plan


def _topology_of(physical_plan: bytes) -> heron_pb2.Topology:
    """The first field of a physical plan, of which the contract has no copy."""
    length, at = 0, 1
    assert physical_plan[0] == (1 << 3 | 2), "a physical plan starts with its topology"
    for shift in range(0, 35, 7):
        length |= (physical_plan[at] & 0x7F) << shift
        at += 1
        if physical_plan[at - 1] < 0x80:
            break
    return heron_pb2.Topology.FromString(physical_plan[at : at + length])


def await_state(holds: Callable[[], bool], what: str) -> None:
    """Waits for something that Heron does after its command has ended."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)
