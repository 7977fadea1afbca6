"""The health policy in a Heron installation: put in, tuned, taken out, and refused where it cannot
be loaded."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import flat_yaml
from bridge.cli import main
from bridge.core_package import core_package
from bridge.health_installation import POLICIES_KEY, POLICY_CLASS, backup, healthmgr_yaml
from bridge.heron_home import HeronInstallation, InstallationError
from bridge.installation import disable, enable
from tests.bridge.test_installation import PACKING_YAML, files, make_jar, stand_in_jars

JAR = "heron-bridge-plugin.jar"
HEALTHMGR_YAML = """\
# Who looks after the topologies of this cluster.
heron.topology.healthmgr.mode: disabled

heron.healthmgr.metricsource.type:   org.apache.heron.healthmgr.sensors.TrackerMetricsProvider  #

heron.class.health.policies:
#  - commented-out
  - restart-now-and-then

# what it does
restart-now-and-then:
  health.policy.class: org.apache.heron.healthmgr.policy.Some   # theirs
  # often
  health.policy.interval.ms: 20000
"""


@pytest.fixture(autouse=True)
def jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return stand_in_jars(tmp_path / "built", monkeypatch)


@pytest.fixture
def heron(tmp_path: Path) -> HeronInstallation:
    """A Heron whose cluster local starts from a folder and whose cluster yarn from an archive."""
    home = tmp_path / "heron"
    (home / "lib" / "packing").mkdir(parents=True)
    make_jar(home / "lib" / "packing" / "heron-packing.jar", "org/apache/heron/packing/X.class")
    core = home / "dist" / "heron-core"
    (core / "lib" / "packing").mkdir(parents=True)
    (core / "lib" / "packing" / "theirs.jar").write_bytes(b"theirs")
    write_archive(home / "dist" / "heron-core.tar.gz")
    for cluster in ("local", "yarn"):
        conf = home / "conf" / cluster
        conf.mkdir(parents=True)
        (conf / "packing.yaml").write_text(PACKING_YAML)
    (home / "conf" / "local" / "healthmgr.yaml").write_text(HEALTHMGR_YAML)
    (home / "conf" / "local" / "client.yaml").write_text(
        "heron.package.use_core_uri: false\n"
        "heron.package.core.directory: ${HERON_DIST}/heron-core\n"
    )
    (home / "conf" / "yarn" / "client.yaml").write_text(
        "heron.package.core.uri: file://${HERON_DIST}/heron-core.tar.gz\n"
    )
    return HeronInstallation(home)


def write_archive(path: Path, root: str = "./heron-core", release: bytes = b"1") -> None:
    with tarfile.open(path, "w:gz") as package:
        folder = tarfile.TarInfo(f"{root}/bin")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        package.addfile(folder)
        for name, content, mode in (
            ("bin/heron-stmgr", b"binary", 0o755),
            ("lib/packing/theirs.jar", b"theirs", 0o644),
            ("release.yaml", release, 0o444),
        ):
            member = tarfile.TarInfo(f"{root}/{name}")
            member.size, member.mode, member.mtime = len(content), mode, 1_700_000_000
            package.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo(f"{root}/bin/stmgr")
        link.type, link.linkname = tarfile.SYMTYPE, "heron-stmgr"
        package.addfile(link)


def unpacked(path: Path) -> dict[str, tuple[int, str, bytes]]:
    """What is in an archive: mode, target of a link, content."""
    found = {}
    with tarfile.open(path) as package:
        for member in package:
            file = package.extractfile(member) if member.isreg() else None
            content = b"" if file is None else file.read()
            found[member.name] = (member.mode, member.linkname, content)
    return found


def yarn(heron: HeronInstallation) -> HeronInstallation:
    return HeronInstallation(heron.home, "yarn")


def test_the_policy_joins_the_others_and_every_other_byte_stays(heron: HeronInstallation) -> None:
    before = files(heron)
    outcome = enable(heron, health_manager=True)
    assert outcome.changed
    text = healthmgr_yaml(heron).read_text()
    found = flat_yaml.read(text)
    assert found[POLICIES_KEY] == ["restart-now-and-then", "bridge"]
    assert found["bridge"] == {"health.policy.class": POLICY_CLASS}
    assert found["heron.topology.healthmgr.mode"] == "cluster"
    # Where metrics come from is theirs to say.
    assert str(found["heron.healthmgr.metricsource.type"]).endswith("TrackerMetricsProvider")
    assert "heron.topology.metricscachemgr.mode" not in found
    kept = text.replace("mode: cluster", "mode: disabled").splitlines()
    lines = iter(kept)
    assert all(line in lines for line in HEALTHMGR_YAML.splitlines()), "in order"
    core = heron.home / "dist" / "heron-core" / "lib" / "packing"
    assert (core / JAR).read_bytes() == JAR.encode()

    assert not enable(heron, health_manager=True).changed
    disable(heron)
    assert files(heron) == before
    assert not disable(heron).changed


def test_an_archive_gets_the_jar_and_is_itself_again(heron: HeronInstallation) -> None:
    before = files(heron)
    archive = heron.home / "dist" / "heron-core.tar.gz"
    held = unpacked(archive)
    enable(yarn(heron), health_manager=True)
    changed = unpacked(archive)
    added = {f"./heron-core/lib/packing/{JAR}": (0o644, "", JAR.encode())}
    assert changed == held | added
    # There was no healthmgr.yaml: all that the health manager needs is in the new one.
    found = flat_yaml.read(healthmgr_yaml(yarn(heron)).read_text())
    assert found == {
        "heron.topology.healthmgr.mode": "cluster",
        "heron.healthmgr.metricsource.type": "org.apache.heron.healthmgr.sensors."
        "MetricsCacheMetricsProvider",
        "heron.healthmgr.metricsource.url": "http://localhost:8888",
        "heron.topology.metricscachemgr.mode": "cluster",
        POLICIES_KEY: ["bridge"],
        "bridge": {"health.policy.class": POLICY_CLASS},
    }
    assert not enable(yarn(heron), health_manager=True).changed
    disable(yarn(heron))
    assert files(heron) == before


def test_a_newer_jar_replaces_the_one_in_the_archive(heron: HeronInstallation, jars: Path) -> None:
    before = files(heron)
    enable(yarn(heron), health_manager=True)
    (jars / JAR).write_bytes(b"newer")
    assert enable(yarn(heron), health_manager=True).changed
    archive = heron.home / "dist" / "heron-core.tar.gz"
    assert unpacked(archive)[f"./heron-core/lib/packing/{JAR}"][2] == b"newer"
    disable(yarn(heron))
    assert files(heron) == before


def test_an_archive_that_was_replaced_while_enabled_stays(heron: HeronInstallation) -> None:
    archive = heron.home / "dist" / "heron-core.tar.gz"
    enable(yarn(heron), health_manager=True)
    write_archive(archive, "heron-core", b"2")
    newer = archive.read_bytes()
    # Its jar is missing, which another enable mends.
    assert enable(yarn(heron), health_manager=True).changed
    assert f"heron-core/lib/packing/{JAR}" in unpacked(archive)
    disable(yarn(heron))
    assert archive.read_bytes() == newer
    enable(yarn(heron), health_manager=True)
    write_archive(archive, "heron-core", b"3")
    newer = archive.read_bytes()
    disable(yarn(heron))
    assert archive.read_bytes() == newer
    assert not list(archive.parent.glob("*backup*"))


def test_what_was_tuned_while_enabled_goes_and_what_was_added_stays(
    heron: HeronInstallation,
) -> None:
    enable(heron, health_manager=True)
    path = healthmgr_yaml(heron)
    tuned = path.read_text().replace("  - bridge\n", "  - bridge\n  - mine\n")
    path.write_text(
        tuned
        + "  heron.health.bridge.headroom: 0.3\n  # for us\n\n"
        + "mine:\n  health.policy.class: a.B\n"
    )
    assert not enable(heron, health_manager=True).changed
    disable(heron)
    text = path.read_text()
    found = flat_yaml.read(text)
    assert found[POLICIES_KEY] == ["restart-now-and-then", "mine"]
    assert found["mine"] == {"health.policy.class": "a.B"}
    assert found["heron.topology.healthmgr.mode"] == "disabled"
    assert "bridge" not in found
    assert "heron-bridge" not in text
    assert not backup(heron).exists()


def test_without_its_backup_the_policy_goes_all_the_same(heron: HeronInstallation) -> None:
    enable(heron, health_manager=True)
    backup(heron).unlink()
    assert disable(heron).changed
    found = flat_yaml.read(healthmgr_yaml(heron).read_text())
    assert found[POLICIES_KEY] == ["restart-now-and-then"]
    assert "bridge" not in found


def test_the_jar_stays_while_another_health_manager_needs_it(heron: HeronInstallation) -> None:
    conf = heron.home / "conf"
    (conf / "yarn" / "client.yaml").write_text((conf / "local" / "client.yaml").read_text())
    core = heron.home / "dist" / "heron-core" / "lib" / "packing" / JAR
    for cluster in (heron, yarn(heron)):
        enable(cluster, health_manager=True)
    disable(heron)
    assert core.exists()
    disable(yarn(heron))
    assert not core.exists()


def test_packing_alone_leaves_the_health_manager_alone(heron: HeronInstallation) -> None:
    before = files(heron)
    enable(heron)
    changed = {name for name, content in files(heron).items() if before.get(name) != content}
    assert changed == {
        "conf/local/packing.yaml",
        "conf/local/packing.yaml.heron-bridge-backup",
        f"lib/packing/{JAR}",
    }


def test_what_cannot_be_loaded_is_not_put_in(heron: HeronInstallation) -> None:
    before = files(heron)
    with pytest.raises(InstallationError, match=r"Heron up to 0\.17 has another Dhalion"):
        enable(heron, flavour="com.twitter.heron", health_manager=True)
    assert files(heron) == before


def test_a_package_elsewhere_is_told_with_the_lines_to_write(heron: HeronInstallation) -> None:
    client = heron.home / "conf" / "yarn" / "client.yaml"
    client.write_text("heron.package.core.uri: http://files/heron-core.tar.gz\n")
    before = files(heron)
    with pytest.raises(InstallationError) as refused:
        enable(yarn(heron), health_manager=True)
    sentence, *lines = str(refused.value).splitlines()
    assert sentence.startswith("containers start from http://files/heron-core.tar.gz, which is no")
    assert str(healthmgr_yaml(yarn(heron))) in sentence
    found = flat_yaml.read("\n".join(lines))
    assert found[POLICIES_KEY] == ["bridge"]
    assert found["bridge"] == {"health.policy.class": POLICY_CLASS}
    assert str(found["heron.classpath.healthmgr"]).endswith(f":/path/to/{JAR}")
    assert files(heron) == before


def test_a_policy_of_the_same_name_is_not_touched(heron: HeronInstallation) -> None:
    path = healthmgr_yaml(heron)
    path.write_text(HEALTHMGR_YAML + "bridge:\n  health.policy.class: a.B\n")
    before = files(heron)
    with pytest.raises(InstallationError, match="a policy of the name 'bridge' that is not"):
        enable(heron, health_manager=True)
    assert files(heron) == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing but words\n",
        "heron.topology.healthmgr.mode: cluster",
        "heron.class.health.policies:\n# none yet\nother: 1\n",
        "heron.class.health.policies:\n- a\n- b\na:\n  x: 1\n\nb:\n  - 1\n",
        "a:\n  x: 1\nheron.class.health.policies:\n    - a\n# the end\n",
        HEALTHMGR_YAML.replace("\n", "\r\n"),
    ],
)
def test_files_of_other_shapes_come_back_as_they_were(heron: HeronInstallation, text: str) -> None:
    path = healthmgr_yaml(heron)
    path.write_bytes(text.encode())
    before = files(heron)
    held = flat_yaml.read(text).get(POLICIES_KEY) or []
    assert isinstance(held, list)
    enable(heron, health_manager=True)
    found = flat_yaml.read(path.read_bytes().decode())
    assert found[POLICIES_KEY] == [*held, "bridge"]
    # Also when somebody has touched it.
    edited = path.read_bytes() + b"more: 1\n"
    disable(heron)
    assert files(heron) == before
    enable(heron, health_manager=True)
    path.write_bytes(edited)
    disable(heron)
    left = flat_yaml.read(path.read_bytes().decode())
    assert left == flat_yaml.read(text) | {"more": 1}


@pytest.mark.parametrize("policies", ["[a, b]", "text"])
def test_a_file_that_cannot_be_edited_is_named(heron: HeronInstallation, policies: str) -> None:
    healthmgr_yaml(heron).write_text(f"{POLICIES_KEY}: {policies}\n")
    before = files(heron)
    with pytest.raises(InstallationError, match=r"healthmgr\.yaml: "):
        enable(heron, health_manager=True)
    assert files(heron) == before


def test_the_commands(heron: HeronInstallation) -> None:
    before = files(heron)
    home = ("--heron-home", str(heron.home))
    done = CliRunner().invoke(main, ["enable", *home, "--health-manager", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert told["changed"]
    assert any("from container 0 of each topology" in s for s in told["sentences"])
    assert CliRunner().invoke(main, ["disable", *home]).exit_code == 0
    assert files(heron) == before


def test_the_core_package_is_what_herons_files_say(heron: HeronInstallation) -> None:
    dist = heron.home / "dist"
    assert core_package(heron).path == dist / "heron-core"
    assert core_package(yarn(heron)).path == dist / "heron-core.tar.gz"
    (heron.home / "conf" / "yarn" / "client.yaml").unlink()
    assert core_package(yarn(heron)).path == dist / "heron-core.tar.gz", "by default"
    (heron.home / "conf" / "yarn" / "scheduler.yaml").write_text(
        "heron.package.core.uri: hdfs://a/core.tar.gz\n"
    )
    assert core_package(yarn(heron)).path is None


LISTED = "listed"
ENTRIES = st.sampled_from(
    [
        "# a comment",
        "",
        "scalar: 1",
        'quoted: "a # b"',
        "nothing:",
        "folded: >\n  some\n  words\n",
        "plain: one\n  two",
        "flow: [1,\n  2]",
        "nested:\n  x: 1\n  # inside\n  y: {z: 2}",
        "items:\n- 1\n-   x: 2\n    y: 3\n",
        "deep:\n  - - 1\n    - 2\n  # behind\n",
    ]
)
LISTS = st.sampled_from(
    [
        f"{LISTED}:",
        f"{LISTED}:\n  # none\n",
        f"{LISTED}:\n  - a",
        f"{LISTED}:\n- a\n# between\n- b   # why",
        f"{LISTED}:\n    - a\n\n    - b",
    ]
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(ENTRIES, max_size=6, unique=True),
    LISTS,
    st.lists(ENTRIES, max_size=6, unique=True),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_added_can_be_taken_away_and_nothing_else_changes(
    before: list[str], listed: str, after: list[str], line_end: str
) -> None:
    known = {entry.partition(":")[0] for entry in before if ":" in entry}
    after = [e for e in after if ":" not in e or e.partition(":")[0] not in known]
    text = "\n".join([*before, listed, *after, "end: 1", ""]).replace("\n", line_end)
    held = flat_yaml.read(text)
    items = held[LISTED] or []
    assert isinstance(items, list)
    added = flat_yaml.with_item(text, LISTED, "ours", "# by us")
    added = flat_yaml.with_block(added, "ours", {"a.b": "c", "d": "on"}, "# by us")
    assert flat_yaml.read(added) == held | {
        LISTED: [*items, "ours"],
        "ours": {"a.b": "c", "d": "on"},
    }
    gone = flat_yaml.without_block(flat_yaml.without_item(added, LISTED, "ours"), "ours", "# by us")
    assert gone == text
