"""What every planner has to live up to, as cases that anyone can run against their own.

    from packing.conformance import CASES, Trait, complaints

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_conforms(case):
        assert complaints(my_planner, case, traits={Trait.KEEPS_PLACEMENTS}) == []

Expectations without a trait are for all planners: plans are valid, a request is never altered, the
same request gives the same plan, an update that changes nothing gives back the running plan, and a
request that no plan can satisfy is refused with a sentence. A trait that a planner declares adds
the expectations it stands for; one that it does not declare allows only what is said at the trait.
"""

from __future__ import annotations

import copy
import enum
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from packing.arrays import Ints
from packing.constraints import Constraints
from packing.disruption import disruption
from packing.errors import InvalidRequest, PackingError, UnsupportedRequest
from packing.model import predict
from packing.plan import Plan
from packing.planners.protocol import Planner
from packing.planners.round_robin import round_robin
from packing.profile import Profile
from packing.request import Request
from packing.resources import GIB, MIB, Resources
from packing.scheduler import rules_for
from packing.topology import Component, Grouping, Kind, Stream, Topology
from packing.validation import Rule, violations


class Trait(enum.Enum):
    """What a planner promises beyond validity."""

    KEEPS_PLACEMENTS = "keeps placements"
    """Where an update states no container count, survivors keep container and task id. Without it
    everything may be dealt anew."""
    KEEPS_SCHEDULER_RULES = "keeps scheduler rules"
    """Updates keep the rules of the scheduler. Without it an update's plan may break
    `Rule.SCHEDULER`, which rejects the plan but nothing else."""
    MEETS_CONTAINER_COUNT = "meets the container count"
    """The number of containers is the stated one wherever a valid plan with it exists. Without it
    only an update that states a count has to meet it."""
    KEEPS_PREFERENCES = "keeps preferences"
    """Padding, instances per container and sizes of running containers are kept wherever a plan
    that keeps them exists. Without it they may be broken."""
    ANSWERS_UPDATES = "answers updates"
    """Updates get a plan like fresh packs. Without it they may be refused as `UnsupportedRequest`,
    unless they change nothing."""
    TAKES_ANY_SIZE = "takes any size"
    """Instances that ask for no CPU are placed like others. Without it they may be refused."""


BUILT_IN_TRAITS: Mapping[str, frozenset[Trait]] = {
    # Deals from scratch at every update.
    "round_robin": frozenset(
        {Trait.MEETS_CONTAINER_COUNT, Trait.ANSWERS_UPDATES, Trait.TAKES_ANY_SIZE}
    ),
    # Adds containers when sizes demand it, and knows no scheduler.
    "resource_compliant_rr": frozenset(
        {Trait.KEEPS_PLACEMENTS, Trait.ANSWERS_UPDATES, Trait.TAKES_ANY_SIZE}
    ),
    # Ignores the stated count at a pack, and takes no instance below 0.1 cores.
    "first_fit_decreasing": frozenset({Trait.KEEPS_PLACEMENTS, Trait.ANSWERS_UPDATES}),
    "stream_affinity": frozenset(Trait),
    "search": frozenset(Trait),
}
"""What each planner of this package promises."""


class Outcome(enum.Enum):
    """How a case has to end."""

    PLAN = "a plan"
    REFUSAL = "a refusal"


@dataclass(frozen=True)
class Case:
    """One request and how it has to end."""

    name: str
    make: Callable[[], Request]
    """Builds the request, anew at each call. May itself raise InvalidRequest: that is a refusal."""
    outcome: Outcome = Outcome.PLAN
    refusable_with: Trait | None = None
    """A planner with this trait may refuse."""
    refusable_without: Trait | None = None
    """A planner without this trait may refuse."""
    forced: frozenset[Rule] = field(default_factory=frozenset)
    """Preferences that no plan for this request can keep."""


