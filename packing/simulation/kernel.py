# ruff: noqa: PLR0917 - positional calls are what numba compiles well
"""The event loop, compiled.

All compiled functions stand in this one file: numba keeps results per file and does not see that a
function called from another file has changed.

Every function takes the `State` first; `i` is an instance, `c` a container (and its stream
manager), `t` a thread, `p` a tuple set. -1 stands for "none" everywhere.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from packing.simulation.compiled import Handle, compiled, define_handle, entry
from packing.simulation.layout import BIN_FLOOR_S, BIN_RATIO, BINS, BLOCK, CHUNK, State


def _numbered(count: int) -> tuple[Any, ...]:
    """0, 1, 2 ... as machine integers: for a Python constant a callee would be compiled anew."""
    return tuple(np.int64(k) for k in range(count))


NONE: Any = np.int64(-1)
NOTHING, ONE = _numbered(2)
RUNNING, OUT_OF_EVENTS, OUT_OF_SETS, OUT_OF_BLOCKS, OUT_OF_TREES = _numbered(5)
WAKE, CPU_CLOCK, REFILL, TICK, WAITED, SPOUT_DUE, TUNE, ARRIVE, MARK, EXPORT = _numbered(10)
IDLE, WAKING, BUSY, WAITING = _numbered(4)
DATA, ACKS, ANCHORS = _numbered(3)
ROUND_ROBIN, BY_SHARE, TO_ALL, TO_LOWEST = _numbered(4)
DRAIN, READ, SEND, RECEIVE = _numbered(4)

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
SHIFT_30, SHIFT_27, SHIFT_31 = np.uint64(30), np.uint64(27), np.uint64(31)
SHIFT_11 = np.uint64(11)
LOG_RATIO = math.log(BIN_RATIO)
TIE_S = 1e-9
"""Two readings of a clock closer than that are the same: well above rounding, even after hours."""


# ---------------------------------------------------------------- random numbers


@compiled
def random_bits(s: Any) -> Any:
    """64 random bits (splitmix64)."""
    sim = s.sim[0]
    sim.rng += GOLDEN
    z = sim.rng
    z = (z ^ (z >> SHIFT_30)) * MIX_1
    z = (z ^ (z >> SHIFT_27)) * MIX_2
    return z ^ (z >> SHIFT_31)


@compiled
def uniform(s: Any) -> float:
    """Uniform on (0, 1)."""
    return (np.float64(random_bits(s) >> SHIFT_11) + 0.5) * 1.1102230246251565e-16


@compiled
def gamma(s: Any, mean: float, scv: float) -> float:
    """Gamma with that mean and squared coefficient of variation (Marsaglia and Tsang)."""
    if scv == 1.0:
        return -mean * math.log(uniform(s))
    shape = 1.0 / scv
    boost = 1.0
    if shape < 1.0:
        boost = uniform(s) ** (1.0 / shape)
        shape += 1.0
    d = shape - 1.0 / 3.0
    k = 1.0 / math.sqrt(9.0 * d)
    while True:
        normal = math.sqrt(-2.0 * math.log(uniform(s))) * math.cos(2.0 * math.pi * uniform(s))
        v = (1.0 + k * normal) ** 3
        if v > 0.0 and math.log(uniform(s)) < 0.5 * normal * normal + d - d * v + d * math.log(v):
            break
    return mean * scv * d * v * boost


# ---------------------------------------------------------------- calendar


@compiled
def push(s: Any, at: float, kind: int, who: int, version: int) -> None:
    """Put an event into the binary heap."""
    sim = s.sim[0]
    k = sim.heap
    if k >= s.heap_at.shape[0]:
        sim.status = OUT_OF_EVENTS
        return
    sim.heap = k + 1
    what = (np.int64(kind) << 56) | (np.int64(who) << 32) | (np.int64(version) & 0xFFFFFFFF)
    while k > 0:
        parent = (k - 1) >> 1
        if s.heap_at[parent] <= at:
            break
        s.heap_at[k] = s.heap_at[parent]
        s.heap_what[k] = s.heap_what[parent]
        k = parent
    s.heap_at[k] = at
    s.heap_what[k] = what


@compiled
def drop_first(s: Any) -> None:
    """Remove the earliest event."""
    sim = s.sim[0]
    sim.heap -= 1
    size = sim.heap
    at, what = s.heap_at[size], s.heap_what[size]
    k = 0
    while True:
        child = 2 * k + 1
        if child >= size:
            break
        if child + 1 < size and s.heap_at[child + 1] < s.heap_at[child]:
            child += 1
        if s.heap_at[child] >= at:
            break
        s.heap_at[k] = s.heap_at[child]
        s.heap_what[k] = s.heap_what[child]
        k = child
    s.heap_at[k] = at
    s.heap_what[k] = what


# ---------------------------------------------------------------- tuple sets


@compiled
def new_set(s: Any, source: int, group: int, kind: int, target: int) -> Any:
    """An empty tuple set."""
    sim = s.sim[0]
    p = sim.set_free
    if p < 0:
        sim.status = OUT_OF_SETS
        return 0
    item = s.set[p]
    sim.set_free = item.next
    sim.sets_used += 1
    item.next = -1
    item.head = -1
    item.tail = -1
    item.size = 0
    item.bytes = s.mechanics[0].packet_header_bytes
    item.source = source
    item.group = group
    item.kind = kind
    item.target = target
    item.sender = -1
    return p


@compiled
def add(s: Any, p: int, size: float, created: float, root: int, key: Any) -> None:
    """Append a tuple, ack or anchor to set `p`."""
    item = s.set[p]
    at = item.size % BLOCK
    if at == 0:
        sim = s.sim[0]
        block = sim.block_free
        if block < 0:
            sim.status = OUT_OF_BLOCKS
            return
        sim.block_free = s.next_block[block]
        s.next_block[block] = -1
        if item.head < 0:
            item.head = block
        else:
            s.next_block[item.tail] = block
        item.tail = block
    block = item.tail
    s.created[block, at] = created
    if s.sim[0].acking:
        s.root[block, at] = root
        s.key[block, at] = key
    item.size += 1
    item.bytes += size


@compiled
def free_set(s: Any, p: int) -> None:
    """Give back a set and its blocks."""
    sim = s.sim[0]
    item = s.set[p]
    if item.head >= 0:
        s.next_block[item.tail] = sim.block_free
        sim.block_free = item.head
    item.next = sim.set_free
    sim.set_free = p
    sim.sets_used -= 1


# ---------------------------------------------------------------- CPU of hosts and containers


@compiled
def advance(s: Any, c: int) -> None:
    """Move the container's CPU clock to now: all its running threads progress alike."""
    box = s.container[c]
    now = s.sim[0].now
    if not box.throttled:
        passed = (now - box.seen) * box.speed
        if box.running > 0:
            box.clock += passed
            used = passed * box.running
            box.used += used
            box.budget -= used
    box.seen = now


