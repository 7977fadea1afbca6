"""The fewest instances of each component whose executing threads keep up, wherever they run.

The rule of DS2 (Kalavri et al., OSDI 2018, equations 7 and 8): rate times time per tuple, rounded
up. Where a stream does not spread evenly the busiest instance decides instead of the mean, and
where one instance gets a part that no other can take off it, no number is enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from packing.advice.offered import offering
from packing.arrays import Floats
from packing.errors import Infeasible
from packing.key_skew import KeyWeights, hot_key
from packing.model import HeronCosts, Runtime, Structure, structure
from packing.model.demand import work
from packing.profile import Profile, stream_key
from packing.topology import Grouping, Stream, Topology

MOST_INSTANCES = 100_000
"""Of one component; more are not looked at."""
EVERY = 64
"""Numbers of instances tried one by one where shares are uneven; then in steps of a twentieth."""
ROUNDING = 1e-4
"""What is too weak by less is enough: rates are stated in a few digits (1,000,000 tuples a minute
are 16,667/s), and no model is as exact."""


class NoParallelismHelps(Infeasible):
    """A limit that stays however many instances there are; `factor` is the load it lets through,
    over the one asked for, and infinite where that is not known."""

    def __init__(self, sentence: str, factor: float = math.inf) -> None:
        """Say which limit it is."""
        super().__init__(sentence)
        self.factor = factor


@dataclass(frozen=True)
class Asked:
    """Threads that keep up with `load_factor` times the spouts' rates."""

    topology: Topology
    profile: Profile
    rates: Mapping[str, float]
    """Tuples/s of each spout."""
    costs: HeronCosts
    runtime: Runtime

    def at(self, parallelism: Mapping[str, int]) -> Structure:
        """The topology and its load at a parallelism."""
        return structure(
            self.topology.with_parallelism(parallelism),
            offering(self.profile, self.rates, parallelism),
        )


def thread_bounds(asked: Asked, load_factor: float, least: Mapping[str, int]) -> dict[str, int]:
    """The fewest instances per component, none below `least`.

    Readers of ALL streams make more of the work for those behind them the more they are, so bounds
    are raised until they hold together. Raises NoParallelismHelps.
    """
    found = dict(least)
    for _ in range(len(found) + 1):
        prepared = asked.at(found)
        raised = {
            name: max(found[name], _fewest(prepared, asked, v, load_factor))
            for v, name in enumerate(asked.topology.names)
        }
        if raised == found:
            break
        found = raised
    return found


def _fewest(prepared: Structure, asked: Asked, v: int, load_factor: float) -> int:
    """Of one component, with the others as they are."""
    received = float(prepared.rates.input_per_s[v])
    busy = float(work(prepared, asked.costs, asked.runtime).thread_cores[v])
    if received <= 0 or busy <= 0:
        return 1
    per_tuple_s = busy / received
    parts = _Parts(prepared, asked.profile, v)
    if parts.even:
        return max(1, math.ceil(received * per_tuple_s * load_factor * (1 - ROUNDING)))
    least = parts.least_per_s * per_tuple_s * load_factor
    if least > 1 + ROUNDING:
        raise NoParallelismHelps(parts.why(), 1 / least)
    for n in _numbers(max(1, math.ceil(parts.lowest_number(per_tuple_s * load_factor)))):
        if parts.busiest_per_s(n) * per_tuple_s * load_factor <= 1 + ROUNDING:
            return n
    raise NoParallelismHelps(parts.why())


def _numbers(first: int) -> Iterator[int]:
    n = first
    while n <= MOST_INSTANCES:
        yield n
        n += 1 if n < first + EVERY else max(1, n // 20)


class _Parts:
    """What a component receives, by how it spreads over its instances; tuples/s at nominal load."""

    def __init__(self, prepared: Structure, profile: Profile, v: int) -> None:
        topology = prepared.topology
        self.name = topology.names[v]
        n = topology.components[v].parallelism
        self._to_every = 0.0
        self._to_one = 0.0
        self._keyed: list[tuple[Stream, float]] = []
        self._profile = profile
        self._all: list[Stream] = []
        self._global: list[Stream] = []
        total = float(prepared.rates.input_per_s[v])
        for i, stream in enumerate(topology.streams):
            rate = float(prepared.rates.stream_per_s[i])
            if prepared.target[i] != v or rate <= 0:
                continue
            total -= rate
            key = stream_key(stream)
            if stream.grouping is Grouping.ALL:
                self._to_every += rate / n
                self._all.append(stream)
            elif stream.grouping is Grouping.GLOBAL:
                self._to_one += rate
                self._global.append(stream)
            elif stream.grouping is Grouping.FIELDS and (
                key in profile.key_weights or key in profile.key_shares
            ):
                self._keyed.append((stream, rate))
            else:
                total += rate
        self._evenly = max(0.0, total)

    @property
    def even(self) -> bool:
        """Whether all instances get the same, and the less the more there are."""
        return not (self._to_every or self._to_one or self._keyed)

    @property
    def least_per_s(self) -> float:
        """What the busiest instance gets however many there are."""
        hottest = max((rate * self._hottest(s)[1] for s, rate in self._keyed), default=0.0)
        return self._to_every + max(self._to_one, hottest)

    def _hottest(self, stream: Stream) -> tuple[str, float]:
        weights = self._profile.key_weights.get(stream_key(stream))
        return weights.hottest() if isinstance(weights, KeyWeights) else ("", 0.0)

    def lowest_number(self, busy_s: float) -> float:
        """Instances that it takes if all but what every instance gets were spread evenly."""
        left = 1.0 - self._to_every * busy_s
        spread = (self._evenly + self._to_one + sum(rate for _, rate in self._keyed)) * busy_s
        return spread * (1 - ROUNDING) / left if left > 0 else 1.0

    def busiest_per_s(self, n: int) -> float:
        """Tuples/s of the busiest of `n` instances of a fresh plan, whose task ids rise with the
        component index."""
        rates: Floats = np.full(n, self._to_every + self._evenly / n)
        rates[0] += self._to_one
        for stream, rate in self._keyed:
            shares = self._profile.shares_at(stream_key(stream), n)
            rates += rate / n if shares is None else rate * shares.values
        return float(rates.max())

    def why(self) -> str:
        """Which of the parts it is that stays."""
        hottest = max(self._keyed, key=lambda k: k[1] * self._hottest(k[0])[1], default=None)
        key = 0.0 if hottest is None else hottest[1] * self._hottest(hottest[0])[1]
        if self._to_every >= max(self._to_one, key) and self._all:
            return (
                f"no parallelism helps {self.name!r}: every one of its instances gets all tuples "
                f"of {_listed(self._all)} (grouping ALL), and that is more than one can execute"
            )
        if self._to_one >= key and self._global:
            return (
                f"no parallelism helps {self.name!r}: all tuples of {_listed(self._global)} go to "
                "its instance with the lowest task id (grouping GLOBAL), and that is more than "
                "one can execute"
            )
        assert hottest is not None
        weights = self._profile.key_weights.get(stream_key(hottest[0]))
        if isinstance(weights, KeyWeights):
            told = hot_key(weights, MOST_INSTANCES)
            if told is not None:
                return f"{told} (stream {hottest[0]})"
        return (
            f"no parallelism helps {self.name!r}: its busiest instance gets too much of "
            f"{hottest[0]}, going by the shares that were measured"
        )


def _listed(streams: list[Stream]) -> str:
    return ", ".join(str(stream) for stream in streams)
