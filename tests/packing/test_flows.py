from __future__ import annotations

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packing.errors import InvalidRequest
from packing.flows import flows, instance_shares
from packing.profile import Profile
from packing.topology import Grouping, Stream, Topology

from .brute_force import input_rates
from .build import plan, topology
from .strategies import plans, profiles, topologies


def selective(**selectivity: float) -> dict[tuple[str, str, str], float]:
    """`selective(a_b=2)`."""
    return {(*key.split("_"), "default"): value for key, value in selectivity.items()}  # type: ignore[misc]


def test_rates_by_hand() -> None:
    # 2 spouts x 100/s = 200/s; 3 tuples each to a: 600/s; a passes half on to b: 300/s; every one
    # of the 4 instances of b gets each tuple: 1200/s.
    of = topology({"s": 2, "a": 3, "b": 4}, [("s", "a"), ("a", "b", Grouping.ALL)])
    rates = flows(of, Profile(rate_per_s={"s": 100.0}, selectivity=selective(s_a=3.0, a_b=0.5)))
    assert rates.input_per_s.tolist() == pytest.approx([200, 600, 1200])
    assert rates.stream_per_s.tolist() == pytest.approx([600, 1200])


def test_nothing_known_gives_one_tuple_per_spout_instance() -> None:
    of = topology({"s": 3, "a": 2}, [("s", "a")])
    assert flows(of, Profile()).input_per_s.tolist() == [3.0, 3.0]


def test_streams_between_the_same_components_add_up() -> None:
    streams = [
        Stream("s", "a", "left", Grouping.SHUFFLE),
        Stream("s", "a", "right", Grouping.FIELDS),
    ]
    of = topology({"s": 1, "a": 2}, streams)
    rates = flows(
        of,
        Profile(
            rate_per_s={"s": 10.0},
            selectivity={("s", "a", "left"): 2.0, ("s", "a", "right"): 0.5},
        ),
    )
    assert rates.stream_per_s.tolist() == [20.0, 5.0]
    assert rates.input_per_s.tolist() == [10.0, 25.0]


def test_a_loop_is_a_geometric_series() -> None:
    # a sends half of what it gets back to itself through b: 100 (1 + 1/2 + 1/4 + ...) = 200.
    of = topology({"s": 1, "a": 1, "b": 1}, [("s", "a"), ("a", "b"), ("b", "a")])
    rates = flows(of, Profile(rate_per_s={"s": 100.0}, selectivity=selective(a_b=0.5)))
    assert rates.input_per_s.tolist() == pytest.approx([100, 200, 100])


def test_a_loop_onto_itself() -> None:
    of = topology({"s": 1, "a": 2}, [("s", "a"), ("a", "a")])
    rates = flows(of, Profile(rate_per_s={"s": 9.0}, selectivity=selective(a_a=0.1)))
    assert rates.input_per_s.tolist() == pytest.approx([9, 10])
    with pytest.raises(InvalidRequest, match="cycle, a -> a, in which tuples multiply"):
        flows(of, Profile())


def test_a_loop_through_all_grouping_multiplies_by_the_copies() -> None:
    of = topology({"s": 1, "a": 2}, [("s", "a"), ("a", "a", Grouping.ALL)])
    # Two copies of 0.4 tuples: 0.8 back per tuple, 1 / (1 - 0.8) = 5. Of 0.5: without end.
    rates = flows(of, Profile(rate_per_s={"s": 1.0}, selectivity=selective(a_a=0.4)))
    assert rates.input_per_s[1] == pytest.approx(5)
    with pytest.raises(InvalidRequest, match="multiply without end"):
        flows(of, Profile(selectivity=selective(a_a=0.5)))


LOOPS = [("a", "b"), ("c", "d"), ("e", "e")]


@pytest.mark.parametrize("order", list(itertools.permutations(LOOPS)))
def test_the_loop_that_diverges_is_named(order: tuple[tuple[str, str], ...]) -> None:
    edges = [("s", "a"), ("s", "c"), ("b", "e")]
    for u, v in order:
        edges += [(u, v), (v, u)] if u != v else [(u, v)]
    of = topology(dict.fromkeys("sabcde", 1), edges)
    fading = selective(a_b=0.5, b_a=0.5, e_e=0.9)
    with pytest.raises(InvalidRequest) as refused:
        flows(of, Profile(selectivity=fading))
    assert "cycle, c -> d -> c," in str(refused.value) or "d -> c -> d," in str(refused.value)
    flows(of, Profile(selectivity={**fading, **selective(c_d=0.99)}))


