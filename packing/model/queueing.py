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
"""Terms of the series in `_meetings` that are summed one by one; exact up to as many clocks."""
_COUNT = np.arange(1.0, TERMS + 1.0)


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


def packet_wait(
    utilisation: Floats, block_s: Floats, block_scv: Floats, clocks: Floats
) -> Floats:  # fmt: skip
    """Mean wait of a packet for those before it, in seconds; all arrays (n,).

    Packets of equal size wait where those of other clocks are met (`_meetings`). What varying sizes
    add is the term in c_s^2 of Kingman 1961, "The single server queue in heavy traffic" (in this
    form equations 44 and 45 of Whitt 1983, "The Queueing Network Analyzer"), with the factor for
    smooth arrivals. Its c_a^2 is the one at which Kingman's formula gives the wait of equal
    packets: 0 for one clock, 1 for many at a load below 1. So one clock leaves D/G/1, many M/G/1,
    equal packets nD/D/1.
    """
    meetings = _meetings(utilisation, clocks)
    # Without load nobody waits, whatever the arrivals.
    smooth = meetings * (1.0 - utilisation) / np.maximum(utilisation, TINY)
    varying = utilisation / (1.0 - utilisation) * block_scv
    varying *= smooth_arrivals_factor(utilisation, smooth, block_scv)
    return block_s / 2.0 * (meetings + varying)


def _meetings(utilisation: Floats, clocks: Floats) -> Floats:
    """Twice the mean wait, in service times, of one of `clocks` senders' packets of equal size.

    Every sender sends one packet per period at a random phase (the queue nD/D/1). With K clocks,
    each of which keeps the server busy for rho/K of the period, it is

        sum over k >= 1 of (K-1) (K-2) ... (K-k) * (rho / K)^k

    K of 1 gives 0: the packets of one clock never meet. K of 2 gives rho/2: the other's packet is
    met with that probability, half done. K without end gives rho / (1 - rho), a Poisson stream. At
    full load the sum stays finite, near `sqrt(pi (K-1) / 2)`, where the formulas for renewal
    arrivals diverge: what is left over is the same in every period. Agrees with simulation to its
    noise (tests); K may be a fraction, between its neighbours.
    """
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
