"""Stand-ins for planning: each does one thing that a planning function might do to its worker."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from bridge import logs
from packing.errors import InvalidRequest, PackingError


class IncompatibleContract(PackingError):
    pass


class NotOffered(PackingError):
    pass


configured: dict[str, object] = {}
leaked: list[bytes] = []


def configure(**configuration: object) -> None:
    configured.update(configuration)


def answer(method: str, request: bytes) -> bytes:  # noqa: PLR0911, PLR0912 -- a list
    """Do what the request's first word says."""
    word, _, rest = request.partition(b" ")
    match word:
        case b"echo":
            logs.note(topology="t1")
            return rest
        case b"method":
            return method.encode()
        case b"pid":
            return str(os.getpid()).encode()
        case b"configured":
            return repr(configured).encode()
        case b"nap":  # like spin, but for a second
            Path(rest.decode()).write_text(str(os.getpid()))
            time.sleep(1)
            return b"slept"
        case b"spin":  # writes its pid to the file that the request names, then never ends
            Path(rest.decode()).write_text(str(os.getpid()))
            while True:
                pass
        case b"stuck":  # holds on for ever in C code that looks at no signal
            Path(rest.decode()).write_text(str(os.getpid()))
            return bytes(sum(range(10**14)))
        case b"exit":
            os._exit(int(rest))
        case b"die":
            os.kill(os.getpid(), int(rest))
        case b"hog":
            held = [b"x" * 2**20 for _ in range(10**6)]
            return bytes(len(held))
        case b"leak":
            leaked.extend(os.urandom(2**20) for _ in range(int(rest)))
            return str(len(leaked)).encode()
        case b"recurse":
            return deep(0)
        case b"incompatible":
            raise IncompatibleContract("contract revision 7 is newer than 1: update the bridge")
        case b"unoffered":
            raise NotOffered("Advise is not offered")
        case b"defect":
            raise ZeroDivisionError("secret detail")
        case b"quit":
            sys.exit(3)
    raise InvalidRequest(f"the request starts with {word[:20]!r}, no known word")


def deep(level: int) -> bytes:
    return deep(level + 1)
