"""What is short, how much fits, and whether what is proposed really fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from packing.choose import choose
from packing.constraints import Constraints
from packing.errors import Infeasible, InvalidRequest
from packing.infeasibility import (
    Shortage,
    shortage,
    why_no_plan,
    with_containers,
    with_sizes,
)
from packing.planners.stream_affinity import stream_affinity
from packing.request import Request
from packing.resources import GIB, MIB
from packing.scheduler import rules_for
from packing.validation import Rule, violations
from tests.packing.build import plan, topology
from tests.packing.strategies import pack_requests

COUNTED = {Rule.CONTAINER_COUNT, Rule.PADDING, Rule.MAX_INSTANCES}


def request(
    parallelism: dict[str, int], containers: int, ram: dict[str, int] | None = None, **more: object
) -> Request:
    """Instances of 1 GiB unless `ram` (in MiB) says otherwise; no padding."""
    return Request(
        topology(parallelism),
        Constraints(
            container_count=containers,
            padding_percentage=0,
            cpu_padding_cores=0.0,
            ram_padding_bytes=0,
            component_ram_bytes={name: amount * MIB for name, amount in (ram or {}).items()},
            **more,  # type: ignore[arg-type]
        ),
    )


def found(short: Request) -> Shortage:
    what = shortage(short)
    assert what is not None
    return what


def most_placed(short: Request) -> int:
    """Instances that the containers hold at most, by trying every placement."""
    constraints = short.constraints
    limits = [
        (stated - pad) if stated is not None else float("inf")
        for stated, pad in zip(
            constraints.stated_container,
            (
                constraints.padding.cpu_cores,
                constraints.padding.ram_bytes,
                constraints.padding.disk_bytes,
            ),
            strict=True,
        )
    ]
    most = constraints.max_instances or short.topology.instance_count
    items = sorted(
        (size.cpu_cores, size.ram_bytes, size.disk_bytes, 1)
        for name, count in short.parallelism.items()
        for size in [constraints.instance(name)] * count
    )
    room = [*limits, most]
    containers = min(constraints.container_count, len(items))

    def after(
        free: tuple[tuple[float, ...], ...], item: tuple[float, ...]
    ) -> Iterator[tuple[tuple[float, ...], ...]]:
        for at, has in enumerate(free):
            if free.index(has) == at and all(h + 1e-9 >= i for h, i in zip(has, item, strict=True)):
                left = tuple(h - i for h, i in zip(has, item, strict=True))
                yield tuple(sorted((*free[:at], left, *free[at + 1 :])))

    states = {(tuple(float(r) for r in room),) * containers: 0}
    for item in items:
        following: dict[tuple[tuple[float, ...], ...], int] = dict(states)
        for free, placed in states.items():
            for now in after(free, item):
                following[now] = max(following.get(now, 0), placed + 1)
        states = following
    return max(states.values())


def test_ram_binds_and_both_ways_out_are_named() -> None:
    what = found(request({"spout": 4, "bolt": 5}, 2, container_ram_bytes=3 * GIB))
    assert str(what) == (
        "2 containers of 3072 MiB RAM (0 bytes RAM of it padding) hold 6 of 9 instances: RAM "
        "binds; 3 containers of that size, or 2 with topology.container.ram=5368709120 "
        "(5120 MiB) would fit"
    )


def test_padding_is_no_room_and_grows_with_the_container() -> None:
    padded = Request(
        topology({"spout": 9}),
        Constraints(container_count=2, container_ram_bytes=4 * GIB, padding_percentage=50),
    )
    what = found(padded)
    assert (what.holds, what.holds_at_most, what.more_containers) == (4, 4, 5)
    assert what.larger == {"topology.container.ram": 10 * GIB}


@pytest.mark.parametrize(
    ("stated", "binding", "key"),
    [
        ({"container_cpu_cores": 3.0}, "CPU", "topology.container.cpu"),
        ({"container_ram_bytes": 3 * GIB}, "RAM", "topology.container.ram"),
        ({"container_disk_bytes": 4 * GIB}, "disk", "topology.container.disk"),
        ({"max_instances": 3}, "instances per container", "topology.container.max.instances"),
    ],
)
def test_the_resource_that_is_short_is_named(
    stated: dict[str, object], binding: str, key: str
) -> None:
    what = found(request({"spout": 4, "bolt": 5}, 2, **stated))
    assert what.binding == (binding,)
    assert set(what.larger) == {key}
    assert (what.holds, what.holds_at_most, what.more_containers) == (6, 6, 3)


def test_all_that_is_short_is_named() -> None:
    what = found(request({"spout": 9}, 2, container_cpu_cores=3.0, container_ram_bytes=2 * GIB))
    assert what.binding == ("CPU", "RAM")
    assert what.larger == {"topology.container.cpu": 5.0, "topology.container.ram": 5 * GIB}
    assert what.more_containers == 5
    assert "CPU and RAM bind; " in str(what)


def test_large_instances_leave_gaps_that_sums_do_not_show() -> None:
    # 6 GiB for 6 GiB, but no two of 1.5 GiB fit into 2 GiB.
    what = found(request({"spout": 4}, 3, {"spout": 1536}, container_ram_bytes=2 * GIB))
    assert (what.holds, what.holds_at_most, what.binding) == (3, 3, ("RAM",))
    assert what.more_containers == 4
    assert what.larger == {"topology.container.ram": 3 * GIB}


def test_resources_that_are_short_together_only() -> None:
    # Three of the small ones share by RAM alone, a small one and a large one by CPU alone.
    mixed = request(
        {"spout": 2, "bolt": 3},
        3,
        {"spout": 1000, "bolt": 400},
        container_cpu_cores=4.0,
        container_ram_bytes=1200 * MIB,
        component_cpu_cores={"spout": 2.5, "bolt": 1.5},
    )
    what = found(mixed)
    assert what.binding == ()
    assert what.more_containers is not None and what.larger
    assert "bind" not in str(what)
    for changed in (with_containers(mixed, what.more_containers), with_sizes(mixed, what.larger)):
        assert not violations(stream_affinity(changed), changed)


def test_what_fits_is_not_short() -> None:
    assert shortage(request({"spout": 9}, 3, container_ram_bytes=3 * GIB)) is None
    assert shortage(request({"spout": 9}, 2)) is None


def test_nothing_is_proposed_that_nobody_can_plan() -> None:
    short = request({"spout": 9}, 2, container_ram_bytes=3 * GIB)
    what = shortage(short, lambda _: False)
    assert what is not None
    assert (what.more_containers, what.larger) == (None, {})
    assert str(what).endswith("ask for fewer or smaller instances")

    def wants_four(changed: Request) -> bool:
        return changed.constraints.container_count >= 4

    what = shortage(short, wants_four)
    assert what is not None
    assert what.more_containers == 4


def test_the_error_says_what_is_short_before_what_planners_say() -> None:
    short = request({"spout": 9}, 2, container_ram_bytes=3 * GIB)
    with pytest.raises(Infeasible) as refused:
        choose(short, {"stream_affinity": stream_affinity})
    told = str(refused.value)
    assert told.startswith("2 containers of 3072 MiB RAM")
    assert "RAM binds; 3 containers of that size, or 2 with topology.container.ram=" in told
    assert told.index("would fit. stream_affinity: ") > 0


def test_a_scheduler_that_keeps_its_containers_is_named() -> None:
    of = topology({"spout": 2, "bolt": 2})
    running = plan(of, {1: ["spout", "bolt"], 2: ["spout", "bolt"]})
    fixed = Request(of, Constraints(container_count=2), rules_for("nomad"), running, {"bolt": 1}, 3)
    with pytest.raises(Infeasible) as refused:
        choose(fixed)
    assert str(refused.value).startswith(
        "the nomad scheduler keeps the 2 running containers in an update, 3 were asked for; "
        "ask for 2, or submit the topology anew. "
    )


def test_an_update_is_judged_by_the_count_it_asks_for() -> None:
    of = topology({"spout": 4})
    running = plan(of, {1: ["spout", "spout"], 2: ["spout", "spout"]})
    stated = Constraints(container_count=2, max_instances=3)
    narrow = Request(of, stated, current=running, deltas={"spout": 4}, container_count=2)
    what = found(narrow)
    assert (what.instances, what.containers, what.more_containers) == (8, 2, 3)
    assert what.larger == {"topology.container.max.instances": 4}
    assert shortage(Request(of, stated, current=running, deltas={"spout": 4})) is None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(pack_requests(max_components=3, max_parallelism=3))
def test_what_fits_is_judged_as_by_trying_every_placement(drawn: Request) -> None:
    instances = drawn.topology.instance_count
    most = most_placed(drawn)
    what = shortage(drawn)
    if what is None:
        assert most == instances
    else:
        assert what.holds <= most <= what.holds_at_most
        assert what.instances == instances
        if what.binding:
            assert most < instances


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(pack_requests(max_parallelism=6), st.integers(1, 3), st.integers(3, 6))
def test_what_is_proposed_can_be_planned(drawn: Request, containers: int, ram_gib: int) -> None:
    tight = replace(
        drawn.constraints, container_count=containers, container_ram_bytes=ram_gib * GIB
    )
    try:
        short = replace(drawn, constraints=tight)
    except InvalidRequest:
        assume(False)

    def can_plan(changed: Request) -> bool:
        try:
            return not {v.rule for v in violations(stream_affinity(changed), changed)} & COUNTED
        except Infeasible:
            return False

    what = shortage(short, can_plan)
    assume(what is not None)
    assert what is not None
    assert str(what) == why_no_plan(short, can_plan)
    if what.more_containers is not None:
        changed = with_containers(short, what.more_containers)
        assert can_plan(changed)
        assert shortage(changed) is None
    if what.larger:
        changed = with_sizes(short, what.larger)
        assert can_plan(changed)
        assert shortage(changed) is None
