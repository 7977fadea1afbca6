"""How much two instances gain by sharing a container."""

from __future__ import annotations

import numpy as np

from packing.arrays import Floats
from packing.flows import Flows, flows
from packing.profile import Profile
from packing.topology import Topology


def pair_traffic(topology: Topology, rates: Flows) -> Floats:
    """Tuples/s between one instance of u and one of v, both directions; symmetric (n, n).

    By the rank-one form of flows: stream rate over both parallelisms. A container with counts x
    keeps `x^T Q x / 2` tuples/s local.
    """
    size = len(topology.components)
    parallelism = np.array([c.parallelism for c in topology.components], dtype=np.float64)
    traffic = np.zeros((size, size))
    for rate, stream in zip(rates.stream_per_s.tolist(), topology.streams, strict=True):
        source, target = topology.position[stream.source], topology.position[stream.target]
        each = rate / (parallelism[source] * parallelism[target])
        traffic[source, target] += each
        traffic[target, source] += each
    return traffic


def instance_load(topology: Topology, profile: Profile, fallback_cores: Floats) -> Floats:
    """CPU that one instance of each component keeps busy, in cores.

    Where rates and service times are not all known, `fallback_cores` (what instances ask for).
    """
    if not profile.knows_load(topology):
        return fallback_cores
    rates = flows(topology, profile)
    service_s = np.array([profile.service_s[name] for name in topology.names])
    parallelism = np.array([c.parallelism for c in topology.components], dtype=np.float64)
    return np.asarray(rates.input_per_s * service_s / parallelism, dtype=np.float64)