@compiled
def plan_next(s: Any, c: int) -> None:
    """Schedule what comes first: a thread of the container finishes, or its budget is burnt."""
    box = s.container[c]
    box.version += 1
    if box.throttled or box.running == 0:
        return
    target = s.thread[s.active[box.base]].target
    for k in range(1, box.running):
        other = s.thread[s.active[box.base + k]].target
        target = min(target, other)
    left = max(target - box.clock, 0.0) / box.speed
    if box.quota > 0.0:
        left = min(left, max(box.budget, 0.0) / (box.running * box.speed))
    push(s, s.sim[0].now + left, CPU_CLOCK, c, box.version)


@compiled
def change_running(s: Any, c: int, change: int) -> None:
    """`change` threads more want CPU in container c (already advanced).

    Threads of a host share its cores evenly once they are more than the cores.
    """
    box = s.container[c]
    host = s.host[box.host]
    before = host.running
    host.running += change
    first, last = host.first, host.last
    crowded = host.running > host.cores or before > host.cores
    if not crowded:
        first, last = 0, 1
    for k in range(first, last):
        other = c
        if crowded:
            other = s.by_host[k]
            advance(s, other)
            s.container[other].speed = min(1.0, host.cores / max(host.running, 1))
        plan_next(s, other)


@compiled
def start(s: Any, t: int, work: float) -> None:
    """Thread t starts `work` seconds of CPU."""
    thread = s.thread[t]
    box = s.container[thread.container]
    advance(s, thread.container)
    thread.phase = BUSY
    thread.work = work
    thread.target = box.clock + work
    thread.pos = box.running
    s.active[box.base + box.running] = t
    box.running += 1
    change_running(s, thread.container, 0 if box.throttled else 1)


@compiled
def on_cpu_clock(s: Any, c: int) -> Any:
    """The earliest thread of container c has finished (returned), or the budget is burnt (-1)."""
    box = s.container[c]
    advance(s, c)
    best = s.active[box.base]
    for k in range(1, box.running):
        other = s.active[box.base + k]
        if s.thread[other].target < s.thread[best].target:
            best = other
    thread = s.thread[best]
    change = 0
    if thread.target <= box.clock + TIE_S:
        box.running -= 1
        last = s.active[box.base + box.running]
        s.active[box.base + thread.pos] = last
        s.thread[last].pos = thread.pos
        thread.phase = IDLE
        change = -1
    else:
        best = -1
        if box.quota > 0.0 and box.budget <= TIE_S:
            box.throttled = 1
            box.hit = 1
            box.throttled_since = s.sim[0].now
            change = -box.running
    change_running(s, c, change)
    return best


@compiled
def on_refill(s: Any, c: int) -> None:
    """A new period of the CPU quota: the budget is full again, what was left over is lost."""
    box = s.container[c]
    sim = s.sim[0]
    period = s.mechanics[0].quota_period_s
    advance(s, c)
    if sim.measuring:
        box.periods += 1
        box.throttled_periods += box.hit
    box.hit = 0
    box.quota = box.quota_from
    # Background processes live from the same budget.
    box.budget = (box.quota - box.background) * period
    push(s, sim.now + period, REFILL, c, NOTHING)
    change = 0
    if box.throttled and box.budget > TIE_S:
        box.throttled = 0
        if sim.measuring:
            box.throttled_time += sim.now - max(box.throttled_since, sim.warm_end)
        change = box.running
    change_running(s, c, change)


@compiled
def wake(s: Any, t: int) -> None:
    """Work has come for thread t: if it sleeps, it runs after the hand-over."""
    thread = s.thread[t]
    if thread.phase == IDLE:
        thread.phase = WAKING
        thread.version += 1
        push(s, s.sim[0].now + s.mechanics[0].hand_over_s, WAKE, t, thread.version)


@compiled
def wait(s: Any, t: int, duration: float) -> None:
    """Thread t waits without using CPU."""
    thread = s.thread[t]
    thread.phase = WAITING
    thread.version += 1
    push(s, s.sim[0].now + duration, WAITED, t, thread.version)


# ---------------------------------------------------------------- connections to instances


