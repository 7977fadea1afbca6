"""Updates by search on the benchmark topologies: `python -m tests.benchmarks.repack [FOLDER]`.

The component that each workload file proposes grows and shrinks by half, from the plan of `search`.
Per size, over the shapes: survivors moved at least; cross traffic of the answer and of the least
disturbing plan beside that of Heron's ResourceCompliantRRPacking for the same running plan (where
that keeps the rules) and the least that is possible at that number of containers; how often the
least disturbing plan lets more cross than theirs, because it carries more load, and how often the
most local of those does; the least disturbing plan's load over theirs, at worst; and the time of
the answer over that of the pack (warm, shortest of a few). With `--each` every update, with its
reason.
"""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.comparison import request_for
from bridge.workload import Workload, load_workload, workload_paths
from packing.bounds import bounds_for
from packing.errors import Infeasible
from packing.model import Prediction, predict_placed
from packing.plan import Plan
from packing.planners.resource_compliant_rr import resource_compliant_rr
from packing.planners.search import search
from packing.planners.search_repack import Repacked, proposals, repack
from packing.request import Request
from packing.validation import violations
from tests.benchmarks.planners import TOPOLOGIES
from tests.benchmarks.timing import best_ms


@dataclass(frozen=True)
class Update:
    """One update of one topology."""

    name: str
    delta: int
    found: Repacked
    answered: Prediction
    least: Prediction
    most_local: Prediction
    """Of the plan that moves as few as the least disturbing one and keeps most traffic inside."""
    theirs: Prediction | None
    """Of ResourceCompliantRRPacking; None where it has no plan or breaks a rule."""
    bound_cross: float
    """Cross traffic over all, at least, with as many containers as the least disturbing plan."""
    pack_ms: float
    repack_ms: float

    @property
    def moved(self) -> int:
        """Survivors that the answer moves."""
        return self.found.curve[self.found.taken].moved


def main() -> None:
    """Print the tables."""
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    folder = Path(arguments[0]) if arguments else TOPOLOGIES
    by_size: dict[int, list[Workload]] = defaultdict(list)
    for path in workload_paths([folder]):
        workload = load_workload(path)
        by_size[workload.topology.instance_count].append(workload)
    print(
        "| instances | change | updates | moved at least, most | answers that move | cross | "
        "of the least disturbing | of theirs | bound | worse than theirs, most local | "
        "load/theirs, least | repack/pack median | max | ms max |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    every: list[Update] = []
    for size, workloads in sorted(by_size.items()):
        updates = [update for workload in workloads for update in updates_of(workload)]
        every += updates
        for what, some in (
            ("up", [u for u in updates if u.delta > 0]),
            ("down", [u for u in updates if u.delta < 0]),
        ):
            if some:
                _row(size, what, some)
    if "--each" in sys.argv:
        _each(every)


def updates_of(workload: Workload) -> Iterable[Update]:
    """The component grown and shrunk."""
    scale = workload.scale
    if scale is None:
        return
    request = request_for(workload)
    running = search(request)
    pack_ms = best_ms(lambda: search(request_for(workload)))
    for delta in (scale.up, scale.down):
        if not delta:
            continue

        def asked(delta: int = delta) -> Request:
            # Anew each time, so that nothing is left from the last one.
            deltas = {scale.component: delta}
            return replace(request_for(workload), current=running, deltas=deltas)

        update = asked()
        found = repack(update)
        bounds = bounds_for(update, found.least)
        yield Update(
            workload.name,
            delta,
            found,
            _predicted(found.plan, update),
            _predicted(found.least, update),
            _predicted(dict(proposals(update)).get("local", found.least), update),
            _theirs(update),
            bounds.cross_fraction,
            pack_ms,
            best_ms(lambda: repack(asked())),
        )


def _theirs(update: Request) -> Prediction | None:
    try:
        plan = resource_compliant_rr(update)
    except Infeasible:
        return None
    return None if violations(plan, update) else _predicted(plan, update)


def _predicted(plan: Plan, request: Request) -> Prediction:
    return predict_placed(
        request.prepared, plan, request.scheduler.homogeneous, request.costs, request.runtime
    )


def _row(size: int, what: str, updates: list[Update]) -> None:
    comparable = [(u, u.theirs) for u in updates if u.theirs is not None]
    worse = sum(u.least.cross_fraction > t.cross_fraction + 1e-9 for u, t in comparable)
    never = sum(u.most_local.cross_fraction > t.cross_fraction + 1e-9 for u, t in comparable)
    load = [
        u.least.sustainable_load_factor / t.sustainable_load_factor
        for u, t in comparable
        if u.least.sustainable_load_factor and t.sustainable_load_factor
    ]
    ratio = [u.repack_ms / u.pack_ms for u in updates]
    theirs = _median([t.cross_fraction for _, t in comparable])
    print(
        f"| {size} | {what} | {len(updates)} | {max(u.found.curve[0].moved for u in updates)} "
        f"| {sum(u.moved > 0 for u in updates)} "
        f"| {_median([u.answered.cross_fraction for u in updates])} "
        f"| {_median([u.least.cross_fraction for u in updates])} | {theirs} "
        f"| {_median([u.bound_cross for u in updates])} | {worse}, {never} of {len(comparable)} "
        f"| {min(load, default=1.0):.3f} | {statistics.median(ratio):.2f} | {max(ratio):.2f} "
        f"| {max(u.repack_ms for u in updates):.1f} |"
    )


def _median(values: list[float]) -> str:
    return f"{statistics.median(values):.4f}" if values else "-"


def _each(updates: list[Update]) -> None:
    print("\n| topology | change | moved | cross | theirs | load | theirs | repack/pack | why |")
    print("|---|---|---|---|---|---|---|---|---|")
    for u in updates:
        theirs, carried = "-", "-"
        if u.theirs is not None:
            theirs = f"{u.theirs.cross_fraction:.4f}"
            carried = _load(u.theirs)
        print(
            f"| {u.name} | {u.delta:+d} | {u.moved} | {u.answered.cross_fraction:.4f} | {theirs} "
            f"| {_load(u.answered)} | {carried} | {u.repack_ms / u.pack_ms:.2f} "
            f"| {u.found.reason} |"
        )


def _load(prediction: Prediction) -> str:
    factor = prediction.sustainable_load_factor
    return "-" if factor is None else f"{factor:.2f}"


if __name__ == "__main__":
    main()
