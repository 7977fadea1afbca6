"""`Advise` from bytes to bytes, and `heron-bridge advise`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bridge.cli import main
from bridge.conversion import plan_from_bytes, topology_from_bytes
from bridge.plan_file import load_plan, plan_to_json
from bridge.planning import answer, configure
from bridge.wire import heron_pb2 as heron
from bridge.wire import packing_bridge_pb2 as wire
from bridge.workload import load_workload
from packing.errors import InvalidRequest
from packing.planners.round_robin import round_robin
from packing.request import Request
from packing.validation import violations
from tests.bridge.messages import fill, topology_message
from tests.bridge.test_predict import LOAD

STREAMS = (("words", "split"), ("split", "count"))
TOPOLOGY = topology_message(grouping=heron.FIELDS)


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    yield
    configure()


@pytest.fixture
def known(tmp_path: Path) -> Path:
    (tmp_path / "words.json").write_text(json.dumps(LOAD))
    configure(profiles_dir=str(tmp_path))
    return tmp_path


def message(**fields: Any) -> wire.AdviseRequest:
    found = wire.AdviseRequest(**fields)
    fill(found.context, TOPOLOGY)
    return found


def advised(request: wire.AdviseRequest) -> wire.AdviseResponse:
    return wire.AdviseResponse.FromString(answer("Advise", request.SerializeToString()))


@pytest.mark.usefixtures("known")
def test_advice_over_the_wire() -> None:
    response = advised(message(rate_per_s=2000.0))
    # 2,000 tuples/s of 2 ms and 4,000 of 0.2 ms, a fifth free, and what Heron adds.
    assert 5 <= response.parallelism["split"] <= 6
    assert 1 <= response.parallelism["count"] <= 2
    assert response.parallelism["words"] == 2
    topology = topology_from_bytes(TOPOLOGY.SerializeToString()).topology
    plan = plan_from_bytes(response.plan, topology, "the plan")
    assert plan.parallelism == dict(response.parallelism)
    assert response.prediction.sustainable_load_factor >= 1.25 * (1 - 2e-4)
    assert response.prediction.sustainable_load_factor_interval.level == 0.8
    assert 0 < response.probability < 1
    assert not response.impossible and not response.actions
    assert [step.load_factor for step in response.steps] == [0.5, 1.0, 1.5, 2.0, 3.0]
    assert dict(response.steps[1].parallelism) == dict(response.parallelism)
    assert {move.component for move in response.key_moves} <= {"split", "count"}
    assert response.report.reasons and response.report.basis and response.report.chosen
    assert response.rate_per_s == 2000.0


@pytest.mark.usefixtures("known")
def test_absent_headroom_is_not_none() -> None:
    plain = advised(message(rate_per_s=4000.0))
    bare = advised(message(rate_per_s=4000.0, headroom=0.0))
    stated = advised(message(rate_per_s=4000.0, headroom=0.2))
    assert plain.parallelism == stated.parallelism
    assert bare.parallelism["split"] < plain.parallelism["split"]


@pytest.mark.usefixtures("known")
def test_a_running_topology_gets_actions() -> None:
    first = advised(message(rate_per_s=200.0))
    request = message(
        current_plan=first.plan,
        headroom=0.0,
        components=[wire.ComponentLoad(component="words", tuples_per_s=500.0)],
        symptoms=[
            wire.Symptom(kind=wire.BACK_PRESSURE, component="split", back_pressure_share=0.8)
        ],
        now_s=100.0,
    )
    response = advised(request)
    # Twice what got through: the share of time does not tell how much more is on offer.
    assert response.rate_per_s == pytest.approx(1000.0)
    assert response.actions[0].chosen and sum(a.chosen for a in response.actions) == 1
    chosen = response.actions[0]
    assert chosen.kind in {wire.SCALE_UP, wire.SCALE_TO_ADVICE}
    assert chosen.prediction.sustainable_load_factor >= 1 - 2e-4
    assert chosen.downtime_s >= 20.0 and chosen.reasons and chosen.plan
    assert chosen.disruption.started_instances > 0
    request.past_actions.add(
        fingerprint=chosen.fingerprint, kind=chosen.kind, outcome=wire.DID_NOT_HELP
    )
    again = advised(request)
    assert all(not a.chosen for a in again.actions if a.fingerprint == chosen.fingerprint)
    # Once it is done there is nothing left to do.
    after = advised(message(current_plan=chosen.plan, rate_per_s=1000.0, headroom=0.0))
    assert after.actions[0].kind == wire.DO_NOTHING and after.actions[0].chosen


@pytest.mark.usefixtures("known")
def test_a_rate_that_nothing_carries_is_answered() -> None:
    request = message(rate_per_s=1e6, container_count=1)
    request.context.topology = topology_message(
        grouping=heron.LOWEST, streams=STREAMS
    ).SerializeToString()
    response = advised(request)
    assert "no parallelism helps" in response.impossible
    assert not response.plan and not response.parallelism
    assert 0 < response.highest_rate_per_s < 1e6


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "the rate is 0 tuples/s; state"),
        ({"rate_per_s": -1.0}, "the rate is -1.0"),
        ({"rate_per_s": math.nan}, "the rate is nan"),
        ({"rate_per_s": 1.0, "headroom": 1.5}, "the headroom is 1.5"),
        ({"rate_per_s": 1.0, "headroom": math.nan}, "the headroom is nan"),
        ({"rate_per_s": 1.0, "probability": -1.0}, "the probability is -1.0"),
        ({"rate_per_s": 1.0, "latency_p99_limit_s": -1.0}, "the limit of the latency is -1.0"),
        ({"rate_per_s": 1.0, "current_plan": b"x"}, "the current plan cannot be parsed"),
        (
            {"rate_per_s": 1.0, "components": [{"component": "split", "service_s": 1.0}]},
            "without the current plan",
        ),
        ({"rate_per_s": 1.0, "cooldown_s": -1.0}, "the cooldown is -1.0"),
        ({"rate_per_s": 1.0, "symptoms": [{"component": "split"}]}, "symptom 0 does not exist"),
    ],
)
def test_bad_requests_get_a_sentence(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        advised(message(**fields))


@pytest.mark.usefixtures("known")
def test_what_does_not_run_cannot_be_observed() -> None:
    plan = advised(message(rate_per_s=200.0)).plan
    for fields, says in (
        ({"components": [{"component": "nobody", "service_s": 1.0}]}, "component 'nobody'"),
        ({"instances": [{"task_id": 77, "service_s": 1.0}]}, "task 77"),
        ({"components": [{"component": "split", "service_s": math.nan}]}, "is nan"),
        (
            {"past_actions": [{"fingerprint": "x", "kind": 1, "after": {"nobody": 1}}]},
            "past action 'x' names component 'nobody'",
        ),
    ):
        with pytest.raises(InvalidRequest, match=says):
            advised(message(rate_per_s=200.0, current_plan=plan, **fields))


def test_without_a_profile_it_says_what_to_provide() -> None:
    with pytest.raises(InvalidRequest, match=r"time per tuple of 'words'.*profile"):
        advised(message(rate_per_s=100.0))


# --- the command ---------------------------------------------------------------------------------


def run(*arguments: object) -> Result:
    return CliRunner().invoke(
        main, ["advise", *(str(a) for a in arguments)], catch_exceptions=False
    )


@pytest.fixture
def workload(tmp_path: Path) -> Path:
    path = tmp_path / "words.json"
    path.write_text(json.dumps(LOAD))
    return path


def test_the_command_as_json(workload: Path, tmp_path: Path) -> None:
    result = run(workload, "--rate", 2000, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert {
        "parallelism",
        "plan",
        "prediction",
        "probability",
        "steps",
        "key_moves",
        "reasons",
    } <= (found.keys())
    read = load_workload(workload)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(found["plan"]))
    topology = read.topology.with_parallelism(found["parallelism"])
    plan = load_plan(path, topology)
    assert plan.parallelism == found["parallelism"]
    assert not [v for v in violations(plan, Request(topology, read.constraints)) if v.fatal]
    assert found["prediction"]["sustainable_load_factor"] >= 1.25 * (1 - 2e-4)


def test_how_times_were_read_is_told(workload: Path) -> None:
    for options, told in (
        ((), "included in the times"),
        (("--costs", "added"), "added to the times"),
    ):
        found = json.loads(run(workload, "--rate", 20, "--json", *options).stdout)
        (basis,) = [b for b in found["basis"] if b["quantity"] == "Heron's own work"]
        assert basis["detail"].startswith(told)


def test_the_command_for_people(workload: Path) -> None:
    result = run(workload, "--rate", 2000, "--latency-p99", 500, "--containers", 3)
    assert result.exit_code == 0, result.output
    for says in ("advised", "cost against load", "container 3:", "with a headroom of 20%"):
        assert says in " ".join(result.stdout.split())
    assert "container 4:" not in result.stdout


def test_the_command_updates_what_runs(workload: Path, tmp_path: Path) -> None:
    read = load_workload(workload)
    path = tmp_path / "running.json"
    running = round_robin(Request(read.topology, read.constraints))
    path.write_text(json.dumps(plan_to_json(running)))
    found = json.loads(run(workload, "--rate", 2000, "--running", path, "--json").stdout)
    assert found["running_parallelism"] == {"words": 2, "split": 3, "count": 2}
    assert found["disruption"]["restarted_instances"] == 0
    assert found["disruption"]["started_instances"] == found["parallelism"]["split"] - 3


def test_what_is_impossible_exits_with_two(tmp_path: Path) -> None:
    path = tmp_path / "global.json"
    streams = [{**stream, "grouping": "global"} for stream in LOAD["streams"]]  # type: ignore[dict-item]
    path.write_text(json.dumps({**LOAD, "streams": streams}))
    plain = run(path, "--rate", 100_000)
    assert plain.exit_code == 2
    assert (
        "no parallelism helps 'split'" in plain.stderr and "tuples/s are possible" in plain.stderr
    )
    as_json = run(path, "--rate", 100_000, "--json")
    assert as_json.exit_code == 2
    found = json.loads(as_json.stdout)
    assert found["parallelism"] is None and found["plan"] is None
    assert found["impossible"] and found["highest_rate_per_s"] > 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--rate", "0"), "the rate is 0.0"),
        (("--rate", "nan"), "the rate is nan"),
        (("--rate", "5", "--headroom", "1"), "the headroom is 1.0"),
        (("--rate", "5", "--objective", "joy"), "objective 'joy' does not exist"),
        (("--rate", "5", "--containers", "0"), "the number of containers is 0"),
        (("--rate", "5", "--containers", "-3"), "the number of containers is -3"),
    ],
)
def test_refusals_are_one_line(workload: Path, options: tuple[str, ...], says: str) -> None:
    result = run(workload, *options)
    assert result.exit_code == 2 and result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert says in line
