"""How much load a plan carries, and what limits it.

Heron's back-pressure stops every spout when one buffer is full, so the whole topology runs at the
pace of its weakest server: an instance's executor or gateway thread, a container's quota, a stream
manager's loop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from packing.arrays import Floats
from packing.model.costs import HeronCosts
from packing.model.demand import CONTAINERS, MANAGERS, Demand, Needs
from packing.model.packets import DUTY_IN_BACK_PRESSURE
from packing.model.placed import Placed
from packing.model.runtime import Runtime

CLOSE = 1e-10
"""Relative width at which the search for the load that fills a server ends."""
ROUNDS = 30
"""More than it ever needs: each round is a step of Newton's and one of the secant method."""
SLOW = 3
"""Steps of the secant method in a row that do not halve the bracket, before it is halved."""
STREAM_MANAGER_CORES = 1.0
"""A stream manager is one event loop."""


@dataclass(frozen=True)
class Limit:
    """One server and the load factor at which it is full."""

    name: str
    factor: float
    container: int | None = None
    """Container id; None for a limit of the whole topology."""
    component: str | None = None
    """Whose instance is full; None for a limit of a container or of all."""


@dataclass(frozen=True)
class Saturation:
    """Load factors; infinite where nothing limits."""

    sustainable: float
    """Offered load times this runs without back-pressure."""
    delivered: float
    """Part of the offered load that gets through; 1 without back-pressure."""
    demand: Demand
    """CPU at the load delivered."""
    at_load: Demand
    """CPU that the offered load would need."""
    servers: Servers
    limiting: Demand
    """CPU with the packets that there are when the first server is full."""

    @property
    def finite(self) -> float | None:
        """The sustainable load; None where nothing limits."""
        return self.sustainable if self.sustainable < math.inf else None

    @cached_property
    def limits(self) -> tuple[Limit, ...]:
        """The weakest server of each kind and container, weakest first."""
        return self.servers.limits(self.limiting)


def quotas(placed: Placed, runtime: Runtime, cores: Floats) -> Floats:
    """Cores that each container may use; infinite where nothing enforces them."""
    if runtime.enforced_quotas:
        return cores
    return np.full(placed.counts.shape[1], np.inf)


def saturation(placed: Placed, costs: HeronCosts, runtime: Runtime, cores: Floats) -> Saturation:
    """Find the sustainable load, and what is delivered when more is offered.

    In back-pressure a container gets more work done per core than just below it, because full
    buffers make large packets; so what is delivered can exceed what is sustainable.
    """
    needs = Needs(placed, costs, runtime)
    servers = Servers(needs, quotas(placed, runtime, cores))
    at_load = needs.at()
    full, when_full = first_full(needs, servers, at_load)
    if full >= 1.0:
        return Saturation(full, 1.0, at_load, at_load, servers, when_full)
    pressed = needs.at(1.0, DUTY_IN_BACK_PRESSURE)
    under_pressure = servers.full_at(pressed)
    if under_pressure < full:
        # So little flows that packets follow the load: the spouts' pauses save nothing.
        return Saturation(full, full, when_full, at_load, servers, when_full)
    limiting = pressed if under_pressure < 1.0 else when_full
    return Saturation(full, min(1.0, under_pressure), pressed, at_load, servers, limiting)


def first_full(
    needs: Needs, servers: Servers, at_load: Demand, close: float = CLOSE
) -> tuple[float, Demand]:
    """The load factor at which the first server is full, and demand there; `close` is the relative
    width of what is left to search.

    Packets rise with load. With those of a load x the first server is full at h(x), which falls as
    x rises, so the answer h(x) = x always lies between x and h(x). Both ends of that bracket close
    in on it by the secant method, and by halves where a kink throws that off. Where packets no
    longer depend on load the first guess is the answer.
    """
    guess = full = servers.full_at(at_load)
    if not math.isfinite(guess):
        return guess, at_load
    before, here = 1.0, at_load
    low, high = min(1.0, full), max(1.0, full)
    slow = 0
    for _ in range(ROUNDS):
        last, here = here, needs.at(guess)
        full = servers.full_at(here)
        width = high - low
        low, high = max(low, min(guess, full)), min(high, max(guess, full))
        if high - low <= close * high:
            break
        slow = slow + 1 if high - low > width / 2 else 0
        # Just inside of an end, so that the bracket closes there if the answer is that end.
        inside = CLOSE / 1000 * high
        step = servers.full_between(before, last, guess, here)
        step = min(max(step, low + inside), high - inside)
        before, guess = guess, step if slow < SLOW else (low + high) / 2
    return guess, here


