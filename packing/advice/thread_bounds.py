"""The fewest instances of each component whose executing threads keep up, wherever they run.

The rule of DS2 (Kalavri et al., OSDI 2018, equations 7 and 8): rate times time per tuple, rounded
up. Where a stream does not spread evenly the busiest instance decides instead of the mean, and
where one instance gets a part that no other can take off it, no number is enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from packing.advice.offered import offering
from packing.arrays import Floats
from packing.errors import Infeasible
from packing.key_skew import KeyWeights, hot_key
from packing.model import HeronCosts, Runtime, Structure, structure
from packing.model.demand import work
from packing.profile import Profile, stream_key
from packing.topology import MAX_INSTANCES, Grouping, Stream, Topology

MOST_INSTANCES = 1_000
"""Of a component whose shares are uneven: beyond it only `MOST_TIMES_EVEN` times as many as even
shares would take. Next to a limit that no number removes, more and more do less and less."""
MOST_TIMES_EVEN = 2
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
    """Threads that keep up with the spouts' rates. What follows from them is kept."""

    topology: Topology
    profile: Profile
    rates: Mapping[str, float]
    """Tuples/s of each spout."""
    costs: HeronCosts
    runtime: Runtime
    _known: dict[tuple[int, ...], tuple[_Parts, ...]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @cached_property
    def _multiplied(self) -> tuple[str, ...]:
        """Components on whose number of instances rates depend: the readers of ALL streams."""
        streams = self.topology.streams
        return tuple({s.target: None for s in streams if s.grouping is Grouping.ALL})

    def parts(self, parallelism: Mapping[str, int]) -> tuple[_Parts, ...]:
        """What each component receives at a parallelism."""
        key = tuple(parallelism[name] for name in self._multiplied)
        if key not in self._known:
            prepared = structure(
                self.topology.with_parallelism(parallelism),
                offering(self.profile, self.rates, parallelism),
            )
            busy = work(prepared, self.costs, self.runtime).thread_cores.tolist()
            self._known[key] = tuple(
                _Parts(prepared, self.profile, v, thread) for v, thread in enumerate(busy)
            )
        return self._known[key]


def thread_bounds(
    asked: Asked, load_factor: float, least: Mapping[str, int], spare: float = 1.0
) -> dict[str, int]:
    """The fewest instances per component whose threads keep up with `load_factor` times the rates,
    none below `least`; with `spare` times the capacity where some number of them has that.

    Readers of ALL streams make more of the work for those behind them the more they are, so bounds
    are raised until they hold together. Raises NoParallelismHelps.
    """
    found = dict(least)
    for _ in range(len(found) + 1):
        parts = asked.parts(found)
        raised = {
            name: max(found[name], _fewest_with_spare(parts[v], load_factor, spare))
            for v, name in enumerate(asked.topology.names)
        }
        if raised == found:
            break
        found = raised
    return found


def likely_bounds(
    asked: Asked, thread_load: Floats, probability: float, least: Mapping[str, int]
) -> dict[str, int]:
    """Few instances per component whose threads keep up in `probability` of the draws, none below
    `least`, at which the rates are taken.

    `thread_load` are the threads that each component keeps busy; (draws, components). Some draws
    may be missed, and missing those that need most saves most: again and again the component is
    cut that loses the most instances for each draw that this misses.
    """
    names = asked.topology.names
    lowest = np.array([least[name] for name in names])
    needed = np.column_stack(
        [_fewest_each(part, thread_load[:, v]) for v, part in enumerate(asked.parts(least))]
    )
    needed = np.maximum(needed, lowest)
    kept = np.isfinite(needed).all(axis=1)
    may_miss = math.floor(len(needed) * (1 - probability) + 1e-9) - int(np.sum(~kept))
    if may_miss < 0:
        # No number is enough in so many draws; the model says what that means.
        return dict(least)
    needed = needed[kept]
    found = needed.max(axis=0)
    while may_miss > 0:
        cuts = [_cut(needed[:, v], int(lowest[v]), may_miss) for v in range(len(names))]
        v = max(range(len(names)), key=lambda v: cuts[v][0])
        if cuts[v][0] <= 0:
            break
        keeps = needed[:, v] <= cuts[v][1]
        may_miss -= int(np.sum(~keeps))
        needed = needed[keeps]
        found = needed.max(axis=0)
    return {name: int(n) for name, n in zip(names, found, strict=True)}


def _cut(needed: Floats, lowest: int, may_miss: int) -> tuple[float, float]:
    """Instances saved per draw missed, at best, and how many are left then."""
    levels = np.sort(needed)[::-1]
    left = levels[1 : may_miss + 1]
    saved = (levels[0] - left) / np.arange(1, len(left) + 1)
    at = int(saved.argmax()) if len(left) else 0
    return (float(saved[at]), float(max(left[at], lowest))) if len(left) else (0.0, levels[0])


def _fewest_each(parts: _Parts, busy: Floats) -> Floats:
    """`_fewest` for several loads of the threads; infinite where no number is enough."""
    if parts.even or parts.busy <= 0:
        return np.maximum(1.0, np.ceil(busy * (1 - ROUNDING)))
    found = np.full(len(busy), np.inf)
    for i, one in enumerate(busy.tolist()):
        try:
            found[i] = _fewest(parts, one / parts.busy)
        except NoParallelismHelps:
            continue
    return found


def _fewest_with_spare(parts: _Parts, load_factor: float, spare: float) -> int:
    try:
        return _fewest(parts, load_factor * spare)
    except NoParallelismHelps:
        if spare <= 1:
            raise
        return _fewest(parts, load_factor)


def _fewest(parts: _Parts, load_factor: float) -> int:
    """Of one component, with the others as they are."""
    if parts.received_per_s <= 0 or parts.busy <= 0:
        return 1
    if parts.even:
        return max(1, math.ceil(parts.busy * load_factor * (1 - ROUNDING)))
    busy_s = parts.busy / parts.received_per_s * load_factor
    least = parts.least_per_s * busy_s
    if least > 1 + ROUNDING:
        raise NoParallelismHelps(parts.why(), 1 / least)
    even = math.ceil(parts.received_per_s * busy_s)
    if even > MAX_INSTANCES:
        return even
    lightest_per_s = math.inf
    first = max(1, math.ceil(parts.lowest_number(busy_s)))
    for n in _numbers(first, max(MOST_INSTANCES, MOST_TIMES_EVEN * even)):
        if parts.busiest_per_s(n) * busy_s <= 1 + ROUNDING:
            return n
        lightest_per_s = min(lightest_per_s, parts.busiest_per_s(n))
    lightest = lightest_per_s * busy_s if math.isfinite(lightest_per_s) else least
    raise NoParallelismHelps(parts.why(), 1 / lightest)


def _numbers(first: int, most: int) -> Iterator[int]:
    n = first
    while n <= most:
        yield n
        n += 1 if n < first + EVERY else max(1, n // 20)


class _Parts:
    """What a component receives, by how it spreads over its instances; tuples/s at nominal load."""

    def __init__(self, prepared: Structure, profile: Profile, v: int, busy: float) -> None:
        """Of component `v`, whose threads are `busy` with it: all together, in cores."""
        topology = prepared.topology
        self.busy = busy
        self.name = topology.names[v]
        n = topology.components[v].parallelism
        self._to_every = 0.0
        self._to_one = 0.0
        self._keyed: list[tuple[Stream, float]] = []
        self._profile = profile
        self._all: list[Stream] = []
        self._global: list[Stream] = []
        self._busiest: dict[int, float] = {}
        self.received_per_s = total = float(prepared.rates.input_per_s[v])
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
        if n not in self._busiest:
            self._busiest[n] = self._busiest_of(n)
        return self._busiest[n]

    def _busiest_of(self, n: int) -> float:
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
                f"no parallelism helps {self.name!r}: the {len(weights):,} keys of {hottest[0]} do "
                "not spread evenly enough over so many instances, and one always gets more than it "
                "can execute"
            )
        return (
            f"no parallelism helps {self.name!r}: going by the shares that were measured, one key "
            f"of {hottest[0]} has too much for one instance; state the weights of its keys in a "
            "profile if that is not so"
        )


def _listed(streams: list[Stream]) -> str:
    return ", ".join(str(stream) for stream in streams)
