from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from bridge.conversion import topology_from_bytes
from bridge.workload import WorkloadFile, heron_config, load_workload, workload_paths
from packing.errors import InvalidRequest
from packing.profile import Profile
from packing.resources import GIB, MIB, Resources
from packing.topology import Grouping, Kind
from tests.bridge.messages import topology_message
from tests.packing.build import DATA

WORDS: dict[str, Any] = {
    "schema": "bench-topology/1",
    "name": "words",
    "components": [
        {
            "name": "words",
            "kind": "spout",
            "parallelism": 2,
            "cpu": 0.5,
            "ram_mb": 512,
            "disk_mb": 100,
            "service_ms": 2.0,
            "rate": 100.0,
        },
        {"name": "count", "kind": "bolt", "parallelism": 3},
    ],
    "streams": [
        {"from": "words", "to": "count", "stream": "w", "grouping": "fields", "selectivity": 5.0}
    ],
    "containers": {
        "count": 2,
        "max_instances": 4,
        "cpu": 4.5,
        "ram_mb": 6144,
        "disk_mb": 9000,
        "padding_percent": 15,
    },
    "scale": {"component": "count", "up": 2, "down": -1},
}


def write(path: Path, content: object) -> Path:
    if path.suffix == ".json":
        path.write_text(json.dumps(content))
    else:
        with path.open("w") as file:
            YAML().dump(content, file)
    return path


def changed(**changes: Any) -> dict[str, Any]:
    return {**WORDS, **changes}


def component(**changes: Any) -> dict[str, Any]:
    return changed(components=[{**WORDS["components"][0], **changes}, WORDS["components"][1]])


def test_everything_in_its_units(tmp_path: Path) -> None:
    loaded = load_workload(write(tmp_path / "words.json", WORDS))
    assert loaded.name == loaded.topology.name == loaded.topology.topology_id == "words"
    words, count = loaded.topology.components
    assert (words.kind, words.parallelism, count.kind) == (Kind.SPOUT, 2, Kind.BOLT)
    (stream,) = loaded.topology.streams
    assert (str(stream), stream.grouping) == ("words -w-> count", Grouping.FIELDS)
    constraints = loaded.constraints
    assert constraints.container_count == 2
    assert constraints.capacity == Resources(4.5, 6 * GIB, 9000 * MIB)
    assert (constraints.max_instances, constraints.padding_percentage) == (4, 15)
    assert constraints.instance("words") == Resources(0.5, 512 * MIB, 100 * MIB)
    assert constraints.instance("count") == Resources(1.0, GIB, GIB)
    assert loaded.profile.rate_per_s == {"words": 100.0}
    assert loaded.profile.service_s == {"words": 0.002}
    assert loaded.profile.selectivity == {("words", "count", "w"): 5.0}
    assert not loaded.profile.knows_load(loaded.topology)
    assert loaded.scale is not None
    assert (loaded.scale.component, loaded.scale.up, loaded.scale.down) == ("count", 2, -1)


@pytest.mark.parametrize("suffix", [".yaml", ".yml"])
def test_yaml_says_the_same_as_json(tmp_path: Path, suffix: str) -> None:
    one = load_workload(write(tmp_path / "words.json", WORDS))
    other = load_workload(write(tmp_path / f"words{suffix}", WORDS))
    assert one == other


def test_a_defn_is_a_workload(tmp_path: Path) -> None:
    path = tmp_path / "words.defn"
    path.write_bytes(topology_message().SerializeToString())
    loaded = load_workload(path)
    assert loaded.topology == topology_from_bytes(path.read_bytes()).topology
    assert loaded.constraints.container_count == 2
    assert loaded.profile == Profile()


