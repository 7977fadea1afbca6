"""Intervals of latency that have no bound, in JSON, on the wire and in text."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bridge.cli import main
from bridge.comparison import prediction_to_json, request_for
from bridge.conversion.predictions import prediction_to_message
from bridge.wire import packing_bridge_pb2 as wire
from bridge.workload import load_workload
from packing.planners.round_robin import round_robin
from packing.scenario import Outcome, Scenario, predict_scenario


def workload(folder: Path, rate_per_s: float) -> Path:
    """One bolt that gets through 1,000 tuples/s, with numbers that are off by 30 %."""
    path = folder / "load.json"
    document: dict[str, Any] = {
        "name": "load",
        "components": [
            {"name": "s", "kind": "spout", "parallelism": 1, "rate": rate_per_s, "service_ms": 0},
            {"name": "b", "kind": "bolt", "parallelism": 1, "service_ms": 1.0},
        ],
        "streams": [{"from": "s", "to": "b", "grouping": "shuffle"}],
        "containers": {"count": 1},
    }
    path.write_text(json.dumps(document))
    return path


def predicted(path: Path) -> Outcome:
    request = request_for(load_workload(path))
    return predict_scenario(Scenario(), request, round_robin(request))


@pytest.mark.parametrize(("rate_per_s", "is_open"), [(100.0, False), (800.0, True)])
def test_an_open_interval_is_infinite_on_the_wire_and_null_in_json(
    tmp_path: Path, rate_per_s: float, is_open: bool
) -> None:
    outcome = predicted(workload(tmp_path, rate_per_s))
    spread = outcome.intervals
    assert spread is not None and outcome.prediction.sustainable_load_factor > 1.0
    message = prediction_to_message(outcome.prediction, spread).SerializeToString()
    sent = wire.Prediction.FromString(message).latency_mean_s_interval
    assert math.isinf(sent.high) == is_open and 0 < sent.low < 1.0
    figures = prediction_to_json(outcome.prediction, spread)
    json.dumps(figures, allow_nan=False)
    told = figures["intervals"]["latency_mean_s"]
    assert (told["high"] is None) == is_open and 0 < told["low"] < 1.0
    assert figures["saturating_share"] == spread.saturating_share
    assert (spread.saturating_share > 0.1) == is_open


def test_the_text_says_how_likely_saturation_is(tmp_path: Path) -> None:
    path = workload(tmp_path, 800.0)
    printed = CliRunner().invoke(main, ["predict", str(path)]).output
    share = predicted(path).intervals.saturating_share  # type: ignore[union-attr]
    told = " ".join(printed.split())
    assert "-open" in told
    assert (
        f"spouts are held back with probability {share:.2f}, and latency then has no bound" in told
    )
    calm = CliRunner().invoke(main, ["predict", str(workload(tmp_path, 100.0))]).output
    assert "open" not in calm and "saturates" not in calm
