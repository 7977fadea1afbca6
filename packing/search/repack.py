"""Updates as counts: what starts and stops where with nobody moved, and what moves would gain.

A state is a matrix of counts (classes, containers) as in `packing.search.problem`, and `home` has
what runs. Instances that run beyond what a state has there have moved or stopped.
"""

from __future__ import annotations

import enum
import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from packing.arrays import Bools, Floats, Ints
from packing.search import kernel
from packing.search.kernel import TRAFFIC, Aim
from packing.search.portfolio import capped, default_steps
from packing.search.problem import PackingProblem

LEVELS = (1.1, 1.05, 1.0)
"""Caps on the load of a container, over the lowest that the fullest one can have with nobody
moved; round robin's fullest is loaded about so."""
CAP_IF_UNKNOWN = 1.1
"""The one cap where nothing tells how much load a state carries."""
SAME_GAIN = 0.01
"""States that carry loads within this share of each other are told apart by their traffic."""
RELIEFS = (1.05, 1.15, 1.4)
"""By how much the load of the fullest container is lowered by moves, in the curve."""
LEVEL_SLACK = 1.02
"""Lowest load of the fullest container that is tried, over the mean."""
TRAFFIC_SLACK = 1.1
"""The same where moves are for traffic too."""
MOVE_PRICES = (0.01, 0.1)
"""Price of a move that is for traffic too, over the most traffic that one instance keeps."""
OVERLOAD_PRICE = 16.0
"""Moves that lifting one mean instance's load above the cap weighs."""
STEPS_SHARE = 0.06
"""Part of the steps of a pack that each state of the curve gets."""

BY_ROOM = (kernel.TIGHTEST, kernel.FIRST_FIT)
"""Rules that leave room for what is large."""
PRICE_OF_ALL = 0.25
"""Share of load that a state must carry more when all survivors move, in proportion for fewer.
They all start anew: what they hold in memory is lost or read again."""

Judge = Callable[[Ints], float] | None
"""The load factor that a state sustains; None where that is not known of any."""


class Removable(enum.Enum):
    """Which containers an update may leave empty."""

    ANY = "any"
    HIGHEST = "the highest"
    NONE = "none"


