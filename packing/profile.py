"""What is known of a topology's load, and where each number comes from."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from packing.errors import InvalidRequest
from packing.topology import Kind, Topology

StreamKey = tuple[str, str, str]
"""Source, target, stream id."""


class Source(enum.Enum):
    """How a number came to be known."""

    MEASURED = "measured"
    DECLARED = "declared"
    ASSUMED = "assumed"


@dataclass(frozen=True)
class Basis:
    """One group of numbers that a prediction rests on."""

    quantity: str
    source: Source
    detail: str


ASSUMED_RATE_PER_S = 1.0
"""Tuples/s per spout instance when nothing is known: only shares of traffic follow from it."""


@dataclass(frozen=True)
class Profile:
    """Rates, service times and selectivities of a topology.

    Raises InvalidRequest for numbers that cannot be: negative, infinite, not a number.
    """

    rate_per_s: Mapping[str, float] = field(default_factory=dict)
    """Base tuples/s that one instance of a spout emits."""
    service_s: Mapping[str, float] = field(default_factory=dict)
    """CPU seconds per input tuple; for a spout per base tuple."""
    selectivity: Mapping[StreamKey, float] = field(default_factory=dict)
    """Tuples on the stream per input tuple of its source."""
    tuple_bytes: Mapping[StreamKey, float] = field(default_factory=dict)
    source: Source = Source.DECLARED

    def __post_init__(self) -> None:
        """Refuse impossible numbers, naming the field."""
        named = (
            ("rate", "tuples/s", self.rate_per_s),
            ("service time", "s", self.service_s),
            ("selectivity", "tuples per tuple", self.selectivity),
            ("tuple size", "bytes", self.tuple_bytes),
        )
        for what, unit, numbers in named:
            for key, value in numbers.items():
                if not math.isfinite(value) or value < 0:
                    name = repr(key) if isinstance(key, str) else "{0} -{2}-> {1}".format(*key)
                    raise InvalidRequest(
                        f"the {what} of {name} is {value} {unit}; it must be 0 or more"
                    )

    def knows_load(self, topology: Topology) -> bool:
        """Whether rates of all spouts and service times of all components are stated."""
        return all(c.name in self.service_s for c in topology.components) and all(
            c.name in self.rate_per_s for c in topology.components if c.kind is Kind.SPOUT
        )

    def basis(self, topology: Topology) -> tuple[Basis, ...]:
        """Where the numbers for `topology` come from, in sentences."""

        def group(quantity: str, known: int, total: int, otherwise: str) -> Basis:
            if known == total:
                return Basis(quantity, self.source, f"all {total} {self.source.value}")
            if known:
                return Basis(
                    quantity,
                    Source.ASSUMED,
                    f"{known} of {total} {self.source.value}, for the others {otherwise}",
                )
            return Basis(quantity, Source.ASSUMED, otherwise)

        spouts = [c.name for c in topology.components if c.kind is Kind.SPOUT]
        return (
            group(
                "rates",
                sum(name in self.rate_per_s for name in spouts),
                len(spouts),
                "every spout instance is taken to emit at the same rate",
            ),
            group(
                "service times",
                sum(name in self.service_s for name in topology.names),
                len(topology.components),
                "load is not known; requested CPU stands in for balance",
            ),
            group(
                "selectivities",
                sum((s.source, s.target, s.stream_id) in self.selectivity
                    for s in topology.streams),
                len(topology.streams),
                "one tuple out per tuple in",
            ),
        )  # fmt: skip


UNKNOWN = Profile()
"""Nothing known beyond the topology itself."""
