from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from packing.constraints import Constraints
from packing.errors import Infeasible, InvalidRequest, UnsupportedRequest
from packing.model import Prediction, predict
from packing.plan import Plan
from packing.planners.stream_affinity import stream_affinity
from packing.profile import Profile, Source
from packing.request import Request
from packing.resources import GIB, Resources
from packing.scenario import Outcome, Scenario, apply, predict_scenario
from packing.topology import Grouping, Topology

from .build import chain, plan, topology

SIZE = Resources(4.0, 8 * GIB, 8 * GIB)
OF = chain(2, 4)
LOAD = Profile({"spout": 100.0}, {"spout": 1e-4, "b1": 1e-3})
PLAN = plan(
    OF, {1: ["spout", "b1"], 2: ["spout", "b1"], 3: ["b1", "b1"]}, container=SIZE
)  # fmt: skip


def request(of: Topology = OF, load: Profile = LOAD) -> Request:
    return Request(of, Constraints(container_count=3), profile=load)


def under(scenario: Scenario, of: Topology = OF, load: Profile = LOAD, on: Plan = PLAN) -> Outcome:
    return predict_scenario(scenario, request(of, load), on)


def same(one: Prediction, other: Prediction) -> None:
    assert replace(one, latency=None) == replace(other, latency=None)
    assert one.latency is not None and other.latency is not None
    assert one.latency.parts_s == other.latency.parts_s
    assert one.latency.p99_s == other.latency.p99_s


def test_nothing_changed_is_the_plain_prediction() -> None:
    found = under(Scenario())
    same(found.prediction, predict(OF, PLAN, LOAD))
    assert found.situation.plan is PLAN
    assert found.intervals is not None
    assert found.scenario.title == "as it is"


def test_a_rate_factor_is_the_same_as_another_rate() -> None:
    found = under(Scenario(rate_factor=2.5)).prediction
    same(found, predict(OF, PLAN, replace(LOAD, rate_per_s={"spout": 250.0})))
    # 4 b1 with 1 ms each take 4,000 tuples/s; offered are 2 * 250.
    assert found.sustainable_load_factor == pytest.approx(8.0)


def test_a_faster_component_takes_less_time_per_tuple() -> None:
    found = under(Scenario(service_time_factor={"b1": 0.5})).prediction
    same(found, predict(OF, PLAN, replace(LOAD, service_s={"spout": 1e-4, "b1": 5e-4})))
    assert found.sustainable_load_factor == pytest.approx(40.0)


def test_another_parallelism_is_an_update_of_the_plan() -> None:
    found = under(Scenario(parallelism={"b1": 6}))
    update = replace(request(), current=PLAN, deltas={"b1": 2})
    assert found.situation.plan == stream_affinity(update)
    assert found.situation.plan.parallelism == {"spout": 2, "b1": 6}
    assert found.prediction.sustainable_load_factor == pytest.approx(30.0)
    fewer = under(Scenario(parallelism={"b1": 1, "spout": 2}))
    assert fewer.situation.plan.parallelism == {"spout": 2, "b1": 1}


def test_rates_are_per_spout() -> None:
    assert under(Scenario(parallelism={"spout": 4})).prediction.throughput_per_s == 400.0


def test_another_number_of_containers() -> None:
    found = under(Scenario(container_count=2))
    assert found.prediction.containers == 2
    assert found.situation.plan.parallelism == PLAN.parallelism


def test_the_planner_is_the_one_that_is_given() -> None:
    asked = []

    def planner(update: Request) -> Plan:
        asked.append(update)
        return stream_affinity(update)

    apply(Scenario(rate_factor=2.0), request(), PLAN, planner)
    assert not asked
    apply(Scenario(parallelism={"b1": 5}), request(), PLAN, planner)
    assert [dict(update.deltas) for update in asked] == [{"b1": 1}]


def test_a_planner_that_has_no_answer_leaves_no_prediction() -> None:
    def planner(_update: Request) -> Plan:
        raise UnsupportedRequest("no updates here")

    with pytest.raises(Infeasible, match="scenario 'b1=5': no updates here"):
        apply(Scenario(parallelism={"b1": 5}), request(), PLAN, planner)


def test_larger_containers_have_more_cores() -> None:
    # 1.2 cores in container 3 with 1 core: at half the size half the load.
    load = Profile({"spout": 600.0}, {"spout": 1e-4, "b1": 2e-3})
    small = plan(
        OF,
        {1: ["spout", "b1"], 2: ["spout", "b1"], 3: ["b1", "b1"]},
        container=Resources(1.0, 8 * GIB, 8 * GIB),
    )
    before = under(Scenario(), load=load, on=small).prediction
    after = under(Scenario(container_cpu_factor=1.5), load=load, on=small)
    assert before.sustainable_load_factor == pytest.approx(1 / 1.2)
    assert after.prediction.sustainable_load_factor == pytest.approx(1.5 / 1.2)
    assert after.prediction.cores == pytest.approx(4.5)


def test_instances_must_fit_into_smaller_containers() -> None:
    assert under(Scenario(container_ram_factor=0.5)).prediction.ram_bytes == 12 * GIB
    with pytest.raises(Infeasible, match="container 1 would have 819 MiB of RAM"):
        under(Scenario(container_ram_factor=0.1))