@dataclass(frozen=True, eq=False)
class Update:
    """What changes of what runs.

    `K` classes, `C` containers: those that run, by id, then those that may be added.
    """

    problem: PackingProblem
    """With `home`; `supply` has what runs and what starts, also what is to stop."""
    stops: tuple[tuple[Ints, int], ...]
    """Classes of which instances stop, and how many of them together."""
    removable: Removable
    given_up: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Positions of the containers that have to be given up."""
    all_used: bool = False
    """Whether every container that is not given up has to hold something."""
    cores: Floats | None = None
    """What loads are measured against, (C,); None where containers are alike."""

    @property
    def home(self) -> Ints:
        """What runs; (K, C)."""
        assert self.problem.home is not None
        return self.problem.home

    @property
    def strength(self) -> Floats:
        """Of each container, to carry load; (C,)."""
        if self.cores is None or not (self.cores > 0).all():
            return np.ones(self.problem.container_count)
        return np.asarray(self.cores / self.cores.mean())


@dataclass(frozen=True, eq=False)
class State:
    """A state after an update, and what it does."""

    counts: Ints
    """(K, C); containers that it gives up or does not need are empty."""
    moves: int
    """Survivors that change container."""
    local_per_s: float
    """Tuples/s that stay inside containers."""
    sustained: float | None
    """Load factor; None where it is not known."""


def least_disturbing(update: Update, judge: Judge) -> list[State]:
    """States with the fewest moves that were found; none where what starts finds no room.

    Survivors move only out of containers that are given up, into containers that would stay empty
    against the scheduler's rules, and to keep components apart where that is asked.
    """
    different = {counts.tobytes(): counts for counts in _undisturbed(update, judge)}
    moves = [survivors_moved(update, counts) for counts in different.values()]
    return [
        _described(update, counts, judge)
        for counts, moved in zip(different.values(), moves, strict=True)
        if moved == min(moves)
    ]


def best_of(states: list[State], enough: float) -> State:
    """The one that carries most load, up to `enough`, and keeps most traffic of about equal ones.

    There must be one.
    """
    carried = max(min(state.sustained or 0.0, enough) for state in states)
    near = [s for s in states if min(s.sustained or 0.0, enough) >= carried * (1 - SAME_GAIN)]
    return most_local(near)


def most_local(states: list[State]) -> State:
    """The one that keeps most traffic inside containers, then carries most. There must be one."""
    return max(states, key=lambda state: (state.local_per_s, state.sustained or 0.0))


def ways_to_give_up(update: Update, number: int) -> Iterator[Update]:
    """The update with so many containers given up: the highest where no others can be removed,
    else those that leave fewest to move, the smallest, or the highest. None may be added beside."""
    running = np.arange(update.problem.container_count)
    if not number:
        yield update
        return
    highest = running[-number:]
    if update.removable is not Removable.ANY:
        yield replace(update, given_up=highest)
        return
    held = update.home.sum(axis=0)
    for classes, stopping in update.stops:
        held = held - np.minimum(update.home[classes].sum(axis=0), stopping)
    kept = np.einsum("uc,uc->c", update.problem.traffic @ update.home, update.home)
    # By what is scarcest where it is limited at all.
    largest = update.problem.capacity.max(axis=0)
    limits = np.isfinite(largest) & (largest > 0)
    size = (update.problem.capacity[:, limits] / largest[limits]).min(axis=1, initial=1.0)
    fewest = running[np.lexsort((-running, kept[running], held[running]))][:number]
    smallest = running[np.lexsort((-running, held[running], size[running]))][:number]
    tried: list[list[int]] = []
    for way in (fewest, smallest, highest):
        if sorted(way.tolist()) not in tried:
            tried.append(sorted(way.tolist()))
            yield replace(update, given_up=np.sort(way))


def finds_room(update: Update) -> bool:
    """Whether all that starts, and what leaves containers that are given up, finds room."""
    free = np.full(update.problem.container_count, math.inf)
    return any(_state_within(update, free, rule) is not None for rule in BY_ROOM)


def with_moves(
    update: Update, start: State, judge: Judge, steps_factor: float = 1.0
) -> Iterator[State]:
    """States with more moves that may carry more than `start`, from the furthest on.

    The first two say what nearly free moves gain, and what full containers gain by being relieved;
    whoever finds that too little need not ask for the others, which are between. `steps_factor` is
    the work on each, over the usual.
    """
    kept = np.flatnonzero(start.counts.any(axis=0))
    problem = _open_columns(update, start.counts, kept)
    counts = start.counts[:, kept]
    each = int(default_steps(problem) * STEPS_SHARE * steps_factor)
    scale = float(problem.traffic.max(initial=0.0))
    strength = update.strength[kept]
    loads = problem.loads(counts)[:, 0] / strength if problem.load.shape[1] else np.zeros(0)
    if len(kept) < 2 or not loads.any() or not each:
        return
    high, mean = float(loads.max()), float(loads @ strength / strength.sum())
    item = float(problem.supply @ problem.load[:, 0]) / problem.instance_count
    most = float(counts.sum(axis=0).max())
    weight = 1.0 / scale if scale else 0.0

    def moved(level: float, price: float, seed: int, more: int = 1) -> State:
        priced = replace(problem, move_price=np.full(problem.class_count, price))
        aim = Aim(weight, (level * strength)[:, None], OVERLOAD_PRICE * most / item**2)
        found, _ = kernel.anneal(
            priced, counts, aim, more * each, 0.3 * max(price, 1.0), 0.003, seed
        )
        whole = np.zeros_like(start.counts)
        whole[:, kept] = found
        return _described(update, whole, judge)

    yield moved(mean * TRAFFIC_SLACK, MOVE_PRICES[0] * most, 1, 2)
    yield moved(mean * LEVEL_SLACK, most, 2)
    for seed, price in enumerate(MOVE_PRICES[1:], 3):
        yield moved(mean * TRAFFIC_SLACK, price * most, seed)
    for seed, relief in enumerate(RELIEFS, 11):
        if high / relief > mean * LEVEL_SLACK:
            yield moved(high / relief, most, seed)


def knee(states: list[State], survivors: int, enough: float, worth: float) -> int:
    """Which of the states, by rising number of moves, is worth its moves; 0 for the first.

    Step by step: a state with more moves is taken when it carries at least `worth` times the load
    of the one taken before it, or more where it moves many (`PRICE_OF_ALL`). Load beyond `enough`
    counts for nothing.
    """
    taken = 0
    for at in range(1, len(states)):
        before, after = states[taken].sustained, states[at].sustained
        if before is None or after is None:
            continue
        share = (states[at].moves - states[taken].moves) / max(1, survivors)
        before, after = min(before, enough), min(after, enough)
        # Where some restart anyway, little more is asked of the next ones.
        least = 1.0 + SAME_GAIN if taken else worth
        if after > before and after >= before * max(least, 1.0 + PRICE_OF_ALL * share):
            taken = at
    return taken


def pareto(states: list[State]) -> list[State]:
    """Those that carry more than all with as few moves, by rising number of moves."""
    found: list[State] = []
    for state in sorted(states, key=lambda s: (s.moves, -(s.sustained or 0.0), -s.local_per_s)):
        if not found or (state.sustained or 0.0) > (found[-1].sustained or 0.0):
            found.append(state)
    return found


def survivors_moved(update: Update, counts: Ints) -> int:
    """Survivors that change container."""
    stop = sum(number for _, number in update.stops)
    return int(np.maximum(update.home - counts, 0).sum()) - stop


def _described(update: Update, counts: Ints, judge: Judge) -> State:
    local = update.problem.local_traffic(counts)
    sustained = None if judge is None else judge(counts)
    return State(counts, survivors_moved(update, counts), local, sustained)


def _undisturbed(update: Update, judge: Judge) -> Iterator[Ints]:
    """States without moves where nothing forces any: by load, by traffic, and by traffic under caps
    on the load between."""
    free = np.full(update.problem.container_count, math.inf)
    level = _state_within(update, free, kernel.LEAST_LOADED)
    if level is not None:
        yield level
    local = None
    for rule in (kernel.MOST_ATTRACTED, *BY_ROOM):
        local = _state_within(update, free, rule)
        if local is not None:
            break
    reached = _fullest(update, update.home if local is None else local)
    base = reached if level is None else _fullest(update, level)
    if local is not None and (judge is not None or reached <= base * CAP_IF_UNKNOWN):
        yield local
    for over in (CAP_IF_UNKNOWN,) if judge is None else LEVELS:
        cap = base * over * (1 + 1e-9)
        if reached <= cap and local is not None:
            # What came before keeps to this cap too.
            continue
        state = _state_within(update, cap * update.strength, kernel.MOST_ATTRACTED)
        if state is None:
            break
        reached = min(reached, _fullest(update, state))
        yield state


def _fullest(update: Update, counts: Ints) -> float:
    """Load of the fullest container, over what it is measured against."""
    return float((_loads(update.problem, counts) / update.strength).max(initial=0.0))


def _state_within(update: Update, cap: Floats, rule: int) -> Ints | None:
    """What stops is chosen, then what starts placed, under a cap on the containers' load (C,)."""
    problem = update.problem
    counts, closed = _stopped(update, cap, by_load=rule == kernel.LEAST_LOADED)
    supply = problem.supply - (update.home - counts).sum(axis=1)
    counts[:, closed] = 0
    state = counts
    most = np.where(closed, 0, problem.most)
    target = replace(problem, supply=supply, most=most)
    if (supply > counts.sum(axis=1)).any():
        within = target
        if np.isfinite(cap).all() and problem.load.shape[1]:
            within = capped(target, cap[:, None])
        weight = np.ones(problem.load.shape[1])
        state, left = kernel.fill(within, counts, _by_size(problem), rule, weight=weight)
        if left.any():
            return None
    if not _occupied(update, target, state, closed):
        return None
    _part(update, target, state)
    if rule == kernel.MOST_ATTRACTED and _changes_interact(update):
        return _exchanged(update, state, cap)
    return state