@compiled
def send_to_instance(s: Any, c: int, i: int, p: int) -> None:
    """Stream manager c writes set p to the connection of its instance i."""
    sim = s.sim[0]
    m = s.mechanics[0]
    one = s.instance[i]
    item = s.set[p]
    item.next = -1
    item.sent = sim.now
    if one.socket_head < 0:
        one.socket_head = p
    else:
        s.set[one.socket_tail].next = p
    one.socket_tail = p
    one.unread += item.bytes
    if item.kind == DATA:
        count_waiting(s, i, item.size)
    if not one.caused_bp:
        # connection.cpp, sendPacket: the mark must be seen exceeded several times in a row.
        if one.unread - m.socket_bytes >= m.high_water_bytes:
            one.full_writes += 1
            if one.full_writes > m.high_water_sightings:
                one.full_writes = 0
                one.caused_bp = 1
                one.bp_count += 1
                start_back_pressure(s, c)
        else:
            one.full_writes = 0
    wake(s, 2 * i + 1)


@compiled
def count_waiting(s: Any, i: int, change: int) -> None:
    """Tuples on their way from the stream manager to the executor of i: number and its integral."""
    one = s.instance[i]
    now = s.sim[0].now
    one.waiting_area += one.waiting * (now - one.waiting_since)
    one.waiting_since = now
    one.waiting += change


@compiled
def start_back_pressure(s: Any, c: int) -> None:
    """Stream manager c tells all others; every one stops reading from its spouts."""
    sim = s.sim[0]
    box = s.container[c]
    box.announced += 1
    if box.announced == 1:
        box.bp_since = sim.now
        sim.announcers += 1
        if sim.announcers == 1:
            sim.bp_since = sim.now


@compiled
def stop_back_pressure(s: Any, c: int) -> None:
    """The last cause at c is gone; when none is left anywhere, spouts are read again."""
    sim = s.sim[0]
    box = s.container[c]
    box.announced -= 1
    if box.announced > 0:
        return
    box.bp_time += sim.now - box.bp_since
    sim.announcers -= 1
    if sim.announcers > 0:
        return
    sim.bp_time += sim.now - sim.bp_since
    for i in range(sim.instances):
        one = s.instance[i]
        while one.held_head >= 0:
            p = one.held_head
            one.held_head = s.set[p].next
            to_stmgr(s, one.container, p)
        one.held_tail = -1


@compiled
def to_stmgr(s: Any, c: int, p: int) -> None:
    """Set p can be read by stream manager c."""
    box = s.container[c]
    s.set[p].next = -1
    if box.inbox_head < 0:
        box.inbox_head = p
    else:
        s.set[box.inbox_tail].next = p
    box.inbox_tail = p
    wake(s, 2 * s.sim[0].instances + c)


# ---------------------------------------------------------------- gateway thread of an instance


@compiled
def gateway_next(s: Any, i: int) -> None:
    """Write first, then read while the executor's queue has room (StreamManagerClient)."""
    m = s.mechanics[0]
    one = s.instance[i]
    if one.out_head >= 0 and one.written < m.socket_bytes:
        p = one.out_head
        item = s.set[p]
        one.out_head = item.next
        one.out_size -= 1
        if one.out_size + 1 >= one.out_room:
            wake(s, 2 * i)
        one.gateway_job = SEND
        work = m.gateway_send_packet_s
        if one.spout:
            work += m.gateway_spout_packet_s
    elif one.socket_head >= 0 and one.in_size < one.in_room:
        p = one.socket_head
        item = s.set[p]
        one.socket_head = item.next
        one.unread -= item.bytes
        if one.caused_bp and one.unread - m.socket_bytes <= m.low_water_bytes:
            one.caused_bp = 0
            stop_back_pressure(s, one.container)
        one.gateway_job = RECEIVE
        work = m.gateway_receive_packet_s
    else:
        return
    one.gateway_set = p
    start(s, 2 * i + 1, work + m.gateway_tuple_s * item.size + m.gateway_byte_s * item.bytes)


@compiled
def gateway_finished(s: Any, i: int) -> None:
    """A packet has been written to the socket, or has been read and parsed."""
    one = s.instance[i]
    p = one.gateway_set
    item = s.set[p]
    item.next = -1
    if one.gateway_job == SEND:
        one.packets_out += 1
        one.written += item.bytes
        if one.spout and s.sim[0].announcers > 0:
            if one.held_head < 0:
                one.held_head = p
            else:
                s.set[one.held_tail].next = p
            one.held_tail = p
        else:
            to_stmgr(s, one.container, p)
    else:
        one.packets_in += 1
        if one.in_head < 0:
            one.in_head = p
        else:
            s.set[one.in_tail].next = p
        one.in_tail = p
        one.in_size += 1
        wake(s, 2 * i)


# ---------------------------------------------------------------- what an executor sends


@compiled
def emit(s: Any, i: int, kind: int, group: int, created: float, root: int, key: Any) -> None:
    """Append to the packet being built; another stream or kind closes it first.

    OutgoingTupleCollection.java: a data set and a control set flush each other.
    """
    m = s.mechanics[0]
    one = s.instance[i]
    p = one.open
    if p >= 0:
        item = s.set[p]
        limit = m.packet_max_tuples if kind == DATA else m.packet_max_acks
        if (
            item.kind != kind
            or item.group != group
            or item.size >= limit
            or item.bytes >= m.packet_max_bytes
        ):
            close_packet(s, i)
            p = -1
    if s.sim[0].status != RUNNING:
        return
    if p < 0:
        p = new_set(s, i, group, kind, NONE)
        one.open = p
    add(s, p, s.group[group].bytes if kind == DATA else m.ack_bytes, created, root, key)


@compiled
def close_packet(s: Any, i: int) -> None:
    """Push the packet being built to the queue of the gateway."""
    one = s.instance[i]
    p = one.open
    if p < 0:
        return
    one.open = -1
    s.set[p].next = -1
    if one.out_head < 0:
        one.out_head = p
    else:
        s.set[one.out_tail].next = p
    one.out_tail = p
    one.out_size += 1
    wake(s, 2 * i + 1)


