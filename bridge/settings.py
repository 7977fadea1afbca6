"""Settings of the server: defaults, then a TOML file, then flags.

The fields of `Settings` are the one table of options: the flags of `heron-bridge serve`, its help
and `docs/settings.md` are made from them.

Checked by hand: a validation library takes longer to load than all the rest of the server.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from bridge.address import Address, parse_address
from bridge.errors import InvalidSettings
from bridge.logs import LogFormat, LogLevel

Objective = Literal["throughput", "latency", "cost", "balanced", "traffic"]
Effort = Literal["quick", "default", "thorough"]


@dataclass(frozen=True)
class Option:
    """What is known of an option besides its type and default.

    Numbers are at least `least` and at most `most`; `more_than_zero` excludes 0. `check` raises
    ValueError with a sentence.
    """

    description: str
    least: float = 0
    most: float = math.inf
    more_than_zero: bool = False
    default_text: str | None = None
    check: Callable[[str], object] | None = None


def _about(description: str, **details: Any) -> dict[str, Option]:
    return {"option": Option(description, **details)}


def _available_cores() -> int:
    # Not os.cpu_count(): in a container, or under taskset, fewer of them are ours.
    return len(os.sched_getaffinity(0))


def _check_mode(text: str) -> None:
    if not re.fullmatch("0?[0-7]{3}", text):
        raise ValueError("write permissions as three octal digits, such as 0660")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Options of the server; units are part of the names. Made by `load`, which checks them."""

    address: str = field(
        default="localhost:50550",
        metadata=_about(
            "Where to listen: host:port, or unix:///absolute/path for a socket file.",
            check=parse_address,
        ),
    )
    allow_insecure: bool = field(
        default=False,
        metadata=_about(
            "Listen beyond this machine without TLS or without a token. Whoever reaches the port "
            "may then use the bridge, and requests travel in the clear."
        ),
    )
    socket_mode: str = field(
        default="0600", metadata=_about("Permissions of the socket file, octal.", check=_check_mode)
    )
    tls_cert_file: Path | None = field(
        default=None, metadata=_about("PEM file with the server's certificate chain; turns TLS on.")
    )
    tls_key_file: Path | None = field(
        default=None, metadata=_about("PEM file with the private key of the certificate.")
    )
    tls_client_ca_file: Path | None = field(
        default=None,
        metadata=_about(
            "PEM file with the authorities whose client certificates are accepted; clients without "
            "such a certificate are refused."
        ),
    )
    token_file: Path | None = field(
        default=None,
        metadata=_about(
            "File with the token that callers send as `authorization: Bearer <token>`. Health "
            "checks need none."
        ),
    )
    workers: int = field(
        default_factory=_available_cores,
        metadata=_about(
            "Processes that plan, each one request at a time.",
            least=1,
            most=1024,
            default_text="one per available core",
        ),
    )
    queue_size: int = field(
        default=16,
        metadata=_about(
            "Requests that may wait for a worker; one more is answered RESOURCE_EXHAUSTED.",
            most=100_000,
        ),
    )
    max_message_bytes: int = field(
        default=16 * 2**20,
        metadata=_about(
            "Largest request; a larger one is answered RESOURCE_EXHAUSTED.", least=1024, most=2**30
        ),
    )
    max_planning_s: float = field(
        default=30.0,
        metadata=_about(
            "Longest time for one request, waiting included, whatever deadline its caller set; the "
            "deadline of a request that has none.",
            more_than_zero=True,
            most=86_400,
        ),
    )
    max_worker_memory_bytes: int = field(
        default=2 * 2**30,
        metadata=_about(
            "Memory that one worker may allocate; a request that needs more is answered "
            "RESOURCE_EXHAUSTED.",
            least=128 * 2**20,
            most=2**60,
        ),
    )
    grace_s: float = field(
        default=10.0,
        metadata=_about(
            "How long requests may go on after SIGTERM. A second SIGTERM ends them.", most=86_400
        ),
    )
    objective: Objective = field(
        default="balanced",
        metadata=_about("What plans are chosen for when a request does not say."),
    )
    headroom: float = field(
        default=0.2,
        metadata=_about(
            "Load beyond the offered one that a plan should carry, as a share of it, when a "
            "request does not say. What a plan carries beyond that is worth nothing extra to most "
            "objectives.",
            most=100,
        ),
    )
    probability: float = field(
        default=0.9,
        metadata=_about(
            "Probability with which a plan should carry the offered load and the headroom, given "
            "how far off the profile's numbers may be, when a request does not say.",
            least=0.01,
            most=0.999,
        ),
    )
    effort: Effort = field(
        default="default",
        metadata=_about(
            "How much the search works on a plan when a request does not say: `quick` a quarter of "
            "the usual, `thorough` over a hundred times that and plans between the extremes. Work "
            "is counted, not timed, so that the same request gets the same plan; only a deadline "
            "that is nearly over ends it early."
        ),
    )
    spread_components: bool = field(
        default=False,
        metadata=_about(
            "Place each component with two instances or more in two containers or more, when a "
            "request does not say, so that one lost container stops none."
        ),
    )
    profiles_dir: Path | None = field(
        default=None, metadata=_about("Folder with the profiles that requests may name.")
    )
    log_format: LogFormat = field(
        default="json", metadata=_about("Log lines as JSON objects or as text for people.")
    )
    log_level: LogLevel = field(default="info", metadata=_about("Least severe events to log."))

    @property
    def listen_address(self) -> Address:
        """`address`, parsed."""
        return parse_address(self.address)


