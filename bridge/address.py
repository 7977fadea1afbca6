"""The address of the bridge as people write it: `host:port` or `unix:///path`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

FORMS = "host:port, [IPv6 address]:port or unix:///absolute/path"


@dataclass(frozen=True)
class UnixAddress:
    """A socket file."""

    path: Path

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return True

    def __str__(self) -> str:
        """The form that `parse_address` reads."""
        return f"unix://{self.path}"


@dataclass(frozen=True)
class TcpAddress:
    """A host and a port; port 0 lets the kernel choose a free one."""

    host: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it.

        A host name other than `localhost` may resolve to anything, so it counts as reachable.
        """
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        """The form that `parse_address` reads."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


Address = UnixAddress | TcpAddress


def parse_address(text: str) -> Address:
    """Read an address; raise ValueError with a sentence that names what is wrong with it."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        # `unix://relative` would name a host in a URL; only the absolute form has one meaning.
        if not path.startswith("///") or path == "///":
            raise ValueError(f"{text!r} is no socket address: write unix:///absolute/path")
        # The kernel's sockaddr_un holds 108 bytes with the closing zero.
        if len(path.encode()) - 2 > 107:
            raise ValueError(f"{text!r} is too long: a socket path has at most 107 bytes")
        return UnixAddress(Path(path[2:]))
    host, colon, port_text = text.rpartition(":")
    if not colon or not host:
        raise ValueError(f"{text!r} is no address: write {FORMS}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError(f"{text!r}: {host!r} is no IPv6 address") from None
    elif ":" in host:
        raise ValueError(f"{text!r}: put an IPv6 address into brackets, [{host}]:{port_text}")
    elif "/" in host or any(character.isspace() for character in host):
        raise ValueError(f"{text!r} is no address: write {FORMS}")
    if not (port_text.isascii() and port_text.isdigit() and int(port_text) <= 65535):
        raise ValueError(f"{text!r}: {port_text!r} is no port, a number from 0 to 65535")
    return TcpAddress(host, int(port_text))
