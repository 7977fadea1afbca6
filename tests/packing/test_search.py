"""The search over starts and rounds, and the counts it works on, against requests and plans."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from packing.flows import instance_shares
from packing.key_skew import KeyWeights
from packing.model import NO_COSTS, predict_placed
from packing.planners.packing_problem import RequestedPack, alike
from packing.profile import Profile
from packing.request import Request
from packing.search import kernel
from packing.search.configurations import configurations, rounded
from packing.search.kernel import TRAFFIC, Aim
from packing.search.portfolio import capped, front, improvements, levelled, search_counts
from packing.search.problem import PackingProblem
from packing.search.starts import by_rules, completed, repaired
from packing.topology import Grouping
from tests.packing.build import chain, roomy, topology
from tests.packing.search_problems import problem, problems, states, worth
from tests.packing.strategies import pack_requests

HOT = Profile(
    rate_per_s={"spout": 100.0},
    service_s={"spout": 1e-4, "a": 1e-3, "b": 2e-3},
    selectivity={("a", "b", "default"): 2.0},
    key_shares={("spout", "a", "default"): (0.4, 0.2, 0.2, 0.1, 0.1)},
)
HOT_TOPOLOGY = topology(
    {"spout": 3, "a": 5, "b": 4},
    [
        ("spout", "a", Grouping.FIELDS),
        ("a", "b", Grouping.SHUFFLE),
        ("spout", "b", Grouping.GLOBAL),
    ],
)


# --- the search ----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(problems())
def test_the_optimum_of_small_problems_is_found_and_known(of: PackingProblem) -> None:
    every = list(itertools.islice(states(of), 3_000))
    assume(len(every) < 3_000)
    found = search_counts(of)
    if not every:
        assert found is None
        return
    assert found is not None
    assert of.feasible(found.counts)
    best = max(worth(of, state, TRAFFIC) for state in every)
    assert found.worth == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_more_rounds_are_never_worse_and_never_infeasible(seed: int) -> None:
    of = problem(seed, 4, 8, 12, tight=1.4)
    found = list(improvements(of))
    assert found
    values = [one.worth for one in found]
    assert values == sorted(values)
    for one in found:
        assert of.feasible(one.counts)
        assert one.worth == pytest.approx(of.local_traffic(one.counts))
    stopped = search_counts(of, stop=lambda: True)
    assert stopped is not None and stopped.worth == values[0]
    again = search_counts(of)
    assert again is not None and np.array_equal(again.counts, found[-1].counts)
    columns = found[-1].columns
    assert columns is not None
    proved = kernel.configurations(of, columns.contents, 1_000, 10**6)
    assert values[-1] <= proved.value + of.container_count * proved.gap + 1e-6


@pytest.mark.parametrize("seed", range(12))
def test_starts_are_feasible(seed: int) -> None:
    of = problem(seed, 5, 9, 10, tight=1.4, spread=seed % 2 == 0)
    for state in by_rules(of):
        assert of.complaints(state) == []
    columns = configurations(of)
    assert columns is not None
    part = rounded(of, columns)
    assert (part >= 0).all() and (part.sum(axis=1) <= of.supply).all()
    assert (part.T @ of.needs <= of.capacity).all()
    whole = completed(of, part)
    assert whole is None or of.complaints(whole) == []


def test_whole_columns_are_the_optimum_where_the_lp_is_whole() -> None:
    """Ten pairs that talk, two places in each of ten containers."""
    of = PackingProblem(
        traffic=np.array([[0.0, 3.0], [3.0, 0.0]]),
        supply=np.array([10, 10]),
        needs=np.ones((2, 1)),
        capacity=np.full((10, 1), 2.0),
        most=np.full(10, 2),
        load=np.ones((2, 1)),
        component_of=np.array([0, 1]),
    )
    columns = configurations(of)
    assert columns is not None and columns.value == pytest.approx(30.0)
    assert of.local_traffic(rounded(of, columns)) == 30.0


@pytest.mark.parametrize("seed", range(8))
def test_states_over_capacity_are_repaired(seed: int) -> None:
    of = problem(seed, 4, 6, 8, tight=1.5)
    heap = np.zeros((of.class_count, of.container_count), dtype=np.int64)
    heap[:, 0] = of.supply
    mended = repaired(of, heap)
    assert mended is not None and of.complaints(mended) == []


@pytest.mark.parametrize("seed", range(6))
def test_components_are_spread_when_asked(seed: int) -> None:
    of = replace(problem(seed, 3, 4, 6, tight=2.0), spread=np.ones(3, dtype=bool))
    found = search_counts(of)
    assert found is not None
    inside = np.zeros((3, of.container_count), dtype=np.int64)
    np.add.at(inside, of.component_of, found.counts)
    many = inside.sum(axis=1) > 1
    assert ((inside > 0).sum(axis=1) > 1)[many].all()


@settings(deadline=None, max_examples=100)
@given(problems())
def test_no_state_is_more_level(of: PackingProblem) -> None:
    """Small enough to look at all states."""
    of = replace(of, home=None, move_price=np.zeros(0))
    every = list(itertools.islice(states(of), 3_000))
    assume(len(every) < 3_000)
    found = levelled(of)
    if found is None:
        assert not any(of.feasible(state) for state in by_rules(of))
        return
    weight = 1.0 / (of.supply @ of.load)

    def fullest(state: np.ndarray) -> float:  # type: ignore[type-arg]
        return float((of.loads(state) * weight).max())

    assert of.feasible(found)
    assert fullest(found) <= min(map(fullest, every)) + 1e-5


def test_the_front_trades_load_for_traffic() -> None:
    of = problem(5, 5, 10, 20, tight=1.4)
    of = replace(of, load=of.load[:, :1])
    found = front(of, 5)
    assert len(found) >= 3
    loads = [float(of.loads(one.counts).max()) for one in found]
    kept = [of.local_traffic(one.counts) for one in found]
    assert loads[1:] == sorted(loads[1:])
    assert min(loads) >= loads[0] * 0.9
    assert kept == sorted(kept)
    assert kept[0] < kept[-1]
    for one in found:
        assert of.feasible(one.counts)
    cap = (loads[0] + loads[-1]) / 2
    tight = search_counts(capped(of, cap), starts=[found[0].counts])
    assert tight is not None
    assert of.loads(tight.counts).max() <= cap


def test_penalties_pull_loads_under_the_cap() -> None:
    of = problem(4, 4, 6, 10, tight=1.6)
    free = search_counts(of)
    assert free is not None
    high = of.loads(free.counts).max(axis=0)
    aim = Aim(1.0, high * 0.85, 1e6)
    held = search_counts(of, aim)
    assert held is not None
    over = np.maximum(of.loads(held.counts) - high * 0.85, 0).sum()
    assert over < np.maximum(of.loads(free.counts) - high * 0.85, 0).sum()


# --- requests as counts --------------------------------------------------------------------------


@settings(deadline=None, max_examples=80)
@given(pack_requests())
def test_counts_keep_the_traffic_that_the_model_says(request: Request) -> None:
    pack = RequestedPack(request)
    of = pack.problem(largest=True)
    counts = pack.dealt_counts
    plan = pack.plan(counts)
    assert np.array_equal(np.sort(plan.counts.sum(axis=0)), np.sort(counts.sum(axis=0)))
    assert of.instance_count == request.topology.instance_count
    predicted = predict_placed(request.prepared, plan, False, request.costs, request.runtime)
    local = predicted.traffic_tuples_per_s - predicted.cross_tuples_per_s
    assert of.local_traffic(counts) == pytest.approx(local, rel=1e-6, abs=1e-6)
    everything = np.full((of.class_count, 1), 1) * of.supply[:, None]
    assert of.local_traffic(everything) == pytest.approx(request.prepared.traffic_per_s, abs=1e-6)


def test_hot_instances_are_classes_of_their_own() -> None:
    pack = RequestedPack(Request(HOT_TOPOLOGY, roomy(3), profile=HOT))
    classes = pack.classes
    # a: shares .4, .2 twice, .1 twice. b: its first instance also gets the GLOBAL stream.
    assert classes.component.tolist() == [0, 1, 1, 1, 2, 2]
    assert [members.tolist() for members in classes.members] == [
        [0, 1, 2], [0], [1, 2], [3, 4], [0], [1, 2, 3],
    ]  # fmt: skip
    assert classes.sent[1:4].tolist() == pytest.approx([0.4, 0.2, 0.1])
    of = pack.problem()
    shares = classes.sent * classes.supply
    assert np.bincount(classes.component, shares).tolist() == pytest.approx([1.0, 1.0, 1.0])
    # spouts 300/s, a gets 300/s of 1 ms, b 600/s and 300/s of 2 ms
    assert (of.load[:, 0] @ of.supply) == pytest.approx(300 * 1e-4 + 300 * 1e-3 + 900 * 2e-3)


@pytest.mark.parametrize("containers", [2, 3, 4])
def test_plans_put_the_hot_instances_where_the_counts_say(containers: int) -> None:
    request = Request(HOT_TOPOLOGY, roomy(containers), profile=HOT, costs=NO_COSTS)
    pack = RequestedPack(request)
    of = pack.problem(largest=True)
    found = search_counts(of)
    assert found is not None
    plan = pack.plan(found.counts)
    shares = instance_shares(request.topology, plan, request.prepared.rates)
    for k, v in enumerate(pack.classes.component.tolist()):
        for c in range(containers):
            here = (plan.component == v) & (plan.container == c)
            alike_ones = np.isclose(shares[here], pack.classes.sent[k])
            assert alike_ones.sum() == found.counts[k, c]
    predicted = predict_placed(request.prepared, plan)
    local = predicted.traffic_tuples_per_s - predicted.cross_tuples_per_s
    assert found.worth == pytest.approx(local)


def test_loads_are_those_of_the_model() -> None:
    """Without Heron's costs load is the users' code; with them at least that."""
    request = Request(HOT_TOPOLOGY, roomy(3), profile=HOT)
    pack = RequestedPack(request)
    counts = pack.dealt_counts
    predicted = predict_placed(request.prepared, pack.plan(counts))
    loads = pack.problem().loads(counts)[:, 0]
    assert loads.max() / loads.mean() == pytest.approx(predicted.load_max_over_mean)


def test_without_a_known_load_the_cpu_asked_for_counts() -> None:
    asked = roomy(2, component_cpu_cores={"spout": 0.5, "b1": 2.0})
    pack = RequestedPack(Request(chain(2, 2), asked))
    assert pack.problem().load[:, 0].tolist() == [0.5, 2.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_grouping_shares_keeps_every_instance_once(values: list[float]) -> None:
    shares = np.array(values)
    groups = alike(shares)
    assert len(groups) <= 8
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(values)))
    hottest = [shares[group].max() for group in groups]
    assert hottest == sorted(hottest, reverse=True)
    for one, other in itertools.pairwise(groups):
        assert shares[one].min() >= shares[other].max()


def test_many_keys_make_few_classes() -> None:
    weights = KeyWeights({f"key-{i}": 1.0 / (i + 1) ** 1.2 for i in range(5_000)})
    profile = replace(HOT, key_shares={}, key_weights={("spout", "a", "default"): weights})
    wide = topology({"spout": 3, "a": 100, "b": 4}, [("spout", "a", Grouping.FIELDS)])
    pack = RequestedPack(Request(wide, roomy(10), profile=profile))
    of = pack.problem()
    assert 3 < of.class_count <= 2 + 8
    assert (pack.classes.sent * of.supply)[pack.classes.component == 1].sum() == pytest.approx(1.0)
