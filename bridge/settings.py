"""Settings of the server: defaults, then a TOML file, then flags.

The fields of `Settings` are the one table of options: the flags of `heron-bridge serve`, its help
and `docs/settings.md` are made from them.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bridge.address import Address, parse_address
from bridge.errors import InvalidSettings
from bridge.logs import LogFormat, LogLevel

Objective = Literal["throughput", "latency", "cost", "balanced", "traffic"]


def _available_cores() -> int:
    # Not os.cpu_count(): in a container, or under taskset, fewer of them are ours.
    return len(os.sched_getaffinity(0))


class Settings(BaseModel):
    """Options of the server; units are part of the names."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    address: str = Field(
        default="localhost:50550",
        description="Where to listen: host:port, or unix:///absolute/path for a socket file.",
    )
    allow_insecure: bool = Field(
        default=False,
        description="Listen beyond this machine without TLS or without a token. Whoever reaches "
        "the port may then use the bridge, and requests travel in the clear.",
    )
    socket_mode: str = Field(
        default="0600",
        pattern=r"^0?[0-7]{3}$",
        description="Permissions of the socket file, octal.",
    )
    tls_cert_file: Path | None = Field(
        default=None, description="PEM file with the server's certificate chain; turns TLS on."
    )
    tls_key_file: Path | None = Field(
        default=None, description="PEM file with the private key of the certificate."
    )
    tls_client_ca_file: Path | None = Field(
        default=None,
        description="PEM file with the authorities whose client certificates are accepted; "
        "clients without such a certificate are refused.",
    )
    token_file: Path | None = Field(
        default=None,
        description="File with the token that callers send as `authorization: Bearer <token>`. "
        "Health checks need none.",
    )
    workers: int = Field(
        default_factory=_available_cores,
        ge=1,
        le=1024,
        description="Processes that plan, each one request at a time.",
        json_schema_extra={"default_text": "one per available core"},
    )
    queue_size: int = Field(
        default=16,
        ge=0,
        le=100_000,
        description="Requests that may wait for a worker; one more is answered RESOURCE_EXHAUSTED.",
    )
    max_message_bytes: int = Field(
        default=16 * 2**20,
        ge=1024,
        le=2**30,
        description="Largest request; a larger one is answered RESOURCE_EXHAUSTED.",
    )
    max_planning_s: float = Field(
        default=30.0,
        gt=0,
        le=86_400,
        allow_inf_nan=False,
        description="Longest time for one request, waiting included, whatever deadline its "
        "caller set; the deadline of a request that has none.",
    )
    max_worker_memory_bytes: int = Field(
        default=2 * 2**30,
        ge=128 * 2**20,
        description="Memory that one worker may allocate; a request that needs more is answered "
        "RESOURCE_EXHAUSTED.",
    )
    grace_s: float = Field(
        default=10.0,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="How long requests may go on after SIGTERM. A second SIGTERM ends them.",
    )
    objective: Objective = Field(
        default="balanced", description="What plans are chosen for when a request does not say."
    )
    profiles_dir: Path | None = Field(
        default=None, description="Folder with the profiles that requests may name."
    )
    log_format: LogFormat = Field(
        default="json", description="Log lines as JSON objects or as text for people."
    )
    log_level: LogLevel = Field(default="info", description="Least severe events to log.")

    @field_validator("address")
    @classmethod
    def _address_is_readable(cls, text: str) -> str:
        parse_address(text)
        return text

    @model_validator(mode="after")
    def _options_fit_together(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file go together: give both or neither")
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("tls_client_ca_file needs tls_cert_file and tls_key_file")
        missing = [name for name in ("tls_cert_file", "token_file") if getattr(self, name) is None]
        if missing and not self.listen_address.is_local and not self.allow_insecure:
            raise ValueError(
                f"address = {self.address!r} can be reached from other machines, but "
                f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not set; set "
                f"{'them' if len(missing) > 1 else 'it'}, listen on localhost or a unix socket, "
                "or accept the risk with allow_insecure = true"
            )
        return self

    @property
    def listen_address(self) -> Address:
        """`address`, parsed."""
        return parse_address(self.address)


def load(config_file: Path | None, flags: dict[str, Any]) -> Settings:
    """Merge defaults, the file and the flags that are not None.

    Relative paths in the file are relative to the file's folder. Raises InvalidSettings.
    """
    from_file = _read_toml(config_file) if config_file is not None else {}
    for name in from_file:
        if name not in Settings.model_fields:
            close = difflib.get_close_matches(name, Settings.model_fields, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"the options are: {_names()}"
            raise InvalidSettings(f"{config_file}: {name!r} is no option; {hint}")
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings.model_validate(from_file | given)
    except ValidationError as error:
        problem = error.errors()[0]
        text = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            raise InvalidSettings(text) from None
        name = str(problem["loc"][0])
        source = f"--{name.replace('_', '-')}" if name in given else f"{name} in {config_file}"
        raise InvalidSettings(f"{source} = {_brief(problem['input'])}: {text}") from None


def option_type(name: str) -> type | tuple[str, ...]:
    """Type of an option's value, or the words it may have."""
    annotation: Any = Settings.model_fields[name].annotation
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    inner = [part for part in get_args(annotation) if part is not type(None)]
    if get_origin(annotation) is Annotated or inner:
        annotation = inner[0]
    assert isinstance(annotation, type)
    return annotation


def default_text(name: str) -> str:
    """An option's default for people, empty when it has none."""
    field = Settings.model_fields[name]
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "default_text" in extra:
        return str(extra["default_text"])
    if field.default is None:
        return ""
    return str(field.default).lower() if isinstance(field.default, bool) else str(field.default)


def render_markdown() -> str:
    """The page `docs/settings.md`."""
    lines = [
        "# Settings of the server",
        "",
        "`heron-bridge serve --config FILE` reads a TOML file; every option is also a flag",
        "(`queue_size = 16` is `--queue-size 16`), and a flag wins over the file. Relative paths",
        "in the file are relative to the file's folder. An unknown option is an error.",
        "",
        "| option | value | default | meaning |",
        "|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        kind = option_type(name)
        value = " \\| ".join(kind) if isinstance(kind, tuple) else _KIND_WORDS[kind]
        default = f"`{text}`" if (text := default_text(name)) and " " not in text else text
        lines.append(f"| `{name}` | {value} | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


_KIND_WORDS: dict[type, str] = {
    str: "text",
    bool: "true \\| false",
    int: "whole number",
    float: "number",
    Path: "path",
}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        raise InvalidSettings(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{path} is no valid TOML: {error}") from None
    for name, value in values.items():
        if name in Settings.model_fields and option_type(name) is Path and isinstance(value, str):
            values[name] = path.parent / value
    return values


def _names() -> str:
    return ", ".join(Settings.model_fields)


def _brief(value: object) -> str:
    text = repr(str(value) if isinstance(value, Path) else value)
    return text if len(text) <= 80 else text[:77] + "..."


if __name__ == "__main__":
    print(render_markdown(), end="")
