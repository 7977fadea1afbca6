"""The re-implementations of Heron's packers agree with Heron's own."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from bridge.comparison import request_for
from bridge.workload import Workload, load_workload
from packing.constraints import Constraints
from packing.disruption import disruption
from packing.errors import Infeasible
from packing.model import predict
from packing.plan import Plan
from packing.planners import BUILT_IN
from packing.planners.first_fit_decreasing import first_fit_decreasing
from packing.planners.resource_compliant_rr import resource_compliant_rr
from packing.planners.round_robin import round_robin
from packing.request import Request
from packing.resources import GIB, MIB, Resources
from packing.validation import violations

from .build import DATA, chain, contents, plan, roomy, topology

MEASURED: dict[str, Any] = json.loads((DATA / "heron_packers.json").read_text())["topologies"]
HERONS_OWN = ("round_robin", "resource_compliant_rr", "first_fit_decreasing")
FOUR_DECIMALS = 6e-5


@cache
def workload(name: str) -> Workload:
    return load_workload(DATA / "topologies" / f"{name}.json")


@cache
def packed(name: str, planner: str) -> Plan:
    return BUILT_IN[planner](request_for(workload(name)))


def measured(*figures: str) -> list[tuple[str, str]]:
    """Topology and packer of all for which a figure was measured."""
    found = [
        (name, planner)
        for name, row in MEASURED.items()
        for planner in HERONS_OWN
        if any(row[figure][planner] is not None for figure in figures)
    ]
    assert len(found) > 100
    return found


def test_all_topologies_are_there() -> None:
    files = {path.stem for path in (DATA / "topologies").glob("*.json")}
    assert files == set(MEASURED)
    assert len(files) == 70


@pytest.mark.parametrize(("name", "planner"), measured("containers"))
def test_containers_and_cross_traffic_of_a_pack(name: str, planner: str) -> None:
    expected = MEASURED[name]
    load, made = workload(name), packed(name, planner)
    assert load.constraints.container_count == expected["requested"]
    assert made.container_count == expected["containers"][planner]
    cross = expected["cross_fraction"][planner]
    if cross is not None:
        assert predict(load.topology, made, load.profile).cross_fraction == pytest.approx(
            cross, rel=0, abs=FOUR_DECIMALS
        )


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize(("name", "planner"), measured("moved_up", "moved_down"))
def test_moves_of_an_update(name: str, planner: str, way: str) -> None:
    expected = MEASURED[name][f"moved_{way}"][planner]
    if expected is None:
        pytest.skip("not measured")
    load, current = workload(name), packed(name, planner)
    assert load.scale is not None
    request = replace(
        request_for(load), current=current, deltas={load.scale.component: getattr(load.scale, way)}
    )
    changes = disruption(BUILT_IN[planner](request), current)
    assert changes.moved_instances == expected
    assert changes.survivors == MEASURED[name][f"survivors_{way}"]


# --- by hand -------------------------------------------------------------------------------------


def test_round_robin_shares_what_a_container_has_left() -> None:
    # 7 instances in 2 containers: 4 in the first, 3 in the second. A stated container of 5 cores
    # less 1 padding leaves 4 / 4 = 1 and 4 / 3 = 1.33 cores; one of 6 GiB less 2 GiB for Heron's
    # processes leaves 4096 / 4 = 1024 and 4096 / 3 = 1365.33 MiB, cut to whole bytes.
    made = round_robin(
        Request(
            chain(7),
            Constraints(container_count=2, container_cpu_cores=5.0, container_ram_bytes=6 * GIB),
        )
    )
    by_container = {i.container_id: i.resources for i in made.instances()}
    assert by_container[1].cpu_cores == 1.0
    assert by_container[1].ram_bytes == 1024 * MIB
    assert by_container[2].cpu_cores == pytest.approx(4 / 3)
    assert by_container[2].ram_bytes == 4096 * MIB // 3
    # The container keeps the CPU that was stated, and what its instances and 2 GiB add up to.
    assert made.container_cpu_cores.tolist() == [5.0, 5.0]
    assert made.container_ram_bytes.tolist() == [6 * GIB, 3 * (4096 * MIB // 3) + 2 * GIB]


def test_round_robin_defaults() -> None:
    # Nothing stated: the fullest container has 2 instances, 2 x 1 GiB + 2 GiB and 2 x 1 + 1 cores.
    # The other one has the same size, so its only instance gets all of it: 2 cores, 2 GiB.
    made = round_robin(Request(chain(3), roomy(2)))
    sizes = {i.task_id: (i.resources.cpu_cores, i.resources.ram_bytes) for i in made.instances()}
    assert sizes == {1: (1.0, GIB), 3: (1.0, GIB), 2: (2.0, 2 * GIB)}
    assert made.container_disk_bytes.tolist() == [2 * GIB + 12 * GIB] * 2


def test_round_robin_gives_up_padding_before_it_fails() -> None:
    # 2 x 2 GiB stated in 5 GiB: the padding of 2 GiB does not fit beside them, and is cut to 1 GiB.
    stated = Constraints(container_ram_bytes=5 * GIB, component_ram_bytes={"spout": 2 * GIB})
    made = round_robin(Request(chain(2), replace(stated, container_count=1)))
    assert made.container_ram_bytes.tolist() == [5 * GIB]
    with pytest.raises(Infeasible, match="6144 MiB RAM, more than the container's 5120 MiB"):
        round_robin(Request(chain(3), replace(stated, container_count=1)))


def test_round_robin_deals_the_component_with_most_ram_first() -> None:
    made = round_robin(
        Request(
            chain(2, 3),
            Constraints(container_count=2, component_ram_bytes={"b1": 2 * GIB, "spout": GIB}),
        )
    )
    # b1 b1 b1 spout spout dealt to 1 2 1 2 1, though the hash map has spout first.
    assert contents(made) == {1: ["b1", "b1", "spout"], 2: ["b1", "spout"]}


# 40 instances as 20/10/10 in 3 containers. In the order of a HashMap b2, spout, b1 of these names.
FORTY = topology({"spout": 20, "b1": 10, "b2": 10}, [("spout", "b1"), ("b1", "b2")])


@pytest.mark.parametrize(("component", "delta"), [("b1", 2), ("b2", 2), ("b1", -1), ("spout", 3)])
def test_round_robin_deals_anew_at_an_update(component: str, delta: int) -> None:
    request = Request(FORTY, roomy(3))
    current = round_robin(request)
    after = round_robin(replace(request, current=current, deltas={component: delta}))

    def dealt(parallelism: dict[str, int], containers: int) -> dict[tuple[str, int], int]:
        order = [n for n in ("b2", "spout", "b1") for _ in range(parallelism[n])]
        return {(name, i + 1): i % containers + 1 for i, name in enumerate(order)}

    parallelism = {"spout": 20, "b1": 10, "b2": 10}
    before_cards = dealt(parallelism, 3)
    # 40 / 3 instances a container, as submitted: 42 and 43 need 4 containers, 39 need 3.
    containers = 4 if delta > 0 else 3
    after_cards = dealt({**parallelism, component: parallelism[component] + delta}, containers)
    mine = {(i.component, i.task_id): i.container_id for i in after.instances()}
    assert {(i.component, i.task_id): i.container_id for i in current.instances()} == before_cards
    assert mine == after_cards


def test_round_robin_changes_28_of_40_bindings_and_the_others_none() -> None:
    # Measured on Heron: +2 of one component touches 28 of 40 bindings; the packers that keep
    # placements touch none, and one when one instance goes.
    def changed(planner: str, component: str, delta: int) -> int:
        request = Request(FORTY, roomy(3, max_instances=20))
        current = BUILT_IN[planner](request)
        after = BUILT_IN[planner](replace(request, current=current, deltas={component: delta}))
        bindings = {(i.component, i.task_id, i.container_id) for i in current.instances()}
        return len(bindings - {(i.component, i.task_id, i.container_id) for i in after.instances()})

    assert changed("round_robin", "b1", 2) == 28
    for planner in ("resource_compliant_rr", "first_fit_decreasing"):
        assert changed(planner, "b1", 2) == 0
        assert changed(planner, "b1", -1) == 1


def test_round_robin_keeps_the_density_of_the_submit() -> None:
    # 10 instances in 2 containers are 5 each: 13 need ceil(13 / 5) = 3, 5 need 1.
    request = Request(chain(5, 5), roomy(2))
    current = round_robin(request)
    grown = round_robin(replace(request, current=current, deltas={"b1": 3}))
    assert grown.container_count == 3
    shrunk = round_robin(replace(request, current=current, deltas={"b1": -4, "spout": -1}))
    assert shrunk.container_count == 1


def test_first_fit_counts_padding_inside_the_default_container() -> None:
    # A container for 4 instances has 4 cores and 4 GiB; 1 core and 1 GiB of it are padding.
    made = first_fit_decreasing(Request(chain(7), roomy(1, max_instances=4)))
    assert [len(names) for names in contents(made).values()] == [3, 3, 1]


def test_max_instances_4_turns_3_containers_into_14() -> None:
    # 40 instances at 3 a container; measured on Heron for both packers.
    request = Request(FORTY, roomy(3, max_instances=4))
    assert first_fit_decreasing(request).container_count == 14
    assert resource_compliant_rr(request).container_count == 14


def test_first_fit_takes_the_largest_first() -> None:
    # 10 GiB containers, 1 GiB padding: 9 GiB. Sorted 5 5 4 4 2: [5 4] [5 4] [2] -> 5+4=9, so 2 is
    # left for a third container.
    stated = Constraints(
        container_ram_bytes=10 * GIB,
        component_ram_bytes={"spout": 4 * GIB, "b1": 5 * GIB, "b2": 2 * GIB},
    )
    made = first_fit_decreasing(Request(chain(2, 2, 1), stated))
    assert contents(made) == {1: ["b1", "spout"], 2: ["b1", "spout"], 3: ["b2"]}


def test_first_fit_can_sort_by_cpu() -> None:
    stated = Constraints(
        container_cpu_cores=4.0,
        component_ram_bytes={"spout": 2 * GIB},
        component_cpu_cores={"b1": 2.0},
    )
    request = Request(chain(1, 1), stated)
    assert contents(first_fit_decreasing(request)) == {1: ["spout", "b1"]}
    by_cpu = replace(request, constraints=replace(stated, sort_by_cpu=True))
    assert contents(first_fit_decreasing(by_cpu)) == {1: ["b1", "spout"]}


def test_resource_compliant_adds_containers_until_it_fits() -> None:
    # 8 GiB less 1 GiB padding: 3 instances of 2 GiB. 7 of them need 3 containers, 2 were asked.
    stated = Constraints(
        container_count=2, container_ram_bytes=8 * GIB, component_ram_bytes={"spout": 2 * GIB}
    )
    made = resource_compliant_rr(Request(chain(7), stated))
    assert [len(names) for names in contents(made).values()] == [3, 2, 2]


def test_resource_compliant_deals_strictly_in_turn() -> None:
    # 1 GiB and 3 GiB instances in containers of 4 GiB for instances: 4 x 1 + 2 x 3 = 10 GiB would
    # fit into 3 containers, but dealt in turn over 3 (b1 first: b1 b1 s | s s s) none overflows;
    # over 2 (b1 s s | b1 s s) 5 GiB would have to fit into 4.
    stated = Constraints(
        container_count=2, container_ram_bytes=5 * GIB, component_ram_bytes={"b1": 3 * GIB}
    )
    made = resource_compliant_rr(Request(chain(4, 2), stated))
    assert made.container_count == 3
    assert not [v for v in violations(made, Request(chain(4, 2), stated)) if v.fatal]


def test_heron_rounds_containers_to_whole_cores() -> None:
    # 3 x 0.5 + 1 padding = 2.5, which Math.round makes 3; 2 x 0.7 + 1 = 2.4 becomes 2.
    stated = Constraints(component_cpu_cores={"spout": 0.5})
    assert resource_compliant_rr(Request(chain(3), stated)).container_cpu_cores.tolist() == [3.0]
    stated = Constraints(component_cpu_cores={"spout": 0.7})
    assert resource_compliant_rr(Request(chain(2), stated)).container_cpu_cores.tolist() == [2.0]


def test_whole_cores_never_fall_below_what_instances_ask() -> None:
    # Without padding 2 x 0.7 = 1.4 would round to 1.
    stated = Constraints(
        component_cpu_cores={"spout": 0.7}, cpu_padding_cores=0.0, padding_percentage=0
    )
    made = resource_compliant_rr(Request(chain(2), stated))
    assert made.container_cpu_cores.tolist() == [1.4]


# Which containers lose an instance: those with nothing else, then those with fewest instances,
# then the most homogeneous, then the highest id.
@pytest.mark.parametrize(
    ("running", "after"),
    [
        ({1: ["spout", "b1"], 2: ["b1", "b1", "b1"], 3: ["spout", "b1"]}, {2: ["b1", "b1"]}),
        ({1: ["spout", "b1"], 2: ["spout", "spout", "b1"]}, {1: ["spout"]}),
        (
            {1: ["spout", "b1", "b1"], 2: ["spout", "spout", "b1"]},
            {1: ["spout", "b1"]},
        ),
        ({1: ["spout", "b1"], 2: ["spout", "b1"]}, {2: ["spout"]}),
        ({1: ["spout"], 2: ["b1"], 3: ["b1"]}, {3: None}),
    ],
)
@pytest.mark.parametrize("planner", [resource_compliant_rr, first_fit_decreasing])
def test_victims(
    planner: Any, running: dict[int, list[str]], after: dict[int, list[str] | None]
) -> None:
    names = [name for inside in running.values() for name in inside]
    of = topology({"spout": names.count("spout"), "b1": names.count("b1")}, [("spout", "b1")])
    current = plan(of, running)
    made = planner(Request(of, roomy(len(running)), current=current, deltas={"b1": -1}))
    expected = {**running, **after}
    assert contents(made) == {this: inside for this, inside in expected.items() if inside}


def test_new_instances_continue_task_ids_and_indexes() -> None:
    of = chain(1, 3)
    current = plan(of, {1: ["spout", "b1"], 4: ["b1", "b1"]})
    for planner in (resource_compliant_rr, first_fit_decreasing):
        made = planner(Request(of, roomy(2), current=current, deltas={"b1": 2}))
        new = [i for i in made.instances() if i.task_id > 4]
        assert [(i.component, i.task_id, i.component_index) for i in new] == [
            ("b1", 5, 3),
            ("b1", 6, 4),
        ]


def test_added_containers_follow_the_highest_id() -> None:
    of = chain(1, 3)
    current = plan(of, {1: ["spout", "b1"], 4: ["b1", "b1"]})
    full = roomy(2, container_ram_bytes=3 * GIB)
    for planner in (resource_compliant_rr, first_fit_decreasing):
        made = planner(Request(of, full, current=current, deltas={"b1": 3}))
        assert made.container_ids.tolist() == [1, 4, 5, 6]


def test_components_disk_is_honoured_by_all() -> None:
    stated = Constraints(component_disk_bytes={"spout": 5 * GIB})
    for name in HERONS_OWN:
        made = BUILT_IN[name](Request(chain(2, 1), stated))
        assert {i.resources.disk_bytes for i in made.instances() if i.component == "spout"} == {
            5 * GIB
        }


def test_sizes_of_containers_hold_their_instances_and_padding() -> None:
    stated = Constraints(container_count=2, container_ram_bytes=20 * GIB, padding_percentage=20)
    for planner in (resource_compliant_rr, first_fit_decreasing):
        made = planner(Request(chain(3, 3), stated))
        # 20 % of 20 GiB of RAM, of 10 cores and of 10 GiB of disk.
        assert stated.padding == Resources(2.0, 4 * GIB, 2 * GIB)
        assert (made.container_ram_bytes - made.used[1]).tolist() == [
            4 * GIB
        ] * made.container_count
        assert (made.container_disk_bytes - made.used[2]).tolist() == [
            2 * GIB
        ] * made.container_count
