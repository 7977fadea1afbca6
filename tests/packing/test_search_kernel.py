"""The compiled kernel does what its definitions say, and stays within its arrays."""

from __future__ import annotations

import itertools
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import hatch_build
from packing.errors import InvalidRequest
from packing.search import kernel
from packing.search.kernel import TRAFFIC, Aim
from packing.search.problem import PackingProblem
from tests.packing.search_problems import aims, problem, problems, states, worth

ROOT = Path(__file__).resolve().parents[2]


@given(problems(), aims(), st.data())
def test_worth_is_as_defined(of: PackingProblem, aim: Aim, data: st.DataObject) -> None:
    every = list(itertools.islice(states(of), 200))
    assume(every)
    state = data.draw(st.sampled_from(every))
    assert kernel.value(of, state, aim) == pytest.approx(worth(of, state, aim), abs=1e-9)


@settings(deadline=None)
@given(problems(), aims(), st.integers(0, 2**64 - 1))
def test_annealing_stays_feasible_and_says_what_it_found(
    of: PackingProblem, aim: Aim, seed: int
) -> None:
    start = next(states(of), None)
    assume(start is not None)
    assert start is not None
    found, value = kernel.anneal(of, start, aim, 2_000, 10.0, 0.01, seed)
    assert of.complaints(found) == []
    assert value == pytest.approx(worth(of, found, aim), abs=1e-9)
    assert value >= worth(of, start, aim) - 1e-9
    again, same = kernel.anneal(of, start, aim, 2_000, 10.0, 0.01, seed)
    assert np.array_equal(again, found)
    assert same == value


