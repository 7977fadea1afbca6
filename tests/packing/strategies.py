"""Random topologies, loads, plans and requests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from packing.constraints import Constraints
from packing.container_size import check_instances_fit
from packing.plan import Plan
from packing.profile import Profile
from packing.request import Request
from packing.resources import GIB, MIB, Resources
from packing.scheduler import rules_for
from packing.topology import Component, Grouping, Kind, Stream, Topology

SCHEDULERS = ("", "local", "yarn", "aurora", "kubernetes", "nomad")


@st.composite
def topologies(
    draw: st.DrawFn, max_components: int = 4, max_parallelism: int = 4, loops: bool = False
) -> Topology:
    size = draw(st.integers(1, max_components))
    components = [Component("c0", Kind.SPOUT, draw(st.integers(1, max_parallelism)))]
    for i in range(1, size):
        kind = draw(st.sampled_from([Kind.SPOUT, Kind.BOLT, Kind.BOLT, Kind.BOLT]))
        components.append(Component(f"c{i}", kind, draw(st.integers(1, max_parallelism))))
    bolts = [i for i, c in enumerate(components) if c.kind is Kind.BOLT]
    streams = []
    if bolts:
        for number in range(draw(st.integers(0, 2 * size))):
            target = draw(st.sampled_from(bolts))
            source = draw(st.integers(0, size - 1 if loops else target - 1))
            grouping = draw(st.sampled_from(list(Grouping)))
            streams.append(Stream(f"c{source}", f"c{target}", f"s{number}", grouping))
    return Topology("id", "name", tuple(components), tuple(streams))


@st.composite
def profiles(draw: st.DrawFn, topology: Topology, max_selectivity: float = 3.0) -> Profile:
    # Nothing, or a number that could have been measured.
    rates = st.just(0.0) | st.floats(0.01, 1000.0)
    return Profile(
        rate_per_s={c.name: draw(rates) for c in topology.components if c.kind is Kind.SPOUT},
        service_s={name: draw(st.just(0.0) | st.floats(1e-6, 0.01)) for name in topology.names},
        selectivity={
            (s.source, s.target, s.stream_id): draw(
                st.just(0.0) | st.floats(max_selectivity / 1000, max_selectivity)
            )
            for s in topology.streams
        },
    )


@st.composite
def plans(draw: st.DrawFn, topology: Topology, gaps: bool = True) -> Plan:
    """Any placement: task ids and indexes in any order; with `gaps` between container ids."""
    component = np.repeat(
        np.arange(len(topology.components)), [c.parallelism for c in topology.components]
    )
    n = len(component)
    if gaps:
        ids = sorted(draw(st.sets(st.integers(1, 9), min_size=1, max_size=min(4, n))))
    else:
        ids = list(range(1, draw(st.integers(1, min(4, n))) + 1))
    # Every container gets one instance first, so that none is empty.
    rest = draw(st.lists(st.sampled_from(ids), min_size=n - len(ids), max_size=n - len(ids)))
    container = np.array(draw(st.permutations([*ids, *rest])))
    task_id = np.array(draw(st.permutations(range(1, n + 1))))
    index = np.concatenate(
        [draw(st.permutations(range(c.parallelism))) for c in topology.components]
    )
    cores = np.array(draw(st.lists(st.sampled_from([0.1, 0.5, 1.0, 2.0]), min_size=n, max_size=n)))
    sizes = (cores, np.full(n, GIB), np.full(n, GIB))
    position = {this: i for i, this in enumerate(ids)}
    held = np.bincount([position[c] for c in container.tolist()], cores, len(ids))
    slack = np.array(draw(st.lists(st.floats(0.0, 3.0), min_size=len(ids), max_size=len(ids))))
    return Plan.of(
        topology.topology_id,
        topology.names,
        (component, task_id, index, container),
        sizes,
        ids,
        (held + slack, np.full(len(ids), n * GIB), np.full(len(ids), n * GIB)),
    )


@st.composite
def constraints(draw: st.DrawFn, topology: Topology) -> Constraints:
    names = list(topology.names)

    def some(values: st.SearchStrategy[float]) -> dict[str, float]:
        return {name: draw(values) for name in names if draw(st.booleans())}

    def maybe(values: st.SearchStrategy[float]) -> float | None:
        return draw(st.none() | values)

    return Constraints(
        container_count=draw(st.integers(1, 6)),
        container_cpu_cores=maybe(st.sampled_from([4.0, 8.0, 20.0])),
        container_ram_bytes=maybe(st.sampled_from([6 * GIB, 12 * GIB, 40 * GIB])),  # type: ignore[arg-type]
        container_disk_bytes=maybe(st.sampled_from([10 * GIB, 60 * GIB])),  # type: ignore[arg-type]
        max_instances=maybe(st.integers(1, 6)),  # type: ignore[arg-type]
        padding_percentage=maybe(st.sampled_from([0, 5, 20])),  # type: ignore[arg-type]
        cpu_padding_cores=maybe(st.sampled_from([0.0, 0.5])),
        ram_padding_bytes=maybe(st.sampled_from([0, 512 * MIB])),  # type: ignore[arg-type]
        component_cpu_cores=some(st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.0])),
        component_ram_bytes=some(st.sampled_from([256 * MIB, GIB, 3 * GIB])),  # type: ignore[arg-type]
        component_disk_bytes=some(st.sampled_from([0, GIB])),  # type: ignore[arg-type]
    )


@st.composite
def pack_requests(draw: st.DrawFn, max_components: int = 4, max_parallelism: int = 4) -> Request:
    """Requests to pack; those that contradict themselves are not drawn."""
    topology = draw(topologies(max_components, max_parallelism))
    stated = draw(constraints(topology))
    try:
        check_instances_fit(stated, topology.names)
    except Exception:
        stated = Constraints(container_count=stated.container_count)
    return Request(
        topology,
        stated,
        rules_for(draw(st.sampled_from(SCHEDULERS))),
        profile=draw(profiles(topology)) if draw(st.booleans()) else Profile(),
    )


@st.composite
def repack_requests(draw: st.DrawFn) -> Request:
    """An update of any plan: deltas, a container count, sizes that the scheduler granted."""
    topology = draw(topologies())
    rules = rules_for(draw(st.sampled_from(SCHEDULERS)))
    # These schedulers start containers 1 to N and cannot lose one in the middle.
    current = draw(plans(topology, gaps=rules.name not in {"kubernetes", "nomad"}))
    deltas = {
        c.name: draw(st.integers(1 - c.parallelism, 4))
        for c in topology.components
        if draw(st.booleans())
    }
    total = topology.instance_count + sum(deltas.values())
    count = draw(st.none() | st.integers(1, min(total, 8)))
    stated = Constraints(
        container_count=draw(st.integers(1, 6)),
        max_instances=draw(st.none() | st.integers(4, 8)),
        component_cpu_cores={
            name: draw(st.sampled_from([0.1, 0.5, 1.0, 2.0]))
            for name in topology.names
            if draw(st.booleans())
        },
    )
    if draw(st.booleans()):
        scheduled = {
            int(this): Resources(float(cores) + 1.0, 20 * GIB, 20 * GIB)
            for this, cores in zip(current.container_ids, current.container_cpu_cores, strict=True)
        }
        current = _with_scheduled(current, scheduled)
    return Request(
        topology,
        stated,
        rules,
        current,
        deltas,
        count,
        draw(profiles(topology)) if draw(st.booleans()) else Profile(),
    )


def _with_scheduled(plan: Plan, scheduled: dict[int, Resources]) -> Plan:
    from dataclasses import replace  # noqa: PLC0415

    return replace(plan, scheduled=scheduled)
