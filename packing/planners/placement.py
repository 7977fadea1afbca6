"""The working state of a planner: containers that fill up, starting empty or from a plan."""

from __future__ import annotations

import math

import numpy as np

from packing.arrays import Bools, Floats, Ints, sum_by
from packing.constraints import Constraints
from packing.errors import Infeasible
from packing.plan import Plan
from packing.request import Request
from packing.resources import Resources

# Cores are sums of decimal fractions; an instance that fits to a billionth fits.
_CPU_SLACK_CORES = 1e-9


class Placement:
    """Counts of instances per container, within a capacity, that become a plan.

    Instances that run already keep container, task id and index until they are moved or removed.
    New ones get the next free task id and component index, as in PackingPlanBuilder of Heron.
    Containers are addressed by position; `ids[position]` is the container id. Containers still
    empty at `build` are left out.
    """

    def __init__(
        self,
        request: Request,
        capacity: Resources | None,
        padding: Resources,
        max_instances: int | None = None,
    ) -> None:
        """Start from the request's current plan, or empty.

        `capacity` is the size of every container, padding included; None for no limit.
        """
        self.request = request
        self.padding = padding
        self.keep_sizes = False
        """Whether running containers keep their size; Heron's builder computes it anew."""
        self._usable_when_new = (
            np.full(3, np.inf)
            if capacity is None
            else resource_row(capacity - padding) + np.array([_CPU_SLACK_CORES, 0.0, 0.0])
        )
        self._max_instances = math.inf if max_instances is None else max_instances
        names = request.topology.names
        self.needs: Floats = np.array(
            [resource_row(request.constraints.instance(name)) for name in names]
        )
        current = request.current
        self._moved_to: dict[int, int] = {}
        self._removed: set[int] = set()
        self._added: list[tuple[Ints, Ints]] = []
        if current is None:
            self.ids: list[int] = []
            self.counts: Ints = np.zeros((len(names), 0), dtype=np.int64)
            self.used: Floats = np.zeros((0, 3))
        else:
            self.ids = current.container_ids.tolist()
            self.counts = current.counts.copy()
            self.used = np.stack([column.astype(np.float64) for column in current.used], axis=1)
        self.usable: Floats = np.tile(self._usable_when_new, (len(self.ids), 1))
        """Cores, RAM and disk that instances may take in each container, shape (C, 3)."""
        self._members: dict[tuple[int, int], list[int]] | None = None

    def open(self, count: int) -> None:
        """Add `count` empty containers with the next ids."""
        first = self.ids[-1] + 1 if self.ids else 1
        self.ids += range(first, first + count)
        self.counts = np.hstack(
            [self.counts, np.zeros((self.counts.shape[0], count), dtype=np.int64)]
        )
        self.used = np.vstack([self.used, np.zeros((count, 3))])
        self.usable = np.vstack([self.usable, np.tile(self._usable_when_new, (count, 1))])

    def drop_last(self) -> None:
        """Forget the container with the highest id; it must be empty."""
        self.ids.pop()
        self.counts = self.counts[:, :-1]
        self.used = self.used[:-1]
        self.usable = self.usable[:-1]

    @property
    def opened(self) -> list[int]:
        """Positions of the containers that do not run yet."""
        current = self.request.current
        running = set() if current is None else set(current.container_ids.tolist())
        return [position for position, this in enumerate(self.ids) if this not in running]

    @property
    def instances_held(self) -> Ints:
        """Instances per container."""
        return np.asarray(self.counts.sum(axis=0))

    def room(self, component: int) -> Ints:
        """How many more instances of `component` each container can take."""
        return self._room_for(self.needs[component])

    def room_to_move(self, component: int, position: int) -> Ints:
        """How many like the instance that `move` would take from `position` each one can take.

        Running instances may have other sizes than new ones get.
        """
        if self._find_new(component, position) is not None:
            return self.room(component)
        return self._room_for(self._size_of(self._running()[component, position][-1]))

    def room_when_new(self, component: int) -> int:
        """How many instances of `component` an empty container takes."""
        free = self._usable_when_new[None]
        return int(self._fitting(self.needs[component], free, np.zeros(1, dtype=np.int64))[0])

    def _room_for(self, need: Floats) -> Ints:
        return self._fitting(need, self.usable - self.used, self.instances_held)

    def _fitting(self, need: Floats, free: Floats, held: Ints) -> Ints:
        """Instances that take `need` and fit containers with `free` left that have `held`; (C,)."""
        fits = np.minimum(float(np.iinfo(np.int32).max), self._max_instances - held)
        for resource, each in enumerate(need.tolist()):
            if each > 0:
                fits = np.minimum(fits, np.floor(free[:, resource] / each))
            else:
                fits = np.where(free[:, resource] < 0, 0.0, fits)
        return np.asarray(np.maximum(fits, 0.0), dtype=np.int64)

    def add(self, component: int, position: int, count: int = 1) -> None:
        """Put `count` new instances of `component` into a container."""
        if count:
            self.add_many(np.full(count, component), np.full(count, position))

    def add_many(self, components: Ints, positions: Ints) -> None:
        """Put new instances into containers; task ids follow the order given."""
        self._added.append((components.astype(np.int64), positions.astype(np.int64)))
        np.add.at(self.counts, (components, positions), 1)
        np.add.at(self.used, positions, self.needs[components])

    def remove(self, component: int, position: int) -> None:
        """Stop the running instance of `component` with the highest index in a container."""
        at = self._take(component, position)
        self._removed.add(at)

    def stop_running(self, instances: Ints) -> None:
        """Stop running instances, given by their positions in the current plan."""
        self._leave(instances)
        self._removed.update(instances.tolist())

    def move_running(self, instances: Ints, to: Ints) -> None:
        """Bring running instances, given by their positions in the current plan, elsewhere."""
        self._leave(instances)
        current = self.request.current
        assert current is not None
        np.add.at(self.counts, (current.component[instances], to), 1)
        np.add.at(self.used, to, self._sizes_of(instances))
        self._moved_to.update(zip(instances.tolist(), to.tolist(), strict=True))

    def _leave(self, instances: Ints) -> None:
        current = self.request.current
        assert current is not None
        where = current.container[instances]
        if self._moved_to:
            pairs = zip(instances.tolist(), where.tolist(), strict=True)
            where = np.array([self._moved_to.pop(at, was) for at, was in pairs], dtype=np.int64)
        np.subtract.at(self.counts, (current.component[instances], where), 1)
        np.subtract.at(self.used, where, self._sizes_of(instances))
        self._members = None

    def _sizes_of(self, instances: Ints) -> Floats:
        current = self.request.current
        assert current is not None
        columns = (current.cpu_cores, current.ram_bytes, current.disk_bytes)
        return np.stack([column[instances].astype(np.float64) for column in columns], axis=1)

    def move(self, component: int, position: int, to: int) -> None:
        """Bring an instance of `component` from one container to another.

        One that is new in this plan if there is one, which disturbs nobody; otherwise the running
        one with the highest index.
        """
        if self._redirect_new(component, position, to):
            return
        at = self._take(component, position)
        self._moved_to[at] = to
        self.counts[component, to] += 1
        self.used[to] += self._size_of(at)
        members = self._running()
        members[component, to] = sorted([*members.get((component, to), []), at])

    def _redirect_new(self, component: int, position: int, to: int) -> bool:
        found = self._find_new(component, position)
        if found is None:
            return False
        positions, at = found
        positions[at] = to
        self.counts[component, position] -= 1
        self.counts[component, to] += 1
        self.used[position] -= self.needs[component]
        self.used[to] += self.needs[component]
        return True

    def _find_new(self, component: int, position: int) -> tuple[Ints, int] | None:
        """Where the last new instance of `component` in a container is noted."""
        for components, positions in self._added:
            match = np.flatnonzero((components == component) & (positions == position))
            if len(match):
                return positions, int(match[-1])
        return None

    def build(self) -> Plan:
        """The plan. Container sizes are the instances' sum plus padding.

        Raises Infeasible when nothing was placed.
        """
        request, names = self.request, self.request.topology.names
        current = request.current
        columns: list[list[Ints]] = [[], [], [], []]
        sizes: list[Floats] = []
        next_index = np.zeros(len(names), dtype=np.int64)
        next_task = 1
        if current is not None:
            kept = np.setdiff1d(np.arange(current.instance_count), sorted(self._removed))
            position = current.container.copy()
            for at, to in self._moved_to.items():
                position[at] = to
            for column, values in zip(
                columns,
                (current.component, current.task_id, current.index, position),
                strict=True,
            ):
                column.append(values[kept])
            sizes.append(
                np.stack([current.cpu_cores, current.ram_bytes, current.disk_bytes], axis=1).astype(
                    np.float64
                )[kept]
            )
            next_task = int(current.task_id[kept].max(initial=0)) + 1
            np.maximum.at(next_index, current.component[kept], current.index[kept] + 1)
        if self._added:
            component = np.concatenate([components for components, _ in self._added])
            columns[0].append(component)
            columns[1].append(next_task + np.arange(len(component)))
            columns[2].append(next_index[component] + rank_within(component))
            columns[3].append(np.concatenate([positions for _, positions in self._added]))
            sizes.append(self.needs[component])
        if not sizes:
            raise Infeasible("no instance was placed")
        component, task_id, index, position = (np.concatenate(column) for column in columns)
        size = np.concatenate(sizes)
        occupied = np.unique(position)
        ids = np.asarray(self.ids, dtype=np.int64)
        container_size = self._container_sizes(self._totals(position, size))[occupied]
        return Plan.of(
            request.topology.topology_id,
            names,
            (component, task_id, index, ids[position]),
            (size[:, 0], size[:, 1].astype(np.int64), size[:, 2].astype(np.int64)),
            ids[occupied],
            (
                container_size[:, 0],
                container_size[:, 1].astype(np.int64),
                container_size[:, 2].astype(np.int64),
            ),
        )

    def _container_sizes(self, total: Floats) -> Floats:
        """Sizes of all containers for instances that take `total`; shape (C, 3)."""
        if self.request.current is None or not self.keep_sizes:
            return container_sizes(self.request, self.padding, total, None)
        newcomers = [to for _, positions in self._added for to in np.unique(positions).tolist()]
        grown = np.zeros(len(self.ids), dtype=bool)
        grown[[*newcomers, *self._moved_to.values()]] = True
        return container_sizes(self.request, self.padding, total, grown)

    def _totals(self, position: Ints, size: Floats) -> Floats:
        return np.stack([sum_by(position, size[:, r], len(self.ids)) for r in range(3)], axis=1)

    def _take(self, component: int, position: int) -> int:
        at = self._running()[component, position].pop()
        self._moved_to.pop(at, None)
        self.counts[component, position] -= 1
        self.used[position] -= self._size_of(at)
        return at

    def _size_of(self, at: int) -> Floats:
        current = self.request.current
        assert current is not None
        return np.array([current.cpu_cores[at], current.ram_bytes[at], current.disk_bytes[at]])

    def _running(self) -> dict[tuple[int, int], list[int]]:
        """Positions in the current plan per (component, container), by ascending index."""
        if self._members is None:
            current = self.request.current
            self._members = {}
            if current is not None:
                container = current.container.copy()
                for at, to in self._moved_to.items():
                    container[at] = to
                order = np.lexsort((current.index, container, current.component))
                keys = zip(
                    current.component[order].tolist(), container[order].tolist(), strict=True
                )
                for key, at in zip(keys, order.tolist(), strict=True):
                    if at not in self._removed:
                        self._members.setdefault(key, []).append(at)
        return self._members


