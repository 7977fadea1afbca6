"""A topology really run in Heron's in-process runtime, and what its instances did."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from bridge.wire import heron_pb2
from integration.containers import Mount, run
from integration.images import HERON_HOME
from integration.plans import parallelism

WARMUP_S = 3.0
WINDOW_S = 5.0
MAIN = "org.heronbridge.integration.Simulate"
# What the runtime's serialisation reaches into.
OPENED = ("java.base/java.util", "java.base/java.lang")


@dataclass(frozen=True)
class Reading:
    """The counts of an instance at a moment."""

    nanos: int
    emitted: int
    executed: int
    execute_nanos: int


@dataclass(frozen=True)
class Instance:
    """One instance: its counts at both ends of the window, and when all had come to rest."""

    component: str
    index: int
    task: int
    first: Reading
    last: Reading
    total: Reading
    keys: Mapping[str, int]
    """How often each key arrived, at the end of a stream."""

    def per_second(self, quantity: str) -> float:
        """The rate of a count over the window."""
        amount: int = getattr(self.last, quantity) - getattr(self.first, quantity)
        return amount / ((self.last.nanos - self.first.nanos) / 1e9)


def simulate(client: docker.DockerClient, image: str, topology: str) -> tuple[Instance, ...]:
    """Runs a topology, and waits until everything that was emitted has arrived."""
    opened = [f"--add-opens={package}=ALL-UNNAMED" for package in OPENED]
    with tempfile.TemporaryDirectory(prefix="heron-simulation-") as folder:
        arguments = [topology, str(WARMUP_S), str(WINDOW_S), "/out/counts.json"]
        finished = run(
            client,
            image,
            ["java", *opened, "-cp", f"{HERON_HOME}/simulator/*", MAIN, *arguments],
            mounts=[Mount(Path(folder), "/out")],
        )
        assert finished.exit_code == 0, finished.last_words
        counts = json.loads((Path(folder) / "counts.json").read_text())
    assert counts["drained"], "tuples were still arriving long after the spouts had stopped"
    moments = ("first", "last", "total")
    return tuple(
        Instance(**{**entry, **{moment: Reading(**entry[moment]) for moment in moments}})
        for entry in counts["instances"]
    )


def run_file(
    name: str,
    topology: heron_pb2.Topology,
    instances: tuple[Instance, ...],
    offered: Mapping[str, float],
) -> dict[str, Any]:
    """The run as a run file. The runtime is one process: one container without a quota."""
    sizes = parallelism(topology)
    components: dict[str, Any] = {
        spout: {
            "kind": "spout",
            "parallelism": sizes[spout],
            "offered_rate_per_instance": rate,
        }
        for spout, rate in offered.items()
    }
    for bolt in topology.bolts:
        components[bolt.comp.name] = _bolt(bolt.comp.name, instances)
    measured = [_measured(instance) for instance in instances]
    return {
        "id": f"in-process-{name}",
        "workload": name,
        "description": "Heron's in-process runtime, all instances in one JVM",
        "plan_name": "one-container",
        "topology": {
            "components": components,
            "streams": _streams(topology),
        },
        "plan": {
            "1": [{"component": i.component, "index": i.index, "task": i.task} for i in instances]
        },
        "quota_cores": {"1": None},
        "config": {"acking": False, "max_spout_pending": None},
        "offered_per_spout_instance": dict(offered),
        "measured": {
            "window_s": WINDOW_S,
            "warmup_s": WARMUP_S,
            "instances": measured,
            "throughput_per_s": sum(
                m["execute_per_s"] for m in measured if components[m["component"]].get("sink")
            ),
        },
        "notes": "no stream manager between the instances",
    }


def _measured(instance: Instance) -> dict[str, Any]:
    executed = instance.last.executed - instance.first.executed
    busy = instance.last.execute_nanos - instance.first.execute_nanos
    return {
        "component": instance.component,
        "index": instance.index,
        "task": instance.task,
        "container": 1,
        "emit_per_s": instance.per_second("emitted"),
        "execute_per_s": instance.per_second("executed"),
        "execute_latency_us": busy / executed / 1000 if executed else None,
    }


def _bolt(name: str, instances: tuple[Instance, ...]) -> dict[str, Any]:
    own = [i.total for i in instances if i.component == name]
    emitted = sum(total.emitted for total in own)
    return {
        "kind": "bolt",
        "parallelism": len(own),
        "selectivity": emitted / sum(total.executed for total in own),
        "sink": emitted == 0,
    }


def _streams(topology: heron_pb2.Topology) -> list[dict[str, str]]:
    words = {heron_pb2.Grouping.LOWEST: "global"}
    return [
        {
            "from": source.stream.component_name,
            "to": bolt.comp.name,
            "stream": source.stream.id,
            "grouping": words.get(source.gtype, heron_pb2.Grouping.Name(source.gtype).lower()),
        }
        for bolt in topology.bolts
        for source in bolt.inputs
    ]
