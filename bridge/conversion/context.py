"""What all requests state: who asks for which topology, and what the operator chose."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.contract import check_revision
from bridge.conversion.plans import plan_from_bytes
from bridge.conversion.topologies import topology_from_bytes
from bridge.wire import packing_bridge_pb2 as wire
from packing.choose import HeronPlan
from packing.constraints import Constraints, read_constraints
from packing.errors import InvalidRequest
from packing.plan import Plan
from packing.scheduler import SchedulerRules, rules_for
from packing.topology import Topology


@dataclass(frozen=True)
class Options:
    """What the operator chose."""

    objective: str = ""
    target_rate_per_s: float = 0.0
    """Tuples/s over all spout instances; 0: not stated."""
    profile: str = ""
    containers_free: bool = False
    headroom: float | None = None
    """Share of load beyond the offered one; None: not stated."""
    probability: float | None = None
    effort: str = ""
    spread_components: bool | None = None


@dataclass(frozen=True)
class Asked:
    """A Pack or Repack request in domain terms, before a profile is known."""

    topology: Topology
    constraints: Constraints
    scheduler: SchedulerRules
    heron: HeronPlan | None
    """Heron's own answer; None when the request brought none."""
    options: Options
    caller: Mapping[str, str]
    """For logs: who asks."""
    dry_run: bool
    current: Plan | None = None
    current_plan_sha256: bytes = b""
    deltas: Mapping[str, int] = field(default_factory=dict)
    container_count: int | None = None


def asked_from(context: wire.PlanningContext) -> Asked:
    """What a context asks. Raises InvalidRequest, IncompatibleContract."""
    caller = context.caller
    check_revision(caller.contract_revision)
    parsed = topology_from_bytes(context.topology)
    return Asked(
        topology=parsed.topology,
        constraints=read_constraints(parsed.config, parsed.topology.names, dict(context.config)),
        scheduler=rules_for(caller.scheduler_class),
        heron=_heron_plan(context.fallback, parsed.topology),
        options=_options(context.options),
        caller={
            "cluster": caller.cluster,
            "role": caller.role,
            "environ": caller.environ,
            "software": caller.software,
            "flavour": caller.heron_flavour,
        },
        dry_run=context.dry_run,
    )


def _options(message: wire.Options) -> Options:
    if message.containers not in ("", "fixed", "free"):
        raise InvalidRequest(
            f"heron.packing.bridge.containers is {message.containers!r}; use fixed or free"
        )
    if not math.isfinite(message.target_rate_per_s) or message.target_rate_per_s < 0:
        raise InvalidRequest(
            f"heron.packing.bridge.target.rate is {message.target_rate_per_s} tuples/s; it must "
            "be above 0"
        )
    return Options(
        message.objective,
        message.target_rate_per_s,
        message.profile,
        message.containers == "free",
        message.headroom if message.HasField("headroom") else None,
        message.probability if message.HasField("probability") else None,
        message.effort,
        message.spread_components if message.HasField("spread_components") else None,
    )


def _heron_plan(fallback: wire.FallbackPlan, topology: Topology) -> HeronPlan | None:
    """The fallback's plan as a candidate.

    A fallback whose plan cannot be read is a candidate without a plan: the request still has an
    answer.
    """
    took_s = fallback.took_ms / 1000
    if not fallback.plan:
        return HeronPlan(None, fallback.failure, took_s) if fallback.failure else None
    try:
        plan = plan_from_bytes(fallback.plan, topology, f"the plan of {fallback.packing_class}")
    except InvalidRequest as error:
        return HeronPlan(None, str(error), took_s)
    return HeronPlan(plan, "", took_s)
