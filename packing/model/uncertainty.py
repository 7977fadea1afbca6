"""How far off a prediction may be: the profile's spreads, Heron's costs and the model's own error.

A prediction is evaluated for many draws of what the truth may be, all at once. Demand is linear in
the tuples per second of components and streams, and these follow from the drawn rates and
selectivities, so that a container's demand under all draws is one product of two matrices:
(draws, components and streams) times (components and streams, containers). Containers with the
same contents are one column.

What a draw scales, and what it leaves as predicted:

- rates, service times, waiting times, selectivities, tuple sizes: in full, through `Factors`;
- Heron's costs: one factor for what instances spend and one for stream managers;
- packets: as predicted, and what more of them another load would bring; fewer in back-pressure;
- bursts: as predicted;
- uneven shares of keyed streams: as predicted;
- latency: each part of the predicted mean by how that part would change. Waits for the drain clock
  and sockets stay; execution of blocks, queueing and service follow the drawn times per tuple,
  pooled per component; stalls follow the use of the quotas; full buffers drain at the drawn rate,
  and have no bound where they are not predicted to be full.

Every figure is scaled so that the draw in which nothing is off gives the prediction itself.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from functools import cached_property, lru_cache
from statistics import NormalDist

import numpy as np

from packing.arrays import Bools, Floats, Ints
from packing.flows import arriving_shares
from packing.model.costs import NO_COSTS, HeronCosts
from packing.model.demand import CONTAINERS, MANAGERS, Needs, place
from packing.model.latency import BUFFERS_IN_BACK_PRESSURE, quota_stall_s
from packing.model.packets import DUTY_IN_BACK_PRESSURE
from packing.model.prediction import DEFAULT_RUNTIME, Prediction, predict_placed
from packing.model.runtime import Runtime
from packing.model.saturation import STREAM_MANAGER_CORES
from packing.model.structure import TUPLE_OVERHEAD_BYTES, Structure
from packing.plan import Plan
from packing.profile import Factors, stream_key
from packing.topology import Grouping, Kind

DRAWS = 200
LEVEL = 0.8
"""Nominal coverage of an interval: from the 10 % to the 90 % quantile."""
SEED = 20
"""Of every draw, so that the same request gets the same answer."""

CLOSE = 1e-9
"""Loads that differ by less, relatively, are the same."""
BELOW = 0.8
"""Part of the predicted load at which packets are looked at again, for how they rise with load."""
MAX_UTILISATION = 0.98
"""Of a thread, where queueing is scaled: beyond it back-pressure takes over."""


@dataclass(frozen=True)
class ModelError:
    """Relative standard deviations of what parameters do not explain."""

    capacity: float = 0.025
    """Of the load that is carried. Saturated runs deliver within 1.5 to 3.7 % of the prediction."""
    latency: float = 0.10
    """Of the mean. Runs lie 6 % beside the prediction on average, the worst 27 %."""
    utilisation: float = 0.10
    """Of CPU in use. Containers lie 10 % beside the prediction on average, mostly idle ones."""
    instance_costs: float = 0.055
    """Of Heron's costs in instances: 5/4 of the fit's mean absolute residual, 4.4 %."""
    manager_costs: float = 0.13
    """Of the stream managers' costs: 5/4 of the fit's mean absolute residual, 10.4 %."""


MODEL_ERROR = ModelError()
"""From measured runs of Heron that nothing was fitted to (`heron-bridge accuracy`), and from the
residuals of the shipped costs."""
NO_MODEL_ERROR = ModelError(0.0, 0.0, 0.0, 0.0, 0.0)
"""Parameters alone: against something that has the model's own mechanics."""


@dataclass(frozen=True)
class Interval:
    """Quantiles of a figure; the truth lies from `low` to `high` with probability `level`.

    Infinite where the figure has no bound in so many draws: the interval is then open.
    """

    low: float
    median: float
    high: float
    level: float = LEVEL

    @staticmethod
    def of(draws: Floats, level: float = LEVEL) -> Interval:
        """Quantiles of `draws`: values that were drawn, never means of two."""
        tail = (1.0 - level) / 2
        low, median, high = np.quantile(draws, (tail, 0.5, 1 - tail), method="inverted_cdf")
        return Interval(float(low), float(median), float(high), level)


