"""The same figures wherever they are told: in JSON, on the terminal, and on the page."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bridge.cli import main
from packing.resources import GIB, describe_bytes
from tests.packing.build import DATA

WORKLOADS = [DATA / "topologies" / f"{name}.json" for name in ("wordcount-50", "diamond-10")]
SCENARIOS = ("--rate", "x1.5", "--rate", "x3", "--faster", "count=2", "--cores", "x2")


def run(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def rows(html: str, heading: str) -> list[list[str]]:
    """Cells of the first table below a heading of the page."""
    body = html.split(f"<h2>{heading}</h2>")[1].split("<tbody>")[1].partition("</tbody>")[0]
    return [
        [unescape(re.sub("<.*?>", "", cell)) for cell in re.findall(r"<td.*?>(.*?)</td>", row)]
        for row in body.split("</tr>")
        if "<td" in row
    ]


def milliseconds(text: str) -> float:
    """What `47.3 ms` or `2.1 s` says."""
    amount, unit = text.split()
    return float(amount) * {"us": 1e-3, "ms": 1.0, "s": 1e3, "h": 3.6e6}[unit]


def between(interval: dict[str, Any], joint: str) -> str:
    return f"{interval['low']:.2f}{joint}{interval['high']:.2f}"


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda path: path.stem)
def test_candidates(workload: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    found = json.loads(run("compare", workload, "--json"))
    table = run("compare", workload, "--html", page)
    shown = rows(page.read_text(), "Candidates")
    assert len(shown) == len(found["candidates"])
    for candidate, cells in zip(found["candidates"], shown, strict=True):
        p, name = candidate["prediction"], candidate["planner"]
        # Sentences that begin with a planner come below.
        line = next(r for r in table.splitlines() if r.startswith(f" {name} "))
        told = [cell for cell in line.split()[1:] if cell != "*"]
        carries, cross = f"{p['sustainable_load_factor']:.2f}x", f"{p['cross_fraction']:.1%}"
        balance = f"{p['load_max_over_mean']:.2f}"
        assert told[:2] == [str(p["containers"]), f"{p['cores']:.5g}"]
        assert float(told[2]) == pytest.approx(p["ram_bytes"] / GIB, rel=1e-3)
        assert told[3:6] == [carries, cross, balance]
        assert float(told[6]) == pytest.approx(1000 * p["latency_p99_s"], abs=0.5)

        chosen = name == found["chosen"]
        assert cells[1] == (f"{name} (chosen)" if chosen else name)
        assert cells[2:5] == [told[0], told[1], describe_bytes(p["ram_bytes"])]
        likely = p["intervals"] and between(p["intervals"]["sustainable_load_factor"], " to ")
        assert cells[5] == carries + (f" ({likely})" if likely else "")
        assert cells[6] == p["bottleneck"]
        for cell, key in ((cells[7], "latency_mean_s"), (cells[8], "latency_p99_s")):
            assert milliseconds(cell) == pytest.approx(1000 * p[key], rel=5e-3)
        assert cells[9:11] == [cross, balance]
        assert (cells[-1] == "yes") == (name in found["pareto"])
        if chosen:
            assert f"{carries[:-1]} ({likely}) times the offered load" in " ".join(table.split())


def test_scenarios(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    page = tmp_path / "page.html"
    found = json.loads(run("whatif", WORKLOADS[0], *SCENARIOS, "--json"))["scenarios"]
    table = run("whatif", WORKLOADS[0], *SCENARIOS, "--html", page)
    shown = rows(page.read_text(), "What if")
    assert [cells[0] for cells in shown] == [s["scenario"] for s in found]
    for scenario, cells in zip(found, shown, strict=True):
        p = scenario["prediction"]
        carries = f"{p['sustainable_load_factor']:.2f}x"
        interval = p["intervals"]["sustainable_load_factor"]
        (line,) = [r for r in table.splitlines() if r.startswith(f" {scenario['scenario']} ")]
        told = line.removeprefix(f" {scenario['scenario']} ").split()
        assert told[:3] == [str(p["containers"]), carries, between(interval, "-")]
        assert float(told[3]) == pytest.approx(p["throughput_per_s"], abs=0.5)
        assert float(told[4]) == pytest.approx(1000 * p["latency_mean_s"], abs=0.5)
        assert float(told[6]) == pytest.approx(1000 * p["latency_p99_s"], abs=0.5)
        assert [cells[1], *cells[3:6]] == [
            str(p["containers"]),
            f"{p['cores']:.5g}",
            carries,
            between(interval, " to "),
        ]
        for cell, key in ((cells[8], "latency_mean_s"), (cells[9], "latency_p99_s")):
            assert milliseconds(cell) == pytest.approx(1000 * p[key], rel=5e-3)