def test_a_size_is_changed_before_the_containers_are_counted() -> None:
    # Six instances of 1 core and their padding need 7 cores; stated are 4 for each container.
    stated = replace(request(), constraints=Constraints(container_count=3, container_cpu_cores=4.0))
    with pytest.raises(Infeasible):
        predict_scenario(Scenario(container_count=1), stated, PLAN)
    larger = Scenario(container_count=1, container_cpu_factor=2.0)
    assert predict_scenario(larger, stated, PLAN).prediction.containers == 1


def test_a_lost_container_drops_what_is_addressed_to_it() -> None:
    # One spout and one of four b1 are gone: 100 tuples/s are offered, three quarters arrive.
    found = under(Scenario(lost_containers=(1,)))
    assert found.situation.plan.container_ids.tolist() == [2, 3]
    assert found.prediction.throughput_per_s == pytest.approx(75.0)
    # Each survivor gets 25/s of its 1,000: nothing is moved to it.
    assert found.prediction.sustainable_load_factor == pytest.approx(40.0)


def test_lost_copies_are_not_missed_by_the_others() -> None:
    of = topology({"s": 1, "b": 2}, [("s", "b", Grouping.ALL)])
    placed = plan(of, {1: ["s", "b"], 2: ["b"]}, container=SIZE)
    load = Profile({"s": 10.0}, {"s": 1e-4, "b": 1e-3})
    found = under(Scenario(lost_containers=(2,)), of, load, placed)
    assert found.prediction.throughput_per_s == pytest.approx(10.0)


def test_a_global_stream_ends_with_its_reader() -> None:
    of = topology({"s": 1, "b": 2}, [("s", "b", Grouping.GLOBAL)])
    placed = plan(of, {1: ["b"], 2: ["s", "b"]}, container=SIZE)
    load = Profile({"s": 10.0}, {"s": 1e-4, "b": 1e-3})
    assert under(Scenario(lost_containers=(1,)), of, load, placed).prediction.throughput_per_s == 0


def test_lost_keys_are_those_of_the_lost_instances() -> None:
    of = topology({"s": 1, "b": 3}, [("s", "b", Grouping.FIELDS)])
    placed = plan(of, {1: ["s", "b"], 2: ["b"], 3: ["b"]}, container=SIZE)
    key = ("s", "b", "default")
    load = Profile({"s": 100.0}, {"s": 1e-4, "b": 1e-3}, key_shares={key: (0.1, 0.6, 0.3)})
    found = under(Scenario(lost_containers=(2,)), of, load, placed)
    assert found.prediction.throughput_per_s == pytest.approx(40.0)
    # The busiest one left gets 30/s of 1,000.
    assert found.prediction.sustainable_load_factor == pytest.approx(1000 / 30)


def test_nothing_gets_through_without_a_component() -> None:
    placed = plan(OF, {1: ["spout", "spout"], 2: ["b1"] * 4}, container=SIZE)
    with pytest.raises(Infeasible, match="every instance of 'b1' is in container 2"):
        under(Scenario(lost_containers=(2,)), on=placed)
    with pytest.raises(Infeasible, match="all containers are lost"):
        under(Scenario(lost_containers=(1, 2)), on=placed)


def test_an_unknown_load_stays_unknown() -> None:
    found = under(Scenario(rate_factor=2.0), load=Profile())
    assert found.prediction.sustainable_load_factor is None
    assert found.intervals is None
    # Shares of traffic follow from an assumed rate, which doubles.
    assert found.prediction.traffic_tuples_per_s == 4.0
    origin = found.situation.profile.origin_of("rate_per_s", "spout")
    assert origin.source is Source.ASSUMED


def test_outcomes_can_be_compared_draw_by_draw() -> None:
    as_it_is, doubled = under(Scenario()), under(Scenario(rate_factor=2.0))
    assert as_it_is.intervals is not None and doubled.intervals is not None
    ratio = as_it_is.intervals.sustainable_draws / doubled.intervals.sustainable_draws
    assert np.allclose(ratio, 2.0)


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        (Scenario(parallelism={"ghost": 2}), "parallelism names component 'ghost'"),
        (Scenario(service_time_factor={"ghost": 2}), "service_time_factor names component 'ghost'"),
        (Scenario(lost_containers=(9,)), "container 9 is not in the plan; it has 1, 2, 3"),
        (Scenario(container_count=7), "7 containers were asked for"),
        (Scenario("big", container_cpu_factor=1e6), "scenario 'big': containers of 4e"),
    ],
)
def test_errors_name_the_value(scenario: Scenario, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        under(scenario)


def test_an_unknown_service_time_cannot_change() -> None:
    with pytest.raises(InvalidRequest, match="the service time of 'b1' is not known"):
        under(Scenario(service_time_factor={"b1": 0.5}), load=Profile({"spout": 1.0}))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rate_factor": -1.0}, "rate_factor is -1"),
        ({"rate_factor": float("nan")}, "rate_factor is nan"),
        ({"container_ram_factor": float("inf")}, "container_ram_factor is inf"),
        ({"service_time_factor": {"b1": 0.0}}, "service_time_factor of 'b1' is 0"),
        ({"parallelism": {"b1": 0}}, "parallelism of 'b1' is 0"),
        ({"container_count": 0}, "container_count is 0"),
    ],
)
def test_impossible_scenarios_are_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        Scenario(**values)  # type: ignore[arg-type]


def test_a_scenario_without_a_name_says_what_it_changes() -> None:
    scenario = Scenario(
        rate_factor=1.5, parallelism={"b1": 3}, container_count=2, lost_containers=(1, 2)
    )
    assert scenario.title == "rate x1.5, b1=3, 2 containers, without 1, 2"
    assert Scenario("night", rate_factor=0.1).title == "night"
