from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from bridge.accuracy import Judged, judge_runs, next_full, plan_pairs, summarise
from bridge.calibration import calibrate
from bridge.cli import main
from bridge.heron_costs import CostFile, shipped_costs
from bridge.measured_run import MeasuredRun, load_run, load_runs
from packing.errors import InvalidRequest
from packing.model.saturation import Limit

RUNS = Path(__file__).resolve().parents[1] / "data" / "runs"


@pytest.fixture(scope="module")
def runs() -> list[MeasuredRun]:
    return load_runs(RUNS)


@pytest.fixture(scope="module")
def judged(runs: list[MeasuredRun]) -> list[Judged]:
    return judge_runs(runs, shipped_costs())


def test_predictions_are_as_close_as_promised(judged: list[Judged]) -> None:
    """Deterministic; the limits are a little wider than what is reached."""
    found = summarise(judged)
    assert found.runs == 21
    assert found.mean_absolute["throughput"] < 0.01
    assert found.worst["throughput"] < 0.04
    assert found.mean_absolute["container CPU"] < 0.065
    assert found.worst["container CPU"] < 0.28
    assert abs(found.bias["container CPU"]) < 0.04
    assert found.mean_absolute["stream-manager CPU"] < 0.20
    assert found.mean_absolute["mean latency"] < 0.07
    assert found.worst["mean latency"] < 0.28


def test_latency_without_quotas_is_closer(judged: list[Judged]) -> None:
    free = [
        abs(entry.errors["mean latency"])
        for entry in judged
        if entry.run.yardstick and not entry.run.runtime.enforced_quotas
    ]
    assert len(free) >= 10
    assert max(free) < 0.10


def test_the_saturated_container_is_always_named(judged: list[Judged]) -> None:
    said = [entry.saturated_right for entry in judged if entry.saturated_right is not None]
    assert len(said) == 6
    assert all(said)


def test_the_next_container_is_named_within_the_noise(judged: list[Judged]) -> None:
    """CPU of repeated runs differs by up to 10 %: nearer ones may be named the other way round."""
    found = [entry.next_full for entry in judged if entry.next_full is not None]
    assert len(found) == 6
    assert sum(after.right for after in found) >= 5
    for after in found:
        assert after.called is not None
        assert after.utilisation[after.called] > 0.9 * after.utilisation[after.measured]


def test_plans_are_ordered_as_measured(judged: list[Judged]) -> None:
    pairs = plan_pairs(judged)
    assert len(pairs) == 4
    assert all(pair.ordered_right for pair in pairs)


def with_limits(entry: Judged, *limits: Limit) -> Judged:
    """The run judged again, by a model that names these limits."""
    prediction = replace(entry.prediction, limits=limits)
    return replace(entry, prediction=prediction, next_full=next_full(entry.run, prediction))


def measured_with(run: MeasuredRun, **cores_and_quota: tuple[float, float | None]) -> MeasuredRun:
    """The run with other containers: `c1=(cores, quota)`."""
    containers = {
        name.removeprefix("c"): {"cores": cores, "quota": quota}
        for name, (cores, quota) in cores_and_quota.items()
    }
    return replace(run, measured={**run.measured, "containers": containers})


@pytest.fixture
def saturated(judged: list[Judged]) -> Judged:
    """Container 2 is full, 1 comes next."""
    (found,) = [entry for entry in judged if entry.run.run_id == "W2-rr-over-s2"]
    return found


def test_the_next_container_is_the_first_other_one_that_limits(saturated: Judged) -> None:
    full, host = Limit("CPU of container 2", 0.8, 2), Limit("CPU of the host", 0.85)
    again = Limit("stream manager of container 2", 0.9, 2)
    one, three = Limit("CPU of container 1", 1.2, 1), Limit("CPU of container 3", 1.1, 3)
    right = with_limits(saturated, full, host, again, one, three).next_full
    wrong = with_limits(saturated, full, three, one).next_full
    none = with_limits(saturated, full, host, again).next_full
    assert right is not None and wrong is not None and none is not None
    assert (right.called, right.measured, right.right) == (1, 1, True)
    assert (wrong.called, wrong.measured, wrong.right) == (3, 1, False)
    assert (none.called, none.right) == (None, False)


def test_utilisation_and_not_cores_tells_which_is_next(saturated: Judged) -> None:
    run = measured_with(saturated.run, c0=(9.0, None), c1=(0.3, 1.0), c2=(0.4, 0.4), c3=(0.2, 0.4))
    found = next_full(run, saturated.prediction)
    assert found is not None
    assert found.measured == 3
    assert found.utilisation == pytest.approx({1: 0.3, 3: 0.5})
    assert not found.right
    alone = measured_with(saturated.run, c0=(0.1, None), c1=(0.3, None), c2=(0.4, 0.4))
    assert next_full(alone, saturated.prediction) is None


def test_nothing_is_next_where_nothing_is_full(judged: list[Judged]) -> None:
    assert all((e.next_full is None) == (e.saturated_right is None) for e in judged)


def outcome(like: Judged, name: str, measured: float, predicted: float, **raw: object) -> Judged:
    """A run under a plan of its own, with these throughputs."""
    run = like.run
    changed = {**run.raw, "plan": {"1": [name]}, **raw}
    return replace(
        like,
        run=replace(
            run,
            run_id=f"{name}-s2",
            raw=changed,
            measured={**run.measured, "throughput_per_s": measured},
        ),
        predicted={**like.predicted, "throughput_per_s": predicted},
    )


