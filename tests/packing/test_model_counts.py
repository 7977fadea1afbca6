"""Counts of alike instances are judged as the plans that have them."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packing.arrays import Floats
from packing.errors import InvalidRequest
from packing.flows import instance_shares
from packing.key_skew import Order
from packing.model import (
    Classes,
    Contents,
    HeronCosts,
    Prediction,
    Runtime,
    Structure,
    predict_counts,
    predict_placed,
    structure,
)
from packing.plan import Plan
from packing.profile import Profile, stream_key
from packing.topology import Grouping, Topology

from .build import plan, topology
from .strategies import plans, profiles, topologies

COSTS = HeronCosts(
    "some",
    instance_idle_cores=0.01,
    tuple_in_s=1e-5,
    packet_in_s=1e-4,
    spout_packet_out_s=1e-4,
    bolt_packet_out_s=5e-5,
    manager_idle_cores=0.005,
    manager_packet_out_s=5e-5,
    manager_tuple_s=1e-6,
    manager_remote_in_s=2e-6,
    manager_byte_s=1e-9,
    container_background_cores=0.02,
)
NAMES = {"bottleneck", "runner_up", "limits"}
NOT_UNLESS_WHOLE = {
    "delivered_load_factor",
    "throughput_per_s",
    "latency",
    "container_cpu_cores",
    "stream_manager_cores",
}


@st.composite
def loads(draw: st.DrawFn, of: Topology) -> Profile:
    """A drawn profile, now and then without service times, with skewed keys on some streams."""
    profile = draw(profiles(of))
    shares = {}
    for stream in of.streams:
        if stream.grouping is Grouping.FIELDS and draw(st.booleans()):
            readers = of.component(stream.target).parallelism
            weights = draw(st.lists(st.integers(1, 5), min_size=readers, max_size=readers))
            shares[stream_key(stream)] = tuple(w / sum(weights) for w in weights)
    known = draw(st.sampled_from([True, True, True, False]))
    return replace(profile, key_shares=shares, service_s=profile.service_s if known else {})


@st.composite
def placements(draw: st.DrawFn) -> tuple[Structure, Plan]:
    of = draw(topologies())
    return structure(of, draw(loads(of))), draw(plans(of))


def received_by(prepared: Structure, of: Plan) -> Floats:
    """Share of each stream that every single instance gets; (streams, n)."""
    found = np.zeros((len(prepared.source), of.instance_count))
    for i, stream in enumerate(prepared.topology.streams):
        members = np.flatnonzero(of.component == prepared.target[i])
        by_task = members[np.argsort(of.task_id[members])]
        keys = prepared.rates.uneven.get(i)
        if stream.grouping is Grouping.GLOBAL:
            found[i, by_task[0]] = 1.0
        elif keys is None:
            found[i, members] = 1.0 / len(members)
        elif keys.order is Order.COMPONENT_INDEX:
            found[i, members[np.argsort(of.index[members])]] = keys.values
        else:
            found[i, by_task] = keys.values
    return found


def in_classes(prepared: Structure, of: Plan, alone: bool) -> tuple[Classes, Contents]:
    """The plan as counts: every instance a class of its own, or those that are alike together."""
    sent = instance_shares(prepared.topology, of, prepared.rates)
    received = received_by(prepared, of)
    marks = np.arange(of.instance_count)[None, :] if alone else np.vstack((sent, received))
    described = np.vstack((of.component, np.round(marks, 12)))
    _, first, class_of = np.unique(described, axis=1, return_index=True, return_inverse=True)
    counts = np.zeros((len(first), of.container_count), dtype=np.int64)
    np.add.at(counts, (class_of.ravel(), of.container), 1)
    classes = Classes(prepared, of.component[first], sent[first], received[:, first])
    sizes = of.container_cpu_cores, of.container_ram_bytes, of.used[0]
    return classes, Contents(counts, *sizes)


def same_figures(found: Prediction, expected: Prediction, left_out: set[str]) -> None:
    for member in fields(Prediction):
        ours, theirs = getattr(found, member.name), getattr(expected, member.name)
        if member.name in left_out:
            continue
        if theirs is None:
            assert ours is None, member.name
        elif member.name == "latency":
            assert ours.mean_s == pytest.approx(theirs.mean_s, rel=1e-9)
            assert ours.p99_s == pytest.approx(theirs.p99_s, rel=1e-9)
            assert ours.arrival_s == pytest.approx(theirs.arrival_s, rel=1e-9)
        else:
            assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-9), member.name


@settings(deadline=None)
@given(placements(), st.booleans(), st.booleans())
def test_a_plan_and_its_counts_are_judged_alike(
    drawn: tuple[Structure, Plan], alone: bool, acking: bool
) -> None:
    prepared, of = drawn
    runtime = Runtime(acking=acking, max_spout_pending=50 if acking else None)
    expected = predict_placed(prepared, of, False, COSTS, runtime)
    classes, contents = in_classes(prepared, of, alone)
    whole = predict_counts(classes, contents, COSTS, runtime, whole=True)
    same_figures(whole, expected, NAMES)
    part = predict_counts(classes, contents, COSTS, runtime)
    same_figures(part, expected, NAMES | NOT_UNLESS_WHOLE)
    assert part.latency is None and part.throughput_per_s is None


@settings(deadline=None)
@given(placements())
def test_components_are_the_classes_where_tuples_spread_evenly(
    drawn: tuple[Structure, Plan],
) -> None:
    prepared, of = drawn
    if prepared.routed:
        with pytest.raises(InvalidRequest, match="do not get the same"):
            Classes.of_components(prepared)
        return
    contents = Contents(of.counts, of.container_cpu_cores, of.container_ram_bytes, of.used[0])
    found = predict_counts(Classes.of_components(prepared), contents, COSTS, whole=True)
    same_figures(found, predict_placed(prepared, of, False, COSTS), NAMES)


def test_where_the_hot_instance_is_decides() -> None:
    of = topology({"spout": 1, "bolt": 2}, [("spout", "bolt", Grouping.GLOBAL)])
    prepared = structure(of, Profile({"spout": 100.0}, {"spout": 1e-4, "bolt": 1e-3}))
    classes = Classes(
        prepared,
        np.array([0, 1, 1]),
        np.array([1.0, 1.0, 0.0]),
        np.array([[0.0, 1.0, 0.0]]),
    )
    sizes = np.full(2, 4.0), np.full(2, 2**30), np.zeros(2)
    near = predict_counts(classes, Contents(np.array([[1, 0], [1, 0], [0, 1]]), *sizes))
    far = predict_counts(classes, Contents(np.array([[1, 0], [0, 1], [1, 0]]), *sizes))
    assert (near.cross_tuples_per_s, far.cross_tuples_per_s) == (0.0, 100.0)


def test_counts_of_another_number_of_classes_are_refused() -> None:
    of = topology({"spout": 1, "bolt": 2}, [("spout", "bolt", Grouping.SHUFFLE)])
    classes = Classes.of_components(structure(of, Profile({"spout": 1.0})))
    wrong = Contents(np.ones((3, 1)), np.ones(1), np.ones(1), np.ones(1))
    with pytest.raises(InvalidRequest, match="with 2 classes it must be"):
        predict_counts(classes, wrong)


def test_single_instances_are_not_known_from_counts() -> None:
    of = topology({"spout": 1, "bolt": 1}, [("spout", "bolt", Grouping.SHUFFLE)])
    prepared = structure(of, Profile({"spout": 50.0}, {"spout": 0.0, "bolt": 0.01}))
    classes = Classes.of_components(prepared)
    contents = Contents(np.ones((2, 1)), np.ones(1), np.ones(1), np.ones(1))
    found = predict_counts(classes, contents)
    named = predict_placed(prepared, plan(of, {1: ["spout", "bolt"]}))
    assert found.sustainable_load_factor == named.sustainable_load_factor
    assert named.bottleneck and not found.bottleneck
