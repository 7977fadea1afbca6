"""`Predict` from bytes to bytes, and `heron-bridge predict`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bridge.cli import main
from bridge.conversion import MAX_OUTCOMES, plan_from_bytes, plan_to_bytes, topology_from_bytes
from bridge.planning import answer, configure
from bridge.wire import packing_bridge_pb2 as wire
from packing.errors import InvalidRequest
from tests.bridge.messages import current_plan, edited, fill, pack_message, topology_message

TOPOLOGY = topology_from_bytes(topology_message().SerializeToString()).topology
PLAN = current_plan(TOPOLOGY)
PLAN_BYTES = plan_to_bytes(PLAN)
LOAD = {
    "name": "words",
    "components": [
        {"name": "words", "kind": "spout", "parallelism": 2, "rate": 100, "service_ms": 0.1},
        {"name": "split", "kind": "bolt", "parallelism": 3, "service_ms": 2},
        {"name": "count", "kind": "bolt", "parallelism": 2, "service_ms": 0.2},
    ],
    "streams": [
        {"from": "words", "to": "split", "grouping": "shuffle", "selectivity": 1},
        {"from": "split", "to": "count", "grouping": "shuffle", "selectivity": 2},
    ],
    "containers": {"count": 2},
}


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    yield
    configure()


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """A bridge that knows the load of the topology."""
    (tmp_path / "words.json").write_text(json.dumps(LOAD))
    configure(profiles_dir=str(tmp_path))
    return tmp_path


def message(
    plans: Sequence[bytes] = (PLAN_BYTES,), scenarios: Sequence[wire.Scenario] = ()
) -> wire.PredictRequest:
    found = wire.PredictRequest(plans=plans, scenarios=scenarios)
    fill(found.context, topology_message())
    return found


def predicted(request: wire.PredictRequest) -> wire.PredictResponse:
    return wire.PredictResponse.FromString(answer("Predict", request.SerializeToString()))


def only(response: wire.PredictResponse) -> wire.Prediction:
    (outcome,) = response.outcomes
    assert not outcome.failure
    return outcome.prediction


@pytest.mark.usefixtures("known")
def test_a_plan_is_predicted_in_full() -> None:
    response = predicted(message())
    found = only(response)
    # 200 tuples/s over three split of 2 ms each: 7.5, less what Heron adds.
    assert 5.0 < found.sustainable_load_factor < 7.5
    assert found.delivered_load_factor == 1.0
    assert found.back_pressure_share == 0.0
    assert found.throughput_per_s == pytest.approx(400.0)
    assert 0.0 < found.latency_p50_s <= found.latency_mean_s < found.latency_p99_s
    assert found.bottleneck.startswith("thread of split")
    assert found.runner_up and found.runner_up != found.bottleneck
    assert len(found.container_cpu_cores) == 2
    for name in ("sustainable_load_factor", "latency_mean_s", "highest_cpu_utilisation"):
        interval = getattr(found, f"{name}_interval")
        assert interval.low < getattr(found, name) < interval.high
        assert interval.level == 0.8
    assert response.bridge_version
    assert [b.quantity for b in response.basis][:2] == ["rates", "service times"]


@pytest.mark.usefixtures("known")
def test_many_plans_under_many_scenarios_in_one_call() -> None:
    whole = wire.PlanResponse.FromString(answer("Pack", pack_message().SerializeToString())).plan
    scenarios = [
        wire.Scenario(name="now"),
        wire.Scenario(rate_factor=2),
        wire.Scenario(parallelism={"split": 6}),
        wire.Scenario(service_time_factor={"split": 0.5}),
        wire.Scenario(container_count=1, container_cpu_factor=2, container_ram_factor=2),
        wire.Scenario(lost_containers=[2]),
    ]
    response = predicted(message([PLAN_BYTES, whole], scenarios))
    assert [(o.plan_index, o.scenario) for o in response.outcomes] == [
        (i, title)
        for i in (0, 1)
        for title in (
            "now", "rate x2", "split=6", "split time x0.5",
            "1 container, cores x2, RAM x2", "without 2",
        )
    ]  # fmt: skip
    now, doubled, wider, faster, together, lost = (o.prediction for o in response.outcomes[:6])
    assert doubled.sustainable_load_factor == pytest.approx(now.sustainable_load_factor / 2)
    assert wider.sustainable_load_factor > 1.3 * now.sustainable_load_factor
    assert faster.sustainable_load_factor > 1.3 * now.sustainable_load_factor
    assert together.containers == 1
    assert lost.throughput_per_s < 0.5 * now.throughput_per_s
    plans = [o.plan for o in response.outcomes[:6]]
    assert [bool(p) for p in plans] == [False, False, True, False, True, True]
    other = plan_from_bytes(plans[2], TOPOLOGY, "the plan")
    assert other.parallelism == {"words": 2, "split": 6, "count": 2}
    assert not response.plan


def test_without_a_plan_the_fallback_is_predicted_or_what_pack_would_return() -> None:
    request = message(plans=())
    packed = wire.PlanResponse.FromString(answer("Pack", pack_message().SerializeToString())).plan
    response = predicted(request)
    assert response.plan == packed
    assert only(response).containers == 2
    request.context.fallback.plan = PLAN_BYTES
    assert predicted(request).plan == PLAN_BYTES


def test_an_unknown_load_is_said_to_be_unknown() -> None:
    found = only(predicted(message(scenarios=[wire.Scenario(rate_factor=3)])))
    assert not found.HasField("sustainable_load_factor")
    assert not found.HasField("latency_mean_s")
    assert not found.HasField("sustainable_load_factor_interval")
    assert "not known" in found.bottleneck


@pytest.mark.usefixtures("known")
def test_the_target_rate_is_that_of_all_spouts_that_would_run() -> None:
    request = message(scenarios=[wire.Scenario(parallelism={"words": n}) for n in (2, 4)])
    request.context.options.target_rate_per_s = 600
    two, four = (o.prediction.throughput_per_s for o in predicted(request).outcomes)
    assert two == pytest.approx(four) == pytest.approx(1200.0)


@pytest.mark.usefixtures("known")
def test_a_scenario_that_leaves_no_plan_fails_alone() -> None:
    scenarios = [wire.Scenario(container_ram_factor=0.01), wire.Scenario(rate_factor=2)]
    tight, doubled = predicted(message(scenarios=scenarios)).outcomes
    assert "container 1 would have" in tight.failure
    assert not tight.HasField("prediction")
    assert doubled.prediction.throughput_per_s > 0


@pytest.mark.usefixtures("known")
def test_pack_reports_the_new_figures_of_the_plan_it_returns() -> None:
    response = wire.PlanResponse.FromString(answer("Pack", pack_message().SerializeToString()))
    report = response.report
    (chosen,) = [c for c in report.candidates if c.planner == report.chosen]
    for candidate in report.candidates:
        assert candidate.prediction.latency_p99_s > 0
    interval = chosen.prediction.sustainable_load_factor_interval
    assert interval.low < chosen.prediction.sustainable_load_factor < interval.high
    shown = f"({interval.low:.2f} to {interval.high:.2f}) times the offered load"
    assert any(shown in reason for reason in report.reasons)


BAD: dict[str, tuple[wire.PredictRequest, str]] = {
    "damaged plan": (message([PLAN_BYTES[:-3]]), "plan 0"),
    "second plan without instances": (message([PLAN_BYTES, b""]), "plan 1 is missing"),
    "plan of another topology": (
        message([edited(PLAN, lambda p: setattr(p, "id", "other"))]),
        "plan 0 is of topology 'other'",
    ),
    "unknown component": (
        message(scenarios=[wire.Scenario(parallelism={"ghost": 1})]),
        "plan 0: scenario 'ghost=1': parallelism names component 'ghost'",
    ),
    "negative rate": (message(scenarios=[wire.Scenario(rate_factor=-1)]), "rate_factor is -1"),
    "no number": (
        message(scenarios=[wire.Scenario(service_time_factor={"split": float("nan")})]),
        "service_time_factor of 'split' is nan",
    ),
    "parallelism of 0": (
        message(scenarios=[wire.Scenario(parallelism={"split": 0})]),
        "parallelism of 'split' is 0",
    ),
    "strange container": (
        message(scenarios=[wire.Scenario(lost_containers=[7])]),
        "container 7 is not in the plan",
    ),
    "too much at once": (
        message([PLAN_BYTES] * 2, [wire.Scenario()] * (MAX_OUTCOMES // 2 + 1)),
        "ask for 1000 at most",
    ),
    "no topology": (wire.PredictRequest(plans=[PLAN_BYTES]), "no topology"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_are_explained(name: str) -> None:
    request, words = BAD[name]
    with pytest.raises(InvalidRequest) as caught:
        predicted(request)
    assert words in str(caught.value)


def test_noise_is_explained() -> None:
    with pytest.raises(InvalidRequest, match="the request cannot be parsed"):
        answer("Predict", b"\xff" * 50)


# --- the command ---------------------------------------------------------------------------------


def run(folder: Path, *arguments: str) -> Result:
    path = folder / "words.json"
    return CliRunner().invoke(main, ["predict", str(path), *arguments])


def document(folder: Path, *arguments: str) -> dict[str, Any]:
    result = run(folder, *arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_every_change_is_a_scenario(known: Path) -> None:
    found = document(
        known, "--rate", "2", "--rate", "3", "--parallelism", "split=6,count=4", "--containers",
        "1", "--cores", "2", "--faster", "split=2", "--lost", "2",
    )  # fmt: skip
    titles = [entry["scenario"] for entry in found["scenarios"]]
    assert titles == [
        "rate x2", "rate x3", "split=6, count=4", "1 container", "cores x2", "split time x0.5",
        "without 2",
    ]  # fmt: skip
    base = found["prediction"]["sustainable_load_factor"]
    factors = [e["prediction"]["sustainable_load_factor"] for e in found["scenarios"][:2]]
    assert factors == pytest.approx([base / 2, base / 3])


def test_without_changes_there_is_one_plain_object(known: Path) -> None:
    found = document(known)
    assert found.keys() >= {"planner", "ms", "prediction"}
    assert "scenarios" not in found
    prediction = found["prediction"]
    assert prediction.keys() >= {
        "sustainable_load_factor", "delivered_load_factor", "throughput_per_s", "latency_mean_s",
        "latency_p50_s", "latency_p99_s", "bottleneck", "runner_up", "container_cpu_cores",
    }  # fmt: skip
    for name, interval in prediction["intervals"].items():
        assert interval["low"] <= prediction[name] <= interval["high"]


def test_changes_together_are_one_scenario(known: Path) -> None:
    found = document(known, "--rate", "2", "--faster", "split=2", "--faster", "count=4",
                     "--together")  # fmt: skip
    (entry,) = found["scenarios"]
    assert entry["scenario"] == "rate x2, split time x0.5, count time x0.25"
    refused = run(known, "--rate", "2", "--rate", "3", "--together")
    assert refused.exit_code == 2
    assert "--rate is given twice, 2 and 3" in refused.output


def test_a_table_fits_a_terminal(known: Path) -> None:
    result = run(known, "--rate", "40", "--lost", "2", "--ram", "0.001", "--parallelism", "split=9")
    assert result.exit_code == 0, result.output
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    text = " ".join(result.stdout.split())
    for part in ("as it is", "rate x40", "without 2", "limit: thread of ", "no prediction"):
        assert part in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--parallelism", "split"], "--parallelism 'split' is not COMPONENT=N"),
        (["--parallelism", "split=two"], "--parallelism 'split=two'"),
        (["--faster", "split=0"], "--faster split=0: it must be above 0"),
        (["--faster", "ghost=2"], "names component 'ghost'"),
        (["--lost", "x"], "--lose 'x' is not the id of a container"),
        (["--lost", "99"], "container 99 is not in the plan"),
        (["--rate", "-2"], "--rate '-2' is not a factor above 0"),
    ],
)
def test_wrong_changes_are_one_sentence(known: Path, arguments: list[str], words: str) -> None:
    result = run(known, *arguments)
    assert result.exit_code == 2
    assert words in result.output
    assert len(result.output.strip().splitlines()) == 1


RAM = {
    "schema": "heron-bridge-profile/1",
    "components": {
        "words": {"rate_per_s": 100, "service_us": 100},
        "split": {"service_us": 2000, "ram_mb": 1000},
        "count": {"service_us": 200, "ram_mb": 400},
    },
    "streams": [{"from": "words", "to": "split"}, {"from": "split", "to": "count"}],
}
"""What is known, with RAM: instances of split nearly fill the 1 GiB that they get."""


def test_ram_and_its_risks_are_answered(tmp_path: Path) -> None:
    (tmp_path / "words.json").write_text(json.dumps(RAM))
    configure(profiles_dir=str(tmp_path))
    found = only(predicted(message()))
    split, count = found.memory
    assert (split.component, count.component) == ("split", "count")
    assert split.used_bytes == 1000 * 2**20
    assert split.heap_bytes == split.granted_bytes - 192 * 2**20
    assert split.live_bytes == 808 * 2**20
    assert split.enough_bytes > split.granted_bytes
    assert 0 < count.gc_share < split.gc_share < 1
    (risk,) = found.risks
    assert risk.startswith("an instance of split keeps 808 MiB of live data")
    packed = wire.PlanResponse.FromString(answer("Pack", pack_message().SerializeToString()))
    assert any(risk in reason for reason in packed.report.reasons)


def test_ram_and_its_risks_are_shown(known: Path, tmp_path: Path) -> None:
    profile = tmp_path / "ram.json"
    profile.write_text(json.dumps(RAM))
    found = document(known, "--profile", str(profile), "--rate", "1.5")
    assert [m["component"] for m in found["prediction"]["memory"]] == ["split", "count"]
    (risk,) = found["prediction"]["risks"]
    result = run(known, "--profile", str(profile), "--rate", "1.5")
    assert result.exit_code == 0, result.output
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    text = " ".join(result.stdout.split())
    assert f"as it is: a risk: {risk}" in text
    assert "component uses RAM heap live GC" in text
    assert "split 1000 MiB 1024 MiB 832 MiB 97%" in text
    assert "heap" not in run(known).stdout
