"""The load that any placement sustains at most.

Three kinds of servers fill up (`packing.model.saturation`), and each has a part that no placement
avoids: an instance's thread does its work wherever it is; all containers together pay for the work
of all instances, for what passes the stream managers, for the packets that cannot be gathered any
better, and for the least traffic that must cross; some container holds several large instances
when there are more than containers. With costs as in `packing.model.demand`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from packing.arrays import Floats, sum_by
from packing.bounds.bound import Bound
from packing.bounds.limits import PlanLimits
from packing.bounds.shares import ShareClasses
from packing.model.demand import Work, work
from packing.model.packets import ACKED_PACKETS_PER_TUPLE, KINDS, LEAST_SHARE
from packing.model.saturation import STREAM_MANAGER_CORES
from packing.model.structure import TUPLE_OVERHEAD_BYTES
from packing.request import Request

CLOSE = 1e-4
"""How far over its capacity a server may be at the bound, relative."""
ROUNDS = 20
MANY_CLASSES = 200
"""Classes above which packets are left out: who sends to whom is a square of them."""
ALL = ("CPU of all containers", "stream managers")
"""Kinds of servers that are bounded together."""
ROUNDING = 1e-9
"""Relative; loads of the model are exact to better than this."""


def most_sustainable_load(
    request: Request,
    classes: ShareClasses,
    limits: PlanLimits,
    most_together: int,
    cross_tuples_per_s: float,
) -> Bound | None:
    """Offered load times that plans within `limits` carry without back-pressure, at most.

    `most_together` instances fit one container, and `cross_tuples_per_s` at least cross containers
    at the offered load. None when the load is not known or no instance is ever busy.
    """
    if not request.prepared.known_load:
        return None
    needed = _Least(request, classes, limits, most_together, cross_tuples_per_s)
    thread, busiest = needed.thread
    high, first = min((thread, busiest), needed.ceiling)
    if np.isinf(high):
        return None
    over, what = needed.over(high)
    if over <= 0:
        return Bound(high * (1 + ROUNDING), first)
    low = 0.0
    below, idle = needed.over(0.0)
    if below >= 0:
        return Bound(0.0, idle)
    # Demand bends down with load, so where the chord meets capacity is a little too much.
    for _ in range(ROUNDS):
        if over <= CLOSE:
            break
        middle = (low * over - high * below) / (over - below)
        middle = min(middle * (1 + CLOSE / 4), (middle + high) / 2)
        beyond, by = needed.over(middle)
        if beyond > 0:
            high, over, what = middle, beyond, by
        else:
            low, below = middle, beyond
    return Bound(high * (1 + ROUNDING), what)


class _Least:
    """The least that plans within limits need at a load."""

    def __init__(
        self,
        request: Request,
        classes: ShareClasses,
        limits: PlanLimits,
        most_together: int,
        cross_tuples_per_s: float,
    ) -> None:
        self._s = request.prepared
        self._costs = request.costs
        self._runtime = request.runtime
        self._classes = classes
        self._limits = limits
        self._together = most_together
        self._cross = cross_tuples_per_s
        self._work: Work = work(self._s, request.costs, request.runtime)
        self._of = classes.component

    @cached_property
    def thread(self) -> tuple[float, str]:
        """Load that fills the busiest executing thread, and whose it is."""
        busy = self._work.thread_cores * self._classes.hottest
        at = int(np.argmax(busy))
        if busy[at] <= 0:
            return float("inf"), ""
        return 1.0 / float(busy[at]), f"thread of {self._s.topology.names[at]}"

    @cached_property
    def _rising(self) -> tuple[Floats, Floats]:
        """Cores per unit of load of one instance of each class: in containers, of managers."""
        share = self._classes.least_share
        sent = self._sent_per_s[self._of] * share
        a_tuple = self._costs.manager_tuple_s
        a_tuple += self._costs.manager_ack_s if self._runtime.acking else 0.0
        manager = sent * a_tuple
        return self._work.rising_cores[self._of] * share + manager, manager

    @cached_property
    def _sent_per_s(self) -> Floats:
        """Tuples/s that each component sends, one per reader; (components,)."""
        return sum_by(self._s.stream_source, self._s.rates.stream_per_s, len(self._s.spout))

    @cached_property
    def _totals(self) -> tuple[float, float]:
        """The same of everything, with the least that crosses."""
        costs, s = self._costs, self._s
        tuples = s.traffic_per_s
        crossing = self._cross * costs.manager_remote_in_s
        flowing = s.rates.stream_per_s > 0
        if flowing.any():
            least_bytes = float(s.stream_bytes[flowing].min()) + TUPLE_OVERHEAD_BYTES
            # Sent by one stream manager and read by another.
            crossing += 2 * self._cross * least_bytes * costs.manager_byte_s
        if self._runtime.acking:
            crossing += self._cross * costs.manager_ack_s + tuples * costs.manager_ack_s
        manager = tuples * costs.manager_tuple_s + crossing
        return float(self._work.rising_cores.sum()) + manager, manager

    @cached_property
    def ceiling(self) -> tuple[float, str]:
        """A load that is too much even without what does not rise with it, and for what."""
        return min(
            (
                (capacity / rising, kind)
                for capacity, rising, kind in zip(self._capacities, self._totals, ALL, strict=True)
                if rising > 0
            ),
            default=(float("inf"), ""),
        )

    @cached_property
    def _capacities(self) -> tuple[float, float]:
        """Cores that all containers and all stream managers have."""
        total = self._limits.total_cores if self._runtime.enforced_quotas else float("inf")
        if self._runtime.host_cores is not None:
            total = min(total, self._runtime.host_cores)
        return total, self._limits.containers * STREAM_MANAGER_CORES

    def over(self, load: float) -> tuple[float, str]:
        """How far the tightest kind of server is over what it has, relative; above 0 is too much.

        And which one that is. Only what grows with load counts: a server that does not is never
        full.
        """
        if not np.isfinite(load):
            return float("-inf"), ""
        return max(self._excesses(load))

    def _excesses(self, load: float) -> Iterator[tuple[float, str]]:
        yield float("-inf"), ""
        costs, supply = self._costs, self._classes.supply
        into, out = self._packets(load)
        passing = into * costs.manager_packet_out_s
        passing = passing + out * self._work.manager_packet_out_s[self._of]
        own = self._work.idle_cores[self._of] + into * self._work.packet_in_s[self._of]
        own = own + out * self._work.packet_out_s[self._of]
        background = costs.manager_idle_cores + costs.container_background_cores
        kinds = (
            (
                ALL[0],
                "CPU of a container",
                self._capacities[0],
                self._limits.container_cores if self._runtime.enforced_quotas else float("inf"),
                own + passing,
                background,
            ),
            (
                ALL[1],
                "a stream manager",
                self._capacities[1],
                STREAM_MANAGER_CORES,
                passing,
                costs.manager_idle_cores,
            ),
        )
        for kind, (all_of_them, one, capacity, largest, fixed, idle) in enumerate(kinds):
            rising, total = self._rising[kind], self._totals[kind]
            grows = rising > 0
            if not grows.any():
                continue
            each = np.where(grows, fixed + load * rising, 0.0)
            # As many containers as possible might hold only instances that never grow.
            grown = max(1, self._limits.containers - int(supply[~grows].sum()))
            if np.isfinite(capacity):
                needs = float(supply @ np.where(grows, fixed, 0.0)) + load * total + grown * idle
                yield needs / capacity - 1 if capacity > 0 else float("inf"), all_of_them
            if np.isfinite(largest):
                needs = self._some_container(each) + idle
                yield needs / largest - 1 if largest > 0 else float("inf"), one

    def _some_container(self, each: Floats) -> float:
        """What the fullest container holds at least.

        Of the j C + 1 largest instances some container holds j + 1, at least the least of them.
        """
        order = np.argsort(-each, kind="stable")
        counts = np.cumsum(self._classes.supply[order])
        largest = np.r_[0.0, np.cumsum(each[order] * self._classes.supply[order])]
        containers = self._limits.containers
        j = np.arange((int(counts[-1]) - 1) // containers + 1)
        ends = np.r_[0, counts]
        upto = np.interp(j * containers + 1, ends, largest)
        before = np.interp(j * containers - j, ends, largest)
        return float((upto - before).max())

    def _packets(self, load: float) -> tuple[Floats, Floats]:
        """Packets/s into and out of one instance of each class, at least; (K,) each.

        From each stream manager an instance gets what its senders there cause, a packet per drain
        at most and more where senders take turns (`packing.model.packets`): least when they share
        one container, and no container holds more of them than fit. A bolt forwards a packet for
        each, if it has as many tuples to send; where that is less than a packet per drain, that
        goes down the topology.
        """
        s, of, share = self._s, self._of, self._apart
        if len(of) > MANY_CLASSES:
            return np.zeros(len(of)), np.zeros(len(of))
        drains = 1.0 / self._runtime.drain_period_s
        tuples = s.rates.input_per_s[of] * share * load
        emitted = s.emit_per_s[of] * share * load
        spout, emits = s.spout[of], s.emits[of]
        spouts_out = np.minimum(tuples, self._runtime.spout_packets_per_s)
        # Tuples/s from one instance of u (column) to one of v (row).
        one_to_one = s.feeding[np.ix_(of, of)] * np.outer(share, share) * load
        streams = s.adjacency[np.ix_(of, of)]
        out = np.where(spout, spouts_out, np.inf)
        into = np.zeros(len(of))
        before: Floats | None = None
        for _ in range(len(s.spout) + 1):
            with np.errstate(invalid="ignore"):
                caused = np.where(streams > 0, np.minimum(one_to_one, streams * out), 0.0)
            into = self._gathered(caused, drains)
            if self._runtime.acking:
                into = np.where(spout, np.minimum(tuples, drains), into)
                sent = np.where(emits, ACKED_PACKETS_PER_TUPLE * tuples, into)
            else:
                sent = np.minimum(into, emitted)
            out = np.where(spout, spouts_out, sent)
            if before is not None and np.array_equal(into, before):
                break
            before = into
        return into, out

    @cached_property
    def _apart(self) -> Floats:
        """Shares that packets follow at least; (K,).

        The model computes packets for `KINDS` shares of a component and interpolates, which takes
        a share for one that is smaller by less than the step between them.
        """
        found = self._classes.least_share.copy()
        members = np.bincount(self._of, self._classes.supply, len(self._s.spout))
        many = np.isin(self._of, self._s.routed) & (members[self._of] > KINDS)
        found[many] *= LEAST_SHARE ** (1 / (KINDS - 1))
        return found

    def _gathered(self, caused: Floats, drains: float) -> Floats:
        """Packets/s into one instance of each class for what each sender causes; (K,)."""
        supply = self._classes.supply
        total = caused @ supply
        gathered = np.minimum(total, drains)
        # The most that senders in one container cause: the strongest of them.
        order = np.argsort(-caused, axis=1, kind="stable")
        counts = np.minimum(np.cumsum(supply[order], axis=1), self._together)
        taken = np.diff(counts, axis=1, prepend=0)
        largest = (np.take_along_axis(caused, order, axis=1) * taken).sum(axis=1)
        spread = total * np.minimum(1.0, np.divide(
            drains, largest, out=np.ones_like(largest), where=largest > 0
        ))  # fmt: skip
        return np.asarray(np.maximum(gathered, spread), dtype=np.float64)
