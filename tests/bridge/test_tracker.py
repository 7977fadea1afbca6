"""A live topology, read from a Tracker and planned for."""

from __future__ import annotations

import json
import math
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bridge.cli import main
from bridge.errors import Unreachable
from bridge.heron_costs import shipped_costs
from bridge.tracked_topology import TrackedTopology, parse_source, tracked
from bridge.tracker import read_topology
from packing.errors import InvalidRequest
from packing.plan import Plan
from packing.profile import Source
from packing.resources import GIB, Resources
from packing.topology import Component, Grouping, Kind, Stream, Topology
from tests.bridge.tracker_server import BUCKET_S, answers, serving
from tests.packing.build import plan

TOPOLOGY = Topology(
    "words-1234",
    "words",
    (
        Component("lines", Kind.SPOUT, 2),
        Component("split", Kind.BOLT, 3),
        Component("count", Kind.BOLT, 2),
    ),
    (
        Stream("lines", "split", "default", Grouping.SHUFFLE),
        Stream("split", "count", "default", Grouping.FIELDS),
        Stream("lines", "count", "control", Grouping.GLOBAL),
    ),
)
RUNNING = plan(
    TOPOLOGY,
    {1: ["lines", "split", "count"], 2: ["lines", "split", "count"], 4: ["split"]},
    instance=Resources(1.0, GIB, GIB),
)
CONFIG = {
    "topology.stmgrs": "2",
    "topology.reliability.mode": "ATLEAST_ONCE",
    "topology.max.spout.pending": 500,
    "topology.debug": False,
    "topology.kryo.register": {"value": "[]", "raw": "aced"},
}
NOW_S = 1_800_000_000
MINUTES = 5
COUNT_SHARES = (0.75, 0.25)


def identity(of: Plan, component: str, index: int) -> str:
    for instance in of.instances():
        if (instance.component, instance.component_index) == (component, index):
            return f"container_{instance.container_id}_{component}_{instance.task_id}"
    raise AssertionError(component)


def over_time(per_s: float, newest: float = 1.0) -> dict[int, float]:
    """Counts by bucket: an empty one from before the start, full ones, one being filled."""
    first = NOW_S - (MINUTES + 1) * BUCKET_S
    full = {first + i * BUCKET_S: per_s * BUCKET_S for i in range(1, MINUTES + 1)}
    return {first: 0.0, **full, NOW_S: newest}


def metrics(held_back_ms: float = 0.0) -> dict[str, Any]:
    """2 x 1,000 lines/s, 5 words a line, three quarters of them at one `count`."""

    def each(component: str, per_s: Mapping[int, float]) -> dict[str, dict[int, float]]:
        return {identity(RUNNING, component, i): over_time(rate) for i, rate in per_s.items()}

    def steady(component: str, count: int, value: float) -> dict[str, dict[int, float]]:
        return {
            identity(RUNNING, component, i): dict.fromkeys(over_time(1.0), value)
            for i in range(count)
        }

    def timed(component: str, count: int, nanoseconds: float) -> dict[str, dict[int, float]]:
        """Means per bucket, which are none where nothing was executed."""
        found = steady(component, count, nanoseconds)
        return {instance: {**by, min(by): math.nan} for instance, by in found.items()}

    counted = {i: 10_000 * share for i, share in enumerate(COUNT_SHARES)}
    return {
        "lines": {
            "__emit-count/default": each("lines", {0: 1000.0, 1: 1000.0}),
            "__emit-count/control": each("lines", {0: 1.0, 1: 1.0}),
            "__jvm-process-cpu-load": steady("lines", 2, 0.05),
        },
        "split": {
            "__execute-count/lines/default": each("split", dict.fromkeys(range(3), 2000 / 3)),
            "__execute-latency/lines/default": timed("split", 3, 200_000.0),
            "__emit-count/default": each("split", dict.fromkeys(range(3), 10_000 / 3)),
        },
        "count": {
            "__execute-count/split/default": each("count", counted),
            "__execute-latency/split/default": timed("count", 2, 20_000.0),
            "__execute-count/lines/control": each("count", {0: 2.0}),
        },
        "__stmgr__": {
            "__server/__time_spent_back_pressure_initiated": {
                "stmgr-1": dict.fromkeys(over_time(1.0), held_back_ms)
            }
        },
    }


def told(**changes: Any) -> dict[str, Any]:
    found = answers(TOPOLOGY, RUNNING, CONFIG, metrics())
    found.update(changes)
    return found


