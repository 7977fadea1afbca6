"""CPU that a plan needs: of instances, stream managers and containers.

Linear in events: what the user's code takes, and what Heron's costs add per tuple, byte and packet.
Packets are not proportional to load (they follow the drain clock), so demand is split into a part
that grows with load and a part that stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from packing.arrays import Floats
from packing.model.costs import HeronCosts
from packing.model.packets import Packets, packet_rates
from packing.model.placed import Placed
from packing.model.placed import place as place  # noqa: PLC0414 - exported
from packing.model.runtime import Runtime
from packing.model.structure import Structure


@dataclass(frozen=True)
class Work:
    """What a structure's components do at nominal load, wherever they run; (components,) each."""

    rising_cores: Floats
    """All instances together: user code, and Heron's per tuple and byte."""
    thread_cores: Floats
    """The same with waiting: how many executing threads it keeps busy."""
    service_s: Floats
    """Time of a bolt's thread per tuple; 0 for spouts and where nothing arrives."""
    idle_cores: Floats
    """Of one instance."""
    packet_in_s: Floats
    packet_out_s: Floats
    manager_packet_out_s: Floats
    """Stream manager: per packet that an instance sends."""


CONTAINERS, MANAGERS = 0, 1
"""Rows of `Demand.fixed` and `Demand.rising`."""


@dataclass(frozen=True)
class Demand:
    """Cores needed at a load factor x: `fixed + x * rising`, per container and per instance."""

    placed: Placed
    work: Work
    packets: Packets
    fixed: Floats
    """Cores of whole containers, and of their stream managers; (2, C)."""
    rising: Floats

    @property
    def container_fixed(self) -> Floats:
        """Cores of each container that do not depend on load; (C,)."""
        found: Floats = self.fixed[CONTAINERS]
        return found

    @property
    def container_rising(self) -> Floats:
        """Cores of each container per unit of load; (C,)."""
        found: Floats = self.rising[CONTAINERS]
        return found

    @property
    def manager_fixed(self) -> Floats:
        """The stream managers' part of it."""
        found: Floats = self.fixed[MANAGERS]
        return found

    @property
    def manager_rising(self) -> Floats:
        """The stream managers' part of it."""
        found: Floats = self.rising[MANAGERS]
        return found

    @cached_property
    def instance_fixed(self) -> Floats:
        """Cores of each instance that do not depend on load; (n,)."""
        own = {
            v: self.work.idle_cores[v]
            + into * self.work.packet_in_s[v]
            + out * self.work.packet_out_s[v]
            for v, (into, out) in self.packets.own.items()
        }
        return self.placed.per_instance(_fixed(self.work, self.packets), own)

    @cached_property
    def instance_rising(self) -> Floats:
        """Cores of each instance per unit of load; (n,)."""
        return self.work.rising_cores[self.placed.plan.component] * self.placed.share

    @cached_property
    def thread_rising(self) -> Floats:
        """Share of time that each instance's executing thread is busy per unit of load; (n,)."""
        return self.work.thread_cores[self.placed.plan.component] * self.placed.share

    @cached_property
    def packets_in_per_s(self) -> Floats:
        """Packets into each instance; (n,)."""
        own = {v: into for v, (into, _) in self.packets.own.items()}
        return self.placed.per_instance(self.packets.into, own)

    @cached_property
    def packets_out_per_s(self) -> Floats:
        """Packets out of each instance; (n,)."""
        own = {v: out for v, (_, out) in self.packets.own.items()}
        return self.placed.per_instance(self.packets.out, own)


def work(structure: Structure, costs: HeronCosts, runtime: Runtime) -> Work:
    """What the components do; kept with the structure."""
    key = ("work", costs, runtime)
    found: Work | None = structure.memo.get(key)
    if found is None:
        found = structure.memo[key] = _work(structure, costs, runtime)
    return found


