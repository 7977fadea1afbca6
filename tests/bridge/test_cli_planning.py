"""`compare`, `plan` and `predict` as people and programs call them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bridge import planners
from bridge.cli import main
from bridge.plan_file import load_plan
from bridge.workload import load_workload
from packing.conformance import BUILT_IN_TRAITS, Trait
from packing.planners import BUILT_IN
from packing.request import Request
from packing.validation import violations
from tests.bridge.messages import topology_message
from tests.packing.build import DATA

SMALL = DATA / "topologies" / "dag2-10.json"
OTHER = DATA / "topologies" / "ysb-10.json"

PACKERS = [name for name in BUILT_IN if name not in planners.FOR_UPDATES]

PREDICTION = {
    "sustainable_load_factor",
    "bottleneck",
    "traffic_tuples_per_s",
    "cross_tuples_per_s",
    "cross_fraction",
    "containers",
    "cores",
    "ram_bytes",
    "load_max_over_mean",
    "highest_cpu_utilisation",
    "stream_manager_max_tuples_per_s",
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line, parse_constant=forbidden) for line in result.stdout.splitlines()]


def forbidden(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def refused(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("heron-bridge: ")
    return line.removeprefix("heron-bridge: ")


def test_compare_gives_one_object_a_line() -> None:
    one, other = lines(run("compare", SMALL, OTHER, "--json"))
    assert (one["workload"], other["workload"]) == ("dag2-10", "ysb-10")
    for found in (one, other):
        assert {"workload", "chosen", "candidates"} <= found.keys()
        answered = [c["planner"] for c in found["candidates"]]
        assert [name for name in answered if name in BUILT_IN] == PACKERS
        assert found["chosen"] in answered
        for candidate in found["candidates"]:
            assert {"planner", "ms", "plan", "prediction"} <= candidate.keys()
            assert candidate["prediction"].keys() >= PREDICTION
            assert candidate["plan"].keys() == {"id", "containers"}
            assert len(candidate["plan"]["containers"]) == candidate["prediction"]["containers"]


def test_compare_tries_the_change_that_the_file_proposes() -> None:
    (found,) = lines(run("compare", SMALL, "--json"))
    for candidate in found["candidates"]:
        if candidate["planner"] not in BUILT_IN:
            assert "repack" not in candidate
            continue
        up, down = candidate["repack"]
        assert (up["component"], up["delta"], down["delta"]) == ("b3", 2, -1)
        if Trait.ANSWERS_UPDATES not in BUILT_IN_TRAITS[candidate["planner"]]:
            assert "does not answer updates" in up["failure"]
            continue
        assert up["disruption"]["survivors"] == 10
        assert down["disruption"]["survivors"] == 9
    by_planner = {c["planner"]: c.get("repack") for c in found["candidates"]}
    assert by_planner["round_robin"][0]["disruption"]["moved_instances"] == 6
    assert by_planner["resource_compliant_rr"][0]["disruption"]["moved_instances"] == 0


def test_compare_takes_folders(tmp_path: Path) -> None:
    for path in (SMALL, OTHER):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "notes.txt").write_text("not a workload")
    found = lines(run("compare", tmp_path, "--json"))
    assert [f["workload"] for f in found] == ["dag2-10", "ysb-10"]


def test_compare_shows_a_table() -> None:
    result = run("compare", SMALL)
    assert result.exit_code == 0
    for planner in PACKERS:
        assert planner in result.stdout
    (found,) = lines(run("compare", SMALL, "--json"))
    best = f"is best of {len(found['candidates'])} usable plans under the objective balanced"
    assert best in " ".join(result.stdout.split())
    assert max(len(line) for line in result.stdout.splitlines() if "─" in line) <= 80


def test_the_objective_decides() -> None:
    cheap, local = (
        lines(run("compare", SMALL, "--json", "--objective", objective))[0]
        for objective in ("cost", "traffic")
    )
    assert (cheap["objective"], local["objective"]) == ("cost", "traffic")

    def best(found: dict[str, Any], figure: str) -> bool:
        figures = {c["planner"]: c["prediction"][figure] for c in found["candidates"]}
        return bool(figures[found["chosen"]] == min(figures.values()))

    assert best(local, "cross_fraction")
    assert best(cheap, "cores")


def test_plan_writes_a_plan_file_that_predict_reads(tmp_path: Path) -> None:
    (whole,) = lines(run("plan", SMALL, "--json"))
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(whole))
    workload = load_workload(SMALL)
    made = load_plan(path, workload.topology)
    assert violations(made, Request(workload.topology, workload.constraints)) == []
    (predicted,) = lines(run("predict", SMALL, "--plan", path, "--json"))
    (compared,) = lines(run("compare", SMALL, "--json"))
    (chosen,) = [c for c in compared["candidates"] if c["planner"] == compared["chosen"]]
    assert predicted["prediction"] == chosen["prediction"]
    assert whole == chosen["plan"]
    shown = run("predict", SMALL, "--plan", path)
    assert shown.exit_code == 0
    assert chosen["prediction"]["bottleneck"] in " ".join(shown.stdout.split())


def test_alike_containers_take_one_line() -> None:
    workload = DATA / "topologies" / "wordcount-1000.json"
    (made,) = lines(run("plan", workload, "--planner", "search", "--json"))
    shown = [
        line for line in run("plan", workload, "--planner", "search").stdout.splitlines()
        if line.startswith("  container")
    ]  # fmt: skip
    held = Counter(
        (c["cpu"], *sorted(Counter(i["component"] for i in c["instances"]).items()))
        for c in made["containers"]
    )
    assert len(shown) == len(held) < len(made["containers"]) / 4
    told = [part for line in shown for part in line.split(":")[0].split(maxsplit=1)[1].split(", ")]
    ends = [(int(part.split("-")[0]), int(part.split("-")[-1])) for part in told]
    ids = [this for first, last in ends for this in range(first, last + 1)]
    assert sorted(ids) == [c["id"] for c in made["containers"]]


@pytest.mark.parametrize("command", [("compare",), ("whatif", "--rate", "x1.5"), ("predict",)])
def test_a_narrow_terminal_cuts_no_figure_off(
    monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    name, *options = command
    shown = run(name, SMALL, *options).stdout
    assert "…" not in shown
    assert "carries" in shown
    monkeypatch.setenv("COLUMNS", "80")
    assert set(re.findall(r"\d+\.\d\dx", shown)) == set(
        re.findall(r"\d+\.\d\dx", run(name, SMALL, *options).stdout)
    )


@pytest.mark.parametrize("planner", PACKERS)
def test_plan_of_one_planner(planner: str) -> None:
    (made,) = lines(run("plan", SMALL, "--planner", planner, "--json"))
    (compared,) = lines(run("compare", SMALL, "--json"))
    (theirs,) = [c["plan"] for c in compared["candidates"] if c["planner"] == planner]
    assert made == theirs
    shown = run("plan", SMALL, "--planner", planner)
    assert f"container {made['containers'][0]['id']}: " in shown.stdout


def test_a_definition_of_heron_can_be_planned(tmp_path: Path) -> None:
    path = tmp_path / "words.defn"
    path.write_bytes(topology_message().SerializeToString())
    (made,) = lines(run("plan", path, "--json"))
    assert made["id"] == "words-1234"


@pytest.fixture
def broken_planner(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_request: Request) -> None:
        raise KeyError("lost")

    monkeypatch.setattr(planners, "installed_planners", lambda: {**BUILT_IN, "odd": crash})
    monkeypatch.setattr("bridge.cli.plan.installed_planners", planners.installed_planners)


@pytest.mark.usefixtures("broken_planner")
def test_a_planner_that_crashes_is_one_line_among_others() -> None:
    (found,) = lines(run("compare", SMALL, "--json"))
    (odd,) = [c for c in found["candidates"] if c["planner"] == "odd"]
    assert odd["plan"] is None
    assert odd["prediction"] is None
    assert "failed with KeyError: 'lost'" in odd["failure"]
    assert run("compare", SMALL).exit_code == 0
    assert "odd has no plan that could run: the planner failed with KeyError" in refused(
        "plan", SMALL, "--planner", "odd"
    )


def test_what_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "missing.json"
    assert refused("compare", missing) == f"{missing} cannot be read: No such file or directory"
    assert "holds no workload file" in refused("compare", tmp_path)
    assert "objective 'speed' does not exist; use throughput" in refused(
        "compare", SMALL, "--objective", "speed"
    )
    assert "objective 'speed' does not exist" in refused(
        "plan", SMALL, "--planner", "round_robin", "--objective", "speed"
    )
    assert "planner 'magic' does not exist; use round_robin, resource_compliant_rr" in refused(
        "plan", SMALL, "--planner", "magic"
    )
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: [\n")
    assert refused("plan", broken).startswith(f"{broken} is not YAML, line 2 column 1: ")


def test_a_plan_that_could_not_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    (made,) = lines(run("plan", SMALL, "--json"))
    made["containers"][0]["cpu"] = 0.0
    path.write_text(json.dumps(made))
    for command in (("predict",), ("whatif", "--rate", "2")):
        told = refused(command[0], SMALL, "--plan", path, *command[1:])
        assert told.startswith(f"{path} is no plan that could run: container ")
    (other,) = lines(run("plan", OTHER, "--json"))
    path.write_text(json.dumps(other))
    assert "which the topology does not have" in refused("predict", SMALL, "--plan", path)


def test_no_plan_at_all(tmp_path: Path) -> None:
    content = json.loads(SMALL.read_text())
    content["containers"] = {"count": 1, "ram_mb": 2048}
    path = tmp_path / "tight.json"
    path.write_text(json.dumps(content))
    assert "an instance of component" in refused("compare", path)


def test_names_are_shown_as_they_are(tmp_path: Path) -> None:
    content = json.loads(SMALL.read_text())
    content["name"] = "[/red]odd[bold]"
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(content))
    result = run("compare", path)
    assert result.exit_code == 0
    assert "[/red]odd[bold]" in result.stdout


def crowded_file(folder: Path) -> tuple[Path, Path]:
    """A workload, and the plan that it runs under: all that is busy in one of two containers."""
    of = {"cpu": 0.1, "ram_mb": 512}
    bolts = [
        {"name": name, "kind": "bolt", "parallelism": 4, "service_ms": ms, **of}
        for name, ms in (("busy", 40), ("idle", 0.01))
    ]
    spout = {"name": "spout", "kind": "spout", "parallelism": 1, "rate": 100, **of}
    written = {
        "name": "crowded",
        "components": [{**spout, "service_ms": 0.01}, *bolts],
        "streams": [
            {"from": "spout", "to": "busy", "grouping": "shuffle", "selectivity": 1},
            {"from": "busy", "to": "idle", "grouping": "shuffle", "selectivity": 1},
        ],
        "containers": {"count": 2, "cpu": 2, "ram_mb": 16384, "padding_percent": 0},
    }
    workload, running = folder / "crowded.json", folder / "running.json"
    workload.write_text(json.dumps(written))
    (plan,) = lines(run("plan", workload, "--json"))
    first, second = plan["containers"]
    instances = sorted(first["instances"] + second["instances"], key=lambda i: i["task_id"])
    first["instances"] = [i for i in instances if i["component"] != "idle"]
    second["instances"] = [i for i in instances if i["component"] == "idle"]
    running.write_text(json.dumps(plan))
    return workload, running


def test_an_update_keeps_survivors_and_tells_what_more_moves_would_gain(tmp_path: Path) -> None:
    workload, running = crowded_file(tmp_path)
    asked = (workload, "--running", running, "--parallelism", "idle=5")
    (found,) = lines(run("compare", *asked, "--json"))
    for candidate in found["candidates"]:
        counts = candidate["disruption"]
        assert (counts["survivors"], counts["started_instances"]) == (9, 1)
        assert "repack" not in candidate
        assert ("moves" in candidate) == (candidate["planner"] == "search")
    (moves,) = [c["moves"] for c in found["candidates"] if "moves" in c]
    moved = [step["moved_instances"] for step in moves["steps"]]
    carried = [step["sustainable_load_factor"] for step in moves["steps"]]
    assert moved[0] == 0
    assert moved == sorted(set(moved))
    assert carried == sorted(set(carried))
    assert moved[moves["taken"]] > 0

    shown = " ".join(run("plan", *asked).stdout.split())
    assert moves["reason"] in shown
    assert f"load against moves: search moved of survivors carries cross {'─' * 5}" in shown
    for i, step in enumerate(moves["steps"]):
        mark = " *" if i == moves["taken"] else ""
        carries = f"{step['sustainable_load_factor']:.2f}x"
        share = f"{step['moved_share']:.0%}"
        assert f"{step['moved_instances']}{mark} {share} {carries}" in shown

    (updated,) = lines(run("plan", *asked, "--json"))
    names = [i["component"] for c in updated["containers"] for i in c["instances"]]
    assert names.count("idle") == 5
    (one,) = lines(run("plan", *asked, "--json", "--planner", "resource_compliant_rr"))
    where = {i["task_id"]: c["id"] for c in one["containers"] for i in c["instances"]}
    before = json.loads(running.read_text())["containers"]
    assert where.items() > {i["task_id"]: c["id"] for c in before for i in c["instances"]}.items()


def test_what_is_advised_or_updated_can_be_predicted(tmp_path: Path) -> None:
    """Other numbers of instances than the file states, and gaps between task ids."""
    workload = DATA / "topologies" / "wordcount-50.json"
    path = tmp_path / "plan.json"
    (advised,) = lines(run("advise", workload, "--rate", 8000, "--costs", "added", "--json"))
    path.write_text(json.dumps(advised["plan"]))
    (found,) = lines(run("predict", workload, "--plan", path, "--json"))
    assert found["parallelism"] == advised["parallelism"] != advised["running_parallelism"]
    # The file states 5,000 tuples/s; both factors are of the same load.
    at_rate = advised["prediction"]["sustainable_load_factor"] * 8000
    assert found["prediction"]["sustainable_load_factor"] * 5000 == pytest.approx(at_rate, rel=1e-3)

    (running,) = lines(run("plan", workload, "--json"))
    path.write_text(json.dumps(running))
    options = ("--running", path, "--parallelism", "count=12", "--json")
    (updated,) = lines(run("plan", workload, *options))
    ids = sorted(i["task_id"] for c in updated["containers"] for i in c["instances"])
    assert ids != list(range(1, len(ids) + 1))
    path.write_text(json.dumps(updated))
    (found,) = lines(
        run("whatif", workload, "--plan", path, "--rate", "x1", "--rate", "2", "--json")
    )
    assert found["parallelism"]["count"] == 12
    shown = run("whatif", workload, "--plan", path, "--rate", "2").stdout
    assert "at the parallelism of the plan: count 12 instead of 22" in shown


def test_updates_that_cannot_be_meant(tmp_path: Path) -> None:
    workload, running = crowded_file(tmp_path)
    assert "an update needs the plan that runs" in refused(
        "plan", workload, "--parallelism", "idle=5"
    )
    assert "names component 'none'" in refused(
        "plan", workload, "--running", running, "--parallelism", "none=5"
    )
    assert "'idle' is not COMPONENT=N with a whole number" in refused(
        "plan", workload, "--running", running, "--parallelism", "idle"
    )
    assert "100 containers were asked for" in refused(
        "compare", workload, "--running", running, "--containers", 100
    )
    assert "an update is of one topology, and 2 are named" in refused(
        "compare", SMALL, OTHER, "--containers", 2
    )


def test_an_update_that_changes_nothing_is_the_running_plan(tmp_path: Path) -> None:
    workload, running = crowded_file(tmp_path)
    (same,) = lines(run("plan", workload, "--running", running, "--json"))
    assert same == json.loads(running.read_text())


def test_tables_fit_80_columns_whatever_they_tell(tmp_path: Path) -> None:
    workload, running = crowded_file(tmp_path)
    result = run("compare", workload, "--running", running, "--parallelism", "idle=5")
    assert "…" not in result.stdout
    assert max(len(line.rstrip()) for line in result.stdout.splitlines()) <= 80
