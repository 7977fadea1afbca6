"""A running plan with one instance in another container."""

from __future__ import annotations

from packing.plan import Plan


def moved(plan: Plan, instance: int, to: int) -> Plan:
    """`plan` with the instance at one position in the container at another."""
    container = plan.container.copy()
    container[instance] = to
    used = plan.ram_bytes[instance]
    # The padding of a container stays: it is as much larger as its instances are.
    cores, ram, disk = (
        plan.container_cpu_cores.copy(),
        plan.container_ram_bytes.copy(),
        plan.container_disk_bytes.copy(),
    )
    room = plan.granted[to] - [column[to] for column in plan.used]
    if plan.cpu_cores[instance] > room[0] + 1e-9:
        cores[to] += plan.cpu_cores[instance]
    if used > room[1]:
        ram[to] += used
    if plan.disk_bytes[instance] > room[2]:
        disk[to] += plan.disk_bytes[instance]
    return Plan.of(
        plan.topology_id,
        plan.components,
        (plan.component, plan.task_id, plan.index, plan.container_ids[container]),
        (plan.cpu_cores, plan.ram_bytes, plan.disk_bytes),
        plan.container_ids,
        (cores, ram, disk),
        plan.scheduled,
    )
