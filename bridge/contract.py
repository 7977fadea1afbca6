"""Which revisions of the wire contract this bridge speaks."""

from __future__ import annotations

CONTRACT_REVISION = 1
"""The newest revision that this bridge knows; it answers every older one."""


class IncompatibleContract(Exception):
    """The sender speaks a revision that this bridge does not know yet."""


class NotOffered(Exception):
    """The contract declares the method, this bridge does not answer it."""


def check_revision(stated: int) -> None:
    """Raise IncompatibleContract for a sender newer than this bridge. 0 is read as 1."""
    if stated > CONTRACT_REVISION:
        raise IncompatibleContract(
            f"the sender speaks revision {stated} of heron.bridge.v1, this bridge 1 to "
            f"{CONTRACT_REVISION}; update the bridge, or use an older plugin"
        )
