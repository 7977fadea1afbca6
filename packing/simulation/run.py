"""Runs a simulation and reads the result off its memory."""

from __future__ import annotations

import numpy as np

from packing.arrays import Floats
from packing.errors import UnsupportedRequest
from packing.plan import Plan
from packing.simulation import kernel, layout
from packing.simulation.load import SimulatedLoad
from packing.simulation.mechanics import Mechanics
from packing.simulation.network import background_cores, first_room, idle_cores, lay_out, sinks
from packing.simulation.result import Latency, SimulationResult
from packing.topology import Topology

MAX_BYTES = 8 * 1024**3
"""A simulation that needs more memory for tuples under way is refused."""

DEFAULT = Mechanics()


def simulate(
    topology: Topology,
    plan: Plan,
    load: SimulatedLoad,
    mechanics: Mechanics = DEFAULT,
    *,
    seed: int,
    warmup_s: float,
    window_s: float,
) -> SimulationResult:
    """Simulate `topology` under `plan`: `warmup_s` seconds unobserved, then `window_s` measured.

    Equal arguments give equal results. Raises InvalidRequest for a load or plan that does not fit
    the topology, UnsupportedRequest when more tuples are under way than memory can hold.
    """
    if not (warmup_s >= 0 and window_s > 0):
        raise ValueError(f"warm-up {warmup_s} s, window {window_s} s: the window must be above 0")
    room = first_room(topology, plan, load)
    while True:
        s = lay_out(topology, plan, load, mechanics, (warmup_s, window_s), seed, room)
        kernel.run(s)
        status = int(s.sim["status"][0])
        if status == kernel.RUNNING:
            return _result(s, topology, plan, mechanics, window_s)
        room = room.more(status)
        if room.bytes() > MAX_BYTES:
            raise UnsupportedRequest(
                "the simulation holds more tuples under way than fit into memory: acks without "
                "max_spout_pending, or buffers too large for the load"
            )


def _ratio(total: Floats, count: Floats) -> Floats:
    """`total / count`, NaN where there is nothing."""
    empty = np.full(len(count), np.nan)
    return np.asarray(np.divide(total, count, out=empty, where=count > 0), dtype=np.float64)


def _result(
    s: layout.State, topology: Topology, plan: Plan, mechanics: Mechanics, window_s: float
) -> SimulationResult:
    one, box = s.instance, s.container

    def rate(counts: layout.Records) -> Floats:
        return np.asarray(counts / window_s, dtype=np.float64)

    executes, emits = rate(one["executes"]), rate(one["emits"])
    second_executes = 2 * rate(one["executes"] - one["executes_half"])
    second_emits = 2 * rate(one["emits"] - one["emits_half"])
    sink = one["sink"] > 0
    instance_cores = rate(one["used"])
    idle = background_cores(s, plan, mechanics)
    names = sinks(topology)
    latency = {}
    for k, name in enumerate(names):
        rows = sink & (one["histogram"] == k)
        count = int(one["executes"][rows].sum())
        mean_s = float(one["latency"][rows].sum() / count) if count else float("nan")
        latency[name] = Latency(count, mean_s, s.histogram[k].copy())
    total = float(executes[sink].sum())
    second = float(second_executes[sink].sum())
    return SimulationResult(
        window_s=window_s,
        executes_per_s=executes,
        emits_per_s=emits,
        executes_per_s_second_half=second_executes,
        emits_per_s_second_half=second_emits,
        busy=rate(one["busy"]),
        instance_cores=instance_cores + idle_cores(s, mechanics),
        waiting_tuples=rate(one["waiting_area"]),
        waiting_s=_ratio(one["sojourn"], one["waited"]),
        arrival_latency_s=_ratio(one["arrival"], one["arrivals"]),
        packets_in_per_s=rate(one["packets_in"]),
        packets_out_per_s=rate(one["packets_out"]),
        back_pressure_causes=one["bp_count"].astype(np.int64),
        pending_tuples=rate(one["pending_area"]),
        complete_latency_s=_ratio(one["complete"], one["completes"]),
        acks_per_s=rate(one["completes"]),
        container_cores=rate(box["used"]) + idle.sum(axis=0),
        throttled_share=rate(box["throttled_time"]),
        throttled_periods_share=np.nan_to_num(
            _ratio(box["throttled_periods"].astype(np.float64), box["periods"])
        ),
        stmgr_cores=rate(box["stmgr_used"]) + idle[1],
        stmgr_tuples_per_s=rate(box["from_instances"] + box["from_peers"]),
        stmgr_sets_per_s=rate(box["drained_sets"]),
        back_pressure_initiated=rate(box["bp_time"]),
        back_pressure=float(s.sim["bp_time"][0] / window_s),
        throughput_per_s=total,
        throughput_per_s_first_half=2 * total - second,
        throughput_per_s_second_half=second,
        sink_latency=latency,
        tuples=int(s.sim["tuples"][0]),
        events=int(s.sim["events"][0]),
    )
