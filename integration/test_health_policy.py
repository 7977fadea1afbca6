"""The health policy in a real health manager, over a topology that gets more than it can take."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from bridge.health_installation import CLASS_KEY, POLICY_CLASS
from bridge.wire import packing_bridge_pb2 as pb
from integration import cluster as heron_cluster
from integration import images
from integration.callsites import SOCKETS
from integration.cluster import Cluster, execute
from integration.stand_ins import Exchange

NAME = "Overload"
TOPOLOGY = "org.heronbridge.integration.Overload"
# The odd key is the one under which Heron looks for BackPressureSensor.duration.
WINDOWS = """\
  health.policy.interval.ms: 10000
  BackPressureSensorCONF_SENSOR_DURATION_SUFFIX: 120
  heron.health.bridge.window.ms: 120000
  heron.packing.bridge.timeout.ms: 60000
"""
# A window goes by after the start, and a minute and a window after an update.
DECISION_TIMEOUT_S = 420.0


@pytest.fixture(scope="module")
def cluster(
    client: docker.DockerClient, sockets: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A whole Heron with the plugin, whose health manager follows the bridge."""
    name, reason = heron_cluster.image(client)
    if name is None:
        pytest.skip(reason)
    images.build_plugin()
    images.build_java()
    shutil.copyfile(images.JAVA / "overload/target/overload.jar", sockets / "overload.jar")
    with heron_cluster.installation(client, name, tmp_path_factory.mktemp("heron")) as home:
        address = f"unix://{SOCKETS}/recorded.sock"
        done = heron_cluster.command(
            "enable", f"--heron-home={home}", "--health-manager", f"--address={address}"
        )
        assert done.returncode == 0, done.stdout + done.stderr
        healthmgr = home / "conf/local/healthmgr.yaml"
        named = f"  {CLASS_KEY}: {POLICY_CLASS}\n"
        assert named in healthmgr.read_text()
        healthmgr.write_text(healthmgr.read_text().replace(named, named + WINDOWS))
        with heron_cluster.cluster(client, name, home, sockets) as found:
            yield found


def test_an_overloaded_bolt_is_scaled_and_the_health_manager_lives(
    cluster: Cluster, recorded: list[Exchange]
) -> None:
    settings = "heron.packing.bridge.mode=off"
    submitted = cluster.heron(
        "submit", f"{SOCKETS}/overload.jar", TOPOLOGY, NAME, f"--config-property={settings}"
    )
    assert submitted.exit_code == 0, submitted.all_words[-4000:]
    try:
        _await(cluster, lambda: "the policy looks every" in _log(cluster))
        process = _health_manager(cluster)

        _await(cluster, lambda: ": done" in _log(cluster))
        advised = [exchange for exchange in recorded if exchange.method == "Advise"]
        request = pb.AdviseRequest.FromString(advised[-1].request)
        # A load that has risen is noticed before buffers are full.
        symptoms = [(s.kind, s.component) for s in request.symptoms]
        assert symptoms in ([(pb.BACK_PRESSURE, "sink")], []), _log(cluster)[-4000:]
        loads = {load.component: load for load in request.components}
        assert 0.018 <= loads["sink"].service_s <= 0.03
        # Buffers take up to 100 MB more than the bolt executes while they fill.
        assert 0.7 * loads["sink"].tuples_per_s <= loads["source"].tuples_per_s <= 110

        # The bolt gets twice what one instance takes, and some is to be kept free: 3. Two minutes
        # of back-pressure tell only that it is between what got through and twice as much.
        plan = cluster.plan(NAME)
        assert plan is not None
        bolts = [i for c in plan.container_plans for i in c.instance_plans]
        sinks = sum(i.component_name == "sink" for i in bolts)
        assert 2 <= sinks <= 4, _log(cluster)[-4000:]
        _await(cluster, lambda: "helped" in _log(cluster))
        assert "did not help" not in _log(cluster)
        assert _health_manager(cluster) == process, "the health manager has been started again"
    finally:
        cluster.heron("kill", NAME)


def _await(cluster: Cluster, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DECISION_TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline, f"the health manager says:\n{_log(cluster)[-6000:]}"
        time.sleep(2)


def _log(cluster: Cluster) -> str:
    folder = f"{cluster.jobs}/*/{NAME}/log-files"
    script = f"cat {folder}/heron-{NAME}-healthmgr*.log* 2>/dev/null || true"
    return execute(cluster.container, ["sh", "-c", script])[1].decode(errors="replace")


def _health_manager(cluster: Cluster) -> str:
    """The process of the health manager."""
    script = "pgrep -f org.apache.heron.healthmgr.HealthManager | head -1"
    found = execute(cluster.container, ["sh", "-c", script])[1].decode().strip()
    assert found, "no health manager runs"
    return found
