"""Messages from bytes that may be damaged."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from packing.errors import InvalidRequest

AnyMessage = TypeVar("AnyMessage", bound=Message)


def parse(message: AnyMessage, data: bytes, what: str) -> AnyMessage:
    """Fill `message` from bytes; InvalidRequest naming `what` when they are damaged."""
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise InvalidRequest(
            f"{what} cannot be parsed: its {len(data)} bytes are not a {message.DESCRIPTOR.name} "
            "message; they are truncated or damaged"
        ) from None
    return message
