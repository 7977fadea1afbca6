"""Amounts of CPU, RAM and disk."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024
GIB = 1024 * MIB

MAX_BYTES = 1024 * 1024 * GIB
MAX_CORES = 1e6
"""No machine has more; amounts above are mistakes."""
MAX_SUM_BYTES = 2**53
"""Up to here sums are exact in double precision."""


@dataclass(frozen=True)
class Resources:
    """What an instance needs or a container offers: cores, bytes, bytes."""

    cpu_cores: float
    ram_bytes: int
    disk_bytes: int

    @property
    def row(self) -> tuple[float, int, int]:
        """Cores, RAM bytes, disk bytes."""
        return (self.cpu_cores, self.ram_bytes, self.disk_bytes)

    def __add__(self, other: Resources) -> Resources:
        """Sum, resource by resource."""
        return Resources(
            self.cpu_cores + other.cpu_cores,
            self.ram_bytes + other.ram_bytes,
            self.disk_bytes + other.disk_bytes,
        )

    def __sub__(self, other: Resources) -> Resources:
        """Difference, resource by resource; may be negative."""
        return Resources(
            self.cpu_cores - other.cpu_cores,
            self.ram_bytes - other.ram_bytes,
            self.disk_bytes - other.disk_bytes,
        )

    def __mul__(self, count: int) -> Resources:
        """The same `count` times over."""
        return Resources(self.cpu_cores * count, self.ram_bytes * count, self.disk_bytes * count)


def counted(count: int, what: str) -> str:
    """`1 container`, `2 containers`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def describe_bytes(amount_bytes: float) -> str:
    """`1536 MiB` or `13.5 GiB` for people; whole bytes below a MiB."""
    if abs(amount_bytes) >= 10 * GIB:
        return f"{amount_bytes / GIB:.1f} GiB"
    if abs(amount_bytes) >= MIB:
        return f"{amount_bytes / MIB:.0f} MiB"
    return f"{amount_bytes:.0f} bytes"
