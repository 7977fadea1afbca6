"""Every planner on the benchmark topologies: `python -m tests.benchmarks.planners [FOLDER]`.

Per size the median over the shapes: share of tuples that cross containers, fullest container over
the mean, containers over those asked for, and milliseconds (best of three, warm). Then the whole
answer to a Pack and a Repack request, bytes in to bytes out, as a worker gives it.
"""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from pathlib import Path

from bridge.comparison import request_for
from bridge.conversion import plan_to_bytes
from bridge.planners import installed_planners
from bridge.planning import answer
from bridge.wire import packing_bridge_pb2 as wire
from bridge.workload import Workload, load_workload, workload_paths
from packing.choose import judge
from tests.benchmarks.requests import pack_request, repack_request
from tests.benchmarks.timing import best_ms

TOPOLOGIES = Path(__file__).resolve().parent.parent / "data" / "topologies"


def main() -> None:
    """Print both tables."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else TOPOLOGIES
    workloads = [load_workload(path) for path in workload_paths([folder])]
    by_size: dict[int, list[Workload]] = defaultdict(list)
    for workload in workloads:
        by_size[workload.topology.instance_count].append(workload)
    _planners(by_size)
    _answers(by_size)


def _planners(by_size: dict[int, list[Workload]]) -> None:
    print("| instances | planner | cross | load max/mean | containers/asked | ms median | ms max |")
    print("|---|---|---|---|---|---|---|")
    for size, workloads in sorted(by_size.items()):
        for name, planner in installed_planners().items():
            cross, balance, containers, took_ms = [], [], [], []
            for workload in workloads:
                request = request_for(workload)
                took_ms.append(best_ms(lambda p=planner, r=request: p(r)))  # type: ignore[misc]
                judged = judge(name, planner(request), request)
                assert judged.prediction is not None, judged.failure
                cross.append(judged.prediction.cross_fraction)
                balance.append(judged.prediction.load_max_over_mean)
                asked = request.constraints.container_count
                containers.append(judged.prediction.containers / asked)
            print(
                f"| {size} | {name} | {statistics.median(cross):.4f} "
                f"| {statistics.median(balance):.2f} | {statistics.median(containers):.3f} "
                f"| {statistics.median(took_ms):.1f} | {max(took_ms):.1f} |"
            )


def _answers(by_size: dict[int, list[Workload]]) -> None:
    print("\n| instances | Pack ms median | max | Repack ms median | max | request KiB |")
    print("|---|---|---|---|---|---|")
    for size, workloads in sorted(by_size.items()):
        pack_ms, repack_ms, request_kib = [], [], []
        for workload in workloads:
            heron = plan_to_bytes(installed_planners()["round_robin"](request_for(workload)))
            pack = pack_request(workload, heron).SerializeToString()
            pack_ms.append(best_ms(lambda p=pack: answer("Pack", p)))  # type: ignore[misc]
            request_kib.append(len(pack) / 1024)
            running = wire.PlanResponse.FromString(answer("Pack", pack)).plan
            repack = repack_request(workload, running).SerializeToString()
            repack_ms.append(best_ms(lambda r=repack: answer("Repack", r)))  # type: ignore[misc]
        print(
            f"| {size} | {statistics.median(pack_ms):.1f} | {max(pack_ms):.1f} "
            f"| {statistics.median(repack_ms):.1f} | {max(repack_ms):.1f} "
            f"| {statistics.median(request_kib):.0f} |"
        )


if __name__ == "__main__":
    main()
