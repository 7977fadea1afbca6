"""A live topology, as Heron's Tracker tells of it: streams, running plan, measured load.

The Tracker's REST interface is that of Heron 0.20.5 (`heron/tools/tracker/src/python/routers`).
Answers wrapped in `{"status", "result"}`, as trackers before gave them, are read as well.

Rates come from the counters of the last minutes, in the buckets that the topology manager keeps;
the newest one is still being filled and left out. Time per tuple of a bolt is the mean time in
`execute`, without what Heron's own code takes to emit from there. Of a spout no such metric is
kept by default; its CPU in use, without Heron's own, stands in for it.
"""

from __future__ import annotations

import json
import math
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from bridge.errors import Unreachable
from bridge.heron_costs import shipped_costs
from bridge.topology_source import TRACKER_PREFIX
from bridge.workload import Workload, describe
from packing.constraints import read_constraints
from packing.errors import InvalidRequest
from packing.model import HeronCosts
from packing.plan import Plan
from packing.profile import Origin, Profile, Source, StreamKey, stream_key
from packing.resources import Resources
from packing.topology import Component, Grouping, Kind, Stream, Topology

TIMEOUT_S = 10.0
"""Longest wait for one answer."""
WINDOW_S = 15 * 60
"""How far back measurements are taken into account."""
MAX_ANSWER_BYTES = 256 * 2**20
AT_ONCE = 4
"""Requests under way at the same time."""
FEWEST_TUPLES_FOR_SHARES = 10_000
"""Fewer tuples per reading instance say more about chance than about keys."""
FORM = "tracker:http://host:port/cluster/environ/topology"

EMITTED = "__emit-count/"
EXECUTED = "__execute-count/"
EXECUTE_NS = "__execute-latency/"
CPU_CORES = "__jvm-process-cpu-load"
HELD_BACK_MS = "__server/__time_spent_back_pressure_initiated"

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


@dataclass(frozen=True)
class TrackedTopology:
    """Where a topology runs and who can tell of it."""

    url: str
    """Of the Tracker, without a trailing slash."""
    cluster: str
    environ: str
    topology: str

    def __str__(self) -> str:
        """For messages."""
        return f"{self.cluster}/{self.environ}/{self.topology}"


def tracked(url: str, cluster: str, environ: str, topology: str) -> TrackedTopology:
    """Raises InvalidRequest for a URL that is none of http or https."""
    parts = urllib.parse.urlsplit(url)
    try:
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        usable = False
    if not usable:
        raise InvalidRequest(f"{url!r} is not the URL of a Tracker; it looks like http://host:8888")
    return TrackedTopology(url.rstrip("/"), cluster, environ, topology)


def parse_source(text: str) -> TrackedTopology:
    """Read `tracker:http://host:port/cluster/environ/topology`; a `/` in a name is `%2F`.

    Raises InvalidRequest.
    """
    url, *names = text.removeprefix(TRACKER_PREFIX).rsplit("/", 3)
    if len(names) != 3 or not all(names):
        raise InvalidRequest(f"{text!r} does not name a live topology; the form is {FORM}")
    return tracked(url, *(urllib.parse.unquote(name) for name in names))


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


class _Timeline(BaseModel):
    timeline: dict[str, dict[str, dict[int, float]]] = {}
    """Metric -> instance -> start of a bucket in seconds -> value."""


Answer = TypeVar("Answer", bound=BaseModel)


