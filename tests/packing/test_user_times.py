"""Times of whole instances, taken apart and put together again."""

from __future__ import annotations

import pytest

from packing.model import HeronCosts, Runtime, structure
from packing.model.demand import work
from packing.model.user_times import user_times
from packing.profile import Profile

from . import build

COSTS = HeronCosts("test", tuple_in_s=5e-6, tuple_out_s=3e-6, byte_s=2e-9)
OF = build.chain(1, 2, 3)


def test_an_instance_gets_through_as_many_as_was_stated() -> None:
    stated = Profile({"spout": 100.0}, {"spout": 1e-3, "b1": 6e-4, "b2": 1e-4})
    user = user_times(stated, OF, COSTS, Runtime())
    taken_s = work(structure(OF, user), COSTS, Runtime()).service_s
    assert taken_s[1:] == pytest.approx([6e-4, 1e-4])
    assert user.service_s["spout"] == stated.service_s["spout"]
    assert all(user.service_s[name] < stated.service_s[name] for name in ("b1", "b2"))


def test_no_time_falls_below_nothing() -> None:
    stated = Profile({"spout": 100.0}, {"spout": 0.0, "b1": 1e-6, "b2": 0.0})
    assert user_times(stated, OF, COSTS, Runtime()).service_s == dict.fromkeys(OF.names, 0.0)
