from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.address import TcpAddress, UnixAddress, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:50550", TcpAddress("localhost", 50550)),
        ("[::1]:1", TcpAddress("::1", 1)),
        ("unix:///run/heron bridge.sock", UnixAddress(Path("/run/heron bridge.sock"))),
    ],
)
def test_reads_what_it_writes(text: str, address: TcpAddress | UnixAddress) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        ":1",
        "localhost:",
        "localhost:65536",
        "localhost:-1",
        "localhost:1x",
        "localhost:²",
        "::1:50550",
        "[localhost]:1",
        "http://localhost:1",
        "local host:1",
        "unix:relative",
        "unix://relative/path",
        "unix:///",
        "unix:///" + "x" * 108,
    ],
)
def test_refuses_with_the_text_at_fault(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_address(text)
    assert repr(text) in str(caught.value)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        address = parse_address(text)
    except ValueError:
        return
    assert parse_address(str(address)) == address