def _loads(problem: PackingProblem, counts: Ints) -> Floats:
    """Load of each container; (C,)."""
    found: Floats = _each(problem) @ counts
    return found


def _each(problem: PackingProblem) -> Floats:
    """Load of one instance of each class; (K,)."""
    found: Floats = problem.load[:, 0] if problem.load.shape[1] else np.zeros(problem.class_count)
    return found


def _by_size(problem: PackingProblem) -> Ints:
    """Classes, those with most RAM first, then cores, as Heron's packers sort."""
    order = problem.needs.T[::-1] if problem.needs.shape[1] < 2 else problem.needs.T[[0, 1]]
    return np.lexsort(-order)


# --- what stops ----------------------------------------------------------------------------------


def _stopped(update: Update, cap: Floats, by_load: bool) -> tuple[Ints, Bools]:
    """What is left where instances stop, and which containers are given up.

    Those stop first that are in containers to be given up or loaded above the cap, then those that
    exchange least with their own container, among equals those in the most loaded one; `by_load`
    the other way round.
    """
    counts = update.home.copy()
    closed = np.zeros(update.problem.container_count, dtype=bool)
    closed[update.given_up] = True
    for classes, number in update.stops:
        _Stopping(update, counts, closed, classes, cap, by_load).take(number)
    return counts, closed


