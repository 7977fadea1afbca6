"""Files as JSON or YAML, and what is wrong with one, in a sentence."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from packing.errors import InvalidRequest


def read_bytes(path: Path) -> bytes:
    """The content of a file. Raises InvalidRequest when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from None


def parse_file(path: Path) -> object:
    """The content of a JSON or YAML file. Raises InvalidRequest when it is neither."""
    text = read_bytes(path)
    if path.suffix in (".yaml", ".yml"):
        from ruamel.yaml import YAML  # noqa: PLC0415
        from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415

        try:
            return YAML(typ="safe").load(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark
            where = "" if mark is None else f", line {mark.line + 1} column {mark.column + 1}"
            raise InvalidRequest(f"{path} is not YAML{where}: {error.problem}") from None
        except (YAMLError, ValueError, RecursionError) as error:
            raise InvalidRequest(f"{path} is not YAML: {error}") from None
    suffix = "" if path.suffix == ".json" else "; YAML is read from files named .yaml or .yml"
    return parse_json(path, text, suffix)


def parse_json(path: Path, text: bytes, hint: str = "") -> object:
    """The content of a JSON file. Raises InvalidRequest, which ends with the hint."""
    if not text.strip():
        raise InvalidRequest(f"{path} is not JSON: it is empty{hint}")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # JSONDecodeError is a ValueError
        raise InvalidRequest(f"{path} is not JSON: {error}{hint}") from None


def describe(error: ValidationError, content: object, model: type[BaseModel]) -> str:
    """The first complaint of pydantic about `content`, which should have been a `model`.

    A sentence with the field's place, its value, and the name that was meant where it is close.
    """
    first = error.errors()[0]
    path = list(first["loc"])
    # Where a plain number may stand for an object, pydantic names a field of that object.
    while path and not isinstance(value_at(content, path[:-1]), Mapping | list):
        path.pop()
    if not path and not isinstance(content, Mapping):
        return _no_mapping(content, model)
    place, fields = _place(path, content), _fields_at(model, path[:-1])
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(path[-1]), fields, 1)
        meant = f"; did you mean {near[0]}?" if near else "."
        return f"{place}: there is no such field{meant} Known are {', '.join(fields)}"
    if first["type"] == "missing":
        # Of a name that is mistyped two things are wrong, and this comes first.
        held = value_at(content, path[:-1])
        strange = [str(k) for k in held if k not in fields] if isinstance(held, Mapping) else []
        near = difflib.get_close_matches(str(path[-1]), strange, 1)
        return f"{place}: it is missing{f'; did you mean it by {near[0]}?' if near else ''}"
    value = first.get("input")
    shown = "" if isinstance(value, Mapping | list) else f" (is {value!r})"
    message = str(first["msg"]).removeprefix("Value error, ")
    message = re.sub(r"^(Input|String|List) should", "it must", message)
    return f"{place}: {message[:1].lower()}{message[1:]}{shown}"


def value_at(content: object, path: Iterable[object]) -> object:
    """What lies at a path of keys and positions; None where nothing does."""
    for part in path:
        try:
            content = content[part]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return None
    return content


def _no_mapping(content: object, model: type[BaseModel]) -> str:
    required = [f.alias or n for n, f in model.model_fields.items() if f.is_required()]
    wanted = f"a mapping with {' and '.join(required)}" if required else "a mapping"
    if content is None:
        return f"the file is empty; it must be {wanted}"
    kind = "list" if isinstance(content, list) else "plain value"
    return f"the file holds a {kind}; it must be {wanted}"


def _place(path: Sequence[int | str], content: object) -> str:
    """Where a field is: positions in lists by the names of what lies there, if they have one."""
    shown = [str(part) for part in path]
    for i, part in enumerate(path):
        entry = value_at(content, path[: i + 1])
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if isinstance(part, int) and isinstance(name, str) and name:
            shown[i] = f"{part} ({name})"
    return ".".join(shown) or "the file"


def _fields_at(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """Names of the fields that what lies at `path` may have."""
    inside = False
    for part in path:
        if inside or isinstance(part, int):
            inside = False  # a key of a mapping, or a position in a list
            continue
        field = next((f for n, f in model.model_fields.items() if part in (f.alias, n)), None)
        below = None if field is None else _model_in(field.annotation)
        if field is None or below is None:
            return []
        inside = get_origin(field.annotation) is dict
        model = below
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a field's type is made of, such as that of a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(
        (found for part in get_args(annotation) if (found := _model_in(part)) is not None), None
    )
