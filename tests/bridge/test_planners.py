from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

from bridge import planners
from bridge.planners import FOR_UPDATES, installed_planners, planners_for
from packing.choose import choose
from packing.errors import InvalidRequest, UnsupportedRequest
from packing.planners import BUILT_IN
from packing.planners.round_robin import round_robin
from packing.request import Request
from tests.packing.build import chain, plan, roomy

Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Entry points as other distributions would bring them: name -> where."""

    def put(**where: str) -> None:
        found = EntryPoints(EntryPoint(n, value, planners.GROUP) for n, value in where.items())

        def entry_points(*, group: str) -> Any:
            assert group == "heron_bridge.planners"
            return found

        monkeypatch.setattr(planners, "entry_points", entry_points)
        installed_planners.cache_clear()

    yield put
    installed_planners.cache_clear()


def test_without_others_the_built_in_ones(install: Install) -> None:
    install()
    assert installed_planners() == dict(BUILT_IN)


def test_others_follow_in_the_order_of_their_names(install: Install) -> None:
    install(zebra="packing.planners.round_robin:round_robin", apple="builtins:dict")
    assert [*installed_planners()] == [*BUILT_IN, "apple", "zebra"]
    assert installed_planners()["zebra"] is round_robin


def test_a_name_that_is_taken(install: Install) -> None:
    install(round_robin="builtins:dict")
    with pytest.raises(
        InvalidRequest, match="builtins:dict calls its planner 'round_robin', a nam"
    ):
        installed_planners()


@pytest.mark.parametrize(
    ("where", "told"),
    [
        (
            "nowhere.to_be:found",
            "nowhere.to_be:found cannot be loaded: ModuleNotFoundError: No mod",
        ),
        ("math:tau_squared", "math:tau_squared cannot be loaded: AttributeError"),
    ],
)
def test_one_that_cannot_be_loaded_stops_nobody(install: Install, where: str, told: str) -> None:
    install(broken=where)
    request = Request(chain(2, 2), roomy(2))
    decision = choose(request, planners_for(request))
    (broken,) = [c for c in decision.candidates if c.planner == "broken"]
    assert broken.failure.startswith(told)
    with pytest.raises(UnsupportedRequest):
        installed_planners()["broken"](request)


def test_a_pack_is_not_asked_of_planners_for_updates() -> None:
    asked = planners_for(Request(chain(2, 2), roomy(2)))
    assert [*asked] == [name for name in installed_planners() if name not in FOR_UPDATES]


def test_an_update_is_asked_of_all() -> None:
    current = plan(chain(2), {1: ["spout"], 2: ["spout"]})
    request = Request(chain(2), roomy(2), current=current, containers_free=True)
    assert [*planners_for(request)] == [*installed_planners()]
