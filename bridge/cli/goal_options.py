"""Options of the planning commands: what a plan is for, and what it must keep to."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from bridge.cli.terminal import completing
from bridge.comparison import Wanted
from packing.goal import Goal
from packing.objective import HEADROOM, OBJECTIVES, PROBABILITY, Enough, check_objective
from packing.search.budget import BUDGETS, check_effort


def goal_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--objective` and the others; the command gets them as its argument `wanted`."""

    @functools.wraps(command)
    def with_wanted(
        *args: Any,
        objective: str,
        headroom: float,
        probability: float,
        effort: str,
        free: bool,
        spread: bool,
        **kwargs: Any,
    ) -> Any:
        goal = Goal(
            check_objective(objective),
            Enough(headroom, probability),
            BUDGETS[check_effort(effort)],
        )
        return command(*args, wanted=Wanted(goal, free, spread), **kwargs)

    for option in reversed(_OPTIONS):
        with_wanted = option(with_wanted)
    return with_wanted


objective_option = click.option(
    "--objective",
    default="",
    metavar="NAME",
    shell_complete=completing(lambda: OBJECTIVES),
    help="What is best: throughput, latency, cost, balanced (default) or traffic.",
)
_OPTIONS = (
    objective_option,
    click.option(
        "--headroom",
        default=HEADROOM,
        show_default=True,
        metavar="SHARE",
        help="Load beyond the offered one that a plan should carry.",
    ),
    click.option(
        "--probability",
        default=PROBABILITY,
        show_default=True,
        metavar="P",
        help="With which it should carry that, given what is not known exactly.",
    ),
    click.option(
        "--effort",
        default="",
        metavar="NAME",
        shell_complete=completing(lambda: BUDGETS),
        help="quick, default or thorough: how much the search works.",
    ),
    click.option(
        "--free", is_flag=True, help="Number and size of the containers are open to choice."
    ),
    click.option("--spread", is_flag=True, help="Place every component in two containers or more."),
)
