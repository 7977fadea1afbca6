"""RAM that instances use against what they get, and what garbage collection takes of their time.

An instance's heap is what it gets less what the executor sets aside for code cache and metaspace
(heron_executor.py). A collection takes about the same time whatever it frees, and one is due
whenever the free part of the heap was allocated once; so its share of the time is

    gc_share = k * allocation rate / (heap - live)

with the allocation rate proportional to tuples and bytes in and out, and k fitted with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from packing.arrays import Floats, Ints, sum_by
from packing.constraints import MIN_INSTANCE_RAM_BYTES
from packing.model.costs import HeronCosts
from packing.model.placed import Placed
from packing.plan import Plan
from packing.resources import GIB, MIB, describe_bytes

MOST_LIVE = 0.7
"""Part of a heap that live data may fill: above, collections come one after the other."""
MOST_GC_SHARE = 0.05
"""Share of the time that garbage collection may take."""
WATER_MARK_KEY = "heron.streammgr.network.backpressure.highwatermark.mb"


@dataclass(frozen=True)
class ComponentMemory:
    """RAM of one instance of a component, and the time its collections take; bytes."""

    component: str
    used_bytes: float
    """What it uses, its JVM included, by the profile."""
    granted_bytes: int
    """The least that an instance of the component gets: Heron sizes all of its JVMs by that."""
    live_bytes: float
    """What it uses beyond the JVM's own."""
    gc_share: float | None
    """Share of the time that the busiest instance collects garbage at the load delivered, at most
    1; None where the load is not known or live data leave no free heap."""
    enough_bytes: int
    """RAM with which live data and collections keep to their limits."""

    @property
    def heap_bytes(self) -> int:
        """Largest heap (-Xmx); an instance with 0 or less cannot start."""
        return self.granted_bytes - MIN_INSTANCE_RAM_BYTES

    @property
    def live_share(self) -> float:
        """Part of the heap that live data fill; infinite without a heap."""
        return self.live_bytes / self.heap_bytes if self.heap_bytes > 0 else math.inf


@dataclass(frozen=True)
class Memory:
    """What is known of RAM under a plan; nothing where the profile does not state any."""

    components: tuple[ComponentMemory, ...] = ()
    """Those whose RAM the profile states."""
    risks: tuple[str, ...] = ()
    """What may go wrong, with values and what to do; a sentence each."""


NOTHING_KNOWN = Memory()


def memory(
    placed: Placed,
    container_ram_bytes: Floats | Ints,
    costs: HeronCosts,
    high_water_bytes: float,
    load: float | None,
) -> Memory:
    """RAM and its risks under a plan at a load factor; None where the load is not known.

    `container_ram_bytes` is what each container may use, (C,). Costs nothing to speak of where the
    profile states no RAM or only counts of instances are known.
    """
    stated = placed.structure.profile.ram_bytes
    plan = placed.known_plan
    if not stated or plan is None:
        return NOTHING_KNOWN
    wanted = None if load is None else _collected_gib(placed, costs) * load
    granted = np.full(len(plan.components), np.iinfo(np.int64).max)
    np.minimum.at(granted, plan.component, plan.ram_bytes)
    components = tuple(
        _component(
            name,
            stated[name],
            int(granted[v]),
            costs.gc_idle_cores,
            None if wanted is None else float(wanted[v]),
        )
        for v, name in enumerate(plan.components)
        if name in stated and plan.parallelism[name]
    )
    risks = [risk for component in components for risk in _risks(component)]
    risks += _container_risk(placed, plan, container_ram_bytes, high_water_bytes)
    return Memory(components, tuple(risks))


def _collected_gib(placed: Placed, costs: HeronCosts) -> Floats:
    """Share of the time that collections take of each component's busiest instance at nominal load
    if 1 GiB of its heap were free; (components,)."""
    s = placed.structure
    tuples = np.where(s.spout, 0.0, s.rates.input_per_s) + s.emit_per_s
    moved = s.read_bytes_per_s + s.emit_bytes_per_s
    found: Floats = tuples * costs.gc_tuple_gib_s + moved * costs.gc_byte_gib_s
    return found * placed.largest_share


