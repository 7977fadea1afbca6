"""The planner that searches: the best counts of instances per container that are found.

The configuration LP and simple rules give states to start from, a compiled annealer improves the
best (`packing.search`). As with `stream_affinity` no container is loaded more than a tenth above
round robin's fullest where that can be kept, because a full container's CPU quota costs more
throughput than local tuples save.
"""

from __future__ import annotations

from collections.abc import Iterator

from packing.errors import Infeasible, UnsupportedRequest
from packing.plan import Plan
from packing.planners.packing_problem import RequestedPack
from packing.planners.search_repack import repack
from packing.request import Request
from packing.resources import describe_bytes
from packing.search.portfolio import Found, capped, default_steps, search_counts
from packing.search.problem import PackingProblem

LOAD_CAP_OVER_ROUND_ROBIN = 1.10
STEPS_SHARE = 0.25
"""Part of the steps that suit a size which a plan gets. The rest would keep about a thousandth more
traffic in containers, and most of a decision's time would go to it."""
LARGEST_STATE = 20_000_000
"""Classes times containers up to which states are searched; beyond they would not fit memory."""


def search(request: Request) -> Plan:
    """Pack so that most traffic stays in containers, none of which is loaded far above the others.

    At an update survivors stay, unless moves carry enough more load (`search_repack`). Raises
    Infeasible when the instances do not fit the stated containers.
    """
    if request.current is not None:
        return repack(request).plan
    pack = RequestedPack(request)
    states = len(pack.classes.component) * pack.containers
    if states > LARGEST_STATE:
        raise UnsupportedRequest(
            f"{len(pack.classes.component)} kinds of instances in {pack.containers} containers are "
            f"more than search holds in memory ({LARGEST_STATE} counts); use stream_affinity"
        )
    return pack.plan(best_counts(pack, usual_steps(pack)).counts)


def usual_steps(pack: RequestedPack) -> int:
    """Annealing steps that a plan gets at the usual effort."""
    return int(default_steps(pack.problem()) * STEPS_SHARE)


def best_counts(pack: RequestedPack, steps: int | None = None) -> Found:
    """The best state under the strictest limits that some state keeps.

    Limits are given up in this order: the cap on load, then the sizes that the user did not state.
    Raises Infeasible when what the user states cannot be kept.
    """
    for problem in _problems(pack):
        found = search_counts(problem, starts=[pack.dealt_counts], steps=steps)
        if found is not None:
            return found
    raise _no_place(pack)


def _problems(pack: RequestedPack) -> Iterator[PackingProblem]:
    """From the strictest to what the user states."""
    wanted = pack.problem()
    most = wanted.loads(pack.dealt_counts).max(axis=0) * LOAD_CAP_OVER_ROUND_ROBIN + 1e-9
    yield capped(wanted, most)
    yield wanted
    yield pack.problem(largest=True)


def _no_place(pack: RequestedPack) -> Infeasible:
    problem = pack.problem(largest=True)
    need, size = problem.supply @ problem.needs, problem.capacity[0]
    return Infeasible(
        f"no way was found to place {problem.instance_count} instances that ask for {need[0]:g} "
        f"cores, {describe_bytes(need[1])} RAM and {describe_bytes(need[2])} disk in "
        f"{problem.container_count} containers of at most {problem.most[0]} instances, "
        f"{size[0]:g} cores, {_bytes(size[1])} RAM and {_bytes(size[2])} disk beside the padding; "
        "raise topology.stmgrs or the container's size"
    )


def _bytes(amount: float) -> str:
    return describe_bytes(amount) if amount < float("inf") else "any"
