"""A Tracker for tests: a real HTTP server with answers in the shape of Heron 0.20.5's."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import fmean
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from packing.plan import Plan
from packing.topology import Grouping, Kind, Topology

NAMES = {grouping: grouping.name for grouping in Grouping} | {Grouping.GLOBAL: "LOWEST"}
BUCKET_S = 60
NOT_A_NUMBER = b'"request failed: Out of range float values are not JSON compliant"'
"""What Heron 0.20.5 answers, with 500, to a timeline in which a bucket's mean is NaN."""


def logical_plan(topology: Topology) -> dict[str, Any]:
    """As `Topology._build_logical_plan` of heron/tools/tracker/src/python/topology.py."""

    def outputs(name: str) -> list[dict[str, str]]:
        streams = dict.fromkeys(s.stream_id for s in topology.streams if s.source == name)
        return [{"stream_name": stream} for stream in streams]

    spouts, bolts = {}, {}
    for component in topology.components:
        # What it was submitted with; updates do not change it.
        config = {"topology.component.parallelism": "1"}
        if component.kind is Kind.SPOUT:
            spouts[component.name] = {
                "config": config,
                "spout_type": "default",
                "spout_source": "NA",
                "version": "NA",
                "extra_links": [],
                "outputs": outputs(component.name),
            }
            continue
        read = [s for s in topology.streams if s.target == component.name]
        bolts[component.name] = {
            "config": config,
            "outputs": outputs(component.name),
            "inputs": [
                {
                    "stream_name": s.stream_id,
                    "component_name": s.source,
                    "grouping": NAMES[s.grouping],
                }
                for s in read
            ],
            "inputComponents": [s.source for s in read],
        }
    return {"spouts": spouts, "bolts": bolts, "stages": 2}


def packing_plan(plan: Plan) -> dict[str, Any]:
    """As `Topology._build_packing_plan`, zeros where nothing was granted included."""
    inside: dict[int, list[dict[str, Any]]] = {int(i): [] for i in plan.container_ids}
    for instance in plan.instances():
        size = instance.resources
        inside[instance.container_id].append(
            {
                "component_name": instance.component,
                "task_id": instance.task_id,
                "component_index": instance.component_index,
                "instance_resources": {
                    "cpu": size.cpu_cores,
                    "ram": size.ram_bytes,
                    "disk": size.disk_bytes,
                },
            }
        )
    granted = plan.scheduled or {}
    containers = []
    for this, (cpu, ram, disk) in zip(
        plan.container_ids.tolist(), plan.container_sizes.tolist(), strict=True
    ):
        scheduled = {"cpu": 0.0, "ram": 0, "disk": 0}
        if this in granted:
            # Heron's Tracker writes RAM where disk belongs.
            ram_bytes = granted[this].ram_bytes
            scheduled = {"cpu": granted[this].cpu_cores, "ram": ram_bytes, "disk": ram_bytes}
        containers.append(
            {
                "id": this,
                "instances": inside[this],
                "required_resources": {"cpu": cpu, "ram": int(ram), "disk": int(disk)},
                "scheduled_resources": scheduled,
            }
        )
    return {"id": plan.topology_id, "container_plans": containers}


def answers(
    topology: Topology, plan: Plan, config: Mapping[str, Any], metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """Path below /topologies/ -> answer; `metrics`: component -> metric -> instance -> buckets."""
    return {
        "logicalplan": logical_plan(topology),
        "packingplan": packing_plan(plan),
        "physicalplan": {
            "instances": {},
            "instance_groups": {},
            "stmgrs": {},
            "spouts": {},
            "bolts": {},
            "config": dict(config),
            "components": {},
        },
        "metrics/timeline": dict(metrics),
    }


def summary(
    component: str, asked_for: Mapping[str, Mapping[str, Mapping[int, float]]], interval_s: int
) -> dict[str, Any]:
    """As `/topologies/metrics`: sums of counts and means of times, as text."""

    def one(metric: str, by: Mapping[int, float]) -> float:
        newest = max(by)
        values = [v for at, v in by.items() if at >= newest - interval_s and not math.isnan(v)]
        return math.fsum(values) if "count" in metric else fmean(values or [math.nan])

    return {
        "interval": interval_s,
        "component": component,
        "metrics": {
            metric: {instance: f"{one(metric, by):f}" for instance, by in instances.items()}
            for metric, instances in asked_for.items()
        },
    }


@contextmanager
def serving(found: Mapping[str, Any], legacy: bool = False) -> Iterator[tuple[str, list[str]]]:
    """URL of a Tracker with these answers, and the paths asked for.

    An answer that is bytes is sent as it is. A `legacy` one wraps its answers, has metrics under
    their old path and writes values as text.
    """
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            what = parts.path.removeprefix("/topologies/")
            asked.append(self.path)
            if legacy and what == "metrics/timeline":
                self.say(404, {"detail": "Not Found"})
                return
            of_metrics = what in ("metrics/timeline", "metricstimeline", "metrics")
            answer = found.get("metrics/timeline" if of_metrics else what)
            if answer is None or query["topology"] != ["words"]:
                self.say(404, {"detail": f"no topology {query['topology'][0]}"})
                return
            if of_metrics:
                component = query["component"][0]
                known = answer.get(component, {})
                asked_for = {m: known[m] for m in query["metricname"] if m in known}
                values = [
                    v for each in asked_for.values() for by in each.values() for v in by.values()
                ]
                if what == "metrics":
                    answer = summary(component, asked_for, int(query["interval"][0]))
                elif any(map(math.isnan, values)):
                    self.say(500, NOT_A_NUMBER)
                    return
                else:
                    answer = {
                        "component": component,
                        "starttime": int(query["starttime"][0]),
                        "endtime": int(query["endtime"][0]),
                        "timeline": {
                            metric: {
                                instance: {
                                    at: str(value) if legacy else value for at, value in by.items()
                                }
                                for instance, by in instances.items()
                            }
                            for metric, instances in asked_for.items()
                        },
                    }
            wrapped = {"status": "success", "executiontime": 0.01, "result": answer}
            self.say(200, wrapped if legacy else answer)

        def say(self, status: int, answer: Any) -> None:
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
