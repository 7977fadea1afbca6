"""What planners are asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from packing.arrays import first_repeated
from packing.constraints import MAX_INT, Constraints
from packing.container_size import check_instances_fit
from packing.errors import InvalidRequest
from packing.model import NO_COSTS, HeronCosts, Runtime, Structure, structure
from packing.model.uncertainty import DRAWS, SEED, Truth
from packing.plan import Plan
from packing.profile import UNKNOWN, Profile, draw_factors
from packing.resources import MAX_SUM_BYTES, describe_bytes
from packing.scheduler import UNKNOWN_SCHEDULER, SchedulerRules
from packing.topology import MAX_INSTANCES, Topology, check_instance_count

MAX_ID = MAX_INT - MAX_INSTANCES
"""Highest id of a running plan: new instances and containers get higher ones."""


@dataclass(frozen=True)
class Request:
    """A pack, or with `current` a repack.

    Raises InvalidRequest when the current plan is not one of this topology or the changes do not
    fit it.
    """

    topology: Topology
    """At a repack its parallelism is that of the submit; the current plan holds the truth."""
    constraints: Constraints
    scheduler: SchedulerRules = UNKNOWN_SCHEDULER
    current: Plan | None = None
    deltas: Mapping[str, int] = field(default_factory=dict)
    """Change of parallelism per component; deltas, as Heron really passes them."""
    container_count: int | None = None
    """Number of containers wanted by an update; None: not stated."""
    profile: Profile = UNKNOWN
    """What is known of the load."""
    costs: HeronCosts = NO_COSTS
    """What Heron's own code costs."""
    containers_free: bool = False
    """The number of containers is ours to choose at a pack; the stated one is a suggestion."""
    spread_components: bool = False
    """A lost container shall stop no component: each with two instances or more should be in two
    containers or more."""

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        if self.current is None:
            if self.deltas or self.container_count is not None:
                raise InvalidRequest("changes were given without the current plan they apply to")
            check_instances_fit(self.constraints, self.topology.names)
            self._check_sum()
            return
        _check_plan_of_topology(self.current, self.topology)
        _check_ids(self.current)
        for complaint in self.current.impossible_sizes():
            raise InvalidRequest(f"in the current plan {complaint}")
        _check_deltas(self.current, self.deltas)
        check_instance_count(self.parallelism)
        self._check_sum()
        if self.container_count is not None:
            instances = sum(self.parallelism.values())
            if not 1 <= self.container_count <= instances:
                raise InvalidRequest(
                    f"{self.container_count} containers were asked for; it must be between 1 and "
                    f"the number of instances, {instances}"
                )
        check_instances_fit(
            self.constraints, [name for name, delta in self.deltas.items() if delta > 0]
        )

    def _check_sum(self) -> None:
        """Refuse amounts whose sums would not be exact."""
        for what, key in (("RAM", "ram_bytes"), ("disk", "disk_bytes")):
            total = sum(
                count * getattr(self.constraints.instance(name), key)
                for name, count in self.parallelism.items()
            )
            if total > MAX_SUM_BYTES:
                raise InvalidRequest(
                    f"the instances ask for {describe_bytes(total)} {what} together; more than "
                    f"{describe_bytes(MAX_SUM_BYTES)} are not planned"
                )

    @cached_property
    def parallelism(self) -> Mapping[str, int]:
        """Instances that each component has in the plan asked for."""
        if self.current is None:
            return self.topology.parallelism
        running = self.current.parallelism
        return {
            name: running.get(name, 0) + self.deltas.get(name, 0) for name in self.topology.names
        }

    @cached_property
    def target(self) -> Topology:
        """The topology at the parallelism asked for."""
        return self.topology.with_parallelism(self.parallelism)

    @cached_property
    def prepared(self) -> Structure:
        """The target with its load, for predicting plans of it."""
        return structure(self.target, self.profile)

    def truth(self) -> Truth:
        """What may be true of the topology and its load, drawn anew at every call."""
        factors = draw_factors(self.profile, self.target, DRAWS, SEED)
        return Truth(self.prepared, factors, self.costs, self.runtime)

    def with_containers(self, count: int | None) -> Request:
        """The same for another number of containers, without preparing the load again.

        None leaves the number of an update open, and that of a pack as it is.
        """
        if self.current is not None:
            found = replace(self, container_count=count)
        elif count is None:
            return self
        else:
            stated = replace(self.constraints, container_count=count)
            found = replace(self, constraints=stated)
        # None of these depends on it; a frozen dataclass keeps them where `cached_property` does.
        found.__dict__.update(parallelism=self.parallelism, target=self.target)
        found.__dict__.update(prepared=self.prepared)
        return found

    @property
    def runtime(self) -> Runtime:
        """How the topology will run, as far as its configuration and the scheduler tell."""
        return Runtime(
            acking=self.constraints.acking,
            max_spout_pending=self.constraints.max_spout_pending,
            # Heron's local scheduler starts plain processes.
            enforced_quotas=self.scheduler.name != "local",
        )

    @property
    def changes_nothing(self) -> bool:
        """A repack that asks for what runs already."""
        return (
            self.current is not None
            and not any(self.deltas.values())
            and self.container_count in (None, self.current.container_count)
        )

    @property
    def stated_container_count(self) -> int | None:
        """Number of containers that the plan must have; None where it is left open."""
        if self.current is not None:
            return self.container_count
        return None if self.containers_free else self.constraints.container_count


