"""What is known of a topology's load, how exactly, and where each number comes from."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from statistics import NormalDist
from typing import Literal, TypeVar, get_args

import numpy as np

from packing import priors
from packing.arrays import Floats
from packing.errors import InvalidRequest
from packing.key_skew import KeyWeights, Shares, shares_at
from packing.topology import Grouping, Kind, Stream, Topology

StreamKey = tuple[str, str, str]
"""Source, target, stream id."""

_Key = TypeVar("_Key", str, StreamKey)

Quantity = Literal[
    "rate_per_s",
    "service_s",
    "wait_s",
    "service_scv",
    "ram_bytes",
    "selectivity",
    "input_selectivity",
    "tuple_bytes",
    "key_shares",
    "key_weights",
]
"""Names of a profile's fields that hold numbers."""

SHARES_TOLERANCE = 1e-3
"""How far the sum of stated shares may be from 1, for rounding; they are scaled to 1 when used."""


class Source(enum.Enum):
    """How a number came to be known."""

    MEASURED = "measured"
    DECLARED = "declared"
    ASSUMED = "assumed"


RELATIVE_SD: Mapping[Source, float] = {
    Source.MEASURED: 0.05,
    Source.DECLARED: 0.30,
    Source.ASSUMED: priors.relative_sd_of_factor(2.0),
}
"""Spread of a number that states none. Measured: what repeated runs of Heron differ by. Declared:
people's figures for their own code. Assumed: a factor of 2 either way."""


@dataclass(frozen=True)
class Origin:
    """Where one number comes from and how far the truth may be from it.

    The truth is log-normal around the number as median; `relative_sd` is its standard deviation
    over its mean. Raises InvalidRequest unless that is finite and 0 or more.
    """

    source: Source
    relative_sd: float
    note: str = ""
    """What was measured, by whom it was declared, why it is assumed."""

    def __post_init__(self) -> None:
        """Refuse a spread that cannot be."""
        if not (math.isfinite(self.relative_sd) and self.relative_sd >= 0):
            raise InvalidRequest(
                f"a relative spread is {self.relative_sd}; it must be finite and 0 or more"
            )

    @staticmethod
    @lru_cache(maxsize=16)
    def of(source: Source, note: str = "") -> Origin:
        """The origin of a number that states no spread of its own."""
        return Origin(source, RELATIVE_SD[source], note)

    @property
    def log_sd(self) -> float:
        """Standard deviation of the logarithm."""
        return math.sqrt(math.log1p(self.relative_sd**2))


@dataclass(frozen=True)
class Basis:
    """One group of numbers that a prediction rests on."""

    quantity: str
    source: Source
    detail: str


ASSUMED_RATE_PER_S = 1.0
"""Tuples/s per spout instance when nothing is known: only shares of traffic follow from it."""


def stream_key(stream: Stream) -> StreamKey:
    """Key of a stream in a profile."""
    return (stream.source, stream.target, stream.stream_id)