class _Tracker:
    """The requests that can be made about one topology."""

    def __init__(self, where: TrackedTopology, timeout_s: float) -> None:
        self._where = where
        self._timeout_s = timeout_s

    def ask(self, what: str, form: type[Answer], **more: Any) -> Answer:
        """One answer. Raises Unreachable saying what was asked and what came back."""
        return self._read(what, form, self._get(what, more))

    def timeline(self, **more: Any) -> _Timeline:
        """Metrics per minute; of older trackers by the path that they have."""
        try:
            return self.ask("metrics/timeline", _Timeline, **more)
        except _NotFound:
            return self.ask("metricstimeline", _Timeline, **more)

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
            failure = _NotFound if error.code == 404 else Unreachable
        except TimeoutError:
            reason = f"no answer within {self._timeout_s:g} s"
        except urllib.error.URLError as error:
            reason = str(getattr(error.reason, "strerror", None) or error.reason)
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
            reason = describe(error)
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

    `done` hears of every answer. What is not measured stays unknown in the profile. Raises
    Unreachable when the Tracker cannot be reached, does not know the topology, or answers in
    another form than Heron's; InvalidRequest when what it tells contradicts itself.
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
        asked = [pool.submit(_measured, tracker, topology, name, int(now_s())) for name in names]
        held = pool.submit(_held_back_share, tracker, int(now_s()), running.container_count)
        figures = {}
        for name, answer in zip(names, asked, strict=True):
            figures[name] = answer.result()
            done(f"metrics of {name}")
        held_back = held.result()
    profile = _profile(topology, running, figures, held_back, shipped_costs().costs)
    return Workload(
        topology.name, topology, read_constraints(stated, names), profile, running=running
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


@dataclass(frozen=True)
class _Figures:
    """What was measured of one component."""

    minutes: float
    """How much time the counters cover; 0 when nothing was measured."""
    emitted_per_s: Mapping[str, float]
    """Stream -> tuples/s of all instances."""
    executed_per_s: Mapping[tuple[str, str], float]
    """(source, stream) -> tuples/s of all instances."""
    executed_by_instance: Mapping[tuple[str, str], Mapping[str, float]]
    """(source, stream) -> instance id -> tuples in the whole time."""
    execute_s: float | None
    """Mean time in `execute` per tuple."""
    cpu_cores: float | None
    """In use by all instances together."""


def _measured(tracker: _Tracker, topology: Topology, component: str, now_s: int) -> _Figures:
    out = {s.stream_id for s in topology.streams if s.source == component}
    into = {(s.source, s.stream_id) for s in topology.streams if s.target == component}
    names = [EMITTED + stream for stream in sorted(out)]
    for source, stream in sorted(into):
        names += [f"{EXECUTED}{source}/{stream}", f"{EXECUTE_NS}{source}/{stream}"]
    found = tracker.timeline(
        component=component,
        metricname=[*names, CPU_CORES],
        starttime=now_s - WINDOW_S,
        endtime=now_s,
    ).timeline
    starts, bucket_s = _buckets(found)
    covered_s = len(starts) * bucket_s

    def total(metric: str) -> dict[str, float]:
        return {
            instance: math.fsum(value for at, value in values.items() if at in starts)
            for instance, values in found.get(metric, {}).items()
        }

    def rate(metric: str) -> float:
        return math.fsum(total(metric).values()) / covered_s if covered_s else 0.0

    by_instance = {key: total(f"{EXECUTED}{key[0]}/{key[1]}") for key in into}
    spent_s = tuples = 0.0
    for source, stream in into:
        counts = found.get(f"{EXECUTED}{source}/{stream}", {})
        for instance, values in found.get(f"{EXECUTE_NS}{source}/{stream}", {}).items():
            for at, nanoseconds in values.items():
                count = counts.get(instance, {}).get(at, 0.0)
                if at in starts and count > 0:
                    spent_s += count * nanoseconds / 1e9
                    tuples += count
    cores = [
        [value for at, value in values.items() if at in starts]
        for values in found.get(CPU_CORES, {}).values()
    ]
    known_cores = [math.fsum(values) / len(values) for values in cores if values]
    return _Figures(
        minutes=covered_s / 60,
        emitted_per_s={stream: rate(EMITTED + stream) for stream in out},
        executed_per_s={key: rate(f"{EXECUTED}{key[0]}/{key[1]}") for key in into},
        executed_by_instance=by_instance,
        execute_s=spent_s / tuples if tuples else None,
        cpu_cores=math.fsum(known_cores) if known_cores else None,
    )


def _buckets(found: Mapping[str, Mapping[str, Mapping[int, float]]]) -> tuple[set[int], int]:
    """Starts of the buckets that are full, and the seconds that each lasts.

    A topology that has just started has empty ones at the beginning, which tell nothing of it.
    """
    counters = [
        (at, value)
        for metric, instances in found.items()
        if metric.startswith((EMITTED, EXECUTED))
        for values in instances.values()
        for at, value in values.items()
    ]
    starts = sorted({at for at, _ in counters})
    if len(starts) < 2:
        return set(), 60
    first = min((at for at, value in counters if value > 0), default=starts[-1])
    bucket_s = min(b - a for a, b in pairwise(starts))
    return {at for at in starts[:-1] if at >= first}, bucket_s


def _held_back_share(tracker: _Tracker, now_s: int, containers: int) -> float:
    """Share of the time for which some stream manager held the spouts back, at least; 0 unknown."""
    try:
        found = tracker.timeline(
            component="__stmgr__",
            metricname=[HELD_BACK_MS],
            starttime=now_s - WINDOW_S,
            endtime=now_s,
        ).timeline
    except Unreachable:
        return 0.0
    by_manager = [list(values.items()) for values in found.get(HELD_BACK_MS, {}).values()]
    starts = {at for values in by_manager for at, _ in values}
    if len(starts) < 2 or not containers:
        return 0.0
    newest = max(starts)
    most_ms = max(math.fsum(v for at, v in values if at != newest) for values in by_manager)
    width_s = (newest - min(starts)) / (len(starts) - 1)
    return min(1.0, most_ms / 1000 / ((len(starts) - 1) * width_s))


def _profile(
    topology: Topology,
    plan: Plan,
    figures: Mapping[str, _Figures],
    held_back: float,
    costs: HeronCosts,
) -> Profile:
    rates: dict[str, float] = {}
    service: dict[str, float] = {}
    selectivity: dict[StreamKey, float] = {}
    shares: dict[StreamKey, tuple[float, ...]] = {}
    origin: dict[Any, Origin] = {}
    note = "counters of the last {:.0f} minutes"
    if held_back > 0.01:
        note += f"; spouts were held back {held_back:.0%} of the time, more may be on offer"
    for component in topology.components:
        name, of = component.name, figures[component.name]
        emitted = of.emitted_per_s
        if component.kind is Kind.SPOUT:
            # A spout's base tuple is one of its busiest stream.
            input_per_s = max(emitted.values(), default=0.0)
            if of.minutes and input_per_s:
                rates[name] = input_per_s / component.parallelism
                origin["rate_per_s", name] = Origin.of(Source.MEASURED, note.format(of.minutes))
        else:
            input_per_s = math.fsum(of.executed_per_s.values())
        if not input_per_s:
            continue
        out_per_s = math.fsum(emitted.values())
        spent_s = _user_time(component, of, input_per_s, out_per_s, costs)
        if spent_s is not None:
            service[name] = spent_s
            told = "time in execute" if component.kind is Kind.BOLT else "CPU in use"
            origin["service_s", name] = Origin(
                Source.MEASURED, 0.1 if component.kind is Kind.BOLT else 0.3,
                f"{told} without Heron's own work",
            )  # fmt: skip
        for stream in topology.streams:
            if stream.source == name and stream.stream_id in emitted:
                selectivity[stream_key(stream)] = emitted[stream.stream_id] / input_per_s
    for stream in topology.streams:
        measured = _shares(stream, plan, topology, figures[stream.target])
        if measured is not None:
            shares[stream_key(stream)] = measured
    return Profile(
        rate_per_s=rates,
        service_s=service,
        selectivity=selectivity,
        key_shares=shares,
        source=Source.MEASURED,
        origin=origin,
    )


def _user_time(
    component: Component, of: _Figures, input_per_s: float, out_per_s: float, costs: HeronCosts
) -> float | None:
    """Seconds of user code per input tuple; None where nothing tells."""
    if component.kind is Kind.BOLT:
        if of.execute_s is None:
            return None
        return max(0.0, of.execute_s - out_per_s / input_per_s * costs.tuple_out_s)
    if of.cpu_cores is None:
        return None
    own = component.parallelism * costs.spout_idle_cores + out_per_s * costs.tuple_out_s
    return max(0.0, of.cpu_cores - own) / input_per_s


def _shares(
    stream: Stream, plan: Plan, topology: Topology, of: _Figures
) -> tuple[float, ...] | None:
    """Share of each reading instance in component-index order; None where too little was seen."""
    counts = of.executed_by_instance.get((stream.source, stream.stream_id), {})
    members = np.flatnonzero(plan.component == topology.position[stream.target])
    by_rule = stream.grouping in (Grouping.FIELDS, Grouping.DIRECT, Grouping.CUSTOM)
    if not by_rule or len(members) < 2:
        return None
    members = members[plan.index[members].argsort()]
    # The instance id of physical_plan.proto: container, component and task id.
    ids = [
        f"container_{plan.container_ids[plan.container[i]]}_{stream.target}_{plan.task_id[i]}"
        for i in members.tolist()
    ]
    seen = [counts.get(this, 0.0) for this in ids]
    total = math.fsum(seen)
    if total < FEWEST_TUPLES_FOR_SHARES * len(members):
        return None
    return tuple(count / total for count in seen)
