"""What is refused before anything is planned, with the value at fault."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packing.constraints import Constraints, read_constraints
from packing.errors import InvalidRequest, PackingError
from packing.plan import Plan
from packing.profile import Profile, Source
from packing.request import Request
from packing.resources import GIB, MIB, Resources
from packing.scheduler import UNKNOWN_SCHEDULER, rules_for
from packing.topology import Component, Grouping, Kind, Stream, Topology

from .build import chain, plan, topology

NAMES = ("spout", "b1")


@pytest.mark.parametrize("runs", [False, True])
def test_another_number_of_containers_keeps_what_was_prepared(runs: bool) -> None:
    of = chain(2, 4)
    running = plan(of, {1: ["spout", "b1", "b1"], 2: ["spout", "b1", "b1"]})
    request = Request(of, Constraints(container_count=2), profile=Profile({"spout": 5.0}))
    if runs:
        request = replace(request, current=running, deltas={"b1": 2})
    other = request.with_containers(3)
    assert other.stated_container_count == 3 and request.stated_container_count != 3
    assert other.prepared is request.prepared
    afresh = replace(other)
    assert other == afresh and other.target == afresh.target
    assert other.parallelism == afresh.parallelism
    assert request.with_containers(None).stated_container_count == request.stated_container_count
    with refused("13 containers were asked for"):
        replace(request, current=running, deltas={}).with_containers(13)


def refused(text: str) -> Any:
    return pytest.raises(InvalidRequest, match=re.escape(text))


# --- configuration -------------------------------------------------------------------------------


def read(config: Mapping[str, str], **system: str) -> Constraints:
    return read_constraints(
        config, NAMES, {f"heron.resources.instance.{k}": v for k, v in system.items()}
    )


def test_nothing_stated_gives_herons_defaults() -> None:
    found = read({})
    assert found == Constraints()
    assert found.container_count == 1
    assert found.instance("spout") == Resources(1.0, GIB, GIB)
    # 10 instances; padding is the larger of 10 % and 1 core, 1 GiB each.
    assert found.capacity == Resources(10.0, 10 * GIB, 10 * GIB)
    assert found.padding == Resources(1.0, GIB, GIB)
    assert found.daemon_ram_bytes == 2 * GIB


def test_everything_is_read() -> None:
    found = read(
        {
            "topology.stmgrs": "7",
            "topology.container.cpu": "6.5",
            "topology.container.ram": str(9 * GIB),
            "topology.container.disk": str(20 * GIB),
            "topology.container.max.cpu.hint": "8",
            "topology.container.max.ram.hint": "9",
            "topology.container.max.disk.hint": "10",
            "topology.container.max.instances": "4",
            "topology.container.padding.percentage": "20",
            "topology.container.cpu.padding": "0.5",
            "topology.container.ram.padding": "300",
            "topology.component.cpumap": "spout:0.5,b1:2",
            "topology.component.rammap": f" spout:{GIB} , b1:{2 * GIB},",
            "topology.component.diskmap": "b1:5",
            "topology.stmgr.ram": "11",
            "topology.metricsmgr.ram": "12",
            "topology.stateful.checkpointmanager.ram": "13",
            "topology.reliability.mode": "EFFECTIVELY_ONCE",
            "topology.packing.ffd.sorting.strategy": "cpu_first",
            "topology.max.spout.pending": "100",
            "topology.update.deactivate.wait.secs": "3",
            "topology.update.reactivate.wait.secs": "30",
        },
        cpu="0.25",
        ram=str(512 * MIB),
        disk="7",
    )
    assert found == Constraints(
        container_count=7,
        container_cpu_cores=6.5,
        container_ram_bytes=9 * GIB,
        container_disk_bytes=20 * GIB,
        container_cpu_hint_cores=8.0,
        container_ram_hint_bytes=9,
        container_disk_hint_bytes=10,
        max_instances=4,
        padding_percentage=20,
        cpu_padding_cores=0.5,
        ram_padding_bytes=300,
        component_cpu_cores={"spout": 0.5, "b1": 2.0},
        component_ram_bytes={"spout": GIB, "b1": 2 * GIB},
        component_disk_bytes={"b1": 5},
        stmgr_ram_bytes=11,
        metricsmgr_ram_bytes=12,
        checkpointmgr_ram_bytes=13,
        effectively_once=True,
        acking=found.acking,
        sort_by_cpu=True,
        max_spout_pending=100,
        deactivate_wait_s=3,
        reactivate_wait_s=30,
        instance_default=Resources(0.25, 512 * MIB, 7),
    )


# RoundRobinPacking: 1 GiB for each of Heron's processes that runs, unless stated.
@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"topology.reliability.mode": "EFFECTIVELY_ONCE"}, 3 * GIB),
        ({"topology.reliability.mode": "ATLEAST_ONCE"}, 2 * GIB),
        ({"topology.stmgr.ram": "100"}, GIB + 100),
        ({"topology.container.ram.padding": "77", "topology.stmgr.ram": "100"}, 77),
    ],
)
def test_ram_of_herons_own_processes(config: dict[str, str], expected: int) -> None:
    assert read(config).daemon_ram_bytes == expected


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"topology.stmgrs": "many"}, "topology.stmgrs is 'many', which is not a number"),
        ({"topology.stmgrs": "0"}, "topology.stmgrs is 0; it must be at least 1"),
        ({"topology.stmgrs": "-2"}, "topology.stmgrs is -2; it must be at least 1"),
        ({"topology.stmgrs": "1.5"}, "topology.stmgrs is '1.5', which is not a number"),
        (
            {"topology.stmgrs": "9" * 400},
            f"topology.stmgrs is {'9' * 37}...; it must be at most 2147483647",
        ),
        (
            {"topology.stmgrs": "9" * 9000},
            f"topology.stmgrs is '{'9' * 37}...', which is not a number",
        ),
        ({"topology.container.cpu": "nan"}, "topology.container.cpu is nan; it must be at least 0"),
        ({"topology.container.cpu": "inf"}, "topology.container.cpu is inf; it must be at most"),
        ({"topology.container.cpu": "-1"}, "topology.container.cpu is -1; it must be at least 0"),
        (
            {"topology.container.cpu": "1e300"},
            "cpu is 1e300; it must be at most 1000000",
        ),
        ({"topology.container.ram": "4GB"}, "topology.container.ram is '4GB', which is not"),
        (
            {"topology.container.ram": str(2**63)},
            "topology.container.ram is 9223372036854775808; it must be at most",
        ),
        ({"topology.container.max.instances": "0"}, "must be at least 1"),
        (
            {"topology.component.rammap": "b9:2000000000"},
            "topology.component.rammap names component 'b9', which the topology does not have; "
            "it has b1, spout",
        ),
        ({"topology.component.cpumap": "b1"}, "has 'b1'; each entry must be component:value"),
        (
            {"topology.component.cpumap": "b1:x"},
            "topology.component.cpumap of component 'b1' is 'x', which is not a number",
        ),
        ({"topology.component.cpumap": "b1:"}, "gives component 'b1' no value"),
        (
            {"topology.component.cpumap": "b1:-0.5"},
            "topology.component.cpumap of component 'b1' is -0.5; it must be at least 0",
        ),
        (
            {"topology.component.rammap": f"b1:{192 * MIB}"},
            f"gives component 'b1' {192 * MIB} bytes; an instance starts only with more",
        ),
        (
            {"topology.packing.ffd.sorting.strategy": "DISK_FIRST"},
            "strategy is 'DISK_FIRST'; it must be RAM_FIRST or CPU_FIRST",
        ),
        (
            {
                "topology.container.max.instances": "2000000000",
                "topology.container.padding.percentage": "90",
            },
            "the padding of a container comes to",
        ),
    ],
)
def test_a_configuration_that_cannot_be(config: dict[str, str], complaint: str) -> None:
    with refused(complaint):
        read(config)


def test_a_system_default_that_cannot_be() -> None:
    with refused("heron.resources.instance.ram is '1 GiB', which is not a number"):
        read({}, ram="1 GiB")


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "topology.stmgrs",
                "topology.container.cpu",
                "topology.container.ram",
                "topology.container.max.instances",
                "topology.container.padding.percentage",
                "topology.component.rammap",
                "topology.component.cpumap",
                "topology.update.deactivate.wait.secs",
            ]
        ),
        st.text(max_size=12)
        | st.integers().map(str)
        | st.floats().map(str)
        | st.tuples(st.sampled_from(NAMES), st.integers() | st.floats()).map(
            lambda p: f"{p[0]}:{p[1]}"
        ),
    )
)
def test_any_configuration_is_read_or_refused_with_a_sentence(config: dict[str, str]) -> None:
    try:
        found = read(config)
        Request(chain(2, 2), found)
    except PackingError as error:
        assert (
            any(key in str(error) for key in config)
            or "an instance of" in str(error)
            or ("padding" in str(error) or "the instances ask for" in str(error))
        )
    else:
        assert found.capacity.ram_bytes >= 0


# --- topologies ----------------------------------------------------------------------------------

SPOUT = Component("spout", Kind.SPOUT, 1)
BOLT = Component("b1", Kind.BOLT, 1)


@pytest.mark.parametrize(
    ("components", "streams", "complaint"),
    [
        ((), (), "topology 'name' has no components"),
        ((BOLT,), (), "topology 'name' has no spout"),
        ((SPOUT, SPOUT), (), "component 'spout' appears twice in topology 'name'"),
        ((replace(SPOUT, name=""),), (), "has a component without a name"),
        ((replace(SPOUT, parallelism=0),), (), "component 'spout' has parallelism 0; it must be"),
        ((replace(SPOUT, parallelism=-4),), (), "component 'spout' has parallelism -4; it must"),
        (
            (SPOUT, replace(BOLT, parallelism=2_000_000)),
            (),
            "2000001 instances were asked for (2000000 of 'b1'); more than 1000000 are not planned",
        ),
        (
            (SPOUT, *(Component(f"b{i}", Kind.BOLT, 1) for i in range(2000))),
            (),
            "topology 'name' has 2001 components; more than 2000 are not planned",
        ),
        (
            (SPOUT, BOLT),
            (Stream("spout", "b9", "default", Grouping.ALL),),
            "stream spout -default-> b9 names component 'b9', which the topology does not have; it "
            "has b1, spout",
        ),
        (
            (SPOUT, BOLT),
            (Stream("b1", "spout", "default", Grouping.ALL),),
            "stream b1 -default-> spout ends at spout 'spout'; only bolts read streams",
        ),
    ],
)
def test_a_topology_that_cannot_be(
    components: tuple[Component, ...], streams: tuple[Stream, ...], complaint: str
) -> None:
    with refused(complaint):
        Topology("id", "name", components, streams)


# --- requests ------------------------------------------------------------------------------------

OF = chain(2, 2)
CURRENT = plan(OF, {1: ["spout", "b1"], 4: ["spout", "b1"]})


def changed(column: str, at: int, value: float) -> Plan:
    values = getattr(CURRENT, column).copy()
    values[at] = value
    return replace(CURRENT, **{column: values})


@pytest.mark.parametrize(
    ("current", "more", "complaint"),
    [
        (
            replace(CURRENT, topology_id="other-id"),
            {},
            "the current plan is of topology 'other-id', the request is for 'topology-id'",
        ),
        (
            replace(CURRENT, components=("spout", "b9")),
            {},
            "the current plan has 2 instances of component 'b9', which the topology does not have",
        ),
        (
            replace(CURRENT, components=("b1", "spout")),
            {},
            "the current plan lists components as b1, spout, the topology as spout, b1",
        ),
        (
            changed("component", 0, 1),
            {},
            "index 0 of component 'b1' appears twice in the current plan",
        ),
        (changed("task_id", 0, 3), {}, "task id 3 appears twice in the current plan"),
        (changed("task_id", 0, 0), {}, "the current plan has task id 0; it must be from 1 to"),
        (
            changed("task_id", 3, 2**31 - 1),
            {},
            "the current plan has task id 2147483647; it must be from 1 to 2146483647",
        ),
        (changed("container_ids", 0, 0), {}, "the current plan has container id 0; it must be"),
        (changed("container_ids", 0, -1), {}, "the current plan has container id -1; it must be"),
        (
            changed("container_ids", 1, 2**31 - 1),
            {},
            "the current plan has container id 2147483647; it must be from 1 to 2146483647",
        ),
        (changed("index", 2, -1), {}, "the current plan has component index -1; it must be from"),
        (
            changed("ram_bytes", 2, -7),
            {},
            "in the current plan an instance of 'spout' has -7 bytes of RAM; it must be from 0",
        ),
        (
            changed("cpu_cores", 1, np.nan),
            {},
            "in the current plan an instance of 'b1' has nan cores",
        ),
        (
            changed("container_disk_bytes", 1, 2**62),
            {},
            "in the current plan container 4 has 4611686018427387904 bytes of disk",
        ),
        (
            CURRENT,
            {"deltas": {"b9": 1}},
            "a change names component 'b9', which the topology does not have; it has b1, spout",
        ),
        (
            CURRENT,
            {"deltas": {"b1": -2}},
            "the change of component 'b1' by -2 would leave 0 of its 2 instances",
        ),
        (CURRENT, {"deltas": {"b1": -9}}, "would leave -7 of its 2 instances"),
        (
            CURRENT,
            {"deltas": {"b1": 2_000_000_000}},
            "2000000004 instances were asked for (2000000002 of 'b1')",
        ),
        (
            CURRENT,
            {"container_count": 5},
            "5 containers were asked for; it must be between 1 and the number of instances, 4",
        ),
        (
            CURRENT,
            {
                "deltas": {"b1": 1},
                "constraints": Constraints(
                    container_ram_bytes=3 * GIB, component_ram_bytes={"b1": 5 * GIB}
                ),
            },
            "an instance of component 'b1' asks for 5120 MiB RAM of the 3072 MiB (1024 MiB are "
            "padding) in a container; state topology.container.ram=6442450944 (6144 MiB), or lower",
        ),
    ],
)
def test_an_update_that_cannot_be(current: Plan, more: dict[str, Any], complaint: str) -> None:
    with refused(complaint):
        Request(OF, **{"constraints": Constraints(), "current": current, **more})


def test_a_component_missing_from_the_running_plan() -> None:
    only_spouts = plan(OF, {1: ["spout", "spout"]})
    with refused("the current plan has no instance of component 'b1'"):
        Request(OF, Constraints(), current=only_spouts)


@pytest.mark.parametrize(
    ("constraints", "complaint"),
    [
        (
            Constraints(container_cpu_cores=2.0, component_cpu_cores={"b1": 1.5}),
            "an instance of component 'b1' asks for 1.5 cores of the 2 (1 are padding)",
        ),
        (
            Constraints(container_ram_bytes=GIB),
            "an instance of component 'spout' asks for 1024 MiB RAM of the 1024 MiB (1024 MiB are",
        ),
        (
            Constraints(
                container_disk_bytes=2 * GIB,
                container_cpu_cores=1.0,
                component_disk_bytes={"spout": 3 * GIB},
            ),
            "asks for 1 cores of the 1 (1 are padding) and 3072 MiB disk of the 2048 MiB",
        ),
        (
            Constraints(component_ram_bytes={"b1": 2**52 + 1}),
            "RAM together; more than 8388608.0 GiB are not planned",
        ),
    ],
)
def test_a_pack_that_cannot_be(constraints: Constraints, complaint: str) -> None:
    with refused(complaint):
        Request(OF, constraints)


def test_the_sizes_that_are_proposed_hold_every_component() -> None:
    small = Constraints(
        container_cpu_cores=2.0,
        container_ram_bytes=2 * GIB,
        padding_percentage=20,
        component_cpu_cores={"spout": 2.0, "b1": 3.0},
        component_ram_bytes={"spout": 3 * GIB, "b1": 2 * GIB},
    )
    with pytest.raises(InvalidRequest) as told:
        Request(OF, small)
    sizes = "state topology.container.cpu=4 and topology.container.ram=4294967296 (4096 MiB), or"
    assert sizes in str(told.value)
    Request(OF, replace(small, container_cpu_cores=4.0, container_ram_bytes=4 * GIB))
    for less in ({"container_cpu_cores": 3.5}, {"container_ram_bytes": 4 * GIB - 64 * MIB}):
        with pytest.raises(InvalidRequest):
            Request(
                OF,
                replace(
                    small, **{"container_cpu_cores": 4.0, "container_ram_bytes": 4 * GIB, **less}
                ),  # type: ignore[arg-type]
            )


def test_no_size_is_proposed_when_padding_takes_it_all() -> None:
    greedy = Constraints(container_ram_bytes=2 * GIB, padding_percentage=100)
    with refused("lower topology.container.padding.percentage, or lower what"):
        Request(OF, greedy)


def test_changes_need_a_plan() -> None:
    for more in ({"deltas": {"b1": 1}}, {"container_count": 2}):
        with refused("changes were given without the current plan"):
            Request(OF, Constraints(), **more)  # type: ignore[arg-type]


def test_parallelism_at_an_update_is_that_of_the_plan() -> None:
    # The topology still says what was submitted.
    request = Request(chain(9, 9), Constraints(), current=CURRENT, deltas={"b1": 3})
    assert request.parallelism == {"spout": 2, "b1": 5}
    assert request.target.parallelism == {"spout": 2, "b1": 5}


# --- profiles, schedulers ------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("field", "key", "named"),
    [
        ("rate_per_s", "spout", "the rate of 'spout' is"),
        ("service_s", "b1", "the service time of 'b1' is"),
        ("selectivity", ("spout", "b1", "words"), "the selectivity of spout -words-> b1 is"),
    ],
)
def test_numbers_that_cannot_be(field: str, key: object, named: str, value: float) -> None:
    with refused(f"{named} {value}"):
        Profile(**{field: {key: value}})  # type: ignore[arg-type]


def test_a_basis_says_what_was_stated() -> None:
    of = topology({"s1": 1, "s2": 1, "b": 1}, [("s1", "b"), ("s2", "b")])
    basis = {b.quantity: b for b in Profile({"s1": 1.0}, {"s1": 1, "s2": 1, "b": 1}).basis(of)}
    assert basis["rates"].source is Source.ASSUMED
    assert basis["rates"].detail.startswith("1 of 2 declared, for the others")
    assert basis["service times"].source is Source.DECLARED
    assert basis["selectivities"].source is Source.ASSUMED


@pytest.mark.parametrize(
    ("scheduler_class", "name"),
    [
        ("org.apache.heron.scheduler.kubernetes.KubernetesScheduler", "kubernetes"),
        ("com.twitter.heron.scheduler.aurora.AuroraScheduler", "aurora"),
        ("org.apache.heron.scheduler.yarn.YarnScheduler", "yarn"),
        ("org.apache.heron.scheduler.local.LocalScheduler", "local"),
        ("org.apache.heron.scheduler.nomad.NomadScheduler", "nomad"),
        ("KUBERNETES", "kubernetes"),
        ("com.example.MyScheduler", "unknown"),
        ("", "unknown"),
    ],
)
def test_schedulers_by_class_name(scheduler_class: str, name: str) -> None:
    assert rules_for(scheduler_class).name == name
    assert (rules_for(scheduler_class) is UNKNOWN_SCHEDULER) == (name == "unknown")


def test_what_schedulers_allow() -> None:
    def rules(name: str) -> tuple[bool, ...]:
        r = rules_for(name)
        return (
            r.starts_contiguous_ids,
            r.keeps_contiguous_ids,
            r.homogeneous,
            r.enforces_sizes,
            r.container_set_fixed,
            r.updates,
        )

    yes, no = True, False
    assert rules("kubernetes") == (yes, yes, yes, yes, no, yes)
    assert rules("aurora") == (yes, no, yes, yes, no, yes)
    assert rules("yarn") == (no, no, no, yes, no, yes)
    assert rules("local") == (no, no, no, no, no, yes)
    assert rules("nomad") == (yes, no, yes, yes, yes, yes)
    for name in ("marathon", "mesos", "slurm"):
        assert rules(name) == (yes, no, yes, yes, no, no)
