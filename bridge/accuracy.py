"""Predictions held against measured runs that nothing was fitted to."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bridge.heron_costs import CostFile
from bridge.measured_run import UNLIMITED_CORES, MeasuredRun
from packing.model import Prediction, predict
from packing.profile import Profile
from packing.topology import Grouping


@dataclass(frozen=True)
class Judged:
    """One run: predicted and measured, and how far apart they are."""

    run: MeasuredRun
    prediction: Prediction
    predicted: Mapping[str, Any]
    """In the keys of the run file's `measured`."""
    errors: Mapping[str, float]
    """Predicted over measured minus one; keys say of what."""
    saturated_right: bool | None
    """Whether the saturated container was named; None where none was saturated."""
    next_full: NextFull | None
    """None where no container was saturated or no other one has a quota."""


@dataclass(frozen=True)
class NextFull:
    """Which container limits after the saturated one: called by the model, and the one that had the
    highest measured utilisation of the others."""

    called: int | None
    """None where the model names none."""
    measured: int
    utilisation: Mapping[int, float]
    """Measured cores over quota of all containers but the saturated one, by id."""

    @property
    def right(self) -> bool:
        """Whether both are the same."""
        return self.called == self.measured


def judge_runs(runs: Sequence[MeasuredRun], costs: CostFile) -> list[Judged]:
    """Predict every run with costs that owe nothing to its workload.

    How skewed keys fall on instances is a property of the workload's keys that its description
    does not tell; it is taken from the other runs of the workload, where there are any.
    """
    return [_judge(run, runs, costs) for run in runs]


def _judge(run: MeasuredRun, runs: Sequence[MeasuredRun], costs: CostFile) -> Judged:
    profile = _with_key_shares(run, [other for other in runs if other.run_id != run.run_id])
    prediction = predict(
        run.topology,
        run.plan,
        profile,
        costs=costs.not_fitted_to(run.workload),
        runtime=run.runtime,
    )
    predicted = _predicted(run, prediction)
    return Judged(
        run,
        prediction,
        predicted,
        _errors(run, predicted),
        _saturated_right(run, prediction),
        next_full(run, prediction),
    )


def _with_key_shares(run: MeasuredRun, others: Sequence[MeasuredRun]) -> Profile:
    shares = {}
    components: Mapping[str, Any] = run.raw["topology"]["components"]
    for stream in run.topology.streams:
        if stream.grouping is not Grouping.FIELDS or not components[stream.source].get("zipf"):
            continue
        seen = [
            _shares_of(other, stream.target)
            for other in others
            if other.workload == run.workload
            and stream.target in other.topology.parallelism
            and other.topology.parallelism[stream.target] == run.topology.parallelism[stream.target]
        ]
        if seen:
            # The median of the runs: overloaded ones see their shares bent by full buffers.
            middle = np.median(seen, axis=0)
            key = (stream.source, stream.target, stream.stream_id)
            shares[key] = tuple((middle / middle.sum()).tolist())
    return replace(run.profile, key_shares=shares)


def _shares_of(run: MeasuredRun, component: str) -> list[float]:
    rates = {
        i["index"]: float(i["execute_per_s"] or 0.0)
        for i in run.measured["instances"]
        if i["component"] == component
    }
    total = sum(rates.values()) or 1.0
    return [rates[index] / total for index in sorted(rates)]


def _predicted(run: MeasuredRun, prediction: Prediction) -> dict[str, Any]:
    ids = [str(this) for this in run.plan.container_ids.tolist()]
    cores = prediction.container_cpu_cores.tolist()
    managers = prediction.stream_manager_cores.tolist()
    found: dict[str, Any] = {
        "throughput_per_s": prediction.throughput_per_s,
        "containers": {this: {"cores": c} for this, c in zip(ids, cores, strict=True)},
        "stmgrs": {this: {"cores": c} for this, c in zip(ids, managers, strict=True)},
    }
    when = prediction.latency
    if when is not None:
        figures = {"mean": when.mean_s, "p50": when.p50_s, "p99": when.p99_s}
        in_ms = {name: 1000 * value for name, value in figures.items()}
        found["sink_latency_ms"] = dict.fromkeys(run.measured["sink_latency_ms"], in_ms)
        if when.complete_s is not None:
            found["complete_latency_ms"] = {"mean": 1000 * when.complete_s}
    full = [limit for limit in prediction.limits if limit.container is not None]
    delivered = prediction.delivered_load_factor
    if full and delivered is not None and delivered < 1.0:
        found["bottleneck"] = {"container": full[0].container, "limit": full[0].name}
    found["runner_up"] = prediction.runner_up
    found["next_container"] = called_next(prediction)
    return found