def test_the_load_may_come_from_another_file(tmp_path: Path) -> None:
    defn = tmp_path / "words.defn"
    defn.write_bytes(
        topology_message({"words": 2}, {"count": 3}, [("words", "count")]).SerializeToString()
    )
    loaded = load_workload(defn, write(tmp_path / "load.json", WORDS))
    assert loaded.profile.rate_per_s == {"words": 100.0}
    stranger = component(name="nobody")
    stranger["streams"] = []
    with pytest.raises(
        InvalidRequest, match="speaks of component 'nobody', which topology 'words'"
    ):
        load_workload(defn, write(tmp_path / "load.json", stranger))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a field that does not exist": (
        changed(colour="red"),
        "colour: there is no such field. Known are schema, name, shape",
    ),
    "a field of a component": (
        component(ram_gb=1),
        "components.0 (words).ram_gb: there is no such field; did you mean ram_mb?",
    ),
    "no name": ({k: v for k, v in WORDS.items() if k != "name"}, "name: it is missing"),
    "a name that is mistyped": (
        {"nme" if k == "name" else k: v for k, v in WORDS.items()},
        "name: it is missing; did you mean it by nme?",
    ),
    "an empty name": (changed(name=""), "name: it must have at least 1 character"),
    "a name that Heron's configuration cannot hold": (
        changed(
            components=[{"name": "words:1", "kind": "spout", "parallelism": 1}],
            streams=[],
            scale=None,
        ),
        "component 'words:1' has a comma or a colon in its name",
    ),
    "no components": ({"name": "x"}, "components: it is missing"),
    "an empty list": (changed(components=[], streams=[], scale=None), "has no components"),
    "a kind": (
        component(kind="sink"),
        "components.0 (words).kind: it must be 'spout' or 'bolt' (is 's",
    ),
    "parallelism as text": (
        component(parallelism="two"),
        "components.0 (words).parallelism: it must be",
    ),
    "half an instance": (
        component(parallelism=1.5),
        "components.0 (words).parallelism: it must be",
    ),
    "no instance": (component(parallelism=0), "component 'words' has parallelism 0"),
    "too many instances": (component(parallelism=2_000_000_000), "2000000003 instances were asked"),
    "beyond all integers": (
        component(parallelism=10**30),
        "components.0 (words).parallelism: it must be",
    ),
    "negative CPU": (
        component(cpu=-1),
        "components.0 (words).cpu: it must be greater than or equal",
    ),
    "a rate that is no number": (
        component(rate=float("nan")),
        "components.0 (words).rate: it must be",
    ),
    "RAM without end": (
        component(ram_mb=1e300),
        "components.0 (words).ram_mb: it must be less than",
    ),
    "more RAM than there is": (
        component(ram_mb=1e12),
        "ram_mb (topology.component.rammap) of component 'words' is 1048576000000000000",
    ),
    "less RAM than a JVM needs": (
        component(ram_mb=100),
        "ram_mb (topology.component.rammap) gives component 'words' 104857600",
    ),
    "another schema": (
        changed(schema="bench-topology/2"),
        "schema: it must be 'bench-topology/1'",
    ),
    "a grouping": (
        changed(streams=[{"from": "words", "to": "count", "grouping": "random"}]),
        "streams.0.grouping: it must be 'shuffle', 'fields'",
    ),
    "a stream from nowhere": (
        changed(streams=[{"from": "nobody", "to": "count", "grouping": "all"}]),
        "stream nobody -default-> count names component 'nobody'",
    ),
    "a stream twice": (
        changed(
            streams=[
                {"from": "words", "to": "count", "grouping": "all"},
                {"from": "words", "to": "count", "grouping": "shuffle", "selectivity": 2},
            ]
        ),
        "stream words -default-> count is listed twice",
    ),
    "no containers": (
        changed(containers={"count": 0}),
        "containers.count (topology.stmgrs) is 0; it must be at least",
    ),
    "a scale of nobody": (
        changed(scale={"component": "nobody", "up": 1}),
        "scale.component is 'nobody', which the topology does not have; it has words, count",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be(tmp_path: Path, name: str) -> None:
    content, complaint = REFUSED[name]
    path = write(tmp_path / "words.json", content)
    with pytest.raises(InvalidRequest) as refused:
        load_workload(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("words.json", b"{", "is not JSON: Expecting property name"),
        ("words.json", b" \n", "is not JSON: it is empty"),
        ("words.txt", b"name: words", "; YAML is read from files named .yaml or .yml"),
        ("words.json", b"\xff\xfe\x00", "is not JSON"),
        ("words.json", b"[" * 200_000, "is not JSON: maximum recursion depth exceeded"),
        ("words.json", b'{"instances": ' + b"9" * 5000 + b"}", "is not JSON: Exceeds the limit"),
        (
            "words.json",
            b"[1]",
            "the file holds a list; it must be a mapping with name and components",
        ),
        ("words.yaml", b"a: [", "is not YAML, line 1 column 5: expected"),
        ("words.yaml", b"a: 1\na: 2\n", "is not YAML"),
        ("words.yaml", b"\xff\xfe\xfd", "is not YAML"),
        ("words.yaml", b"[" * 2_000, "is not YAML"),
        ("words.yaml", b"", "the file is empty; it must be a mapping"),
        ("words.defn", b"\xff\xff", "the topology cannot be parsed"),
        ("words.defn", b"", "the request has no topology"),
    ],
)
def test_a_file_that_cannot_be_read(
    tmp_path: Path, name: str, content: bytes, complaint: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidRequest) as refused:
        load_workload(path)
    assert str(refused.value).startswith(str(path))
    assert complaint in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read: No such file"):
        load_workload(tmp_path / "words.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(InvalidRequest, match="cannot be read: Is a directory"):
        load_workload(tmp_path / "folder.json")


def test_folders_stand_for_their_workload_files(tmp_path: Path) -> None:
    for name in ("b.json", "a.yaml", "c.defn", "README.md", "d.txt"):
        (tmp_path / name).write_text("")
    single = tmp_path / "d.txt"
    found = workload_paths([tmp_path, single])
    assert [path.name for path in found] == ["a.yaml", "b.json", "c.defn", "d.txt"]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InvalidRequest, match=r"holds no workload file; looked for \.json, \.yaml"):
        workload_paths([empty])


def test_all_topologies_load() -> None:
    for path in (DATA / "topologies").glob("*.json"):
        stated = json.loads(path.read_text())
        loaded = load_workload(path)
        assert loaded.topology.instance_count == stated["instances"]
        usable = loaded.constraints.capacity - loaded.constraints.padding
        assert usable.ram_bytes == pytest.approx(
            stated["containers"]["usable_ram_mb"] * MIB, rel=1e-3
        )
        assert usable.cpu_cores == pytest.approx(stated["containers"]["usable_cpu"], rel=1e-3)
        assert loaded.profile.knows_load(loaded.topology)


@given(st.integers(1, 2**31 - 1), st.floats(0.001, 1e5))
def test_amounts_reach_heron_as_written(whole: int, cores: float) -> None:
    entry = WorkloadFile.model_validate(
        changed(containers={"count": whole, "max_instances": whole, "cpu": cores})
    )
    config = heron_config(entry)
    assert config["topology.stmgrs"] == config["topology.container.max.instances"] == str(whole)
    assert float(config["topology.container.cpu"]) == pytest.approx(cores, rel=1e-11)
