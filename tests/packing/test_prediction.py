from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packing.model import predict
from packing.profile import Profile
from packing.resources import GIB, Resources
from packing.topology import Grouping

from .brute_force import Explicit
from .build import chain, plan, topology
from .strategies import plans, profiles, topologies

FIGURES = (
    "sustainable_load_factor",
    "traffic_tuples_per_s",
    "cross_tuples_per_s",
    "containers",
    "cores",
    "ram_bytes",
    "load_max_over_mean",
    "highest_cpu_utilisation",
    "stream_manager_max_tuples_per_s",
)


@given(st.data())
def test_prediction_agrees_with_every_instance_on_its_own(data: st.DataObject) -> None:
    of = data.draw(topologies())
    profile = data.draw(profiles(of))
    placed = data.draw(plans(of))
    explicit = Explicit(of, placed, profile)
    predicted = predict(of, placed, profile)
    close = {"rel": 1e-9, "abs": 1e-6}
    assert predicted.traffic_tuples_per_s == pytest.approx(explicit.traffic, **close)
    assert predicted.cross_tuples_per_s == pytest.approx(explicit.cross, **close)
    assert predicted.stream_manager_max_tuples_per_s == pytest.approx(
        max(explicit.through.values()), **close
    )
    loads = list(explicit.load.values())
    if sum(loads) > 0:
        mean = sum(loads) / len(loads)
        assert predicted.load_max_over_mean == pytest.approx(max(loads) / mean)
    factor = explicit.factor(placed)
    if factor is None:
        assert predicted.sustainable_load_factor is None
    else:
        assert predicted.sustainable_load_factor == pytest.approx(factor)
    assert predicted.highest_cpu_utilisation == pytest.approx(
        max(
            load / cores if load else 0.0
            for load, cores in zip(loads, placed.container_cpu_cores.tolist(), strict=True)
        )
    )


@given(st.data())
def test_a_fading_loop_agrees_too(data: st.DataObject) -> None:
    of = data.draw(topologies(max_components=3, max_parallelism=2, loops=True))
    profile = data.draw(profiles(of, max_selectivity=0.4 / max(1, len(of.streams))))
    placed = data.draw(plans(of))
    explicit = Explicit(of, placed, profile, rounds=120)
    predicted = predict(of, placed, profile)
    assert predicted.cross_tuples_per_s == pytest.approx(explicit.cross, rel=1e-6, abs=1e-6)


@given(st.data())
def test_renaming_containers_changes_nothing(data: st.DataObject) -> None:
    of = data.draw(topologies())
    profile = data.draw(profiles(of))
    placed = data.draw(plans(of))
    renamed = replace(placed, container_ids=placed.container_ids * 7 + 3)
    one, other = predict(of, placed, profile), predict(of, renamed, profile)
    for figure in FIGURES:
        assert getattr(one, figure) == getattr(other, figure)


@given(st.data(), st.floats(0.25, 4.0))
def test_scaling_rates_scales_traffic_and_shrinks_the_factor(
    data: st.DataObject, by: float
) -> None:
    of = data.draw(topologies())
    profile = data.draw(profiles(of))
    placed = data.draw(plans(of))
    scaled = replace(profile, rate_per_s={k: v * by for k, v in profile.rate_per_s.items()})
    before, after = predict(of, placed, profile), predict(of, placed, scaled)
    assert after.cross_tuples_per_s == pytest.approx(before.cross_tuples_per_s * by, abs=1e-6)
    assert after.cross_fraction == pytest.approx(before.cross_fraction, abs=1e-6)
    if before.sustainable_load_factor is not None and after.sustainable_load_factor is not None:
        assert after.sustainable_load_factor == pytest.approx(before.sustainable_load_factor / by)


@given(st.data())
def test_one_container_has_no_cross_traffic_and_singles_have_all(data: st.DataObject) -> None:
    of = data.draw(topologies())
    profile = data.draw(profiles(of))
    names = [c.name for c in of.components for _ in range(c.parallelism)]
    together = predict(of, plan(of, {1: names}), profile)
    assert together.cross_tuples_per_s == pytest.approx(0.0, abs=1e-9)
    apart = plan(of, {i + 1: [name] for i, name in enumerate(names)})
    assert predict(of, apart, profile).cross_tuples_per_s == pytest.approx(
        together.traffic_tuples_per_s
    )


