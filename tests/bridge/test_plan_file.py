from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.plan_file import load_plan, plan_to_json
from packing.errors import InvalidRequest
from packing.resources import GIB, Resources
from tests.packing.build import chain, plan
from tests.packing.strategies import plans, topologies

OF = chain(1, 2)
PLAN = plan(
    OF,
    {1: ["spout", "b1"], 4: ["b1"]},
    instance=Resources(0.5, GIB, 7),
    container=Resources(2.0, 3 * GIB, 9),
)


def test_the_form_of_a_plan_file() -> None:
    def instance(component: str, task_id: int, index: int) -> dict[str, Any]:
        return {
            "component": component,
            "task_id": task_id,
            "index": index,
            "cpu": 0.5,
            "ram": GIB,
            "disk": 7,
        }

    assert plan_to_json(PLAN) == {
        "id": "topology-id",
        "containers": [
            {
                "id": 1,
                "cpu": 2.0,
                "ram": 3 * GIB,
                "disk": 9,
                "instances": [instance("spout", 1, 0), instance("b1", 2, 0)],
            },
            {"id": 4, "cpu": 2.0, "ram": 3 * GIB, "disk": 9, "instances": [instance("b1", 3, 1)]},
        ],
    }


@given(data=st.data())
def test_plans_survive_the_way_there_and_back(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    of = data.draw(topologies())
    made = data.draw(plans(of))
    path = tmp_path_factory.getbasetemp() / "plan.json"
    path.write_text(json.dumps(plan_to_json(made)))
    assert load_plan(path, of) == made


def instance_set(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda file: file["containers"][0]["instances"][0].update({name: value})


def container_set(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda file: file["containers"][0].update({name: value})


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        (
            instance_set("component", "b9"),
            "container 1 has an instance of 'b9', which the topology",
        ),
        (instance_set("colour", 1), "containers.0.instances.0.colour: there is no such field"),
        (instance_set("cpu", -1), "containers.0.instances.0.cpu: it must be greater than"),
        (instance_set("cpu", float("nan")), "containers.0.instances.0.cpu: it must be"),
        (instance_set("ram", 10**30), "containers.0.instances.0.ram: it must be"),
        (instance_set("ram", 2**63), "containers.0.instances.0.ram: it must be"),
        (instance_set("task_id", 2**31), "containers.0.instances.0.task_id: it must be less"),
        (instance_set("index", -1), "containers.0.instances.0.index: it must be greater"),
        (container_set("id", 4), "container id 4 appears twice"),
        (container_set("id", -1), "containers.0.id: it must be greater than or equal to 0"),
        (container_set("disk", "big"), "containers.0.disk: it must be a valid integer"),
        (lambda file: file.pop("id"), "id: it is missing"),
        (lambda file: file.update(containers=[]), "holds no instances"),
    ],
)
def test_a_file_that_cannot_be(
    tmp_path: Path, edit: Callable[[dict[str, Any]], None], complaint: str
) -> None:
    content = plan_to_json(PLAN)
    edit(content)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InvalidRequest) as refused:
        load_plan(path, OF)
    assert str(refused.value).startswith(str(path))
    assert complaint in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 200_000, b"9" * 5000])
def test_a_file_that_is_not_json(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(InvalidRequest, match=r"plan.json is not JSON"):
        load_plan(path, OF)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read: No such file"):
        load_plan(tmp_path / "plan.json", OF)