def where(url: str, topology: str = "words") -> TrackedTopology:
    return tracked(url, "local", "default", topology)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def test_a_live_topology_is_named_by_one_text() -> None:
    found = parse_source("tracker:https://tracker.example:8888/base/prod/eu%2Fwest/word%20count")
    assert found == TrackedTopology(
        "https://tracker.example:8888/base", "prod", "eu/west", "word count"
    )
    assert parse_source(found.source) == found


@pytest.mark.parametrize(
    "text",
    ["tracker:http://h/a/b", "tracker:http://h:1/a//b", "tracker:ftp://h/a/b/c",
     "tracker:h:8888/a/b/c", "tracker:http://h:port/a/b/c", "tracker:"],
)  # fmt: skip
def test_texts_that_name_none_say_what_the_form_is(text: str) -> None:
    with pytest.raises(InvalidRequest, match="http://host:"):
        parse_source(text)


@pytest.mark.parametrize("legacy", [False, True])
def test_topology_plan_and_settings_are_those_that_run(legacy: bool) -> None:
    with serving(told(), legacy) as (url, asked):
        found = read_topology(where(url), now_s=lambda: NOW_S)
    assert found.topology == TOPOLOGY
    assert found.running == RUNNING
    assert found.running.scheduled is None
    assert found.constraints.container_count == 3
    assert found.constraints.acking
    assert found.constraints.max_spout_pending == 500
    assert all("cluster=local" in path and "environ=default" in path for path in asked)


@pytest.mark.parametrize("legacy", [False, True])
def test_rates_and_times_are_those_of_the_full_buckets(legacy: bool) -> None:
    with serving(told(), legacy) as (url, _):
        profile = read_topology(where(url), now_s=lambda: NOW_S).profile
    costs = shipped_costs().costs
    assert profile.rate_per_s == pytest.approx({"lines": 1000.0})
    assert profile.selectivity == pytest.approx(
        {
            ("lines", "split", "default"): 1.0,
            ("lines", "count", "control"): 0.001,
            ("split", "count", "default"): 5.0,
        }
    )
    emitting_s = 5 * costs.tuple_out_s
    assert profile.service_s["split"] == pytest.approx(200e-6 - emitting_s)
    # The control stream states no time of its own.
    assert profile.service_s["count"] == pytest.approx(20e-6)
    spare = 0.1 - 2 * costs.spout_idle_cores - 2002 * costs.tuple_out_s
    assert profile.service_s["lines"] == pytest.approx(spare / 2000)
    assert profile.key_shares[("split", "count", "default")] == pytest.approx(COUNT_SHARES)
    assert profile.knows_load(TOPOLOGY)
    assert profile.origin_of("rate_per_s", "lines").source is Source.MEASURED


def test_time_in_back_pressure_is_told_with_the_rates() -> None:
    held = told(**{"metrics/timeline": metrics(held_back_ms=15_000)})
    with serving(held) as (url, _):
        found = read_topology(where(url), now_s=lambda: NOW_S)
        compared = json.loads(run("compare", where(url).source, "--json").stdout)
    minutes, back = found.notes
    assert minutes == "counters of the last 5 minutes"
    assert "held back 25% of the time" in back
    assert back in [basis["detail"] for basis in compared["basis"]]


def test_without_metrics_the_load_is_not_known() -> None:
    with serving(told(**{"metrics/timeline": {}})) as (url, _):
        found = read_topology(where(url), now_s=lambda: NOW_S)
    assert not found.profile.rate_per_s
    assert not found.profile.service_s
    assert not found.profile.knows_load(TOPOLOGY)
    assert found.running == RUNNING
    assert "no metrics were told" in found.notes[0]


def test_a_topology_whose_metrics_nobody_tells_is_planned_all_the_same() -> None:
    with serving(told(**{"metrics/timeline": None})) as (url, _):
        found = read_topology(where(url), now_s=lambda: NOW_S)
    assert found.running == RUNNING
    assert not found.profile.knows_load(TOPOLOGY)
    assert "did not tell the metricstimeline of local/default/words" in found.notes[-1]


def test_granted_sizes_are_read_where_there_are_any() -> None:
    granted = {1: Resources(7.0, 9 * GIB, GIB)}
    scheduled = plan(
        TOPOLOGY,
        {1: ["lines", "split", "count"], 2: ["lines", "split", "count"], 4: ["split"]},
        scheduled=granted,
    )
    with serving(answers(TOPOLOGY, scheduled, CONFIG, {})) as (url, _):
        found = read_topology(where(url), now_s=lambda: NOW_S).running
    assert found is not None
    assert found.scheduled is not None
    assert set(found.scheduled) == {1}
    assert found.scheduled[1].cpu_cores == 7.0
    # The disk is the one required: the Tracker does not tell the one granted.
    assert found.scheduled[1].disk_bytes == scheduled.container_disk_bytes[0]


