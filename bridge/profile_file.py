"""Profile files: what is known of the load of a topology, or of components wherever they are used.

Two forms, in YAML or JSON, that differ in their names only: `heron-bridge-profile/1` speaks of one
topology and must fit it; `heron-bridge-library/1` speaks of components by name patterns, and what
fits nothing is left out. A profile builds on libraries, and both leave gaps to the priors.
`docs/profile.md` describes them for people, `json_schema` for editors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from bridge.parsing import describe, parse_file
from packing.errors import InvalidRequest
from packing.key_skew import KeyWeights, Serializer
from packing.profile import (
    SHARES_TOLERANCE,
    Origin,
    Profile,
    Quantity,
    Source,
    StreamKey,
    stream_key,
)
from packing.topology import Grouping, Kind, Stream, Topology

PROFILE_FORM = "heron-bridge-profile/1"
LIBRARY_FORM = "heron-bridge-library/1"
FORMS = (PROFILE_FORM, LIBRARY_FORM)

SourceName = Literal["measured", "declared", "assumed"]
Finite = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]


class Number(BaseModel):
    """A number with what is known of it; in a file a plain number does, too."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    value: Finite
    spread: Finite | None = Field(
        None, le=10, description="standard deviation over the value: 0.3 is 30 %"
    )
    sd: Finite | None = Field(None, description="standard deviation in the unit of the value")
    source: SourceName | None = None
    note: str | None = Field(None, alias="from", description="what was measured, or who says so")

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: object) -> object:
        return data if isinstance(data, Mapping) else {"value": data}

    @model_validator(mode="after")
    def _one_spread(self) -> Number:
        if self.spread is not None and self.sd is not None:
            raise ValueError("state either spread or sd, not both")
        if self.sd and not self.value:
            raise ValueError("a value of 0 has no relative spread; leave sd out")
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """A plain number or the object."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        return {"anyOf": [{"type": "number", "minimum": 0}, schema]}


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    source: SourceName | None = Field(None, description="of this entry's plain numbers")
    basis: str | None = Field(None, description="what they rest on")


class ComponentNumbers(_Entry):
    """What is known of a component; each time in the unit that its name ends in."""

    rate_per_s: Number | None = Field(None, description="base tuples/s that a spout instance emits")
    service_s: Number | None = Field(None, description="CPU of user code per input tuple")
    service_ms: Number | None = None
    service_us: Number | None = None
    service_ns: Number | None = None
    wait_s: Number | None = Field(
        None, description="time per input tuple in which the thread waits without using CPU"
    )
    wait_ms: Number | None = None
    wait_us: Number | None = None
    wait_ns: Number | None = None
    service_scv: Number | None = Field(
        None, description="variance of the time per tuple over its squared mean"
    )
    ram_bytes: Number | None = Field(None, description="RAM that an instance uses")
    ram_mb: Number | None = None
    ram_gb: Number | None = None


class InputSelectivity(BaseModel):
    """How many tuples leave per tuple from one of the inputs."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    source_name: str = Field(alias="from")
    stream: str = "default"
    selectivity: Number


class StreamNumbers(_Entry):
    """What is known of a stream: what it carries and how its keys spread."""

    source_name: str = Field(alias="from")
    target_name: str | None = Field(None, alias="to", description="left out: all readers")
    stream: str = "default"
    selectivity: Number | None = Field(
        None, description="tuples per input tuple of the component that emits"
    )
    selectivity_by_input: list[InputSelectivity] = []
    tuple_bytes: Number | None = Field(None, description="serialised size of a tuple")
    tuple_kb: Number | None = None
    key_shares: list[Finite] | None = Field(
        None, description="share of each reading instance by component index; they sum to 1"
    )
    keys: dict[str, Finite] | None = Field(None, description="key -> its tuples, in any unit")
    other_keys: Finite | None = Field(None, description="tuples of all keys not listed, same unit")
    serializer: Literal["java", "kryo", "kryo3"] | None = Field(
        None, description="how the topology serialises its tuples; java is Heron's default"
    )