@settings(deadline=None, max_examples=60)
@given(problems(), aims())
def test_exact_search_and_annealing_find_the_best_of_all_states(
    of: PackingProblem, aim: Aim
) -> None:
    every = list(itertools.islice(states(of), 3_000))
    assume(len(every) < 3_000)
    found, value, proved = kernel.exact(of, aim, 10**6)
    assert proved
    if not every:
        assert found is None
        return
    best = max(worth(of, state, aim) for state in every)
    assert found is not None
    assert of.feasible(found)
    assert value == pytest.approx(best, abs=1e-9)
    # Steps enough to reach everything that exchanges can reach, from everywhere.
    annealed = max(
        kernel.anneal(of, start, aim, 5_000, 20.0, 0.01, 1)[1]
        for start in every[:: len(every) // 9 + 1]
    )
    assert annealed == pytest.approx(best, abs=1e-9)


def test_exact_search_says_when_it_gave_up() -> None:
    of = problem(1, 3, 3)
    best, value, proved = kernel.exact(of, TRAFFIC, 10**6)
    assert proved and best is not None
    start = next(states(of))
    _, early, gave_up = kernel.exact(of, TRAFFIC, 3, start)
    assert not gave_up
    assert kernel.value(of, start) <= early <= value
    unproved, same, _ = kernel.exact(of, TRAFFIC, 10**6, best)
    assert same == value and np.array_equal(unproved, best)


def test_only_active_containers_change_and_the_target_ends_the_search() -> None:
    of = problem(3, 4, 6, 5, tight=2.0)
    start = next(iter(_dealt(of)))
    found, _ = kernel.anneal(of, start, TRAFFIC, 20_000, 10.0, 0.1, 1, active=[0, 2, 3])
    assert np.array_equal(found[:, [1, 4, 5]], start[:, [1, 4, 5]])
    assert not np.array_equal(found, start)
    begin = kernel.value(of, start)
    _, value = kernel.anneal(of, start, TRAFFIC, 20_000, 10.0, 0.1, 1)
    half, reached = kernel.anneal(
        of, start, TRAFFIC, 20_000, 10.0, 0.1, 1, target=(begin + value) / 2
    )
    assert (begin + value) / 2 <= reached < value
    assert of.feasible(half)


def _dealt(of: PackingProblem) -> list[np.ndarray]:  # type: ignore[type-arg]
    empty = np.zeros((of.class_count, of.container_count), dtype=np.int64)
    found = []
    for rule in range(4):
        state, left = kernel.fill(of, empty, np.argsort(-of.needs[:, 1]), rule)
        if not left.any() and of.feasible(state):
            found.append(state)
    assert found
    return found


def test_long_runs_do_not_drift() -> None:
    """Worth is kept step by step; after millions of them it is still what the state is worth."""
    of = problem(8, 5, 12, 20, tight=1.5)
    start = _dealt(of)[0]
    found, value = kernel.anneal(of, start, TRAFFIC, 2_000_000, 30.0, 1.0, 1)
    assert of.feasible(found)
    assert value == pytest.approx(of.local_traffic(found), rel=1e-12)


def test_whole_amounts_fit_to_the_byte() -> None:
    """Instances that fill their containers exactly can still be exchanged."""
    of = replace(
        problem(1, 2, 2),
        traffic=np.array([[0.0, 1.0], [1.0, 0.0]]),
        supply=np.array([2, 2]),
        needs=np.array([[0.1, 2.0**40 + 1], [0.2, 2.0**40 + 1]]),
        capacity=np.full((2, 2), [np.inf, 2.0**41 + 2]),
        most=np.array([3, 3]),
        load=np.zeros((2, 0)),
    )
    found, value = kernel.anneal(of, np.array([[2, 0], [0, 2]]), TRAFFIC, 1_000, 1.0, 0.1, 1)
    assert value == 2.0
    assert of.feasible(found)


def test_a_start_that_is_not_feasible_is_refused() -> None:
    of = problem(1, 2, 2)
    with pytest.raises(ValueError, match="not feasible"):
        kernel.anneal(of, np.array([of.supply, 0 * of.supply]).T, TRAFFIC, 10, 1.0, 0.1, 1)
    with pytest.raises(ValueError, match="counts have shape"):
        kernel.value(of, np.zeros((5, 5), dtype=np.int64))
    with pytest.raises(ValueError, match="must not be negative"):
        kernel.value(of, np.full((2, 2), -1))
    with pytest.raises(ValueError, match="active containers must be from 0 to 1"):
        kernel.anneal(of, np.ones((2, 2), dtype=np.int64), TRAFFIC, 10, 1.0, 0.1, 1, active=[2])
    with pytest.raises(InvalidRequest, match="capacity has shape"):
        replace(of, needs=np.ones((2, 3)))


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([1.0, 1.5, 3.0]))
def test_the_best_content_of_a_container_is_found(seed: int, classes: int, tight: float) -> None:
    of = problem(seed, classes, 3, 4, tight=tight)
    rng = np.random.default_rng(seed)
    price = rng.uniform(-5, 15, classes)
    contents = [
        np.array(x)
        for x in itertools.product(*(range(count + 1) for count in of.supply))
        if 1 <= sum(x) <= of.most[0] and (np.array(x) @ of.needs <= of.capacity[0]).all()
    ]
    best = max(x @ of.traffic @ x / 2 - x @ price for x in contents)
    content, value, proved = kernel.best_content(of, price, 10**7)
    assert proved and content is not None
    assert value == pytest.approx(best, abs=1e-9)
    assert content @ of.traffic @ content / 2 - content @ price == pytest.approx(best, abs=1e-9)
    nothing, floor, proved = kernel.best_content(of, price, 10**7, at_least=best + 1e-6)
    assert nothing is None and proved and floor == best + 1e-6


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 3))
def test_the_configuration_lp_bounds_every_state(seed: int, classes: int, containers: int) -> None:
    of = problem(seed, classes, containers)
    solved = kernel.configurations(of, np.zeros((0, classes), dtype=np.int64), 1_000, 10**6)
    assert math.isfinite(solved.gap)
    every = [of.local_traffic(state) for state in itertools.islice(states(of), 3_000)]
    if every:
        assert max(every) <= solved.value + containers * solved.gap + 1e-6
        assert solved.complete
    if solved.complete:
        assert solved.times @ solved.contents == pytest.approx(of.supply)
        assert solved.times.sum() == pytest.approx(containers)
        kept = np.einsum("iu,uv,iv->i", solved.contents, of.traffic, solved.contents) / 2
        assert solved.times @ kept == pytest.approx(solved.value, abs=1e-6)
        prices, room = solved.prices[:-1], solved.prices[-1]
        assert prices @ of.supply + containers * room == pytest.approx(solved.value, abs=1e-6)
    for content in solved.contents:
        assert (content @ of.needs <= of.capacity[0]).all()
        assert 1 <= content.sum() <= of.most[0]


