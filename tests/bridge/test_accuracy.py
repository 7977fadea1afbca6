from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from bridge.accuracy import Judged, judge_runs, summarise
from bridge.calibration import calibrate
from bridge.cli import main
from bridge.heron_costs import CostFile, shipped_costs
from bridge.measured_run import MeasuredRun, load_run, load_runs
from packing.errors import InvalidRequest

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


def test_the_command_says_what_the_judges_found(judged: list[Judged]) -> None:
    table = CliRunner().invoke(main, ["accuracy", "--runs", str(RUNS)])
    assert table.exit_code == 0, table.output
    assert "21 steady runs" in table.output
    lines = CliRunner().invoke(main, ["accuracy", "--runs", str(RUNS), "--json"])
    assert lines.exit_code == 0, lines.output
    found = [json.loads(line) for line in lines.output.splitlines()]
    assert [line["run"] for line in found] == [entry.run.run_id for entry in judged]
    for line, entry in zip(found, judged, strict=True):
        assert line["errors"] == pytest.approx(dict(entry.errors))


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