@dataclass(frozen=True)
class Intervals:
    """What a plan does under every draw; arrays have shape (draws,).

    Latency is infinite in the draws that hold spouts back although the prediction does not, unless
    the tuples in flight are limited: buffers are then full for as long as the load lasts, and how
    long tuples wait in them has nothing to do with what is predicted.

    Row i of two plans is the same truth when both were made from the same `Factors`.
    """

    sustainable_draws: Floats
    throughput_draws_per_s: Floats
    latency_mean_draws_s: Floats
    utilisation_draws: Floats

    @property
    def sustainable_load_factor(self) -> Interval:
        """Offered load times this runs without back-pressure."""
        return Interval.of(self.sustainable_draws)

    @property
    def saturating_share(self) -> float:
        """Share of the draws in which spouts are held back at the offered load."""
        return float(np.mean(self.sustainable_draws < 1.0))

    @property
    def throughput_per_s(self) -> Interval:
        """Tuples/s that the sinks execute."""
        return Interval.of(self.throughput_draws_per_s)

    @property
    def latency_mean_s(self) -> Interval:
        """Mean from emission to the end of execution at the sinks; may be open above."""
        return Interval.of(self.latency_mean_draws_s)

    @property
    def highest_cpu_utilisation(self) -> Interval:
        """CPU demand over the container's cores, in the fullest one, at the offered load."""
        return Interval.of(self.utilisation_draws)


def probability_better(
    ours: Floats, theirs: Floats, higher_is_better: bool = True, relative_error: float = 0.0
) -> float:
    """Probability that plan A is better than plan B in a figure, from their draws; ties count half.

    `ours` and `theirs` come from the same `Factors`, so that what both share cancels. With a
    `relative_error`, the error of the ratio that the model makes between two plans, each pair
    counts with the normal probability that its logarithmic difference keeps its sign. Raises
    ValueError when the numbers of draws differ.
    """
    if ours.shape != theirs.shape:
        raise ValueError(f"{len(ours)} draws of one plan and {len(theirs)} of the other")
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.log(ours) - np.log(theirs)
    # Both 0, or both infinite: a tie.
    apart = np.where(ours == theirs, 0.0, apart) * (1.0 if higher_is_better else -1.0)
    if relative_error <= 0:
        return float(np.mean((apart > 0) + 0.5 * (apart == 0)))
    scale = relative_error * math.sqrt(2.0)
    return float(np.mean([0.5 * math.erfc(-x / scale) for x in apart.tolist()]))


def spread(  # noqa: PLR0917 - what the world is made of
    prepared: Structure,
    plan: Plan,
    factors: Factors,
    homogeneous: bool = False,
    costs: HeronCosts = NO_COSTS,
    runtime: Runtime = DEFAULT_RUNTIME,
    error: ModelError = MODEL_ERROR,
    point: Prediction | None = None,
) -> Intervals | None:
    """What `plan` does under every draw of `factors`; None where the point prediction says nothing.

    `factors` come from `packing.profile.draw_factors` for the same profile and components; one
    `Factors` for all plans that are compared makes their draws pairs. `point` is what
    `predict_placed` says of the plan, computed here unless given. For many plans of one topology
    use `Truth`.
    """
    return Truth(prepared, factors, costs, runtime, error).spread(plan, homogeneous, point)


@lru_cache(maxsize=32)
def _residual(draws: int, column: int, relative_sd: float) -> Floats:
    """Log-normal factors of one quantity of `ModelError`, stratified; the first is 1."""
    strata = [NormalDist().inv_cdf((i + 0.5) / draws) for i in range(draws)]
    z: Floats = np.random.default_rng([SEED, column]).permutation(np.array(strata))
    found = np.concatenate(([1.0], np.exp(math.sqrt(math.log1p(relative_sd**2)) * z)))
    found.flags.writeable = False
    return found


def _with_unit(factors: Floats) -> Floats:
    return np.vstack((np.ones((1, factors.shape[1])), factors))


