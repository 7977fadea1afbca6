"""Memory of the simulation: a record per thing that Heron has, in arrays for numba."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from packing.arrays import Floats, Ints
from packing.simulation.mechanics import Mechanics

Records = NDArray[Any]

BLOCK = 16
"""Tuples per block of memory; a tuple set is a chain of blocks."""
CHUNK = 128
"""Most tuples that an executor takes at once."""
BINS = 1056
BIN_FLOOR_S = 1e-6
BIN_RATIO = 1.02
"""Latency histograms: bin k covers 1 us * 1.02 ** k, to 1200 s."""


def _record(**columns: str) -> np.dtype[np.void]:
    return np.dtype(list(columns.items()), align=True)


def _many(code: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), code)


SIM = _record(
    **_many("f8", "now warm_end half end bp_since bp_time"),
    rng="u8",
    **_many("i8", "status heap set_free block_free root_free announcers measuring events tuples"),
    **_many("i8", "acking max_pending instances containers groups ended sets_used roots_used"),
)
"""The simulation as a whole; `announcers` counts stream managers that have announced
back-pressure, `status` says why it had to stop early."""

THREAD = _record(target="f8", work="f8", **_many("i8", "container phase pos version"))
"""A thread that uses CPU: executor 2 i and gateway 2 i + 1 of instance i, then one event loop per
stream manager, then one per container for its background processes. `target` is a reading of its
container's CPU clock."""

HOST = _record(cores="f8", **_many("i8", "running first last"))

CONTAINER = _record(
    **_many(
        "f8", "clock seen speed budget quota background quota_from used stmgr_used throttled_time"
    ),
    **_many("f8", "throttled_since tick_at cache_bytes bp_since bp_time"),
    **_many("i8", "periods throttled_periods from_instances from_peers drained_sets"),
    **_many("i8", "host running base throttled hit version"),
    **_many("i8", "inbox_head inbox_tail tick_due job item out_head out_tail known"),
    **_many("i8", "announced"),
)
"""Container and its stream manager. `inbox` is what its event loop has yet to read, `out` what a
drain has taken from the cache, `known` how many destinations the cache has seen."""

INSTANCE = _record(
    **_many("f8", "cpu_s scv wait_s emits_per_tuple interval next_due timer_at last_stall"),
    **_many("f8", "cycle_start cycle_bytes chunk_start chunk_work waiting_since"),
    **_many("f8", "unread full_writes written out_average in_average"),
    **_many("f8", "used busy latency arrival sojourn waiting waiting_area complete pending_area"),
    **_many("f8", "pending_since"),
    **_many("i8", "executes executes_half emits emits_half arrivals waited completes pending"),
    **_many("i8", "packets_in packets_out acks bp_count"),
    **_many("i8", "component container spout sink poisson first_group last_group histogram"),
    **_many("i8", "socket_head socket_tail caused_bp held_head held_tail"),
    **_many("i8", "in_head in_tail in_size in_room out_head out_tail out_size out_room"),
    **_many("i8", "in_capacity in_expected out_capacity out_expected"),
    **_many("i8", "set block offset left chunk open in_cycle rested gateway_job gateway_set"),
)
"""Instance: `socket` is what its stream manager has sent and it has not read (`unread` bytes),
`held` what it has sent and its stream manager has not read while it is stopped (`written` bytes in
all), `in` and `out` the queues between gateway and executor."""

CACHE = _record(**_many("i8", "open closed_head closed_tail last_drained known"))
"""Tuple cache of one stream manager for one destination task."""

PEER = _record(unread="f8", **_many("i8", "caused_bp full_writes"))
"""Connection between two stream managers."""

SET = _record(
    bytes="f8", sent="f8", **_many("i8", "next head tail size source group kind target sender")
)
"""A tuple set: packet on a connection, item of a queue, or open set of a cache. `sender` is the
peer that sent it, -1 for a local instance."""

ROOT = _record(xor="u8", created="f8", **_many("i8", "spout next"))
"""A tuple tree: what the root's stream manager keeps for it (xor-manager.cpp)."""

GROUP = _record(bytes="f8", **_many("i8", "first last component pad"))
"""An emitted stream and the range of its subscriptions."""

SUBSCRIPTION = _record(**_many("i8", "routing first size pad"))
"""How a stream reaches one component: range of its instances in `target`, `share`."""

MECHANICS = np.dtype([(field.name, "f8") for field in fields(Mechanics)], align=True)


class State(NamedTuple):
    """All memory of one simulation."""

    sim: Records
    mechanics: Records
    thread: Records
    active: Ints
    """Running threads of each container, in its own stretch."""
    host: Records
    container: Records
    by_host: Ints
    instance: Records
    cache: Records
    """Shape (containers, instances)."""
    known: Ints
    """Destinations of each cache in the order of first use, shape (containers, instances)."""
    peer: Records
    """Shape (sender, receiver)."""
    group: Records
    subscription: Records
    target: Ints
    share: Floats
    """Cumulative shares in step with `target`."""
    turn: Ints
    """Next target of a round robin, shape (containers, subscriptions)."""
    gain: Floats
    """Tuples on each emitted stream per tuple of each input stream, shape (groups + 1, groups);
    the last row is for the base tuples of spouts."""
    owed: Floats
    """Fractions of tuples not yet emitted, shape (instances, groups)."""
    scratch: Floats
    """Cumulated work of the chunk in hand, shape (instances, CHUNK)."""
    histogram: Ints
    """Latency of sinks, shape (sink components, BINS)."""
    heap_at: Floats
    heap_what: Ints
    set: Records
    next_block: Ints
    created: Floats
    """Shape (blocks, BLOCK)."""
    root: Ints
    key: NDArray[np.uint64]
    tree: Records
