from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bridge import calibration
from bridge.calibration import GC_COSTS, INSTANCE_COSTS, MANAGER_COSTS, calibrate
from bridge.cli import main
from bridge.heron_costs import load_costs, shipped_costs
from bridge.measured_run import MeasuredRun, load_runs
from packing.errors import InvalidRequest
from packing.topology import Kind

RUNS = Path(__file__).resolve().parents[1] / "data" / "runs"

TRUE = {
    "instance_idle_cores": 0.012,
    "spout_idle_cores": 0.008,
    "tuple_in_s": 6e-6,
    "tuple_out_s": 3e-6,
    "simple_jit_tuple_s": 1e-6,
    "packet_in_s": 90e-6,
    "spout_packet_out_s": 50e-6,
    "bolt_packet_out_s": 20e-6,
    "byte_s": 2e-9,
    "ack_s": 1e-6,
    "manager_idle_cores": 0.004,
    "manager_spout_packet_s": 15e-6,
    "manager_bolt_packet_s": 9e-6,
    "manager_packet_out_s": 60e-6,
    "manager_tuple_s": 0.5e-6,
    "manager_remote_in_s": 0.2e-6,
    "manager_ack_s": 0.3e-6,
    "manager_byte_s": 0.4e-9,
    "gc_idle_cores": 0.0008,
    "gc_tuple_gib_s": 25e-9,
    "gc_byte_gib_s": 45e-12,
}


@pytest.fixture(scope="module")
def runs() -> list[MeasuredRun]:
    return load_runs(RUNS)


def synthetic(run: MeasuredRun) -> MeasuredRun:
    """The run with events as they were and CPU as the true costs make it."""
    measured: dict[str, Any] = copy.deepcopy(dict(run.measured))
    by_container: dict[str, dict[str, float]] = {}
    for entry in measured["instances"]:
        component = run.topology.component(entry["component"])
        spout = component.kind is Kind.SPOUT
        read = 0.0 if spout else float(entry["execute_per_s"] or 0.0)
        sent = float(entry["emit_per_s"] or 0.0)
        into = float(entry["gateway_packets_received_per_s"] or 0.0)
        out = float(entry["gateway_packets_sent_per_s"] or 0.0)
        payload = max(
            run.profile.tuple_bytes[s.source, s.target, s.stream_id]
            for s in run.topology.streams
            if component.name in {s.source, s.target}
        )
        heron = (
            TRUE["spout_idle_cores" if spout else "instance_idle_cores"]
            + read * TRUE["tuple_in_s"]
            + sent * TRUE["tuple_out_s"]
            + (read + sent) * (TRUE["simple_jit_tuple_s"] if run.runtime.simple_jit else 0.0)
            + (0.0 if spout else into) * TRUE["packet_in_s"]
            + out * TRUE["spout_packet_out_s" if spout else "bolt_packet_out_s"]
            + (read + sent) * payload * TRUE["byte_s"]
            + (sent if spout else read) * (TRUE["ack_s"] if run.runtime.acking else 0.0)
        )
        free_gib = run.raw["config"]["instance_heap_mb"] / 1024
        entry["cores_by_thread"]["gc_vm"] = (
            TRUE["gc_idle_cores"]
            + (read + sent) * TRUE["gc_tuple_gib_s"] / free_gib
            + (read + sent) * payload * TRUE["gc_byte_gib_s"] / free_gib
        )
        user = read * run.profile.service_s[component.name]
        entry["cores"] = user + heron + float(entry["cores_by_thread"]["jit"])
        here = by_container.setdefault(
            str(entry["container"]), {"spout": 0.0, "bolt": 0.0, "into": 0.0}
        )
        here["spout" if spout else "bolt"] += out
        here["into"] += into
    for container, entry in measured["stmgrs"].items():
        here = by_container[container]
        away = sum(float(p.get("bytes_to_stmgrs") or 0.0) for p in entry["peers"].values())
        acks = float(entry["acks_from_workers"] or 0.0) + float(entry["acks_to_workers"] or 0.0)
        entry["cores"] = (
            TRUE["manager_idle_cores"]
            + here["spout"] * TRUE["manager_spout_packet_s"]
            + here["bolt"] * TRUE["manager_bolt_packet_s"]
            + here["into"] * TRUE["manager_packet_out_s"]
            + float(entry["tuples_from_workers"]) * TRUE["manager_tuple_s"]
            + float(entry["tuples_from_stmgrs"]) * TRUE["manager_remote_in_s"]
            + acks * TRUE["manager_ack_s"]
            + (float(entry["bytes_from_stmgrs"]) + away) * TRUE["manager_byte_s"]
        )
    return replace(run, measured=measured)


