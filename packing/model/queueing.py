"""Waiting times in front of one server.

Two sources of queueing at an instance: packets of several senders meet, and packets differ in how
long they take. Each sender follows a clock of its own, so arrivals are far smoother than chance:
one sender's packets never meet, and even many of them bound the queue at full load.
"""

from __future__ import annotations

import math

import numpy as np

from packing.arrays import TINY, Floats

TERMS = 64
"""Terms of the series of `clocked_wait` that are summed one by one; exact up to as many clocks."""
_COUNT = np.arange(1.0, TERMS + 1.0)


def kingman_wait(utilisation: Floats, service_s: Floats, arrival_scv: Floats, service_scv: Floats
) -> Floats:  # fmt: skip
    """Mean wait before service in a G/G/1 queue, in seconds.

    `rho / (1 - rho) * s * (c_a^2 + c_s^2) / 2`, times `smooth_arrivals_factor`. Kingman 1961, "The
    single server queue in heavy traffic"; in this form equations 44 and 45 of Whitt 1983, "The
    Queueing Network Analyzer", and for one server the same as Allen and Cunneen's. Exact for
    Poisson arrivals. `scv` are squared coefficients of variation, `utilisation` is in [0, 1).
    Measured against the recursion of the waiting times: within 5 % for c_a^2 of 1, within 10 % for
    c_a^2 of 1/4, up to a quarter too low for c_a^2 of 4 at half load.
    """
    heavy = utilisation / (1.0 - utilisation) * service_s * (arrival_scv + service_scv) / 2.0
    return heavy * smooth_arrivals_factor(utilisation, arrival_scv, service_scv)


def smooth_arrivals_factor(utilisation: Floats, arrival_scv: Floats, service_scv: Floats) -> Floats:
    """How much less customers wait when they come smoother than Poisson; 1 otherwise.

    `exp(-2 (1 - rho) (1 - c_a^2)^2 / (3 rho (c_a^2 + c_s^2)))`: Kraemer and Langenbach-Belz 1976,
    "Approximate formulae for the delay in the queueing system GI/G/1".
    """
    scatter = 3.0 * utilisation * (arrival_scv + service_scv)
    rough = np.maximum(0.0, 1.0 - arrival_scv)
    exponent = -2.0 * (1.0 - utilisation) * rough * rough
    # No load or no scatter at all: nobody waits.
    found: Floats = np.exp(exponent / np.maximum(scatter, TINY))
    return found


def clocked_wait(utilisation: Floats, service_s: Floats, clocks: Floats) -> Floats:
    """Mean wait of one of `clocks` senders' packets, all of equal size, in seconds.

    Every sender sends one packet per period at a random phase (the queue nD/D/1). With K clocks,
    each of which keeps the server busy for rho/K of the period,

        wait = s / 2 * sum over k >= 1 of (K-1) (K-2) ... (K-k) * (rho / K)^k

    K of 1 gives 0: the packets of one clock never meet. K of 2 gives s/2 * rho/2: the other's
    packet is met with that probability, half done. K without end gives s/2 * rho / (1 - rho), a
    Poisson stream. At full load the sum stays finite, near `s * sqrt(pi (K-1) / 8)`, where the
    formulas for renewal arrivals diverge: what is left over is the same in every period. Agrees
    with simulation to its noise (tests); K may be a fraction, between its neighbours.
    """
    return service_s / 2.0 * _meetings(utilisation, clocks)


def _meetings(utilisation: Floats, clocks: Floats) -> Floats:
    """The sum in `clocked_wait`: twice the wait in service times."""
    clocks = np.maximum(clocks, 1.0)
    each = utilisation / clocks
    most = float(clocks.max(initial=1.0))
    if most <= 1.0:
        return np.zeros(len(clocks))
    left = np.maximum(0.0, clocks[:, None] - _COUNT[: math.ceil(min(most, TERMS))])
    terms = np.multiply.accumulate(left * each[:, None], axis=1)
    found: Floats = terms.sum(axis=1)
    if most > TERMS + 1:
        # Beyond, the terms fall at least as fast as a geometric series from the last one.
        ratio = np.minimum(np.maximum(0.0, clocks - TERMS - 1.0) * each, 0.999)
        found += terms[:, -1] * ratio / (1.0 - ratio)
    return found


def arrival_scv_of_clocks(utilisation: Floats, clocks: Floats) -> Floats:
    """The c_a^2 with which `kingman_wait` without its factor is `clocked_wait`.

    0 for one clock, 1 for many at a load below 1; the less the higher the load, because periodic
    arrivals make up for their bursts within a period.
    """
    return _as_arrival_scv(utilisation, _meetings(utilisation, clocks))


def _as_arrival_scv(utilisation: Floats, meetings: Floats) -> Floats:
    # Without load nobody waits, whatever the arrivals.
    return meetings * (1.0 - utilisation) / np.maximum(utilisation, TINY)


def packet_wait(
    utilisation: Floats, block_s: Floats, block_scv: Floats, clocks: Floats
) -> Floats:  # fmt: skip
    """Mean wait of a packet for those before it, in seconds; all arrays (n,).

    `clocked_wait` for packets of equal size, and what varying sizes add: Kingman's term in c_s^2
    with the factor for smooth arrivals, at the c_a^2 of these clocks. One clock leaves D/G/1, many
    M/G/1, equal packets nD/D/1.
    """
    meetings = _meetings(utilisation, clocks)
    smooth = _as_arrival_scv(utilisation, meetings)
    varying = utilisation / (1.0 - utilisation) * block_scv
    varying *= smooth_arrivals_factor(utilisation, smooth, block_scv)
    return block_s / 2.0 * (meetings + varying)