def test_pairs_of_plans_are_ordered_by_what_they_deliver(saturated: Judged) -> None:
    runs = [
        outcome(saturated, "low", 1000.0, 900.0),
        outcome(saturated, "close", 1079.0, 700.0),
        outcome(saturated, "high", 1300.0, 800.0),
    ]
    pairs = plan_pairs(runs)
    found = [(p.better.run.run_id, p.worse.run.run_id, p.ordered_right) for p in pairs]
    assert found == [("high-s2", "low-s2", False), ("high-s2", "close-s2", True)]


def test_only_runs_that_differ_in_their_plan_alone_are_paired(saturated: Judged) -> None:
    low, high = (outcome(saturated, n, m, m) for n, m in (("low", 1000.0), ("high", 2000.0)))
    assert len(plan_pairs([low, high])) == 1
    other_load = outcome(saturated, "high", 2000.0, 2000.0, offered_key="more")
    same_plan = outcome(saturated, "low", 2000.0, 2000.0)
    other_size = outcome(saturated, "low", 2000.0, 2000.0, quota_cores={"1": 9.0})
    other_workload = replace(high, run=replace(high.run, workload="other"))
    runtime = replace(high.run.runtime, simple_jit=not high.run.runtime.simple_jit)
    other_jvm = replace(high, run=replace(high.run, runtime=runtime))
    drifting = {**high.run.measured, "steadiness": "backlog growing"}
    unsteady = replace(high, run=replace(high.run, run_id="drifting", measured=drifting))
    for other in (other_load, same_plan, other_workload, other_jvm, unsteady):
        assert not plan_pairs([low, other])
    assert len(plan_pairs([low, other_size])) == 1


def test_a_prediction_of_the_same_for_both_orders_nothing(saturated: Judged) -> None:
    (pair,) = plan_pairs([outcome(saturated, n, m, 5.0) for n, m in (("a", 10.0), ("b", 20.0))])
    assert not pair.ordered_right


def test_the_command_says_what_the_judges_found(judged: list[Judged]) -> None:
    table = CliRunner().invoke(main, ["accuracy", "--runs", str(RUNS)])
    assert table.exit_code == 0, table.output
    assert "21 steady runs" in table.output
    assert max(len(line.rstrip()) for line in table.output.splitlines()) <= 80
    text = " ".join(table.output.split())
    after = [e.next_full for e in judged if e.next_full is not None]
    assert f"next container {sum(n.right for n in after)} of {len(after)} runs" in text
    assert "order of plans 4 of 4 pairs" in text
    assert "…" not in text, "a column is cut off"
    assert all(entry.run.run_id in text for entry in judged)
    lines = CliRunner().invoke(main, ["accuracy", "--runs", str(RUNS), "--json"])
    assert lines.exit_code == 0, lines.output
    found = [json.loads(line) for line in lines.output.splitlines()]
    assert [line["run"] for line in found] == [entry.run.run_id for entry in judged]
    for line, entry in zip(found, judged, strict=True):
        assert line["errors"] == pytest.approx(dict(entry.errors))
        assert line["saturated_right"] == entry.saturated_right
        assert (line["next"] is None) == (entry.next_full is None)
        if entry.next_full is not None:
            assert line["next"]["called"] == entry.next_full.called
            assert line["next"]["measured"] == entry.next_full.measured
            assert line["next"]["right"] == entry.next_full.right
    ordered = [(line["run"], p["run"]) for line in found for p in line["better_than"]]
    pairs = [(p.better.run.run_id, p.worse.run.run_id) for p in plan_pairs(judged)]
    assert sorted(ordered) == sorted(pairs)


def left_out(runs: list[MeasuredRun]) -> CostFile:
    """Costs and the same without each workload, as `heron-bridge calibrate` makes them."""
    workloads = sorted({run.workload for run in runs})
    return CostFile(
        calibrate(runs, "all").costs,
        (),
        {},
        {
            workload: calibrate([r for r in runs if r.workload != workload], "others").costs
            for workload in workloads
        },
    )


def costlier(run: MeasuredRun) -> MeasuredRun:
    """The run with half as much CPU again in all processes."""
    measured: dict[str, Any] = copy.deepcopy(dict(run.measured))
    for entry in measured["instances"]:
        entry["cores"] *= 1.5
    for entry in (*measured["stmgrs"].values(), *measured["containers"].values()):
        entry["cores"] *= 1.5
    return replace(run, measured=measured)


@pytest.mark.parametrize("workload", ["W1", "W2", "W3", "W5"])
def test_a_workloads_own_runs_do_not_touch_its_predictions(
    runs: list[MeasuredRun], workload: str
) -> None:
    changed = [costlier(run) if run.workload == workload else run for run in runs]
    before = judge_runs(runs, left_out(runs))
    after = judge_runs(changed, left_out(changed))
    moved = set()
    for one, other in zip(before, after, strict=True):
        cpu = one.prediction.container_cpu_cores, other.prediction.container_cpu_cores
        if one.run.workload == workload:
            assert one.predicted == other.predicted
        elif not np.allclose(*cpu, rtol=1e-6):
            moved.add(one.run.workload)
    assert moved, "nothing depends on these runs at all"


def test_files_that_are_no_runs_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no run files"):
        load_runs(tmp_path)
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(InvalidRequest, match=r"broken\.json is not JSON"):
        load_run(broken)
    broken.write_text('{"id": "a"}')
    with pytest.raises(InvalidRequest, match=r"broken\.json is not a run file"):
        load_run(broken)
    missing = tmp_path / "missing.json"
    with pytest.raises(InvalidRequest, match="cannot be read"):
        load_run(missing)
