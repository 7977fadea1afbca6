"""Times per tuple that follow from the back-pressure that was seen."""

from __future__ import annotations

from dataclasses import replace

from packing.advice.observation import Observation, SymptomKind
from packing.advice.offered import MOST_HELD_BACK
from packing.advice.rate_goal import RateGoal
from packing.advice.sizing import Sizing
from packing.advice.thread_bounds import ROUNDING
from packing.advice.trial import Trial
from packing.choose import judge
from packing.model.demand import place, work
from packing.profile import Origin, Source
from packing.request import Request

INFERRED_SD = 0.2
"""Spread of a time per tuple that follows from back-pressure, over the time."""


def explained(request: Request, goal: RateGoal, observation: Observation) -> Request:
    """The request with times per tuple that explain the back-pressure that was seen.

    The component that caused it was full at the load that got through: at what the spouts emitted,
    or where that was not observed, at the rate times the rest of the time. Where nothing known says
    that anything is full, and nobody measured its time per tuple, it takes as long as makes it
    full.
    """
    current = request.current
    assert current is not None
    measured = {current.component_of_task[task] for task in observation.instance_service_s}
    measured |= set(observation.service_s)
    service_s, origin = dict(request.profile.service_s), dict(request.profile.origin)
    sizing = Sizing(request, goal)
    asked = sizing.plans.request_at(current.parallelism, None)
    if Trial(asked, judge("current", current, asked), goal).carried < 1 - ROUNDING:
        return request
    busy = work(asked.prepared, request.costs, request.runtime).thread_cores
    shares = place(asked.prepared, current).largest_share
    got, least = observation.offered_rate(request.topology), 1.0 - MOST_HELD_BACK
    for symptom in observation.symptoms:
        name, share = symptom.component, symptom.back_pressure_share
        if not name and symptom.task_ids:
            name = current.component_of_task[symptom.task_ids[0]]
        if symptom.kind is not SymptomKind.BACK_PRESSURE or not name or name in measured:
            continue
        v = request.topology.position[name]
        at_load = float(busy[v] * shares[v])
        through = max(1.0 - share if got is None else got.low_per_s / goal.rate_per_s, least)
        tuples = float(asked.prepared.rates.input_per_s[v] * shares[v])
        if share > 0 and tuples > 0 and at_load * through < 1.0:
            service_s[name] += (1.0 / through - at_load) / tuples
            origin["service_s", name] = Origin(
                Source.MEASURED, INFERRED_SD, "from the back-pressure that it caused"
            )
    return replace(request, profile=replace(request.profile, service_s=service_s, origin=origin))