# ---------------------------------------------------------------- executor of a bolt


@compiled
def bolt_next(s: Any, i: int) -> None:
    """Go on with the packet in hand, the cycle, or a new cycle (BoltInstance).

    A cycle reads packets until the queue is empty or its time is over; only then does what it
    emitted leave. A new one needs room in the queue of the gateway.
    """
    now = s.sim[0].now
    m = s.mechanics[0]
    one = s.instance[i]
    if one.left == 0:
        if one.in_cycle and (one.in_head < 0 or now - one.cycle_start > m.execute_batch_s):
            one.in_cycle = 0
            close_packet(s, i)
        if one.in_head < 0 or (not one.in_cycle and one.out_size >= one.out_room):
            return
        if not one.in_cycle:
            one.in_cycle = 1
            one.cycle_start = now
        take_packet(s, i)
        if now < m.startup_s and now >= one.last_stall + m.startup_stall_every_s:
            one.last_stall = now
            one.chunk = 0
            wait(s, 2 * i, m.startup_stall_s)
            return
    start_chunk(s, i)


@compiled
def take_packet(s: Any, i: int) -> None:
    """Take the next packet from the read queue."""
    one = s.instance[i]
    p = one.in_head
    item = s.set[p]
    one.in_head = item.next
    one.in_size -= 1
    one.set = p
    one.block = item.head
    one.offset = 0
    one.left = item.size
    if one.socket_head >= 0 and one.in_size < one.in_room:
        wake(s, 2 * i + 1)


@compiled
def start_chunk(s: Any, i: int) -> None:
    """Execute some of the packet's tuples: draw their service times, then use that much CPU."""
    sim = s.sim[0]
    m = s.mechanics[0]
    one = s.instance[i]
    emits = 0.0
    for group in range(one.first_group, one.last_group):
        emits += s.gain[s.set[one.set].group, group]
    overhead = m.executor_receive_s + m.executor_emit_s * emits
    if sim.acking:
        overhead += m.executor_ack_s
    each = overhead + one.cpu_s + one.wait_s
    size = min(one.left, CHUNK)
    if each * size > m.chunk_s:
        size = max(1, min(size, int(m.chunk_s / each)))
    total = 0.0
    for k in range(size):
        service = one.cpu_s
        if one.scv > 0.0 and service > 0.0:
            service = gamma(s, service, one.scv)
        total += overhead + service
        s.scratch[i, k] = total
    one.chunk = size
    one.chunk_start = sim.now
    one.chunk_work = total
    count_waiting(s, i, -size)
    if sim.measuring:
        one.sojourn += size * (sim.now - s.set[one.set].sent)
        one.waited += size
    start(s, 2 * i, total)


@compiled
def record_latency(s: Any, i: int, latency: float) -> None:
    """Put a sink's latency into the histogram of its component."""
    one = s.instance[i]
    one.latency += latency
    k = 0
    if latency > BIN_FLOOR_S:
        k = min(int(math.log(latency / BIN_FLOOR_S) / LOG_RATIO), BINS - 1)
    s.histogram[one.histogram, k] += 1


@compiled
def chunk_finished(s: Any, i: int) -> None:
    """The tuples of the chunk are executed; their outputs join the packet being built."""
    sim = s.sim[0]
    one = s.instance[i]
    size = one.chunk
    took = sim.now - one.chunk_start
    total = one.chunk_work + size * one.wait_s
    measuring = sim.measuring
    sim.tuples += size
    if measuring:
        one.busy += took
        one.executes += size
    before = one.chunk_start
    read = s.set[one.set].group
    for k in range(size):
        if one.offset == BLOCK:
            one.block = s.next_block[one.block]
            one.offset = 0
        created = s.created[one.block, one.offset]
        root = NONE
        key = np.uint64(0)
        if sim.acking:
            root = s.root[one.block, one.offset]
            key = s.key[one.block, one.offset]
        one.offset += 1
        end = sim.now
        if total > 0.0:
            end = one.chunk_start + took * (s.scratch[i, k] + (k + 1) * one.wait_s) / total
        if measuring:
            one.arrival += before - created
            one.arrivals += 1
            if one.sink:
                record_latency(s, i, end - created)
        before = end
        for group in range(one.first_group, one.last_group):
            s.owed[i, group] += s.gain[read, group]
            while s.owed[i, group] >= 1.0 - 1e-9:
                s.owed[i, group] -= 1.0
                emit(s, i, DATA, group, created, root, np.uint64(0))
                if measuring:
                    one.emits += 1
        if root >= 0:
            emit(s, i, ACKS, NONE, 0.0, root, key)
    one.left -= size
    if one.left == 0:
        free_set(s, one.set)
        one.set = -1


# ---------------------------------------------------------------- executor of a spout


@compiled
def may_emit(s: Any, i: int) -> bool:
    """Whether max.spout.pending allows another tuple."""
    sim = s.sim[0]
    return not sim.acking or sim.max_pending < 0 or s.instance[i].pending < sim.max_pending


@compiled
def count_pending(s: Any, i: int, change: int) -> None:
    """Unacked tuples of spout i and their integral over time."""
    one = s.instance[i]
    now = s.sim[0].now
    one.pending_area += one.pending * (now - one.pending_since)
    one.pending_since = now
    one.pending += change