class ProfileFile(BaseModel):
    """A profile or a library."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    form: Literal["heron-bridge-profile/1", "heron-bridge-library/1"] = Field(alias="schema")
    topology: str | None = Field(None, description="for people; the file's name decides")
    library: str | list[str] | None = Field(
        None,
        description="files to build on, later ones over earlier ones; relative to this file. Left "
        "out: `library` beside this file, if there is one",
    )
    source: SourceName = "declared"
    basis: str = Field("", description="what the plain numbers rest on")
    components: dict[str, ComponentNumbers] = {}
    streams: list[StreamNumbers] = []


def json_schema() -> dict[str, Any]:
    """The JSON schema of a profile or library file, for editors and other programs."""
    schema = ProfileFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def is_profile_form(content: object) -> bool:
    """Whether a parsed file says that it is a profile or a library, of whatever version."""
    form = content.get("schema") if isinstance(content, Mapping) else None
    return isinstance(form, str) and form.startswith(("heron-bridge-profile/", LIBRARY_FORM[:-1]))


def load_profile_file(path: Path, topology: Topology) -> Profile:
    """Read a profile or library file for a topology, with the libraries that it builds on.

    Number by number the profile wins over its libraries, a later library over an earlier one, and a
    later entry over an earlier one that fits the same component or stream. What nobody states stays
    open; `Profile.with_priors` fills it. Raises InvalidRequest with the file, the field, the value
    and what is allowed.
    """
    own = _read(path)
    found = _Numbers(topology)
    for library in _libraries(path, own):
        below = _read(library)
        if below.form != LIBRARY_FORM:
            raise InvalidRequest(
                f"{path}: library: {library.name} is a {below.form} file; only "
                f"{LIBRARY_FORM} files can be built on"
            )
        if below.library:
            raise InvalidRequest(
                f"{library}: library: a library cannot build on another; list both in the profile"
            )
        found.add(library, below)
    found.add(path, own)
    return found.profile(path)


def library_in(directory: Path) -> Path | None:
    """The library that every profile in a folder builds on unless it names others."""
    candidates = (directory / f"library{suffix}" for suffix in (".yaml", ".yml", ".json"))
    return next((path for path in candidates if path.is_file()), None)


def _libraries(path: Path, own: ProfileFile) -> list[Path]:
    if own.form == LIBRARY_FORM:
        if own.library:
            raise InvalidRequest(
                f"{path}: library: a library cannot build on another; list both in the profile"
            )
        return []
    if own.library is None:
        beside = library_in(path.parent)
        return [] if beside is None or beside == path else [beside]
    names = [own.library] if isinstance(own.library, str) else own.library
    return [path.parent / name for name in names]


def _read(path: Path) -> ProfileFile:
    content = parse_file(path)
    if not isinstance(content, Mapping):
        kind = "nothing" if content is None else f"a {type(content).__name__}"
        raise InvalidRequest(
            f"{path}: it holds {kind}, not a profile; start it with `schema: {PROFILE_FORM}`"
        )
    if "schema" not in content:
        raise InvalidRequest(
            f"{path}: schema: it is missing; state {PROFILE_FORM} or {LIBRARY_FORM}"
        )
    try:
        return ProfileFile.model_validate(content)
    except ValidationError as error:
        raise InvalidRequest(f"{path}: {describe(error, content, ProfileFile)}") from None


@dataclass(frozen=True)
class _Unit:
    """How a field's unit relates to the one that profiles use, and what is plausible there."""

    quantity: Quantity
    factor: float


@dataclass(frozen=True)
class _Range:
    """What a quantity may be, in its own unit; beyond it a unit was mistaken."""

    lowest: float
    highest: float
    unit: str
    meaning: str
    usual: float = math.inf
    """Seldom more: what decides between units that would both be plausible."""


_S, _MS, _US, _NS = 1.0, 1e-3, 1e-6, 1e-9
_KIB, _MIB, _GIB = 2.0**10, 2.0**20, 2.0**30
_UNITS: Mapping[str, _Unit] = {
    "rate_per_s": _Unit("rate_per_s", 1.0),
    "service_s": _Unit("service_s", _S),
    "service_ms": _Unit("service_s", _MS),
    "service_us": _Unit("service_s", _US),
    "service_ns": _Unit("service_s", _NS),
    "wait_s": _Unit("wait_s", _S),
    "wait_ms": _Unit("wait_s", _MS),
    "wait_us": _Unit("wait_s", _US),
    "wait_ns": _Unit("wait_s", _NS),
    "service_scv": _Unit("service_scv", 1.0),
    "ram_bytes": _Unit("ram_bytes", 1.0),
    "ram_mb": _Unit("ram_bytes", _MIB),
    "ram_gb": _Unit("ram_bytes", _GIB),
    "selectivity": _Unit("selectivity", 1.0),
    "tuple_bytes": _Unit("tuple_bytes", 1.0),
    "tuple_kb": _Unit("tuple_bytes", _KIB),
}
_PLAUSIBLE: Mapping[str, _Range] = {
    "rate_per_s": _Range(1e-6, 1e9, "tuples/s", "one spout instance"),
    "service_s": _Range(1e-9, 60.0, "s", "one tuple", 1.0),
    "wait_s": _Range(1e-9, 60.0, "s", "one tuple", 1.0),
    "service_scv": _Range(0.0, 1e4, "", "variance over squared mean"),
    "ram_bytes": _Range(_MIB, 2.0**40, "bytes", "one instance with its JVM"),
    "selectivity": _Range(0.0, 1e6, "tuples per tuple", "one output stream"),
    "tuple_bytes": _Range(1.0, 1e8, "bytes", "one tuple"),
}


