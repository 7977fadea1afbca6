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
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

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
    line_end = _line_end(text)
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
        edited = _with_last_line_ended(edited) + "".join([comment, line_end, *added])
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


def with_item(text: str, key: str, item: str, comment: str) -> str:
    """Add an item to the list of a key, behind the others, or the key with a list of one at the
    end below a comment line."""
    values = read(text)
    held = values.get(key)
    items = held if isinstance(held, list) else []
    if held is not None and not isinstance(held, list):
        raise UnreadableYaml(f"{key} holds {held!r}, not a list")
    line_end = _line_end(text)
    if key not in values:
        edited = _with_last_line_ended(text) + f"{comment}{line_end}{key}:{line_end}  - {item}"
        edited += line_end
    else:
        name, value = _node(text, key)
        lines = _with_last_line_ended(text).splitlines(keepends=True)
        last, indent = name.start_mark.line, "  "
        if isinstance(value, SequenceNode) and value.value and not value.flow_style:
            last = _last_line(value)
            start = lines[value.value[-1].start_mark.line]
            indent = start[: len(start) - len(start.lstrip())]
        lines.insert(last + 1, f"{indent}- {item}{line_end}")
        edited = "".join(lines)
    _check(edited, values | {key: [*items, item]})
    return edited


def without_item(text: str, key: str, item: str) -> str:
    """Remove the line of an item from the list of a key; a key without any item stays."""
    values = read(text)
    _, node = _node(text, key)
    assert isinstance(node, SequenceNode)
    gone = {part.start_mark.line for part in node.value if part.value == item}
    kept = [line for i, line in enumerate(text.splitlines(keepends=True)) if i not in gone]
    edited = "".join(kept)
    held = values[key]
    assert isinstance(held, list)
    _check(edited, values | {key: [other for other in held if other != item] or None})
    return edited


def with_block(text: str, key: str, values: Mapping[str, str], comment: str) -> str:
    """Add a key with a mapping of strings at the end, below a comment line."""
    line_end = _line_end(text)
    lines = [comment, f"{key}:", *(f"  {name}: {_scalar(to)}" for name, to in values.items())]
    edited = _with_last_line_ended(text) + "".join(line + line_end for line in lines)
    _check(edited, read(text) | {key: dict(values)})
    return edited


def without_block(text: str, key: str, comment: str) -> str:
    """Remove a key with all that is below it, and the comment line above it."""
    values = read(text)
    name, value = _node(text, key)
    lines = text.splitlines(keepends=True)
    first = name.start_mark.line
    if first and lines[first - 1].rstrip("\r\n") == comment:
        first -= 1
    edited = "".join(lines[:first] + lines[_last_line(value) + 1 :])
    _check(edited, {name: held for name, held in values.items() if name != key})
    return edited


@dataclass(frozen=True)
class _Place:
    """Where a value starts and ends in the text, and the lines that it and its key take."""

    start: int
    end: int
    lines: range


def _places(text: str) -> dict[str, _Place]:
    return {name.value: _place(text, name, value) for name, value in _nodes(text)}


def _nodes(text: str) -> list[tuple[Node, Node]]:
    """Every key with its value."""
    try:
        root = YAML(typ="rt", pure=True).compose(text)
    except YAMLError as error:
        raise UnreadableYaml(_where(error)) from None
    if root is None:
        return []
    if not isinstance(root, MappingNode) or root.flow_style:
        raise UnreadableYaml("it is not written as `key: value` lines")
    return list(root.value)


def _node(text: str, key: str) -> tuple[Node, Node]:
    return next((name, value) for name, value in _nodes(text) if name.value == key)


def _last_line(node: Node) -> int:
    """The last line that a value is on. The end that the library tells of a list or mapping is
    where the next thing begins."""
    if isinstance(node, MappingNode) and node.value and not node.flow_style:
        return max(_last_line(value) for _, value in node.value)
    if isinstance(node, SequenceNode) and node.value and not node.flow_style:
        return max(_last_line(value) for value in node.value)
    return int(node.end_mark.line)


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _with_last_line_ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + _line_end(text)


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
