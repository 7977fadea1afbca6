from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packing.arrays import Floats
from packing.model.queueing import TERMS, packet_wait, smooth_arrivals_factor

JOBS = 400_000


def one(value: float) -> Floats:
    return np.array([value])


def intervals(random: np.random.Generator, mean: float, scv: float, shape: tuple[int, ...]
) -> Floats:  # fmt: skip
    """Gamma distributed; all equal for an scv of 0."""
    if scv == 0:
        return np.full(shape, mean)
    return random.gamma(1.0 / scv, mean * scv, shape)


def lindley(arrivals: Floats, services: Floats) -> Floats:
    """Waits by Lindley's recursion W' = max(0, W + s - a), along the last axis."""
    steps = services[..., :-1] - np.diff(arrivals, axis=-1)
    walk = np.concatenate([np.zeros((*steps.shape[:-1], 1)), np.cumsum(steps, axis=-1)], axis=-1)
    return np.asarray(walk - np.minimum.accumulate(walk, axis=-1))


def simulated(rho: float, arrival_scv: float, service_scv: float) -> float:
    """Mean wait in service times of a G/G/1 queue with gamma distributions."""
    random = np.random.default_rng(17)
    arrivals = np.cumsum(intervals(random, 1.0 / rho, arrival_scv, (JOBS,)))
    return float(lindley(arrivals, intervals(random, 1.0, service_scv, (JOBS,))).mean())


def formula(rho: float, arrival_scv: float, service_scv: float) -> float:
    """Kingman's, in service times, with the factor."""
    factor = smooth_arrivals_factor(one(rho), one(arrival_scv), one(service_scv))[0]
    return float(rho / (1.0 - rho) * (arrival_scv + service_scv) / 2.0 * factor)


def equal_packets(rho: float, clocks: float) -> float:
    return float(packet_wait(one(rho), one(1.0), one(0.0), one(clocks))[0])


@pytest.mark.parametrize(
    ("arrival_scv", "service_scv", "rho", "low", "high"),
    [
        # Poisson arrivals: exact.
        (1.0, 0.25, 0.5, -0.03, 0.03),
        (1.0, 1.0, 0.8, -0.04, 0.04),
        (1.0, 4.0, 0.8, -0.08, 0.08),
        # Smoother: with the factor.
        (0.25, 0.25, 0.5, -0.15, 0.05),
        (0.25, 1.0, 0.5, -0.10, 0.12),
        (0.25, 4.0, 0.5, -0.10, 0.12),
        (0.25, 0.25, 0.8, -0.05, 0.06),
        (0.25, 4.0, 0.8, -0.08, 0.10),
        (0.0, 1.0, 0.5, -0.05, 0.06),
        (0.0, 4.0, 0.5, -0.05, 0.09),
        (0.0, 1.0, 0.8, -0.06, 0.05),
        (0.0, 0.25, 0.5, -0.55, -0.40),
        (0.0, 0.25, 0.8, -0.24, -0.14),
        # Burstier: no correction is known; it says too little.
        (4.0, 0.25, 0.5, -0.32, -0.20),
        (4.0, 1.0, 0.5, -0.31, -0.18),
        (4.0, 1.0, 0.8, -0.18, 0.02),
    ],
)
def test_kingman_with_the_factor_against_lindleys_recursion(
    arrival_scv: float, service_scv: float, rho: float, low: float, high: float
) -> None:
    error = formula(rho, arrival_scv, service_scv) / simulated(rho, arrival_scv, service_scv) - 1
    assert low <= error <= high


@pytest.mark.parametrize(
    ("arrival_scv", "service_scv", "rho", "without", "with_factor"),
    [
        # Relative errors against 2 million simulated jobs, from the modelling notes.
        (0.25, 0.25, 0.5, 0.92, -0.10),
        (0.25, 1.0, 0.5, 0.44, 0.08),
        (0.0, 0.25, 0.5, 6.16, -0.50),
        (0.0, 1.0, 0.5, 0.96, 0.01),
        (0.0, 4.0, 0.5, 0.23, 0.04),
        (0.0, 0.25, 0.8, 0.58, -0.19),
        (0.0, 1.0, 0.8, 0.17, -0.01),
        (0.0, 4.0, 0.8, 0.06, 0.02),
    ],
)
def test_the_factor_takes_off_what_the_known_errors_say(
    arrival_scv: float, service_scv: float, rho: float, without: float, with_factor: float
) -> None:
    factor = smooth_arrivals_factor(one(rho), one(arrival_scv), one(service_scv))[0]
    assert factor == pytest.approx((1 + with_factor) / (1 + without), rel=0.06)


