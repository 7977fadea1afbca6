"""An update request as counts of alike instances, and counts as a plan that keeps who runs.

Who is hot is decided by ids: a GLOBAL stream goes to the lowest task, keys to tasks or indexes in
their order. Survivors keep their ids and what starts gets higher ones, so shares are known before
anything is placed. Where keys decide them, the instances with the highest ids are those that stop;
of other components any may stop but the lowest task of one that reads a GLOBAL stream.
"""

from __future__ import annotations

import enum
import math
from functools import cached_property

import numpy as np

from packing.arrays import Bools, Floats, Ints, sum_by
from packing.errors import Infeasible
from packing.flows import instance_shares
from packing.key_skew import Order
from packing.model import Classes, Contents
from packing.model.demand import work
from packing.plan import Plan
from packing.planners.packing_problem import alike, class_load, class_traffic
from packing.planners.placement import Placement, container_sizes, rank_within
from packing.planners.usable_size import hard_limit, usable_when_running
from packing.request import Request
from packing.search.problem import PackingProblem
from packing.search.repack import Removable, Update
from packing.topology import Grouping

SIZES_PER_COMPONENT = 4
"""Running instances of a component that differ in more sizes count as large as the largest."""


class Room(enum.Enum):
    """How far containers may be filled, from what is preferred to what is possible."""

    PADDED = "what they were granted, less padding"
    GRANTED = "what they were granted"
    STATED = "what the user states, or anything"