@compiled
def take_acks(s: Any, i: int) -> int:
    """The spout reads all acks that have come; their number."""
    sim = s.sim[0]
    one = s.instance[i]
    acks = 0
    while one.in_head >= 0:
        p = one.in_head
        item = s.set[p]
        one.in_head = item.next
        one.in_size -= 1
        block = item.head
        for k in range(item.size):
            if k > 0 and k % BLOCK == 0:
                block = s.next_block[block]
            root = s.root[block, k % BLOCK]
            tree = s.tree[root]
            if sim.measuring:
                one.complete += sim.now - tree.created
                one.completes += 1
            tree.next = sim.root_free
            sim.root_free = root
            sim.roots_used -= 1
        acks += item.size
        count_pending(s, i, -item.size)
        free_set(s, p)
    if acks > 0 and one.socket_head >= 0:
        wake(s, 2 * i + 1)
    return acks


@compiled
def spout_next(s: Any, i: int) -> None:
    """A turn of the spout's loop, or the rest of one (SpoutInstance).

    A turn reads acks, then calls nextTuple until it emits nothing, max.spout.pending is reached,
    or bytes or time of the turn are used up. What it emitted leaves at its end.
    """
    sim = s.sim[0]
    m = s.mechanics[0]
    one = s.instance[i]
    if one.in_cycle:
        if one.next_due > sim.now + TIE_S or not may_emit(s, i):
            spout_pause(s, i)
            return
        if one.cycle_bytes >= m.emit_batch_bytes or sim.now - one.cycle_start > m.emit_batch_s:
            one.in_cycle = 0
            close_packet(s, i)
    acks = 0
    if not one.in_cycle:
        acks = take_acks(s, i)
        if one.interval < 0.0 or one.out_size >= one.out_room:
            return  # emits nothing at all, or not before the gateway has taken packets
        one.in_cycle = 1
        one.cycle_start = sim.now
        one.cycle_bytes = 0.0
    if not spout_burst(s, i, acks):
        spout_pause(s, i)


@compiled
def spout_burst(s: Any, i: int, acks: int) -> bool:
    """Call nextTuple for everything that is due; False if that is nothing."""
    sim = s.sim[0]
    m = s.mechanics[0]
    one = s.instance[i]
    one.next_due = max(one.next_due, sim.now - m.spout_catch_up_s)
    room = CHUNK
    if sim.acking and sim.max_pending >= 0:
        # Each base tuple may emit several; nextTuple is only asked while there is room.
        per = max(one.emits_per_tuple, 1e-9)
        left = sim.max_pending - one.pending
        room = min(room, math.ceil(left / per)) if left > 0 else 0
    due = 0
    while due < room and one.next_due <= sim.now + TIE_S:
        due += 1
        gap = one.interval
        if one.poisson:
            gap *= -math.log(uniform(s))
        one.next_due += gap
    one.chunk = due
    one.chunk_start = sim.now
    if due == 0 and acks == 0:
        return False
    work = due * (one.cpu_s + m.spout_emit_s * one.emits_per_tuple) + acks * m.executor_ack_s
    if due > 0 and one.cycle_bytes == 0.0:
        work += m.spout_cycle_s
    start(s, 2 * i, work)
    return True


@compiled
def spout_pause(s: Any, i: int) -> None:
    """Nothing is due: the spout's nextTuple sleeps; only then does its packet leave."""
    sim = s.sim[0]
    m = s.mechanics[0]
    one = s.instance[i]
    one.in_cycle = 0
    if not may_emit(s, i):
        close_packet(s, i)
        if one.in_head >= 0:
            wake(s, 2 * i)
        return
    park = m.spout_idle_park_s
    if park > 0.0:
        pause = park
        if one.open < 0 and not sim.acking and one.next_due > sim.now + park:
            # Nobody is waiting for this spout: skip the turns that would find nothing.
            pause = park * min(math.ceil((one.next_due - sim.now) / park), 1e6)
        if m.spout_park_jitter_s > 0.0:
            pause += m.spout_park_jitter_s * (2.0 * uniform(s) - 1.0)
        wait(s, 2 * i, pause)
        return
    close_packet(s, i)
    if one.timer_at != one.next_due and math.isfinite(one.next_due):
        one.timer_at = one.next_due
        push(s, max(one.next_due, sim.now), SPOUT_DUE, i, NOTHING)


@compiled
def spout_worked(s: Any, i: int) -> None:
    """The burst is over: create its tuples."""
    sim = s.sim[0]
    one = s.instance[i]
    size = one.chunk
    took = sim.now - one.chunk_start
    for k in range(size):
        created = one.chunk_start + took * (k + 1) / size
        for group in range(one.first_group, one.last_group):
            s.owed[i, group] += s.gain[sim.groups, group]
            while s.owed[i, group] >= 1.0 - 1e-9:
                s.owed[i, group] -= 1.0
                root = NONE
                if sim.acking:
                    root = new_tree(s, i, created)
                emit(s, i, DATA, group, created, root, np.uint64(0))
                one.cycle_bytes += s.group[group].bytes
                if sim.measuring:
                    one.emits += 1
    if sim.measuring:
        one.busy += took


@compiled
def new_tree(s: Any, i: int, created: float) -> Any:
    """A tuple tree begins at spout i."""
    sim = s.sim[0]
    root = sim.root_free
    if root < 0:
        sim.status = OUT_OF_TREES
        return 0
    tree = s.tree[root]
    sim.root_free = tree.next
    sim.roots_used += 1
    tree.xor = np.uint64(0)
    tree.created = created
    tree.spout = i
    count_pending(s, i, ONE)
    return root


# ---------------------------------------------------------------- stream manager


