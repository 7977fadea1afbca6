"""What a profile refuses, what it knows, and how its numbers are drawn."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packing import priors
from packing.errors import InvalidRequest
from packing.flows import flows
from packing.profile import (
    RELATIVE_SD,
    UNKNOWN,
    Origin,
    Profile,
    Source,
    draw_factors,
    drawn,
)
from packing.topology import Grouping, Topology
from tests.packing.build import chain, topology
from tests.packing.strategies import profiles, topologies

CHAIN = chain(2, 3)
STREAM = ("spout", "b1", "default")
KNOWN = Profile(rate_per_s={"spout": 100.0}, service_s={"spout": 1e-5, "b1": 1e-4})


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf], ids=str)
@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("rate_per_s", "the rate of 'x'"),
        ("service_s", "the service time of 'x'"),
        ("wait_s", "the waiting time of 'x'"),
        ("service_scv", "the service time's variability of 'x'"),
        ("ram_bytes", "the RAM of 'x'"),
    ],
)
def test_an_impossible_number_of_a_component_is_named(field: str, name: str, value: float) -> None:
    numbers: dict[str, Any] = {field: {"x": value}}
    with pytest.raises(InvalidRequest, match=name):
        Profile(**numbers)


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf], ids=str)
@pytest.mark.parametrize(
    ("numbers", "name"),
    [
        (lambda v: {"selectivity": {STREAM: v}}, "the selectivity of spout -default-> b1"),
        (lambda v: {"tuple_bytes": {STREAM: v}}, "the tuple size of spout -default-> b1"),
        (
            lambda v: {"input_selectivity": {(("b1", "c", "x"), STREAM): v}},
            "the selectivity of b1 -x-> c for tuples from spout -default-> b1",
        ),
        (lambda v: {"key_shares": {STREAM: (1.0, v)}}, "key share 1 of spout -default-> b1"),
        (lambda v: {"key_weights": {STREAM: {"k": v}}}, "the weight of key 'k' of spout"),
    ],
)
def test_an_impossible_number_of_a_stream_is_named(numbers: Any, name: str, value: float) -> None:
    with pytest.raises(InvalidRequest, match=name):
        Profile(**numbers(value))


@pytest.mark.parametrize("shares", [(), (0.5, 0.4), (0.6, 0.5)])
def test_shares_must_sum_to_one(shares: tuple[float, ...]) -> None:
    with pytest.raises(InvalidRequest, match="key shares of spout -default-> b1"):
        Profile(key_shares={STREAM: shares})


def test_shares_may_be_rounded_to_three_digits() -> None:
    profile = Profile(key_shares={STREAM: (0.333, 0.333, 0.333 + 0.0003)})
    shares = profile.shares_at(STREAM, 3)
    assert shares is not None
    assert shares.values.sum() == pytest.approx(1.0, abs=1e-12)


def test_a_selectivity_by_input_must_join_streams_that_meet() -> None:
    with pytest.raises(InvalidRequest, match="'b2' does not read that stream"):
        Profile(input_selectivity={(("b2", "c", "x"), STREAM): 1.0})


def test_an_origin_of_an_unknown_quantity_is_refused() -> None:
    origin: Any = {("speed", "b1"): Origin.of(Source.MEASURED)}
    with pytest.raises(InvalidRequest, match="'speed' of 'b1'"):
        Profile(origin=origin)
    with pytest.raises(InvalidRequest, match="relative spread is -1"):
        Origin(Source.MEASURED, -1.0)


# -- what is known


def test_an_origin_is_its_own_the_profiles_or_assumed() -> None:
    own = Origin(Source.MEASURED, 0.02, "a run")
    profile = replace(KNOWN, origin={("service_s", "b1"): own})
    assert profile.origin_of("service_s", "b1") == own
    assert profile.origin_of("service_s", "spout").source is Source.DECLARED
    assert profile.origin_of("wait_s", "b1") == Origin.of(Source.ASSUMED)


def test_an_assumption_is_a_factor_of_two_at_one_sigma() -> None:
    assert math.exp(Origin.of(Source.ASSUMED).log_sd) == pytest.approx(2.0)
    assert math.exp(Origin(Source.ASSUMED, priors.RATE_PER_S.relative_sd).log_sd) == (
        pytest.approx(priors.RATE_PER_S.factor)
    )


@given(topologies())
def test_priors_fill_every_gap_but_are_not_knowledge(of: Topology) -> None:
    filled = UNKNOWN.with_priors(of)
    assert set(filled.service_s) == set(of.names)
    assert len(filled.selectivity) == len(filled.tuple_bytes) == len(set(of.streams))
    assert not filled.knows_load(of)
    assert {basis.source for basis in filled.basis(of) if "all 0" not in basis.detail} == {
        Source.ASSUMED
    }


def test_priors_leave_what_is_stated() -> None:
    filled = KNOWN.with_priors(CHAIN)
    assert filled.service_s == KNOWN.service_s
    assert filled.knows_load(CHAIN)
    assert filled.tuple_bytes == {STREAM: priors.TUPLE_BYTES.value}
    basis = {b.quantity: b for b in filled.basis(CHAIN)}
    assert basis["tuple sizes"].detail == priors.TUPLE_BYTES.why
    assert basis["service times"].detail == "all 2 declared"


def test_an_assumed_number_does_not_make_the_load_known() -> None:
    assumed = Origin.of(Source.ASSUMED, "a guess")
    profile = replace(KNOWN, origin={("service_s", "b1"): assumed})
    assert not profile.knows_load(CHAIN)
    basis = {b.quantity: b for b in profile.basis(CHAIN)}["service times"]
    assert basis.source is Source.ASSUMED
    assert basis.detail == "1 of 2 declared, for the others a guess"


def test_the_basis_counts_sources_and_names_the_weakest() -> None:
    profile = replace(KNOWN, origin={("service_s", "b1"): Origin.of(Source.MEASURED)})
    basis = {b.quantity: b for b in profile.basis(CHAIN)}
    assert basis["service times"].source is Source.DECLARED
    assert basis["service times"].detail == "1 measured and 1 declared, of 2"
    assert basis["waiting times"].source is Source.ASSUMED
    assert "key shares" not in basis


def test_the_basis_speaks_of_keys_where_they_matter() -> None:
    of = topology({"spout": 1, "b1": 2}, [("spout", "b1", Grouping.FIELDS)])
    unknown = {b.quantity: b for b in KNOWN.basis(of)}["key shares"]
    assert unknown.detail == "keys spread evenly over instances"
    known = replace(KNOWN, key_shares={STREAM: (0.9, 0.1)})
    assert {b.quantity: b for b in known.basis(of)}["key shares"].source is Source.DECLARED


# -- draws


@given(st.integers(1, 300), st.integers(0, 2**31))
def test_draws_are_stratified_around_the_numbers(draws: int, seed: int) -> None:
    factors = draw_factors(KNOWN, CHAIN, draws, seed)
    assert factors.draws == draws
    assert factors.rate.shape == (draws, 2)
    assert factors.selectivity.shape == (draws, 1)
    # One draw from each of `draws` equally likely strata: the mean logarithm is exactly 0.
    assert np.log(factors.service).mean(axis=0) == pytest.approx(0.0, abs=1e-9)


def test_one_draw_is_the_profile_itself() -> None:
    factors = draw_factors(KNOWN, CHAIN, 1, 3)
    assert drawn(KNOWN, CHAIN, factors, 0) == KNOWN


def test_draws_have_the_spread_of_each_number() -> None:
    profile = replace(KNOWN, origin={("service_s", "b1"): Origin(Source.MEASURED, 0.0)})
    service = draw_factors(profile, CHAIN, 2000, 0).service
    assert service[:, 1].tolist() == [1.0] * 2000
    declared = service[:, 0]
    assert declared.std() / declared.mean() == pytest.approx(RELATIVE_SD[Source.DECLARED], rel=0.02)


def test_draws_do_not_depend_on_parallelism_and_are_repeatable() -> None:
    more = CHAIN.with_parallelism({"b1": 40})
    one, other = draw_factors(KNOWN, CHAIN, 50, 7), draw_factors(KNOWN, more, 50, 7)
    assert one.service.tolist() == other.service.tolist()
    assert one.selectivity.tolist() == other.selectivity.tolist()
    assert draw_factors(KNOWN, CHAIN, 50, 8).service.tolist() != one.service.tolist()


def test_parameters_are_drawn_independently() -> None:
    of = chain(*([1] * 12))
    profile = UNKNOWN.with_priors(of)
    factors = draw_factors(profile, of, 400, 1)
    correlation = np.corrcoef(np.log(np.hstack([factors.service, factors.selectivity])).T)
    np.fill_diagonal(correlation, 0.0)
    assert abs(correlation).max() < 0.25


def test_readers_of_one_emission_share_its_factor() -> None:
    of = topology({"spout": 1, "a": 1, "b": 1}, [("spout", "a"), ("spout", "b"), ("a", "b")])
    selectivity = draw_factors(UNKNOWN, of, 20, 0).selectivity
    assert selectivity[:, 0].tolist() == selectivity[:, 1].tolist()
    assert selectivity[:, 0].tolist() != selectivity[:, 2].tolist()


def test_no_draws_are_refused() -> None:
    with pytest.raises(ValueError, match="draws is 0"):
        draw_factors(KNOWN, CHAIN, 0, 0)


def test_a_drawn_profile_is_scaled_number_by_number() -> None:
    filled = KNOWN.with_priors(CHAIN)
    factors = draw_factors(filled, CHAIN, 5, 0)
    truth = drawn(filled, CHAIN, factors, 3)
    assert truth.rate_per_s["spout"] == pytest.approx(100 * factors.rate[3, 0])
    assert truth.service_s["b1"] == pytest.approx(1e-4 * factors.service[3, 1])
    assert truth.tuple_bytes[STREAM] == pytest.approx(200 * factors.tuple_bytes[3, 0])


# -- selectivity by input


JOIN = topology({"spout": 1, "s2": 1, "j": 2, "k": 1}, [("spout", "j"), ("s2", "j"), ("j", "k")])
OUT = ("j", "k", "default")


def test_tuples_leave_by_the_stream_they_came_from() -> None:
    profile = Profile(
        rate_per_s={"spout": 100.0, "s2": 10.0},
        selectivity={OUT: 2.0},
        input_selectivity={(OUT, ("s2", "j", "default")): 0.5},
    )
    assert flows(JOIN, profile).stream_per_s == pytest.approx([100, 10, 100 * 2.0 + 10 * 0.5])


@given(st.data())
def test_equal_selectivities_by_input_change_nothing(data: st.DataObject) -> None:
    of = data.draw(topologies())
    profile = data.draw(profiles(of, max_selectivity=1.0))
    keys = [(s.source, s.target, s.stream_id) for s in of.streams]
    stated = replace(
        profile,
        input_selectivity={
            (out, into): profile.selectivity.get(out, 1.0)
            for out in keys
            for into in keys
            if out[0] == into[1]
        },
    )
    plain, by_input = flows(of, profile), flows(of, stated)
    assert by_input.stream_per_s == pytest.approx(plain.stream_per_s)
    assert by_input.input_per_s == pytest.approx(plain.input_per_s)


def test_a_loop_that_multiplies_for_one_input_alone_is_refused() -> None:
    of = topology({"spout": 1, "a": 1, "b": 1}, [("spout", "a"), ("a", "b"), ("b", "a")])
    forth, back = ("a", "b", "default"), ("b", "a", "default")
    calm = Profile(selectivity={forth: 1.5}, input_selectivity={(forth, back): 0.5})
    assert flows(of, calm).stream_per_s == pytest.approx([1.0, 3.0, 3.0])
    wild = Profile(selectivity={forth: 0.5}, input_selectivity={(forth, back): 1.5})
    with pytest.raises(InvalidRequest, match="cycle"):
        flows(of, wild)
