"""Why the instances of a request find no place, and the smallest change that makes room.

For people who get an error: which resource is short, how many instances fit, and what to state
instead. Whatever is proposed has been planned once, so that it really fits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from packing.arrays import Floats, Ints
from packing.bounds.containers import RESOURCES, fewest_by_resource, relative_sizes
from packing.bounds.instances import instance_sizes
from packing.constraints import Constraints
from packing.container_size import MAX_INSTANCES_KEY, SIZE_KEYS, resized, smallest_size, stated
from packing.planners.placement import resource_row, stated_sizes
from packing.request import Request
from packing.resources import counted, describe_bytes

KEYS = (*SIZE_KEYS, MAX_INSTANCES_KEY)
"""What states each of `RESOURCES`."""

GROWTH = 1.05
"""Factor by which a size grows that fits by the sums and yet leaves gaps."""
CLOSE = 1e-3
"""Relative width at which the search for a size ends; sizes are rounded up anyway."""
TRIES = 12
"""Plans tried for each proposal."""

CanPlan = Callable[[Request], bool]
"""Whether some planner has a plan for a request that keeps its count and sizes."""


@dataclass(frozen=True)
class Shortage:
    """More instances than the containers hold, and what would hold them."""

    instances: int
    containers: int
    container: str
    """Size of a container in words."""
    holds_at_most: int
    """Proved: no placement has more of the instances in those containers."""
    holds: int
    """Found: so many can be placed."""
    binding: tuple[str, ...]
    """Names of resources each of which is short by itself; empty when they only are together."""
    more_containers: int | None = None
    """Containers of the stated size that hold all; None where more do not help."""
    larger: Mapping[str, float] = field(default_factory=dict)
    """Configuration key -> value with which the same number of containers holds all; empty where
    no size does."""

    def __str__(self) -> str:
        """A sentence for the person who asked."""
        these = f"{counted(self.containers, 'container')} of {self.container}"
        hold = "holds" if self.containers == 1 else "hold"
        held = f"{self.holds_at_most} of {self.instances} instances"
        if self.holds_at_most >= self.instances:
            says = f"no way was found to place {self.instances} instances in {these}"
        elif self.holds < self.holds_at_most:
            says = f"{these} {hold} at most {held}"
        else:
            says = f"{these} {hold} {held}"
        if self.binding:
            verb = "binds" if len(self.binding) == 1 else "bind"
            says += f": {_listed(self.binding)} {verb}"
        ways = []
        if self.more_containers is not None:
            ways.append(f"{counted(self.more_containers, 'container')} of that size")
        if self.larger:
            sizes = _listed([stated(key, value) for key, value in self.larger.items()])
            ways.append(f"{self.containers} with {sizes}")
        if not ways:
            return f"{says}; ask for fewer or smaller instances"
        return f"{says}; {', or '.join(ways)} would fit"


def shortage(request: Request, can_plan: CanPlan = lambda _: True) -> Shortage | None:
    """What `request` is short of; None when its instances do fit, or a scheduler rule forbids it.

    `can_plan` is asked before anything is proposed.
    """
    containers = _containers(request)
    if containers is None:
        return None
    room = _Room.of(request, request.constraints)
    if room.places(containers) == room.instances:
        return None
    return Shortage(
        instances=room.instances,
        containers=containers,
        container=_described(request.constraints),
        holds_at_most=room.at_most(containers),
        holds=room.places(containers),
        binding=room.binding(containers),
        more_containers=_more_containers(request, room, containers, can_plan),
        larger=_larger(request, room, containers, can_plan),
    )


def why_no_plan(request: Request, can_plan: CanPlan = lambda _: True) -> str:
    """The first sentence of an error for a request without any plan; empty when nothing is known.

    `can_plan` as for `shortage`.
    """
    current, rules = request.current, request.scheduler
    if current is not None and rules.container_set_fixed:
        running = current.container_count
        if request.container_count not in (None, running):
            return (
                f"the {rules.name} scheduler keeps the {running} running containers in an update, "
                f"{request.container_count} were asked for; ask for {running}, or submit the "
                "topology anew"
            )
    found = shortage(request, can_plan)
    return "" if found is None else str(found)


def with_containers(request: Request, containers: int) -> Request:
    """The same request for another number of containers."""
    if request.current is not None:
        return replace(request, container_count=containers)
    return replace(request, constraints=replace(request.constraints, container_count=containers))


def with_sizes(request: Request, larger: Mapping[str, float]) -> Request:
    """The same request with other sizes of a container, by configuration key."""
    return replace(request, constraints=resized(request.constraints, larger))


@dataclass(frozen=True)
class _Room:
    """Instances by class, largest first, and what a container has for them."""

    supply: Ints
    needs: Floats
    usable: Floats
    most: float

    @staticmethod
    def of(request: Request, constraints: Constraints) -> _Room:
        classes = instance_sizes(request)
        usable = stated_sizes(constraints) - resource_row(constraints.padding)
        most = constraints.max_instances
        return _Room(
            classes.supply,
            classes.needs,
            np.maximum(usable, 0.0) + np.array([1e-9, 0.0, 0.0]),
            math.inf if most is None else most,
        )

    @property
    def instances(self) -> int:
        return int(self.supply.sum())

    @property
    def sizes(self) -> Floats:
        return relative_sizes(self.needs, self.usable, self.most)

    def binding(self, containers: int) -> tuple[str, ...]:
        """Resources that alone take more containers."""
        alone = fewest_by_resource(self.supply, self.sizes)
        return tuple(name for name, n in zip(RESOURCES, alone, strict=True) if n > containers)

    def at_most(self, containers: int) -> int:
        """No more instances can be placed: each resource holds so many of those that take least."""
        held = self.instances
        for size in self.sizes.T:
            order = np.argsort(size, kind="stable")
            each = np.repeat(size[order], self.supply[order])
            fitting = int((each <= 1).sum())
            by_sum = int(np.searchsorted(np.cumsum(each[:fitting]), containers * (1 + 1e-9)))
            smallest = float(each[0])
            by_count = math.inf if smallest <= 0 else containers * math.floor(1 / smallest + 1e-6)
            held = int(min(held, fitting, by_sum if smallest > 0 else fitting, by_count))
        return held

    def places(self, containers: int) -> int:
        """Instances that some simple packing places; all of them if one places all."""
        best = 0
        for order in self._orders():
            for spread in (False, True):
                best = max(best, self._placed(order, containers, spread))
                if best == self.instances:
                    return best
        return best

    def _orders(self) -> Iterator[Ints]:
        sizes = np.where(np.isfinite(self.sizes), self.sizes, 1e9)
        yield np.argsort(-sizes.max(axis=1), kind="stable")
        yield np.argsort(-sizes.sum(axis=1), kind="stable")
        for r in np.flatnonzero(sizes.any(axis=0)):
            yield np.argsort(-sizes[:, r], kind="stable")
        yield np.argsort(sizes.max(axis=1), kind="stable")

    def _placed(self, order: Ints, containers: int, spread: bool) -> int:
        """First fit of classes in `order`; with `spread` each is dealt out evenly first."""
        free = np.tile(np.append(self.usable, self.most), (containers, 1))
        wanted = np.column_stack([self.needs, np.ones(len(self.needs))])
        placed = 0
        for at in order.tolist():
            need, left = wanted[at], int(self.supply[at])
            with np.errstate(divide="ignore", invalid="ignore"):
                fits = np.where(need > 0, free / need, np.where(free >= 0, np.inf, 0.0))
            room = np.minimum(np.floor(fits.min(axis=1) + 1e-12), left)
            room[(free < need).any(axis=1)] = 0
            if spread:
                room = _dealt(room, left)
            taken = np.diff(np.minimum(np.cumsum(np.r_[0.0, room]), left))
            free = np.where(taken[:, None] > 0, free - np.outer(taken, need), free)
            placed += int(taken.sum())
        return placed


def _dealt(room: Floats, amount: int) -> Floats:
    """`amount` over containers as evenly as their room allows."""
    low, high = 0, int(room.max(initial=0.0))
    while low < high:
        middle = (low + high) // 2
        if np.minimum(room, middle).sum() >= amount:
            high = middle
        else:
            low = middle + 1
    return np.asarray(np.minimum(room, low), dtype=np.float64)


def _containers(request: Request) -> int | None:
    """Containers that the plan may have; None where it may have as many as it likes."""
    current = request.current
    if current is None:
        wanted = request.stated_container_count
        return None if wanted is None else min(wanted, request.target.instance_count)
    if request.scheduler.container_set_fixed:
        return current.container_count
    return request.container_count


def _may_add(request: Request) -> bool:
    return request.current is None or not request.scheduler.container_set_fixed


def _more_containers(
    request: Request, room: _Room, containers: int, can_plan: CanPlan
) -> int | None:
    if not _may_add(request):
        return None
    low, high = containers, room.instances
    if room.places(high) < room.instances:
        return None  # an instance fits no container
    while high - low > 1:
        middle = (low + high) // 2
        if room.places(middle) == room.instances:
            high = middle
        else:
            low = middle
    for more in _growing(high, room.instances):
        if room.places(more) == room.instances and can_plan(with_containers(request, more)):
            return more
    return None


def _growing(start: int, end: int) -> Iterator[int]:
    """`start` and then in growing steps up to `end`."""
    value, step = start, 1
    for _ in range(TRIES):
        yield min(value, end)
        if value >= end:
            return
        value += step
        step = math.ceil(step * 1.5)


def _larger(
    request: Request, room: _Room, containers: int, can_plan: CanPlan
) -> Mapping[str, float]:
    """Sizes with which `containers` hold all: those that are short grow, and no others."""
    constraints = request.constraints
    limits = [*constraints.stated_container, constraints.max_instances]
    least = [_least_usable(room, containers, r) for r in range(len(RESOURCES))]
    usable = np.append(room.usable, room.most)
    short = [r for r in range(len(RESOURCES)) if limits[r] is not None and least[r] > usable[r]]
    if not short:  # together only
        short = [r for r in range(len(RESOURCES)) if limits[r] is not None]

    def sizes(factor: float) -> dict[str, float]:
        return {
            KEYS[r]: smallest_size(constraints, KEYS[r], factor * max(least[r], usable[r]))
            for r in short
        }

    def fits(larger: Mapping[str, float]) -> bool:
        grown = _Room.of(request, resized(constraints, larger))
        return grown.places(containers) == grown.instances and can_plan(with_sizes(request, larger))

    smallest = found = sizes(1.0)
    for tries in range(TRIES):
        if not all(math.isfinite(size) for size in found.values()):
            return {}
        if fits(found):
            break
        found = sizes(GROWTH ** (tries + 1))
    else:
        return {}
    # One of them may have had to grow, and the others with it.
    for key, size in smallest.items():
        if size < found[key] and fits({**found, key: size}):
            found = {**found, key: size}
    return found


def _least_usable(room: _Room, containers: int, resource: int) -> float:
    """What a container must have of one resource if nothing else limited."""
    need = room.needs[:, resource] if resource < 3 else np.ones(len(room.needs))
    if not need.any():
        return 0.0
    low = max(float(need.max()), float(need @ room.supply) / containers)
    high = max(low, float(np.ceil(room.supply / containers) @ need))
    single = np.zeros((len(need), 3))
    single[:, 0] = need

    def fits(amount: float) -> bool:
        offered = np.array([amount * (1 + 1e-12), math.inf, math.inf])
        alone = _Room(room.supply, single, offered, math.inf)
        return alone.places(containers) == room.instances

    if fits(low):
        return low
    while high - low > CLOSE * high:
        middle = (low + high) / 2
        if fits(middle):
            high = middle
        else:
            low = middle
    return high


def _described(constraints: Constraints) -> str:
    """`4 cores and 4096 MiB RAM (1 core and 1024 MiB RAM of it padding)`."""
    cores, ram, disk = constraints.stated_container
    padding = constraints.padding
    parts, padded = [], []
    if cores is not None:
        parts.append(_cores(cores))
        padded.append(_cores(padding.cpu_cores))
    for amount, kept, name in (
        (ram, padding.ram_bytes, "RAM"),
        (disk, padding.disk_bytes, "disk"),
    ):
        if amount is not None:
            parts.append(f"{describe_bytes(amount)} {name}")
            padded.append(f"{describe_bytes(kept)} {name}")
    size = f"{_listed(parts)} ({_listed(padded)} of it padding)" if parts else "any size"
    if constraints.max_instances is not None:
        size += f" and at most {counted(constraints.max_instances, 'instance')}"
    return size


def _cores(amount: float) -> str:
    return f"{amount:g} {'core' if amount == 1 else 'cores'}"


def _listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)