OPTIONS: dict[str, Option] = {part.name: part.metadata["option"] for part in fields(Settings)}
PLUGIN_PREFIX = "heron.packing.bridge."
PLUGIN_KEYS: dict[str, tuple[str, str]] = {
    "objective": ("objective", "`throughput`, `latency`, `cost`, `balanced` or `traffic`"),
    "headroom": ("headroom", "a number from 0 to 100: 0.2 for 20 % more than the offered load"),
    "probability": ("probability", "a number above 0 and below 1"),
    "effort": ("effort", "`quick`, `default` or `thorough`"),
    "spread.components": ("spread_components", "`true` or `false`"),
}
"""Keys with which Heron's side states the same for a request: the option, and the values."""
_DEFAULTS = {
    part.name: None if part.default is MISSING else part.default for part in fields(Settings)
}
_HINTS = get_type_hints(Settings)


def load(config_file: Path | None, flags: dict[str, Any]) -> Settings:
    """Merge defaults, the file and the flags that are not None.

    Relative paths in the file are relative to the file's folder. Raises InvalidSettings.
    """
    from_file = _read_toml(config_file) if config_file is not None else {}
    from_flags = {name: value for name, value in flags.items() if value is not None}
    values: dict[str, Any] = {}
    for name, value in (from_file | from_flags).items():
        if name not in OPTIONS:
            close = difflib.get_close_matches(name, OPTIONS, n=1, cutoff=0.5)
            hint = (
                f"did you mean {close[0]!r}?" if close else f"the options are: {', '.join(OPTIONS)}"
            )
            source = "flags" if name in from_flags else config_file
            raise InvalidSettings(f"{source}: {name!r} is no option; {hint}")
        try:
            values[name] = _checked(name, value)
        except ValueError as error:
            source = (
                f"--{name.replace('_', '-')}" if name in from_flags else f"{name} in {config_file}"
            )
            raise InvalidSettings(f"{source} = {_brief(value)}: {error}") from None
    settings = Settings(**values)
    _check_together(settings)
    return settings


def _checked(name: str, value: Any) -> Any:
    """The value in the type of its option; raise ValueError with a sentence."""
    option, kind = OPTIONS[name], option_type(name)
    if isinstance(kind, tuple):
        if value not in kind:
            raise ValueError(f"write one of {', '.join(map(repr, kind))}")
        return value
    if kind is float and type(value) is int:
        value = float(value)
    if kind is Path and isinstance(value, str):
        value = Path(value)
    # A bool is an int to isinstance, but nobody means 1 by true.
    fits = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    if not fits:
        raise ValueError(f"write {_KIND_WORDS[kind]}")
    if kind in (int, float) and (
        not option.least <= value <= option.most or (option.more_than_zero and value == 0)
    ):
        least = "more than 0" if option.more_than_zero else f"at least {option.least}"
        raise ValueError(f"write a number that is {least} and at most {option.most}")
    if option.check is not None:
        option.check(value)
    return value


def _check_together(settings: Settings) -> None:
    if (settings.tls_cert_file is None) != (settings.tls_key_file is None):
        raise InvalidSettings("tls_cert_file and tls_key_file go together: give both or neither")
    if settings.tls_client_ca_file is not None and settings.tls_cert_file is None:
        raise InvalidSettings("tls_client_ca_file needs tls_cert_file and tls_key_file")
    missing = [name for name in ("tls_cert_file", "token_file") if getattr(settings, name) is None]
    if missing and not settings.listen_address.is_local and not settings.allow_insecure:
        several = len(missing) > 1
        raise InvalidSettings(
            f"address = {settings.address!r} can be reached from other machines, but "
            f"{' and '.join(missing)} {'are' if several else 'is'} not set; set "
            f"{'them' if several else 'it'}, listen on localhost or a unix socket, or accept the "
            "risk with allow_insecure = true"
        )


def option_type(name: str) -> type | tuple[str, ...]:
    """Type of an option's value, or the words it may have."""
    hint = _HINTS[name]
    parts = [part for part in get_args(hint) if part is not type(None)]
    if parts and isinstance(parts[0], str):
        return tuple(parts)
    kind = parts[0] if parts else hint
    assert isinstance(kind, type)
    return kind


def default_text(name: str) -> str:
    """An option's default for people, empty when it has none."""
    text, default = OPTIONS[name].default_text, _DEFAULTS[name]
    if text is not None or default is None:
        return text or ""
    return str(default).lower() if isinstance(default, bool) else str(default)


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
    for name, option in OPTIONS.items():
        kind = option_type(name)
        value = (
            " or ".join(f"`{word}`" for word in kind)
            if isinstance(kind, tuple)
            else _KIND_WORDS[kind]
        )
        default = f"`{text}`" if (text := default_text(name)) and " " not in text else text
        lines.append(f"| `{name}` | {value} | {default} | {option.description} |")
    lines += [
        "",
        "## What a cluster or a topology states instead",
        "",
        "Keys in Heron's `packing.yaml`, or with `--config-property` at a submit or an update.",
        "They stand before the options above; the health policy has a headroom and a probability",
        "of its own. A value that makes no sense is told with its key and what it may be, and",
        "Heron's own plan is used.",
        "",
        "| key | value | instead of |",
        "|---|---|---|",
    ]
    lines += [f"| `{PLUGIN_PREFIX}{key}` | {v} | `{of}` |" for key, (of, v) in PLUGIN_KEYS.items()]
    return "\n".join(lines) + "\n"


_KIND_WORDS: dict[type, str] = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Path: "a path",
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
        if name in OPTIONS and option_type(name) is Path and isinstance(value, str):
            values[name] = path.parent / value
    return values


def _brief(value: object) -> str:
    text = repr(str(value) if isinstance(value, Path) else value)
    return text if len(text) <= 80 else text[:77] + "..."


if __name__ == "__main__":
    print(render_markdown(), end="")
