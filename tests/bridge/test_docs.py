"""Examples in the documentation do what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import COMMANDS, main

DOCS = Path(__file__).resolve().parents[2] / "docs"


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def test_library_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (workload,) = blocks("library.md", "yaml")
    name = workload.splitlines()[0].removeprefix("# ")
    (tmp_path / name).write_text(workload)
    scope: dict[str, Any] = {}
    examples = blocks("library.md", "python")
    assert len(examples) == 5
    for i, example in enumerate(examples):
        exec(compile(example, f"library.md, example {i + 1}", "exec"), scope)
    page = (tmp_path / "report.html").read_text()
    assert "word-count" in page
    printed = capsys.readouterr().out
    assert scope["found"].decision.chosen.planner in printed
    assert "count=12" in printed
    assert scope["faster"].prediction.sustainable_load_factor == pytest.approx(
        scope["found"].prediction.sustainable_load_factor / 1.5, rel=0.05
    )
    updated = scope["update"]
    assert updated.plan.parallelism == {**scope["found"].plan.parallelism, "count": 12}
    assert updated.decision.chosen.disruption.started_instances == 4
    (told,) = [c.repacked.reason for c in updated.decision.candidates if c.repacked is not None]
    assert told in printed
    assert scope["found"]._repr_html_().startswith("<iframe")


def test_advice_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (workload,) = blocks("advice.md", "yaml")
    (tmp_path / workload.splitlines()[0].removeprefix("# ")).write_text(workload)
    scope: dict[str, Any] = {}
    first, second = blocks("advice.md", "python")
    exec(compile(first, "advice.md, example 1", "exec"), scope)
    assert scope["found"].parallelism == {"source": 1, "flat_map": 10, "count": 20}
    exec(compile(second, "advice.md, example 2", "exec"), scope)
    printed = capsys.readouterr().out
    assert "flat_map from 1 to " in printed
    assert "count 0.9" in printed


@pytest.mark.parametrize(("page", "lines"), [("library.md", 5), ("advice.md", 3)])
def test_the_first_example_is_short(page: str, lines: int) -> None:
    first = blocks(page, "python")[0]
    assert len([line for line in first.splitlines() if line.strip()]) == lines


def test_every_command_is_documented_and_figures_come_as_json() -> None:
    text = (DOCS / "cli.md").read_text()
    context = main.make_context("heron-bridge", ["--help"], resilient_parsing=True)
    for name in COMMANDS:
        assert f"`{name}" in text
        command = main.get_command(context, name)
        assert command is not None
        options = {option for parameter in command.params for option in parameter.opts}
        # One runs until it is stopped and logs JSON, the other prints a script.
        if name not in {"serve", "completion"}:
            assert "--json" in options, name