def _work(s: Structure, costs: HeronCosts, runtime: Runtime) -> Work:
    executed = np.where(s.spout, 0.0, s.rates.input_per_s)
    simple_jit_s = costs.simple_jit_tuple_s if runtime.simple_jit else 0.0
    acked = executed + np.where(s.spout, s.emit_per_s, 0.0) if runtime.acking else 0.0
    rising = (
        s.rates.input_per_s * s.cpu_s
        + executed * (costs.tuple_in_s + simple_jit_s)
        + s.emit_per_s * (costs.tuple_out_s + simple_jit_s)
        + (s.read_bytes_per_s + s.emit_bytes_per_s) * costs.byte_s
        + acked * costs.ack_s
    )
    thread = rising + executed * s.wait_s
    idle = np.where(s.spout, costs.spout_idle_cores, costs.instance_idle_cores)
    if runtime.warming_up and not runtime.simple_jit:
        idle = idle + np.where(s.spout, costs.compiler_spout_cores, costs.compiler_bolt_cores)
    return Work(
        rising_cores=rising,
        thread_cores=thread,
        service_s=np.divide(thread, executed, out=np.zeros(len(thread)), where=executed > 0),
        idle_cores=idle,
        packet_in_s=np.where(s.spout, 0.0, costs.packet_in_s),
        packet_out_s=np.where(s.spout, costs.spout_packet_out_s, costs.bolt_packet_out_s),
        manager_packet_out_s=np.where(
            s.spout, costs.manager_spout_packet_s, costs.manager_bolt_packet_s
        ),
    )


def demand(
    placed: Placed, costs: HeronCosts, runtime: Runtime, factor: float = 1.0, duty: float = 1.0
) -> Demand:
    """CPU of everything, with packets as they are at load `factor` and spout duty `duty`."""
    return Needs(placed, costs, runtime).at(factor, duty)


class Needs:
    """`demand` of one placement at several loads: what rises with load is computed once."""

    def __init__(self, placed: Placed, costs: HeronCosts, runtime: Runtime) -> None:
        """Costs of `placed` as it runs."""
        self.placed = placed
        self.runtime = runtime
        self.work = work(placed.structure, costs, runtime)
        self._costs = costs
        rising = np.empty((2, placed.counts.shape[1]))
        manager = rising[MANAGERS]
        np.multiply(placed.manager_in_per_s, costs.manager_tuple_s, out=manager)
        manager += placed.manager_remote_in_per_s * costs.manager_remote_in_s
        manager += placed.manager_remote_bytes_per_s * costs.manager_byte_s
        if runtime.acking:
            acks = placed.manager_in_per_s + placed.manager_remote_in_per_s
            manager += acks * costs.manager_ack_s
        np.add(self.work.rising_cores @ placed.sending, manager, out=rising[CONTAINERS])
        self.rising: Floats = rising
        """As `Demand.rising`."""
        self.busiest_thread = float((self.work.thread_cores * placed.largest_share).max())
        """Share of time of the busiest executing thread, per unit of load."""

    def at(self, factor: float = 1.0, duty: float = 1.0) -> Demand:
        """Demand with packets as they are at load `factor` and spout duty `duty`."""
        placed, costs, needs = self.placed, self._costs, self.work
        packets = packet_rates(placed, self.runtime, factor, duty)
        each = np.empty((2, len(packets.into)))
        each[MANAGERS] = packets.into * costs.manager_packet_out_s
        each[MANAGERS] += packets.out * needs.manager_packet_out_s
        np.add(_fixed(needs, packets), each[MANAGERS], out=each[CONTAINERS])
        if packets.own:
            each[:, list(packets.own)] = 0.0
        fixed = each @ placed.counts
        for v, (into, out) in packets.own.items():
            of, width = placed.own[v], fixed.shape[1]
            manager = into * costs.manager_packet_out_s + out * needs.manager_packet_out_s[v]
            both = manager + (
                needs.idle_cores[v] + into * needs.packet_in_s[v] + out * needs.packet_out_s[v]
            )
            fixed[MANAGERS] += of.by_container(manager, width)
            fixed[CONTAINERS] += of.by_container(both, width)
        fixed += self._idle
        return Demand(placed, needs, packets, fixed, self.rising)

    @cached_property
    def _idle(self) -> Floats:
        manager = self._costs.manager_idle_cores
        return np.array([[manager + self._costs.container_background_cores], [manager]])


def _fixed(needs: Work, packets: Packets) -> Floats:
    """Cores of one instance beside those that rise with load; (components,)."""
    return needs.idle_cores + packets.into * needs.packet_in_s + packets.out * needs.packet_out_s