def test_separable_pipeline_by_hand() -> None:
    # 1 spout and 1 bolt in each of two containers: half of every stream stays.
    of = chain(2, 2)
    placed = plan(of, {1: ["spout", "b1"], 2: ["spout", "b1"]})
    predicted = predict(of, placed, Profile(rate_per_s={"spout": 50.0}))
    assert predicted.traffic_tuples_per_s == 100.0
    assert predicted.cross_fraction == 0.5
    # Per container: 50 leave its spout, 50 reach its bolt, 25 of them are the same tuples.
    assert predicted.stream_manager_max_tuples_per_s == 75.0


CONTAINER = Resources(2.0, 4 * GIB, 4 * GIB)


def limited(**service_s: float) -> tuple[float | None, str]:
    of = chain(1, 2)
    placed = plan(of, {1: ["spout", "b1"], 2: ["b1"]}, container=CONTAINER)
    predicted = predict(of, placed, Profile(rate_per_s={"spout": 100.0}, service_s=service_s))
    return predicted.sustainable_load_factor, predicted.bottleneck


def test_a_thread_limits() -> None:
    # Each b1 gets 50/s of 10 ms: half a thread, and container 1 has 0.5 + 0.1 of 2 cores.
    factor, bottleneck = limited(spout=0.001, b1=0.01)
    assert factor == pytest.approx(2.0)
    assert bottleneck.startswith("thread of b1 instance")


def test_a_container_limits() -> None:
    # The spout is busy for 0.8, its b1 for 0.6 of a thread: 1.4 cores of 1.0.
    of = chain(1, 2)
    placed = plan(of, {1: ["spout", "b1"], 2: ["b1"]}, container=Resources(1.0, GIB, GIB))
    load = Profile(rate_per_s={"spout": 100.0}, service_s={"spout": 0.008, "b1": 0.012})
    predicted = predict(of, placed, load)
    assert predicted.sustainable_load_factor == pytest.approx(1 / 1.4)
    assert predicted.bottleneck == "CPU of container 1"
    assert predicted.highest_cpu_utilisation == pytest.approx(1.4)
    assert predicted.load_max_over_mean == pytest.approx(1.4 / 1.0)


@pytest.mark.parametrize(("spout", "b1"), [(None, 0.01), (0.01, None)])
def test_unknown_service_times_leave_the_load_unknown(
    spout: float | None, b1: float | None
) -> None:
    known = {k: v for k, v in {"spout": spout, "b1": b1}.items() if v is not None}
    factor, bottleneck = limited(**known)
    assert factor is None
    assert bottleneck.startswith("not known")


def test_an_idle_topology_has_no_limit() -> None:
    of = chain(1, 2)
    placed = plan(of, {1: ["spout", "b1"], 2: ["b1"]}, container=CONTAINER)
    idle = predict(of, placed, Profile({"spout": 0.0}, {"spout": 0.1, "b1": 0.1}))
    assert idle.sustainable_load_factor is None
    assert idle.cross_fraction == 0.0


def test_a_container_without_cores_counts_only_when_it_has_work() -> None:
    of = topology({"s": 1, "idle": 1})
    placed = plan(of, {1: ["s"], 2: ["idle"]}, container=CONTAINER)
    placed = replace(placed, container_cpu_cores=np.array([2.0, 0.0]))
    load = Profile({"s": 100.0}, {"s": 0.001, "idle": 0.001})
    predicted = predict(of, placed, load)
    assert predicted.sustainable_load_factor == pytest.approx(10.0)
    assert predicted.highest_cpu_utilisation == pytest.approx(0.05)
    starved = replace(placed, container_cpu_cores=np.array([0.0, 2.0]))
    assert predict(of, starved, load).sustainable_load_factor == 0.0


def test_all_grouping_counts_every_copy() -> None:
    of = topology({"s": 1, "b": 3}, [("s", "b", Grouping.ALL)])
    placed = plan(of, {1: ["s", "b"], 2: ["b", "b"]})
    predicted = predict(of, placed, Profile({"s": 10.0}))
    assert predicted.traffic_tuples_per_s == 30.0
    assert predicted.cross_tuples_per_s == pytest.approx(20.0)


def test_global_grouping_follows_the_lowest_task() -> None:
    of = topology({"s": 1, "b": 2}, [("s", "b", Grouping.GLOBAL)])
    placed = plan(of, {1: ["s", "b"], 2: ["b"]})
    assert predict(of, placed, Profile({"s": 10.0})).cross_tuples_per_s == 0.0
    swapped = replace(placed, task_id=np.array([2, 3, 1]))
    assert predict(of, swapped, Profile({"s": 10.0})).cross_tuples_per_s == 10.0
