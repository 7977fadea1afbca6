"""Reading packing plans and topologies for what the tests assert.

Written without the checks of `packing`, so that a mistake there does not repeat itself here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bridge.wire import heron_pb2

PARALLELISM_KEY = "topology.component.parallelism"
CONTAINERS_KEY = "topology.stmgrs"
MIN_INSTANCE_RAM = 16 * 2**20

Placement = dict[tuple[str, int], tuple[int, int]]
"""(component, index) -> (container, task id)"""


def placement(plan: heron_pb2.PackingPlan) -> Placement:
    """Where each instance is."""
    return {
        (i.component_name, i.component_index): (c.id, i.task_id)
        for c in plan.container_plans
        for i in c.instance_plans
    }


def canonical(plan: heron_pb2.PackingPlan) -> object:
    """Two plans are the same when this is: Heron keeps containers and instances in sets."""

    def size(r: heron_pb2.Resource) -> tuple[float, int, int]:
        return (round(r.cpu, 9), r.ram, r.disk)

    return sorted(
        (
            c.id,
            size(c.requiredResource),
            sorted(
                (i.component_name, i.component_index, i.task_id, size(i.resource))
                for i in c.instance_plans
            ),
        )
        for c in plan.container_plans
    )


def parallelism(topology: heron_pb2.Topology) -> dict[str, int]:
    """Instances per component, as the topology states them."""
    components = [s.comp for s in topology.spouts] + [b.comp for b in topology.bolts]
    return {
        comp.name: next(int(kv.value) for kv in comp.config.kvs if kv.key == PARALLELISM_KEY)
        for comp in components
    }


def containers(topology: heron_pb2.Topology) -> int:
    """The number of containers that the topology asks for."""
    kvs = topology.topology_config.kvs
    return next(int(kv.value) for kv in kvs if kv.key == CONTAINERS_KEY)


def defects(plan: heron_pb2.PackingPlan, wanted: Mapping[str, int], *, fresh: bool) -> list[str]:
    """What Heron could not run, or would run wrongly."""
    found: list[str] = []
    instances = [i for c in plan.container_plans for i in c.instance_plans]
    counts = Counter(i.component_name for i in instances)
    if counts != Counter(wanted):
        found.append(f"parallelism {dict(counts)} instead of {dict(wanted)}")
    tasks = sorted(i.task_id for i in instances)
    if len(set(tasks)) != len(tasks):
        found.append(f"task ids {tasks} repeat")
    if fresh and tasks != list(range(1, len(tasks) + 1)):
        found.append(f"task ids {tasks} are not 1..n")
    if len(placement(plan)) != len(instances):
        found.append("component indexes repeat")
    ids = [c.id for c in plan.container_plans]
    if len(set(ids)) != len(ids) or min(ids) < 1:
        found.append(f"container ids {ids}")
    for c in plan.container_plans:
        if not c.instance_plans:
            found.append(f"container {c.id} is empty")
        if sum(i.resource.ram for i in c.instance_plans) > c.requiredResource.ram:
            found.append(f"container {c.id} has less RAM than its instances")
        if sum(i.resource.cpu for i in c.instance_plans) > c.requiredResource.cpu + 1e-9:
            found.append(f"container {c.id} has fewer cores than its instances")
    found += [
        f"{i.component_name} {i.component_index} cannot start in {i.resource.ram} bytes"
        for i in instances
        if i.resource.ram < MIN_INSTANCE_RAM
    ]
    return found


def moved(before: heron_pb2.PackingPlan, after: heron_pb2.PackingPlan) -> int:
    """Instances that exist in both plans and are in another container or have another id."""
    old, new = placement(before), placement(after)
    return sum(old[key] != new[key] for key in old.keys() & new.keys())
