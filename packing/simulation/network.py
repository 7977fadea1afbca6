# ruff: noqa: PLR0917 - everything that makes up a simulation comes together here
"""Lays a topology, its plan and its load out in the memory of the simulation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packing.arrays import Floats
from packing.errors import InvalidRequest
from packing.plan import Plan
from packing.simulation import kernel, layout
from packing.simulation.load import ComponentLoad, SimulatedLoad, StreamLoad
from packing.simulation.mechanics import Mechanics
from packing.topology import Grouping, Kind, Stream, Topology

ROUTING = {
    Grouping.SHUFFLE: kernel.ROUND_ROBIN,
    Grouping.NONE: kernel.ROUND_ROBIN,
    Grouping.FIELDS: kernel.BY_SHARE,
    Grouping.DIRECT: kernel.BY_SHARE,
    Grouping.CUSTOM: kernel.BY_SHARE,
    Grouping.ALL: kernel.TO_ALL,
    Grouping.GLOBAL: kernel.TO_LOWEST,
}


@dataclass(frozen=True)
class Room:
    """Sizes of the memory that a run may exhaust; tried again with more."""

    events: int
    sets: int
    blocks: int
    trees: int

    def more(self, status: int) -> Room:
        """Four times what was too small."""
        return Room(
            self.events * (4 if status == kernel.OUT_OF_EVENTS else 1),
            self.sets * (4 if status == kernel.OUT_OF_SETS else 1),
            self.blocks * (4 if status == kernel.OUT_OF_BLOCKS else 1),
            self.trees * (4 if status == kernel.OUT_OF_TREES else 1),
        )

    def bytes(self) -> int:
        """Memory that it takes."""
        return 16 * self.events + 64 * self.sets + 330 * self.blocks + 24 * self.trees


@dataclass(frozen=True)
class _Wiring:
    """Emitted streams and their subscriptions, as plain lists."""

    group: list[tuple[float, int, int, int]]
    """Bytes, first and last subscription, component; ordered by component."""
    gain: Floats
    subscription: list[tuple[int, int, int]]
    target: list[int]
    share: list[float]


def lay_out(
    topology: Topology,
    plan: Plan,
    load: SimulatedLoad,
    mechanics: Mechanics,
    times_s: tuple[float, float],
    seed: int,
    room: Room,
) -> layout.State:
    """A simulation about to start. `times_s` is warm-up and window."""
    _check(topology, plan, load, mechanics)
    wiring = _wire(topology, plan, load)
    n, width = plan.instance_count, plan.container_count
    random = np.random.default_rng(seed)
    histograms = max(len(sinks(topology)), 1)
    acked = room.blocks if load.acking else 1
    s = layout.State(
        sim=np.zeros(1, layout.SIM),
        mechanics=np.array(
            [tuple(float(getattr(mechanics, f.name)) for f in fields(mechanics))],
            layout.MECHANICS,
        ),
        thread=np.zeros(2 * (n + width), layout.THREAD),
        active=np.zeros(2 * (n + width), np.int64),
        host=np.zeros(0, layout.HOST),
        container=np.zeros(width, layout.CONTAINER),
        by_host=np.zeros(width, np.int64),
        instance=np.zeros(n, layout.INSTANCE),
        cache=np.zeros((width, n), layout.CACHE),
        known=np.zeros((width, n), np.int64),
        peer=np.zeros((width, width), layout.PEER),
        group=np.zeros(len(wiring.group), layout.GROUP),
        subscription=np.zeros(len(wiring.subscription), layout.SUBSCRIPTION),
        target=np.array(wiring.target, dtype=np.int64),
        share=np.array(wiring.share, dtype=np.float64),
        turn=np.zeros((width, len(wiring.subscription)), np.int64),
        gain=wiring.gain,
        owed=np.zeros((n, len(wiring.group))),
        scratch=np.zeros((n, layout.CHUNK)),
        histogram=np.zeros((histograms, layout.BINS), np.int64),
        heap_at=np.zeros(room.events),
        heap_what=np.zeros(room.events, np.int64),
        set=np.zeros(room.sets, layout.SET),
        next_block=_chain(room.blocks),
        created=np.zeros((room.blocks, layout.BLOCK)),
        root=np.zeros((acked, layout.BLOCK), np.int64),
        key=np.zeros((acked, layout.BLOCK), np.uint64),
        tree=np.zeros(room.trees if load.acking else 1, layout.ROOT),
    )
    s.set["next"] = _chain(len(s.set))
    s.tree["next"] = _chain(len(s.tree))
    _start_sim(s, load, times_s, seed)
    _wire_records(s, wiring, random)
    _place_instances(s, topology, plan, load, mechanics, wiring, random)
    s = s._replace(host=_place_containers(s, plan, load, mechanics))
    _schedule(s, plan, load, mechanics, random)
    return s


def sinks(topology: Topology) -> list[str]:
    """Bolts that no stream leaves."""
    sources = {stream.source for stream in topology.streams}
    return [c.name for c in topology.components if c.kind is Kind.BOLT and c.name not in sources]


def first_room(topology: Topology, plan: Plan, load: SimulatedLoad) -> Room:
    """Enough for a topology without congestion."""
    n = plan.instance_count
    per_spout = load.max_spout_pending or 20000
    spouts = sum(plan.parallelism[c.name] for c in topology.components if c.kind is Kind.SPOUT)
    return Room(
        events=1024 + 64 * (n + plan.container_count),
        sets=8192 + 256 * n,
        blocks=16384 + 512 * n,
        trees=1024 + min(per_spout * max(spouts, 1) * 2, 2_000_000),
    )


def _check(topology: Topology, plan: Plan, load: SimulatedLoad, mechanics: Mechanics) -> None:
    for name in load.components:
        if name not in topology.position:
            raise InvalidRequest(f"the load names component {name!r}, which the topology lacks")
    quota = load.quota_cores
    for cores in quota.values() if isinstance(quota, Mapping) else (quota,):
        if cores is not None and not cores > 0:
            raise InvalidRequest(f"a quota is {cores} cores; it must be above 0, or None for none")
    for component in topology.components:
        if component.name not in plan.components or not plan.parallelism[component.name]:
            raise InvalidRequest(f"the plan has no instance of component {component.name!r}")
        asked = load.components.get(component.name, ComponentLoad())
        cost_s = asked.cpu_s + mechanics.spout_emit_s + mechanics.spout_idle_park_s
        if asked.rate_per_s == math.inf and cost_s <= 0:
            raise InvalidRequest(
                f"spout {component.name!r} emits as fast as it can and needs no time for it"
            )


def _chain(size: int) -> NDArray[np.int64]:
    """A free list through all items."""
    following = np.arange(1, size + 1, dtype=np.int64)
    following[-1] = -1
    return following


def _start_sim(
    s: layout.State, load: SimulatedLoad, times_s: tuple[float, float], seed: int
) -> None:
    sim = s.sim[0]
    warmup_s, window_s = times_s
    sim["warm_end"], sim["half"], sim["end"] = (
        warmup_s, warmup_s + window_s / 2, warmup_s + window_s,
    )  # fmt: skip
    sim["rng"] = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    sim["acking"] = load.acking
    pending = load.max_spout_pending
    sim["max_pending"] = -1 if pending is None or not load.acking else pending
    sim["instances"], sim["containers"] = len(s.instance), len(s.container)
    sim["groups"] = len(s.group)


def _emissions(
    topology: Topology, load: SimulatedLoad
) -> list[tuple[int, StreamLoad, list[Stream]]]:
    """Per emitted stream: its component, load and subscriptions, ordered by component."""
    found: dict[tuple[object, ...], tuple[int, StreamLoad, list[Stream]]] = {}
    for stream in topology.streams:
        key = (stream.source, stream.target, stream.stream_id)
        asked = load.streams.get(key, StreamLoad())
        source = topology.position[stream.source]
        same = (
            source, stream.stream_id, asked.selectivity, asked.tuple_bytes,
            frozenset(asked.selectivity_by_input.items()),
        )  # fmt: skip
        found.setdefault(same, (source, asked, []))[2].append(stream)
    return sorted(found.values(), key=lambda emission: emission[0])


def _wire(topology: Topology, plan: Plan, load: SimulatedLoad) -> _Wiring:
    emissions = _emissions(topology, load)
    wiring = _Wiring([], _gain(emissions), [], [], [])
    for source, asked, streams in emissions:
        first = len(wiring.subscription)
        for stream in streams:
            members = np.flatnonzero(plan.component == plan.components.index(stream.target))
            members = members[np.argsort(plan.task_id[members], kind="stable")]
            key = (stream.source, stream.target, stream.stream_id)
            shares = _cumulative(stream, load.streams.get(key, StreamLoad()).shares, len(members))
            routing = ROUTING[stream.grouping]
            wiring.subscription.append((routing, len(wiring.target), len(members)))
            wiring.target.extend(members.tolist())
            wiring.share.extend(shares.tolist())
        wiring.group.append((asked.tuple_bytes, first, len(wiring.subscription), source))
    return wiring


def _gain(emissions: list[tuple[int, StreamLoad, list[Stream]]]) -> Floats:
    """Selectivity of each emission for tuples of each emission; the last row is for spouts."""
    gain = np.zeros((len(emissions) + 1, len(emissions)))
    for k, (_, written, _) in enumerate(emissions):
        gain[:, k] = written.selectivity
        for row, (_, _, streams) in enumerate(emissions):
            for read in streams:
                key = (read.source, read.target, read.stream_id)
                gain[row, k] = written.selectivity_by_input.get(key, gain[row, k])
    return gain


def _cumulative(stream: Stream, shares: tuple[float, ...] | None, size: int) -> Floats:
    if shares is None:
        return np.arange(1, size + 1) / size
    if len(shares) != size or min(shares) < 0 or not sum(shares) > 0:
        raise InvalidRequest(
            f"stream {stream} has {len(shares)} shares for {size} instances; it needs one each, "
            "none negative, not all 0"
        )
    total = np.cumsum(np.asarray(shares, dtype=np.float64))
    return np.asarray(total / total[-1], dtype=np.float64)


def _wire_records(s: layout.State, wiring: _Wiring, random: np.random.Generator) -> None:
    for k, (tuple_bytes, first, last, component) in enumerate(wiring.group):
        s.group[k] = (tuple_bytes, first, last, component, 0)
    for k, (routing, first, size) in enumerate(wiring.subscription):
        s.subscription[k] = (routing, first, size, 0)
        # shuffle-grouping.cpp: every stream manager begins its round robin anywhere.
        s.turn[:, k] = random.integers(0, size, len(s.container))


def _place_instances(
    s: layout.State,
    topology: Topology,
    plan: Plan,
    load: SimulatedLoad,
    mechanics: Mechanics,
    wiring: _Wiring,
    random: np.random.Generator,
) -> None:
    one = s.instance
    for name in one.dtype.names or ():
        if name.endswith(("_head", "_tail")) or name in {"set", "block", "open", "gateway_set"}:
            one[name] = -1
    one["component"] = plan.component
    one["container"] = plan.container
    one["timer_at"] = -1.0
    one["last_stall"] = -math.inf
    one["out_capacity"] = mechanics.write_queue_packets
    one["out_expected"] = mechanics.tuned_bolt_queue_packets
    sink_names = sinks(topology)
    for position, component in enumerate(topology.components):
        rows = plan.component == plan.components.index(component.name)
        asked = load.components.get(component.name, ComponentLoad())
        groups = [k for k, group in enumerate(wiring.group) if group[3] == position]
        one["cpu_s"][rows] = asked.cpu_s
        one["scv"][rows] = asked.cpu_scv
        one["wait_s"][rows] = asked.wait_s
        one["first_group"][rows] = groups[0] if groups else 0
        one["last_group"][rows] = groups[-1] + 1 if groups else 0
        one["emits_per_tuple"][rows] = sum(wiring.gain[-1, k] for k in groups)
        one["sink"][rows] = component.name in sink_names
        if component.name in sink_names:
            one["histogram"][rows] = sink_names.index(component.name)
        spout = component.kind is Kind.SPOUT
        one["spout"][rows] = spout
        one["poisson"][rows] = asked.poisson
        rate = asked.rate_per_s if spout else None
        one["interval"][rows] = 1.0 / rate if rate else -1.0
        one["in_capacity"][rows] = (
            mechanics.spout_read_queue_packets if spout else mechanics.bolt_read_queue_packets
        )
        one["in_expected"][rows] = (
            mechanics.tuned_spout_queue_packets if spout else mechanics.tuned_bolt_queue_packets
        )
    # Communicator.java: half of the capacity to begin with.
    one["in_room"] = np.maximum(one["in_capacity"] // 2, 1)
    one["out_room"] = np.maximum(one["out_capacity"] // 2, 1)
    one["next_due"] = np.maximum(one["interval"], 0.0) * random.random(len(one))


def _per_container(asked: Mapping[int, float] | float | None, plan: Plan) -> Floats:
    if asked is None:
        return np.zeros(plan.container_count)
    if isinstance(asked, Mapping):
        return np.array([asked.get(int(k), 0.0) for k in plan.container_ids])
    return np.full(plan.container_count, float(asked))


def _place_containers(
    s: layout.State, plan: Plan, load: SimulatedLoad, mechanics: Mechanics
) -> layout.Records:
    box = s.container
    n, width = plan.instance_count, plan.container_count
    for name in ("inbox_head", "inbox_tail", "out_head", "out_tail", "item"):
        box[name] = -1
    for name in ("open", "closed_head", "closed_tail"):
        s.cache[name] = -1
    first = np.searchsorted(plan.container, np.arange(width), side="left")
    box["base"] = 2 * (first + np.arange(width))
    box["speed"] = 1.0
    box["quota_from"] = _per_container(load.quota_cores, plan)
    box["background"] = background_cores(s, plan, mechanics).sum(axis=0)
    s.thread["container"][: 2 * n] = np.repeat(plan.container, 2)
    s.thread["container"][2 * n :] = np.tile(np.arange(width), 2)
    hosts = load.hosts
    names = [hosts.get(int(k), 0) if hosts is not None else int(k) for k in plan.container_ids]
    known = sorted(set(names))
    box["host"] = [known.index(name) for name in names]
    s.by_host[:] = np.argsort(box["host"], kind="stable")
    order = box["host"][s.by_host]
    host: Any = np.zeros(len(known), layout.HOST)
    host["first"] = np.searchsorted(order, np.arange(len(known)), side="left")
    host["last"] = np.searchsorted(order, np.arange(len(known)), side="right")
    idle = np.bincount(box["host"], box["background"], minlength=len(known))
    # What idles along takes its part of the host first.
    host["cores"] = np.maximum(load.host_cores - idle, 0.01)
    return np.asarray(host)


def background_cores(s: layout.State, plan: Plan, mechanics: Mechanics) -> Floats:
    """Cores used whatever flows: of the instances, of the stream manager, of the rest of each
    container; shape (3, C)."""
    idle = idle_cores(s, mechanics)
    width = plan.container_count
    return np.stack([
        np.bincount(plan.container, idle, minlength=width),
        np.full(width, mechanics.stmgr_idle_cores),
        np.full(width, mechanics.background_cores),
    ])  # fmt: skip


def idle_cores(s: layout.State, mechanics: Mechanics) -> Floats:
    """Cores that each instance uses whatever flows, shape (n,)."""
    spout = s.instance["spout"] > 0
    return np.where(spout, mechanics.spout_idle_cores, mechanics.bolt_idle_cores)


def _schedule(
    s: layout.State,
    plan: Plan,
    load: SimulatedLoad,
    mechanics: Mechanics,
    random: np.random.Generator,
) -> None:
    """Fill the calendar with what happens on its own."""
    sim = s.sim[0]
    events: list[tuple[float, int, int]] = [
        (float(s.instance["next_due"][i]), kernel.SPOUT_DUE, int(i))
        for i in np.flatnonzero(s.instance["spout"])
    ]
    for c in range(plan.container_count):
        at = float(random.random() * mechanics.drain_tick_s)
        s.container["tick_at"][c] = at
        events.append((at, kernel.TICK, c))
        if mechanics.export_s > 0:
            at = float(random.random() * mechanics.export_interval_s)
            events.append((at, kernel.EXPORT, c))
        if s.container["quota_from"][c] > 0:
            phase = float(random.random() * mechanics.quota_period_s)
            events.append((mechanics.startup_s + phase, kernel.REFILL, c))
    events.append((mechanics.tuning_interval_s, kernel.TUNE, 0))
    for which, name in enumerate(("warm_end", "half", "end")):
        events.append((float(sim[name]), kernel.MARK, which))
    s.thread["phase"] = kernel.IDLE
    for k, (at, kind, who) in enumerate(sorted(events)):
        # A sorted list is a heap already.
        s.heap_at[k] = at
        s.heap_what[k] = (int(kind) << 56) | (who << 32)
    sim["heap"] = len(events)
