"""Scenarios on the command line: `--rate x1.5 --parallelism count=8 --lose 3`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import click

from packing.errors import InvalidRequest
from packing.scenario import AS_IT_IS, Scenario

Value = TypeVar("Value", int, float)


def factor(text: str) -> float:
    """A number, with or without an `x` before it. Raises BadParameter, a usage error."""
    try:
        return float(text.removeprefix("x"))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a factor such as 1.5 or x1.5") from None


def scenario_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """One option for each kind of change, and `--together`."""
    for option in (
        click.option("--together", is_flag=True, help="All changes at once, as one scenario."),
        click.option(
            "--lose", "--lost", "lost", multiple=True, metavar="ID", help="Without this container."
        ),
        click.option(
            "--faster",
            multiple=True,
            metavar="COMPONENT=F",
            help="A component this many times as fast: 2 halves its CPU time per tuple.",
        ),
        click.option(
            "--ram",
            type=factor,
            metavar="FACTOR",
            multiple=True,
            help="RAM of every container times this.",
        ),
        click.option(
            "--cores",
            type=factor,
            metavar="FACTOR",
            multiple=True,
            help="Cores of every container times this.",
        ),
        click.option(
            "--containers", "counts", type=int, multiple=True, help="Another number of them."
        ),
        click.option(
            "--parallelism",
            "parallelisms",
            multiple=True,
            metavar="COMPONENT=N",
            help="Other parallelism.",
        ),
        click.option(
            "--rate",
            "rates",
            type=factor,
            metavar="FACTOR",
            multiple=True,
            help="Offered rate times this.",
        ),
    ):
        command = option(command)
    return command


def scenarios(  # noqa: PLR0917 - an option each
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
        Scenario(parallelism=pairs("--parallelism", text, int, "a whole number"))
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
    speeds = pairs("--faster", text, float, "a number above 0")
    for name, speed in speeds.items():
        if not speed > 0:
            raise InvalidRequest(
                f"--faster {name}={speed:g}: it must be above 0; 2 is twice as fast"
            )
    return {name: 1 / speed for name, speed in speeds.items()}


def pairs(option: str, text: str, number: Callable[[str], Value], what: str) -> dict[str, Value]:
    """What `COMPONENT=N,COMPONENT=N` states. Raises InvalidRequest with the part at fault."""
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