class Truth:
    """Rates and costs under every draw; nothing of a plan. Row 0 is the profile itself.

    Shapes: (1 + draws, components) or (1 + draws, streams).
    """

    def __init__(
        self,
        prepared: Structure,
        factors: Factors,
        costs: HeronCosts,
        runtime: Runtime,
        error: ModelError = MODEL_ERROR,
    ) -> None:
        """What may be true of a topology for which `factors` were drawn."""
        s = self.structure = prepared
        self.factors = factors
        self.costs, self.runtime, self.error = costs, runtime, error
        self.draws = factors.draws
        self.instance_costs = _residual(factors.draws, 0, error.instance_costs)
        self.manager_costs = _residual(factors.draws, 1, error.manager_costs)
        self.streams, self.diverged = _streams(
            s, _with_unit(factors.rate), _with_unit(factors.selectivity)
        )
        rows, size = len(self.streams), len(s.spout)
        rate = np.where(s.spout, s.rates.input_per_s, 0.0)
        self.input = rate * _with_unit(factors.rate)
        self.bytes = s.stream_bytes * _with_unit(factors.tuple_bytes)
        emit = np.zeros((rows, size))
        emit_bytes = np.zeros((rows, size))
        read_bytes = np.zeros((rows, size))
        emitted: set[tuple[int, str]] = set()
        for i, stream in enumerate(s.topology.streams):
            flow = self.streams[:, i]
            self.input[:, s.target[i]] += flow
            read_bytes[:, s.target[i]] += flow * self.bytes[:, i]
            if (s.source[i], stream.stream_id) not in emitted:
                emitted.add((s.source[i], stream.stream_id))
                copies = _copies(s, i)
                emit[:, s.source[i]] += flow / copies
                emit_bytes[:, s.source[i]] += flow * self.bytes[:, i] / copies
        self.emit, self.emit_bytes = emit, emit_bytes
        self.executed = np.where(s.spout, 0.0, self.input)
        jit_s = costs.simple_jit_tuple_s if runtime.simple_jit else 0.0
        overhead = (
            self.executed * (costs.tuple_in_s + jit_s)
            + emit * (costs.tuple_out_s + jit_s)
            + (read_bytes + emit_bytes) * costs.byte_s
        )
        if runtime.acking:
            overhead = overhead + (self.executed + np.where(s.spout, emit, 0.0)) * costs.ack_s
        user = self.input * s.cpu_s * _with_unit(factors.service)
        self.cores = user + overhead * self.instance_costs[:, None]
        """CPU of all instances of a component at nominal load."""
        self.thread = self.cores + self.executed * s.wait_s * _with_unit(factors.wait)
        """Busy time of their threads."""

    @property
    def copies(self) -> bool:
        """Whether more readers get more copies (ALL streams), so that rates follow parallelism."""
        streams = self.structure.topology.streams
        return any(stream.grouping is Grouping.ALL for stream in streams)

    def at(self, prepared: Structure) -> Truth:
        """The same draws for the same topology and load at another parallelism."""
        if self.copies:
            return Truth(prepared, self.factors, self.costs, self.runtime, self.error)
        found = copy(self)
        found.structure = prepared
        return found

    def spread(
        self, plan: Plan, homogeneous: bool = False, point: Prediction | None = None
    ) -> Intervals | None:
        """`spread` for one of many plans."""
        if point is None:
            s = self.structure
            point = predict_placed(s, plan, homogeneous, self.costs, self.runtime)
        if point.sustainable_load_factor is None or point.latency is None:
            return None
        return _Evaluated(self, plan, homogeneous, point).intervals()

    def sustainable_draws(self, plan: Plan, homogeneous: bool, point: Prediction) -> Floats | None:
        """`Intervals.sustainable_draws` alone, in half the time."""
        if point.sustainable_load_factor is None:
            return None
        return _Evaluated(self, plan, homogeneous, point).sustainable[1:]

    @cached_property
    def thread_load(self) -> Floats:
        """Executing threads that each component keeps busy, wherever they run, over how much they
        get done by the model's own error; (draws, components)."""
        error = _residual(self.draws, 2, self.error.capacity)
        found = np.where(self.diverged[:, None], np.inf, self.thread / error[:, None])
        return np.asarray(found[1:])

    @cached_property
    def wire_bytes(self) -> Floats:
        """Bytes/s of each stream between stream managers."""
        return np.asarray(self.streams * (self.bytes + TUPLE_OVERHEAD_BYTES))

    @cached_property
    def service_s(self) -> Floats:
        """Time of a thread per tuple; 0 where nothing is executed."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.nan_to_num(self.thread / self.executed, nan=0.0, posinf=0.0)
        return np.asarray(np.where(self.executed > 0, found, 0.0))

    @cached_property
    def path_weights(self) -> Floats:
        """Per component: share of the tuples that end at sinks whose way leads through it."""
        return _path_weights(self.structure)


def _copies(s: Structure, stream: int) -> int:
    if s.topology.streams[stream].grouping is not Grouping.ALL:
        return 1
    return s.topology.components[s.target[stream]].parallelism


def _streams(s: Structure, rate: Floats, selectivity: Floats) -> tuple[Floats, Bools]:
    """Tuples/s of each stream per draw, and in which draws a loop amplifies itself.

    Along a DAG in topological order; with loops `f = own + G f` is solved per draw, as in
    `packing.flows`. Rates of a diverging draw stay at the profile's.
    """
    topology, profile = s.topology, s.profile
    keys = [stream_key(stream) for stream in topology.streams]
    copies = np.array([_copies(s, i) for i in range(len(keys))], dtype=np.float64)
    gain = copies * np.array([profile.selectivity.get(key, 1.0) for key in keys])
    from_spouts = np.where(s.spout, s.rates.input_per_s, 0.0)
    found = np.zeros((len(rate), len(keys)))
    outputs: dict[int, list[int]] = {}
    inputs: dict[int, list[int]] = {}
    for i, (source, target) in enumerate(zip(s.source, s.target, strict=True)):
        outputs.setdefault(source, []).append(i)
        inputs.setdefault(target, []).append(i)

    def per_tuple(output: int, into: int) -> float:
        stated = profile.input_selectivity.get((keys[output], keys[into]))
        return float(gain[output]) if stated is None else stated * float(copies[output])

    place_in_order = {v: i for i, v in enumerate(s.order)}
    if all(place_in_order[a] < place_in_order[b] for a, b in zip(s.source, s.target, strict=True)):
        for v in s.order:
            received = from_spouts[v] * rate[:, v]
            for q in outputs.get(v, ()):
                flow = received * gain[q]
                for i in inputs.get(v, ()):
                    flow = flow + found[:, i] * per_tuple(q, i)
                found[:, q] = flow * selectivity[:, q]
        return found, np.zeros(len(rate), dtype=bool)
    matrix = np.zeros((len(keys), len(keys)))
    for v, leaving in outputs.items():
        for q in leaving:
            for i in inputs.get(v, ()):
                matrix[q, i] = per_tuple(q, i)
    own = rate[:, list(s.source)] * from_spouts[list(s.source)] * gain * selectivity
    diverged = np.zeros(len(rate), dtype=bool)
    for d in range(len(rate)):
        try:
            system = np.eye(len(keys)) - selectivity[d][:, None] * matrix
            found[d] = np.linalg.solve(system, own[d])
        except np.linalg.LinAlgError:
            found[d] = -1.0
        diverged[d] = not bool(np.all(found[d] >= -1e-9 * s.rates.stream_per_s.max(initial=1.0)))
    found[diverged] = s.rates.stream_per_s
    return np.maximum(found, 0.0), diverged


class _Evaluated:
    """One plan under every draw. Columns are classes of containers that are alike."""

    def __init__(self, truth: Truth, plan: Plan, homogeneous: bool, point: Prediction) -> None:
        s = truth.structure
        placed = place(s, plan)
        self.truth, self.placed, self.point = truth, placed, point
        cores = plan.granted_by(homogeneous)[:, 0]
        quota = cores if truth.runtime.enforced_quotas else np.full_like(cores, np.inf)
        leaving = placed.sending[list(s.source)].reshape(len(s.source), plan.container_count)
        arriving = arriving_shares(s.topology, plan, s.rates)
        both = leaving * arriving
        remote_in, remote = arriving - both, arriving + leaving - 2 * both
        predicted = point.sustainable_load_factor or 0.0
        needs = Needs(placed, truth.costs, truth.runtime)
        at = min(1.0, max(predicted, 1e-6))
        calm, calmer = needs.at(at), needs.at(BELOW * at)
        described = np.vstack(
            (
                placed.sending,
                leaving,
                arriving,
                cores,
                quota,
                calm.container_fixed,
            )
        )
        kept, member = _alike(described)
        self.rising, self.manager_rising = self._rising(
            placed.sending[:, kept], leaving[:, kept], remote_in[:, kept], remote[:, kept]
        )
        size = len(s.spout)
        self.sending = np.zeros((size, len(kept)))
        np.add.at(self.sending.T, member, placed.sending.T)
        self.cores, self.quota = cores[kept], quota[kept]
        slope = np.maximum(calm.fixed - calmer.fixed, 0.0) / ((1.0 - BELOW) * at)
        self.calm = _Packets(truth, calm.fixed - at * slope, slope, kept)
        self._needs, self._kept = needs, kept
        self.largest_share = np.zeros(size)
        np.maximum.at(self.largest_share, plan.component, placed.share)
        self.bursts = placed.kinds.means(calm.packets.bursts)
        self.mean_share = np.bincount(plan.component, placed.share**2, minlength=size)

    @cached_property
    def pressed(self) -> _Packets:
        """In back-pressure."""
        fixed = self._needs.at(1.0, DUTY_IN_BACK_PRESSURE).fixed
        return _Packets(self.truth, fixed, np.zeros_like(fixed), self._kept)

    @property
    def predicted(self) -> _Packets:
        """At the load that is delivered, as in the prediction."""
        return self.pressed if (self.point.sustainable_load_factor or 0.0) < 1.0 else self.calm

    @cached_property
    def sustainable(self) -> Floats:
        """Load factor at which the first server is full."""
        t = self.truth
        weakest = min((x.factor for x in self.point.limits if x.component is None), default=np.inf)
        carried = _scaled(self._carried(self.calm), weakest * self._of_prediction)
        carried = np.minimum(carried, self._instances)
        return np.where(t.diverged, 0.0, carried * _residual(t.draws, 2, t.error.capacity))

    @property
    def _of_prediction(self) -> float:
        """What is sustainable over the factor of the first limit: in back-pressure limits are those
        with fewer packets."""
        predicted, limits = self.point.sustainable_load_factor, self.point.limits
        first = limits[0].factor if limits else 0.0
        return (predicted or 0.0) / first if first > 0 else 1.0

    @cached_property
    def _instances(self) -> Floats:
        """Load factor at which the first executing thread or gateway is full.

        The weakest gateway has more to do by as much as tuples are more and Heron's costs higher.
        """
        t = self.truth
        busiest = (t.thread * self.largest_share).max(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(busiest > 0, 1.0 / busiest, np.inf)
            for limit in self.point.limits:
                if limit.component is not None and limit.container is None:
                    v = t.structure.topology.position[limit.component]
                    tuples = t.executed[:, v] + t.emit[:, v]
                    load = tuples / tuples[0] * t.instance_costs
                    found = np.fmin(found, limit.factor * self._of_prediction / load)
        return np.asarray(found)

    def _rising(
        self,
        sending: Floats,
        leaving: Floats,
        remote_in: Floats,
        remote: Floats,
    ) -> tuple[Floats, Floats]:
        """Cores per unit of load: of each container, and of its stream manager alone."""
        t, costs = self.truth, self.truth.costs
        ack_s = costs.manager_ack_s if t.runtime.acking else 0.0
        streams = t.streams
        manager = (
            streams @ (leaving * (costs.manager_tuple_s + ack_s))
            + streams @ (remote_in * (costs.manager_remote_in_s + ack_s))
            + t.wire_bytes @ (remote * costs.manager_byte_s)
        ) * t.manager_costs[:, None]
        return t.cores @ sending + manager, manager

    def intervals(self) -> Intervals:
        """Evaluate every draw."""
        t, point = self.truth, self.point
        assert point.latency is not None
        assert point.delivered_load_factor is not None and point.throughput_per_s is not None
        calm = self.sustainable
        pressed = np.minimum(self._carried(self.pressed), self._instances)
        pressed = np.where(t.diverged, 0.0, pressed * _residual(t.draws, 2, t.error.capacity))
        delivered = np.where(calm < 1.0, np.minimum(1.0, np.maximum(calm, pressed)), 1.0)
        latency_s = self._latency(delivered, calm < 1.0)
        unbounded = t.diverged if calm[0] < 1.0 else t.diverged | (calm < 1.0)
        if point.latency.complete_s is not None:
            way_back_s = point.latency.complete_s - point.latency.mean_s
            cap = self._pending_cap(latency_s + way_back_s)
            # Full buffers hold just what may be in flight: that is no cap below what is delivered.
            capped = cap < delivered * (1.0 - CLOSE)
            delivered = np.where(capped, cap, delivered)
            unbounded = t.diverged | (unbounded & ~capped)
            latency_s = np.where(
                capped, self._latency(delivered, np.zeros_like(t.diverged)), latency_s
            )
        held = delivered < 1.0
        if held[0] and 0 < point.delivered_load_factor < 1.0:
            by = point.delivered_load_factor / delivered[0]
            delivered = np.where(held, np.minimum(1.0, delivered * by), delivered)
        s = t.structure
        sinks = ~s.emits & ~s.spout
        used = self.predicted.of_containers + self.predicted.container_slope + self.rising
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.nan_to_num(used / self.cores, nan=0.0, posinf=np.inf).max(axis=1)
        latency_s = latency_s * _residual(t.draws, 3, t.error.latency)
        share = _scaled(share, point.highest_cpu_utilisation or 0.0)
        share = share * _residual(t.draws, 4, t.error.utilisation)
        return Intervals(
            calm[1:],
            _scaled(t.input[:, sinks].sum(axis=1) * delivered, point.throughput_per_s)[1:],
            np.where(unbounded, np.inf, _scaled(latency_s, point.latency.mean_s))[1:],
            share[1:],
        )

    def _carried(self, packets: _Packets) -> Floats:
        """Load factor at which the first container, stream manager or the host is full."""
        t = self.truth
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.stack(
                (
                    _least(
                        (self.quota - packets.of_containers)
                        / (self.rising + packets.container_slope)
                    ),
                    _least(
                        (STREAM_MANAGER_CORES - packets.of_managers)
                        / (self.manager_rising + packets.manager_slope)
                    ),
                )
            ).min(axis=0)
            if t.runtime.host_cores is not None:
                left = t.runtime.host_cores - packets.together
                rising = t.cores.sum(axis=1) + self._managers_together() + packets.together_slope
                found = np.minimum(found, np.where(rising > 0, left / rising, np.inf))
        return np.asarray(np.maximum(found, 0.0))

    def _managers_together(self) -> Floats:
        p, costs = self.placed, self.truth.costs
        nominal = (
            p.manager_in_per_s.sum() * costs.manager_tuple_s
            + p.manager_remote_in_per_s.sum() * costs.manager_remote_in_s
            + p.manager_remote_bytes_per_s.sum() * costs.manager_byte_s
        )
        carried = self.truth.streams.sum(axis=1)
        scale = carried / carried[0] if carried[0] > 0 else np.ones_like(carried)
        return np.asarray(nominal * scale * self.truth.manager_costs)

    def _pending_cap(self, complete_s: Floats) -> Floats:
        """Load factor at which all allowed tuples are in flight (Little's law)."""
        t = self.truth
        pending = t.runtime.max_spout_pending
        if not t.runtime.acking or pending is None:
            return np.ones(len(complete_s))
        spouts = t.structure.spout
        in_flight = pending * float(self.placed.plan.counts[spouts].sum())
        with np.errstate(divide="ignore", invalid="ignore"):
            cap = in_flight / complete_s / t.input[:, spouts].sum(axis=1)
        return np.asarray(np.minimum(1.0, np.nan_to_num(cap, nan=1.0, posinf=1.0)))

    def _latency(self, delivered: Floats, pressed: Bools) -> Floats:
        """Mean latency per draw: the predicted parts, each scaled by its own change."""
        assert self.point.latency is not None
        t = self.truth
        s, period_s = t.structure, t.runtime.drain_period_s
        weight, service_s = t.path_weights, t.service_s
        half = np.where(~s.emits & ~s.spout, 0.5, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = t.executed * self.mean_share * delivered[:, None]
            duty = np.where(pressed, DUTY_IN_BACK_PRESSURE, 1.0)[:, None]
            bursts = np.maximum(np.minimum(rate, self.bursts * duty), 1e-12)
            block_s = np.maximum(rate / bursts, 1.0) * service_s
            busy = np.minimum(rate * service_s, MAX_UTILISATION)
            others = 1.0 - 1.0 / np.maximum(bursts * period_s, 1.0)
            queue_s = busy / (1.0 - busy) * block_s / 2 * others
            rising = self.predicted.container_slope + self.rising
            used = self.predicted.of_containers + delivered[:, None] * rising
        stall = quota_stall_s(used, self.quota, t.runtime) @ self.sending.T
        changing = {
            "blocks": block_s @ (weight * half),
            "queueing": queue_s @ weight,
            "service": service_s @ (weight * (half < 1.0)),
            "stalls": stall @ (weight * ~s.spout),
        }
        total = np.zeros(len(delivered))
        for name, part_s in self.point.latency.parts_s.items():
            if name in changing:
                total += _scaled(changing[name], part_s)
            elif name != "buffers":
                total += part_s
        return np.asarray(total + self._buffers(delivered, pressed))

    def _buffers(self, delivered: Floats, pressed: Bools) -> Floats:
        """Time in full buffers under back-pressure, by Little's law on the spouts' bytes."""
        t = self.truth
        spouts = t.structure.spout
        wire = (t.emit_bytes + TUPLE_OVERHEAD_BYTES * t.emit)[:, spouts].sum(axis=1) * delivered
        marks = (t.runtime.high_water_bytes + t.runtime.low_water_bytes) / 2
        with np.errstate(divide="ignore"):
            time_s = BUFFERS_IN_BACK_PRESSURE * marks / wire
        assert self.point.latency is not None
        if pressed[0]:
            time_s = _scaled(time_s, self.point.latency.parts_s.get("buffers", float(time_s[0])))
        return np.where(pressed, time_s, 0.0)


class _Packets:
    """Cores for packets and what is always busy, per draw; (1 + draws, classes of containers).

    `fixed` and `slope`, (2, C) as in `Demand.fixed`: what there is without load, and what each unit
    of load adds near the predicted one.
    """

    def __init__(self, truth: Truth, fixed: Floats, slope: Floats, kept: Ints) -> None:
        self.of_containers, self.of_managers, self.together = self._drawn(truth, fixed, kept)
        self.container_slope, self.manager_slope, self.together_slope = self._drawn(
            truth, slope, kept
        )

    @staticmethod
    def _drawn(truth: Truth, cores: Floats, kept: Ints) -> tuple[Floats, Floats, Floats]:
        """Of containers, of stream managers, and of all together."""
        manager = cores[MANAGERS]
        instances = cores[CONTAINERS] - manager
        of_managers = np.outer(truth.manager_costs, manager[kept])
        return (
            np.outer(truth.instance_costs, instances[kept]) + of_managers,
            of_managers,
            truth.instance_costs * instances.sum() + truth.manager_costs * manager.sum(),
        )


def _alike(columns: Floats) -> tuple[Ints, Ints]:
    """One column of each kind, and of which kind every column is.

    Columns are told apart by a random projection, rounded to 9 digits.
    """
    finite = np.nan_to_num(columns, posinf=-1.0)
    scale = np.maximum(np.abs(finite).max(axis=1, keepdims=True), 1e-300)
    weights = np.random.default_rng(SEED).uniform(0.5, 1.5, len(columns))
    projected = np.round(weights @ (finite / scale), 9)
    _, kept, member = np.unique(projected, return_index=True, return_inverse=True)
    return kept, member


def _least(values: Floats) -> Floats:
    """Smallest finite value in each row; infinite where there is none."""
    return np.asarray(np.where(np.isfinite(values), values, np.inf).min(axis=1))


def _scaled(values: Floats, predicted: float) -> Floats:
    """`values`, times what makes the first of them the prediction."""
    first = float(values[0])
    if not (math.isfinite(first) and first > 0 and math.isfinite(predicted)):
        return np.full_like(values, predicted) if first == 0 else values
    return np.asarray(values * (predicted / first))


def _path_weights(s: Structure) -> Floats:
    """Per component: share of the tuples that end at sinks whose way leads through it."""
    sinks = ~s.emits & ~s.spout
    weight = np.where(sinks, s.rates.input_per_s, 0.0)
    if weight.sum() <= 0:
        weight = np.where([c.kind is Kind.BOLT for c in s.topology.components], 1.0, 0.0)
    weight = weight / max(float(weight.sum()), 1e-300)
    for v in reversed(s.order):
        into = [i for i in range(len(s.source)) if s.target[i] == v and s.source[i] != v]
        total = sum(float(s.rates.stream_per_s[i]) for i in into)
        if total > 0:
            for i in into:
                weight[s.source[i]] += weight[v] * float(s.rates.stream_per_s[i]) / total
    return np.asarray(weight)