EMPTY_PLAN = {"id": "", "container_plans": []}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"logicalplan": b"<html>"}, "is not JSON"),
        ({"logicalplan": {"spouts": []}}, "in a form that is not Heron's: spouts"),
        ({"packingplan": {"id": 3}}, "in a form that is not Heron's: id"),
        ({"packingplan": EMPTY_PLAN}, "knows of no plan of local/default/words"),
        ({"physicalplan": None}, "it answered 404"),
    ],
)
def test_answers_that_help_nobody_are_one_sentence(changes: dict[str, Any], words: str) -> None:
    with serving(told(**changes)) as (url, _), pytest.raises(Unreachable) as caught:
        read_topology(where(url))
    assert words in str(caught.value)
    assert url in str(caught.value)


def test_plans_that_contradict_the_topology_are_refused() -> None:
    strange = told()
    strange["packingplan"]["container_plans"][0]["instances"][0]["component_name"] = "who"
    with serving(strange) as (url, _), pytest.raises(InvalidRequest, match="instance of 'who'"):
        read_topology(where(url))
    strange = told()
    strange["logicalplan"]["bolts"]["count"]["inputs"][0]["grouping"] = "NEAREST"
    with serving(strange) as (url, _), pytest.raises(InvalidRequest, match="'NEAREST'"):
        read_topology(where(url))


def test_a_tracker_that_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
            read_topology(where(url), timeout_s=0.2)


def test_compare_puts_the_running_plan_first_and_counts_moves() -> None:
    with serving(told()) as (url, _):
        result = run("compare", "--tracker", url, "--topology", "words", "--json")
        same = run("compare", where(url).source, "--json")
    assert result.exit_code == 0, result.output
    found, again = json.loads(result.stdout), json.loads(same.stdout)
    assert [c["planner"] for c in found["candidates"]] == [
        c["planner"] for c in again["candidates"]
    ]
    first, *others = found["candidates"]
    assert first["planner"] == "running"
    assert first["disruption"]["restarted_instances"] == 0
    assert [c["id"] for c in first["plan"]["containers"]] == [1, 2, 4]
    assert "round_robin" in [c["planner"] for c in others]
    # No fresh plan has a container 4, whose instance then moves.
    assert all(c["disruption"]["moved_instances"] >= 1 for c in others if c.get("disruption"))
    assert not any("heron has" in reason for reason in found["reasons"])
    # Nobody else restarts nothing.
    assert "running" in found["pareto"]


def test_whatif_starts_from_the_running_plan() -> None:
    with serving(told()) as (url, _):
        result = run("whatif", where(url).source, "--lose", "4", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["plan"] == "running"
    assert found["scenarios"][0]["prediction"]["containers"] == 3
    assert found["scenarios"][1]["prediction"]["containers"] == 2


def test_predict_tells_of_the_running_plan() -> None:
    with serving(told()) as (url, _):
        result = run("predict", where(url).source, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["planner"] == "running"
    assert found["prediction"]["containers"] == 3


def test_what_runs_can_be_updated() -> None:
    with serving(told()) as (url, _):
        result = run("compare", where(url).source, "--parallelism", "count=4", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert "running" not in [c["planner"] for c in found["candidates"]]
    usable = [c for c in found["candidates"] if "failure" not in c]
    assert usable
    for candidate in usable:
        counts = candidate["disruption"]
        assert (counts["survivors"], counts["started_instances"]) == (7, 2)


def test_nobody_there_is_exit_code_3() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    result = run("plan", f"tracker:http://127.0.0.1:{port}/local/default/words")
    assert result.exit_code == 3
    (line,) = result.stderr.splitlines()
    assert line.startswith("heron-bridge: the Tracker at http://127.0.0.1:")
    assert line.endswith("Connection refused; check host and port, and that it runs there")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--tracker", "http://h:1"), "add --topology NAME"),
        (("--topology", "words"), "add --tracker URL"),
        ((), "name a workload file"),
    ],
)
def test_half_named_topologies_are_exit_code_2(arguments: tuple[str, ...], words: str) -> None:
    result = run("plan", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_profile_stands_in_for_the_metrics(tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    path.write_text(
        json.dumps(
            {
                "schema": "heron-bridge-profile/1",
                "components": {
                    "lines": {"rate_per_s": 50, "service_us": 10},
                    "split": {"service_us": 10},
                    "count": {"service_us": 10},
                },
            }
        )
    )
    with serving(told()) as (url, _):
        result = run("compare", where(url).source, "--profile", path, "--json")
    found = json.loads(result.stdout)
    assert {b["source"] for b in found["basis"] if b["quantity"] == "rates"} == {"declared"}
