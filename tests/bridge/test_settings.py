from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import InvalidSettings
from bridge.settings import OPTIONS, PLUGIN_KEYS, load, option_type, render_markdown
from packing.objective import OBJECTIVES
from packing.search.budget import BUDGETS

ROOT = Path(__file__).resolve().parents[2]


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bridge.toml"
    path.write_text(text)
    return path


def test_the_page_of_the_settings_is_up_to_date() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    assert page == render_markdown(), "run python -m bridge.settings > docs/settings.md"


def test_the_plugin_reads_the_keys_that_are_documented() -> None:
    java = ROOT / "bridge" / "java" / "src" / "main" / "java" / "org" / "heronbridge"
    source = (java / "PluginSettings.java").read_text()
    (listed,) = re.findall(r"Set<String> KEYS = .*?asList\((.*?)\)", source, flags=re.DOTALL)
    keys = set(re.findall(r'"([^"]+)"', listed))
    assert set(PLUGIN_KEYS) < keys
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if line[:3] == "| `"]
    told = {key for row in rows for key in re.findall(r"`([^`]+)`", row.split("|")[1])}
    assert keys <= told


def test_keys_and_options_that_state_the_same_have_the_same_words() -> None:
    words = {"objective": set(OBJECTIVES), "effort": set(BUDGETS)}
    for key, (option, values) in PLUGIN_KEYS.items():
        kind = option_type(option)
        if isinstance(kind, tuple):
            assert set(kind) == words[key] == set(re.findall(r"`([^`]+)`", values))


def test_every_option_has_a_flag_with_help() -> None:
    from bridge.cli.serve import serve  # noqa: PLC0415

    result = CliRunner().invoke(serve, ["--help"], terminal_width=500)
    assert result.exit_code == 0
    for name, option in OPTIONS.items():
        assert f"--{name.replace('_', '-')}" in result.output
        assert option.description
        assert option.description.split(";")[0] in " ".join(result.output.split())


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    config = write(tmp_path, "queue_size = 3\ngrace_s = 2\nallow_insecure = true\n")
    settings = load(config, {"queue_size": 4, "grace_s": None, "allow_insecure": False})
    assert settings.queue_size == 4
    assert settings.grace_s == 2
    assert settings.allow_insecure is False
    assert settings.max_message_bytes == 16 * 2**20


def test_paths_in_the_file_are_relative_to_its_folder(tmp_path: Path) -> None:
    config = write(tmp_path, 'profiles_dir = "profiles"\ntoken_file = "/etc/token"\n')
    settings = load(config, {})
    assert settings.profiles_dir == tmp_path / "profiles"
    assert settings.token_file == Path("/etc/token")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("queue_sise = 3", ["'queue_sise'", "did you mean 'queue_size'"]),
        ("zzz = 3", ["'zzz'", "the options are: address"]),
        ("queue_size = -1", ["queue_size", "= -1", "at least 0"]),
        ("queue_size = true", ["queue_size", "= True", "whole number"]),
        ('queue_size = "4"', ["queue_size", "= '4'", "whole number"]),
        ("max_planning_s = nan", ["max_planning_s", "more than 0"]),
        ('objective = "fastest"', ["objective", "'fastest'", "'throughput'"]),
        ('socket_mode = "0999"', ["socket_mode", "'0999'"]),
        ('address = "50550"', ["address", "host:port"]),
        ("[address]\nport = 1", ["address", "text"]),
        ('tls_cert_file = "a"', ["tls_cert_file and tls_key_file go together"]),
        ("= 3", ["no valid TOML", "line 1"]),
        ("a = 1\na = 1", ["no valid TOML"]),
    ],
)
def test_a_wrong_file_is_explained(tmp_path: Path, text: str, words: list[str]) -> None:
    config = write(tmp_path, text)
    with pytest.raises(InvalidSettings) as caught:
        load(config, {})
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=f"cannot read {tmp_path}: Is a directory"):
        load(tmp_path, {})
    with pytest.raises(InvalidSettings, match="No such file"):
        load(tmp_path / "none", {})
    noise = tmp_path / "noise"
    noise.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidSettings, match="no valid TOML"):
        load(noise, {})


def test_a_wrong_flag_is_named_as_a_flag() -> None:
    with pytest.raises(InvalidSettings, match="--queue-size = -1"):
        load(None, {"queue_size": -1})


@pytest.mark.parametrize("address", ["0.0.0.0:1", "[::]:1", "bridge.example:1", "10.0.0.1:1"])
def test_listening_beyond_this_machine_takes_tls_and_a_token(address: str) -> None:
    tls: dict[str, Any] = {"tls_cert_file": Path("c"), "tls_key_file": Path("k")}
    token = {"token_file": Path("t")}
    for given_, missing in (({}, "tls_cert_file and token_file"), (tls, "token_file is")):
        with pytest.raises(InvalidSettings, match=missing):
            load(None, {"address": address, **given_})
    assert load(None, {"address": address, **tls, **token})
    assert load(None, {"address": address, "allow_insecure": True})


@pytest.mark.parametrize(
    "address", ["localhost:0", "127.0.0.1:1", "127.1.2.3:1", "[::1]:1", "unix:///run/x"]
)
def test_listening_on_this_machine_takes_nothing(address: str) -> None:
    assert load(None, {"address": address})


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.floats() | st.none()))
def test_no_flags_whatever_end_in_anything_but_settings_or_a_sentence(
    flags: dict[str, Any],
) -> None:
    try:
        load(None, flags)
    except InvalidSettings as error:
        assert str(error)