@dataclass(frozen=True)
class Profile:
    """Load of a topology as point values; `origin` says how much to trust each.

    What is not stated is not in the mappings. Raises InvalidRequest for numbers that cannot be:
    negative, infinite, not a number, shares that do not sum to 1.
    """

    rate_per_s: Mapping[str, float] = field(default_factory=dict)
    """Base tuples/s that one instance of a spout emits."""
    service_s: Mapping[str, float] = field(default_factory=dict)
    """CPU seconds of user code per input tuple; for a spout per base tuple."""
    selectivity: Mapping[StreamKey, float] = field(default_factory=dict)
    """Tuples on the stream per input tuple of its source, whichever stream that came from."""
    tuple_bytes: Mapping[StreamKey, float] = field(default_factory=dict)
    """Serialised bytes per tuple."""
    source: Source = Source.DECLARED
    """Of stated numbers that have no `origin` of their own."""
    wait_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds per input tuple in which the instance's thread waits without using CPU (a blocking
    call); in addition to `service_s`."""
    service_scv: Mapping[str, float] = field(default_factory=dict)
    """Variance of the time per tuple (service and wait) over its squared mean: 0 = constant,
    1 = exponential."""
    ram_bytes: Mapping[str, float] = field(default_factory=dict)
    """RAM that one instance uses, its JVM included; not what it asks for."""
    input_selectivity: Mapping[tuple[StreamKey, StreamKey], float] = field(default_factory=dict)
    """(output stream, input stream) -> tuples on the output per tuple from that input, where it
    differs from `selectivity` of the output. The output's source is the input's target."""
    key_shares: Mapping[StreamKey, tuple[float, ...]] = field(default_factory=dict)
    """Share of the stream that each reading instance got, in component-index order; their number
    is the parallelism they were measured at."""
    key_weights: Mapping[StreamKey, Mapping[str, float]] = field(default_factory=dict)
    """Key -> its tuples, in any unit; shares at any parallelism follow from it by hashing. Held as
    `packing.key_skew.KeyWeights`, which also says how keys are serialised."""
    origin: Mapping[tuple[Quantity, str | StreamKey], Origin] = field(default_factory=dict)
    """(field, its key) -> where that number comes from; `origin_of` fills the gaps. The one for
    `input_selectivity` is that of its output stream's selectivity."""

    def __post_init__(self) -> None:
        """Refuse impossible numbers, naming the field."""
        named: tuple[tuple[str, str, Mapping[str, float] | Mapping[StreamKey, float]], ...] = (
            ("rate", "tuples/s", self.rate_per_s),
            ("service time", "s", self.service_s),
            ("waiting time", "s", self.wait_s),
            ("service time's variability", "", self.service_scv),
            ("RAM", "bytes", self.ram_bytes),
            ("selectivity", "tuples per tuple", self.selectivity),
            ("tuple size", "bytes", self.tuple_bytes),
        )
        for what, unit, numbers in named:
            for key, value in numbers.items():
                _check_number(f"the {what} of {_named(key)}", value, unit)
        for (output, into), value in self.input_selectivity.items():
            if output[0] != into[1]:
                raise InvalidRequest(
                    f"a selectivity of {_named(output)} is stated for tuples from {_named(into)}, "
                    f"but {output[0]!r} does not read that stream; it ends at {into[1]!r}"
                )
            what = f"the selectivity of {_named(output)} for tuples from {_named(into)}"
            _check_number(what, value, "tuples per tuple")
        for stream, shares in self.key_shares.items():
            _check_shares(stream, shares)
        histograms = {
            stream: weights if isinstance(weights, KeyWeights) else KeyWeights(weights)
            for stream, weights in self.key_weights.items()
        }
        for stream, weights in histograms.items():
            _check_weights(stream, weights)
        # One histogram for every copy of the profile, so that its keys are hashed once.
        object.__setattr__(self, "key_weights", histograms)
        for quantity, key in self.origin:
            if quantity not in get_args(Quantity):
                raise InvalidRequest(
                    f"an origin is stated for {quantity!r} of {_named(key)}; known quantities are "
                    f"{', '.join(get_args(Quantity))}"
                )

    def origin_of(self, quantity: Quantity, key: str | StreamKey) -> Origin:
        """Where a number comes from; assumed when it is not stated at all."""
        found = self.origin.get((quantity, key))
        if found is not None:
            return found
        stated: Mapping[str | StreamKey, object] = getattr(self, quantity)
        return Origin.of(self.source if key in stated else Source.ASSUMED)

    def knows(self, quantity: Quantity, key: str | StreamKey) -> bool:
        """Whether a number is stated by someone or measured, and not merely assumed."""
        stated: Mapping[str | StreamKey, object] = getattr(self, quantity)
        return key in stated and self.origin_of(quantity, key).source is not Source.ASSUMED

    def knows_load(self, topology: Topology) -> bool:
        """Whether rates of all spouts and service times of all components are known."""
        return all(self.knows("service_s", c.name) for c in topology.components) and all(
            self.knows("rate_per_s", c.name) for c in topology.components if c.kind is Kind.SPOUT
        )

    def shares_at(self, stream: StreamKey, parallelism: int) -> Shares | None:
        """Shares of the stream's `parallelism` readers by its keys; None when nothing is known.

        See `packing.key_skew.shares_at`.
        """
        weights = self.key_weights.get(stream)
        return shares_at(
            parallelism,
            self.key_shares.get(stream),
            weights if isinstance(weights, KeyWeights) else None,
        )

    def with_priors(self, topology: Topology) -> Profile:
        """This profile with every gap filled from `packing.priors`, marked as assumed.

        For callers that want figures with honest intervals where little is known: `knows_load`
        stays False, and `basis` says what was filled in. Waiting times, RAM and key shares have no
        prior: nothing waits, instances use the RAM they ask for, keys spread evenly.
        """
        origin = dict(self.origin)

        def filled(
            quantity: Quantity,
            stated: Mapping[_Key, float],
            keys: Iterable[_Key],
            prior: priors.Prior,
        ) -> dict[_Key, float]:
            missing = [key for key in keys if key not in stated]
            for key in missing:
                origin[quantity, key] = Origin(Source.ASSUMED, prior.relative_sd, prior.why)
            return {**stated, **dict.fromkeys(missing, prior.value)}

        spouts = [c.name for c in topology.components if c.kind is Kind.SPOUT]
        streams = [stream_key(stream) for stream in topology.streams]
        return replace(
            self,
            rate_per_s=filled("rate_per_s", self.rate_per_s, spouts, priors.RATE_PER_S),
            service_s=filled("service_s", self.service_s, topology.names, priors.SERVICE_S),
            service_scv=filled("service_scv", self.service_scv, topology.names, priors.SERVICE_SCV),
            selectivity=filled("selectivity", self.selectivity, streams, priors.SELECTIVITY),
            tuple_bytes=filled("tuple_bytes", self.tuple_bytes, streams, priors.TUPLE_BYTES),
            origin=origin,
        )

    def basis(self, topology: Topology) -> tuple[Basis, ...]:
        """Where the numbers for `topology` come from, in sentences."""
        spouts = [c.name for c in topology.components if c.kind is Kind.SPOUT]
        streams = [stream_key(stream) for stream in topology.streams]
        found = [
            self._group(
                "rates",
                "rate_per_s",
                spouts,
                "every spout instance is taken to emit at the same rate",
            ),
            self._group(
                "service times",
                "service_s",
                topology.names,
                "load is not known; requested CPU stands in for balance",
            ),
            self._group("selectivities", "selectivity", streams, "one tuple out per tuple in"),
            self._group(
                "waiting times", "wait_s", topology.names, "nothing waits outside of the CPU"
            ),
            self._group(
                "variability of service times",
                "service_scv",
                topology.names,
                priors.SERVICE_SCV.why,
            ),
            self._group("tuple sizes", "tuple_bytes", streams, priors.TUPLE_BYTES.why),
            self._group(
                "RAM in use", "ram_bytes", topology.names, "instances use the RAM they ask for"
            ),
        ]
        keyed = [stream_key(s) for s in topology.streams if s.grouping is Grouping.FIELDS]
        if keyed:
            by: Quantity = "key_weights" if self.key_weights else "key_shares"
            found.append(self._group("key shares", by, keyed, "keys spread evenly over instances"))
        return tuple(found)

    def _group(
        self, quantity: str, name: Quantity, keys: Sequence[str | StreamKey], otherwise: str
    ) -> Basis:
        sources = [self.origin_of(name, key).source for key in keys if self.knows(name, key)]
        known, total = len(sources), len(keys)
        counts = {source: sources.count(source) for source in (Source.MEASURED, Source.DECLARED)}
        present = [source for source, count in counts.items() if count]
        if known == total:
            weakest = present[-1] if present else self.source
            if len(present) <= 1:
                return Basis(quantity, weakest, f"all {total} {weakest.value}")
            parts = " and ".join(f"{counts[s]} {s.value}" for s in present)
            return Basis(quantity, weakest, f"{parts}, of {total}")
        notes = [
            note
            for key in keys
            if (note := self.origin_of(name, key).note) and not self.knows(name, key)
        ]
        instead = notes[0] if notes else otherwise
        if known:
            parts = " and ".join(f"{counts[s]} of {total} {s.value}" for s in present)
            return Basis(quantity, Source.ASSUMED, f"{parts}, for the others {instead}")
        return Basis(quantity, Source.ASSUMED, instead)


