"""A live topology, as Heron's Tracker tells of it: streams, running plan, measured load.

The Tracker's REST interface is that of Heron 0.20.5 (`heron/tools/tracker/src/python/routers`).
Answers wrapped in `{"status", "result"}`, as trackers before gave them, are read as well.
What its metrics say of the load is read in `bridge.tracked_load`.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from bridge.errors import Unreachable
from bridge.heron_costs import shipped_costs
from bridge.parsing import describe
from bridge.tracked_load import (
    NOTHING_MEASURED,
    Summary,
    Timeline,
    held_back_share,
    measured,
    measured_profile,
    notes,
)
from bridge.tracked_topology import TrackedTopology
from bridge.workload import Workload
from packing.constraints import read_constraints
from packing.errors import InvalidRequest
from packing.plan import Plan
from packing.resources import Resources
from packing.topology import Component, Grouping, Kind, Stream, Topology

TIMEOUT_S = 10.0
"""Longest wait for one answer."""
MAX_ANSWER_BYTES = 256 * 2**20
AT_ONCE = 4
"""Requests under way at the same time."""

GROUPINGS = {
    "SHUFFLE": Grouping.SHUFFLE,
    "FIELDS": Grouping.FIELDS,
    "ALL": Grouping.ALL,
    "LOWEST": Grouping.GLOBAL,
    "NONE": Grouping.NONE,
    "DIRECT": Grouping.DIRECT,
    "CUSTOM": Grouping.CUSTOM,
}
"""Names of Heron's enum (topology.proto)."""


class _Output(BaseModel):
    stream_name: str


class _Input(BaseModel):
    stream_name: str
    component_name: str
    grouping: str


class _Node(BaseModel):
    outputs: list[_Output] = []
    inputs: list[_Input] = []


class _LogicalPlan(BaseModel):
    spouts: dict[str, _Node]
    bolts: dict[str, _Node]


class _Amounts(BaseModel):
    cpu: float = Field(0.0, ge=0, allow_inf_nan=False)
    ram: int = Field(0, ge=0)
    disk: int = Field(0, ge=0)


class _Instance(BaseModel):
    component_name: str
    task_id: int
    component_index: int
    instance_resources: _Amounts


class _Container(BaseModel):
    id: int
    instances: list[_Instance]
    required_resources: _Amounts
    scheduled_resources: _Amounts | None = None


class _PackingPlan(BaseModel):
    id: str
    container_plans: list[_Container]


class _PhysicalPlan(BaseModel):
    config: dict[str, Any] = {}


Answer = TypeVar("Answer", bound=BaseModel)


class _Tracker:
    """The requests that can be made about one topology."""

    def __init__(self, where: TrackedTopology, timeout_s: float) -> None:
        self._where = where
        self._timeout_s = timeout_s

    def ask(self, what: str, form: type[Answer], **more: Any) -> Answer:
        """One answer. Raises Unreachable saying what was asked and what came back."""
        return self._read(what, form, self._get(what, more))

    def timeline(self, **more: Any) -> Timeline:
        """Metrics per minute; of older trackers by the path that they have."""
        try:
            return self.ask("metrics/timeline", Timeline, **more)
        except _NotFound:
            return self.ask("metricstimeline", Timeline, **more)

    def summary(self, **more: Any) -> Summary:
        """Metrics over a while in one figure each."""
        return self.ask("metrics", Summary, **more)

    def _get(self, what: str, more: Mapping[str, Any]) -> bytes:
        where = self._where
        names = {"cluster": where.cluster, "environ": where.environ, "topology": where.topology}
        query = urllib.parse.urlencode({**names, **more}, doseq=True)
        url = f"{where.url}/topologies/{what}?{query}"
        failure: type[Unreachable] = Unreachable
        try:
            with urllib.request.urlopen(url, timeout=self._timeout_s) as response:
                content: bytes = response.read(MAX_ANSWER_BYTES + 1)
        except urllib.error.HTTPError as error:
            detail = error.read(2000).decode("utf-8", "replace").strip() or error.reason
            reason = f"it answered {error.code}: {' '.join(str(detail).split())[:300]}"
            if error.code == 404:
                failure = _NotFound
                reason += "; check the names of cluster, environment and topology"
        except TimeoutError:
            reason = f"no answer within {self._timeout_s:g} s"
        except urllib.error.URLError as error:
            reason = str(getattr(error.reason, "strerror", None) or error.reason)
            reason += "; check host and port, and that it runs there"
        except (OSError, HTTPException, ValueError) as error:
            reason = str(error) or type(error).__name__
        else:
            if len(content) <= MAX_ANSWER_BYTES:
                return content
            reason = f"its answer is longer than {MAX_ANSWER_BYTES >> 20} MiB"
        raise failure(f"the Tracker at {where.url} did not tell the {what} of {where}: {reason}")

    def _read(self, what: str, form: type[Answer], content: bytes) -> Answer:
        try:
            found = json.loads(content)
            if isinstance(found, dict) and {"status", "result"} <= found.keys():
                found = found["result"]
            return form.model_validate(found)
        except ValidationError as error:
            reason = describe(error, found, form)
        except (ValueError, RecursionError):
            reason = f"{content[:40]!r} is not JSON"
        raise Unreachable(
            f"the Tracker at {self._where.url} tells the {what} of {self._where} in a form that is "
            f"not Heron's: {reason}"
        )


