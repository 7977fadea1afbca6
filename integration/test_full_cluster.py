"""A whole Heron: commands of its users, its state manager, and its running processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import docker
import pytest

from bridge.wire import heron_pb2
from integration import cluster as heron_cluster
from integration import images
from integration.callsites import SOCKETS
from integration.cluster import EXAMPLES, Cluster, instances, printed_plans
from integration.containers import Finished
from integration.plans import canonical, defects, moved, placement
from integration.stand_ins import Exchange, hanging, nonsense, recording, slow

BRIDGE = {"address": f"unix://{SOCKETS}/recorded.sock"}
# Its spouts sleep between words, which leaves the machine to the commands.
TOPOLOGY = "org.apache.heron.examples.api.ExclamationTopology"
DRY_RUN = ("--dry-run", "--dry-run-format=json")
TIMEOUT_S = 3.0
GRACE_S = 2.0

Plan = heron_pb2.PackingPlan


@pytest.fixture(scope="module")
def image(client: docker.DockerClient) -> str:
    name, reason = heron_cluster.image(client)
    if name is None:
        pytest.skip(reason)
    return name


@pytest.fixture(scope="module")
def home(
    client: docker.DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The installation of Heron into which the plugin is put."""
    images.build_plugin()
    folder = tmp_path_factory.mktemp("heron")
    with heron_cluster.installation(client, image, folder) as found:
        yield found


@pytest.fixture(scope="module")
def untouched(home: Path) -> dict[str, bytes]:
    """The installation as it was."""
    return _files(home)


@pytest.fixture(scope="module")
def enabled(home: Path, untouched: dict[str, bytes]) -> Path:
    """The installation with the plugin."""
    assert untouched
    done = heron_cluster.command("enable", "--heron-home", str(home))
    assert done.returncode == 0, done.stdout + done.stderr
    return home


@pytest.fixture(scope="module")
def cluster(
    client: docker.DockerClient, image: str, enabled: Path, sockets: Path
) -> Iterator[Cluster]:
    with heron_cluster.cluster(client, image, enabled, sockets) as found:
        yield found


@pytest.fixture(scope="module")
def said(bridge: str, sockets: Path) -> Iterator[list[Exchange]]:
    """Everything that Heron and the bridge say to one another."""
    with recording(sockets / "recorded.sock", bridge) as exchanges:
        yield exchanges


def test_a_topology_is_submitted_updated_and_killed(cluster: Cluster, said: list[Exchange]) -> None:
    name = "Life"
    submitted = cluster.heron("submit", EXAMPLES, TOPOLOGY, name, settings=BRIDGE)
    _succeeded(submitted)
    first = cluster.plan(name)
    assert first is not None
    assert [exchange.method for exchange in said] == ["Pack", "Pack"]
    assert canonical(first) == canonical(_decided(said))
    before = cluster.await_running(name, instances(first))

    sizes = _sizes(first)
    component, size = max(sizes.items(), key=lambda item: (item[1], item[0]))
    grown = {**sizes, component: size + 2}
    parallelism = f"--component-parallelism={component}:{size + 2}"

    tried = cluster.heron("update", name, parallelism, *DRY_RUN, settings=BRIDGE)
    _succeeded(tried)
    shown, old = printed_plans(tried.stdout)
    assert canonical(shown) == canonical(_decided(said))
    assert canonical(old) == canonical(first)
    assert canonical(_stored(cluster, name)) == canonical(first)

    _succeeded(cluster.heron("update", name, parallelism, settings=BRIDGE))
    second = _stored(cluster, name)
    assert canonical(second) == canonical(_decided(said))
    assert defects(second, grown, fresh=False) == []
    assert moved(first, second) == 0
    during = cluster.await_running(name, instances(second))
    # Survivors are the very same processes.
    assert {process: during[process] for process in before} == before

    count = len(second.container_plans) + 1
    containers = f"--container-number={count}"
    tried = cluster.heron("update", name, containers, *DRY_RUN, settings=BRIDGE)
    _succeeded(tried)
    shown, _ = printed_plans(tried.stdout)
    assert canonical(shown) == canonical(_decided(said))
    assert canonical(_stored(cluster, name)) == canonical(second)

    _succeeded(cluster.heron("update", name, containers, settings=BRIDGE))
    third = _stored(cluster, name)
    assert canonical(third) == canonical(_decided(said))
    assert defects(third, grown, fresh=False) == []
    assert len(third.container_plans) == count
    after = cluster.await_running(name, instances(third))
    stayed = instances(second) & instances(third)
    assert {process: after[process] for process in stayed} == {
        process: during[process] for process in stayed
    }
    # Only what had to fill the new container has moved.
    assert moved(second, third) == len(instances(second) - instances(third)) <= count
    assert placement(third).keys() == placement(second).keys()

    _succeeded(cluster.heron("kill", name))
    assert name not in cluster.topologies()
    heron_cluster.await_state(
        lambda: not cluster.processes(name), f"instances of {name} survive its end"
    )