def complaints(planner: Planner, case: Case, traits: Collection[Trait] = ()) -> list[str]:
    """Everything in which `planner` falls short of `case`, in sentences; empty when it conforms."""
    try:
        request = case.make()
    except InvalidRequest as error:
        if case.outcome is Outcome.REFUSAL:
            return _of_sentence(error)
        raise
    before = _fingerprint(request)
    try:
        plan = planner(request)
    except PackingError as error:
        if isinstance(error, UnsupportedRequest) and _not_for_it(request, traits):
            return _of_sentence(error)
        may_refuse = case.refusable_with in traits or (
            case.refusable_without is not None and case.refusable_without not in traits
        )
        if case.outcome is Outcome.REFUSAL or may_refuse:
            return _of_sentence(error)
        return [f"refused although a plan exists: {error}"]
    found = []
    if _fingerprint(request) != before:
        found.append("it altered the request")
    again = planner(request)
    fresh = planner(copy.deepcopy(case.make()))
    if again != plan:
        found.append("the same request gave another plan when it was asked again")
    if fresh != plan:
        found.append("an equal request gave another plan")
    broken = violations(plan, request)
    if case.outcome is Outcome.REFUSAL:
        if not any(v.fatal for v in broken):
            found.append("it returned a plan that passes for valid where none exists")
        return found
    allowed = _allowed(case, request, traits)
    found += [f"{v.rule.value}: {v.message}" for v in broken if v.rule not in allowed]
    if not any(v.fatal for v in broken):
        found += _of_figures(plan, request)
    found += _of_update(plan, request, traits)
    return found


def _not_for_it(request: Request, traits: Collection[Trait]) -> bool:
    """Whether a planner with these traits may leave the request to others."""
    return (
        request.current is not None
        and not request.changes_nothing
        and Trait.ANSWERS_UPDATES not in traits
    )


def _allowed(case: Case, request: Request, traits: Collection[Trait]) -> set[Rule]:
    allowed = set(case.forced)
    if Trait.KEEPS_SCHEDULER_RULES not in traits and request.current is not None:
        allowed.add(Rule.SCHEDULER)
    if Trait.MEETS_CONTAINER_COUNT not in traits and request.current is None:
        allowed.add(Rule.CONTAINER_COUNT)
    if Trait.KEEPS_PREFERENCES not in traits:
        allowed |= {Rule.PADDING, Rule.MAX_INSTANCES, Rule.RESIZED}
    return allowed


def _of_sentence(error: PackingError) -> list[str]:
    return [] if " " in str(error).strip() else [f"it refused without a sentence: {error!r}"]


def _of_figures(plan: Plan, request: Request) -> list[str]:
    """A valid plan can be predicted, and its containers add up."""
    prediction = predict(request.topology, plan, request.profile)
    if not 0 <= prediction.cross_fraction <= 1 + 1e-9:
        return [f"{prediction.cross_fraction} of the traffic crosses containers"]
    return []


def _of_update(plan: Plan, request: Request, traits: Collection[Trait]) -> list[str]:
    current = request.current
    if current is None:
        return []
    if request.changes_nothing and plan != current:
        return ["an update that changes nothing changed the plan"]
    if Trait.KEEPS_PLACEMENTS in traits and request.container_count is None:
        changes = disruption(plan, current)
        lost = sum(-delta for delta in request.deltas.values() if delta < 0)
        if changes.restarted_instances:
            return [f"{changes.restarted_instances} surviving instances change container or task"]
        if changes.stopped_instances != lost:
            return [f"{changes.stopped_instances} instances stop, {lost} had to"]
    return []


def _fingerprint(request: Request) -> tuple[object, ...]:
    current = request.current
    return (
        request.topology,
        request.constraints,
        dict(request.deltas),
        None if current is None else hash(current),
        None if current is None else dict(current.scheduled or {}),
    )


# --- the cases -----------------------------------------------------------------------------------


