"""Heron's RoundRobinPacking, re-implemented for comparison offline.

Source: heron/packing/src/java/org/apache/heron/packing/roundrobin/RoundRobinPacking.java.
Same dealing, same container sizes. Where Heron's has a defect, this one differs:

- more containers than instances are reduced to one instance each, where Heron throws;
- an update that changes nothing returns the same plan, where Heron deals it anew;
- an update that states a container count gets that count, where Heron recomputes it when it equals
  the current one;
- a component's disk map is honoured, where Heron gives every instance the default;
- a component that would be left without instances is an error with a name, where Heron throws a
  NullPointerException.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from packing.arrays import Floats, Ints, sum_by
from packing.constraints import Constraints
from packing.errors import Infeasible
from packing.plan import Plan
from packing.planners.java_order import hash_map_order
from packing.request import Request
from packing.resources import GIB, describe_bytes

CPU_PADDING_CORES = 1.0
DISK_PADDING_BYTES = 12 * GIB


def round_robin(request: Request) -> Plan:
    """Deal all instances to containers 1..N in turn, the components with most RAM first.

    At an update everything is dealt again from scratch and tasks are numbered anew, which is why
    Heron's default moves most of a topology.
    """
    if request.changes_nothing:
        assert request.current is not None
        return request.current
    total = sum(request.parallelism.values())
    containers = min(_container_count(request, total), total)
    component, index, container = deal(request, containers)
    return _sized(request, component, index, container, containers)


def deal(request: Request, containers: int) -> tuple[Ints, Ints, Ints]:
    """Component, component index and container position of each instance, in task order."""
    parallelism = {name: count for name, count in request.parallelism.items() if count}
    ram = request.constraints.component_ram_bytes
    dealt = sorted(hash_map_order(parallelism), key=lambda name: -ram.get(name, 0))
    position = request.topology.position
    counts = np.array([parallelism[name] for name in dealt])
    component = np.repeat(np.array([position[name] for name in dealt]), counts)
    index = np.concatenate([np.arange(count) for count in counts])
    return component, index, np.arange(len(component)) % containers


def _container_count(request: Request, instances: int) -> int:
    if request.current is None:
        return request.constraints.container_count
    if request.container_count is not None:
        return request.container_count
    # Keep the density of the submit (RoundRobinPacking.repack).
    submitted = request.topology.instance_count / request.constraints.container_count
    return math.ceil(instances / submitted)


def _sized(
    request: Request, component: Ints, index: Ints, container: Ints, containers: int
) -> Plan:
    """Give instances and containers their resources as RoundRobinPacking.packInternal does."""
    constraints = request.constraints
    names = request.topology.names
    largest = int(np.bincount(container).max())
    default = constraints.instance_default
    ram = _instance_amounts(
        "RAM",
        component,
        container,
        _stated(names, constraints.component_ram_bytes),
        None if constraints.container_ram_bytes is None else float(constraints.container_ram_bytes),
        float(default.ram_bytes * largest + constraints.daemon_ram_bytes),
        float(constraints.daemon_ram_bytes),
    )
    ram = np.floor(ram)
    cpu = _instance_amounts(
        "CPU",
        component,
        container,
        _stated(names, constraints.component_cpu_cores),
        constraints.container_cpu_cores,
        # Heron rounds the default size to whole cores.
        math.floor(default.cpu_cores * largest + CPU_PADDING_CORES + 0.5),
        CPU_PADDING_CORES,
    )
    disk_map = constraints.component_disk_bytes
    disk = np.array([disk_map.get(n, default.disk_bytes) for n in names], dtype=np.int64)[component]
    container_cpu, container_ram, container_disk = _container_sizes(
        constraints,
        largest,
        *(sum_by(container, amount, containers) for amount in (cpu, ram, disk)),
    )
    return Plan.of(
        request.topology.topology_id,
        names,
        (component, np.arange(1, len(component) + 1), index, container + 1),
        (cpu, ram.astype(np.int64), disk),
        np.arange(1, containers + 1),
        (container_cpu, container_ram.astype(np.int64), container_disk.astype(np.int64)),
    )


def _stated(names: tuple[str, ...], amounts: Mapping[str, float]) -> Floats:
    """Per component what its map states; NaN where it states nothing."""
    return np.array([amounts.get(name, math.nan) for name in names], dtype=np.float64)


def _instance_amounts(  # noqa: PLR0917 - the same for RAM and CPU
    resource: str,
    component: Ints,
    container: Ints,
    stated: Floats,
    limit: float | None,
    default_container: float,
    padding: float,
) -> Floats:
    """RAM or CPU of each instance (calculateInstancesResourceMapInContainer).

    Instances whose component states an amount get it; the others share what their container has
    left. When the stated amounts leave too little for the padding, the padding is given up.
    """
    containers = int(container.max()) + 1
    amount = stated[component]
    unspecified = np.isnan(amount)
    used = sum_by(container, np.where(unspecified, 0.0, amount), containers)
    sharing = sum_by(container, unspecified.astype(np.float64), containers)
    size = default_container if limit is None else limit
    remaining = size - padding - used
    if limit is not None:
        over = used > limit
        if bool(np.any(over)):
            first = int(np.argmax(over))
            raise Infeasible(
                f"instances dealt to container {first + 1} ask for "
                f"{_describe(resource, used[first])}, more than the container's "
                f"{_describe(resource, limit)}"
            )
        remaining = np.where(used > limit - padding, limit - used, remaining)
    starved = (sharing > 0) & (remaining <= 0)
    if bool(np.any(starved)):
        first = int(np.argmax(starved))
        raise Infeasible(
            f"container {first + 1} has no {resource} left for {sharing[first]:.0f} instances "
            f"whose component states none: the others take {_describe(resource, used[first])} of "
            f"{_describe(resource, size)}"
        )
    each = remaining / np.maximum(sharing, 1)
    return np.where(unspecified, each[container], amount)


def _container_sizes(
    constraints: Constraints, largest: int, cpu: Floats, ram: Floats, disk: Floats
) -> tuple[Floats, Floats, Floats]:
    """Sizes of the containers from their instances' sums (RoundRobinPacking.packInternal)."""
    cpu = cpu + CPU_PADDING_CORES
    if constraints.container_cpu_cores is not None:
        # min with the hint, then max with it: the hint itself.
        cpu = np.full_like(cpu, constraints.container_cpu_cores)
    ram = ram + constraints.daemon_ram_bytes
    if constraints.container_ram_bytes is not None:
        ram = np.minimum(ram, constraints.container_ram_bytes)
    if constraints.container_disk_bytes is not None:
        return cpu, ram, np.full_like(disk, constraints.container_disk_bytes)
    even = float(constraints.instance_default.disk_bytes * largest + DISK_PADDING_BYTES)
    return cpu, ram, np.maximum(disk, even)


def _describe(resource: str, amount: float) -> str:
    return f"{amount:g} cores" if resource == "CPU" else describe_bytes(amount) + " RAM"
