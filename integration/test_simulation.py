"""Heron's in-process runtime runs topologies, and what is counted obeys the laws of flow."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import docker
import pytest

from bridge.wire import heron_pb2
from integration.simulation import Instance, run_file, simulate

WORDS_PER_LINE = 4
# Lines per second of each spout instance, as the topologies state them.
OFFERED = {"WordCount": {"line": 500.0}, "Diamond": {"source": 400.0}}


@pytest.fixture(scope="module", params=sorted(OFFERED))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def instances(client: docker.DockerClient, heron_image: str, name: str) -> tuple[Instance, ...]:
    return simulate(client, heron_image, name)


@pytest.fixture(scope="module")
def topology(definitions: Mapping[str, bytes], name: str) -> heron_pb2.Topology:
    return heron_pb2.Topology.FromString(definitions[name])


def _total(instances: tuple[Instance, ...], component: str, quantity: str) -> int:
    return sum(getattr(i.total, quantity) for i in instances if i.component == component)


def test_nothing_is_lost_and_nothing_is_made_up(
    instances: tuple[Instance, ...], topology: heron_pb2.Topology
) -> None:
    for bolt in topology.bolts:
        sources = {source.stream.component_name for source in bolt.inputs}
        arrived = _total(instances, bolt.comp.name, "executed")
        assert arrived == sum(_total(instances, source, "emitted") for source in sources)
        assert arrived > 0


def test_selectivities_are_those_of_the_code(instances: tuple[Instance, ...], name: str) -> None:
    splitter = {"WordCount": "split", "Diamond": "left"}[name]
    lines = _total(instances, splitter, "executed")
    assert _total(instances, splitter, "emitted") == WORDS_PER_LINE * lines


def test_shuffle_splits_evenly(
    instances: tuple[Instance, ...], topology: heron_pb2.Topology
) -> None:
    shuffled = [
        bolt.comp.name
        for bolt in topology.bolts
        if all(source.gtype == heron_pb2.Grouping.SHUFFLE for source in bolt.inputs)
    ]
    assert shuffled
    for component in shuffled:
        counts = [i.total.executed for i in instances if i.component == component]
        # Each sender goes round by itself, so each may be one tuple ahead.
        assert max(counts) - min(counts) <= len(instances)


def test_fields_sends_a_key_to_one_instance(
    instances: tuple[Instance, ...], topology: heron_pb2.Topology
) -> None:
    (sink,) = (bolt.comp.name for bolt in topology.bolts if not bolt.outputs)
    homes = defaultdict(set)
    for instance in instances:
        if instance.component == sink:
            assert sum(instance.keys.values()) == instance.total.executed
            for key in instance.keys:
                homes[key].add(instance.task)
    assert {len(tasks) for tasks in homes.values()} == {1}
    assert len({task for tasks in homes.values() for task in tasks}) > 1


def test_the_counts_make_a_run_file(
    instances: tuple[Instance, ...],
    topology: heron_pb2.Topology,
    name: str,
    tmp_path: Path,
) -> None:
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(run_file(name, topology, instances, OFFERED[name])))
    run = json.loads(path.read_text())

    # From here on as a reader that knows nothing but the file: rates follow from the offered
    # load, the selectivities and the streams.
    components = run["topology"]["components"]
    expected = {
        component: spec["parallelism"] * spec["offered_rate_per_instance"]
        for component, spec in components.items()
        if spec["kind"] == "spout"
    }
    streams = run["topology"]["streams"]
    while len(expected) < len(components):
        for component in components.keys() - expected.keys():
            sources = [s["from"] for s in streams if s["to"] == component]
            if all(source in expected for source in sources):
                expected[component] = sum(
                    expected[source] * components[source].get("selectivity", 1.0)
                    for source in sources
                )
    for component, spec in components.items():
        kind = "emit_per_s" if spec["kind"] == "spout" else "execute_per_s"
        rates = [i[kind] for i in run["measured"]["instances"] if i["component"] == component]
        assert sum(rates) == pytest.approx(expected[component], rel=0.1)
    assert run["measured"]["throughput_per_s"] > 0
