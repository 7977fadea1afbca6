"""A packing plan as arrays: which instance runs in which container, with what resources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from packing.arrays import Floats, Ints, sum_by
from packing.errors import InvalidRequest
from packing.resources import MAX_BYTES, MAX_CORES, MAX_SUM_BYTES, Resources


class Instance(NamedTuple):
    """One instance of a plan, for people and files; planning itself works on the arrays."""

    component: str
    task_id: int
    component_index: int
    container_id: int
    resources: Resources


@dataclass(frozen=True, eq=False)
class Plan:
    """Instances and containers in canonical order, so that equal plans have equal arrays.

    `n` instances ordered by (container id, task id); `C` containers ordered by id. Resources in
    cores and bytes. A container's size includes its padding.

    Raises InvalidRequest when container ids repeat or an instance lies outside of all containers.
    """

    topology_id: str
    components: tuple[str, ...]
    """Component names; `component` indexes them."""
    component: Ints
    task_id: Ints
    index: Ints
    """Component index: unique within the component, starts at 0, may have gaps."""
    container: Ints
    """Position in `container_ids`, not the id itself."""
    cpu_cores: Floats
    ram_bytes: Ints
    disk_bytes: Ints
    container_ids: Ints
    container_cpu_cores: Floats
    container_ram_bytes: Ints
    container_disk_bytes: Ints
    scheduled: Mapping[int, Resources] | None = None
    """Container id -> what the scheduler granted, where it said so."""

    @staticmethod
    def of(  # noqa: PLR0917 - one column after the other
        topology_id: str,
        components: Sequence[str],
        instances: tuple[Sequence[int] | Ints, ...],
        instance_sizes: tuple[Floats, Ints, Ints],
        containers: Sequence[int] | Ints,
        container_sizes: tuple[Floats, Ints, Ints],
        scheduled: Mapping[int, Resources] | None = None,
    ) -> Plan:
        """Build a plan from unordered columns.

        `instances` holds four columns: component (index into `components`), task id, component
        index, container id. `instance_sizes` and `container_sizes` hold cores, RAM and disk bytes
        in the same order as `instances` and `containers`.
        """
        component, task_id, index, container_id = (
            np.asarray(column, dtype=np.int64) for column in instances
        )
        ids = np.asarray(containers, dtype=np.int64)
        by_id = np.argsort(ids, kind="stable")
        ids = ids[by_id]
        if len(ids) > 1 and bool(np.any(ids[1:] == ids[:-1])):
            twice = int(ids[1:][ids[1:] == ids[:-1]][0])
            raise InvalidRequest(f"container id {twice} appears twice in the plan")
        container = np.searchsorted(ids, container_id)
        outside = (container >= len(ids)) | (
            ids[np.minimum(container, len(ids) - 1)] != container_id
        )
        if len(container_id) and bool(np.any(outside)):
            lost = int(container_id[outside][0])
            raise InvalidRequest(f"an instance lies in container {lost}, which the plan lacks")
        order = np.lexsort((index, task_id, container))
        cpu, ram, disk = instance_sizes
        container_cpu, container_ram, container_disk = container_sizes
        return Plan(
            topology_id,
            tuple(components),
            component[order],
            task_id[order],
            index[order],
            container[order],
            np.asarray(cpu, dtype=np.float64)[order],
            np.asarray(ram, dtype=np.int64)[order],
            np.asarray(disk, dtype=np.int64)[order],
            ids,
            np.asarray(container_cpu, dtype=np.float64)[by_id],
            np.asarray(container_ram, dtype=np.int64)[by_id],
            np.asarray(container_disk, dtype=np.int64)[by_id],
            scheduled,
        )

    def __eq__(self, other: object) -> bool:
        """Same instances in the same containers with the same sizes, whatever was scheduled."""
        if not isinstance(other, Plan):
            return NotImplemented
        return self._identity == other._identity

    def __hash__(self) -> int:
        """Consistent with equality."""
        return hash(self._identity)

    @cached_property
    def _identity(self) -> tuple[object, ...]:
        arrays = (
            self.component, self.task_id, self.index, self.container,
            self.cpu_cores, self.ram_bytes, self.disk_bytes,
            self.container_ids, self.container_cpu_cores,
            self.container_ram_bytes, self.container_disk_bytes,
        )  # fmt: skip
        return (self.topology_id, self.components, *(array.tobytes() for array in arrays))

    @property
    def instance_count(self) -> int:
        """Number of instances."""
        return len(self.component)

    @property
    def container_count(self) -> int:
        """Number of containers."""
        return len(self.container_ids)

    @cached_property
    def counts(self) -> Ints:
        """Instances of each component in each container, shape (components, C)."""
        width = self.container_count
        flat = np.bincount(
            self.component * width + self.container, minlength=len(self.components) * width
        )
        return flat.reshape(len(self.components), width).astype(np.int64, copy=False)

    @cached_property
    def parallelism(self) -> dict[str, int]:
        """Instances per component, by name; 0 for a component without any."""
        totals = np.bincount(self.component, minlength=len(self.components))
        return {name: int(total) for name, total in zip(self.components, totals, strict=True)}

    @cached_property
    def container_sizes(self) -> Floats:
        """What the plan requires of each container: cores, RAM, disk; shape (C, 3)."""
        sizes = np.empty((self.container_count, 3), order="F")  # a column is read as a whole
        sizes[:, 0] = self.container_cpu_cores
        sizes[:, 1] = self.container_ram_bytes
        sizes[:, 2] = self.container_disk_bytes
        return sizes

    @cached_property
    def granted(self) -> Floats:
        """What each container really has, shape (C, 3): the scheduler's grant, else the plan's."""
        if not self.scheduled:
            return self.container_sizes
        sizes = self.container_sizes.copy()
        for container_id, grant in self.scheduled.items():
            position = np.searchsorted(self.container_ids, container_id)
            sizes[position] = (grant.cpu_cores, grant.ram_bytes, grant.disk_bytes)
        return sizes

    def granted_by(self, homogeneous: bool) -> Floats:
        """`granted`, or where a scheduler makes all containers alike as much as the largest get."""
        return np.full_like(self.granted, self.granted.max(axis=0)) if homogeneous else self.granted

    @cached_property
    def component_of_task(self) -> dict[int, str]:
        """Task id -> name of its component."""
        of_tasks = zip(self.task_id.tolist(), self.component.tolist(), strict=True)
        return {task: self.components[component] for task, component in of_tasks}

    @cached_property
    def used(self) -> tuple[Floats, Ints, Ints]:
        """Sum of the instances' cores, RAM and disk per container, without padding; shape (C,)."""
        width = self.container_count
        return (
            sum_by(self.container, self.cpu_cores, width),
            sum_by(self.container, self.ram_bytes, width).astype(np.int64),
            sum_by(self.container, self.disk_bytes, width).astype(np.int64),
        )

    def impossible_sizes(self) -> Iterator[str]:
        """What no machine could have or no sum hold, a sentence each."""
        columns = (
            ("cores", MAX_CORES, self.cpu_cores, self.container_cpu_cores),
            ("bytes of RAM", MAX_BYTES, self.ram_bytes, self.container_ram_bytes),
            ("bytes of disk", MAX_BYTES, self.disk_bytes, self.container_disk_bytes),
        )
        for unit, most, of_instances, of_containers in columns:
            for values in (of_instances, of_containers):
                # Not so for what is not a number, either.
                if not (values.min(initial=0) >= 0 and values.max(initial=0) <= most):
                    first = int(np.argmax(~((values >= 0) & (values <= most))))
                    owner = (
                        f"an instance of {self.components[self.component[first]]!r}"
                        if values is of_instances
                        else f"container {self.container_ids[first]}"
                    )
                    yield f"{owner} has {values[first]} {unit}; it must be from 0 to {most:g}"
                elif unit != "cores" and values.sum(dtype=np.float64) > MAX_SUM_BYTES:
                    total = values.sum(dtype=np.float64)
                    yield f"all together have {total:g} {unit}, more than can be planned with"

    def instances(self) -> Iterator[Instance]:
        """Instances in canonical order."""
        columns = zip(
            self.component.tolist(),
            self.task_id.tolist(),
            self.index.tolist(),
            self.container_ids[self.container].tolist(),
            self.cpu_cores.tolist(),
            self.ram_bytes.tolist(),
            self.disk_bytes.tolist(),
            strict=True,
        )
        for component, task_id, index, container_id, cpu, ram, disk in columns:
            name = self.components[component]
            yield Instance(name, task_id, index, container_id, Resources(cpu, ram, disk))
