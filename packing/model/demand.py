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
from packing.model.packets import Forwarding, Pace, Packets
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
    pace: Pace
    """How often bolts flush."""
    gateway_cores: Floats
    """What bytes take of the gateway threads of all instances together."""
    idle_cores: Floats
    """Of one instance."""
    packet_in_s: Floats
    packet_out_s: Floats
    manager_packet_out_s: Floats
    """Stream manager: per packet that an instance sends."""
    fixed_cores: Floats
    """What one instance takes whatever the load, of its container, of the stream manager and of its
    gateway thread; (3, components), as the next two."""
    packet_in_cores: Floats
    """The same per packet into the instance."""
    packet_out_cores: Floats
    """The same per packet that it sends."""
    manager_s: Floats
    """Stream manager: per unit of each of `Placed.manager_flows_per_s`; (3,)."""
    container_cores: Floats
    """What each container takes beside its instances, and its stream manager; (2, 1)."""


CONTAINERS, MANAGERS, GATEWAYS = 0, 1, 2
"""Rows of `Demand.fixed` and `Demand.rising`, and of what one instance takes."""


@dataclass(frozen=True)
class Demand:
    """Cores needed at a load factor x: `fixed + x * rising`, per container and per instance."""

    placed: Placed
    work: Work
    packets: Packets
    fixed: Floats
    """Cores of whole containers, and of their stream managers; (2, C)."""
    rising: Floats
    gateways: Floats
    """Share of time that the gateway thread of a component's busiest instance is busy with packets;
    (components,)."""

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

    def cores_at(self, factor: float) -> Floats:
        """Cores of whole containers, and of their stream managers, at a load factor; (2, C)."""
        found: Floats = self.fixed + factor * self.rising
        return found

    @cached_property
    def instance_fixed(self) -> Floats:
        """Cores of each instance that do not depend on load; (n,)."""
        idle, packet_in_s, packet_out_s = self.placed.kinds.of_components(
            np.stack((self.work.idle_cores, self.work.packet_in_s, self.work.packet_out_s))
        )
        return self.placed.per_instance(
            idle + self.packets.into * packet_in_s + self.packets.out * packet_out_s
        )

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
        return self.placed.per_instance(self.packets.into)

    @cached_property
    def packets_out_per_s(self) -> Floats:
        """Packets out of each instance; (n,)."""
        return self.placed.per_instance(self.packets.out)


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
    gateway = (s.read_bytes_per_s + s.emit_bytes_per_s) * costs.byte_s
    rising = (
        s.rates.input_per_s * s.cpu_s
        + executed * (costs.tuple_in_s + simple_jit_s)
        + s.emit_per_s * (costs.tuple_out_s + simple_jit_s)
        + gateway
        + acked * costs.ack_s
    )
    thread = rising + executed * s.wait_s
    idle = np.where(s.spout, costs.spout_idle_cores, costs.instance_idle_cores)
    if runtime.warming_up and not runtime.simple_jit:
        idle = idle + np.where(s.spout, costs.compiler_spout_cores, costs.compiler_bolt_cores)
    packet_in_s = np.where(s.spout, 0.0, costs.packet_in_s)
    packet_out_s = np.where(s.spout, costs.spout_packet_out_s, costs.bolt_packet_out_s)
    manager_in_s = np.full(len(idle), costs.manager_packet_out_s)
    manager_out_s = np.where(s.spout, costs.manager_spout_packet_s, costs.manager_bolt_packet_s)
    manager_ack_s = costs.manager_ack_s if runtime.acking else 0.0
    service_s = np.divide(thread, executed, out=np.zeros(len(thread)), where=executed > 0)
    busy = s.rates.input_per_s * service_s
    emitted = np.where(s.spout, 0.0, s.emit_per_s)
    return Work(
        rising_cores=rising,
        thread_cores=thread,
        service_s=service_s,
        pace=Pace(
            np.stack((s.rates.input_per_s, busy, emitted, s.stream_changes_per_s)), packet_in_s
        ),
        gateway_cores=gateway,
        idle_cores=idle,
        packet_in_s=packet_in_s,
        packet_out_s=packet_out_s,
        manager_packet_out_s=manager_out_s,
        fixed_cores=np.stack((idle, np.zeros(len(idle)), np.zeros(len(idle)))),
        packet_in_cores=np.stack((packet_in_s + manager_in_s, manager_in_s, packet_in_s)),
        packet_out_cores=np.stack((packet_out_s + manager_out_s, manager_out_s, packet_out_s)),
        manager_s=np.array(
            [
                costs.manager_tuple_s + manager_ack_s,
                costs.manager_remote_in_s + manager_ack_s,
                costs.manager_byte_s,
            ]
        ),
        container_cores=np.array(
            [
                [costs.container_background_cores + costs.manager_idle_cores],
                [costs.manager_idle_cores],
            ]
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
        rising = np.empty((2, placed.counts.shape[1]))
        manager = np.matmul(self.work.manager_s, placed.manager_flows_per_s, out=rising[MANAGERS])
        np.add(self.work.rising_cores @ placed.sending, manager, out=rising[CONTAINERS])
        self.rising: Floats = rising
        """As `Demand.rising`."""
        self.busiest_thread = float((self.work.thread_cores * placed.largest_share).max())
        """Share of time of the busiest executing thread, per unit of load."""
        self.gateways_rising: Floats = self.work.gateway_cores * placed.largest_share
        """What bytes add to `Demand.gateways`, per unit of load; (components,)."""
        self._forwarding = Forwarding(placed, runtime, self.work.pace)
        of_components = placed.kinds.of_components
        self._fixed = of_components(self.work.fixed_cores)
        self._packet_in = of_components(self.work.packet_in_cores)
        self._packet_out = of_components(self.work.packet_out_cores)

    def at(self, factor: float = 1.0, duty: float = 1.0) -> Demand:
        """Demand with packets as they are at load `factor` and spout duty `duty`."""
        placed = self.placed
        packets = self._forwarding.packets(factor, duty)
        each = self._packet_in * packets.into
        each += self._packet_out * packets.out
        gateways = placed.kinds.largest(each[GATEWAYS])
        each += self._fixed
        fixed = placed.in_containers(each[: MANAGERS + 1])
        fixed += self.work.container_cores
        return Demand(placed, self.work, packets, fixed, self.rising, gateways)