def test_rates_beyond_computing_are_refused_by_name() -> None:
    of = topology({"s": 1, "a": 1, "b": 1}, [("s", "a"), ("a", "b")])
    for rate, s_a, a_b, complaint in (
        (1e308, 1.0, 1.0, "s would carry 1e+308 tuples/s"),
        (1e10, 1e10, 1.0, "a would carry 1e+20 tuples/s"),
        (1e5, 1e9, 1e308, " tuples/s; lower the rates or selectivities that lead to it"),
    ):
        profile = Profile(rate_per_s={"s": rate}, selectivity=selective(s_a=s_a, a_b=a_b))
        with pytest.raises(InvalidRequest, match=re.escape(complaint)):
            flows(of, profile)


def test_large_and_small_gains_side_by_side_stay_exact() -> None:
    of = topology({"s": 1, "a": 1, "b": 1}, [("s", "a"), ("a", "b"), ("s", "b")])
    rates = flows(of, Profile({"s": 3.0}, selectivity=selective(s_a=1e12, a_b=1e-12, s_b=1.0)))
    assert rates.input_per_s.tolist() == pytest.approx([3.0, 3e12, 6.0], rel=1e-15)


@given(st.data())
def test_flow_is_conserved(data: st.DataObject) -> None:
    of = data.draw(topologies())
    profile = data.draw(profiles(of))
    rates = flows(of, profile)
    arriving = dict.fromkeys(of.names, 0.0)
    for stream, rate in zip(of.streams, rates.stream_per_s.tolist(), strict=True):
        arriving[stream.target] += rate
        copies = of.parallelism[stream.target] if stream.grouping is Grouping.ALL else 1
        emitted = profile.selectivity[stream.source, stream.target, stream.stream_id]
        source = rates.input_per_s[of.position[stream.source]]
        assert rate == pytest.approx(source * emitted * copies)
    for component, rate in zip(of.components, rates.input_per_s.tolist(), strict=True):
        own = profile.rate_per_s.get(component.name, 0.0) * component.parallelism
        assert rate == pytest.approx(arriving[component.name] + own)


@given(st.data())
def test_rates_and_shares_instance_by_instance(data: st.DataObject) -> None:
    of = data.draw(topologies())
    profile = data.draw(profiles(of))
    placed = data.draw(plans(of))
    explicit = input_rates(of, placed, profile, len(of.components) + 1)
    rates = flows(of, profile)
    shares = instance_shares(of, placed, rates)
    mine = rates.input_per_s[placed.component] * shares
    for instance, rate in zip(placed.instances(), mine.tolist(), strict=True):
        expected = explicit[instance.component, instance.task_id]
        assert rate == pytest.approx(expected, rel=1e-9, abs=1e-9)
    sums = np.bincount(placed.component, shares)
    assert sums == pytest.approx(1.0)


@given(st.data())
def test_loops_are_what_passing_on_forever_leads_to(data: st.DataObject) -> None:
    of = data.draw(topologies(max_components=3, max_parallelism=2, loops=True))
    # Selectivities so small that whatever loops there are fade.
    copies = 2 * max(1, len(of.streams))
    profile = data.draw(profiles(of, max_selectivity=0.8 / copies))
    rates = flows(of, profile)
    placed = data.draw(plans(of))
    explicit = input_rates(of, placed, profile, rounds=120)
    for name, rate in zip(of.names, rates.input_per_s.tolist(), strict=True):
        total = sum(value for (component, _), value in explicit.items() if component == name)
        assert rate == pytest.approx(total, rel=1e-6, abs=1e-6)


@given(st.data(), st.floats(0.1, 10.0))
def test_scaling_rates_scales_flows(data: st.DataObject, factor: float) -> None:
    of = data.draw(topologies())
    profile = data.draw(profiles(of))
    scaled = replace(profile, rate_per_s={k: v * factor for k, v in profile.rate_per_s.items()})
    assert flows(of, scaled).stream_per_s == pytest.approx(flows(of, profile).stream_per_s * factor)


def test_the_lowest_task_takes_global_streams() -> None:
    of = Topology(
        "id",
        "name",
        topology({"s": 1, "a": 2}).components,
        (
            Stream("s", "a", "one", Grouping.GLOBAL),
            Stream("s", "a", "two", Grouping.SHUFFLE),
        ),
    )
    placed = plan(of, {1: ["s", "a"], 2: ["a"]})
    rates = flows(of, Profile(selectivity={("s", "a", "one"): 3.0}))
    # 3 of 4 tuples go to the lowest task, and of the fourth each gets half: 3.5 and 0.5.
    assert instance_shares(of, placed, rates).tolist() == [1.0, 3.5 / 4, 0.5 / 4]
    swapped = replace(placed, task_id=np.array([1, 9, 2]))
    assert instance_shares(of, swapped, rates).tolist() == [1.0, 0.5 / 4, 3.5 / 4]
