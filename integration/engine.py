"""A Docker engine: the one that answers, or one that is started for the tests.

A machine on which neither is possible fails the tests; they are never skipped for want of an
engine, because nobody would notice.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Self

import docker
from docker.errors import DockerException

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


class EngineError(RuntimeError):
    """There is no engine and none could be started."""


class Engine:
    """A context in which an engine answers; one that it started ends with it."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._started: subprocess.Popen[bytes] | None = None
        self._client: docker.DockerClient | None = None

    @property
    def client(self) -> docker.DockerClient:
        """The client; inside the context only."""
        if self._client is None:
            raise EngineError("the engine has not been entered")
        return self._client

    def __enter__(self) -> Self:
        self._client = connected()
        if self._client is None:
            self._started = self._start()
            self._client = self._await()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._started is not None:
            subprocess.run([*as_root(), "kill", str(self._started.pid)], check=False)
            try:
                self._started.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                subprocess.run([*as_root(), "kill", "-9", str(self._started.pid)], check=False)
                self._started.wait()
            self._started = None

    def _start(self) -> subprocess.Popen[bytes]:
        # Also looked for where Debian puts it, which is not on the path of every user.
        daemon = shutil.which("dockerd") or shutil.which("dockerd", path="/usr/sbin:/sbin")
        if daemon is None:
            raise EngineError("no Docker engine answers and dockerd is not installed")
        # Containers use no network or that of the host, so neither a bridge nor rules are needed;
        # without them the engine also starts where the kernel has no netfilter.
        command = [
            *as_root(),
            daemon,
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
            f"--group={os.getgid()}",
        ]
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _await(self) -> docker.DockerClient:
        assert self._started is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            client = connected()
            if client is not None:
                return client
            if self._started.poll() is not None:
                break
            time.sleep(0.2)
        tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
        raise EngineError(f"dockerd did not come up; its last words ({self._log}):\n{tail}")


def connected() -> docker.DockerClient | None:
    """A client of the engine that answers, if one does."""
    try:
        client = docker.from_env(timeout=600)
    except DockerException:
        return None
    try:
        client.ping()
    except (DockerException, OSError):
        client.close()
        return None
    return client


def as_root() -> list[str]:
    """What a command needs in front to run as root without asking."""
    return [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