UNKNOWN = Profile()
"""Nothing known beyond the topology itself."""


@dataclass(frozen=True)
class Factors:
    """Multiplicative errors of a profile's numbers, one row per draw; median 1 in each column.

    Arrays are (draws, components) or (draws, streams) in the topology's order.
    """

    rate: Floats
    service: Floats
    wait: Floats
    service_scv: Floats
    selectivity: Floats
    """Also of every `input_selectivity` of that output stream."""
    tuple_bytes: Floats

    @property
    def draws(self) -> int:
        """Number of rows."""
        return len(self.rate)


def draw_factors(profile: Profile, topology: Topology, draws: int, seed: int) -> Factors:
    """Draw how far the truth may be from the profile's numbers, by the spread of each.

    Log-normal, each parameter stratified (a Latin hypercube: `draws` equally likely values in an
    order of its own), so that few draws cover its range and one draw is the profile itself. The
    draws depend on the names in the topology, the spreads and the seed alone: never on a plan or
    on parallelism, so that plans are compared under the same truths (common random numbers).
    Subscriptions to one output of a component share its factor, as they share the emission.
    Numbers that are not stated have the spread of an assumption; fill them by `with_priors` first.
    Raises ValueError for fewer than 1 draw.
    """
    if draws < 1:
        raise ValueError(f"draws is {draws}; at least 1 is needed")
    strata = _strata(draws)

    def factors(quantity: Quantity, keys: list[str] | list[StreamKey]) -> Floats:
        # A generator per quantity: one more stream must not change the rates that are drawn.
        random = np.random.default_rng([seed, get_args(Quantity).index(quantity)])
        z = random.permuted(np.tile(strata, (len(keys), 1)), axis=1)
        log_sd = np.array([profile.origin_of(quantity, key).log_sd for key in keys])
        return np.asarray(np.exp(z * log_sd[:, None]).T, dtype=np.float64)

    emissions: dict[tuple[str, str], int] = {}
    of_emission = [emissions.setdefault((s.source, s.stream_id), len(emissions))
                   for s in topology.streams]  # fmt: skip
    first: dict[int, StreamKey] = {}
    for stream, emission in zip(topology.streams, of_emission, strict=True):
        first.setdefault(emission, stream_key(stream))
    outputs = list(first.values())
    names = list(topology.names)
    return Factors(
        rate=factors("rate_per_s", names),
        service=factors("service_s", names),
        wait=factors("wait_s", names),
        service_scv=factors("service_scv", names),
        selectivity=factors("selectivity", outputs)[:, of_emission],
        tuple_bytes=factors("tuple_bytes", outputs)[:, of_emission],
    )


