"""Heron's serialised topology."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bridge.conversion.parsing import parse
from bridge.wire import heron_pb2 as heron
from packing.errors import InvalidRequest
from packing.topology import Component, Grouping, Kind, Stream, Topology

GROUPINGS = {
    heron.SHUFFLE: Grouping.SHUFFLE,
    heron.FIELDS: Grouping.FIELDS,
    heron.ALL: Grouping.ALL,
    heron.LOWEST: Grouping.GLOBAL,
    heron.NONE: Grouping.NONE,
    heron.DIRECT: Grouping.DIRECT,
    heron.CUSTOM: Grouping.CUSTOM,
}
PARALLELISM_KEY = "topology.component.parallelism"


class _Entry(Protocol):
    key: str
    value: str

    def HasField(self, field_name: str) -> bool: ...  # noqa: N802 - protobuf's name


@dataclass(frozen=True)
class ParsedTopology:
    """A topology and the string-valued keys of its configuration."""

    topology: Topology
    config: Mapping[str, str]


def topology_from_bytes(data: bytes) -> ParsedTopology:
    """Read Heron's serialised Topology. Raises InvalidRequest."""
    if not data:
        raise InvalidRequest("the request has no topology; its bytes are empty")
    message = parse(heron.Topology(), data, "the topology")
    if not message.id:
        raise InvalidRequest(f"the topology {message.name!r} has no id; its bytes may be truncated")
    if not message.name:
        raise InvalidRequest(f"the topology with id {message.id!r} has no name")
    components = [_component(spout.comp, Kind.SPOUT) for spout in message.spouts]
    components += [_component(bolt.comp, Kind.BOLT) for bolt in message.bolts]
    emitted = {
        (output.stream.component_name, output.stream.id)
        for outputs in (*(s.outputs for s in message.spouts), *(b.outputs for b in message.bolts))
        for output in outputs
    }
    streams = [
        _stream(bolt.comp.name, declared, emitted)
        for bolt in message.bolts
        for declared in bolt.inputs
    ]
    return ParsedTopology(
        Topology(message.id, message.name, tuple(components), tuple(streams)),
        _entries(message.topology_config.kvs),
    )


def _entries(entries: Iterable[_Entry]) -> dict[str, str]:
    # Heron takes the first of several entries with one key (TopologyUtils.getConfigWithDefault).
    found: dict[str, str] = {}
    for entry in entries:
        if entry.HasField("value"):
            found.setdefault(entry.key, entry.value)
    return found


def _component(message: heron.Component, kind: Kind) -> Component:
    if not message.name:
        raise InvalidRequest(f"a {kind.value} of the topology has no name")
    text = _entries(message.config.kvs).get(PARALLELISM_KEY)
    if text is None:
        raise InvalidRequest(f"component {message.name!r} states no {PARALLELISM_KEY}")
    try:
        parallelism = int(text.strip())
    except ValueError:
        raise InvalidRequest(
            f"component {message.name!r} has {PARALLELISM_KEY} {text!r}, which is not a number"
        ) from None
    return Component(message.name, kind, parallelism)


def _stream(target: str, declared: heron.InputStream, emitted: set[tuple[str, str]]) -> Stream:
    source, stream_id = declared.stream.component_name, declared.stream.id
    grouping = GROUPINGS.get(declared.gtype)
    if grouping is None:
        known = ", ".join(f"{value.name} = {number}" for number, value in GROUPINGS.items())
        stated = f"grouping {declared.gtype}" if declared.HasField("gtype") else "no grouping"
        raise InvalidRequest(
            f"stream {stream_id!r} of {source!r} into {target!r} has {stated}, which Heron does "
            f"not define; it defines {known}"
        )
    if (source, stream_id) not in emitted:
        offered = ", ".join(sorted(f"{s} of {c}" for c, s in emitted)) or "none"
        raise InvalidRequest(
            f"{target!r} reads stream {stream_id!r} of {source!r}, which no component emits; "
            f"emitted are {offered}"
        )
    return Stream(source, target, stream_id, grouping)
