"""Structured logs: one event a line on stderr, as JSON or as text.

An event is a short name with fields (`event("request", code="OK", took_ms=3.1)`), so that a log
can be filtered without parsing sentences. Secrets are never fields.
"""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

LogFormat = Literal["json", "text"]
LogLevel = Literal["debug", "info", "warning", "error"]

_logger = logging.getLogger("bridge")
_notes: ContextVar[dict[str, Any] | None] = ContextVar("notes", default=None)


def event(name: str, /, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log one event; fields whose value is None are left out."""
    record(name, level, fields)


def record(name: str, level: int, fields: dict[str, Any]) -> None:
    """Log one event whose fields may have any names; None is left out."""
    known = {key: value for key, value in fields.items() if value is not None}
    _logger.log(level, name, extra={"fields": known})


def start_notes() -> dict[str, Any]:
    """Begin to collect what `note` reports, until the next call; return the collection."""
    notes: dict[str, Any] = {}
    _notes.set(notes)
    return notes


def note(**fields: Any) -> None:
    """Add fields to the log line of the request that is being answered.

    Meant for code that answers in a worker process (`note(topology="wordcount")`). Values are
    strings, numbers or booleans. Outside of a request nothing happens.
    """
    notes = _notes.get()
    if notes is not None:
        notes.update(fields)


class JsonFormatter(logging.Formatter):
    """A record as one JSON object: ts, level, event, then the event's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Render on one line; a stack trace becomes the field `trace`."""
        line: dict[str, Any] = {
            "ts": _timestamp(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if record.name != _logger.name:
            line["logger"] = record.name
        # A field never hides who said what and when.
        line |= {k: v for k, v in getattr(record, "fields", {}).items() if k not in line}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """A record for people: time, level, event, then key=value; a stack trace follows indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Render; values with spaces or line ends are quoted."""
        fields = dict(getattr(record, "fields", {}))
        trace = fields.pop("trace", None)
        if record.exc_info:
            trace = self.formatException(record.exc_info)
        words = [_timestamp(record), record.levelname, record.getMessage()]
        words += [f"{key}={_readable(value)}" for key, value in fields.items()]
        line = " ".join(words)
        if trace:
            line += "\n    " + str(trace).rstrip().replace("\n", "\n    ")
        return line


def configure(log_format: LogFormat, log_level: LogLevel) -> None:
    """Send the bridge's events, and the warnings of its libraries, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    _logger.setLevel(log_level.upper())


def _timestamp(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _readable(value: Any) -> str:
    text = str(value)
    return text if text.isprintable() and text and " " not in text else repr(text)