@lru_cache(maxsize=8)
def _strata(draws: int) -> Floats:
    """Standard normal values in the middle of `draws` equally likely ranges."""
    normal = NormalDist()
    found = np.array([normal.inv_cdf((i + 0.5) / draws) for i in range(draws)])
    found.flags.writeable = False
    return found


def drawn(profile: Profile, topology: Topology, factors: Factors, draw: int) -> Profile:
    """The profile that is the truth in one row of `factors`.

    Selectivities of a loop may be drawn so large that the loop diverges; `flows` refuses that.
    """
    at = topology.position
    streams = {stream_key(s): i for i, s in enumerate(topology.streams)}

    def component(numbers: Mapping[str, float], by: Floats) -> dict[str, float]:
        return {k: v * float(by[draw, at[k]]) if k in at else v for k, v in numbers.items()}

    def stream(numbers: Mapping[StreamKey, float], by: Floats) -> dict[StreamKey, float]:
        return {
            k: v * float(by[draw, streams[k]]) if k in streams else v for k, v in numbers.items()
        }

    return replace(
        profile,
        rate_per_s=component(profile.rate_per_s, factors.rate),
        service_s=component(profile.service_s, factors.service),
        wait_s=component(profile.wait_s, factors.wait),
        service_scv=component(profile.service_scv, factors.service_scv),
        selectivity=stream(profile.selectivity, factors.selectivity),
        input_selectivity={
            (o, i): v * float(factors.selectivity[draw, streams[o]]) if o in streams else v
            for (o, i), v in profile.input_selectivity.items()
        },
        tuple_bytes=stream(profile.tuple_bytes, factors.tuple_bytes),
    )


def _named(key: str | StreamKey) -> str:
    return repr(key) if isinstance(key, str) else "{0} -{2}-> {1}".format(*key)


def _check_number(what: str, value: float, unit: str) -> None:
    if not (math.isfinite(value) and value >= 0):
        shown = f"{value} {unit}".rstrip()
        raise InvalidRequest(f"{what} is {shown}; it must be 0 or more")


def _check_shares(stream: StreamKey, shares: tuple[float, ...]) -> None:
    if not shares:
        raise InvalidRequest(f"the key shares of {_named(stream)} are empty; state one or more")
    for i, share in enumerate(shares):
        _check_number(f"key share {i} of {_named(stream)}", share, "")
    total = math.fsum(shares)
    if abs(total - 1) > SHARES_TOLERANCE:
        raise InvalidRequest(
            f"the key shares of {_named(stream)} sum to {total:.6g}; they must sum to 1"
        )


def _check_weights(stream: StreamKey, weights: KeyWeights) -> None:
    wrong = [key for key, weight in weights.items() if not 0 <= weight < math.inf]
    for key in wrong[:1]:
        weight = weights[key]
        _check_number(f"the weight of key {key!r} of {_named(stream)}", weight, "")
    _check_number(f"the weight of unlisted keys of {_named(stream)}", weights.unlisted, "")
    if not (math.isfinite(weights.total) and weights.total > 0):
        raise InvalidRequest(
            f"the key weights of {_named(stream)} sum to {weights.total:g}; they must sum to "
            "something above 0"
        )
