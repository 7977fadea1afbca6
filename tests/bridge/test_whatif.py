"""`heron-bridge whatif`, completion, progress and exit codes."""

from __future__ import annotations

import io
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from bridge.analysis import analyse, renumbered
from bridge.cli import COMMANDS, main
from bridge.cli import progress as progress_module
from bridge.cli.progress import progress
from bridge.comparison import outcome_to_json, request_for
from bridge.topology_source import load_source
from bridge.wire import heron_pb2 as heron
from bridge.workload import load_workload
from packing.scenario import AS_IT_IS, Scenario, predict_scenario
from packing.topology import Component, Grouping, Kind, Stream
from tests.bridge.messages import topology_message
from tests.packing.build import DATA, chain, plan

SMALL = DATA / "topologies" / "diamond-10.json"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def answered(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    (line,) = result.stdout.splitlines()
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def test_rows_are_what_the_scenarios_predict() -> None:
    found = answered(
        "whatif", SMALL, "--rate", "x1.5", "--rate", "2", "--parallelism", "right=4",
        "--containers", "4", "--faster", "right=2", "--lose", "1", "--cores", "x2",
    )  # fmt: skip
    analysis = analyse(SMALL)
    assert found["plan"] == analysis.decision.chosen.planner
    scenarios = [
        AS_IT_IS,
        Scenario(rate_factor=1.5),
        Scenario(rate_factor=2.0),
        Scenario(parallelism={"right": 4}),
        Scenario(container_count=4),
        Scenario(container_cpu_factor=2.0),
        Scenario(service_time_factor={"right": 0.5}),
        Scenario(lost_containers=(1,)),
    ]
    request = request_for(load_workload(SMALL))
    expected = [
        outcome_to_json(scenario, outcome) for scenario, outcome in analysis.outcomes(scenarios)
    ]
    direct = predict_scenario(scenarios[1], request, analysis.plan)
    assert expected[1] == outcome_to_json(scenarios[1], direct)
    assert found["scenarios"] == json.loads(json.dumps(expected))


def test_a_factor_is_read_as_tables_show_it() -> None:
    found = answered("whatif", SMALL, "--rate", "2", "--rate", "x2", "--rate", "2x")
    _, plain, before, behind = found["scenarios"]
    assert plain == before == behind
    assert plain["scenario"] == "rate x2"


def test_what_is_lost_is_told_with_the_scenario() -> None:
    large = DATA / "topologies" / "wordcount-50.json"
    told = " ".join(run("whatif", large, "--lose", "2", "--ram", "0.1").stdout.split())
    assert "without 2: tuples for instances in lost containers are dropped" in told
    assert "RAM x0.1: no prediction: container " in told


def test_columns_of_a_topology_without_load_are_explained(tmp_path: Path) -> None:
    path = tmp_path / "words.defn"
    path.write_bytes(topology_message().SerializeToString())
    told = " ".join(run("whatif", path, "--containers", "2").stdout.split())
    assert "cross: share of tuples between containers" in told
    assert "carries:" not in told


def test_the_same_change_twice_is_none_at_once() -> None:
    for option, one, other in (
        ("--rate", "2", "3"),
        ("--faster", "left=2", "left=3"),
        ("--parallelism", "left=2", "left=3"),
    ):
        result = run("whatif", SMALL, option, one, option, other, "--together")
        assert result.exit_code == 2
        assert f"heron-bridge: {option} is given twice" in result.stderr


def test_all_changes_at_once_are_one_row() -> None:
    found = answered("whatif", SMALL, "--rate", "x2", "--containers", "4", "--together")
    base, both = found["scenarios"]
    assert base["scenario"] == "as it is"
    assert both["scenario"] == "rate x2, 4 containers"
    assert both["prediction"]["containers"] == 4


def test_a_plan_file_is_the_base(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(run("plan", SMALL, "--planner", "round_robin", "--json").stdout)
    found = answered("whatif", SMALL, "--plan", path, "--rate", "1.5")
    assert found["plan"] == "plan.json"
    compared = answered("compare", SMALL)
    theirs = next(c for c in compared["candidates"] if c["planner"] == "round_robin")
    base = found["scenarios"][0]["prediction"]
    assert base["cross_fraction"] == theirs["prediction"]["cross_fraction"]


def test_tables_show_base_and_scenarios() -> None:
    result = run("whatif", SMALL, "--rate", "x1.5", "--lose", "2")
    assert result.exit_code == 0
    for words in ("as it is", "rate x1.5", "without 2"):
        assert words in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [("plan", SMALL), ("plan", SMALL, "--planner", "round_robin"), ("compare", SMALL),
     ("whatif", SMALL, "--rate", "x1.5")],
)  # fmt: skip
def test_pages_are_written_beside_what_is_printed(
    arguments: tuple[object, ...], tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    printed = run(*arguments, "--json")
    both = run(*arguments, "--json", "--html", path)
    assert both.exit_code == 0
    if arguments[0] == "compare":  # tells times
        assert json.loads(both.stdout).keys() == json.loads(printed.stdout).keys()
    else:
        assert both.stdout == printed.stdout
    page = path.read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert ("What if" in page) is (arguments[0] == "whatif")
    assert ("Chosen: round_robin" in page) is ("--planner" in arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("whatif", SMALL), "no scenario is given"),
        (("whatif", SMALL, "--lose", "9"), "container 9 is not in the plan"),
        (("whatif", SMALL, "--rate", "0"), "--rate '0' is not a factor above 0"),
        (("plan", SMALL, "--planner", "best"), "planner 'best' does not exist"),
        (("plan", SMALL, "--objective", "speed"), "objective 'speed' does not exist"),
        (("plan", "nowhere.json"), "nowhere.json cannot be read"),
        (("whatif", SMALL, "--rate", "x"), "--rate 'x' is not a factor above 0"),
        (("whatif", SMALL, "--ram", "inf"), "--ram 'inf' is not a factor above 0"),
        (("whatif", SMALL, "--faster", "left=inf"), "--faster left=inf: it must be above 0"),
        (("whatif", SMALL, "--parallelism", "left=0"), "--parallelism left=0: it must be 1"),
        (("whatif", SMALL, "--parallelism", "left=2,left=3"), "states 'left' twice"),
        (("whatif", SMALL, "--containers", "0"), "--containers 0: it must be 1 or more"),
        (("whatif", SMALL, "--lose", "a"), "--lose 'a' is not the id of a container"),
        (("plan", SMALL, "--parallelism", "left=3"), "an update needs the plan that runs"),
        (("plan", SMALL, "--containers", "0"), "--containers 0: it must be 1 or more"),
        (
            ("plan", SMALL, "--parallelism", "left=3", "--parallelism", "left=4"),
            "--parallelism is given twice for 'left'",
        ),
        (("plan", SMALL.parent), "is a folder; name one file in it"),
        (("plan", SMALL, "--tracker", "http://h", "--topology", "t"), "this command takes one"),
        (("compare", SMALL, "--html", "-"), "--html - is no file"),
        (("plan", SMALL, "--html", "/no/such/folder/x.html"), "cannot be written"),
        (("compare", SMALL, SMALL, "--html", "x.html"), "--html is for one topology"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(
    arguments: tuple[object, ...], words: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("heron-bridge: ")
    assert words in line


def test_wrong_options_are_exit_code_2_too() -> None:
    assert run("whatif", SMALL, "--rate", "fast").exit_code == 2
    assert run("whatever").exit_code == 2


def test_a_defn_gives_back_what_was_written(tmp_path: Path) -> None:
    message = topology_message(
        spouts={"words": 4}, bolts={"split": 3, "count": 2}, grouping=heron.LOWEST,
        config={"topology.stmgrs": "3", "topology.max.spout.pending": "7"},
    )  # fmt: skip
    path = tmp_path / "words.defn"
    path.write_bytes(message.SerializeToString())
    found = load_source(path)
    assert found.topology.components == (
        Component("words", Kind.SPOUT, 4),
        Component("split", Kind.BOLT, 3),
        Component("count", Kind.BOLT, 2),
    )
    assert found.topology.streams == (
        Stream("words", "split", "default", Grouping.GLOBAL),
        Stream("split", "count", "default", Grouping.GLOBAL),
    )
    assert found.constraints.container_count == 3
    assert found.constraints.max_spout_pending == 7
    compared = answered("compare", path)
    assert compared["candidates"][0]["planner"] == "round_robin"
    assert compared["candidates"][0]["prediction"]["containers"] == 3
    path.write_bytes(message.SerializeToString()[:-3])
    assert "truncated or damaged" in run("plan", path).stderr


def test_renumbering_keeps_the_placement() -> None:
    made = plan(chain(3, 2), {2: ["spout", "b1"], 5: ["spout", "b1", "spout"]})
    gaps = type(made)(**{**made.__dict__, "task_id": made.task_id * 7, "index": made.index * 3})
    assert renumbered(gaps) == made


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_script_of_a_shell(shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_HERON_BRIDGE_COMPLETE" in result.stdout
    assert "heron-bridge" in result.stdout


def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    """In a real bash, with a command that stands for an installed one."""
    script = tmp_path / "completion"
    script.write_text(run("completion", "bash").stdout)
    done = subprocess.run(
        ["bash", "--norc", "-ec", f"source {script}; complete -p heron-bridge"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "_heron_bridge_completion" in done.stdout


def completed(*words: str) -> list[str]:
    # What the script asks for; the last word is the one being typed.
    result = CliRunner().invoke(
        main,
        [],
        prog_name="heron-bridge",
        env={
            "_HERON_BRIDGE_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(("heron-bridge", *words)),
            "COMP_CWORD": str(len(words)),
        },
    )
    return [line.partition(",")[2] for line in result.stdout.splitlines()]


def test_commands_options_and_planners_complete() -> None:
    assert completed("pl") == ["plan"]
    assert completed("whatif", "--par") == ["--parallelism"]
    assert completed("plan", "--planner", "round") == ["round_robin"]
    assert completed("advise", "--objective", "t") == ["throughput", "traffic"]
    assert completed("compare", "--effort", "t") == ["thorough"]
    assert set(completed("")) == set(COMMANDS)


def terminal(stream: io.StringIO) -> Console:
    return Console(file=stream, force_terminal=True, width=80)


def test_progress_shows_on_a_terminal_what_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "SHOWN_AFTER_S", 0.0)
    stream = io.StringIO()
    with progress(2, terminal(stream)) as done:
        done("first step")
        deadline = time.monotonic() + 10
        while "first step" not in stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.02)
    assert "first step" in stream.getvalue()


def test_progress_is_silent_where_it_is_quick_or_nobody_looks() -> None:
    stream = io.StringIO()
    with progress(2, terminal(stream)) as done:
        done("quick")
    assert "quick" not in stream.getvalue()
    with progress(2, Console(file=stream, force_terminal=False)) as done:
        done("nobody")
    assert "nobody" not in stream.getvalue()
    assert run("plan", SMALL).stderr == ""
