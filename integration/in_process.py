"""A topology of rate limited bolts that runs in Heron's in-process runtime, and its counts.

The JVM is `integration/java/ratelimited`: spouts of fixed rate and bolts that wait out their
service time, in one process, so that a plan for many cores runs on few. `RateLimited.java`
describes what goes in and comes out.
"""

from __future__ import annotations

import json
import math
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np

from integration.images import JAVA
from integration.simulation import OPENED
from packing.arrays import Floats
from packing.key_skew import FIELDS_PRIME, KeyWeights, serialised
from packing.profile import Profile, stream_key
from packing.topology import Grouping, Kind, Topology

TARGET = JAVA / "ratelimited" / "target"
MAIN = "org.heronbridge.integration.RateLimited"
# Little of two cores for what is not the topology's.
JVM_FLAGS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512m")
GROUPINGS = {Grouping.SHUFFLE: "shuffle", Grouping.FIELDS: "fields"}


@dataclass(frozen=True)
class TaskCounts:
    """What one task did since it started."""

    component: str
    index: int
    executed: int
    """Tuples; of a spout those that it took from its source."""
    execute_nanos: int
    """Time in execute."""
    emitted: Mapping[str, int]
    """Tuples by stream."""
    due: float
    """Tuples that a spout's source had for it."""
    held: float
    """Of those, the ones that the runtime did not ask for in time and that were given up."""
    queued: int
    """Tuples that wait now."""
    waiting_sum: int
    """Tuples that waited, summed over the samples."""
    cause_samples: int
    """Samples in which spouts were held and this task's in-queue was full."""


@dataclass(frozen=True)
class Counts:
    """The answer to a command."""

    nanos: int
    samples: int
    held_samples: int
    """Samples in which a spout was held."""
    tasks: tuple[TaskCounts, ...]


class InProcess:
    """A running topology, from `with` to its end.

    Raises RuntimeError with the JVM's last words when it ends before it should.
    """

    def __init__(self, topology: Topology, profile: Profile, factor: float = 1.0) -> None:
        """Start it, with spouts at `factor` times the rates of `profile`; waits until it runs."""
        opened = [f"--add-opens={package}=ALL-UNNAMED" for package in OPENED]
        class_path = f"{TARGET / 'ratelimited.jar'}:{TARGET / 'lib'}/*"
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by `close`
        self._process = subprocess.Popen(
            ["java", *JVM_FLAGS, *opened, "-cp", class_path, MAIN],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
            text=True, encoding="utf-8",
        )  # fmt: skip
        lines = [*definition(topology, profile), f"factor {factor!r}", "end"]
        self._ask("\n".join(lines))

    def counts(self) -> Counts:
        """All counts since the start."""
        return _counts(self._ask("read"))

    def offer(self, factor: float) -> Counts:
        """Change the rates of all spouts to `factor` times the profile's."""
        return _counts(self._ask(f"factor {factor!r}"))

    def drain(self, most_s: float) -> tuple[bool, Counts]:
        """Stop the spouts, and wait until every tuple was executed; False: not in that time."""
        answer = self._ask(f"stop {most_s!r}")
        return answer["drained"], _counts(answer)

    def close(self) -> None:
        """End the JVM; what is under way is lost."""
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def __enter__(self) -> Self:
        """The topology runs already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the JVM."""
        self.close()

    def _ask(self, lines: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(lines, file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._log.seek(0)
            words = "".join(self._log.readlines()[-20:])
            self.close()
            raise RuntimeError(f"the in-process runtime has ended:\n{words}")
        found: dict[str, Any] = json.loads(answer)
        return found


class InProcessKeys(KeyWeights):
    """A key histogram that spreads over instances as in this runtime.

    It hashes the serialised key with Java's `ByteString.hashCode` (FieldsGrouping of the package
    simulator/grouping), where Heron's stream manager uses libstdc++'s hash.
    """

    def shares(self, parallelism: int) -> Floats:
        """Share per reading instance in the order of task ids; (n,)."""
        found = np.full(parallelism, self.unlisted / parallelism)
        for key, weight in self.items():
            residue = math.fmod(_byte_string_hash(serialised(key, self.serializer)), FIELDS_PRIME)
            # Java's remainder has the sign of the dividend, and so has that of C.
            found[int(math.fmod(residue, parallelism)) % parallelism] += weight
        return np.asarray(found / self.total, dtype=np.float64)


def _byte_string_hash(value: bytes) -> int:
    """Of com.google.protobuf.ByteString: signed bytes, 32 signed bits."""
    found = len(value)
    for byte in value:
        found = found * 31 + (byte ^ 0x80) - 0x80
    return ((found + 2**31) % 2**32 - 2**31) or 1


def definition(topology: Topology, profile: Profile) -> Iterator[str]:
    """The lines that describe a topology to the JVM.

    Raises ValueError for groupings that it does not know, and for keys with a space.
    """
    for component in topology.components:
        spout = component.kind is Kind.SPOUT
        figures = profile.rate_per_s if spout else profile.service_s
        kind, figure = ("spout" if spout else "bolt"), figures[component.name]
        yield f"{kind} {component.name} {component.parallelism} {figure!r}"
    for stream in topology.streams:
        key = stream_key(stream)
        if stream.grouping not in GROUPINGS:
            raise ValueError(f"{stream} is grouped {stream.grouping}; use SHUFFLE or FIELDS here")
        grouping, selectivity = GROUPINGS[stream.grouping], profile.selectivity.get(key, 1.0)
        yield (
            f"stream {stream.source} {stream.target} {stream.stream_id} {grouping} {selectivity!r}"
        )
        for name, weight in profile.key_weights.get(key, {}).items():
            if " " in name:
                raise ValueError(f"the key {name!r} has a space; leave it out here")
            yield f"key {stream.stream_id} {name} {weight!r}"


def _counts(answer: Mapping[str, Any]) -> Counts:
    tasks = tuple(TaskCounts(**task) for task in answer["tasks"])
    return Counts(answer["nanos"], answer["samples"], answer["held_samples"], tasks)