def container_sizes(
    request: Request, padding: Resources, total: Floats, grown: Bools | None
) -> Floats:
    """Cores, RAM and disk of containers whose instances take `total`; both (C, 3).

    Instances plus padding, which gives way to what the user stated. With `grown`, which says what
    containers have anything new in them, running containers, which come first, keep at least the
    size that they have, because Heron does not resize them; without anything new exactly that size.
    """
    sizes: Floats = np.stack(
        [
            container_cores(total[:, 0], padding),
            total[:, 1] + padding.ram_bytes,
            total[:, 2] + padding.disk_bytes,
        ],
        axis=1,
    )
    stated = stated_sizes(request.constraints)
    # Heron rounds cores up to half a core above what is stated.
    stated[0] += 0.5
    sizes = np.minimum(sizes, np.maximum(stated, total), dtype=np.float64)
    if grown is not None and request.current is not None:
        running = min(request.current.container_count, len(total))
        had = request.current.container_sizes[:running]
        sizes[:running] = np.where(
            grown[:running, None],
            np.maximum(sizes[:running], had),
            np.maximum(had, total[:running]),
        )
    return sizes


def container_cores(instance_cores: Floats, padding: Resources) -> Floats:
    """Cores of a container: instances plus padding, rounded to whole cores as Heron's builder does
    (PackingPlanBuilder.buildContainerPlans), but never below what the instances ask for."""
    return np.maximum(np.floor(instance_cores + padding.cpu_cores + 0.5), instance_cores)


def rank_within(component: Ints) -> Ints:
    """For each entry, how many earlier entries are equal to it."""
    order = np.argsort(component, kind="stable")
    ordered = component[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    rank_ordered = np.arange(len(component)) - np.repeat(
        starts, np.diff(np.r_[starts, len(ordered)])
    )
    rank = np.empty(len(component), dtype=np.int64)
    rank[order] = rank_ordered
    return rank


def stated_sizes(constraints: Constraints) -> Floats:
    """Cores, RAM and disk stated for a container, infinite where nothing was; shape (3,)."""
    return np.array([np.inf if v is None else v for v in constraints.stated_container], dtype=float)


def resource_row(resources: Resources) -> Floats:
    """Cores, RAM and disk bytes as an array, shape (3,)."""
    return np.array([resources.cpu_cores, resources.ram_bytes, resources.disk_bytes], dtype=float)
