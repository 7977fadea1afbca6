from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import flat_yaml, installation
from bridge.cli import main
from bridge.heron_home import HeronInstallation, InstallationError
from bridge.installation import ADDRESS_KEY, DEFAULT_ADDRESS, PLUGIN_CLASS, disable, enable
from bridge.plugin_jars import JAR_NAMES, JarNotBuilt, plugin_jar

PACKING_YAML = """\
# Settings of the packing of this cluster.
#
# Licensed to nobody in particular.

# class that packs at submit
heron.class.packing.algorithm:         org.apache.heron.packing.roundrobin.RoundRobinPacking

heron.class.repacking.algorithm:   "org.apache.heron.packing.binpacking.FirstFitDecreasingPacking" #

# our own
some.other.key:   [1, 2,
                   3]
"""
RCRR = "org.apache.heron.packing.roundrobin.ResourceCompliantRRPacking"


@pytest.fixture(autouse=True)
def jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return stand_in_jars(tmp_path / "built", monkeypatch)


def stand_in_jars(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Take the place of the plugin's jars, which a checkout may not have built."""
    folder.mkdir()
    for name in JAR_NAMES.values():
        (folder / name).write_bytes(name.encode())
    monkeypatch.setattr(installation, "plugin_jar", lambda flavour: plugin_jar(flavour, (folder,)))
    return folder


def make_jar(path: Path, *classes: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in classes:
            archive.writestr(name, b"")


@pytest.fixture
def heron(tmp_path: Path) -> HeronInstallation:
    """A Heron of the Apache kind with the clusters local and yarn."""
    home = tmp_path / "heron"
    (home / "lib" / "packing").mkdir(parents=True)
    make_jar(home / "lib" / "packing" / "heron-packing.jar", "org/apache/heron/packing/X.class")
    for cluster in ("local", "yarn"):
        (home / "conf" / cluster).mkdir(parents=True)
        (home / "conf" / cluster / "packing.yaml").write_text(PACKING_YAML)
    return HeronInstallation(home)


def values(heron: HeronInstallation) -> dict[str, object]:
    return flat_yaml.read(heron.packing_yaml.read_text())


def files(heron: HeronInstallation) -> dict[str, bytes]:
    """Everything below the Heron home."""
    return {
        str(path.relative_to(heron.home)): path.read_bytes()
        for path in heron.home.rglob("*")
        if path.is_file()
    }


def edit(heron: HeronInstallation, old: str, new: str) -> None:
    text = heron.packing_yaml.read_text()
    assert old in text
    heron.packing_yaml.write_text(text.replace(old, new))


def test_enable_names_the_plugin_and_keeps_every_other_byte(heron: HeronInstallation) -> None:
    assert enable(heron).changed
    expected = PACKING_YAML.replace(
        "org.apache.heron.packing.roundrobin.RoundRobinPacking", PLUGIN_CLASS
    ).replace('"org.apache.heron.packing.binpacking.FirstFitDecreasingPacking"', PLUGIN_CLASS)
    text = heron.packing_yaml.read_text()
    assert text.startswith(expected)
    assert flat_yaml.read(text.removeprefix(expected)) == {
        "heron.packing.bridge.address": DEFAULT_ADDRESS,
        "heron.packing.bridge.fallback.packing": (
            "org.apache.heron.packing.roundrobin.RoundRobinPacking"
        ),
        "heron.packing.bridge.fallback.repacking": (
            "org.apache.heron.packing.binpacking.FirstFitDecreasingPacking"
        ),
    }
    assert (heron.jar_folder / "heron-bridge-plugin.jar").read_bytes() == b"heron-bridge-plugin.jar"


def test_disable_restores_every_byte_and_leaves_nothing(heron: HeronInstallation) -> None:
    before = files(heron)
    enable(heron, "unix:///run/heron-bridge.sock")
    assert disable(heron).changed
    assert files(heron) == before


def test_both_may_be_repeated(heron: HeronInstallation) -> None:
    enable(heron)
    enabled = files(heron)
    again = enable(heron)
    assert not again.changed
    assert again.sentences == ["cluster 'local' is already enabled"]
    assert files(heron) == enabled
    disable(heron)
    disabled = files(heron)
    again = disable(heron)
    assert not again.changed
    assert again.sentences == ["cluster 'local' is not enabled"]
    assert files(heron) == disabled


def test_another_address_keeps_backup_and_fallback(heron: HeronInstallation) -> None:
    before = files(heron)
    enable(heron)
    enabled = values(heron)
    assert enable(heron, "[::1]:50551").changed
    assert values(heron) == enabled | {ADDRESS_KEY: "[::1]:50551"}
    assert not enable(heron).changed, "without an address, the one that is set stays"
    assert values(heron)[ADDRESS_KEY] == "[::1]:50551"
    disable(heron)
    assert files(heron) == before


def test_disable_keeps_edits_made_since(heron: HeronInstallation) -> None:
    enable(heron)
    edit(heron, "# our own", "# ours and yours")
    with heron.packing_yaml.open("a") as file:
        file.write("heron.packing.bridge.timeout.ms: 500\n")
    outcome = disable(heron)
    assert "was edited since" in outcome.sentences[0]
    text = heron.packing_yaml.read_text()
    assert text.startswith(
        PACKING_YAML.replace("# our own", "# ours and yours").replace(
            '"org.apache.heron.packing.binpacking.FirstFitDecreasingPacking"',
            "org.apache.heron.packing.binpacking.FirstFitDecreasingPacking",
        )
    )
    assert values(heron) == flat_yaml.read(PACKING_YAML) | {"heron.packing.bridge.timeout.ms": 500}
    assert "heron-bridge enable" not in text
    assert not heron.backup.exists()


def test_edits_made_while_enabled_survive_another_enable(heron: HeronInstallation) -> None:
    enable(heron)
    edit(
        heron,
        "heron.class.repacking.algorithm:   " + PLUGIN_CLASS,
        "heron.class.repacking.algorithm:   " + RCRR,
    )
    assert enable(heron).changed
    assert values(heron)["heron.class.repacking.algorithm"] == PLUGIN_CLASS
    assert values(heron)["heron.packing.bridge.fallback.repacking"] == RCRR
    disable(heron)
    assert values(heron) == flat_yaml.read(PACKING_YAML) | {"heron.class.repacking.algorithm": RCRR}


def test_a_file_that_was_replaced_while_enabled_is_the_new_original(
    heron: HeronInstallation,
) -> None:
    enable(heron)
    heron.packing_yaml.write_text(f"heron.class.packing.algorithm: {RCRR}\n")
    enable(heron)
    assert values(heron)["heron.packing.bridge.fallback.packing"] == RCRR
    assert "heron.packing.bridge.fallback.repacking" not in values(heron)
    disable(heron)
    assert heron.packing_yaml.read_text() == f"heron.class.packing.algorithm: {RCRR}\n"


def test_disable_without_a_backup_goes_by_the_fallback(heron: HeronInstallation) -> None:
    enable(heron)
    heron.backup.unlink()
    assert disable(heron).changed
    assert values(heron) == flat_yaml.read(PACKING_YAML)


def test_disable_without_backup_and_fallback_says_what_to_do(heron: HeronInstallation) -> None:
    heron.packing_yaml.write_text(f"heron.class.packing.algorithm: {PLUGIN_CLASS}\n")
    with pytest.raises(InstallationError, match="by hand"):
        disable(heron)


def test_the_jar_stays_while_another_cluster_uses_it(heron: HeronInstallation) -> None:
    yarn = HeronInstallation(heron.home, "yarn")
    before = files(heron)
    enable(heron)
    enable(yarn)
    outcome = disable(heron)
    assert "yarn still uses it" in outcome.sentences[-1]
    assert (heron.jar_folder / "heron-bridge-plugin.jar").exists()
    disable(yarn)
    assert files(heron) == before


def test_a_newer_jar_replaces_an_older_one(heron: HeronInstallation, jars: Path) -> None:
    enable(heron)
    (jars / "heron-bridge-plugin.jar").write_bytes(b"newer")
    assert enable(heron).changed
    assert (heron.jar_folder / "heron-bridge-plugin.jar").read_bytes() == b"newer"
    assert stat.S_IMODE((heron.jar_folder / "heron-bridge-plugin.jar").stat().st_mode) == 0o644


def test_the_jar_fits_the_heron(heron: HeronInstallation) -> None:
    enable(heron)
    packing = heron.home / "lib" / "packing" / "heron-packing.jar"
    make_jar(packing, "com/twitter/heron/packing/X.class")
    enable(heron)
    assert (heron.jar_folder / "heron-bridge-plugin-heron017.jar").exists()
    assert not (heron.jar_folder / "heron-bridge-plugin.jar").exists(), "one class, one jar"

    packing.write_bytes(b"no zip")
    enable(heron, flavour="org.apache.heron")
    assert (heron.jar_folder / "heron-bridge-plugin.jar").exists()


def test_the_configured_class_tells_the_flavour_when_no_jar_does(
    heron: HeronInstallation,
) -> None:
    (heron.home / "lib" / "packing" / "heron-packing.jar").unlink()
    assert installation.detect_flavour(heron, values(heron)) == "org.apache.heron"
    enable(heron)
    assert not enable(heron).changed
    with pytest.raises(InstallationError, match="--flavour"):
        installation.detect_flavour(heron, {})


def test_mode_of_the_file_and_a_symbolic_link_stay(heron: HeronInstallation) -> None:
    real = heron.home / "packing-of-local.yaml"
    heron.packing_yaml.rename(real)
    heron.packing_yaml.symlink_to(real)
    real.chmod(0o640)
    for step in (enable, disable):
        step(heron)
        assert heron.packing_yaml.is_symlink()
        assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert real.read_text() == PACKING_YAML


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing but a comment",
        "heron.class.packing.algorithm:\n",
        "heron.class.packing.algorithm:\r\n# c\r\nheron.class.repacking.algorithm: a.B\r\n",
        "'heron.class.packing.algorithm': 'a.B'",
        "---\nheron.class.packing.algorithm: a.B # c",
        "heron.packing.bridge.fallback.packing: a.B\nheron.packing.bridge.address: h:1\n",
        "k: |\n  heron.class.packing.algorithm: not a key\n",
    ],
)
def test_files_of_other_shapes_come_back_as_they_were(heron: HeronInstallation, text: str) -> None:
    heron.packing_yaml.write_bytes(text.encode())
    enable(heron)
    for key in installation.FALLBACK_KEYS:
        assert values(heron)[key] == PLUGIN_CLASS
    disable(heron)
    assert heron.packing_yaml.read_bytes() == text.encode()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: b: c\n", "no valid YAML: line 1"),
        (b"a: 1\na: 2\n", "no valid YAML: line 2"),
        (b"- a\n", "holds a list"),
        (b"{heron.class.packing.algorithm: a.B}\n", "not written as"),
        (b"\xff\xfe\x00", "no UTF-8"),
    ],
)
def test_a_file_that_cannot_be_edited_stays_and_is_named(
    heron: HeronInstallation, content: bytes, words: str
) -> None:
    heron.packing_yaml.write_bytes(content)
    with pytest.raises(InstallationError, match=words) as caught:
        enable(heron)
    assert str(heron.packing_yaml) in str(caught.value)
    assert heron.packing_yaml.read_bytes() == content
    assert not heron.backup.exists()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_the_commands(heron: HeronInstallation) -> None:
    home = str(heron.home)
    result = run("enable", "--heron-home", home, "--cluster", "yarn", "--address", "h:1")
    assert result.exit_code == 0, result.output
    assert "h:1" in result.output
    assert "already enabled" in run("enable", "--heron-home", home, "--cluster", "yarn").output
    assert run("disable", "--heron-home", home, "--cluster", "yarn").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--cluster", "aurora"), 1, "clusters with a packing.yaml: local, yarn"),
        (("--heron-home", "/no/such/home"), 1, "/no/such/home is no Heron installation"),
        (("--address", "50550"), 2, "host:port"),
        (("--address", "localhost:0"), 2, "port 0"),
        (("--flavour", "storm"), 2, "storm"),
    ],
)
def test_wrong_arguments_are_explained(
    heron: HeronInstallation, arguments: tuple[str, ...], status: int, words: str
) -> None:
    before = files(heron)
    result = run("enable", "--heron-home", str(heron.home), *arguments)
    assert result.exit_code == status
    assert words in result.output
    assert files(heron) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(heron: HeronInstallation) -> None:
    heron.jar_folder.chmod(0o555)
    result = run("enable", "--heron-home", str(heron.home))
    assert result.exit_code == 1
    assert "Permission denied" in result.output


def test_a_jar_that_is_not_built_is_named(tmp_path: Path) -> None:
    with pytest.raises(JarNotBuilt, match="heron-bridge-plugin-heron017"):
        plugin_jar("com.twitter.heron", (tmp_path,))


# Lone surrogates are no characters; everything else is.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
keys = st.from_regex(r"[a-z]{1,4}(\.[a-z]{1,4}){0,2}", fullmatch=True)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(keys, texts),
    st.dictionaries(keys, texts),
    st.sampled_from(["\n", "\r\n"]),
)
def test_whatever_is_set_is_read_back_and_can_be_removed(
    before: dict[str, str], changes: dict[str, str], line_end: str
) -> None:
    text = line_end.join(flat_yaml.with_values("", before, "# old").splitlines())
    edited = flat_yaml.with_values(text, changes, "# new")
    assert flat_yaml.read(edited) == before | changes
    removed = flat_yaml.without_keys(edited, changes, "# new")
    assert flat_yaml.read(removed) == {k: v for k, v in before.items() if k not in changes}