@compiled
def cached(s: Any, c: int, i: int, source: int, group: int, kind: int) -> Any:
    """The open set for destination i that may take one more of that kind (tuple-cache.cpp).

    Data of another source or stream, or control among data, closes the open set.
    """
    m = s.mechanics[0]
    entry = s.cache[c, i]
    box = s.container[c]
    if not entry.known:
        entry.known = 1
        s.known[c, box.known] = i
        box.known += 1
    p = entry.open
    if p >= 0:
        item = s.set[p]
        if (
            item.kind == kind
            and item.source == source
            and item.group == group
            and item.bytes <= m.set_max_bytes
        ):
            return p
        if entry.closed_head < 0:
            entry.closed_head = p
        else:
            s.set[entry.closed_tail].next = p
        entry.closed_tail = p
    p = new_set(s, source, group, kind, i)
    entry.open = p
    return p


@compiled
def take_out(s: Any, c: int, p: int) -> Any:
    """Move a set from the cache to what leaves at the end of this drain; its CPU cost."""
    m = s.mechanics[0]
    box = s.container[c]
    item = s.set[p]
    leave(s, c, p)
    box.drained_sets += 1
    work = m.stmgr_packet_s
    if s.instance[item.target].container != c:
        work += m.stmgr_remote_tuple_s * item.size
    elif item.kind != DATA:
        work += m.stmgr_ack_s * item.size
    return work


@compiled
def drain(s: Any, c: int) -> Any:
    """Drain the cache: all closed sets leave; an open one only if neither this drain nor the
    previous one had anything for its destination. Returns the CPU cost."""
    box = s.container[c]
    work = 0.0
    for k in range(box.known):
        entry = s.cache[c, s.known[c, k]]
        drained = 0
        p = entry.closed_head
        while p >= 0:
            after = s.set[p].next
            work += take_out(s, c, p)
            drained += 1
            p = after
        entry.closed_head = -1
        entry.closed_tail = -1
        if entry.open >= 0 and drained == 0 and entry.last_drained == 0:
            work += take_out(s, c, entry.open)
            entry.open = -1
            drained = 1
        entry.last_drained = drained
    box.cache_bytes = 0.0
    return work


@compiled
def stmgr_next(s: Any, c: int) -> None:
    """The event loop's next callback: the drain timer if it is due, else the next packet."""
    sim = s.sim[0]
    box = s.container[c]
    if box.tick_due:
        box.tick_due = 0
        box.job = DRAIN
        set_timer(s, c)
        work = drain(s, c)
    elif box.inbox_head >= 0:
        box.job = READ
        work = read_cost(s, c)
    else:
        return
    start(s, 2 * sim.instances + c, work)


@compiled
def read_cost(s: Any, c: int) -> Any:
    """Take the next packet of the inbox; CPU of handling it."""
    sim = s.sim[0]
    m = s.mechanics[0]
    box = s.container[c]
    p = box.inbox_head
    item = s.set[p]
    box.inbox_head = item.next
    box.item = p
    work = m.stmgr_packet_s + m.stmgr_byte_s * item.bytes
    if item.sender >= 0:
        if sim.acking:
            work += m.stmgr_parse_tuple_s * item.size
            if item.kind != DATA:
                work += m.stmgr_ack_s * item.size
    elif item.kind == DATA:
        group = s.group[item.group]
        copies = 0
        for k in range(group.first, group.last):
            subscription = s.subscription[k]
            copies += subscription.size if subscription.routing == TO_ALL else 1
        work += m.stmgr_tuple_s * item.size * copies
        if sim.acking and not s.instance[item.source].spout:
            work += m.stmgr_ack_s * item.size * copies
    else:
        work += m.stmgr_ack_s * item.size
    return work


@compiled
def stmgr_finished(s: Any, c: int) -> None:
    """The callback is done: what it sends is on its way."""
    box = s.container[c]
    if box.job == READ:
        p = box.item
        item = s.set[p]
        if item.sender >= 0:
            if s.sim[0].measuring and item.kind == DATA:
                box.from_peers += item.size
            read_from_peer(s, c, item.sender, item.bytes)
            leave(s, c, p)
        else:
            one = s.instance[item.source]
            one.written -= item.bytes
            if one.out_head >= 0:
                wake(s, 2 * item.source + 1)
            if item.kind == DATA:
                route(s, c, p)
            else:
                spread_acks(s, c, p)
            free_set(s, p)
    send_out(s, c)


@compiled
def leave(s: Any, c: int, p: int) -> None:
    """Set p leaves stream manager c at the end of this callback."""
    box = s.container[c]
    s.set[p].next = -1
    if box.out_head < 0:
        box.out_head = p
    else:
        s.set[box.out_tail].next = p
    box.out_tail = p


@compiled
def send_out(s: Any, c: int) -> None:
    """Send everything that leaves to local instances and peers."""
    box = s.container[c]
    while box.out_head >= 0:
        p = box.out_head
        box.out_head = s.set[p].next
        there = s.instance[s.set[p].target].container
        if there == c:
            deliver(s, c, p)
        else:
            send_to_peer(s, c, there, p)
    box.out_tail = -1


@compiled
def send_to_peer(s: Any, c: int, there: int, p: int) -> None:
    """Stream manager c writes set p to its connection with a peer."""
    m = s.mechanics[0]
    line = s.peer[c, there]
    item = s.set[p]
    item.sender = c
    line.unread += item.bytes
    if not line.caused_bp:
        if line.unread - m.peer_socket_bytes >= m.high_water_bytes:
            line.full_writes += 1
            if line.full_writes > m.high_water_sightings:
                line.full_writes = 0
                line.caused_bp = 1
                start_back_pressure(s, c)
        else:
            line.full_writes = 0
    if m.network_s > 0.0:
        push(s, s.sim[0].now + m.network_s, ARRIVE, there, p)
    else:
        to_stmgr(s, there, p)


