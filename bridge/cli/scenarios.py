"""Scenarios on the command line: `--rate x1.5 --parallelism count=8 --lose 3`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import click

from packing.errors import InvalidRequest
from packing.scenario import AS_IT_IS, MAX_FACTOR, Scenario

Value = TypeVar("Value", int, float)


def examples(command: str) -> str:
    """What stands below the help of a command with scenarios."""
    return f"""\b
Each option is a scenario of its own and may be repeated; a comma joins several
changes of one kind into one scenario, --together everything.
    {command} w.json --rate x1.5 --rate x2 --parallelism split=4,count=8 --lose 2
"""


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
            metavar="FACTOR",
            multiple=True,
            help="RAM of every container times this.",
        ),
        click.option(
            "--cores",
            metavar="FACTOR",
            multiple=True,
            help="Cores of every container times this.",
        ),
        click.option(
            "--containers",
            "counts",
            type=int,
            metavar="N",
            multiple=True,
            help="Another number of containers.",
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
            metavar="FACTOR",
            multiple=True,
            help="Offered rate times this.",
        ),
    ):
        command = option(command)
    return command


def scenarios(  # noqa: PLR0917 - an option each
    together: bool,
    rates: Sequence[str],
    parallelisms: Sequence[str],
    counts: Sequence[int],
    cores: Sequence[str],
    ram: Sequence[str],
    faster: Sequence[str],
    lost: Sequence[str],
) -> list[Scenario]:
    """A scenario per option, in the order of the help; with `together` one of all.

    Raises InvalidRequest naming the option and the value at fault.
    """
    found = [Scenario(rate_factor=_factor("--rate", text)) for text in rates]
    found += [Scenario(parallelism=parallelism(text)) for text in parallelisms]
    found += [Scenario(container_count=container_count(count)) for count in counts]
    found += [Scenario(container_cpu_factor=_factor("--cores", text)) for text in cores]
    found += [Scenario(container_ram_factor=_factor("--ram", text)) for text in ram]
    found += [Scenario(service_time_factor=_slower(text)) for text in faster]
    found += [Scenario(lost_containers=_ids(text)) for text in lost]
    return [_joined(found)] if together and found else found


_OPTION = {
    "rate_factor": "--rate",
    "parallelism": "--parallelism",
    "container_count": "--containers",
    "container_cpu_factor": "--cores",
    "container_ram_factor": "--ram",
    "service_time_factor": "--faster",
}


def _joined(scenarios: Sequence[Scenario]) -> Scenario:
    """One scenario with all changes. Raises InvalidRequest for two of a kind that take one."""
    changes: dict[str, Any] = {}
    for scenario in scenarios:
        for f in fields(Scenario):
            value, before = getattr(scenario, f.name), changes.get(f.name)
            if value == getattr(AS_IT_IS, f.name):
                continue
            if isinstance(value, dict):
                twice = sorted(value.keys() & (before or {}).keys())
                if twice:
                    raise InvalidRequest(
                        f"{_OPTION[f.name]} is given twice for {twice[0]!r}; with --together there "
                        "can be one"
                    )
                changes[f.name] = {**(before or {}), **value}
            elif isinstance(value, tuple):
                changes[f.name] = tuple(dict.fromkeys((*(before or ()), *value)))
            elif before is not None:
                raise InvalidRequest(
                    f"{_OPTION[f.name]} is given twice, {before:g} and {value:g}; with --together "
                    "there can be one"
                )
            else:
                changes[f.name] = value
    return Scenario(**changes)


def _factor(option: str, text: str) -> float:
    """A number with or without an `x` before or behind it."""
    try:
        value = float(text.removeprefix("x").removesuffix("x"))
    except ValueError:
        value = math.nan
    if not 0 < value <= MAX_FACTOR:
        raise InvalidRequest(
            f"{option} {text!r} is not a factor above 0 and at most {MAX_FACTOR:,.0f}, such as "
            "1.5 or x1.5"
        )
    return value


def container_count(count: int) -> int:
    """What `--containers N` states. Raises InvalidRequest."""
    if count < 1:
        raise InvalidRequest(f"--containers {count}: it must be 1 or more")
    return count


def parallelism(text: str) -> dict[str, int]:
    """What `--parallelism COMPONENT=N,COMPONENT=N` states. Raises InvalidRequest."""
    found = _pairs("--parallelism", text, int, "a whole number, 1 or more,")
    for name, count in found.items():
        if count < 1:
            raise InvalidRequest(f"--parallelism {name}={count}: it must be 1 or more")
    return found


def _slower(text: str) -> dict[str, float]:
    """Factors of the time per tuple from how many times as fast components get."""
    speeds = _pairs("--faster", text, float, "a number above 0")
    for name, speed in speeds.items():
        if not 1 / MAX_FACTOR <= speed <= MAX_FACTOR:
            raise InvalidRequest(
                f"--faster {name}={speed:g}: it must be above 0 and at most {MAX_FACTOR:,.0f}; 2 "
                "is twice as fast"
            )
    return {name: 1 / speed for name, speed in speeds.items()}


def _pairs(option: str, text: str, number: Callable[[str], Value], what: str) -> dict[str, Value]:
    """What `COMPONENT=N,COMPONENT=N` states. Raises InvalidRequest with the part at fault."""
    found: dict[str, Value] = {}
    for part in text.split(","):
        name, separator, value = part.rpartition("=")
        try:
            if not (separator and name):
                raise ValueError
            stated = number(value)
        except ValueError:
            raise InvalidRequest(
                f"{option} {part!r} is not COMPONENT=N with {what} behind the ="
            ) from None
        if name in found:
            raise InvalidRequest(f"{option} {text!r} states {name!r} twice; state it once")
        found[name] = stated
    return found


def _ids(text: str) -> tuple[int, ...]:
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise InvalidRequest(
            f"--lose {text!r} is not the id of a container, or several with commas between"
        ) from None