def _check_plan_of_topology(plan: Plan, topology: Topology) -> None:
    if plan.topology_id != topology.topology_id:
        raise InvalidRequest(
            f"the current plan is of topology {plan.topology_id!r}, "
            f"the request is for {topology.topology_id!r}"
        )
    for name, count in plan.parallelism.items():
        if count and name not in topology.position:
            raise InvalidRequest(
                f"the current plan has {count} instances of component {name!r}, which the "
                f"topology does not have; it has {', '.join(sorted(topology.names))}"
            )
    for name in topology.names:
        if not plan.parallelism.get(name):
            raise InvalidRequest(f"the current plan has no instance of component {name!r}")
    if plan.components != topology.names:
        raise InvalidRequest(
            f"the current plan lists components as {', '.join(plan.components)}, the topology as "
            f"{', '.join(topology.names)}; both must be in the topology's order"
        )


def _check_ids(plan: Plan) -> None:
    """Refuse a current plan whose ids Heron could not have given."""
    for what, values, lowest in (
        ("container id", plan.container_ids, 1),
        ("task id", plan.task_id, 1),
        ("component index", plan.index, 0),
    ):
        wrong = values[(values < lowest) | (values > MAX_ID)]
        if len(wrong):
            raise InvalidRequest(
                f"the current plan has {what} {wrong[0]}; it must be from {lowest} to {MAX_ID}"
            )
    twice = first_repeated(plan.task_id)
    if twice is not None:
        raise InvalidRequest(f"task id {twice} appears twice in the current plan")
    width = int(plan.index.max(initial=0)) + 1
    twice = first_repeated(plan.component * width + plan.index)
    if twice is not None:
        raise InvalidRequest(
            f"index {twice % width} of component {plan.components[twice // width]!r} appears "
            "twice in the current plan"
        )


def _check_deltas(plan: Plan, deltas: Mapping[str, int]) -> None:
    for name, delta in deltas.items():
        if name not in plan.components:
            raise InvalidRequest(
                f"a change names component {name!r}, which the topology does not have; "
                f"it has {', '.join(sorted(plan.components))}"
            )
        running = plan.parallelism[name]
        if delta and running + delta < 1:
            raise InvalidRequest(
                f"the change of component {name!r} by {delta} would leave {running + delta} of "
                f"its {running} instances; at least 1 must remain"
            )