class _Numbers:
    """Numbers of a topology, gathered from one file after the other."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.values: dict[tuple[Quantity, str | StreamKey], float] = {}
        self.input_selectivity: dict[tuple[StreamKey, StreamKey], float] = {}
        self.key_shares: dict[StreamKey, tuple[float, ...]] = {}
        self.key_weights: dict[StreamKey, KeyWeights] = {}
        self.origin: dict[tuple[Quantity, str | StreamKey], Origin] = {}

    def profile(self, path: Path) -> Profile:
        """The profile that has been gathered."""

        def stated(quantity: Quantity) -> dict[Any, float]:
            return {key: value for (q, key), value in self.values.items() if q == quantity}

        try:
            return Profile(
                rate_per_s=stated("rate_per_s"),
                service_s=stated("service_s"),
                wait_s=stated("wait_s"),
                service_scv=stated("service_scv"),
                ram_bytes=stated("ram_bytes"),
                selectivity=stated("selectivity"),
                tuple_bytes=stated("tuple_bytes"),
                input_selectivity=self.input_selectivity,
                key_shares=self.key_shares,
                key_weights=self.key_weights,
                origin=self.origin,
            )
        except InvalidRequest as error:
            raise InvalidRequest(f"{path}: {error}") from None

    def add(self, path: Path, file: ProfileFile) -> None:
        """Lay a file's numbers over those gathered so far."""
        anywhere = file.form == LIBRARY_FORM
        for name, numbers in file.components.items():
            place = f"{path}: components.{name}"
            fitting = [c for c in self.topology.components if _fits(c.name, name, anywhere)]
            if not fitting and not anywhere:
                raise InvalidRequest(
                    f"{place}: topology {self.topology.name!r} has no component {name!r}; it has "
                    f"{', '.join(self.topology.names)}"
                )
            stated = _stated(place, numbers)
            if not anywhere and "rate_per_s" in stated and fitting[0].kind is Kind.BOLT:
                raise InvalidRequest(
                    f"{place}.rate_per_s: {name!r} is a bolt; only spouts have a rate of their own"
                )
            for component in fitting:
                for quantity, (value, number) in stated.items():
                    if quantity != "rate_per_s" or component.kind is Kind.SPOUT:
                        origin = _origin(number, numbers, file)
                        self._put(quantity, component.name, value, origin)
        for i, entry in enumerate(file.streams):
            self._add_stream(f"{path}: streams.{i}", entry, file)

    def _add_stream(self, place: str, entry: StreamNumbers, file: ProfileFile) -> None:
        anywhere = file.form == LIBRARY_FORM
        streams = self._streams(place, entry, anywhere)
        stated = _stated(place, entry)
        _check_keys(place, entry)
        for stream in streams:
            key = stream_key(stream)
            for quantity, (value, number) in stated.items():
                self._put(quantity, key, value, _origin(number, entry, file))
            for j, by_input in enumerate(entry.selectivity_by_input):
                here = f"{place}.selectivity_by_input.{j}"
                self._add_by_input(here, stream, by_input, anywhere)
            if entry.key_shares is None and entry.keys is None:
                continue
            if stream.grouping in {Grouping.FIELDS, Grouping.DIRECT, Grouping.CUSTOM}:
                self._add_keys(key, entry, _origin(None, entry, file))
            elif not anywhere:
                field = "keys" if entry.key_shares is None else "key_shares"
                raise InvalidRequest(
                    f"{place}.{field}: stream {stream} is grouped by {stream.grouping.value}, "
                    "which looks at no keys"
                )

    def _add_keys(self, key: StreamKey, entry: StreamNumbers, origin: Origin) -> None:
        # What is nearer replaces all that a library knows of the keys: the two would contradict.
        self.key_shares.pop(key, None)
        self.key_weights.pop(key, None)
        if entry.key_shares is not None:
            self.key_shares[key] = tuple(entry.key_shares)
            self.origin["key_shares", key] = origin
        if entry.keys is not None:
            serializer = Serializer(entry.serializer or "java")
            self.key_weights[key] = KeyWeights(entry.keys, serializer, entry.other_keys or 0.0)
            self.origin["key_weights", key] = origin

    def _add_by_input(
        self, place: str, stream: Stream, by_input: InputSelectivity, anywhere: bool
    ) -> None:
        into = [
            s
            for s in self.topology.streams
            if s.target == stream.source
            and s.stream_id == by_input.stream
            and _fits(s.source, by_input.source_name, anywhere)
        ]
        if not into and not anywhere:
            reads = [str(s) for s in self.topology.streams if s.target == stream.source]
            raise InvalidRequest(
                f"{place}: {stream.source!r} reads no stream {by_input.stream!r} of "
                f"{by_input.source_name!r}; it reads {', '.join(reads) or 'none'}"
            )
        value = _plausible(f"{place}.selectivity", "selectivity", by_input.selectivity)
        for found in into:
            self.input_selectivity[stream_key(stream), stream_key(found)] = value

    def _streams(self, place: str, entry: StreamNumbers, anywhere: bool) -> list[Stream]:
        found = [
            s
            for s in self.topology.streams
            if s.stream_id == entry.stream
            and _fits(s.source, entry.source_name, anywhere)
            and (entry.target_name is None or _fits(s.target, entry.target_name, anywhere))
        ]
        if not found and not anywhere:
            to = f" that {entry.target_name!r} reads" if entry.target_name else ""
            raise InvalidRequest(
                f"{place}: topology {self.topology.name!r} has no stream {entry.stream!r} of "
                f"{entry.source_name!r}{to}; it has "
                f"{', '.join(map(str, self.topology.streams)) or 'none'}"
            )
        return found

    def _put(self, quantity: Quantity, key: str | StreamKey, value: float, origin: Origin) -> None:
        self.values[quantity, key] = value
        self.origin[quantity, key] = origin


