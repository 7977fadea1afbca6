"""`heron-bridge predict`: what a plan would do, as it is and under other circumstances."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from bridge.cli.terminal import (
    json_option,
    print_memory,
    print_outcomes,
    profile_option,
    sentences,
)
from bridge.comparison import candidate_to_json, compare, outcome_to_json, request_for
from bridge.plan_file import load_plan
from bridge.workload import load_workload
from packing.choose import Candidate, judge
from packing.errors import Infeasible, InvalidRequest
from packing.request import Request
from packing.scenario import AS_IT_IS, Outcome, Scenario, predict_scenario

Value = TypeVar("Value", int, float)

_EXAMPLES = """\b
Each option is a scenario of its own and may be repeated; a comma joins several
changes of one kind into one scenario, --together everything.
    predict w.json --rate 1.5 --rate 2 --parallelism split=4,count=8 --lost 2
"""


@click.command(epilog=_EXAMPLES)
@click.argument("workload", type=click.Path(path_type=Path))
@click.option(
    "--plan",
    "plan_path",
    type=click.Path(path_type=Path),
    help="A plan file, as `heron-bridge plan --json` writes it; without it the best plan.",
)
@click.option("--rate", "rates", type=float, multiple=True, help="Offered rate times this.")
@click.option(
    "--parallelism", "parallelisms", multiple=True, metavar="COMPONENT=N", help="Other parallelism."
)
@click.option("--containers", "counts", type=int, multiple=True, help="Another number of them.")
@click.option("--cores", type=float, multiple=True, help="Cores of every container times this.")
@click.option("--ram", type=float, multiple=True, help="RAM of every container times this.")
@click.option(
    "--faster",
    multiple=True,
    metavar="COMPONENT=F",
    help="A component this many times as fast: 2 halves its CPU time per tuple.",
)
@click.option("--lost", multiple=True, metavar="ID", help="Without this container.")
@click.option("--together", is_flag=True, help="All changes at once, as one scenario.")
@profile_option
@json_option
@sentences
def predict(
    workload: Path,
    plan_path: Path | None,
    profile: Path | None,
    together: bool,
    as_json: bool,
    **changes: tuple[Any, ...],
) -> None:
    """Predict what PLAN would do with the topology and load of WORKLOAD.

    Intervals hold 80 % of what may be, given how exactly the load, Heron's costs and the model are
    known.
    """
    scenarios = _scenarios(together, **changes)
    loaded = load_workload(workload, profile)
    request = request_for(loaded)
    base = _candidate(plan_path, request, lambda: compare(loaded).chosen)
    assert base.plan is not None
    as_it_is = predict_scenario(AS_IT_IS, request, base.plan)
    found: list[tuple[Scenario, Outcome | Infeasible]] = [
        (scenario, _outcome(scenario, request, base)) for scenario in scenarios
    ]
    if as_json:
        document = candidate_to_json(_with_intervals(base, as_it_is), with_plan=False)
        if found:
            document["scenarios"] = [outcome_to_json(*one) for one in found]
        click.echo(json.dumps(document))
        return
    print_outcomes(f"{loaded.name}: {base.planner}", [(AS_IT_IS, as_it_is), *found])
    if as_it_is.prediction.memory:
        print_memory(as_it_is.prediction.memory)
    for violation in base.violations:
        click.echo(f"  - {violation.message}")


def _candidate(
    plan_path: Path | None, request: Request, best: Callable[[], Candidate]
) -> Candidate:
    if plan_path is None:
        return best()
    candidate = judge(plan_path.name, load_plan(plan_path, request.topology), request)
    if not candidate.usable:
        raise InvalidRequest(f"{plan_path} is no plan that could run: {candidate.failure}")
    return candidate


def _with_intervals(base: Candidate, as_it_is: Outcome) -> Candidate:
    return replace(base, prediction=as_it_is.prediction, intervals=as_it_is.intervals)


def _outcome(scenario: Scenario, request: Request, base: Candidate) -> Outcome | Infeasible:
    assert base.plan is not None
    try:
        return predict_scenario(scenario, request, base.plan)
    except Infeasible as error:
        return error


def _scenarios(  # noqa: PLR0917 - an option each
    together: bool,
    rates: Sequence[float],
    parallelisms: Sequence[str],
    counts: Sequence[int],
    cores: Sequence[float],
    ram: Sequence[float],
    faster: Sequence[str],
    lost: Sequence[str],
) -> list[Scenario]:
    """A scenario per option, in the order of the help; with `together` one of all."""
    found = [Scenario(rate_factor=factor) for factor in rates]
    found += [
        Scenario(parallelism=_pairs("--parallelism", text, int, "a whole number"))
        for text in parallelisms
    ]
    found += [Scenario(container_count=count) for count in counts]
    found += [Scenario(container_cpu_factor=factor) for factor in cores]
    found += [Scenario(container_ram_factor=factor) for factor in ram]
    found += [Scenario(service_time_factor=_slower(text)) for text in faster]
    found += [Scenario(lost_containers=_ids(text)) for text in lost]
    return [_joined(found)] if together and found else found


def _joined(scenarios: Sequence[Scenario]) -> Scenario:
    """One scenario with all changes. Raises InvalidRequest for two of a kind that take one."""
    changes: dict[str, Any] = {}
    for scenario in scenarios:
        for f in fields(Scenario):
            value = getattr(scenario, f.name)
            if value == getattr(AS_IT_IS, f.name):
                continue
            if f.name in changes and not isinstance(value, dict | tuple):
                raise InvalidRequest(
                    f"{f.name} is stated twice, {changes[f.name]:g} and {value:g}; with "
                    "--together there can be one"
                )
            if isinstance(value, dict):
                changes[f.name] = {**changes.get(f.name, {}), **value}
            elif isinstance(value, tuple):
                changes[f.name] = (*changes.get(f.name, ()), *value)
            else:
                changes[f.name] = value
    return Scenario(**changes)


def _slower(text: str) -> dict[str, float]:
    """Factors of the time per tuple from how many times as fast components get."""
    speeds = _pairs("--faster", text, float, "a number above 0")
    for name, speed in speeds.items():
        if not speed > 0:
            raise InvalidRequest(
                f"--faster {name}={speed:g}: it must be above 0; 2 is twice as fast"
            )
    return {name: 1 / speed for name, speed in speeds.items()}


def _pairs(option: str, text: str, number: Callable[[str], Value], what: str) -> dict[str, Value]:
    found = {}
    for part in text.split(","):
        name, separator, value = part.rpartition("=")
        try:
            if not (separator and name):
                raise ValueError
            found[name] = number(value)
        except ValueError:
            raise InvalidRequest(
                f"{option} {part!r} is not COMPONENT=N with {what} behind the ="
            ) from None
    return found


def _ids(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InvalidRequest(f"--lost {text!r} is not the id of a container") from None