class RequestedRepack:
    """An update request in the terms of the search."""

    def __init__(self, request: Request) -> None:
        """Prepare `request`, which must have a current plan."""
        assert request.current is not None
        self.request = request
        self.current: Plan = request.current
        deltas = [request.deltas.get(name, 0) for name in request.topology.names]
        self._deltas = np.array(deltas, dtype=np.int64)
        configured = Placement(request, None, request.constraints.padding).needs
        self._configured: Floats = configured
        self._template, self._origin = self._dealt()
        self._group()

    # --- who is alike ---

    def _group(self) -> None:
        """Put the instances that run or start into classes."""
        current, prepared = self.current, self.request.prepared
        shares = instance_shares(self.request.target, self._template, prepared.rates)
        routed, keyed = set(prepared.routed), prepared.keyed
        sizes = np.column_stack([current.cpu_cores, current.ram_bytes, current.disk_bytes])
        sizes = sizes.astype(np.float64)
        component: list[int] = []
        self.members: list[Ints] = []
        """Positions in the template of instances with the shares of each class."""
        self.running: list[Ints] = []
        """Positions in the current plan of the instances of each class."""
        self.fresh: list[Ints] = []
        """Numbers of the instances of each class that start."""
        needs: list[Floats] = []
        stops: list[tuple[Ints, int]] = []
        outright: list[Ints] = [np.zeros(0, dtype=np.int64)]
        """Running instances that stop in any case."""
        for v, delta in enumerate(self._deltas.tolist()):
            members = np.flatnonzero(self._template.component == v)
            members = members[np.argsort(self._template.task_id[members])]
            groups = [members]
            if v in routed and len(members) > 1:
                groups = [members[group] for group in alike(shares[members])]
            dropped = np.flatnonzero(~self._kept & (current.component == v))
            free = len(dropped) > 0 and v not in keyed
            if v in self._read_globally and (free or v in routed):
                groups = _alone(groups, members[0])
                free = free and len(groups) > 1
            if not free:
                outright.append(dropped)
            first = len(component)
            for group in groups:
                of = self._origin[group]
                running, fresh = of[of >= 0], -1 - of[of < 0]
                if free and group is groups[-1]:
                    running = np.concatenate([running, dropped])
                for ours, theirs, size in self._by_size(running, fresh, sizes, v):
                    component.append(v)
                    self.members.append(group)
                    self.running.append(ours)
                    self.fresh.append(np.sort(theirs))
                    needs.append(size)
            if free:
                last = [k for k in range(first, len(component)) if self.members[k] is groups[-1]]
                stops.append((np.array(last), -delta))
        self.component = np.array(component)
        self.needs = np.array(needs)
        self.stops = tuple(stops)
        self.outright = np.concatenate(outright)
        self._shares = shares

    def _by_size(
        self, running: Ints, fresh: Ints, sizes: Floats, v: int
    ) -> list[tuple[Ints, Ints, Floats]]:
        """Running and starting instances of equal size, with that size."""
        none = np.zeros(0, dtype=np.int64)
        rows, which = sizes[running[:1]], np.zeros(len(running), dtype=np.int64)
        if (sizes[running] != rows).any():
            rows, which = np.unique(sizes[running], axis=0, return_inverse=True)
            which = which.ravel()
        if len(rows) > SIZES_PER_COMPONENT:
            rows, which = rows.max(axis=0)[None], np.zeros(len(running), dtype=np.int64)
        found = [(running[which == i], none, row) for i, row in enumerate(rows)]
        if not len(fresh):
            return found
        for i, (ours, _, row) in enumerate(found):
            if np.array_equal(row, self._configured[v]):
                found[i] = (ours, fresh, row)
                return found
        return [*found, (none, fresh, self._configured[v])]

    @cached_property
    def _read_globally(self) -> set[int]:
        topology = self.request.topology
        return {
            topology.position[s.target] for s in topology.streams if s.grouping is Grouping.GLOBAL
        }

    @cached_property
    def _kept(self) -> Bools:
        """Whether an instance survives where those with the highest ids stop; (n,)."""
        current, rates = self.current, self.request.prepared.rates
        by_index = {
            self.request.prepared.target[i]
            for i, shares in rates.uneven.items()
            if shares.order is Order.COMPONENT_INDEX
        }
        kept = np.ones(current.instance_count, dtype=bool)
        for v in np.flatnonzero(self._deltas < 0).tolist():
            members = np.flatnonzero(current.component == v)
            by = current.index if v in by_index else current.task_id
            order = members[np.argsort(by[members])]
            kept[order[self._deltas[v] :]] = False
        return kept

    @cached_property
    def started(self) -> Ints:
        """Component of each instance that starts, in the order in which they get ids."""
        up = np.maximum(self._deltas, 0)
        return np.repeat(np.arange(len(up)), up)

    def _dealt(self) -> tuple[Plan, Ints]:
        """A plan with the ids that the update leads to: what starts is dealt in turn.

        With the position in the current plan of each of its instances; -1 less its number for one
        that starts.
        """
        current, kept = self.current, self._kept
        started = self.started
        next_index = np.zeros(len(self._deltas), dtype=np.int64)
        np.maximum.at(next_index, current.component[kept], current.index[kept] + 1)
        task = int(current.task_id[kept].max(initial=0)) + 1 + np.arange(len(started))
        dealt = np.arange(len(started)) % current.container_count
        components = np.concatenate([current.component[kept], started])
        n, count = len(components), current.container_count
        index = next_index[started] + rank_within(started) if len(started) else started
        some, whole = np.ones(n), np.ones(n, dtype=np.int64)
        found = Plan.of(
            current.topology_id,
            current.components,
            (
                components,
                np.concatenate([current.task_id[kept], task]),
                np.concatenate([current.index[kept], index]),
                current.container_ids[np.concatenate([current.container[kept], dealt])],
            ),
            (some, whole, whole),
            current.container_ids,
            (np.ones(count), np.ones(count, np.int64), np.ones(count, np.int64)),
        )
        origin = np.concatenate([np.flatnonzero(kept), -1 - np.arange(len(started))])
        by_task = np.empty(n, dtype=np.int64)
        by_task[np.argsort(found.task_id)] = origin[
            np.argsort(np.concatenate([current.task_id[kept], task]))
        ]
        return found, by_task

    # --- what they do ---

    @cached_property
    def classes(self) -> Classes:
        """Shares of the classes, for the model."""
        prepared, template = self.request.prepared, self._template
        received = np.zeros((len(prepared.source), len(self.component)))
        for i, v in enumerate(prepared.target):
            reading = np.flatnonzero(self.component == v)
            each = np.zeros(template.instance_count)
            instances = np.flatnonzero(template.component == v)
            uneven = prepared.rates.uneven.get(i)
            if self.request.topology.streams[i].grouping is Grouping.GLOBAL:
                each[instances[np.argmin(template.task_id[instances])]] = 1.0
            elif uneven is not None and len(uneven.values) == len(instances):
                by = template.index if uneven.order is Order.COMPONENT_INDEX else template.task_id
                each[instances[np.argsort(by[instances])]] = uneven.values
            else:
                each[instances] = 1.0 / len(instances)
            for k in reading.tolist():
                received[i, k] = each[self.members[k]].mean()
        sent = np.array([self._shares[members].mean() for members in self.members])
        return Classes(prepared, self.component, sent, received)

    @cached_property
    def load(self) -> Floats:
        """CPU that one instance of each class keeps busy, else what it asks for, in cores; (K,)."""
        if not self.request.prepared.known_load:
            return np.asarray(self.needs[:, 0])
        return class_load(self.request, self._template, self.classes, self.members)

    @cached_property
    def ceiling(self) -> float:
        """Load factor that fills the busiest instance's thread, wherever instances are."""
        cores = work(self.request.prepared, self.request.costs, self.request.runtime).thread_cores
        busiest = float((cores[self.component] * self.classes.sent).max(initial=0.0))
        return 1.0 / busiest if busiest > 0 else math.inf

    @cached_property
    def traffic(self) -> Floats:
        """Tuples/s between one instance of each class and one of each; (K, K)."""
        return class_traffic(self.classes)

    # --- as counts ---

    @cached_property
    def home(self) -> Ints:
        """What runs and need not stop in any case, in the containers that run; (K, C)."""
        found = np.zeros((len(self.component), self.current.container_count), dtype=np.int64)
        for k, at in enumerate(self.running):
            found[k] = np.bincount(self.current.container[at], minlength=found.shape[1])
        return found

    @cached_property
    def _room(self) -> tuple[Floats, Floats]:
        """Usable in each running container, by the sizes of classes, and in an added one."""
        running, added = usable_when_running(self.request, self._configured)
        return running + self._taken_for_more, added

    @cached_property
    def _taken_for_more(self) -> Floats:
        """By how much classes overstate what runs in each container; (C, 3)."""
        current = self.current
        at = np.concatenate(self.running)
        columns = (current.cpu_cores, current.ram_bytes, current.disk_bytes)
        used = np.column_stack(
            [sum_by(current.container[at], c[at], current.container_count) for c in columns]
        )
        more = self.home.T @ self.needs - used
        # Differences of rounding are none.
        return np.where(more > 1e-9 * np.maximum(used, 1.0), more, 0.0)

    def starting_containers(self) -> int:
        """How many added containers what starts fills by its size, at least 1."""
        growth = np.bincount(self.started, minlength=len(self._deltas)) @ self._configured
        with np.errstate(divide="ignore", invalid="ignore"):
            filled = np.nan_to_num(growth / self._room[1])
        return max(1, math.floor(float(filled.max())))

    def usually_added(self) -> int:
        """How many containers keep the others as full as they are, or hold what starts by its size
        as Heron's packers count it (PackingUtils.computeNumAdditionalContainers)."""
        current = self.current
        instances = sum(self.request.parallelism.values())
        even = math.ceil(instances * current.container_count / current.instance_count)
        extra = self._deltas @ self._configured
        with np.errstate(divide="ignore", invalid="ignore"):
            by_size = np.nan_to_num(extra / current.granted.max(axis=0), posinf=0.0)
        return max(even - current.container_count, math.ceil(float(by_size.max())), 0)

    def update(self, added: int, room: Room = Room.PADDED) -> Update:
        """The update with `added` containers more, which may be filled as `room` says."""
        request = self.request
        running, new = self._room
        capacity = np.vstack([running, np.tile(new, (added, 1))])
        if room is not Room.PADDED:
            most = hard_limit(request)
            if room is Room.GRANTED:
                most = np.minimum(most, self._granted(added) + 1e-9)
            extra = np.vstack([self._taken_for_more, np.zeros((added, 3))])
            capacity = np.maximum(capacity, most + extra)
        count = len(capacity)
        home = np.hstack([self.home, np.zeros((len(self.component), added), dtype=np.int64)])
        started = np.array([len(fresh) for fresh in self.fresh], dtype=np.int64)
        supply = home.sum(axis=1) + started
        stated = request.constraints.max_instances
        count_limit = int(supply.sum()) if stated is None else stated
        wanted = request.container_count
        return Update(
            problem=PackingProblem(
                traffic=self.traffic,
                supply=supply,
                needs=self.needs,
                capacity=capacity,
                most=np.full(count, count_limit, dtype=np.int64),
                load=self.load[:, None],
                component_of=self.component,
                spread=self._spread,
                home=home,
                move_price=np.zeros(len(self.component)),
            ),
            stops=self.stops,
            removable=self._removable,
            all_used=wanted is not None,
            cores=self._cores(added),
        )

    @property
    def _spread(self) -> Bools | None:
        """Components that should be in two containers, where the request asks for that."""
        if not self.request.spread_components:
            return None
        return np.array([count > 1 for count in self.request.parallelism.values()])

    @property
    def _removable(self) -> Removable:
        if self.request.scheduler.container_set_fixed:
            return Removable.NONE
        if self.request.scheduler.keeps_contiguous_ids:
            return Removable.HIGHEST
        return Removable.ANY

    def _granted(self, added: int) -> Floats:
        """What containers have, and added ones would get, without a padding; (C, 3)."""
        granted = self.current.granted
        if self.request.scheduler.homogeneous:
            granted = np.tile(granted.max(axis=0), (len(granted), 1))
        return np.vstack([granted, np.tile(self._room[1], (added, 1))])

    def _cores(self, added: int) -> Floats | None:
        """Quotas that loads are measured against; None where the load is not known."""
        if not self.request.prepared.known_load:
            return None
        granted = self.current.granted[:, 0]
        new = self._room[1][0] + self.request.constraints.padding.cpu_cores
        if self.request.scheduler.homogeneous or not np.isfinite(new):
            return None
        return np.concatenate([granted, np.full(added, new)])

    def contents(self, counts: Ints) -> Contents:
        """Containers in use with their sizes, for the model."""
        added = counts.shape[1] - self.home.shape[1]
        home = np.hstack([self.home, np.zeros((len(counts), added), dtype=np.int64)])
        total = counts.T @ self.needs
        running = self.current.container_count
        total[:running] -= np.minimum(self._taken_for_more, total[:running])
        grown: Bools = np.asarray((counts > home).any(axis=0))
        padding = self.request.constraints.padding
        sizes = container_sizes(self.request, padding, total, grown)
        used = counts.any(axis=0)
        cores, ram = sizes[used, 0], sizes[used, 1]
        if self.request.scheduler.homogeneous:
            cores, ram = np.full_like(cores, cores.max()), np.full_like(ram, ram.max())
        return Contents(counts[:, used], cores, ram, total[used, 0])

    def plan(self, counts: Ints) -> Plan:
        """The plan with these counts per class and container; (K, C).

        Those that leave a container are the ones with the highest indexes. Raises Infeasible when
        containers would be left empty that cannot be.
        """
        request, current = self.request, self.current
        placement = Placement(request, None, request.constraints.padding)
        placement.keep_sizes = True
        placement.open(counts.shape[1] - current.container_count)
        stopped, moved, to = [self.outright], [], []
        where = np.zeros(len(self.started), dtype=np.int64)
        for k, running in enumerate(self.running):
            home = np.bincount(current.container[running], minlength=counts.shape[1])
            leaving = np.maximum(home - counts[k], 0)
            arriving = np.repeat(np.arange(counts.shape[1]), np.maximum(counts[k] - home, 0))
            order = np.lexsort((-current.index[running], current.container[running]))
            ordered = running[order]
            first = np.concatenate([[0], np.cumsum(home)[:-1]])
            rank = np.arange(len(ordered)) - first[current.container[ordered]]
            leaves = ordered[rank < leaving[current.container[ordered]]]
            stay_alive = len(arriving) - len(self.fresh[k])
            # Of those that leave, the ones with the lowest indexes live on.
            leaves = leaves[np.argsort(current.index[leaves], kind="stable")]
            moved.append(leaves[:stay_alive])
            stopped.append(leaves[stay_alive:])
            to.append(arriving[:stay_alive])
            where[self.fresh[k]] = arriving[stay_alive:]
        placement.stop_running(np.concatenate(stopped))
        placement.move_running(np.concatenate(moved), np.concatenate(to))
        if len(self.started):
            placement.add_many(self.started, where)
        plan = placement.build()
        wanted = request.container_count
        if wanted is not None and plan.container_count != wanted:
            raise Infeasible(f"no way was found for {wanted} containers to hold an instance each")
        return plan


def _alone(groups: list[Ints], lowest: int) -> list[Ints]:
    """The lowest task as a group of its own, first."""
    rest = [group[group != lowest] for group in groups]
    return [np.array([lowest]), *(group for group in rest if len(group))]
