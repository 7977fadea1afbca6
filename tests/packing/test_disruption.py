from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packing.disruption import disruption
from packing.plan import Plan

from .build import chain, plan
from .strategies import plans, topologies


def explicit(after: Plan, before: Plan) -> dict[str, int]:
    """The same counts from sets of names."""
    was = {(i.component, i.component_index): i for i in before.instances()}
    now = {(i.component, i.component_index): i for i in after.instances()}
    both = was.keys() & now.keys()
    moved = {k for k in both if was[k].container_id != now[k].container_id}
    renumbered = {k for k in both if was[k].task_id != now[k].task_id}
    here, there = set(after.container_ids.tolist()), set(before.container_ids.tolist())
    return {
        "survivors": len(both),
        "moved_instances": len(moved),
        "restarted_instances": len(moved | renumbered),
        "started_instances": len(now.keys() - was.keys()),
        "stopped_instances": len(was.keys() - now.keys()),
        "containers_added": len(here - there),
        "containers_removed": len(there - here),
    }


@given(st.data())
def test_counts_by_name(data: st.DataObject) -> None:
    of = data.draw(topologies())
    other = of.with_parallelism({name: data.draw(st.integers(1, 5)) for name in of.names})
    before, after = data.draw(plans(of)), data.draw(plans(other))
    # Indexes with gaps, as they are after a scale-down.
    before = replace(before, index=before.index * 2)
    assert asdict(disruption(after, before)) == explicit(after, before)


@given(st.data())
def test_nothing_changes_from_a_plan_to_itself(data: st.DataObject) -> None:
    of = data.draw(topologies())
    same = data.draw(plans(of))
    counts = asdict(disruption(same, same))
    assert counts.pop("survivors") == of.instance_count
    assert set(counts.values()) == {0}


def test_a_swap_by_hand() -> None:
    of = chain(1, 2)
    before = plan(of, {1: ["spout", "b1"], 2: ["b1"]})
    after = plan(of, {1: ["spout"], 2: ["b1", "b1"]})
    counts = disruption(after, before)
    # b1 0 came to container 2; the tasks 2 and 3 are the same.
    assert (counts.moved_instances, counts.restarted_instances) == (1, 1)


def test_plans_of_different_topologies_do_not_compare() -> None:
    one, other = plan(chain(1, 1), {1: ["spout", "b1"]}), plan(chain(2), {1: ["spout", "spout"]})
    with pytest.raises(ValueError, match="same order"):
        disruption(one, other)