@compiled
def read_from_peer(s: Any, c: int, sender: int, size: float) -> None:
    """Stream manager c has read `size` bytes that its peer sent."""
    m = s.mechanics[0]
    line = s.peer[sender, c]
    line.unread -= size
    if line.caused_bp and line.unread - m.peer_socket_bytes <= m.low_water_bytes:
        line.caused_bp = 0
        stop_back_pressure(s, sender)


@compiled
def deliver(s: Any, c: int, p: int) -> None:
    """A set has reached the stream manager of its destination: data goes on to the instance, acks
    are accounted for here (StMgr::SendInBound)."""
    item = s.set[p]
    if item.kind == DATA:
        send_to_instance(s, c, item.target, p)
        return
    done = NONE
    block = item.head
    for k in range(item.size):
        if k > 0 and k % BLOCK == 0:
            block = s.next_block[block]
        root = s.root[block, k % BLOCK]
        tree = s.tree[root]
        tree.xor ^= s.key[block, k % BLOCK]
        if item.kind == ACKS and tree.xor == np.uint64(0):
            if done < 0:
                done = new_set(s, item.source, NONE, ACKS, item.target)
            add(s, done, s.mechanics[0].ack_bytes, 0.0, root, np.uint64(0))
    target = item.target
    free_set(s, p)
    if done >= 0:
        send_to_instance(s, c, target, done)


@compiled
def cache_tuple(
    s: Any, c: int, i: int, source: int, group: int, kind: int, created: float, root: int, key: Any
) -> None:
    """Put a tuple, ack or anchor for destination i into the cache."""
    m = s.mechanics[0]
    box = s.container[c]
    if s.sim[0].status != RUNNING:
        return
    if box.cache_bytes >= m.cache_drain_bytes:
        drain(s, c)
    size = s.group[group].bytes if kind == DATA else m.ack_bytes
    add(s, cached(s, c, i, source, group, kind), size, created, root, key)
    box.cache_bytes += size


@compiled
def copy_out(s: Any, c: int, i: int, p: int, created: float, root: int) -> None:
    """One copy of a tuple of packet p for destination i; anchored ones tell the root's manager."""
    item = s.set[p]
    key = np.uint64(0)
    if root >= 0:
        key = random_bits(s)
        tree = s.tree[root]
        if s.instance[item.source].spout:
            tree.xor ^= key
        else:
            cache_tuple(s, c, tree.spout, item.source, NONE, ANCHORS, 0.0, root, key)
    cache_tuple(s, c, i, item.source, item.group, DATA, created, root, key)


@compiled
def route(s: Any, c: int, p: int) -> None:
    """Route a packet's tuples to the instances that read its stream (StMgr::HandleInstanceData)."""
    sim = s.sim[0]
    item = s.set[p]
    group = s.group[item.group]
    if sim.measuring:
        s.container[c].from_instances += item.size
    block = item.head
    for k in range(item.size):
        if k > 0 and k % BLOCK == 0:
            block = s.next_block[block]
        created = s.created[block, k % BLOCK]
        root = s.root[block, k % BLOCK] if sim.acking else -1
        for n in range(group.first, group.last):
            subscription = s.subscription[n]
            first = subscription.first
            size = subscription.size
            if subscription.routing == ROUND_ROBIN:
                turn = s.turn[c, n]
                s.turn[c, n] = turn + 1 if turn + 1 < size else 0
                first += turn
            elif subscription.routing == BY_SHARE:
                u = uniform(s)
                high = first + size - 1
                while first < high:
                    middle = (first + high) >> 1
                    if s.share[middle] < u:
                        first = middle + 1
                    else:
                        high = middle
            copies = size if subscription.routing == TO_ALL else 1
            for at in range(first, first + copies):
                copy_out(s, c, s.target[at], p, created, root)


@compiled
def spread_acks(s: Any, c: int, p: int) -> None:
    """Acks of a local bolt go to the caches of the spouts where their trees began."""
    item = s.set[p]
    block = item.head
    for k in range(item.size):
        if k > 0 and k % BLOCK == 0:
            block = s.next_block[block]
        root = s.root[block, k % BLOCK]
        key = s.key[block, k % BLOCK]
        cache_tuple(s, c, s.tree[root].spout, item.source, NONE, ACKS, 0.0, root, key)


@compiled
def on_tick(s: Any, c: int) -> None:
    """The drain timer of stream manager c has expired; its callback runs when the loop does."""
    s.container[c].tick_due = 1
    wake(s, 2 * s.sim[0].instances + c)


@compiled
def set_timer(s: Any, c: int) -> None:
    """Set the drain timer again, as its callback does first of all (event_loop_impl.cpp).

    The loop's clock moves in steps: a callback less than a step late does not shift the next one.
    """
    now = s.sim[0].now
    m = s.mechanics[0]
    box = s.container[c]
    if now - box.tick_at >= m.drain_slip_s:
        box.tick_at = now
    box.tick_at += m.drain_tick_s
    if m.drain_slip_share > 0.0 and uniform(s) < m.drain_slip_share:
        box.tick_at += m.drain_slip_s
    push(s, box.tick_at, TICK, c, NOTHING)


# ---------------------------------------------------------------- threads and time


@compiled
def run_thread(s: Any, t: int) -> None:
    """Thread t looks for work."""
    instances = s.sim[0].instances
    if t >= 2 * instances:
        stmgr_next(s, t - 2 * instances)
    elif t & 1:
        gateway_next(s, t >> 1)
    elif s.instance[t >> 1].spout:
        spout_next(s, t >> 1)
    else:
        bolt_next(s, t >> 1)