def _component(
    name: str, used_bytes: float, granted_bytes: int, idle: float, wanted_gib: float | None
) -> ComponentMemory:
    live = max(0.0, used_bytes - MIN_INSTANCE_RAM_BYTES)
    free = granted_bytes - MIN_INSTANCE_RAM_BYTES - live
    share = None
    heap = live / MOST_LIVE
    if wanted_gib is not None:
        if free > 0:
            share = min(1.0, idle + wanted_gib * GIB / free)
        if idle < MOST_GC_SHARE:
            heap = max(heap, live + wanted_gib * GIB / (MOST_GC_SHARE - idle))
    enough = MIB * (math.floor((MIN_INSTANCE_RAM_BYTES + heap) / MIB) + 1)
    return ComponentMemory(name, used_bytes, granted_bytes, live, share, enough)


def _risks(of: ComponentMemory) -> list[str]:
    """What may go wrong with the instances of a component."""
    who = f"an instance of {of.component}"
    gets, heap = describe_bytes(of.granted_bytes), describe_bytes(of.heap_bytes)
    live = describe_bytes(of.live_bytes)
    do = f"grant it {describe_bytes(of.enough_bytes)} (topology.component.rammap)"
    if of.heap_bytes <= 0:
        return [
            f"{who} gets {gets} of RAM, and its JVM sets {describe_bytes(MIN_INSTANCE_RAM_BYTES)} "
            f"aside before it has a heap: it cannot start; {do}"
        ]
    if of.used_bytes > of.granted_bytes:
        used = describe_bytes(of.used_bytes)
        return [f"{who} uses {used} of RAM and gets {gets}: it will run out of memory; {do}"]
    collects = "" if of.gc_share is None else f"collects garbage for {of.gc_share:.1%} of the time"
    if of.live_share > MOST_LIVE:
        then = f"; it {collects} and" if collects else ": it"
        return [
            f"{who} keeps {live} of live data in a heap of {heap}, {of.live_share:.0%} of it and "
            f"more than {MOST_LIVE:.0%}{then} may run out of memory; {do}"
        ]
    if of.gc_share is not None and of.gc_share > MOST_GC_SHARE:
        return [
            f"{who} {collects}, more than {MOST_GC_SHARE:.0%}, with {live} of live data in a heap "
            f"of {heap}; {do}"
        ]
    return []


def _container_risk(
    placed: Placed, plan: Plan, container_ram_bytes: Floats | Ints, high_water_bytes: float
) -> list[str]:
    """The container that is shortest of RAM in back-pressure, in a sentence; none where all fit.

    Instances of which nothing is stated use what they ask for. Beside the connections to all local
    readers that to one other stream manager is full, the one with the saturated reader: the others
    keep on reading.
    """
    s = placed.structure
    stated = s.profile.ram_bytes
    by_component = np.array([stated.get(name, np.nan) for name in plan.components])
    each = by_component[plan.component]
    each = np.where(np.isnan(each), plan.ram_bytes, each)
    used = sum_by(plan.container, each, plan.container_count)
    reads = ~s.spout & (s.rates.input_per_s > 0)
    connections = plan.counts[reads].sum(axis=0) + _sends_away(placed, plan)
    short = used + connections * high_water_bytes - container_ram_bytes
    at = int(short.argmax())
    if short[at] <= 0:
        return []
    this, has = plan.container_ids[at], float(container_ram_bytes[at])
    others = int((short > 0).sum()) - 1
    sentence = f"container {this} has {describe_bytes(has)} of RAM; its instances use "
    sentence += describe_bytes(used[at])
    needs = describe_bytes(MIB * math.ceil((has + short[at]) / MIB))
    if used[at] > has:
        return [f"{sentence}: it will run out of memory; grant it {needs}{_and_others(others)}"]
    return [
        f"{sentence}, and in back-pressure its stream manager holds up to "
        f"{describe_bytes(high_water_bytes)} for each of {connections[at]} connections: it may run "
        f"out of memory; grant it {needs} or lower {WATER_MARK_KEY}{_and_others(others)}"
    ]


def _and_others(others: int) -> str:
    if not others:
        return ""
    return f" ({others} more container{'s are' if others > 1 else ' is'} short of RAM, too)"


def _sends_away(placed: Placed, plan: Plan) -> Ints:
    """1 for containers with an instance whose readers are elsewhere, else 0; (C,)."""
    here = plan.counts > 0
    elsewhere = plan.counts.sum(axis=1)[:, None] > plan.counts
    readers = (placed.structure.feeding.T > 0).astype(float) @ elsewhere > 0
    found: Ints = (here & readers).any(axis=0).astype(np.int64)
    return found
