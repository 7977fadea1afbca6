"""Each rule both ways: a good plan passes, and a plan broken in one place breaks that rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packing.constraints import Constraints
from packing.plan import Plan
from packing.request import Request
from packing.resources import GIB, MIB, Resources
from packing.scheduler import rules_for
from packing.validation import PREFERENCES, Rule, violations

from .build import chain, plan
from .strategies import plans, topologies

TOPOLOGY = chain(2, 4)
"""spout x2, b1 x4."""
CONTENTS = {1: ["spout", "b1", "b1"], 2: ["spout", "b1", "b1"]}
CONSTRAINTS = Constraints(
    container_count=2,
    container_cpu_cores=5.0,
    container_ram_bytes=6 * GIB,
    container_disk_bytes=7 * GIB,
    max_instances=3,
)
SIZE = Resources(5.0, 6 * GIB, 7 * GIB)
GOOD = plan(TOPOLOGY, CONTENTS, container=SIZE)
PACK = Request(TOPOLOGY, CONSTRAINTS)

# An update to the same parallelism, of a plan whose last b1 ran elsewhere, so that containers are
# judged: what an update leaves untouched is not.
BEFORE = plan(TOPOLOGY, {1: ["spout", "b1", "b1"], 2: ["spout", "b1"], 3: ["b1"]}, container=SIZE)
UPDATE = Request(TOPOLOGY, CONSTRAINTS, current=BEFORE, container_count=2)


def set_at(column: str, at: int, value: float) -> Callable[[Plan], Plan]:
    def change(plan: Plan) -> Plan:
        values = getattr(plan, column).copy()
        values[at] = value
        return replace(plan, **{column: values})

    return change


@dataclass(frozen=True)
class Break:
    """How to break one rule."""

    rule: Rule
    spoil: Callable[[Plan], Plan]
    says: str
    request: Request = PACK
    good: Plan = GOOD


def on(scheduler: str, request: Request = UPDATE) -> Request:
    return replace(request, scheduler=rules_for(scheduler))


def renamed(names: tuple[str, ...]) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, components=names)


def drop(at: int) -> Callable[[Plan], Plan]:
    columns = ("component", "task_id", "index", "container", "cpu_cores", "ram_bytes", "disk_bytes")
    return lambda plan: replace(plan, **{c: np.delete(getattr(plan, c), at) for c in columns})


def with_empty_container(good: Plan) -> Plan:
    sizes = {
        f"container_{what}": np.append(getattr(good, f"container_{what}"), getattr(SIZE, what))
        for what in ("cpu_cores", "ram_bytes", "disk_bytes")
    }
    return replace(good, container_ids=np.append(good.container_ids, 3), **sizes)


def moved(at: int, to: int) -> Callable[[Plan], Plan]:
    return set_at("container", at, to)


ROOMY = Request(TOPOLOGY, Constraints(container_count=2, max_instances=3))
FULL_TO_THE_PADDING = Constraints(
    container_count=2, container_ram_bytes=4 * GIB, container_disk_bytes=7 * GIB
)
FREE = replace(PACK, constraints=Constraints(container_count=2))

BREAKS = {
    "another topology": Break(
        Rule.TOPOLOGY,
        lambda p: replace(p, topology_id="someone-elses"),
        "the plan is of topology 'someone-elses', not 'topology-id'",
    ),
    "a strange component": Break(
        Rule.TOPOLOGY, renamed(("spout", "b1", "b9")), "component 'b9' is not in the topology"
    ),
    "one instance too few": Break(
        # Not the last: its task id would be missing as well.
        Rule.PARALLELISM,
        lambda p: replace(drop(5)(p), task_id=np.arange(1, 6)),
        "component 'b1' has 3 instances, 4 were asked for",
    ),
    "a task id twice": Break(Rule.TASK_IDS, set_at("task_id", 0, 4), "task id 4 appears twice"),
    "a task id of 0": Break(Rule.TASK_IDS, set_at("task_id", 0, 0), "task id 0 is not allowed"),
    "a gap in fresh task ids": Break(
        Rule.TASK_IDS,
        set_at("task_id", 5, 9),
        "a fresh plan numbers its tasks 1 to 6; this one goes up to 9",
    ),
    "a task id beyond Java's int": Break(
        Rule.TASK_IDS, set_at("task_id", 5, 2**31), "task id 2147483648 is not allowed", UPDATE
    ),
    "an index twice": Break(
        Rule.COMPONENT_INDEXES, set_at("index", 1, 1), "component 'b1' has index 1 twice"
    ),
    "an index below 0": Break(
        Rule.COMPONENT_INDEXES, set_at("index", 1, -1), "component index -1 is not allowed"
    ),
    "a container 0": Break(
        Rule.CONTAINER_IDS, set_at("container_ids", 0, 0), "container id 0 is not allowed"
    ),
    "a container below 0": Break(
        Rule.CONTAINER_IDS, set_at("container_ids", 0, -3), "container id -3 is not allowed"
    ),
    "a container beyond Java's int": Break(
        Rule.CONTAINER_IDS, set_at("container_ids", 1, 2**31), "container id 2147483648 is not"
    ),
    "an empty container": Break(
        Rule.EMPTY_CONTAINER, with_empty_container, "container 3 has no instances"
    ),
    "CPU that is no number": Break(
        Rule.NOT_A_SIZE, set_at("cpu_cores", 2, np.nan), "an instance of 'b1' has nan cores"
    ),
    "CPU without end": Break(
        Rule.NOT_A_SIZE, set_at("container_cpu_cores", 1, np.inf), "container 2 has inf cores"
    ),
    "RAM below 0": Break(
        Rule.NOT_A_SIZE, set_at("ram_bytes", 0, -5), "an instance of 'spout' has -5 bytes of RAM"
    ),
    "disk beyond all machines": Break(
        Rule.NOT_A_SIZE,
        set_at("disk_bytes", 0, 2**62),
        "an instance of 'spout' has 4611686018427387904 bytes of disk",
    ),
    "RAM that no JVM starts with": Break(
        Rule.INSTANCE_RAM,
        set_at("ram_bytes", 0, 192 * MIB),
        "an instance of 'spout' has 192 MiB RAM",
    ),
    "a container with less CPU than its instances": Break(
        Rule.CONTAINER_HOLDS_INSTANCES,
        set_at("container_cpu_cores", 1, 2.9),
        "container 2 has 2.9 cores for instances that ask for 3",
    ),
    "a container with less RAM than its instances": Break(
        Rule.CONTAINER_HOLDS_INSTANCES,
        set_at("container_ram_bytes", 1, 3 * GIB - 1),
        f"container 2 has {3 * GIB - 1} bytes of RAM for instances that ask for {3 * GIB}",
    ),
    "a container with less disk than its instances": Break(
        Rule.CONTAINER_HOLDS_INSTANCES,
        set_at("container_disk_bytes", 0, 0),
        f"container 1 has 0 bytes of disk for instances that ask for {3 * GIB}",
    ),
    "more RAM than stated": Break(
        Rule.CAPACITY,
        # The container grows with it, so that only the stated size is exceeded; padding goes too.
        lambda p: set_at("container_ram_bytes", 0, 9 * GIB)(set_at("ram_bytes", 0, 5 * GIB)(p)),
        f"instances of container 1 ask for {7 * GIB} bytes of RAM, topology.container.ram is "
        f"{6 * GIB} bytes of RAM",
    ),
    "more CPU than stated": Break(
        Rule.CAPACITY,
        lambda p: set_at("container_cpu_cores", 1, 9.0)(set_at("cpu_cores", 5, 4.5)(p)),
        "instances of container 2 ask for 6.5 cores, topology.container.cpu is 5 cores",
    ),
    "padding eaten": Break(
        Rule.PADDING,
        set_at("ram_bytes", 0, 3 * GIB + 1),
        f"instances of container 1 ask for {5 * GIB + 1} bytes of RAM and leave less than the "
        f"padding of {GIB} bytes of RAM within topology.container.ram of {6 * GIB}",
    ),
    "too many in a container": Break(
        Rule.MAX_INSTANCES,
        moved(5, 0),
        "container 1 holds 4 instances, topology.container.max.instances is 3",
        ROOMY,
    ),
    "too many containers": Break(
        Rule.CONTAINER_COUNT,
        lambda p: moved(5, 2)(with_empty_container(p)),
        "the plan has 3 containers, 2 were asked for",
    ),
    "a gap that kubernetes does not start": Break(
        Rule.SCHEDULER,
        set_at("container_ids", 1, 4),
        "the kubernetes scheduler starts containers 1 to 2; the plan has no container 2 but one "
        "with id 4",
        on("kubernetes", PACK),
    ),
    "a middle container that kubernetes cannot remove": Break(
        Rule.SCHEDULER,
        set_at("container_ids", 1, 3),
        "the kubernetes scheduler starts containers 1 to 2; the plan has no container 2 but one",
        on("kubernetes"),
    ),
    "a container that nomad cannot remove": Break(
        Rule.SCHEDULER,
        lambda _: GOOD,
        "the nomad scheduler cannot add or remove containers in an update; the plan changes "
        "container 3",
        replace(on("nomad"), container_count=None),
        good=BEFORE,
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_plan_broken_in_one_place_breaks_one_rule(name: str) -> None:
    case = BREAKS[name]
    spoiled = case.spoil(case.good)
    assert spoiled != case.good
    broken = violations(spoiled, case.request)
    rules = {violation.rule for violation in broken}
    # A container over its stated size has eaten its padding as well.
    assert rules - ({Rule.PADDING} if case.rule is Rule.CAPACITY else set()) == {case.rule}
    assert broken[0].message.startswith(case.says)
    assert broken[0].fatal == (case.rule not in PREFERENCES)


@pytest.mark.parametrize("name", BREAKS)
def test_the_good_plan_passes(name: str) -> None:
    assert violations(BREAKS[name].good, BREAKS[name].request) == []


def test_every_rule_is_covered() -> None:
    # These two have tests of their own below.
    others = {Rule.RESIZED, Rule.FAULT_SPREAD}
    assert {case.rule for case in BREAKS.values()} | others == set(Rule)


def test_components_in_another_order_are_told() -> None:
    swapped = replace(GOOD, components=("b1", "spout"))
    broken = violations(swapped, PACK)
    assert Rule.TOPOLOGY in {v.rule for v in broken}
    assert "lists components as b1, spout; it must list them as the topology does, spout, b1" in (
        broken[0].message
    )


@pytest.mark.parametrize("scheduler", ["aurora", "nomad", "marathon", "mesos", "slurm"])
def test_schedulers_that_start_1_to_n(scheduler: str) -> None:
    gap = set_at("container_ids", 1, 4)(GOOD)
    assert [v.rule for v in violations(gap, on(scheduler, PACK))] == [Rule.SCHEDULER]


@pytest.mark.parametrize("scheduler", ["yarn", "local", ""])
def test_schedulers_that_take_any_ids(scheduler: str) -> None:
    gap = set_at("container_ids", 1, 4)(GOOD)
    assert violations(gap, on(scheduler, PACK)) == []


def test_aurora_renames_containers_at_an_update() -> None:
    assert violations(set_at("container_ids", 1, 3)(GOOD), on("aurora")) == []


# Containers run with 3.5 cores, 4 GiB; one more instance needs 4 cores.
GRANTED = Resources(3.5, 4 * GIB, 7 * GIB)
RUNNING = plan(chain(2, 3), {1: ["spout", "b1"], 2: ["spout", "b1", "b1"]}, container=GRANTED)
GROWTH = Request(chain(2, 3), Constraints(container_count=2), rules_for("yarn"), RUNNING, {"b1": 2})
GROWN = {1: ["spout", "b1", "b1", "b1"], 2: ["spout", "b1", "b1"]}


def grown(contents: dict[int, list[str]]) -> Plan:
    """Like RUNNING with more b1: ids of the survivors stay."""
    return plan(chain(2, 5), contents, container=Resources(9.0, 9 * GIB, 9 * GIB))


@pytest.mark.parametrize("scheduler", ["yarn", "aurora", "kubernetes", "nomad"])
def test_running_containers_are_not_resized(scheduler: str) -> None:
    broken = violations(grown(GROWN), replace(GROWTH, scheduler=rules_for(scheduler)))
    assert [v.rule for v in broken] == [Rule.RESIZED]
    assert broken[0].message.startswith(
        f"container 1 has 3.5 cores, {4 * GIB} bytes of RAM and {7 * GIB} of disk and would need "
        f"4 cores, {4 * GIB} and {4 * GIB}; the {scheduler} scheduler"
    )
    assert not broken[0].fatal


@pytest.mark.parametrize("scheduler", ["local", ""])
def test_schedulers_without_sizes_take_more(scheduler: str) -> None:
    assert violations(grown(GROWN), replace(GROWTH, scheduler=rules_for(scheduler))) == []


def test_what_was_granted_counts_rather_than_what_was_required() -> None:
    granted = replace(RUNNING, scheduled={1: Resources(4.0, 4 * GIB, 7 * GIB)})
    assert violations(grown(GROWN), replace(GROWTH, current=granted)) == []
    less = replace(RUNNING, scheduled={1: Resources(3.0, 4 * GIB, 7 * GIB)})
    assert [v.rule for v in violations(grown(GROWN), replace(GROWTH, current=less))] == [
        Rule.RESIZED
    ]


def test_homogeneous_containers_have_the_largest_size_also_when_added() -> None:
    added = {1: ["spout", "b1"], 2: ["spout", "b1", "b1"], 3: ["b1", "b1"]}
    small = replace(
        RUNNING,
        container_cpu_cores=np.array([2.0, 3.0]),
        cpu_cores=np.full(5, 1.0),
    )
    heavy = grown(added)
    heavy = replace(heavy, cpu_cores=np.where(heavy.container == 2, 1.6, 1.0))
    for scheduler, rules in (("kubernetes", [Rule.RESIZED]), ("yarn", [])):
        request = replace(GROWTH, current=small, scheduler=rules_for(scheduler))
        assert [v.rule for v in violations(heavy, request)] == rules


def test_untouched_containers_are_not_judged() -> None:
    # Packed when containers were larger; today's 4 GiB hold 3 instances beside the padding.
    old = plan(chain(1, 4), {1: ["spout", "b1", "b1", "b1"], 2: ["b1"]})
    today = Constraints(container_count=2, container_ram_bytes=4 * GIB, max_instances=2)
    request = Request(chain(1, 4), today, current=old, deltas={"b1": 1})
    added = plan(chain(1, 5), {1: ["spout", "b1", "b1", "b1"], 2: ["b1", "b1"]})
    assert violations(added, request) == []
    crowded = plan(chain(1, 5), {1: ["spout", "b1", "b1", "b1", "b1"], 2: ["b1"]})
    # The instance that was alone in 2 keeps its index 3, and the new one came into 1.
    crowded = replace(crowded, index=np.array([0, 0, 1, 2, 4, 3]))
    assert {v.rule for v in violations(crowded, request)} == {
        Rule.CAPACITY,
        Rule.PADDING,
        Rule.MAX_INSTANCES,
    }


def test_survivors_that_grow_are_judged_like_new_ones() -> None:
    old = plan(chain(1, 2), {1: ["spout", "b1"], 2: ["b1"]})
    stated = Constraints(container_count=2, container_ram_bytes=4 * GIB)
    request = Request(chain(1, 2), stated, current=old, deltas={"spout": 1})
    contents = {1: ["spout", "b1"], 2: ["b1", "spout"]}
    new = plan(chain(2, 2), contents, container=Resources(5.0, 4 * GIB, 7 * GIB))
    assert violations(new, request) == []
    swollen = set_at("ram_bytes", 0, 4 * GIB)(new)
    assert Rule.CAPACITY in {v.rule for v in violations(swollen, request)}


def test_no_container_is_larger_than_stated_or_running() -> None:
    stated = Constraints(container_count=2, container_ram_bytes=4 * GIB)
    fresh = Request(chain(2, 2), stated)
    contents = {1: ["spout", "b1"], 2: ["spout", "b1"]}
    large = plan(chain(2, 2), contents, container=SIZE)
    found = violations(large, fresh)
    assert [v.rule for v in found] == [Rule.CAPACITY]
    assert str(6 * GIB) in found[0].message
    assert violations(large, replace(fresh, containers_free=True)) == []
    # What runs already has its size, whatever is stated by now.
    assert violations(large, Request(chain(2, 2), stated, current=large)) == []


def test_the_user_may_leave_the_count_free() -> None:
    three = moved(5, 2)(with_empty_container(GOOD))
    assert violations(three, replace(PACK, containers_free=True)) == []


def test_a_component_in_one_container_where_two_are_asked_for() -> None:
    of = chain(1, 2, 2)
    request = Request(of, Constraints(container_count=2), spread_components=True)
    together = plan(of, {1: ["spout", "b1", "b2"], 4: ["b2", "b1"]}, container=SIZE)
    assert violations(together, request) == []
    alone = plan(of, {1: ["spout", "b1", "b1"], 4: ["b2", "b2"]}, container=SIZE)
    (found,) = violations(alone, request)
    assert (found.rule, found.fatal) == (Rule.FAULT_SPREAD, False)
    assert "all 2 instances of component 'b1' are in container 1" in found.message
    assert violations(alone, replace(request, spread_components=False)) == []
    single = plan(of, {1: ["spout", "b1", "b1", "b2", "b2"]}, container=SIZE)
    one = replace(request, constraints=Constraints(container_count=1))
    assert violations(single, one) == [], "with one container there is nothing to spread over"


def test_more_containers_than_instances_are_not_expected() -> None:
    nine = replace(PACK, constraints=replace(CONSTRAINTS, container_count=9, max_instances=1))
    six = plan(
        TOPOLOGY,
        {i + 1: [name] for i, name in enumerate(["spout", "spout", "b1", "b1", "b1", "b1"])},
        container=SIZE,
    )
    assert violations(six, nine) == []


@given(st.data())
def test_any_complete_placement_is_valid_where_nothing_is_stated(data: st.DataObject) -> None:
    topology = data.draw(topologies())
    made = data.draw(plans(topology))
    request = Request(topology, Constraints(container_count=made.container_count))
    assert violations(made, request) == []
