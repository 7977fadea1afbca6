"""Running a command in a container until it ends, and running one in the background."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import requests
from docker.models.containers import Container


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    exit_code: int | None
    """None: it had to be killed."""
    stdout: str
    stderr: str
    took_s: float

    @property
    def all_words(self) -> str:
        """What was said, on whichever stream."""
        return self.stdout + self.stderr

    @property
    def last_words(self) -> str:
        """The end of what was said on standard error, for a failed assertion."""
        return self.stderr[-4000:]


@dataclass(frozen=True)
class Mount:
    """A folder of this machine inside a container."""

    source: Path
    target: str

    def __str__(self) -> str:
        return f"{self.source}:{self.target}"


def run(
    client: docker.DockerClient,
    image: str,
    command: Sequence[str],
    *,
    mounts: Sequence[Mount] = (),
    environment: Mapping[str, str] | None = None,
    working_dir: str = "/",
    network: str = "none",
    timeout_s: float = 120.0,
) -> Finished:
    """Runs a command to its end; kills it when it takes longer than `timeout_s`."""
    container = _start(
        client,
        image,
        command,
        mounts=mounts,
        environment=environment,
        working_dir=working_dir,
        network=network,
    )
    try:
        start = time.monotonic()
        try:
            exit_code = container.wait(timeout=timeout_s)["StatusCode"]
        except requests.exceptions.RequestException:
            # The engine reports a wait that took too long in one of two ways.
            container.kill()
            exit_code = None
        return Finished(exit_code, *_output(container), time.monotonic() - start)
    finally:
        container.remove(force=True)


@contextmanager
def background(
    client: docker.DockerClient,
    image: str,
    command: Sequence[str],
    *,
    mounts: Sequence[Mount] = (),
    environment: Mapping[str, str] | None = None,
    network: str = "none",
) -> Iterator[Container]:
    """A command that runs while the context lasts, and is then asked to end."""
    container = _start(
        client,
        image,
        command,
        mounts=mounts,
        environment=environment,
        working_dir="/",
        network=network,
    )
    try:
        yield container
        container.stop(timeout=20)
    finally:
        container.remove(force=True)


def logs(container: Container) -> str:
    """What a container has written so far."""
    return "".join(_output(container))


def _start(
    client: docker.DockerClient,
    image: str,
    command: Sequence[str],
    *,
    mounts: Sequence[Mount],
    environment: Mapping[str, str] | None,
    working_dir: str,
    network: str,
) -> Container:
    return client.containers.run(
        image,
        list(command),
        detach=True,
        network_mode=network,
        # Without a network only this name has an address, and Heron asks for that of its host.
        hostname="localhost",
        environment=dict(environment or {}),
        working_dir=working_dir,
        volumes=[str(mount) for mount in mounts],
        # What it writes into a mounted folder belongs to whoever runs the tests.
        user=f"{os.getuid()}:{os.getgid()}",
    )


def _output(container: Container) -> tuple[str, str]:
    stdout = container.logs(stdout=True, stderr=False).decode(errors="replace")
    stderr = container.logs(stdout=False, stderr=True).decode(errors="replace")
    return stdout, stderr