_Rank = tuple[bool, bool, bool, float, float, int]


class _Stopping:
    """Instances of some classes that may stop, those first that are missed least.

    One is taken at a time, so everything is kept in lists, which are quicker than arrays for that.
    """

    def __init__(  # noqa: PLR0917 - a state and a rule
        self,
        update: Update,
        counts: Ints,
        closed: Bools,
        classes: Ints,
        cap: Floats,
        by_load: bool,
    ) -> None:
        """`counts` is what is left, and is changed."""
        problem = update.problem
        traffic = problem.traffic
        unit = float(traffic.max(initial=0.0)) or 1.0
        self._update, self._counts, self._classes = update, counts, classes
        self._closed: list[bool] = closed.tolist()
        self._cap: list[float] = cap.tolist()
        self._by_load = by_load
        self._left: list[list[int]] = counts[classes].tolist()
        # Sums of the same traffic in another order are the same.
        self._pull: list[list[float]] = np.round(traffic[classes] @ counts / unit, 9).tolist()
        self._among: list[list[float]] = (traffic[np.ix_(classes, classes)] / unit).tolist()
        self._loads: list[float] = _loads(problem, counts).tolist()
        self._load: list[float] = _each(problem)[classes].tolist()
        self._strength: list[float] = update.strength.tolist()
        self._held: list[int] = counts.sum(axis=0).tolist()
        self._highest = max(at for at, held in enumerate(self._held) if held)
        self._removed = [0] * len(self._held)
        self._heap: list[tuple[_Rank, int, int, int]] = []
        """Rank, container, position of the class, and how many had been removed there then."""
        for at in np.flatnonzero(counts[classes].any(axis=0)).tolist():
            self._heap += self._entries(at)
        heapq.heapify(self._heap)

    def take(self, number: int) -> None:
        """Stop so many."""
        for _ in range(number):
            while True:
                _, at, i, then = heapq.heappop(self._heap)
                if then == self._removed[at]:
                    break
            self._left[i][at] -= 1
            self._held[at] -= 1
            self._removed[at] += 1
            self._loads[at] -= self._load[i]
            for j, pull in enumerate(self._pull):
                if self._among[j][i]:
                    pull[at] = round(pull[at] - self._among[j][i], 9)
            self._push(at)
            if at == self._highest and not self._held[at]:
                # Now the one before it may be emptied.
                while self._highest and not self._held[self._highest]:
                    self._highest -= 1
                self._removed[self._highest] += 1
                self._push(self._highest)
        self._counts[self._classes] = self._left

    def _push(self, at: int) -> None:
        for entry in self._entries(at):
            heapq.heappush(self._heap, entry)

    def _entries(self, at: int) -> Iterator[tuple[_Rank, int, int, int]]:
        closed, load = self._closed[at], self._loads[at]
        stays = (
            not closed and self._held[at] == 1 and not _may_empty(self._update, at, self._highest)
        )
        fullness = -load / self._strength[at]
        not_over = load <= self._cap[at]
        for i, left in enumerate(self._left):
            if left[at]:
                pull = self._pull[i][at]
                first, second = (fullness, pull) if self._by_load else (pull, fullness)
                yield (stays, not closed, not_over, first, second, -at), at, i, self._removed[at]


def _may_empty(update: Update, at: int, highest: int) -> bool:
    if update.all_used:
        return False
    if update.removable is Removable.HIGHEST:
        return at == highest
    return update.removable is Removable.ANY


# --- containers that must not stay empty ---------------------------------------------------------


def _occupied(update: Update, problem: PackingProblem, state: Ints, closed: Bools) -> bool:
    """Put one instance into each container that must not stay empty; False if none can be spared.

    New ones before survivors, and those that exchange least with their container first.
    """
    held = state.sum(axis=0)
    empty = np.flatnonzero((held == 0) & ~closed)
    if update.all_used or update.removable is Removable.NONE:
        needed = empty
    elif update.removable is Removable.HIGHEST:
        needed = empty[empty < np.flatnonzero(held)[-1]]
    else:
        needed = empty[:0]
    pull = problem.traffic @ state
    for to in needed.tolist():
        taken = _spared(update, problem, state, held, pull, to)
        if taken is None:
            return False
        u, source = taken
        state[u, source] -= 1
        state[u, to] += 1
        held[source] -= 1
        held[to] += 1
        pull[:, source] -= problem.traffic[u]
        pull[:, to] += problem.traffic[u]
    return True