@compiled
def finished(s: Any, t: int) -> bool:
    """Thread t has done its work or waited its time; whether it looks for more."""
    sim = s.sim[0]
    c = t - 2 * sim.instances
    if c >= sim.containers:
        return False
    if c >= 0:
        if sim.measuring:
            s.container[c].stmgr_used += s.thread[t].work
        stmgr_finished(s, c)
        return True
    i = t >> 1
    one = s.instance[i]
    rested = one.rested and t & 1 == 0
    if sim.measuring and not rested:
        one.used += s.thread[t].work
    if t & 1:
        gateway_finished(s, i)
        return True
    one.rested = 0
    if one.spout:
        if rested:
            close_packet(s, i)
        else:
            spout_worked(s, i)
    elif one.wait_s > 0.0 and not rested:
        wait(s, t, one.chunk * one.wait_s)
        return False
    elif one.chunk > 0:
        chunk_finished(s, i)
    return True


@compiled
def on_export(s: Any, c: int) -> None:
    """The metrics manager of container c exports: a burst of work for a thread of its own."""
    sim = s.sim[0]
    m = s.mechanics[0]
    t = 2 * sim.instances + sim.containers + c
    push(s, sim.now + m.export_interval_s, EXPORT, c, NOTHING)
    if s.thread[t].phase == IDLE:
        start(s, t, m.export_s)


@compiled
def tuned(size: int, average: float, expected: int, capacity: int, room: int, weight: float) -> Any:
    """New average and room of a queue (Communicator.updateExpectedAvailableCapacity)."""
    average = float(int((1.0 - weight) * average + weight * size))
    if average < expected and room < capacity:
        room += 1
    elif average > expected and room > 1:
        room //= 2
    return average, room


@compiled
def on_tune(s: Any) -> None:
    """Every instance adapts how many packets its queues accept."""
    sim = s.sim[0]
    weight = s.mechanics[0].tuning_weight
    for i in range(sim.instances):
        one = s.instance[i]
        before = one.in_room
        one.in_average, one.in_room = tuned(
            one.in_size, one.in_average, one.in_expected, one.in_capacity, before, weight
        )
        if one.in_room > before and one.socket_head >= 0:
            wake(s, 2 * i + 1)
        before = one.out_room
        one.out_average, one.out_room = tuned(
            one.out_size, one.out_average, one.out_expected, one.out_capacity, before, weight
        )
        if one.out_room > before:
            wake(s, 2 * i)
    push(s, sim.now + s.mechanics[0].tuning_interval_s, TUNE, NOTHING, NOTHING)


@compiled
def begin_window(s: Any) -> None:
    """Warm-up is over: forget what was counted."""
    sim = s.sim[0]
    sim.measuring = 1
    sim.bp_time = 0.0
    sim.bp_since = sim.now
    for i in range(sim.instances):
        one = s.instance[i]
        count_waiting(s, i, NOTHING)
        count_pending(s, i, NOTHING)
        one.waiting_area = 0.0
        one.pending_area = 0.0
        one.packets_in = 0
        one.packets_out = 0
        one.bp_count = 0
    for c in range(sim.containers):
        box = s.container[c]
        advance(s, c)
        box.used = 0.0
        box.bp_time = 0.0
        box.bp_since = sim.now
        box.drained_sets = 0


@compiled
def end_window(s: Any) -> None:
    """Close all integrals over time."""
    sim = s.sim[0]
    if sim.announcers > 0:
        sim.bp_time += sim.now - sim.bp_since
    for i in range(sim.instances):
        count_waiting(s, i, NOTHING)
        count_pending(s, i, NOTHING)
    for c in range(sim.containers):
        box = s.container[c]
        advance(s, c)
        if box.announced > 0:
            box.bp_time += sim.now - box.bp_since
        if box.throttled:
            box.throttled_time += sim.now - max(box.throttled_since, sim.warm_end)
    sim.ended = 1


@compiled
def on_mark(s: Any, which: int) -> None:
    """Start, middle or end of the measuring window."""
    if which == 0:
        begin_window(s)
    elif which == 1:
        for i in range(s.sim[0].instances):
            one = s.instance[i]
            one.executes_half = one.executes
            one.emits_half = one.emits
    else:
        end_window(s)


@compiled
def loop(s: Any) -> None:  # noqa: PLR0912 - one branch per kind of event
    """Run to the end of the measuring window, or until memory is full (`status`)."""
    sim = s.sim[0]
    while not sim.ended and sim.status == RUNNING:
        at = s.heap_at[0]
        what = s.heap_what[0]
        drop_first(s)
        sim.now = at
        sim.events += 1
        kind = what >> 56
        who = (what >> 32) & 0xFFFFFF
        version = what & 0xFFFFFFFF
        done = -1
        ready = -1
        if kind == WAKE:
            if s.thread[who].version == version and s.thread[who].phase == WAKING:
                s.thread[who].phase = IDLE
                ready = who
        elif kind == CPU_CLOCK:
            if s.container[who].version == version:
                done = on_cpu_clock(s, who)
        elif kind == REFILL:
            on_refill(s, who)
        elif kind == TICK:
            on_tick(s, who)
        elif kind == WAITED:
            if s.thread[who].version == version:
                s.thread[who].phase = IDLE
                s.instance[who >> 1].rested = 1
                done = who
        elif kind == SPOUT_DUE:
            wake(s, 2 * who)
        elif kind == TUNE:
            on_tune(s)
        elif kind == ARRIVE:
            to_stmgr(s, who, version)
        elif kind == EXPORT:
            on_export(s, who)
        else:
            on_mark(s, who)
        # Each part of the loop is called from one place: the compiler copies callees into callers.
        if done >= 0 and finished(s, done):
            ready = done
        if ready >= 0:
            run_thread(s, ready)


define_handle(State._fields)


@entry
def run(state: Any) -> None:
    """Run a simulation that `lay_out` has prepared, in place."""
    loop(Handle(*state))  # type: ignore[no-untyped-call]
