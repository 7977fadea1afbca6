"""What the policies are tried on."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from packing.constraints import Constraints
from packing.key_skew import KeyWeights
from packing.plan import Plan
from packing.planners.round_robin import round_robin
from packing.profile import Profile
from packing.request import Request
from packing.topology import Component, Grouping, Kind, Stream, Topology

from .world import SimulatedWorld

SLOWER = 20.0


def submitted(topology: Topology, instances_per_container: int = 4) -> Plan:
    """As Heron's own packer places it."""
    count = max(1, math.ceil(topology.instance_count / instances_per_container))
    return round_robin(Request(topology, Constraints(container_count=count)))


def word_count() -> SimulatedWorld:
    """The word count of Dhalion and DS2, started at one instance each.

    1 M sentences/min of 20 words; a FlatMap does 100 k sentences/min, a Count 1 M words/min; all of
    it `SLOWER` times slower, to simulate fewer tuples. Published answers: 10 and 20; Dhalion ends
    at 22 and 30 after six steps.
    """
    topology = Topology(
        "word-count", "word-count",
        (Component("source", Kind.SPOUT, 1), Component("flatmap", Kind.BOLT, 1),
         Component("count", Kind.BOLT, 1)),
        (Stream("source", "flatmap", "sentences", Grouping.SHUFFLE),
         Stream("flatmap", "count", "words", Grouping.FIELDS)),
    )  # fmt: skip
    sentences, words = ("source", "flatmap", "sentences"), ("flatmap", "count", "words")
    profile = Profile(
        rate_per_s={"source": 1e6 / 60 / SLOWER},
        service_s={"source": 0.0, "flatmap": SLOWER * 60 / 100e3, "count": SLOWER * 60 / 1e6},
        selectivity={sentences: 1.0, words: 20.0},
        tuple_bytes={sentences: 100.0, words: 20.0},
    )
    return SimulatedWorld(topology, profile, submitted(topology))


def random_world(random: np.random.Generator, number: int) -> SimulatedWorld:
    """Chains, diamonds and trees of two to five bolts that need one to twelve instances each.

    A third has a keyed stream with Zipf keys.
    """
    bolts = int(random.integers(2, 6))
    components = [Component("s0", Kind.SPOUT, int(random.integers(1, 3)))]
    streams: list[Stream] = []
    service = {"s0": 0.0}
    selectivity, sizes, keys = {}, {}, {}
    rate = float(random.uniform(200.0, 1500.0))
    arriving = {"s0": rate * components[0].parallelism}
    for i in range(bolts):
        name = f"b{i}"
        source = components[int(random.integers(max(0, i - 1), len(components)))].name
        grouping = Grouping.FIELDS if random.random() < 0.5 else Grouping.SHUFFLE
        key = (source, name, f"to-{name}")
        components.append(Component(name, Kind.BOLT, 1))
        streams.append(Stream(source, name, f"to-{name}", grouping))
        selectivity[key] = float(random.choice([0.5, 1.0, 2.0]))
        sizes[key] = float(random.choice([100, 300]))
        arriving[name] = arriving[source] * selectivity[key]
        needed = float(random.uniform(0.3, 8.0))
        service[name] = needed / arriving[name]
        if grouping is Grouping.FIELDS and random.random() < 1 / 3:
            weights = 1.0 / np.arange(1, 2001) ** float(random.uniform(0.3, 0.8))
            keys[key] = KeyWeights({f"k{j}": float(w) for j, w in enumerate(weights)})
    topology = Topology(f"t{number}", f"t{number}", tuple(components), tuple(streams))
    profile = Profile({"s0": rate}, service, selectivity, sizes, key_weights=keys)
    return SimulatedWorld(topology, profile, submitted(topology), seed=number * 1000)


def declared(profile: Profile, random: np.random.Generator) -> Profile:
    """What developers say of their code: times per tuple off by a third either way."""
    off = {name: float(np.exp(random.normal(0.0, 0.3))) for name in profile.service_s}
    return replace(
        profile, service_s={name: s * off[name] for name, s in profile.service_s.items()}
    )


def day(now_s: float) -> float:
    """A day's load: a wave between 0.4 and 1.3 with a peak of a quarter of an hour at noon."""
    hour = now_s / 3600.0 % 24.0
    wave = 0.85 - 0.45 * math.cos(2 * math.pi * (hour - 2.0) / 24.0)
    return wave + (0.3 if 12.0 <= hour < 12.25 else 0.0)