def _fits(name: str, pattern: str, anywhere: bool) -> bool:
    return fnmatchcase(name, pattern) if anywhere else name == pattern


def _stated(
    place: str, numbers: ComponentNumbers | StreamNumbers
) -> dict[Quantity, tuple[float, Number]]:
    """The quantities of an entry in the profile's units."""
    found: dict[Quantity, tuple[float, Number]] = {}
    by: dict[Quantity, str] = {}
    for field, unit in _UNITS.items():
        number = getattr(numbers, field, None)
        if number is None:
            continue
        if unit.quantity in by:
            raise InvalidRequest(
                f"{place}: {by[unit.quantity]} and {field} state the same twice; keep one"
            )
        by[unit.quantity] = field
        found[unit.quantity] = (_plausible(f"{place}.{field}", field, number), number)
    return found


def _plausible(place: str, field: str, number: Number) -> float:
    """The number in the profile's unit. Raises InvalidRequest where a unit must be mistaken."""
    unit = _UNITS[field]
    allowed = _PLAUSIBLE[unit.quantity]
    value = number.value * unit.factor
    if value == 0 or allowed.lowest <= value <= allowed.highest:
        return value
    others = [
        other
        for other, its in _UNITS.items()
        if its.quantity == unit.quantity
        and other != field
        and allowed.lowest <= number.value * its.factor <= allowed.highest
    ]
    # Going by the next unit first: people are off by one prefix more often than by two.
    others.sort(
        key=lambda other: (
            number.value * _UNITS[other].factor > allowed.usual,
            abs(math.log(_UNITS[other].factor / unit.factor)),
        )
    )
    if others:
        hint = f"is it meant as {others[0]}?"
    elif unit.quantity == "rate_per_s":
        hint = "state tuples per second of one instance"
    elif unit.quantity == "service_scv":
        hint = "state the squared ratio of standard deviation and mean"
    else:
        hint = "check its unit"
    shown = f"{value:g} {allowed.unit}".rstrip()
    raise InvalidRequest(
        f"{place}: is {number.value:g}, which makes {shown} for {allowed.meaning}; "
        f"{allowed.lowest:g} to {allowed.highest:g} is plausible; {hint}"
    )


def _origin(number: Number | None, entry: _Entry, file: ProfileFile) -> Origin:
    """Where a number comes from: what it says itself, else its entry, else the file."""
    said = number.source if number is not None else None
    note = number.note if number is not None else None
    source = Source(said or entry.source or file.source)
    text = note if note is not None else entry.basis if entry.basis is not None else file.basis
    if number is not None and number.spread is not None:
        return Origin(source, number.spread, text)
    if number is not None and number.sd is not None:
        return Origin(source, number.sd / number.value if number.value else 0.0, text)
    return Origin.of(source, text)


def _check_keys(place: str, entry: StreamNumbers) -> None:
    if entry.key_shares is not None:
        total = math.fsum(entry.key_shares)
        if abs(total - 1) > SHARES_TOLERANCE:
            raise InvalidRequest(f"{place}.key_shares: they sum to {total:.6g}; they must sum to 1")
    if entry.keys is None:
        for field in ("other_keys", "serializer"):
            if getattr(entry, field) is not None:
                raise InvalidRequest(f"{place}.{field}: it says nothing without keys")
    elif not math.fsum([*entry.keys.values(), entry.other_keys or 0.0]) > 0:
        raise InvalidRequest(f"{place}.keys: their tuples sum to 0; state at least one above 0")
