"""Is this plan one that Heron can run, and the one that was asked for?

Heron checks next to nothing of a plan (tmanager.cpp compares instance totals only), so everything
that would make a topology hang or lose work is checked here, with a message per broken rule.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from packing.arrays import Bools, Floats, Ints, first_repeated
from packing.constraints import MAX_INT, MIN_INSTANCE_RAM_BYTES
from packing.disruption import survivors
from packing.plan import Plan
from packing.request import Request
from packing.resources import counted, describe_bytes

# Plans are computed in double precision; a millionth of a core is nobody's quota.
CPU_TOLERANCE_CORES = 1e-6


class Rule(enum.Enum):
    """What a plan can break."""

    TOPOLOGY = "topology"
    PARALLELISM = "parallelism"
    TASK_IDS = "task ids"
    COMPONENT_INDEXES = "component indexes"
    CONTAINER_IDS = "container ids"
    EMPTY_CONTAINER = "empty container"
    NOT_A_SIZE = "not a size"
    INSTANCE_RAM = "instance RAM"
    CONTAINER_HOLDS_INSTANCES = "container holds its instances"
    CAPACITY = "capacity"
    PADDING = "padding"
    MAX_INSTANCES = "instances per container"
    CONTAINER_COUNT = "container count"
    SCHEDULER = "scheduler"
    RESIZED = "running container resized"
    FAULT_SPREAD = "instances in two containers"


PREFERENCES = frozenset(
    {Rule.PADDING, Rule.MAX_INSTANCES, Rule.CONTAINER_COUNT, Rule.RESIZED, Rule.FAULT_SPREAD}
)
"""Rules that Heron's own packers break without harm to the start of a topology: a plan that keeps
them is preferred, one that breaks them still runs."""

STATED_PREFERENCES = frozenset({Rule.FAULT_SPREAD})
"""Preferences that a request states itself: a plan that breaks one is used only where none keeps
them, however much better it is."""


@dataclass(frozen=True)
class Violation:
    """A broken rule and a sentence that names the values."""

    rule: Rule
    message: str

    @property
    def fatal(self) -> bool:
        """Whether the plan must not be used at all."""
        return self.rule not in PREFERENCES


def violations(plan: Plan, request: Request) -> list[Violation]:
    """Every rule that `plan` breaks as an answer to `request`; empty for a good plan."""
    found = [
        *_identity(plan, request),
        *_ids(plan, request),
        *_sizes(plan),
    ]
    if not found:
        # Sizes and ids are sane, so that comparisons below mean something.
        found += _capacity(plan, request)
        found += _scheduler(plan, request)
        found += _container_count(plan, request)
        found += _resized(plan, request)
        found += _fault_spread(plan, request)
    return found


def _identity(plan: Plan, request: Request) -> list[Violation]:
    found = []
    topology = request.topology
    if plan.topology_id != topology.topology_id:
        found.append(
            Violation(
                Rule.TOPOLOGY,
                f"the plan is of topology {plan.topology_id!r}, not {topology.topology_id!r}",
            )
        )
    strangers = [name for name in plan.components if name not in topology.position]
    if strangers:
        message = f"component {strangers[0]!r} is not in the topology"
        found.append(Violation(Rule.TOPOLOGY, message))
    elif plan.components != topology.names:
        # Everything else reads the plan by positions in this list.
        message = (
            f"the plan lists components as {', '.join(plan.components)}; it must list them as the "
            f"topology does, {', '.join(topology.names)}"
        )
        found.append(Violation(Rule.TOPOLOGY, message))
    has = plan.parallelism
    for name, wanted in request.parallelism.items():
        if has.get(name, 0) != wanted:
            found.append(
                Violation(
                    Rule.PARALLELISM,
                    f"component {name!r} has {has.get(name, 0)} instances, {wanted} were asked for",
                )
            )
    return found


def _ids(plan: Plan, request: Request) -> list[Violation]:
    found = []
    for rule, what, values, lowest in (
        (Rule.TASK_IDS, "task id", plan.task_id, 1),
        (Rule.COMPONENT_INDEXES, "component index", plan.index, 0),
        # Container 0 is the topology manager's.
        (Rule.CONTAINER_IDS, "container id", plan.container_ids, 1),
    ):
        wrong = values[(values < lowest) | (values > MAX_INT)]
        if len(wrong):
            message = f"{what} {wrong[0]} is not allowed: it must be from {lowest} to {MAX_INT}"
            found.append(Violation(rule, message))
    if found:
        return found
    twice = first_repeated(plan.task_id)
    if twice is not None:
        found.append(Violation(Rule.TASK_IDS, f"task id {twice} appears twice"))
    elif request.current is None and plan.task_id.max(initial=0) != plan.instance_count:
        found.append(
            Violation(
                Rule.TASK_IDS,
                f"a fresh plan numbers its tasks 1 to {plan.instance_count}; this one goes up to "
                f"{plan.task_id.max(initial=0)}",
            )
        )
    width = int(plan.index.max(initial=0)) + 1
    twice = first_repeated(plan.component * width + plan.index)
    if twice is not None:
        name = plan.components[twice // width]
        message = f"component {name!r} has index {twice % width} twice"
        found.append(Violation(Rule.COMPONENT_INDEXES, message))
    if plan.container_count == 0:
        found.append(Violation(Rule.CONTAINER_IDS, "the plan has no containers"))
    held = np.bincount(plan.container, minlength=plan.container_count)
    empty = (held[: plan.container_count] == 0).nonzero()[0]
    if len(empty):
        message = f"container {plan.container_ids[empty[0]]} has no instances"
        found.append(Violation(Rule.EMPTY_CONTAINER, message))
    return found


def _sizes(plan: Plan) -> list[Violation]:
    found = [Violation(Rule.NOT_A_SIZE, complaint) for complaint in plan.impossible_sizes()]
    if plan.instance_count and not found:
        least = int(np.argmin(plan.ram_bytes))
        if plan.ram_bytes[least] <= MIN_INSTANCE_RAM_BYTES:
            found.append(
                Violation(
                    Rule.INSTANCE_RAM,
                    f"an instance of {plan.components[plan.component[least]]!r} has "
                    f"{describe_bytes(plan.ram_bytes[least])} RAM; a JVM starts only with more "
                    f"than {describe_bytes(MIN_INSTANCE_RAM_BYTES)}",
                )
            )
    return found


def _untouched(plan: Plan, request: Request) -> Bools:
    """Containers whose instances all run there already: their size is not ours to judge.

    An instance that grows is as good as a new one.
    """
    if request.current is None:
        return np.zeros(plan.container_count, dtype=bool)
    here, there = survivors(plan, request.current)
    stays = np.zeros(plan.instance_count, dtype=bool)
    current = request.current
    was_in = current.container_ids[current.container[there]]
    stays[here] = (
        (plan.container_ids[plan.container[here]] == was_in)
        & (plan.cpu_cores[here] <= current.cpu_cores[there] + CPU_TOLERANCE_CORES)
        & (plan.ram_bytes[here] <= current.ram_bytes[there])
        & (plan.disk_bytes[here] <= current.disk_bytes[there])
    )
    newcomers = np.bincount(plan.container[~stays], minlength=plan.container_count)
    return np.asarray(newcomers == 0)


def _capacity(plan: Plan, request: Request) -> list[Violation]:
    found = []
    constraints = request.constraints
    used_cpu, used_ram, used_disk = plan.used
    padding = constraints.padding
    ids = plan.container_ids
    # Existing containers may have been packed under other settings; only what this plan adds to
    # is held to today's.
    judged = ~_untouched(plan, request)

    def check(rule: Rule, broken: Bools, message: str, *columns: Floats | Ints) -> None:
        if broken.any() and (broken & judged).any():
            first = int(np.argmax(broken & judged))
            found.append(Violation(rule, message.format(ids[first], *(c[first] for c in columns))))

    check(
        Rule.CONTAINER_HOLDS_INSTANCES,
        plan.container_cpu_cores < used_cpu - CPU_TOLERANCE_CORES,
        "container {} has {:g} cores for instances that ask for {:g}",
        plan.container_cpu_cores,
        used_cpu,
    )
    check(
        Rule.CONTAINER_HOLDS_INSTANCES,
        plan.container_ram_bytes < used_ram,
        "container {} has {} bytes of RAM for instances that ask for {}",
        plan.container_ram_bytes,
        used_ram,
    )
    check(
        Rule.CONTAINER_HOLDS_INSTANCES,
        plan.container_disk_bytes < used_disk,
        "container {} has {} bytes of disk for instances that ask for {}",
        plan.container_disk_bytes,
        used_disk,
    )
    stated = (
        (constraints.container_cpu_cores, used_cpu, padding.cpu_cores, CPU_TOLERANCE_CORES,
         "{:g} cores", "topology.container.cpu"),
        (constraints.container_ram_bytes, used_ram, padding.ram_bytes, 0,
         "{} bytes of RAM", "topology.container.ram"),
        (constraints.container_disk_bytes, used_disk, padding.disk_bytes, 0,
         "{} bytes of disk", "topology.container.disk"),
    )  # fmt: skip
    for limit, used, pad, tolerance, unit, key in stated:
        if limit is None:
            continue
        amount = unit.format(limit)
        check(
            Rule.CAPACITY,
            used > limit + tolerance,
            f"instances of container {{}} ask for {unit}, {key} is {amount}",
            used,
        )
        check(
            Rule.PADDING,
            used + pad > limit + tolerance,
            f"instances of container {{}} ask for {unit} and leave less than the padding of "
            f"{unit.format(pad)} within {key} of {amount}",
            used,
        )
    if not request.containers_free:
        found += _container_sizes(plan, request)
    if constraints.max_instances is not None:
        held = np.bincount(plan.container, minlength=plan.container_count)
        check(
            Rule.MAX_INSTANCES,
            held > constraints.max_instances,
            "container {} holds {} instances, topology.container.max.instances is "
            f"{constraints.max_instances}",
            held,
        )
    return found


def _container_sizes(plan: Plan, request: Request) -> list[Violation]:
    """Containers larger than the topology states, or than the largest one that runs already."""
    constraints, current = request.constraints, request.current
    # Heron's builder rounds cores to whole ones.
    columns = ((0.5, "cores", "cpu"), (0.0, "bytes of RAM", "ram"), (0.0, "bytes of disk", "disk"))
    found = []
    for i, (tolerance, unit, key) in enumerate(columns):
        stated = constraints.stated_container[i]
        sizes = plan.container_sizes[:, i]
        if stated is None or not len(sizes):
            continue
        limit = stated + tolerance
        if current is not None:
            limit = max(limit, current.container_sizes[:, i].max(), current.granted[:, i].max())
        largest = int(np.argmax(sizes))
        if sizes[largest] > limit + CPU_TOLERANCE_CORES:
            found.append(
                Violation(
                    Rule.CAPACITY,
                    f"container {plan.container_ids[largest]} has {sizes[largest]:.12g} {unit}, "
                    f"topology.container.{key} is {stated:.12g}",
                )
            )
    return found


def _scheduler(plan: Plan, request: Request) -> list[Violation]:
    rules = request.scheduler
    ids = plan.container_ids
    contiguous = rules.keeps_contiguous_ids or (
        rules.starts_contiguous_ids and request.current is None
    )
    if contiguous and not np.array_equal(ids, np.arange(1, len(ids) + 1)):
        missing = np.setdiff1d(np.arange(1, len(ids) + 1), ids)
        return [
            Violation(
                Rule.SCHEDULER,
                f"the {rules.name} scheduler starts containers 1 to {len(ids)}; the plan has no "
                f"container {missing[0]} but one with id {ids[-1]}",
            )
        ]
    if rules.container_set_fixed and request.current is not None:
        changed = np.setxor1d(ids, request.current.container_ids)
        if len(changed):
            return [
                Violation(
                    Rule.SCHEDULER,
                    f"the {rules.name} scheduler cannot add or remove containers in an update; "
                    f"the plan changes container {changed[0]}",
                )
            ]
    return []


def _resized(plan: Plan, request: Request) -> list[Violation]:
    """Containers whose instances ask for more than an update can give them.

    A running container keeps its size; where all have one size, an added one gets that too.
    """
    current = request.current
    if current is None or not request.scheduler.enforces_sizes:
        return []
    granted = np.full((plan.container_count, 3), np.inf)
    if request.scheduler.homogeneous:
        granted[:] = current.granted.max(axis=0)
    else:
        _, here, there = np.intersect1d(
            plan.container_ids, current.container_ids, assume_unique=True, return_indices=True
        )
        granted[here] = current.granted[there]
    used = np.stack([column.astype(np.float64) for column in plan.used], axis=1)
    judged = ~_untouched(plan, request)
    broken = judged & np.any(used > granted + CPU_TOLERANCE_CORES, axis=1)
    if not broken.any():
        return []
    first = int(np.argmax(broken))
    has, needs = granted[first], used[first]
    return [
        Violation(
            Rule.RESIZED,
            f"container {plan.container_ids[first]} has {has[0]:g} cores, {has[1]:.0f} bytes of "
            f"RAM and {has[2]:.0f} of disk and would need {needs[0]:g} cores, {needs[1]:.0f} and "
            f"{needs[2]:.0f}; the {request.scheduler.name} scheduler does not resize it",
        )
    ]


def _container_count(plan: Plan, request: Request) -> list[Violation]:
    wanted = request.stated_container_count
    if wanted is None or plan.container_count == min(wanted, plan.instance_count):
        return []
    return [
        Violation(
            Rule.CONTAINER_COUNT,
            f"the plan has {counted(plan.container_count, 'container')}, {wanted} were asked for",
        )
    ]


def _fault_spread(plan: Plan, request: Request) -> list[Violation]:
    """Components that one lost container would stop, where the request asks that none does."""
    if not request.spread_components or plan.container_count < 2:
        return []
    alone = (plan.counts.sum(axis=1) > 1) & ((plan.counts > 0).sum(axis=1) == 1)
    if not alone.any():
        return []
    first = int(np.argmax(alone))
    at = int(plan.container_ids[int(np.argmax(plan.counts[first]))])
    return [
        Violation(
            Rule.FAULT_SPREAD,
            f"all {int(plan.counts[first].sum())} instances of component "
            f"{plan.components[first]!r} are in container {at}; the request asks for two "
            "containers at least",
        )
    ]