def test_a_dry_run_of_submit_prints_the_plan_and_leaves_nothing(
    cluster: Cluster, said: list[Exchange]
) -> None:
    tried = cluster.heron("submit", EXAMPLES, TOPOLOGY, "Try", *DRY_RUN, settings=BRIDGE)

    _succeeded(tried)
    (shown,) = printed_plans(tried.stdout)
    assert canonical(shown) == canonical(_decided(said))
    assert said[-1].context.dry_run
    assert "Try" not in cluster.topologies()


FAILURES = ("stopped", "hanging", "garbage", "too slow")


def _failure(name: str, file: Path, bridge: str) -> AbstractContextManager[object]:
    if name == "hanging":
        return hanging(file)
    if name == "garbage":
        return nonsense(file)
    if name == "too slow":
        return slow(file, bridge, TIMEOUT_S + 2)
    return nullcontext()


@pytest.mark.parametrize("failure", FAILURES)
def test_with_a_failing_bridge_heron_gets_its_own_plan_in_time(
    cluster: Cluster, bridge: str, sockets: Path, failure: str
) -> None:
    alone = _submitted_and_killed(cluster, "Alone", {"mode": "off"})
    settings = {
        "address": f"unix://{SOCKETS}/failing.sock",
        "timeout.ms": int(TIMEOUT_S * 1000),
    }
    with _failure(failure, sockets / "failing.sock", bridge):
        submitted = cluster.heron(
            "submit", EXAMPLES, TOPOLOGY, "Fails", "--deploy-deactivated", settings=settings
        )
        _succeeded(submitted)
        plan = _stored(cluster, "Fails")
        updated = cluster.heron(
            "update", "Fails", "--component-parallelism=word:3", *DRY_RUN, settings=settings
        )
        _succeeded(updated)
    own = cluster.heron(
        "update", "Fails", "--component-parallelism=word:3", *DRY_RUN, settings={"mode": "off"}
    )
    _succeeded(cluster.heron("kill", "Fails"))

    assert canonical(plan) == canonical(alone)
    assert canonical(printed_plans(updated.stdout)[0]) == canonical(printed_plans(own.stdout)[0])
    waits = _seconds_until_fallback(submitted)
    assert len(waits) == 2
    for wait in (*waits, *_seconds_until_fallback(updated)):
        assert wait <= TIMEOUT_S + GRACE_S


def test_in_shadow_mode_heron_uses_its_own_plan_and_ours_is_logged(
    cluster: Cluster, said: list[Exchange]
) -> None:
    alone = _submitted_and_killed(cluster, "Alone", {"mode": "off"})
    heard = len(said)

    settings = {**BRIDGE, "mode": "shadow"}
    submitted = cluster.heron(
        "submit", EXAMPLES, TOPOLOGY, "Shadow", "--deploy-deactivated", settings=settings
    )
    _succeeded(submitted)
    plan = _stored(cluster, "Shadow")
    _succeeded(cluster.heron("kill", "Shadow"))

    assert canonical(plan) == canonical(alone)
    assert len(said) == heard + 2
    log = submitted.stdout + submitted.stderr
    assert "(shadow)" in log
    assert f"planner {said[-1].answer.report.chosen}" in log


def test_enabling_twice_changes_nothing_and_disabling_restores(
    client: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    with heron_cluster.installation(client, image, tmp_path) as home:
        before = _files(home)
        for _ in range(2):
            done = heron_cluster.command("enable", "--heron-home", str(home))
            assert done.returncode == 0, done.stdout + done.stderr
        after = _files(home)
        assert images.APACHE.plugin_jar in {Path(name).name for name in after}
        assert before.items() - after.items()

        done = heron_cluster.command("disable", "--heron-home", str(home))
        assert done.returncode == 0, done.stdout + done.stderr
        assert _files(home) == before


def _succeeded(finished: Finished) -> None:
    assert finished.exit_code == 0, (finished.stdout + finished.stderr)[-4000:]


def _stored(cluster: Cluster, topology: str) -> Plan:
    plan = cluster.plan(topology)
    assert plan is not None, f"{topology} has no plan"
    return plan


def _decided(said: list[Exchange]) -> Plan:
    """The plan that the bridge gave last."""
    return Plan.FromString(said[-1].answer.plan)


def _sizes(plan: Plan) -> dict[str, int]:
    names = [i.component_name for c in plan.container_plans for i in c.instance_plans]
    return {name: names.count(name) for name in names}


def _submitted_and_killed(cluster: Cluster, name: str, settings: dict[str, object]) -> Plan:
    """The plan of a topology that is gone again."""
    _succeeded(
        cluster.heron("submit", EXAMPLES, TOPOLOGY, name, "--deploy-deactivated", settings=settings)
    )
    plan = _stored(cluster, name)
    _succeeded(cluster.heron("kill", name))
    return plan


def _seconds_until_fallback(finished: Finished) -> list[float]:
    """How long each call took, from the lines that tell why the plan is Heron's."""
    log = finished.stdout + finished.stderr
    found = re.findall(r"\(fallback\).*?, (\d+) ms, because the bridge", log)
    assert found, log[-4000:]
    return [int(milliseconds) / 1000 for milliseconds in found]


def _files(home: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in sorted(home.rglob("*"))
        if path.is_file()
    }