def test_known_costs_are_found_again(
    runs: list[MeasuredRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "SHRINKAGE", 0.0)
    fit = calibrate([synthetic(run) for run in runs], "synthetic")
    found = fit.costs.values()
    for name, true in TRUE.items():
        assert found[name] == pytest.approx(true, rel=1e-3), name
    assert fit.instance_residual.worst < 1e-3
    assert fit.manager_residual.worst < 1e-3
    assert fit.gc_residual.worst < 1e-3


def test_shrinkage_takes_little_off_what_the_runs_tell(runs: list[MeasuredRun]) -> None:
    fit = calibrate([synthetic(run) for run in runs], "synthetic")
    found = fit.costs.values()
    for name in ("tuple_in_s", "tuple_out_s", "manager_spout_packet_s", "manager_packet_out_s"):
        assert found[name] == pytest.approx(TRUE[name], rel=0.15), name
    assert fit.instance_residual.mean_absolute < 0.02
    assert fit.manager_residual.mean_absolute < 0.02


def test_every_cost_of_events_is_one_that_is_fitted() -> None:
    assert set(TRUE) == set(INSTANCE_COSTS) | set(MANAGER_COSTS) | set(GC_COSTS)


def with_heap(run: MeasuredRun, heap_mb: int | None) -> MeasuredRun:
    """The run as it would be in JVMs with this heap; None: it does not say."""
    return replace(
        run, raw={**run.raw, "config": {**run.raw["config"], "instance_heap_mb": heap_mb}}
    )


def test_collections_are_fitted_at_the_heap_that_each_run_had(
    runs: list[MeasuredRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "SHRINKAGE", 0.0)
    differing = [with_heap(run, 128 * 2 ** (i % 4)) for i, run in enumerate(runs)]
    found = calibrate([synthetic(run) for run in differing], "synthetic").costs
    for name in GC_COSTS:
        assert found.values()[name] == pytest.approx(TRUE[name], rel=1e-3), name


def test_runs_that_state_no_heap_tell_nothing_of_collections(runs: list[MeasuredRun]) -> None:
    fit = calibrate([with_heap(run, None) for run in runs], "no heap")
    assert fit.gc_residual.rows == 0
    assert all(fit.costs.values()[name] == 0 for name in GC_COSTS)
    assert fit.costs.tuple_in_s == calibrate(runs, "all").costs.tuple_in_s


def test_user_code_does_not_drown_herons_share(runs: list[MeasuredRun]) -> None:
    """User code that is 2 % off in busy instances leaves what others say of a tuple's cost."""
    wrong = []
    for run in runs:
        exact = synthetic(run)
        measured: dict[str, Any] = copy.deepcopy(dict(exact.measured))
        for entry in measured["instances"]:
            user = float(entry["execute_per_s"] or 0.0) * run.profile.service_s[entry["component"]]
            entry["cores"] += 0.02 * user
        wrong.append(replace(exact, measured=measured))
    found = calibrate(wrong, "2 % off").costs
    assert found.tuple_in_s == pytest.approx(TRUE["tuple_in_s"], rel=0.1)
    assert found.tuple_out_s == pytest.approx(TRUE["tuple_out_s"], rel=0.2)


def test_runs_without_a_rate_are_left_out(runs: list[MeasuredRun]) -> None:
    endless = [run for run in runs if run.run_id == "W1-split-max-100"]
    assert len(endless) == 1
    with pytest.raises(InvalidRequest, match="rate-limited"):
        calibrate(endless, "nothing")
    assert "W1-split-max-100" not in calibrate(runs, "all").runs


def test_the_shipped_costs_are_the_fit_to_these_runs(tmp_path: Path) -> None:
    output = tmp_path / "costs.json"
    arguments = ["calibrate", "--runs", str(RUNS), "--output", str(output)]
    result = CliRunner().invoke(main, [*arguments, "--version", "heron-0.20.5"])
    assert result.exit_code == 0, result.output
    found, shipped = load_costs(output), shipped_costs()
    assert found.runs == shipped.runs
    assert set(found.without) == set(shipped.without)
    for fitted, expected in (
        (found.costs, shipped.costs),
        *((found.without[w], shipped.without[w]) for w in shipped.without),
    ):
        for name, value in expected.values().items():
            assert fitted.values()[name] == pytest.approx(value, rel=1e-2, abs=1e-12), name