class _NotFound(Unreachable):
    """The Tracker has no such path, or no such topology."""


def read_topology(
    where: TrackedTopology,
    timeout_s: float = TIMEOUT_S,
    done: Callable[[str], None] = lambda _: None,
    now_s: Callable[[], float] = time.time,
) -> Workload:
    """The topology at the parallelism it runs at, its plan, and the load of the last minutes.

    `done` hears of every answer. What is not measured stays unknown in the profile, and the notes
    say why metrics were not told. Raises Unreachable when the Tracker cannot be reached, does not
    know the topology, or answers in another form than Heron's; InvalidRequest when what it tells
    contradicts itself.
    """
    tracker = _Tracker(where, timeout_s)
    logical = tracker.ask("logicalplan", _LogicalPlan)
    done("logical plan")
    packing = tracker.ask("packingplan", _PackingPlan)
    done("packing plan")
    if not packing.container_plans or not logical.spouts:
        missing = "plan" if not packing.container_plans else "spouts"
        raise Unreachable(
            f"the Tracker at {where.url} knows of no {missing} of {where}; is the topology still "
            "starting?"
        )
    config = tracker.ask("physicalplan", _PhysicalPlan).config
    done("physical plan")
    topology = _topology(where.topology, logical, packing)
    running = _plan(packing, topology)
    stated = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in config.items()
        if isinstance(value, str | int | float)
    }
    stated["topology.stmgrs"] = str(running.container_count)
    names = topology.names
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [pool.submit(measured, tracker, topology, name, int(now_s())) for name in names]
        held = pool.submit(held_back_share, tracker, int(now_s()))
        figures = {}
        trouble: tuple[str, ...] = ()
        for name, answer in zip(names, asked, strict=True):
            try:
                figures[name] = answer.result()
            except Unreachable as error:
                # The topology and its plan are known all the same.
                figures[name] = NOTHING_MEASURED
                trouble = (str(error),)
            done(f"metrics of {name}")
        held_back = held.result()
    profile = measured_profile(topology, running, figures, shipped_costs().costs)
    return Workload(
        topology.name,
        topology,
        read_constraints(stated, names),
        profile,
        running=running,
        notes=(*notes(figures, held_back), *trouble),
    )


def _topology(name: str, logical: _LogicalPlan, packing: _PackingPlan) -> Topology:
    running: dict[str, int] = {}
    for container in packing.container_plans:
        for instance in container.instances:
            running[instance.component_name] = running.get(instance.component_name, 0) + 1
    components = [Component(n, Kind.SPOUT, running.get(n, 0)) for n in logical.spouts]
    components += [Component(n, Kind.BOLT, running.get(n, 0)) for n in logical.bolts]
    streams = []
    for target, bolt in logical.bolts.items():
        for read in bolt.inputs:
            grouping = GROUPINGS.get(read.grouping.upper())
            if grouping is None:
                raise InvalidRequest(
                    f"stream {read.stream_name!r} into {target!r} has grouping {read.grouping!r}, "
                    f"which Heron does not define; it defines {', '.join(GROUPINGS)}"
                )
            streams.append(Stream(read.component_name, target, read.stream_name, grouping))
    return Topology(packing.id, name, tuple(components), tuple(streams))


def _plan(packing: _PackingPlan, topology: Topology) -> Plan:
    placed = [(i, c.id) for c in packing.container_plans for i in c.instances]
    for instance, container_id in placed:
        if instance.component_name not in topology.position:
            raise InvalidRequest(
                f"container {container_id} runs an instance of {instance.component_name!r}, which "
                f"the logical plan does not have; it has {', '.join(topology.names)}"
            )

    def columns(sizes: list[_Amounts]) -> tuple[Any, Any, Any]:
        return (
            np.array([s.cpu for s in sizes]),
            np.array([s.ram for s in sizes], dtype=np.int64),
            np.array([s.disk for s in sizes], dtype=np.int64),
        )

    # The Tracker tells zeros where nothing was granted, and RAM in the place of granted disk
    # (topology.py, _build_packing_plan).
    scheduled = {
        c.id: Resources(
            c.scheduled_resources.cpu, c.scheduled_resources.ram, c.required_resources.disk
        )
        for c in packing.container_plans
        if c.scheduled_resources is not None and c.scheduled_resources.cpu > 0
    }
    return Plan.of(
        packing.id,
        topology.names,
        (
            [topology.position[i.component_name] for i, _ in placed],
            [i.task_id for i, _ in placed],
            [i.component_index for i, _ in placed],
            [container_id for _, container_id in placed],
        ),
        columns([i.instance_resources for i, _ in placed]),
        [c.id for c in packing.container_plans],
        columns([c.required_resources for c in packing.container_plans]),
        scheduled or None,
    )
