"""Discrete-event simulation of a running Heron topology under a packing plan.

Written from Heron's mechanics, as its public source and measured runs show them, and from none of
the formulas of `packing.model`, so that it can prove them wrong.

What a tuple goes through: its spout's executor emits it into a packet; the packet leaves when the
spout's next call finds nothing to do; the gateway thread writes it to the stream manager, whose one
event loop routes it into a cache per destination; the cache is drained by a timer; the set goes to
a local instance or to a peer, which passes it on; the receiving gateway parses it into the read
queue; the executor works through the packet and sends all outputs when it is done. Queues and
sockets are finite, a slow instance lets its connection in the stream manager grow to the high water
mark, and then no spout of the topology is read until it has fallen to the low one.

Threads of a container burn its CPU quota together and stand still when it is gone; threads of a
host share its cores.

The rule of the cache (`Drain` in Heron's tuple-cache.cpp: an open set leaves only if neither this
drain nor the previous one had anything for its destination) makes a steadily fed destination leave
at every second tick. At which of the two depends on history: a queue fed in blocks just after one
tick is stable at either, but a single stall during start-up moves it to the later one, where real
topologies are found. That is why bolts stall in the first second here.
"""

from packing.simulation.load import ComponentLoad, SimulatedLoad, StreamLoad
from packing.simulation.mechanics import Mechanics
from packing.simulation.result import Latency, SimulationResult
from packing.simulation.run import simulate

__all__ = [
    "ComponentLoad",
    "Latency",
    "Mechanics",
    "SimulatedLoad",
    "SimulationResult",
    "StreamLoad",
    "simulate",
]