def _errors(run: MeasuredRun, predicted: Mapping[str, Any]) -> dict[str, float]:
    measured = run.measured
    found = {"throughput": predicted["throughput_per_s"] / measured["throughput_per_s"] - 1}
    for what, entries in (("container CPU", "containers"), ("stream-manager CPU", "stmgrs")):
        for this, entry in predicted[entries].items():
            found[f"{what} {this}"] = entry["cores"] / measured[entries][this]["cores"] - 1
    latencies = measured["sink_latency_ms"]
    if latencies and "sink_latency_ms" in predicted:
        tuples = {sink: float(entry["n"]) for sink, entry in latencies.items()}
        mean = sum(latencies[s]["mean"] * tuples[s] for s in tuples) / sum(tuples.values())
        sink = next(iter(latencies))
        found["mean latency"] = predicted["sink_latency_ms"][sink]["mean"] / mean - 1
    return found


def _saturated(run: MeasuredRun) -> int | None:
    """Id of the container that was measured to be saturated; None where none was."""
    stated = (run.measured.get("bottleneck") or {}).get("container")
    return None if stated is None else int(stated)


def _saturated_right(run: MeasuredRun, prediction: Prediction) -> bool | None:
    stated = _saturated(run)
    delivered = prediction.delivered_load_factor
    if stated is None or delivered is None:
        return None
    quotas = run.plan.container_cpu_cores
    used = prediction.container_cpu_cores / np.where(quotas >= UNLIMITED_CORES, np.inf, quotas)
    return int(run.plan.container_ids[int(np.argmax(used))]) == stated


def next_full(run: MeasuredRun, prediction: Prediction) -> NextFull | None:
    """The container that limits after the saturated one, as called and as measured.

    None where no container was saturated or no other one has a quota.
    """
    stated = _saturated(run)
    if stated is None:
        return None
    used = {
        int(this): float(entry["cores"] / entry["quota"])
        for this, entry in run.measured["containers"].items()
        if entry["quota"] and int(this) != stated
    }
    if not used:
        return None
    return NextFull(called_next(prediction), max(used, key=lambda this: used[this]), used)


def called_next(prediction: Prediction) -> int | None:
    """Id of the container that limits after the first one; None where the model names none."""
    ids = [limit.container for limit in prediction.limits if limit.container is not None]
    return next((this for this in ids if this != ids[0]), None)


RESOLVED = 0.08
"""Throughputs of two plans that differ by less are not told apart: repeated runs differ by half of
that."""


@dataclass(frozen=True)
class Pair:
    """Two plans of one workload under one load, the one with the higher measured throughput
    first."""

    better: Judged
    worse: Judged

    @property
    def ordered_right(self) -> bool:
        """Whether the model predicts more for the better one, too."""
        higher, lower = self.better.predicted, self.worse.predicted
        return bool(higher["throughput_per_s"] > lower["throughput_per_s"])


def plan_pairs(judged: Sequence[Judged]) -> list[Pair]:
    """All pairs of runs in steady state that differ in their plan alone and in what it delivers."""
    found = []
    steady = [entry for entry in judged if entry.run.yardstick]
    for one, other in itertools.combinations(steady, 2):
        if _load_of(one.run) != _load_of(other.run) or _placement(one.run) == _placement(other.run):
            continue
        worse, better = sorted((one, other), key=_throughput)
        if _throughput(better) > _throughput(worse) * (1.0 + RESOLVED):
            found.append(Pair(better, worse))
    return found


def _load_of(run: MeasuredRun) -> tuple[object, ...]:
    """What is the same in two runs that differ in their plan alone. JVMs that compile in another
    way carry another load."""
    return run.workload, run.raw["offered_key"], run.runtime.simple_jit


def _placement(run: MeasuredRun) -> tuple[object, ...]:
    return run.raw["plan"], run.raw["quota_cores"]


def _throughput(entry: Judged) -> float:
    return float(entry.run.measured["throughput_per_s"])


@dataclass(frozen=True)
class Summary:
    """Errors over the runs that may be held against a steady-state prediction."""

    runs: int
    mean_absolute: Mapping[str, float]
    worst: Mapping[str, float]
    bias: Mapping[str, float]


def summarise(judged: Sequence[Judged]) -> Summary:
    """Mean absolute, worst and signed mean error of each kind of figure."""
    kinds = ("throughput", "container CPU", "stream-manager CPU", "mean latency")
    errors: dict[str, list[float]] = {kind: [] for kind in kinds}
    yardsticks = [entry for entry in judged if entry.run.yardstick]
    for entry in yardsticks:
        for name, error in entry.errors.items():
            errors[next(kind for kind in kinds if name.startswith(kind))].append(error)
    present = {kind: np.array(values) for kind, values in errors.items() if values}
    return Summary(
        len(yardsticks),
        {kind: float(np.abs(values).mean()) for kind, values in present.items()},
        {kind: float(np.abs(values).max()) for kind, values in present.items()},
        {kind: float(values.mean()) for kind, values in present.items()},
    )