def test_no_correction_for_poisson_and_burstier_arrivals() -> None:
    assert formula(0.5, 1.0, 1.0) == pytest.approx(1.0)  # M/M/1: rho / (1 - rho)
    assert formula(0.8, 1.0, 0.0) == pytest.approx(2.0)  # M/D/1: half of it
    assert smooth_arrivals_factor(one(0.5), one(4.0), one(1.0))[0] == 1.0


def periodic(rho: float, clocks: int, service_scv: float = 0.0) -> float:
    """Mean wait in service times when each clock sends once per period, at random phases."""
    random = np.random.default_rng(29)
    period = clocks / rho
    # Equal packets repeat from the second period on; others take time to settle.
    periods, repeats = (4, 400_000 // clocks**2 + 4000) if service_scv == 0 else (120, 300)
    phases = np.sort(random.random((repeats, clocks)) * period, axis=1)
    arrivals = (phases[:, None, :] + period * np.arange(periods)[:, None]).reshape(repeats, -1)
    waits = lindley(arrivals, intervals(random, 1.0, service_scv, arrivals.shape))
    return float(waits[:, waits.shape[1] // 2 :].mean())


@pytest.mark.parametrize("rho", [0.3, 0.6, 0.9, 0.98])
@pytest.mark.parametrize("clocks", [1, 2, 3, 8, 40])
def test_periodic_streams_of_equal_packets_exactly(rho: float, clocks: int) -> None:
    assert equal_packets(rho, clocks) == pytest.approx(periodic(rho, clocks), rel=0.03, abs=1e-9)


@pytest.mark.parametrize("clocks", [1, 2, 4, 16])
@pytest.mark.parametrize(("rho", "service_scv"), [(0.5, 1.0), (0.8, 0.25), (0.8, 1.0)])
def test_packets_of_varying_size(rho: float, service_scv: float, clocks: int) -> None:
    """From 30 % below, where little varies, to 40 % above: waits that are small anyway."""
    found = float(packet_wait(one(rho), one(1.0), one(service_scv), one(float(clocks)))[0])
    assert 0.7 <= found / periodic(rho, clocks, service_scv) <= 1.45


def test_limits_of_periodic_streams() -> None:
    assert equal_packets(0.7, 1) == 0.0
    assert equal_packets(0.7, 2) == pytest.approx(0.35 / 2)
    # A stream of endlessly many is a Poisson stream, also beyond the terms summed one by one.
    assert equal_packets(0.7, 1e6) == pytest.approx(0.7 / 0.3 / 2, rel=1e-3)
    # Near full load the wait of few clocks stays finite, where Poisson streams wait without end.
    nearly_full = equal_packets(1 - 1e-9, TERMS - 1)
    assert nearly_full == pytest.approx(math.sqrt(math.pi * (TERMS - 2) / 8), rel=0.15)


def test_packet_wait_has_known_queues_as_limits() -> None:
    rho = one(0.6)
    md1 = packet_wait(rho, one(1.0), one(0.0), one(1e7))[0]
    assert md1 == pytest.approx(0.75, rel=1e-3)
    mm1 = packet_wait(rho, one(1.0), one(1.0), one(1e7))[0]
    assert mm1 == pytest.approx(1.5, rel=1e-3)
    dm1 = packet_wait(rho, one(1.0), one(1.0), one(1.0))[0]
    assert dm1 == pytest.approx(formula(0.6, 0.0, 1.0))


@given(
    st.floats(0.0, 0.98),
    st.floats(0.0, 0.98),
    st.floats(1.0, 500.0),
    st.floats(1.0, 500.0),
    st.floats(0.0, 4.0),
)
def test_packets_wait_longer_with_more_load_and_more_clocks(
    some: float, other: float, few: float, many: float, scv: float
) -> None:
    low, high = sorted((some, other))
    few, many = sorted((few, many))
    calm = packet_wait(one(low), one(1.0), one(scv), one(few))[0]
    assert 0 <= calm < math.inf
    assert calm <= packet_wait(one(high), one(1.0), one(scv), one(few))[0] + 1e-9
    assert calm <= packet_wait(one(low), one(1.0), one(scv), one(many))[0] + 1e-9


def test_nothing_waits_without_load() -> None:
    zero = one(0.0)
    assert packet_wait(zero, one(1.0), one(1.0), one(5.0))[0] == 0.0
    assert packet_wait(zero, one(1.0), one(0.0), one(3.0))[0] == 0.0
