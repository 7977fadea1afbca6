"""What Heron does with a packing class, done in a container with Heron's own SPI."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import docker

from bridge.wire import heron_pb2
from integration.containers import Finished, Mount, run
from integration.images import Flavour

SOCKETS = "/run/heron-bridge"
WORK = "/work"
# Long enough for a busy machine: to reach it means that a thread was left behind.
COMMAND_TIMEOUT_S = 60.0
MAIN = "org.heronbridge.integration.CallSites"
PLUGIN_CLASS = "org.heronbridge.BridgePacking"
FALLBACK_CLASS = "org.heronbridge.integration.DealingPacking"
# Stands for what configuration files hold and must not leave the machine.
CONFIDENTIAL_SETTING = "integration-confidential-setting"


@dataclass(frozen=True)
class Call:
    """One call of the packing class."""

    method: str
    took_s: float
    plan: heron_pb2.PackingPlan | None
    thrown: str


@dataclass(frozen=True)
class Outcome:
    """What a command of Heron would have had from the packing class."""

    calls: tuple[Call, ...]
    threads: tuple[int, ...]
    topology: heron_pb2.Topology | None
    finished: Finished

    @property
    def plan(self) -> heron_pb2.PackingPlan:
        """The plan that Heron would deploy: the last one."""
        plan = self.calls[-1].plan
        assert plan is not None, self.calls[-1].thrown
        return plan


@dataclass(frozen=True)
class CallSites:
    """The call sites of one Heron, with the plugin configured."""

    client: docker.DockerClient
    image: str
    flavour: Flavour
    sockets: Path
    """Folder with the sockets of bridges."""
    settings: Mapping[str, object]
    """Keys below `heron.packing.bridge`."""
    network: str = "none"

    def with_settings(self, **changes: object) -> CallSites:
        """The same with other settings; `_` stands for the dots of a key."""
        settings = {**self.settings, **{k.replace("_", "."): v for k, v in changes.items()}}
        return replace(self, settings=settings)

    def on_host_network(self) -> CallSites:
        """The same in a container that shares the network of this machine."""
        return replace(self, network="host")

    def submit(self, definition: bytes) -> Outcome:
        """`heron submit`: two fresh objects pack the same topology."""
        command = ["submit", f"{WORK}/conf", f"{WORK}/in.defn", f"{WORK}/out"]
        return self._run(command, {"in.defn": definition})

    def update(
        self,
        definition: bytes,
        plan: heron_pb2.PackingPlan,
        changes: Mapping[str, int],
        containers: int = 0,
    ) -> Outcome:
        """`heron update`: with `containers`, the call that takes their number."""
        command = ["update", f"{WORK}/conf", f"{WORK}/in.defn", f"{WORK}/in.plan"]
        command += [_changes(changes), str(containers), f"{WORK}/out"]
        files = {"in.defn": definition, "in.plan": plan.SerializeToString()}
        return self._run(command, files)

    def resolve(
        self,
        definition: bytes,
        plan: heron_pb2.PackingPlan,
        changes: Mapping[str, int],
        rounds: int,
    ) -> Outcome:
        """The health manager: repacks again and again in one JVM."""
        command = ["healthmgr", f"{WORK}/in.defn", f"{WORK}/in.plan"]
        command += [_changes(changes), str(rounds), f"{WORK}/out"]
        files = {"in.defn": definition, "in.plan": plan.SerializeToString()}
        return self._run(command, files)

    def _run(self, command: list[str], files: Mapping[str, bytes]) -> Outcome:
        with tempfile.TemporaryDirectory(prefix="heron-callsites-") as folder:
            work = Path(folder)
            for name, content in files.items():
                (work / name).write_bytes(content)
            (work / "out").mkdir()
            # The commands read the one, the health manager the other, in its working directory.
            for name in ("conf", "heron-conf"):
                self._configure(work / name)
            java = ["java", "-client", "-Xmx1g", "-cp", self.flavour.class_path, MAIN]
            finished = run(
                self.client,
                self.image,
                [*java, *command],
                mounts=[Mount(work, WORK), Mount(self.sockets, SOCKETS)],
                working_dir=WORK,
                network=self.network,
                timeout_s=COMMAND_TIMEOUT_S,
            )
            return _outcome(work / "out", finished)

    def _configure(self, conf: Path) -> None:
        conf.mkdir()
        packing = {
            "heron.class.packing.algorithm": PLUGIN_CLASS,
            "heron.class.repacking.algorithm": PLUGIN_CLASS,
            **{f"heron.packing.bridge.{k}": v for k, v in self.settings.items()},
        }
        # JSON scalars are YAML scalars.
        lines = [f"{key}: {json.dumps(value)}" for key, value in packing.items()]
        (conf / "packing.yaml").write_text("\n".join(lines) + "\n")
        scheduler = f"{self.flavour.name}.scheduler.local.LocalScheduler"
        (conf / "scheduler.yaml").write_text(f"heron.class.scheduler: {scheduler}\n")
        secret = f"heron.statemgr.password: {CONFIDENTIAL_SETTING}\n"
        (conf / "statemgr.yaml").write_text(secret)


def _changes(changes: Mapping[str, int]) -> str:
    return ",".join(f"{name}={by:+d}" for name, by in changes.items()) or "none"


def _outcome(out: Path, finished: Finished) -> Outcome:
    calls: list[Call] = []
    threads: list[int] = []
    record = out / "calls.jsonl"
    for line in record.read_text().splitlines() if record.exists() else []:
        entry = json.loads(line)
        if entry["method"] == "threads":
            threads.append(entry["count"])
            continue
        plan = None
        if entry["file"]:
            plan = heron_pb2.PackingPlan.FromString((out / entry["file"]).read_bytes())
        calls.append(Call(entry["method"], entry["took_ms"] / 1000, plan, entry["thrown"]))
    topology = None
    if (out / "topology.defn").exists():
        topology = heron_pb2.Topology.FromString((out / "topology.defn").read_bytes())
    return Outcome(tuple(calls), tuple(threads), topology, finished)
