"""Most local traffic: never less than an optimum keeps, and tight where that is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packing.arrays import Floats
from packing.bounds import traffic as bounded
from packing.bounds.traffic import NODES, largest_form, most_instances, most_local_traffic
from packing.search.kernel import KernelMissing
from packing.search.problem import PackingProblem


def problem(  # noqa: PLR0917 - a problem is its parts
    traffic: Floats,
    supply: list[int],
    containers: int,
    most: int,
    needs: Floats | None = None,
    capacity: float = math.inf,
) -> PackingProblem:
    classes = len(supply)
    needs = np.zeros((classes, 1)) if needs is None else needs.reshape(classes, 1)
    return PackingProblem(
        traffic=traffic,
        supply=np.array(supply),
        needs=needs,
        capacity=np.full((containers, 1), capacity),
        most=np.full(containers, most),
        load=np.zeros((classes, 1)),
        component_of=np.arange(classes),
    )


def chain(components: int, parallelism: int) -> Floats:
    """Traffic 1 on each stream of a chain of equally many instances."""
    traffic = np.zeros((components, components))
    for u in range(components - 1):
        traffic[u, u + 1] = traffic[u + 1, u] = 1 / parallelism**2
    return traffic


def most_kept(given: PackingProblem) -> float:
    """The optimum by trying every state, container by container; -inf where none is feasible."""
    contents = [
        np.array(content)
        for content in itertools.product(*(range(s + 1) for s in given.supply.tolist()))
        if 1 <= sum(content) <= given.most[0]
        and np.all(np.array(content) @ given.needs <= given.capacity[0])
    ]
    values = [float(x @ given.traffic @ x) / 2 for x in contents]
    states = {tuple(given.supply.tolist()): 0.0}
    for _ in range(given.container_count):
        following: dict[tuple[int, ...], float] = {}
        for left, kept in states.items():
            for content, value in zip(contents, values, strict=True):
                rest = np.array(left) - content
                if (rest >= 0).all():
                    key = tuple(rest.tolist())
                    following[key] = max(following.get(key, -math.inf), kept + value)
        states = following
    return states.get((0,) * len(given.supply), -math.inf)


@st.composite
def problems(draw: st.DrawFn) -> PackingProblem:
    classes = draw(st.integers(1, 4))
    traffic = np.zeros((classes, classes))
    for u in range(classes):
        for v in range(u, classes):
            traffic[u, v] = traffic[v, u] = draw(st.sampled_from([0.0, 0.0, 0.1, 1.0, 1.5, 7.0]))
    supply = [draw(st.integers(1, 3)) for _ in range(classes)]
    containers = draw(st.integers(1, min(4, sum(supply))))
    needs = np.array([draw(st.sampled_from([0.0, 1.0, 2.0, 3.0])) for _ in range(classes)])
    capacity = draw(st.sampled_from([3.0, 4.0, 6.0, math.inf]))
    most = draw(st.integers(1, 6))
    return problem(traffic, supply, containers, most, needs, capacity)


@settings(max_examples=300, deadline=None)
@given(problems(), st.sampled_from([0, 1, 20, NODES]))
def test_never_less_than_the_optimum(given_problem: PackingProblem, nodes: int) -> None:
    optimum = most_kept(given_problem)
    bound = most_local_traffic(given_problem, nodes)
    assert bound.value >= optimum * (1 - 1e-9) or optimum == -math.inf
    assert bound.value <= float(
        given_problem.supply @ given_problem.traffic @ given_problem.supply
    ) / 2 * (1 + 1e-8)


@settings(max_examples=100, deadline=None)
@given(problems())
def test_the_configuration_lp_is_the_best_of_all(given_problem: PackingProblem) -> None:
    solved, cheap = most_local_traffic(given_problem), most_local_traffic(given_problem, 0)
    assert solved.value <= cheap.value * (1 + 1e-6) + 1e-9


@pytest.mark.parametrize(
    ("given_problem", "remote", "exact"),
    [
        # Eight components in a row, sixteen instances each, eight to a container: pairs share.
        (problem(chain(8, 16), [16] * 8, 16, 8), 0.857, True),
        (problem(chain(2, 4), [4, 4], 2, 4), 0.5, True),
    ],
)
def test_known_optima(given_problem: PackingProblem, remote: float, exact: bool) -> None:
    total = float(given_problem.supply @ given_problem.traffic @ given_problem.supply) / 2
    for nodes in (0, NODES):
        found = 1 - most_local_traffic(given_problem, nodes).value / total
        assert found == pytest.approx(remote, abs=5e-4) or not exact


def diamond() -> PackingProblem:
    """source -> three in parallel -> sink, four instances each, five to a container."""
    traffic = np.zeros((5, 5))
    for middle in (1, 2, 3):
        for end in (0, 4):
            traffic[end, middle] = traffic[middle, end] = 1 / 16
    return problem(traffic, [4] * 5, 4, 5)


def test_a_diamond_is_bounded_by_its_pairs_and_better_by_the_lp() -> None:
    cheap = 1 - most_local_traffic(diamond(), 0).value / 6
    solved = 1 - most_local_traffic(diamond()).value / 6
    assert cheap == pytest.approx(0.740, abs=1e-3)
    assert cheap < solved <= 0.750 + 1e-9  # a plan is known that keeps a quarter


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 5), st.data())
def test_no_mixture_is_above_the_largest_form(size: int, data: st.DataObject) -> None:
    traffic = np.zeros((size, size))
    for u in range(size):
        for v in range(u, size):
            traffic[u, v] = traffic[v, u] = data.draw(st.sampled_from([0.0, 0.5, 1.0, 3.0]))
    found = largest_form(traffic)
    steps = 12
    best = 0.0
    for parts in itertools.product(range(steps + 1), repeat=size):
        if sum(parts) == steps:
            z = np.array(parts) / steps
            best = max(best, float(z @ traffic @ z) / 2)
    assert best <= found + 1e-12
    # Between grid points the form rises by less than this.
    assert found <= best + traffic.max() / steps + 1e-12


def test_cliques_by_motzkin_and_straus() -> None:
    for size in (2, 3, 5):
        everyone = np.ones((size, size)) - np.eye(size)
        assert largest_form(everyone) == pytest.approx((1 - 1 / size) / 2)


def test_too_many_cliques_are_bounded_by_the_largest_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounded, "MAX_CLIQUES", 3)
    everyone = np.ones((6, 6)) - np.eye(6)
    assert largest_form(everyone) == 0.5


def test_most_instances_by_count_and_by_each_resource() -> None:
    needs = np.array([1.0, 3.0])
    assert most_instances(problem(chain(2, 4), [2, 4], 2, 9, needs, 6.0)) == 3
    assert most_instances(problem(chain(2, 4), [2, 4], 2, 2, needs, 6.0)) == 2
    # One must be left for each of the others.
    assert most_instances(problem(chain(2, 4), [2, 4], 4, 9)) == 3


def test_without_the_kernel_the_simple_bounds_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise KernelMissing("not built")

    monkeypatch.setattr(bounded, "configurations", missing)
    assert most_local_traffic(diamond()) == most_local_traffic(diamond(), 0)


def test_no_traffic_needs_no_proof() -> None:
    found = most_local_traffic(problem(np.zeros((2, 2)), [2, 2], 2, 3))
    assert (found.value, found.how) == (0.0, "no traffic")
