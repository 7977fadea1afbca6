"""What the pictures show, as arrays: who is how busy, what flows where, and how that changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from packing.arrays import Floats
from packing.errors import PackingError
from packing.flows import arriving_shares
from packing.model import Prediction
from packing.model.demand import Demand, demand, place
from packing.plan import Plan
from packing.request import Request
from packing.scenario import Outcome, Scenario, predict_scenario

SWEEP_POINTS = 28
SWEEP_DRAWS = 100
FAR = 5.0
"""Where the load offered and the load carried are further apart, loads rise by equal ratios."""
MOST_CONTAINERS_BETWEEN = 400
"""Flows between more containers are not computed: the matrix would hold more than it tells."""


@dataclass(frozen=True)
class PlanFigures:
    """One plan at the load that it delivers."""

    instance_utilisation: Floats | None
    """Share of time that each instance's busier thread is: the executing one or the gateway; (n,).
    None: load not known."""
    container_cores: Floats
    """What each container has, (C,)."""
    container_use: Floats
    """Cores in use of each; the cores asked for by its instances where load is not known; (C,)."""
    manager_cores: Floats | None
    """The stream manager's part; 1 is full; (C,)."""
    hot_instance: int | None
    """Position of the instance that limits the plan, if one does."""
    hot_component: int | None
    hot_container: int | None
    """Position of the container that the limiting server is in."""
    stream_per_s: Floats
    """Tuples/s of each stream at the load offered."""
    stream_remote: Floats
    """Share of each stream that goes to another container."""
    input_per_s: Floats
    """Per component."""
    between: Floats | None
    """Tuples/s from container (row) to container (column); None where there are too many."""


def plan_figures(request: Request, plan: Plan, prediction: Prediction) -> PlanFigures:
    """Figures of `plan` for the request's topology at the parallelism that the plan has."""
    prepared = request.prepared
    placed = place(prepared, plan)
    cores = plan.granted_by(request.scheduler.homogeneous)[:, 0]
    rate = prepared.rates.stream_per_s
    local = placed.local_per_s
    remote = np.divide(rate - local, rate, out=np.zeros_like(rate), where=rate > 0)
    between = None
    if plan.container_count <= MOST_CONTAINERS_BETWEEN and len(rate):
        leaving = placed.sending[prepared.stream_source]
        arriving = arriving_shares(prepared.topology, plan, prepared.rates)
        between = (leaving * rate[:, None]).T @ arriving
    busy = manager = None
    use = plan.used[0]
    hot_instance = hot_component = hot_container = None
    if prepared.known_load:
        delivered = prediction.delivered_load_factor
        factor = 1.0 if delivered is None else delivered
        needs = demand(placed, request.costs, request.runtime, factor)
        gateways = _gateways(needs, factor)
        busy = np.minimum(1.0, np.maximum(needs.thread_rising * factor, gateways))
        use, manager = prediction.container_cpu_cores, prediction.stream_manager_cores
        if prediction.limits:
            limit = prediction.limits[0]
            if limit.container is not None:
                hot_container = int(np.searchsorted(plan.container_ids, limit.container))
            if limit.name.startswith("thread of"):
                hot_instance = int(np.argmax(needs.thread_rising))
                hot_component = int(plan.component[hot_instance])
            elif limit.name.startswith("gateway of"):
                hot_instance = int(np.argmax(gateways))
                hot_component = int(plan.component[hot_instance])
                hot_container = int(plan.container[hot_instance])
    return PlanFigures(
        busy, cores, use, manager, hot_instance, hot_component, hot_container,
        rate, np.clip(remote, 0.0, 1.0), prepared.rates.input_per_s, between,
    )  # fmt: skip


def _gateways(needs: Demand, factor: float) -> Floats:
    """Share of time that each instance's gateway thread is busy; (n,). As `Demand.gateways`."""
    component, work = needs.placed.plan.component, needs.work
    found: Floats = (
        needs.packets_in_per_s * work.packet_in_s[component]
        + needs.packets_out_per_s * work.packet_out_s[component]
        + factor * work.gateway_cores[component] * needs.placed.share
    )
    return found


@dataclass(frozen=True)
class Sweep:
    """A plan at rising load."""

    offered: float
    """1: the load of the profile."""
    sustainable: float
    sustainable_low: float
    sustainable_high: float
    limit: str
    """What is full first."""
    factors: Floats
    """Offered load over that of the profile."""
    outcomes: tuple[Outcome, ...]


def load_sweep(
    request: Request, plan: Plan, prediction: Prediction, done: Callable[[str], None]
) -> Sweep | None:
    """Predict the plan from little load to beyond what it carries; None: load not known."""
    carries = prediction.sustainable_load_factor
    if carries is None or carries <= 0:
        return None
    low, high = min(1.0, carries), max(1.0, carries)
    if high > FAR * low:
        factors = np.geomspace(low / 4, 1.5 * high, SWEEP_POINTS)
    else:
        factors = np.linspace(1.3 * high / 50, 1.3 * high, SWEEP_POINTS)
    try:
        base = predict_scenario(Scenario(), request, plan, draws=SWEEP_DRAWS)
        outcomes = []
        for factor in factors.tolist():
            scenario = Scenario(rate_factor=factor)
            outcomes.append(predict_scenario(scenario, request, plan, draws=SWEEP_DRAWS))
            done("load sweep")
    except PackingError:
        return None
    spread = base.intervals
    if spread is None or any(o.intervals is None for o in outcomes):
        return None
    likely = spread.sustainable_load_factor
    return Sweep(
        1.0, carries, likely.low, likely.high, prediction.bottleneck, factors, tuple(outcomes)
    )
