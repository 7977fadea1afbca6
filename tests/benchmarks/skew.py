"""What the whole decision sustains under skewed keys: `python -m tests.benchmarks.skew [--each]`.

The topologies of `tests/data` that route by keys, with Zipf-distributed ones and scarce cores
(`tests.benchmarks.search.skewed`). Per size: sustainable load of the plan chosen for `throughput`
over the best of Heron's three packers, and over the proved bound for containers as stated. A bound
of 1.1 times Heron's or less leaves nobody 10 % more.
"""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from dataclasses import dataclass

from bridge.comparison import request_for
from bridge.planners import planners_for
from bridge.workload import load_workload
from packing.bounds import bounds_for
from packing.choose import choose
from packing.request import Request
from tests.benchmarks.search import DATA, skewed

HERON = ("round_robin", "resource_compliant_rr", "first_fit_decreasing")
LARGEST = 1000
WANTED = 1.1


@dataclass(frozen=True)
class Row:
    """One topology: load factors."""

    name: str
    heron: float
    ours: float
    bound: float
    planner: str
    limit: str

    @property
    def open(self) -> bool:
        """Whether the bound leaves room for what is wanted."""
        return self.bound >= WANTED * self.heron


def main() -> None:
    """Print the tables."""
    by_size: dict[int, list[Row]] = defaultdict(list)
    for path in sorted((DATA / "topologies").glob("*.json")):
        size = int(path.stem.rpartition("-")[2])
        request = skewed(request_for(load_workload(path))) if size <= LARGEST else None
        if request is not None:
            by_size[size].append(decided(path.stem, request))
    if "--each" in sys.argv:
        print("| topology | Heron's best | chosen | over | bound | planner | limit |")
        print("|---|---|---|---|---|---|---|")
        for row in (row for _, rows in sorted(by_size.items()) for row in rows):
            print(
                f"| {row.name} | {row.heron:.3f} | {row.ours:.3f} | {row.ours / row.heron:.3f} "
                f"| {row.bound:.3f} | {row.planner} | {row.limit} |"
            )
        print()
    print("| instances | topologies | over Heron's best | least | of the bound | room | +10 % |")
    print("|---|---|---|---|---|---|---|")
    for size, rows in sorted(by_size.items()):
        over = [row.ours / row.heron for row in rows]
        room = [row for row in rows if row.open]
        won = sum(row.ours >= WANTED * row.heron for row in room)
        of_bound = statistics.median(row.ours / row.bound for row in rows)
        print(
            f"| {size} | {len(rows)} | {statistics.median(over):.3f} | {min(over):.3f} "
            f"| {of_bound:.3f} | {len(room)} | {won} |"
        )


def decided(name: str, request: Request) -> Row:
    """What is chosen, beside the best of Heron's."""
    decision = choose(request, planners_for(request), objective="throughput")
    heron = max(c.sustained for c in decision.candidates if c.planner in HERON)
    bound = bounds_for(request).sustainable_load_factor
    prediction = decision.chosen.prediction
    assert bound is not None and prediction is not None
    return Row(
        name,
        heron,
        decision.chosen.sustained,
        bound.value,
        decision.chosen.planner,
        prediction.bottleneck,
    )


if __name__ == "__main__":
    main()