class Servers:
    """What can be full, and how much each may use."""

    def __init__(self, needs: Needs, quota: Floats) -> None:
        """Servers of one placement whose containers may use `quota` cores."""
        self._needs = needs
        # What does not rise with load is never full.
        some = needs.rising > 0
        capacity = np.empty_like(needs.rising)
        capacity[CONTAINERS] = quota
        capacity[MANAGERS] = STREAM_MANAGER_CORES
        self._all_rise = bool(some.all())
        if not self._all_rise:
            capacity[~some] = np.inf
        self._rising = needs.rising if self._all_rise else np.where(some, needs.rising, 1.0)
        self._capacity = capacity
        self._thread = 1.0 / needs.busiest_thread if needs.busiest_thread > 0 else np.inf
        self._gateways_rising = needs.gateways_rising
        self._all_gateways_rise = bool((needs.gateways_rising > 0).all())
        self._host_cores = needs.runtime.host_cores

    def full_at(self, needs: Demand) -> float:
        """Load factor at which the first is full with the packets of `needs`; may be infinite."""
        least = float(((self._capacity - needs.fixed) / self._rising).min())
        gateway = self._gateway(needs.gateways, self._gateways_rising)
        host = self._host(needs.fixed[CONTAINERS], 0.0)
        return max(0.0, min(least, self._thread, gateway, host))

    def full_between(self, low: float, below: Demand, high: float, above: Demand) -> float:
        """The same with packets that rise evenly from those at `low` to those at `high`."""
        slope = (above.fixed - below.fixed) / (high - low)
        at_none = below.fixed - slope * low
        slope = np.maximum(slope, 0.0)
        least = float(((self._capacity - at_none) / (self._rising + slope)).min())
        host = self._host(at_none[CONTAINERS], float(slope[CONTAINERS].sum()))
        packets = (above.gateways - below.gateways) / (high - low)
        rising = self._gateways_rising + np.maximum(packets, 0.0)
        gateway = self._gateway(below.gateways - packets * low, rising)
        return max(0.0, min(least, self._thread, gateway, host))

    def _gateway(self, packets: Floats, rising: Floats) -> float:
        """Where the first gateway is full that is busy with `packets`, and `rising` per load."""
        return float(self._gateways_full(packets, rising).min(initial=np.inf))

    def _gateways_full(self, packets: Floats, rising: Floats) -> Floats:
        left = np.maximum(1.0 - packets, 0.0)
        if self._all_gateways_rise:
            return left / rising
        never = np.where(left > 0, np.inf, 0.0)
        found: Floats = np.divide(left, rising, out=never, where=rising > 0)
        return found

    def _host(self, fixed: Floats, slope: float) -> float:
        if self._host_cores is None:
            return np.inf
        rising = float(self._needs.rising[CONTAINERS].sum()) + slope
        return (self._host_cores - float(fixed.sum())) / rising if rising > 0 else np.inf

    def limits(self, needs: Demand) -> tuple[Limit, ...]:
        """The weakest two containers and stream managers, the busiest executor and gateway, and the
        host."""
        plan = needs.placed.plan
        found: list[Limit] = []
        factors = (self._capacity - needs.fixed) / self._rising
        for name, row in (("CPU", factors[CONTAINERS]), ("stream manager", factors[MANAGERS])):
            for _ in range(2):
                at = int(row.argmin())
                factor = float(row[at])
                if factor == np.inf:
                    break
                this = int(plan.container_ids[at])
                found.append(Limit(f"{name} of container {this}", max(0.0, factor), this))
                row[at] = np.inf
        if self._thread < np.inf:
            at = self._busiest_instance()
            component = plan.components[plan.component[at]]
            name = f"thread of {component} instance {plan.index[at]}"
            this = int(plan.container_ids[plan.container[at]])
            found.append(Limit(name, self._thread, this, component))
        gateways = self._gateways_full(needs.gateways, self._gateways_rising)
        full = float(gateways.min(initial=np.inf))
        if full < np.inf:
            component = plan.components[int(gateways.argmin())]
            found.append(Limit(f"gateway of {component}", full, component=component))
        host = self._host(needs.fixed[CONTAINERS], 0.0)
        if host < np.inf:
            found.append(Limit("CPU of the host", max(0.0, host)))
        found.sort(key=lambda limit: limit.factor)
        return tuple(found)

    def _busiest_instance(self) -> int:
        """Position in the plan of the first instance whose thread is the busiest."""
        placed = self._needs.placed
        v = int((self._needs.work.thread_cores * placed.largest_share).argmax())
        of = placed.own.get(v)
        if of is not None:
            members = (placed.plan.component == v).nonzero()[0]
            return int(members[(of.kind == len(of.share) - 1).argmax()])
        return int((placed.plan.component == v).argmax())
