"""Why more instances of anything did not help, in a sentence."""

from __future__ import annotations

from packing.advice.thread_bounds import NoParallelismHelps
from packing.advice.trial import Trial
from packing.resources import counted


def no_parallelism_helps(trial: Trial) -> NoParallelismHelps:
    """Why more instances did not help beyond the best trial."""
    goal = trial.goal
    if not trial.carries:
        limit = trial.limits[0].name if trial.limits else "nothing that is known"
        fixed = ""
        if goal.container_count is not None:
            fixed = f" with {counted(goal.container_count, 'container')}"
        return NoParallelismHelps(
            f"no parallelism helps{fixed}: {limit} limits the load to "
            f"{trial.carried * goal.rate_per_s:,.0f} tuples/s, or "
            f"{trial.carried * goal.rate_per_s / goal.load_factor:,.0f} with the headroom, and "
            "more instances do not raise it",
            trial.carried / goal.load_factor,
        )
    if not trial.let_through:
        return NoParallelismHelps(
            "no parallelism helps: the limit of pending tuples "
            "(topology.max.spout.pending) holds spouts back; raise it",
            trial.delivered,
        )
    if not trial.in_time:
        assert goal.latency_p99_limit_s is not None
        return NoParallelismHelps(
            f"no parallelism brings the latency below {1000 * trial.latency_p99_s:.3g} ms "
            f"(99th percentile), {1000 * goal.latency_p99_limit_s:.3g} ms were asked for; "
            "stream managers send on their clock, however little there is to do"
        )
    limit = f", limited by {trial.limits[0].name}" if trial.limits else ""
    return NoParallelismHelps(
        f"no parallelism carries the rate with probability {goal.demanded_probability:g}: "
        f"{trial.probability:.2f} is reached{limit}; measure what is only declared, or ask for a "
        "lower probability",
        1.0,
    )