def test_filling_follows_its_rules() -> None:
    of = PackingProblem(
        traffic=np.array([[0.0, 5.0], [5.0, 0.0]]),
        supply=np.array([2, 2]),
        needs=np.array([[2.0], [1.0]]),
        capacity=np.array([[4.0], [4.0], [4.0]]),
        most=np.array([4, 4, 4]),
        load=np.array([[1.0], [1.0]]),
        component_of=np.array([0, 1]),
    )
    empty = np.zeros((2, 3), dtype=np.int64)

    def filled(rule: int, state: np.ndarray = empty) -> list[list[int]]:  # type: ignore[type-arg]
        found, left = kernel.fill(of, state, [0, 1], rule)
        assert not left.any()
        return found.tolist()

    assert filled(kernel.FIRST_FIT) == [[2, 0, 0], [0, 2, 0]]
    assert filled(kernel.LEAST_LOADED) == [[1, 1, 0], [1, 0, 1]]
    begun = np.array([[0, 0, 1], [0, 0, 0]])
    assert filled(kernel.MOST_ATTRACTED, begun)[1] in ([1, 0, 1], [0, 0, 2])
    assert filled(kernel.TIGHTEST, np.array([[0, 1, 0], [0, 0, 0]]))[0] == [0, 2, 0]
    full = replace(of, supply=np.array([7, 0]))
    _, left = kernel.fill(full, empty, [0, 1], kernel.FIRST_FIT)
    assert left.tolist() == [1, 0]
    turns, _ = kernel.fill(of, empty, [0, 1, 0, 1], kernel.MOST_ATTRACTED, one_each=True)
    assert turns[:, turns.sum(axis=0) > 0].tolist() == [[1, 1], [1, 1]]


SANITIZED = """
import sys
import numpy as np
from packing.search import kernel
kernel.LIBRARY = sys.argv[1]
from packing.search.portfolio import capped, front, levelled, search_counts
from tests.packing.search_problems import problem
for seed in range(30):
    for options in ({}, {"repack": True}, {"spread": True}, {"uneven": True, "tight": 1.1}):
        of = problem(seed, 1 + seed % 6, 1 + seed % 7, 1 + seed % 9, **options)
        found = search_counts(of, steps=2000)
        assert found is None or of.feasible(found.counts)
        levelled(of, steps=1000)
        kernel.best_content(of, np.linspace(-3, 3, of.class_count), 1000)
print("done")
"""


def test_no_step_leaves_its_arrays(tmp_path: Path) -> None:
    """The kernel under the address and undefined behaviour sanitizers, with warnings as errors."""
    compiler = shutil.which("gcc")
    runtimes = [_runtime(compiler, name) for name in ("libasan.so", "libubsan.so")]
    if compiler is None or None in runtimes:
        pytest.skip("gcc's sanitizer libraries are not installed")
    library = tmp_path / "libkernel.so"
    subprocess.run(
        [compiler, "-O1", "-g", "-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
         "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
         "-o", library, ROOT / "packing" / "search" / "kernel.c", "-lm"],
        check=True,
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SANITIZED, library],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={
            "LD_PRELOAD": " ".join(map(str, runtimes)),
            "ASAN_OPTIONS": "detect_leaks=0",
            "PYTHONPATH": str(ROOT),
        },
        check=False,
    )
    assert done.stdout == "done\n", done.stderr[-4000:]


def _runtime(compiler: str | None, name: str) -> Path | None:
    if compiler is None:
        return None
    asked = [compiler, f"-print-file-name={name}"]
    found = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    return found if found.is_absolute() and found.exists() else None


def test_a_missing_library_says_how_to_build_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel._library.cache_clear()
    monkeypatch.setattr(kernel, "LIBRARY", "/nowhere/libkernel.so")
    try:
        with pytest.raises(kernel.KernelMissing, match=r"python hatch_build\.py"):
            kernel.value(problem(1, 2, 2), np.ones((2, 2), dtype=np.int64))
    finally:
        monkeypatch.undo()
        kernel._library.cache_clear()


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="install gcc"):
        hatch_build.compile_kernel(tmp_path)
