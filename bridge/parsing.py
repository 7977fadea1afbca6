"""Files as JSON or YAML, and what is wrong with one, in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

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
        from ruamel.yaml.error import YAMLError  # noqa: PLC0415

        try:
            return YAML(typ="safe").load(text)
        except (YAMLError, ValueError, RecursionError) as error:
            raise InvalidRequest(f"{path} is not YAML: {error}") from None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # JSONDecodeError is a ValueError
        raise InvalidRequest(f"{path} is not JSON: {error}") from None


def describe(error: ValidationError) -> str:
    """The first complaint of pydantic as a sentence with the field's place and value."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    value = first.get("input")
    shown = "" if isinstance(value, dict | list) else f" (is {value!r})"
    return f"{place or 'the file'}: {first['msg']}{shown}"
