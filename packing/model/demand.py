"""CPU that a plan needs: of instances, stream managers and containers.

Linear in events: what the user's code takes, and what Heron's costs add per tuple, byte and packet.
Packets are not proportional to load (they follow the drain clock), so demand is split into a part
that grows with load and a part that stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from packing.arrays import Floats, sum_by
from packing.flows import instance_shares, lowest_task_container, routing_shares
from packing.model.costs import HeronCosts
from packing.model.packets import packet_rates
from packing.model.runtime import Runtime
from packing.model.structure import TUPLE_OVERHEAD_BYTES, Structure
from packing.plan import Plan


@dataclass(frozen=True)
class Placed:
    """A structure under a plan: shares and flows, at nominal load."""

    structure: Structure
    plan: Plan
    share: Floats
    """Per instance: share of its component's input; shape (n,)."""
    sending: Floats
    """Share of a component's output that leaves from each container; (components, C)."""
    arriving: Floats
    """Per stream: share of its tuples that arrive in each container; (streams, C)."""
    local_per_s: Floats
    """Per stream: tuples/s that stay inside a container; (streams,)."""
    manager_in_per_s: Floats
    """Per container: tuples from local instances, one per reader."""
    manager_remote_in_per_s: Floats
    manager_remote_bytes_per_s: Floats
    """Per container: bytes to and from other stream managers."""


@dataclass(frozen=True)
class Demand:
    """Cores needed at a load factor x: `fixed + x * rising`, per instance and per container."""

    instance_fixed: Floats
    instance_rising: Floats
    thread_rising: Floats
    """Per instance: share of time that its executing thread is busy per unit of load, waiting
    included."""
    manager_fixed: Floats
    manager_rising: Floats
    container_fixed: Floats
    container_rising: Floats
    packets_in_per_s: Floats
    packets_out_per_s: Floats


def place(structure: Structure, plan: Plan) -> Placed:
    """Flows of `structure` between the containers of `plan`."""
    rates = structure.rates
    share = instance_shares(structure.topology, plan, rates)
    sending, receiving = routing_shares(structure.topology, plan, share)
    streams = len(structure.source)
    width = plan.container_count
    arriving = np.zeros((streams, width))
    for i in range(streams):
        if structure.to_lowest[i]:
            at = lowest_task_container(plan, structure.target[i])
            if at is not None:
                arriving[i, at] = 1.0
        else:
            arriving[i] = receiving[structure.target[i]]
    leaving = sending[list(structure.source)] if streams else np.zeros((0, width))
    rate = rates.stream_per_s[:, None]
    both = leaving * arriving
    remote_out = leaving - both
    remote_in = arriving - both
    wire_bytes = (structure.stream_bytes + TUPLE_OVERHEAD_BYTES)[:, None]
    return Placed(
        structure=structure,
        plan=plan,
        share=share,
        sending=sending,
        arriving=arriving,
        local_per_s=rates.stream_per_s * both.sum(axis=1),
        manager_in_per_s=(rate * leaving).sum(axis=0),
        manager_remote_in_per_s=(rate * remote_in).sum(axis=0),
        manager_remote_bytes_per_s=(rate * wire_bytes * (remote_in + remote_out)).sum(axis=0),
    )


def demand(
    placed: Placed, costs: HeronCosts, runtime: Runtime, factor: float = 1.0, duty: float = 1.0
) -> Demand:
    """CPU of everything, with packets as they are at load `factor` and spout duty `duty`."""
    s, plan = placed.structure, placed.plan
    width = plan.container_count
    component = plan.component
    into, out = packet_rates(
        s.order, s.feeds_at(factor), s.spout.tolist(), s.emits.tolist(),
        s.rates.input_per_s * factor, placed.sending, placed.share, component, plan.counts,
        runtime, duty,
    )  # fmt: skip
    spout = s.spout[component]
    executed = np.where(s.spout, 0.0, s.rates.input_per_s)
    tuple_in_s = costs.tuple_in_s + (costs.simple_jit_tuple_s if runtime.simple_jit else 0.0)
    tuple_out_s = costs.tuple_out_s + (costs.simple_jit_tuple_s if runtime.simple_jit else 0.0)
    acked = executed * 1.0 + np.where(s.spout, s.emit_per_s, 0.0) if runtime.acking else 0.0
    user = s.rates.input_per_s * s.cpu_s
    overhead = (
        executed * tuple_in_s
        + s.emit_per_s * tuple_out_s
        + (s.read_bytes_per_s + s.emit_bytes_per_s) * costs.byte_s
        + acked * costs.ack_s
    )
    rising = (user + overhead)[component] * placed.share
    thread = (user + overhead + executed * s.wait_s)[component] * placed.share
    packets = np.where(
        spout,
        out * costs.spout_packet_out_s,
        into * costs.packet_in_s + out * costs.bolt_packet_out_s,
    )
    idle = np.where(spout, costs.spout_idle_cores, costs.instance_idle_cores)
    if runtime.warming_up and not runtime.simple_jit:
        idle = idle + np.where(spout, costs.compiler_spout_cores, costs.compiler_bolt_cores)
    fixed = idle + packets

    manager_rising = (
        placed.manager_in_per_s * costs.manager_tuple_s
        + placed.manager_remote_in_per_s * costs.manager_remote_in_s
        + placed.manager_remote_bytes_per_s * costs.manager_byte_s
    )
    if runtime.acking:
        acks = placed.manager_in_per_s + placed.manager_remote_in_per_s
        manager_rising = manager_rising + acks * costs.manager_ack_s
    manager_fixed = (
        costs.manager_idle_cores
        + costs.manager_spout_packet_s * sum_by(plan.container, np.where(spout, out, 0.0), width)
        + costs.manager_bolt_packet_s * sum_by(plan.container, np.where(spout, 0.0, out), width)
        + costs.manager_packet_out_s * sum_by(plan.container, into, width)
    )
    return Demand(
        instance_fixed=fixed,
        instance_rising=rising,
        thread_rising=thread,
        manager_fixed=manager_fixed,
        manager_rising=manager_rising,
        container_fixed=sum_by(plan.container, fixed, width)
        + manager_fixed
        + costs.container_background_cores,
        container_rising=sum_by(plan.container, rising, width) + manager_rising,
        packets_in_per_s=into,
        packets_out_per_s=out,
    )
