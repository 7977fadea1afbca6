"""RAM of instances and containers, and what garbage collection takes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packing.choose import choose
from packing.model import HeronCosts, Prediction, predict, predict_counts, structure
from packing.model.counts import Classes, Contents
from packing.model.memory import ComponentMemory
from packing.model.runtime import Runtime
from packing.plan import Plan
from packing.profile import Profile
from packing.request import Request
from packing.resources import GIB, MIB, Resources
from packing.topology import Grouping, Topology
from tests.packing.build import plan, roomy, topology

COSTS = HeronCosts("test", gc_idle_cores=0.001, gc_tuple_gib_s=30e-9, gc_byte_gib_s=40e-12)
OF = topology({"spout": 1, "bolt": 2}, [("spout", "bolt")])
STREAM = ("spout", "bolt", "default")


def loaded(rate_per_s: float = 1000.0, **ram_mib: float) -> Profile:
    """One tuple out of the spout per base tuple, of 500 bytes."""
    return Profile(
        rate_per_s={"spout": rate_per_s},
        service_s={"spout": 1e-6, "bolt": 1e-6},
        selectivity={STREAM: 1.0},
        tuple_bytes={STREAM: 500.0},
        ram_bytes={name: amount * MIB for name, amount in ram_mib.items()},
    )


def two(
    ram_mib: float = 1024, container_mib: float = 8192, of: Topology = OF, apart: bool = False
) -> Plan:
    """The three instances in one container, or the bolts in a second one."""
    where = {1: ["spout"], 2: ["bolt", "bolt"]} if apart else {1: ["spout", "bolt", "bolt"]}
    size = Resources(1.0, round(ram_mib * MIB), GIB)
    return plan(of, where, size, Resources(8.0, round(container_mib * MIB), 8 * GIB))


def predicted(profile: Profile, under: Plan, **runtime: float) -> Prediction:
    return predict(OF, under, profile, costs=COSTS, runtime=Runtime(**runtime))  # type: ignore[arg-type]


def of_bolt(prediction: Prediction) -> ComponentMemory:
    (found,) = [m for m in prediction.memory if m.component == "bolt"]
    return found


def test_heap_live_and_collections_follow_from_ram_and_rates() -> None:
    bolt = of_bolt(predicted(loaded(80_000, bolt=448), two(704)))
    assert bolt.heap_bytes == 512 * MIB
    assert bolt.live_bytes == 256 * MIB
    assert bolt.live_share == 0.5
    # Each bolt gets half of the tuples; a quarter of a GiB is free.
    wanted = 40_000 * 30e-9 + 40_000 * 500 * 40e-12
    assert bolt.gc_share == pytest.approx(0.001 + wanted / 0.25)


def test_collections_follow_what_is_delivered_and_not_what_is_offered() -> None:
    slow = replace(loaded(1000, bolt=448), service_s={"spout": 1e-6, "bolt": 0.004})
    found = predicted(slow, two(704))
    assert found.delivered_load_factor == pytest.approx(0.5)
    less = predicted(loaded(500, bolt=448), two(704))
    assert of_bolt(found).gc_share == pytest.approx(of_bolt(less).gc_share)


def test_the_busiest_instance_counts() -> None:
    of = topology({"spout": 1, "bolt": 2}, [("spout", "bolt", Grouping.FIELDS)])
    skewed = replace(loaded(80_000, bolt=448), key_shares={STREAM: (0.75, 0.25)})
    found = predict(of, two(704, of=of), skewed, costs=COSTS)
    wanted = 60_000 * 30e-9 + 60_000 * 500 * 40e-12
    assert of_bolt(found).gc_share == pytest.approx(0.001 + wanted / 0.25)


def test_the_least_ram_of_an_instance_sizes_all_jvms() -> None:
    under = two(1024)
    ram = under.ram_bytes.copy()
    ram[2] = 500 * MIB
    found = predicted(loaded(bolt=300, spout=300), replace(under, ram_bytes=ram))
    granted = {m.component: m.granted_bytes for m in found.memory}
    assert granted == {"spout": 1024 * MIB, "bolt": 500 * MIB}


def test_an_instance_without_a_heap_cannot_start() -> None:
    (risk,) = predicted(loaded(bolt=100), two(192)).risks
    assert risk.startswith("an instance of bolt gets 192 MiB of RAM")
    assert "cannot start" in risk
    assert not predicted(loaded(bolt=100), two(194)).risks


def test_more_used_than_granted_is_a_risk() -> None:
    (risk,) = predicted(loaded(bolt=600), two(599)).risks
    assert "uses 600 MiB of RAM and gets 599 MiB: it will run out of memory" in risk


def test_a_heap_full_of_live_data_is_a_risk() -> None:
    # 700 of 1000 MiB may be live.
    assert not predicted(loaded(0, bolt=892), two(1192)).risks
    (risk,) = predicted(loaded(0, bolt=893), two(1192)).risks
    assert "keeps 701 MiB of live data in a heap of 1000 MiB" in risk


def test_long_collections_are_a_risk() -> None:
    # Free 1 GiB, and idle aside 4.9 % may go to collections: 50 ns per tuple of 500 bytes.
    limit = 2 * 0.049 / 50e-9
    quick = replace(loaded(bolt=192), service_s={"spout": 1e-9, "bolt": 1e-9})
    for rate, risky in ((0.99 * limit, False), (1.01 * limit, True)):
        found = predicted(replace(quick, rate_per_s={"spout": rate}), two(1216))
        assert found.delivered_load_factor == 1.0
        assert any("collects garbage for 5.0% of the time" in r for r in found.risks) == risky


ram = st.floats(1, 4000)


@given(ram, st.floats(200, 4000), st.just(0.0) | st.floats(1, 1e5))
def test_what_is_called_enough_leaves_no_risk(used: float, granted: float, rate: float) -> None:
    profile = loaded(rate, bolt=used)
    found = predicted(profile, two(granted, 1e6))
    enough = of_bolt(found).enough_bytes
    more = predicted(profile, two(enough / MIB, 1e6))
    assert not more.risks
    if found.risks:
        assert enough > of_bolt(found).granted_bytes


@given(ram, st.floats(200, 4000), st.floats(0, 2000), st.floats(1, 1e5))
def test_collections_take_less_with_more_heap_and_less_load(
    used: float, granted: float, more: float, rate: float
) -> None:
    def share(granted: float, used: float, rate: float) -> float:
        found = of_bolt(predicted(loaded(rate, bolt=used), two(granted, 1e6))).gc_share
        return 1.0 if found is None else found

    here = share(granted, used, rate)
    assert 0 < here <= 1
    assert share(granted + more, used, rate) <= here
    assert share(granted, used + more, rate) >= here
    assert share(granted, used, rate / 2) <= here


def test_a_container_holds_its_instances_and_full_buffers() -> None:
    profile = loaded(spout=300, bolt=400)
    # Three instances, and in back-pressure connections to two readers.
    enough = 300 + 2 * 400 + 2 * 100
    assert not predicted(profile, two(1024, enough)).risks
    (risk,) = predicted(profile, two(1024, enough - 1)).risks
    assert risk.startswith("container 1 has 1299 MiB of RAM; its instances use 1100 MiB, and in")
    assert "100 MiB for each of 2 connections" in risk
    assert f"grant it {enough} MiB" in risk
    assert not predicted(profile, two(1024, enough - 1), high_water_bytes=99 * MIB).risks
    (risk,) = predicted(profile, two(1024, 1099)).risks
    assert "its instances use 1100 MiB: it will run out of memory; grant it 1300 MiB" in risk


def test_readers_elsewhere_take_one_connection() -> None:
    profile = loaded(spout=300, bolt=400)
    # The spout's container sends to the other one; the bolts' sends nothing.
    assert not predicted(profile, two(1024, 1000, apart=True)).risks
    (risk,) = predicted(profile, two(1024, 999, apart=True)).risks
    assert risk.startswith("container 2 has 999 MiB")
    (risk,) = predicted(profile, two(1024, 399, apart=True)).risks
    assert risk.startswith("container 2")
    assert "(1 more container is short of RAM, too)" in risk
    (risk,) = predicted(profile, two(1024, 400, apart=True)).risks
    assert "short" not in risk


def test_instances_of_which_nothing_is_known_use_what_they_ask_for() -> None:
    profile = loaded(bolt=400)
    assert not predicted(profile, two(500, 500 + 2 * 400 + 200)).risks
    assert predicted(profile, two(500, 500 + 2 * 400 + 199)).risks


def test_a_homogeneous_scheduler_gives_all_containers_the_largest_size() -> None:
    profile = loaded(spout=300, bolt=400)
    under = two(1024, 1000, apart=True)
    sizes = np.array([1000, 900]) * MIB
    under = replace(under, container_ram_bytes=sizes)
    assert predict(OF, under, profile).risks
    assert not predict(OF, under, profile, homogeneous=True).risks


def test_nothing_is_said_where_nothing_is_known() -> None:
    silent, stated = predicted(loaded(), two()), predicted(loaded(bolt=300), two())
    assert not silent.memory
    assert not silent.risks
    assert replace(stated, memory=(), risks=()) == silent


def test_without_a_load_collections_are_not_known() -> None:
    profile = Profile(ram_bytes={"bolt": 300.0 * MIB})
    bolt = of_bolt(predicted(profile, two()))
    assert bolt.gc_share is None
    assert bolt.live_share == pytest.approx(108 / 832)


def test_live_data_that_leave_no_heap_leave_no_figure() -> None:
    bolt = of_bolt(predicted(loaded(bolt=1100), two(1024)))
    assert bolt.gc_share is None
    assert math.isinf(of_bolt(predicted(loaded(bolt=1100), two(100))).live_share)


def test_counts_of_instances_have_no_names_to_tell_of() -> None:
    prepared = structure(OF, loaded(bolt=600))
    contents = Contents(np.array([[1], [2]]), np.full(1, 4.0), np.full(1, 100 * MIB), np.zeros(1))
    assert not predict_counts(Classes.of_components(prepared), contents, COSTS, whole=True).risks


def test_a_decision_tells_the_risks_of_its_plan() -> None:
    decision = choose(Request(OF, roomy(1), profile=loaded(bolt=1000), costs=COSTS))
    assert decision.chosen.prediction is not None
    (risk,) = decision.chosen.prediction.risks
    assert f"a risk: {risk}" in decision.reasons
    calm = choose(Request(OF, roomy(1), profile=loaded(bolt=300), costs=COSTS))
    assert not any("a risk" in reason for reason in calm.reasons)