def _spared(  # noqa: PLR0917 - sums that are kept up to date
    update: Update, problem: PackingProblem, state: Ints, held: Ints, pull: Floats, to: int
) -> tuple[int, int] | None:
    fits = (problem.needs <= problem.capacity[to]).all(axis=1) & (problem.most[to] > 0)
    usable = (state > 0) & (held > 1) & fits[:, None]
    if not usable.any():
        return None
    new = usable & (state > update.home)
    if new.any():
        usable = new
    loss = np.where(usable, pull, math.inf)
    # Among equals from the fullest.
    u, source = np.nonzero(loss <= loss.min() + 1e-9 * abs(loss.min()))
    first = int(np.argmax(held[source]))
    return int(u[first]), int(source[first])


# --- components that must not be in one container ---


def _part(update: Update, problem: PackingProblem, state: Ints) -> None:
    """Bring one instance of each component that is to be spread, and is not, to another container.

    One that is new, or another one stops; else a survivor. Left as it is where none finds room.
    """
    if problem.spread is None:
        return
    for v in np.flatnonzero(problem.spread).tolist():
        classes = np.flatnonzero(problem.component_of == v)
        inside = state[classes].sum(axis=0)
        if inside.sum() < 2 or (inside > 0).sum() > 1 or not (state.sum(axis=0) > 0).sum() > 1:
            continue
        source = int(np.argmax(inside))
        best: tuple[int, float, int, int] | None = None
        for u in classes[state[classes, source] > 0].tolist():
            room = _takes(problem, state, u)
            room[source] = False
            leaves = int(state[u, source] <= update.home[u, source])
            for to in np.flatnonzero(room).tolist():
                moves = leaves - int(state[u, to] < update.home[u, to])
                option = (moves, -float(problem.traffic[u] @ state[:, to]), u, to)
                best = option if best is None else min(best, option)
        if best is not None:
            _, _, u, to = best
            state[u, source] -= 1
            state[u, to] += 1


def _takes(problem: PackingProblem, state: Ints, u: int) -> Bools:
    """Containers in use that have room for one more of a class; (C,)."""
    held = state.sum(axis=0)
    used = state.T @ problem.needs + problem.needs[u]
    fits = (used <= problem.capacity).all(axis=1)
    return np.asarray((held > 0) & (held < problem.most) & fits)


# --- exchanges -----------------------------------------------------------------------------------


def _changes_interact(update: Update) -> bool:
    """Whether placing one class after the other may miss what a pair of them gains."""
    problem = update.problem
    starts = problem.supply > update.home.sum(axis=1)
    changed = starts.copy()
    for classes, _ in update.stops:
        changed[classes] = True
    among = problem.traffic[np.ix_(changed, changed)]
    return bool(changed.sum() > 1 and among.any())


def _exchanged(update: Update, state: Ints, cap: Floats) -> Ints:
    """The state after annealing at a price that no move is worth."""
    kept = np.flatnonzero(state.any(axis=0))
    problem = _open_columns(update, state, kept)
    counts = state[:, kept]
    if np.isfinite(cap).all() and problem.load.shape[1]:
        above = np.maximum(cap[kept], _loads(problem, counts)) * (1 + 1e-12)
        problem = capped(problem, above[:, None])
    scale = float(problem.traffic.max(initial=0.0))
    price = 8.0 * scale * (1.0 + float(counts.sum(axis=0).max()))
    priced = replace(problem, move_price=np.full(problem.class_count, price))
    steps = default_steps(problem) // 4
    found, _ = kernel.anneal(priced, counts, TRAFFIC, steps, 0.1 * scale, 0.003 * scale, 1)
    whole = np.zeros_like(state)
    whole[:, kept] = found
    better = problem.local_traffic(found) > problem.local_traffic(counts)
    stays = survivors_moved(update, whole) <= survivors_moved(update, state)
    return whole if better and stays else state


def _open_columns(update: Update, state: Ints, kept: Ints) -> PackingProblem:
    """The problem of the containers in use, with the supply of `state`.

    A container that is over its capacity is taken to be full.
    """
    problem = update.problem
    used = state[:, kept].T @ problem.needs
    return replace(
        problem,
        supply=state.sum(axis=1),
        capacity=np.maximum(problem.capacity[kept], used * (1 + 1e-12)),
        most=np.maximum(problem.most[kept], state[:, kept].sum(axis=0)),
        home=update.home[:, kept],
        move_price=np.zeros(problem.class_count),
    )
