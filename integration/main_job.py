"""The main job, from end to end on this machine: `python -m integration.main_job`.

Starts a bridge with its defaults, lets Heron's own classes build a topology, load the plugin and
ask it for a plan as `heron submit` would, and prints that plan beside what Heron's three packers
make of the same topology.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bridge.cli.decision_table import print_decision
from bridge.cli.plan import print_containers
from bridge.comparison import compare
from bridge.conversion import plan_from_bytes
from bridge.workload import load_workload
from integration.images import JAVA, TWITTER, build_java, build_plugin, plugin_jar

TOPOLOGY = "Diamond"
PROFILES = Path(__file__).resolve().parent / "profiles"
START_TIMEOUT_S = 30.0
PLUGIN_CLASS = "org.heronbridge.BridgePacking"
FALLBACK_CLASS = "org.heronbridge.integration.DealingPacking"


@contextmanager
def serving(address: str) -> Iterator[None]:
    """A bridge on a unix socket, with the profiles of the integration tests."""
    command = [sys.executable, "-m", "bridge", "serve", "--address", address]
    command += ["--profiles-dir", str(PROFILES), "--log-format", "text"]
    bridge = subprocess.Popen(command)
    try:
        _await_health(address.replace("unix://", "unix:"), bridge)
        yield
    finally:
        bridge.terminate()
        bridge.wait()


def _await_health(target: str, bridge: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    with grpc.insecure_channel(target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        while bridge.poll() is None and time.monotonic() < deadline_s:
            try:
                reply = health.Check(health_pb2.HealthCheckRequest(), timeout=1)
                if reply.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            except grpc.RpcError:
                time.sleep(0.05)
    raise SystemExit("the bridge did not start; its own words are above")


def define_topology(folder: Path) -> Path:
    """Run the topology's main class, which writes what `heron submit` reads."""
    options = f"cmdline.topologydefn.tmpdirectory={folder},cmdline.topology.initial.state=RUNNING"
    jars = JAVA / "topologies" / "target"
    subprocess.run(
        ["java", "-cp", f"{jars}/topologies.jar:{jars}/lib/*",
         f"org.heronbridge.integration.{TOPOLOGY}"],
        env={"HERON_OPTIONS": options, "PATH": "/usr/bin:/bin:/usr/local/bin"},
        check=True,
    )  # fmt: skip
    return folder / f"{TOPOLOGY}.defn"


def submit(definition: Path, address: str, folder: Path) -> bytes:
    """Do what `heron submit` does with the packing class; the bytes of the plan it would deploy."""
    conf, out = folder / "conf", folder / "out"
    conf.mkdir()
    out.mkdir()
    settings = {
        "heron.class.packing.algorithm": PLUGIN_CLASS,
        "heron.class.repacking.algorithm": PLUGIN_CLASS,
        "heron.packing.bridge.address": address,
        "heron.packing.bridge.fallback.packing": FALLBACK_CLASS,
        "heron.packing.bridge.fallback.repacking": FALLBACK_CLASS,
    }
    lines = [f"{key}: {json.dumps(value)}" for key, value in settings.items()]
    (conf / "packing.yaml").write_text("\n".join(lines) + "\n")
    jars = JAVA / "callsites" / "target"
    class_path = f"{jars}/callsites.jar:{jars}/lib/*:{plugin_jar(TWITTER)}"
    subprocess.run(
        ["java", "-client", "-Xmx1g", "-cp", class_path, "org.heronbridge.integration.CallSites",
         "submit", str(conf), str(definition), str(out)],
        check=True,
    )  # fmt: skip
    calls = [json.loads(line) for line in (out / "calls.jsonl").read_text().splitlines()]
    if calls[-1]["thrown"]:
        raise SystemExit(f"Heron got no plan: {calls[-1]['thrown']}")
    return (out / calls[-1]["file"]).read_bytes()


def main() -> None:
    """Run the job and print what came of it."""
    print("Building the plugin and the topology (the first time fetches from Maven Central) ...")
    build_plugin()
    build_java()
    with tempfile.TemporaryDirectory(prefix="heron-bridge-") as name:
        folder = Path(name)
        address = f"unix://{folder}/bridge.sock"
        definition = define_topology(folder)
        print(f"\nHeron submits {TOPOLOGY}: two fresh objects of the plugin pack it.\n", flush=True)
        with serving(address):
            deployed = submit(definition, address, folder)
        workload = load_workload(definition, PROFILES / f"{TOPOLOGY}.json")
        plan = plan_from_bytes(deployed, workload.topology, "the deployed plan")
        print("\nThe plan that Heron would deploy:")
        print_containers(plan)
        print("\nThe same topology under Heron's own three packers and ours:")
        decision = compare(workload)
        print_decision(workload.name, decision)
        same = plan.counts.tolist() == decision.plan.counts.tolist()
        print("Heron's plan is the chosen one." if same else "Heron's plan is NOT the chosen one.")
        raise SystemExit(0 if same else 1)


if __name__ == "__main__":
    main()
