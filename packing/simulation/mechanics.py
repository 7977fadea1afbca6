"""Constants of a running Heron: clocks, costs, buffers."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

KIB = 1024.0
MIB = 1024.0 * KIB


@dataclass(frozen=True)
class Mechanics:
    """Everything about Heron and its host that is not the topology, in seconds, bytes and cores.

    "Measured" means read off uncapped runs of Heron 0.20.5 on one two-core machine (kernel with
    250 ticks a second): single-hop runs for the clocks, linear fits of thread CPU for the costs.
    "Heron" names the file or the setting that states the rule.
    """

    # -- the stream manager's clock (heron/stmgr/src/cpp/util/tuple-cache.cpp)
    drain_tick_s: float = 0.012
    """`heron.streammgr.cache.drain.frequency.ms` is 10, but the event loop tells time by a clock
    that moves every 4 ms, so the timer fires on the third step. Measured."""
    drain_slip_s: float = 0.004
    """A late tick comes one step of that clock later."""
    drain_slip_share: float = 0.01
    """Ticks that are late: gives the measured mean period of 12.04 ms, and lets the clocks of two
    stream managers wander against each other."""
    cache_drain_bytes: float = 100.0 * MIB
    """`heron.streammgr.cache.drain.size.mb`: a fuller cache is drained at once."""
    set_max_bytes: float = 10.0 * MIB - 1024.0
    """A larger tuple set is closed (`...network.options.maximum.packet.mb`)."""

    # -- CPU of a stream manager; measured
    stmgr_packet_s: float = 12e-6
    """Per packet read or written."""
    stmgr_tuple_s: float = 0.35e-6
    """Per copy of a tuple put into the cache."""
    stmgr_remote_tuple_s: float = 0.3e-6
    """Per tuple sent to a peer: the sender parses the set again to count it (stmgr-client.cpp)."""
    stmgr_parse_tuple_s: float = 0.1e-6
    """Per tuple from a peer when acks are on: the receiver parses what it otherwise passes on."""
    stmgr_ack_s: float = 0.45e-6
    """Per ack or anchor handled."""
    stmgr_byte_s: float = 0.45e-9
    """Per byte read."""
    stmgr_idle_cores: float = 0.007

    # -- instances (heron/instance/src/java); CPU measured
    executor_receive_s: float = 4.5e-6
    """Deserialising one tuple and calling execute."""
    executor_emit_s: float = 3.0e-6
    """Serialising one tuple that a bolt emits."""
    spout_emit_s: float = 2.5e-6
    """nextTuple and serialising one tuple, beyond the spout's own CPU."""
    spout_cycle_s: float = 10e-6
    """One turn of the spout's loop that emitted something."""
    executor_ack_s: float = 0.2e-6
    """Per ack sent by a bolt or handled by a spout."""
    gateway_receive_packet_s: float = 165e-6
    gateway_send_packet_s: float = 12e-6
    gateway_spout_packet_s: float = 35e-6
    """A spout's gateway sends many small packets; each costs more than a bolt's."""
    gateway_tuple_s: float = 0.35e-6
    gateway_byte_s: float = 2.7e-9
    bolt_idle_cores: float = 0.01
    spout_idle_cores: float = 0.02
    background_cores: float = 0.002
    """What the other processes of each container use all the time."""
    export_s: float = 0.07
    """CPU of one export of its metrics manager, in one go: 0.014 cores on average. Under a tight
    quota the burst, not the average, is what throttles."""
    export_interval_s: float = 5.0
    """`heron.metrics.export.interval.sec` of the measured runs; 60 as released."""

    # -- the instance's loops (BoltInstance, SpoutInstance, OutgoingTupleCollection)
    execute_batch_s: float = 0.016
    """`heron.instance.execute.batch.time.ms`: outputs leave at least that often."""
    emit_batch_s: float = 0.160
    """`heron.instance.emit.batch.time.ms`."""
    emit_batch_bytes: float = 327680.0
    """`heron.instance.emit.batch.size.bytes`."""
    packet_max_tuples: int = 10240
    """`heron.instance.set.data.tuple.capacity`."""
    packet_max_acks: int = 1024
    """`heron.instance.set.control.tuple.capacity`."""
    packet_max_bytes: float = 1310720.0
    """`heron.instance.set.data.tuple.size.bytes`."""
    packet_header_bytes: float = 60.0
    ack_bytes: float = 24.0
    """One ack or anchor on the wire: root key, root task, acked key. Measured."""
    spout_idle_park_s: float = 0.00106
    """What a spout sleeps in nextTuple when nothing is due. What it has just emitted leaves only
    after that (SpoutInstance.produceTuple calls nextTuple until one emits nothing). A property of
    the spout's code, not of Heron; 0 = it returns at once."""
    spout_park_jitter_s: float = 0.00006
    """How much earlier or later than that it wakes up: a sleep of 1 ms ends up to 0.12 ms late.
    Without it, spouts of one container keep their order for ever, and each reader of a shuffled
    stream would hear from the same one all the time."""
    spout_catch_up_s: float = 0.5
    """A spout that was held back makes up for at most that much of its schedule."""

    # -- hand-overs
    hand_over_s: float = 0.00025
    """From work for a sleeping thread to its first instruction (wake-up from an idle core, select
    or epoll). Four of them lie on a hop. Chosen so that one hop takes the measured 3 ms beyond the
    drain together with the parts that have their own mechanics (spout's park, gateway, block)."""
    network_s: float = 0.0
    """One way between two containers; loopback in the measurements."""

    # -- queues and back-pressure
    bolt_read_queue_packets: int = 128
    """`heron.instance.internal.bolt.read.queue.capacity`."""
    spout_read_queue_packets: int = 1024
    write_queue_packets: int = 128
    tuned_bolt_queue_packets: int = 8
    """`heron.instance.tuning.expected.bolt.read.queue.size`, also of the write queues."""
    tuned_spout_queue_packets: int = 512
    tuning_interval_s: float = 0.1
    tuning_weight: float = 0.8
    """`heron.instance.tuning.current.sample.weight` (Communicator.java)."""
    socket_bytes: float = 2 * 128.0 * KIB
    """What the kernel holds of one direction of an instance's connection (send + receive buffer).
    The measured runs had 128 KiB each instead of Heron's 6400 and 8533 KiB."""
    peer_socket_bytes: float = 2 * 128.0 * KIB
    """The same between two stream managers."""
    high_water_bytes: float = 2.0 * MIB
    """`heron.streammgr.network.backpressure.highwatermark.mb`; 100 as released."""
    low_water_bytes: float = 1.0 * MIB
    """50 MB as released."""
    high_water_sightings: int = 3
    """More than so many sends above the mark start back-pressure (connection.cpp)."""

    # -- CPU quota (Linux CFS bandwidth control)
    quota_period_s: float = 0.1

    # -- start
    startup_s: float = 1.0
    """Code is not compiled yet, quotas are not set yet."""
    startup_stall_s: float = 0.015
    """A bolt stalls that long, more than one tick and less than two (compilation, collection), at
    most every `startup_stall_every_s`. Its lasting effect: it decides at which of two ticks a
    queue is drained, see the package's docstring."""
    startup_stall_every_s: float = 0.05

    # -- precision of the simulation itself
    chunk_s: float = 0.001
    """Tuples of a packet are executed in chunks of about that much work; inside a chunk the ends
    of tuples are interpolated."""

    def __post_init__(self) -> None:
        """Refuse what would stop time."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not value >= 0:
                raise ValueError(f"{field.name} is {value}; it must be 0 or more")
        for name in (
            "drain_tick_s",
            "tuning_interval_s",
            "quota_period_s",
            "chunk_s",
            "export_interval_s",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0: it is a period")

    def with_released_buffers(self) -> Mechanics:
        """Water marks and socket buffers as Heron ships them (heron_internals.yaml)."""
        return replace(
            self,
            high_water_bytes=100 * MIB,
            low_water_bytes=50 * MIB,
            socket_bytes=(6400 + 8533) * KIB,
        )

    def without_overheads(self) -> Mechanics:
        """No CPU but the user's, no waking times, no start-up: a textbook's queues."""
        costs: dict[str, Any] = {
            field.name: 0.0
            for field in fields(self)
            if field.name.endswith(("_cores", "_packet_s", "_tuple_s", "_byte_s", "_ack_s"))
        }
        return replace(
            self,
            **costs,
            executor_receive_s=0.0,
            executor_emit_s=0.0,
            spout_emit_s=0.0,
            spout_cycle_s=0.0,
            spout_idle_park_s=0.0,
            spout_park_jitter_s=0.0,
            hand_over_s=0.0,
            startup_s=0.0,
            startup_stall_s=0.0,
            export_s=0.0,
        )
