from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from bridge import logs


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.getLogger("bridge").level
    yield
    root.handlers[:], level, bridge_level = before
    root.setLevel(level)
    logging.getLogger("bridge").setLevel(bridge_level)


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    logs.event("request", code="OK", sentence="two\nlines", left_out=None, level=logging.WARNING)
    logs.event("hidden", level=logging.DEBUG)
    [line] = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert event.pop("ts").endswith("Z")
    assert event == {
        "level": "warning",
        "event": "request",
        "code": "OK",
        "sentence": "two\nlines",
    }


def test_a_field_cannot_pose_as_the_event(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    logs.event("request", **{"event": "forged", "ts": "forged"})
    line = capsys.readouterr().err
    assert "forged" not in line


def test_warnings_of_libraries_are_events_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    logging.getLogger("library").info("chatter")
    try:
        raise ValueError("x")
    except ValueError:
        logging.getLogger("library").exception("failed %s", "there")
    [line] = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert (event["event"], event["logger"]) == ("failed there", "library")
    assert "ValueError: x" in event["trace"]


def test_text_quotes_what_would_be_misread(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("text", "info")
    logs.event("request", code="OK", sentence="a b=c\nd", empty="", trace="one\ntwo")
    first, *rest = capsys.readouterr().err.splitlines()
    assert first.endswith(r"INFO request code=OK sentence='a b=c\nd' empty=''")
    assert rest == ["    one", "    two"]


def test_notes_belong_to_the_request_that_collects_them() -> None:
    logs.note(nobody="listens")
    notes = logs.start_notes()
    logs.note(topology="t1")
    assert notes == {"topology": "t1"}
    assert logs.start_notes() == {}
