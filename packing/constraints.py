"""The constraints that a topology's configuration states, by Heron's own keys.

Keys: heron/api/src/java/org/apache/heron/api/Config.java. Defaults and the padding rule:
AbstractPacking.java, PackingUtils.java and RoundRobinPacking.java of Heron's packing module.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from packing.errors import InvalidRequest
from packing.resources import GIB, MAX_BYTES, MAX_CORES, MIB, Resources, describe_bytes

DEFAULT_INSTANCE = Resources(1.0, GIB, GIB)
"""What Heron gives an instance of which nothing is said (heron.resources.instance.*)."""

DEFAULT_MAX_INSTANCES = 10
DEFAULT_PADDING_PERCENTAGE = 10
DEFAULT_PADDING = Resources(1.0, GIB, GIB)
DAEMON_RAM_BYTES = GIB
"""RAM that RoundRobinPacking reserves for each of Heron's own processes in a container."""

MIN_INSTANCE_RAM_BYTES = 192 * MIB
"""The executor subtracts 64 MiB code cache and 128 MiB metaspace from an instance's RAM before it
sets -Xmx (heron_executor.py); nothing starts with less."""

MAX_INT = 2**31 - 1
"""Heron keeps counts, task ids and container ids in Java's int."""

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Constraints:
    """What the user stated; None means not stated.

    Amounts in cores and bytes. `container` sizes include padding, as in Heron.
    """

    container_count: int = 1
    """`topology.stmgrs`."""
    container_cpu_cores: float | None = None
    container_ram_bytes: int | None = None
    container_disk_bytes: int | None = None
    container_cpu_hint_cores: float | None = None
    container_ram_hint_bytes: int | None = None
    container_disk_hint_bytes: int | None = None
    """`topology.container.max.*.hint`, which the Streamlet API writes and no packer of Heron's
    reads; our own planners keep to them where no size is stated."""
    max_instances: int | None = None
    padding_percentage: int | None = None
    cpu_padding_cores: float | None = None
    ram_padding_bytes: int | None = None
    component_cpu_cores: Mapping[str, float] = field(default_factory=dict)
    component_ram_bytes: Mapping[str, int] = field(default_factory=dict)
    component_disk_bytes: Mapping[str, int] = field(default_factory=dict)
    stmgr_ram_bytes: int | None = None
    metricsmgr_ram_bytes: int | None = None
    checkpointmgr_ram_bytes: int | None = None
    effectively_once: bool = False
    sort_by_cpu: bool = False
    """`topology.packing.ffd.sorting.strategy` is CPU_FIRST rather than RAM_FIRST."""
    acking: bool = False
    """Tuples are acknowledged (`topology.reliability.mode` or the older `topology.acking`)."""
    max_spout_pending: int | None = None
    deactivate_wait_s: int = 0
    reactivate_wait_s: int = 600
    instance_default: Resources = DEFAULT_INSTANCE

    def instance(self, component: str) -> Resources:
        """What one instance of `component` asks for: the user's maps over Heron's defaults."""
        default = self.instance_default
        return Resources(
            self.component_cpu_cores.get(component, default.cpu_cores),
            self.component_ram_bytes.get(component, default.ram_bytes),
            self.component_disk_bytes.get(component, default.disk_bytes),
        )

    @property
    def stated_container(self) -> tuple[float | None, float | None, float | None]:
        """Cores, RAM and disk that the user stated for a container, padding included."""
        return (self.container_cpu_cores, self.container_ram_bytes, self.container_disk_bytes)

    @property
    def capacity(self) -> Resources:
        """Size of a container, padding included (AbstractPacking.setPackingConfigs)."""
        largest = self.max_instances or DEFAULT_MAX_INSTANCES
        default = self.instance_default * largest
        return Resources(
            default.cpu_cores if self.container_cpu_cores is None else self.container_cpu_cores,
            default.ram_bytes if self.container_ram_bytes is None else self.container_ram_bytes,
            default.disk_bytes if self.container_disk_bytes is None else self.container_disk_bytes,
        )

    @property
    def padding(self) -> Resources:
        """What a container keeps for Heron's own processes (PackingUtils.finalizePadding).

        The larger of an absolute amount and a percentage of the container.
        """
        percentage = (
            DEFAULT_PADDING_PERCENTAGE
            if self.padding_percentage is None
            else self.padding_percentage
        )
        capacity = self.capacity
        cpu_cores = (
            DEFAULT_PADDING.cpu_cores if self.cpu_padding_cores is None else self.cpu_padding_cores
        )
        ram_bytes = (
            DEFAULT_PADDING.ram_bytes if self.ram_padding_bytes is None else self.ram_padding_bytes
        )
        return Resources(
            max(cpu_cores, capacity.cpu_cores * percentage / 100),
            max(ram_bytes, capacity.ram_bytes * percentage // 100),
            max(DEFAULT_PADDING.disk_bytes, capacity.disk_bytes * percentage // 100),
        )

    @property
    def daemon_ram_bytes(self) -> int:
        """RAM padding of RoundRobinPacking (getContainerRamPadding): Heron's own processes."""
        if self.ram_padding_bytes is not None:
            return self.ram_padding_bytes
        checkpointmgr_default = DAEMON_RAM_BYTES if self.effectively_once else 0
        return (
            (DAEMON_RAM_BYTES if self.stmgr_ram_bytes is None else self.stmgr_ram_bytes)
            + (DAEMON_RAM_BYTES if self.metricsmgr_ram_bytes is None else self.metricsmgr_ram_bytes)
            + (
                checkpointmgr_default
                if self.checkpointmgr_ram_bytes is None
                else self.checkpointmgr_ram_bytes
            )
        )


def _number(
    config: Mapping[str, str],
    key: str,
    parse: Callable[[str], Number],
    lowest: float = 0,
    highest: float = MAX_INT,
) -> Number | None:
    """The number under `key`; None when the key is absent, InvalidRequest when it is not one."""
    text = config.get(key)
    if text is None or not text.strip():
        return None
    try:
        value = parse(text.strip())
    except ValueError:
        raise InvalidRequest(f"{key} is {_shortened(text)!r}, which is not a number") from None
    if not lowest <= value <= highest:  # also false for what is not a number
        bound = f"at most {highest:.0f}" if value > highest else f"at least {lowest:g}"
        raise InvalidRequest(f"{key} is {_shortened(text)}; it must be {bound}")
    return value


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def _amount(config: Mapping[str, str], key: str) -> int | None:
    """Bytes under `key`. Heron reads them as a whole number."""
    return _number(config, key, int, highest=MAX_BYTES)


def _cores(config: Mapping[str, str], key: str) -> float | None:
    return _number(config, key, float, highest=MAX_CORES)


def _per_component(
    config: Mapping[str, str],
    key: str,
    components: Collection[str],
    parse: Callable[[str], Number],
    highest: float,
) -> dict[str, Number]:
    """A map such as `spout:1,bolt:2` (TopologyUtils.getComponentConfigMap)."""
    values: dict[str, Number] = {}
    for token in config.get(key, "").split(","):
        if not token.strip():
            continue
        name, separator, text = token.strip().rpartition(":")
        if not separator:
            raise InvalidRequest(f"{key} has {token.strip()!r}; each entry must be component:value")
        if name not in components:
            raise InvalidRequest(
                f"{key} names component {name!r}, which the topology does not have; "
                f"it has {', '.join(sorted(components))}"
            )
        entry = f"{key} of component {name!r}"
        value = _number({entry: text}, entry, parse, highest=highest)
        if value is None:
            raise InvalidRequest(f"{key} gives component {name!r} no value")
        values[name] = value
    return values


def read_constraints(
    topology_config: Mapping[str, str],
    components: Collection[str],
    system_config: Mapping[str, str] | None = None,
) -> Constraints:
    """Constraints from Heron's configuration.

    `topology_config` holds the topology's own keys (strings, as on the wire), `system_config` the
    cluster's (`heron.resources.instance.cpu/ram/disk`). Raises InvalidRequest naming the key and
    its value.
    """
    system = system_config or {}
    cpu_default = _cores(system, "heron.resources.instance.cpu")
    ram_default = _amount(system, "heron.resources.instance.ram")
    disk_default = _amount(system, "heron.resources.instance.disk")

    config = topology_config
    count = _number(config, "topology.stmgrs", int, 1)
    strategy = config.get("topology.packing.ffd.sorting.strategy", "RAM_FIRST").strip().upper()
    if strategy not in ("RAM_FIRST", "CPU_FIRST"):
        raise InvalidRequest(
            f"topology.packing.ffd.sorting.strategy is {strategy!r}; "
            "it must be RAM_FIRST or CPU_FIRST"
        )
    deactivate_s = _number(config, "topology.update.deactivate.wait.secs", int)
    reactivate_s = _number(config, "topology.update.reactivate.wait.secs", int)
    ram = _per_component(config, "topology.component.rammap", components, int, MAX_BYTES)
    for name, ram_bytes in ram.items():
        if ram_bytes <= MIN_INSTANCE_RAM_BYTES:
            raise InvalidRequest(
                f"topology.component.rammap gives component {name!r} {ram_bytes} bytes; an "
                f"instance starts only with more than {MIN_INSTANCE_RAM_BYTES} "
                f"({describe_bytes(MIN_INSTANCE_RAM_BYTES)}), which Heron takes off its heap"
            )
    constraints = Constraints(
        container_count=1 if count is None else count,
        container_cpu_cores=_cores(config, "topology.container.cpu"),
        container_ram_bytes=_amount(config, "topology.container.ram"),
        container_disk_bytes=_amount(config, "topology.container.disk"),
        container_cpu_hint_cores=_cores(config, "topology.container.max.cpu.hint"),
        container_ram_hint_bytes=_amount(config, "topology.container.max.ram.hint"),
        container_disk_hint_bytes=_amount(config, "topology.container.max.disk.hint"),
        max_instances=_number(config, "topology.container.max.instances", int, 1),
        padding_percentage=_number(config, "topology.container.padding.percentage", int),
        cpu_padding_cores=_cores(config, "topology.container.cpu.padding"),
        ram_padding_bytes=_amount(config, "topology.container.ram.padding"),
        component_cpu_cores=_per_component(
            config, "topology.component.cpumap", components, float, MAX_CORES
        ),
        component_ram_bytes=ram,
        component_disk_bytes=_per_component(
            config, "topology.component.diskmap", components, int, MAX_BYTES
        ),
        stmgr_ram_bytes=_amount(config, "topology.stmgr.ram"),
        metricsmgr_ram_bytes=_amount(config, "topology.metricsmgr.ram"),
        checkpointmgr_ram_bytes=_amount(config, "topology.stateful.checkpointmanager.ram"),
        effectively_once=config.get("topology.reliability.mode", "") == "EFFECTIVELY_ONCE",
        acking=_acking(config),
        sort_by_cpu=strategy == "CPU_FIRST",
        max_spout_pending=_number(config, "topology.max.spout.pending", int, 1),
        deactivate_wait_s=0 if deactivate_s is None else deactivate_s,
        reactivate_wait_s=600 if reactivate_s is None else reactivate_s,
        instance_default=Resources(
            DEFAULT_INSTANCE.cpu_cores if cpu_default is None else cpu_default,
            DEFAULT_INSTANCE.ram_bytes if ram_default is None else ram_default,
            DEFAULT_INSTANCE.disk_bytes if disk_default is None else disk_default,
        ),
    )
    largest = max(constraints.padding.ram_bytes, constraints.padding.disk_bytes)
    if largest > MAX_BYTES:
        raise InvalidRequest(
            f"the padding of a container comes to {describe_bytes(largest)}; lower "
            "topology.container.padding.percentage or topology.container.max.instances"
        )
    return constraints


def _acking(config: Mapping[str, str]) -> bool:
    mode = config.get("topology.reliability.mode")
    if mode is not None:
        return mode.strip() == "ATLEAST_ONCE"
    return config.get("topology.acking", "").strip().lower() == "true"
