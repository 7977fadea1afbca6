"""Changes to single keys of a flat YAML file that leave every other byte as it is.

A YAML library that loads and dumps keeps comments, but not the alignment, quoting and line breaks
that people chose. Here the library only finds where things are, and checks the result.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node

# Text that every YAML reader takes for a string without quotes.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_$./:-]*")
_WORDS_WITH_A_MEANING = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


class UnreadableYaml(Exception):
    """What is wrong with the text, in a sentence without the file's name."""


def read(text: str) -> dict[str, object]:
    """All keys and values; a text without any is an empty mapping."""
    try:
        values = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise UnreadableYaml(_where(error)) from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UnreadableYaml(f"it holds a {type(values).__name__}, not `key: value` lines")
    return values


def with_values(text: str, changes: Mapping[str, str], comment: str) -> str:
    """Set keys to strings: where they are, or else at the end below a comment line."""
    line_end = "\r\n" if "\r\n" in text else "\n"
    places = _places(text)
    edited = text
    # From the back, so that the earlier positions stay true.
    for key in sorted(changes.keys() & places.keys(), key=lambda key: -places[key].start):
        start, end = places[key].start, places[key].end
        gap = "" if edited[start - 1] in " \t" else " "
        edited = edited[:start] + gap + _scalar(changes[key]) + edited[end:]
    added = [
        f"{key}: {_scalar(value)}{line_end}" for key, value in changes.items() if key not in places
    ]
    if added:
        if edited and not edited.endswith("\n"):
            edited += line_end
        edited += "".join([comment, line_end, *added])
    _check(edited, read(text) | dict(changes))
    return edited


def without_keys(text: str, keys: Iterable[str], comment: str) -> str:
    """Remove the lines of keys, and the comment line that `with_values` put above them."""
    places = _places(text)
    gone = [key for key in keys if key in places]
    lines = text.splitlines(keepends=True)
    numbers = {number for key in gone for number in places[key].lines}
    numbers |= {number for number, line in enumerate(lines) if line.rstrip("\r\n") == comment}
    kept = "".join(line for number, line in enumerate(lines) if number not in numbers)
    _check(kept, {key: value for key, value in read(text).items() if key not in gone})
    return kept


@dataclass(frozen=True)
class _Place:
    """Where a value starts and ends in the text, and the lines that it and its key take."""

    start: int
    end: int
    lines: range


def _places(text: str) -> dict[str, _Place]:
    try:
        root = YAML(typ="rt", pure=True).compose(text)
    except YAMLError as error:
        raise UnreadableYaml(_where(error)) from None
    if root is None:
        return {}
    if not isinstance(root, MappingNode) or root.flow_style:
        raise UnreadableYaml("it is not written as `key: value` lines")
    return {name.value: _place(text, name, value) for name, value in root.value}


def _place(text: str, name: Node, value: Node) -> _Place:
    start, end, last_line = value.start_mark.index, value.end_mark.index, value.end_mark.line
    if start == end:
        # The library puts a value that is not there before whatever comes next.
        start = end = text.index(":", name.end_mark.index) + 1
        last_line = name.end_mark.line
    return _Place(start, end, range(name.start_mark.line, last_line + 1))


def _scalar(value: str) -> str:
    if _PLAIN.fullmatch(value) and value[-1] != ":" and value.lower() not in _WORDS_WITH_A_MEANING:
        return value
    return '"' + "".join(_escaped(character) for character in value) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _check(text: str, expected: Mapping[str, object]) -> None:
    if read(text) != expected:
        raise UnreadableYaml("its layout is too unusual to be edited safely; edit it by hand")


def _where(error: YAMLError) -> str:
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())