def _topology(*streams: tuple[str, str, Grouping], **parallelism: int) -> Topology:
    return Topology(
        "conformance-id",
        "conformance",
        tuple(
            Component(name, Kind.SPOUT if name.startswith("spout") else Kind.BOLT, count)
            for name, count in parallelism.items()
        ),
        tuple(Stream(source, target, "default", how) for source, target, how in streams),
    )


def _word_count(spout: int = 4, split: int = 6, count: int = 4) -> Topology:
    return _topology(
        ("spout", "split", Grouping.SHUFFLE),
        ("split", "count", Grouping.FIELDS),
        spout=spout,
        split=split,
        count=count,
    )


def _every_grouping() -> Topology:
    streams = [("spout", f"b{i}", how) for i, how in enumerate(Grouping)]
    return _topology(*streams, spout=2, **{f"b{i}": 2 for i in range(len(Grouping))})


_LOAD = Profile(
    rate_per_s={"spout": 100.0},
    service_s={"spout": 1e-4, "split": 1e-3, "count": 5e-4},
    selectivity={("split", "count", "default"): 3.0},
)
_SIZED = Constraints(
    container_count=4,
    container_cpu_cores=8.0,
    container_ram_bytes=12 * GIB,
    container_disk_bytes=40 * GIB,
    component_ram_bytes={"spout": GIB, "split": 2 * GIB, "count": 512 * MIB},
    component_cpu_cores={"spout": 0.5, "split": 1.0, "count": 0.5},
)


_SIZE = Resources(8.0, 12 * GIB, 30 * GIB)


def _pack(constraints: Constraints, topology: Topology | None = None, **more: object) -> Request:
    return Request(topology or _word_count(), constraints, **more)  # type: ignore[arg-type]


def _scattered() -> Plan:
    """A plan that none of our planners would make: ids with gaps, uneven, tasks out of order."""
    topology = _word_count()
    names = ["spout"] * 4 + ["split"] * 6 + ["count"] * 4
    containers = [2, 2, 5, 9, 2, 5, 5, 9, 9, 9, 2, 2, 5, 9]
    return _running(topology, names, containers, [2, 5, 9], first_task=3)


def _running(
    topology: Topology,
    names: list[str],
    containers: list[int],
    ids: list[int],
    *,
    first_task: int = 1,
    size: Resources = _SIZE,
    scheduled: Mapping[int, Resources] | None = None,
) -> Plan:
    component = np.array([topology.position[name] for name in names])
    index = _ranks(component)
    n, count = len(names), len(ids)
    tasks = first_task + np.arange(n)[::-1]
    return Plan.of(
        topology.topology_id,
        topology.names,
        (component, tasks, index, containers),
        (np.full(n, 1.0), np.full(n, GIB), np.full(n, GIB)),
        ids,
        (
            np.full(count, size.cpu_cores),
            np.full(count, size.ram_bytes),
            np.full(count, size.disk_bytes),
        ),
        scheduled,
    )


def _ranks(values: Ints) -> Ints:
    return np.array([int((values[:i] == v).sum()) for i, v in enumerate(values)], dtype=np.int64)


