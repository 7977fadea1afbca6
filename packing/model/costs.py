"""What Heron's own code costs, beside the user's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from packing.errors import InvalidRequest


@dataclass(frozen=True)
class HeronCosts:
    """CPU seconds per event (`_s`) and cores that are always busy (`_cores`).

    Fitted from measured runs (`bridge.calibration`); zero is a Heron that costs nothing. A *packet*
    is what one write between an instance and its stream manager carries.
    """

    version: str = "none"
    """Which measurements these come from."""

    instance_idle_cores: float = 0.0
    spout_idle_cores: float = 0.0
    tuple_in_s: float = 0.0
    """Instance: deserialise, route to user code, account; per tuple executed."""
    tuple_out_s: float = 0.0
    """Instance: serialise and hand to the gateway; per tuple emitted."""
    simple_jit_tuple_s: float = 0.0
    """Extra per tuple in or out when the JVM compiles with the first tier only."""
    packet_in_s: float = 0.0
    """Bolt: wake up, read and decode a packet."""
    spout_packet_out_s: float = 0.0
    """Spout: come round the loop once and write a packet."""
    bolt_packet_out_s: float = 0.0
    byte_s: float = 0.0
    """Instance: per byte in or out."""
    ack_s: float = 0.0
    """Instance: per tuple acknowledged or acknowledgement received."""

    manager_idle_cores: float = 0.0
    manager_spout_packet_s: float = 0.0
    """Stream manager: per packet that a spout sends."""
    manager_bolt_packet_s: float = 0.0
    """Stream manager: per packet that a bolt sends."""
    manager_packet_out_s: float = 0.0
    """Stream manager: per packet that it sends to an instance."""
    manager_tuple_s: float = 0.0
    """Stream manager: per tuple and reader that a local instance sends."""
    manager_remote_in_s: float = 0.0
    """Stream manager: per tuple from another one."""
    manager_ack_s: float = 0.0
    manager_byte_s: float = 0.0
    """Stream manager: per byte to or from another one."""

    container_background_cores: float = 0.0
    """Metrics manager and shell, per container."""
    compiler_bolt_cores: float = 0.0
    """JIT compilation per bolt in the first minutes of an optimising JVM."""
    compiler_spout_cores: float = 0.0

    gc_idle_cores: float = 0.0
    """Collections and other VM threads of an instance without load. What collections take is also
    part of the costs per tuple and byte above, at the heap of the measured runs."""
    gc_tuple_gib_s: float = 0.0
    """Collections: per tuple in or out where 1 GiB of the heap is free, half of it with 2 GiB."""
    gc_byte_gib_s: float = 0.0
    """The same per byte in or out."""

    def __post_init__(self) -> None:
        """Refuse what cannot be a cost."""
        for name, value in self.values().items():
            if not 0 <= value < 1:
                raise InvalidRequest(
                    f"the cost {name} is {value}; it must be from 0 to 1 (seconds per event, or "
                    "cores)"
                )

    def values(self) -> dict[str, float]:
        """Costs by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "version"}

    @staticmethod
    def of(version: str, values: Mapping[str, float]) -> HeronCosts:
        """Costs from names and values; InvalidRequest for a name that is none."""
        known = {f.name for f in fields(HeronCosts)} - {"version"}
        for name in values:
            if name not in known:
                raise InvalidRequest(
                    f"there is no cost {name!r}; there are {', '.join(sorted(known))}"
                )
        return HeronCosts(version, **dict(values))


NO_COSTS = HeronCosts()
"""User code alone."""
