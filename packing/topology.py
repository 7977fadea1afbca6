"""A topology as planning sees it: components, streams, groupings."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from packing.errors import InvalidRequest

MAX_INSTANCES = 1_000_000
MAX_COMPONENTS = 2_000
"""More than this in one topology is taken for a mistake; it would exhaust memory."""


class Grouping(enum.Enum):
    """How a stream's tuples are routed to the instances of the component that reads it.

    Heron: `heron/stmgr/src/cpp/grouping/`.
    """

    SHUFFLE = "shuffle"
    """Round robin over the reading instances."""
    FIELDS = "fields"
    """By the hash of key fields."""
    ALL = "all"
    """Every reading instance gets every tuple."""
    GLOBAL = "global"
    """Everything goes to the instance with the lowest task id (Heron's LOWEST)."""
    NONE = "none"
    """Heron routes it like SHUFFLE."""
    DIRECT = "direct"
    """The sender names the task."""
    CUSTOM = "custom"
    """User code names the tasks."""


class Kind(enum.Enum):
    """Whether a component reads from outside (spout) or from streams (bolt)."""

    SPOUT = "spout"
    BOLT = "bolt"


@dataclass(frozen=True)
class Component:
    """A spout or bolt and the number of instances it was submitted with."""

    name: str
    kind: Kind
    parallelism: int


@dataclass(frozen=True)
class Stream:
    """One subscription: tuples of stream `stream_id` of `source` that `target` reads.

    A stream that two bolts read is two of these.
    """

    source: str
    target: str
    stream_id: str
    grouping: Grouping

    def __str__(self) -> str:
        """`a -default-> b`, for messages."""
        return f"{self.source} -{self.stream_id}-> {self.target}"


@dataclass(frozen=True)
class Topology:
    """Components in a fixed order and the streams between them.

    Raises InvalidRequest when names repeat, a stream ends nowhere, a spout reads a stream, a
    parallelism is below 1, or there are too many components or instances.
    """

    topology_id: str
    name: str
    components: tuple[Component, ...]
    streams: tuple[Stream, ...]

    def __post_init__(self) -> None:
        """Refuse what no plan could be made for."""
        if not self.components:
            raise InvalidRequest(f"topology {self.name!r} has no components; it needs a spout")
        if len(self.components) > MAX_COMPONENTS:
            raise InvalidRequest(
                f"topology {self.name!r} has {len(self.components)} components; more than "
                f"{MAX_COMPONENTS} are not planned"
            )
        seen: set[str] = set()
        for component in self.components:
            if not component.name:
                raise InvalidRequest(f"topology {self.name!r} has a component without a name")
            if component.name in seen:
                raise InvalidRequest(
                    f"component {component.name!r} appears twice in topology {self.name!r}; "
                    "component names must be unique"
                )
            seen.add(component.name)
            if component.parallelism < 1:
                raise InvalidRequest(
                    f"component {component.name!r} has parallelism {component.parallelism}; "
                    "it must be at least 1"
                )
        check_instance_count(self.parallelism)
        if not any(component.kind is Kind.SPOUT for component in self.components):
            raise InvalidRequest(f"topology {self.name!r} has no spout, so nothing would flow")
        for stream in self.streams:
            for end in (stream.source, stream.target):
                if end not in seen:
                    raise InvalidRequest(
                        f"stream {stream} names component {end!r}, which the topology does not "
                        f"have; it has {', '.join(sorted(seen))}"
                    )
            if self.component(stream.target).kind is Kind.SPOUT:
                raise InvalidRequest(
                    f"stream {stream} ends at spout {stream.target!r}; only bolts read streams"
                )

    @cached_property
    def position(self) -> Mapping[str, int]:
        """Index of each component in `components`."""
        return {component.name: i for i, component in enumerate(self.components)}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Component names in order."""
        return tuple(component.name for component in self.components)

    @cached_property
    def parallelism(self) -> Mapping[str, int]:
        """Instances per component, as submitted."""
        return {component.name: component.parallelism for component in self.components}

    @cached_property
    def instance_count(self) -> int:
        """Instances of all components."""
        return sum(self.parallelism.values())

    def component(self, name: str) -> Component:
        """The component of that name; KeyError if there is none."""
        return self.components[self.position[name]]

    def with_parallelism(self, parallelism: Mapping[str, int]) -> Topology:
        """The same topology with other instance counts; components not named keep theirs."""
        return replace(
            self,
            components=tuple(
                replace(c, parallelism=parallelism.get(c.name, c.parallelism))
                for c in self.components
            ),
        )


def check_instance_count(parallelism: Mapping[str, int]) -> None:
    """Raise InvalidRequest for more instances than can be planned, naming the largest component."""
    total = sum(parallelism.values())
    if total > MAX_INSTANCES:
        largest = max(parallelism, key=lambda name: parallelism[name])
        raise InvalidRequest(
            f"{total} instances were asked for ({parallelism[largest]} of {largest!r}); more than "
            f"{MAX_INSTANCES} are not planned"
        )
