"""A whole Heron: commands of its users, its state manager, and its running processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from bridge.wire import heron_pb2
from bridge.wire import packing_bridge_pb2 as pb
from integration import cluster as heron_cluster
from integration import images
from integration.callsites import SOCKETS
from integration.cluster import EXAMPLES, TOPOLOGY, Cluster, instances, printed_plans
from integration.containers import Finished
from integration.plans import canonical, defects, moved, placement
from integration.stand_ins import Exchange, hanging, nonsense, recording, slow

# Patient, because where the deadline matters it is set.
BRIDGE = {"address": f"unix://{SOCKETS}/recorded.sock", "timeout.ms": 30_000}
GROWTH = "--component-parallelism=word:3"
INACTIVE = "--deploy-deactivated"
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
    with cluster.submitted(name, settings=BRIDGE) as submitted:
        assert [e.method for e in said] == ["Pack", "Pack"], submitted.all_words[-4000:]
        first = _deployed(cluster, name, said)
        before = cluster.await_running(name, instances(first))

        sizes = _sizes(first)
        component, size = max(sizes.items(), key=lambda item: (item[1], item[0]))
        parallelism = f"--component-parallelism={component}:{size + 2}"
        _try_update(cluster, name, parallelism, said)

        _succeeded(cluster.heron("update", name, parallelism, settings=BRIDGE))
        second = _deployed(cluster, name, said)
        assert defects(second, {**sizes, component: size + 2}, fresh=False) == []
        assert moved(first, second) == 0, _chosen(said)
        during = cluster.await_running(name, instances(second))
        # Survivors are the very same processes.
        assert {process: during[process] for process in before} == before

        count = len(second.container_plans) + 1
        containers = f"--container-number={count}"
        _try_update(cluster, name, containers, said)

        _succeeded(cluster.heron("update", name, containers, settings=BRIDGE))
        third = _deployed(cluster, name, said)
        assert defects(third, _sizes(second), fresh=False) == []
        assert len(third.container_plans) == count
        assert placement(third).keys() == placement(second).keys()
        after = cluster.await_running(name, instances(third))
        stayed = instances(second) & instances(third)
        assert {process: after[process] for process in stayed} == {
            process: during[process] for process in stayed
        }
        # It is known what the new container costs.
        assert moved(second, third) == _chosen(said).disruption.moved_instances
        assert len(instances(second) - instances(third)) == moved(second, third)
    heron_cluster.await_state(
        lambda: not cluster.processes(name), f"instances of {name} survive its end"
    )


def _try_update(cluster: Cluster, name: str, change: str, said: list[Exchange]) -> None:
    """An update as a dry run prints what the bridge decides, and changes nothing."""
    before = canonical(_stored(cluster, name))
    tried = cluster.heron("update", name, change, *DRY_RUN, settings=BRIDGE)
    _succeeded(tried)
    new, old = printed_plans(tried.stdout)
    assert canonical(new) == canonical(_decided(said)), tried.all_words[-4000:]
    assert canonical(old) == before
    assert said[-1].context.dry_run
    assert canonical(_stored(cluster, name)) == before


def test_a_dry_run_of_submit_prints_the_plan_and_leaves_nothing(
    cluster: Cluster, said: list[Exchange]
) -> None:
    tried = cluster.heron("submit", EXAMPLES, TOPOLOGY, "Try", *DRY_RUN, settings=BRIDGE)

    _succeeded(tried)
    (shown,) = printed_plans(tried.stdout)
    assert canonical(shown) == canonical(_decided(said))
    assert said[-1].context.dry_run
    assert "Try" not in cluster.topologies()


@dataclass(frozen=True)
class OwnPlans:
    """What Heron decides without the bridge."""

    submit: Plan
    update: Plan


@pytest.fixture(scope="module")
def own(cluster: Cluster) -> OwnPlans:
    off = {"mode": "off"}
    with cluster.submitted("Own", INACTIVE, settings=off):
        update = cluster.heron("update", "Own", GROWTH, *DRY_RUN, settings=off)
        _succeeded(update)
        return OwnPlans(_stored(cluster, "Own"), printed_plans(update.stdout)[0])


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
    cluster: Cluster, own: OwnPlans, bridge: str, sockets: Path, failure: str
) -> None:
    name = f"Fails{FAILURES.index(failure)}"
    settings = {
        "address": f"unix://{SOCKETS}/failing.sock",
        "timeout.ms": int(TIMEOUT_S * 1000),
    }
    with (
        _failure(failure, sockets / "failing.sock", bridge),
        cluster.submitted(name, INACTIVE, settings=settings) as submitted,
    ):
        plan = _stored(cluster, name)
        updated = cluster.heron("update", name, GROWTH, *DRY_RUN, settings=settings)

    _succeeded(updated)
    assert canonical(plan) == canonical(own.submit)
    assert canonical(printed_plans(updated.stdout)[0]) == canonical(own.update)
    waits = [*_seconds_until_fallback(submitted), *_seconds_until_fallback(updated)]
    assert len(waits) == 3
    assert max(waits) <= TIMEOUT_S + GRACE_S


def test_in_shadow_mode_heron_uses_its_own_plan_and_ours_is_logged(
    cluster: Cluster, own: OwnPlans, said: list[Exchange]
) -> None:
    heard = len(said)

    settings = {**BRIDGE, "mode": "shadow"}
    with cluster.submitted("Shadow", INACTIVE, settings=settings) as submitted:
        plan = _stored(cluster, "Shadow")

    assert canonical(plan) == canonical(own.submit)
    assert len(said) == heard + 2
    assert "(shadow)" in submitted.all_words
    assert f"planner {said[-1].answer.report.chosen}" in submitted.all_words


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
    assert finished.exit_code == 0, finished.all_words[-4000:]


def _stored(cluster: Cluster, topology: str) -> Plan:
    plan = cluster.plan(topology)
    assert plan is not None, f"{topology} has no plan"
    return plan


def _decided(said: list[Exchange]) -> Plan:
    """The plan that the bridge gave last."""
    return Plan.FromString(said[-1].answer.plan)


def _chosen(said: list[Exchange]) -> pb.Candidate:
    """What the bridge said of the plan that it gave last."""
    report = said[-1].answer.report
    return next(c for c in report.candidates if c.planner == report.chosen)


def _deployed(cluster: Cluster, topology: str, said: list[Exchange]) -> Plan:
    """The plan in the state manager, which is the one that the bridge gave last."""
    plan = _stored(cluster, topology)
    assert canonical(plan) == canonical(_decided(said))
    return plan


def _sizes(plan: Plan) -> dict[str, int]:
    names = [i.component_name for c in plan.container_plans for i in c.instance_plans]
    return {name: names.count(name) for name in names}


def _seconds_until_fallback(finished: Finished) -> list[float]:
    """How long each call took, from the lines that tell why the plan is Heron's."""
    pattern = r"\(fallback\).*?, (\d+) ms, because the bridge"
    found = re.findall(pattern, finished.all_words)
    assert found, finished.all_words[-4000:]
    return [int(milliseconds) / 1000 for milliseconds in found]


def _files(home: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in sorted(home.rglob("*"))
        if path.is_file()
    }