def _contiguous(containers: int = 4, scheduled: bool = False, slack_gib: int = 6) -> Plan:
    """Round robin's dealing, in containers with room for a few more instances each."""
    topology = _word_count()
    names = ["spout"] * 4 + ["split"] * 6 + ["count"] * 4
    ids = list(range(1, containers + 1))
    held = -(-len(names) // containers)
    size = Resources(held + 3.0, (held + slack_gib) * GIB, (held + slack_gib) * GIB)
    granted = dict.fromkeys(ids, size + Resources(2.0, 2 * GIB, 2 * GIB)) if scheduled else None
    dealt = [ids[i % containers] for i in range(len(names))]
    return _running(topology, names, dealt, ids, size=size, scheduled=granted)


def _repack(
    current: Plan,
    deltas: Mapping[str, int],
    scheduler: str = "",
    count: int | None = None,
    *,
    constraints: Constraints | None = None,
    load: Profile = _LOAD,
) -> Request:
    stated = constraints or Constraints(container_count=current.container_count)
    return Request(
        _word_count(), stated, rules_for(scheduler), current, deltas, count, profile=load
    )


def _made_by_round_robin(scheduler: str = "", **deltas: int) -> Request:
    packed = _pack(_SIZED, profile=_LOAD)
    return replace(
        packed, current=round_robin(packed), deltas=deltas, scheduler=rules_for(scheduler)
    )


def _middle_container_can_empty() -> Request:
    """Container 2 holds one instance, of the component that shrinks."""
    topology = _word_count(2, 2, 3)
    names = ["spout", "split", "count", "count", "count", "spout", "split"]
    current = _running(topology, names, [1, 1, 1, 2, 3, 3, 3], [1, 2, 3])
    return Request(
        topology, Constraints(container_count=3), rules_for("kubernetes"), current, {"count": -1}
    )


_ONE = _topology(spout=1)
_TINY = Constraints(container_count=2, component_cpu_cores={"spout": 0.0, "split": 0.0})
_UP, _DOWN, _BOTH = {"split": 3}, {"split": -3, "spout": -1}, {"split": 2, "count": -2}

_PACKS: tuple[Case, ...] = (
    Case("pack: nothing stated", lambda: _pack(Constraints())),
    Case("pack: a container count", lambda: _pack(Constraints(container_count=3))),
    Case("pack: sizes and load stated", lambda: _pack(_SIZED, profile=_LOAD)),
    Case("pack: one instance", lambda: _pack(Constraints(), _ONE)),
    Case(
        "pack: more containers than instances", lambda: _pack(Constraints(container_count=9), _ONE)
    ),
    Case("pack: one instance each", lambda: _pack(Constraints(container_count=14))),
    Case("pack: no streams", lambda: _pack(Constraints(container_count=2), _topology(spout=5))),
    Case("pack: every grouping", lambda: _pack(Constraints(container_count=4), _every_grouping())),
    Case(
        "pack: a loop that fades",
        lambda: _pack(
            Constraints(container_count=2),
            _topology(
                ("spout", "a", Grouping.SHUFFLE),
                ("a", "b", Grouping.SHUFFLE),
                ("b", "a", Grouping.SHUFFLE),
                spout=2,
                a=2,
                b=2,
            ),
            profile=Profile(selectivity={("b", "a", "default"): 0.5}),
        ),
    ),
    Case(
        "pack: instances that ask for no CPU",
        lambda: _pack(_TINY),
        refusable_without=Trait.TAKES_ANY_SIZE,
    ),
    Case(
        "pack: rates of zero",
        lambda: _pack(_SIZED, profile=replace(_LOAD, rate_per_s={"spout": 0.0})),
    ),
    Case(
        "pack: instances per container limited",
        lambda: _pack(Constraints(container_count=4, max_instances=4)),
    ),
    Case(
        # 14 instances of 1 GiB and 1 GiB padding each in two containers of 8 GiB: full to the byte.
        "pack: no byte to spare",
        lambda: _pack(
            Constraints(
                container_count=2,
                container_ram_bytes=8 * GIB,
                component_ram_bytes=dict.fromkeys(("spout", "split", "count"), GIB),
                ram_padding_bytes=GIB,
                padding_percentage=0,
            )
        ),
    ),
    Case(
        "pack: the scheduler starts ids 1 to n",
        lambda: _pack(_SIZED, scheduler=rules_for("kubernetes")),
    ),
    Case(
        "refused: an instance larger than a container",
        lambda: _pack(
            Constraints(container_ram_bytes=4 * GIB, component_ram_bytes={"split": 4 * GIB})
        ),
        Outcome.REFUSAL,
    ),
    Case(
        # Beside 1 GiB of padding a container of 5 GiB holds one instance of 3 GiB.
        "pack: more containers needed than stated",
        lambda: _pack(
            Constraints(
                container_count=2,
                container_ram_bytes=5 * GIB,
                component_ram_bytes=dict.fromkeys(("spout", "split", "count"), 3 * GIB),
            ),
            _word_count(1, 1, 1),
        ),
        refusable_with=Trait.MEETS_CONTAINER_COUNT,
        forced=frozenset({Rule.CONTAINER_COUNT}),
    ),
)

_UPDATES: tuple[Case, ...] = tuple(
    Case(
        f"update: {what} of {whose} on {scheduler or 'an unknown scheduler'}",
        lambda make=make, deltas=deltas, scheduler=scheduler: _repack(  # type: ignore[misc]
            make(), deltas, scheduler
        ),
    )
    for whose, make, schedulers in (
        ("a plan with gaps in its ids", _scattered, ("", "local", "yarn", "aurora")),
        ("an even plan", _contiguous, ("", "local", "yarn", "aurora", "kubernetes", "nomad")),
        (
            "a plan with scheduled sizes",
            lambda: _contiguous(scheduled=True),
            ("yarn", "aurora", "kubernetes", "nomad"),
        ),
    )
    for what, deltas in (("growth", _UP), ("shrinking", _DOWN), ("both", _BOTH), ("nothing", {}))
    for scheduler in schedulers
)

_COUNTS: tuple[Case, ...] = tuple(
    Case(
        f"update: {count} containers instead of {running} with {what} on {scheduler or 'any'}",
        lambda running=running, count=count, deltas=deltas, scheduler=scheduler: _repack(  # type: ignore[misc]
            # Room for all, so that the count is what decides.
            _contiguous(running, slack_gib=20),
            deltas,
            scheduler,
            count,
        ),
        # The containers that are left hold more than they were started with.
        forced=frozenset({Rule.RESIZED}) if count < running else frozenset(),
    )
    for running, count in ((4, 4), (4, 6), (4, 3))
    for what, deltas in (("nothing else", {}), ("growth", {"split": 1}), ("shrinking", _DOWN))
    for scheduler in ("", "kubernetes")
)

_OTHERS: tuple[Case, ...] = (
    Case("update: growth of round robin's plan", lambda: _made_by_round_robin(split=2)),
    Case("update: shrinking of round robin's plan", lambda: _made_by_round_robin(split=-3)),
    Case(
        "update: growth on kubernetes of round robin's plan",
        lambda: _made_by_round_robin("kubernetes", split=2),
    ),
    Case(
        # Packed without padding; now 2 GiB of each container are padding.
        "update: growth of a plan with other padding",
        lambda: _repack(
            _contiguous(slack_gib=0),
            _UP,
            constraints=Constraints(
                container_count=4, container_ram_bytes=10 * GIB, ram_padding_bytes=2 * GIB
            ),
        ),
    ),
    Case(
        "update: shrinking that could empty a middle container of kubernetes",
        _middle_container_can_empty,
    ),
    Case(
        "update: nothing known of the load",
        lambda: _repack(_scattered(), _BOTH, load=Profile()),
    ),
    Case(
        "refused: more instances removed than there are",
        lambda: _repack(_contiguous(), {"split": -6}),
        Outcome.REFUSAL,
    ),
    Case(
        "refused: a component that does not exist",
        lambda: _repack(_contiguous(), {"nobody": 1}),
        Outcome.REFUSAL,
    ),
    Case(
        "refused: more containers than instances",
        lambda: _repack(_contiguous(), {}, count=15),
        Outcome.REFUSAL,
    ),
    Case(
        "refused: growth where nomad's containers are full to their stated size",
        lambda: _repack(
            _contiguous(2, slack_gib=0),
            {"split": 2},
            "nomad",
            constraints=Constraints(
                container_count=2,
                container_ram_bytes=8 * GIB,
                ram_padding_bytes=GIB,
                padding_percentage=0,
                component_ram_bytes={"split": 2 * GIB},
            ),
        ),
        Outcome.REFUSAL,
    ),
)

CASES: tuple[Case, ...] = (*_PACKS, *_UPDATES, *_COUNTS, *_OTHERS)
"""All cases."""
