"""Heron's core package: what a container starts from, the health manager's class path included.

The executor puts the scheduler's class path before that of the health manager
(heron_executor.py), and `lib/packing/*` of the core package is on it (SchedulerUtils.java).
"""

from __future__ import annotations

import io
import os
import re
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bridge.heron_home import BACKUP_SUFFIX, HeronInstallation, read_yaml, replace_file
from bridge.plugin_jars import JAR_NAMES

USE_URI_KEY = "heron.package.use_core_uri"
URI_KEY = "heron.package.core.uri"
DIRECTORY_KEY = "heron.package.core.directory"
JAR_FOLDER = "lib/packing"
ROOT = "heron-core"


@dataclass(frozen=True)
class CorePackage:
    """The core package of a cluster, as its client.yaml and scheduler.yaml say (Key.java)."""

    text: str
    """What is written there, or Heron's default."""
    path: Path | None
    """A folder or an archive on this machine; None for anything else."""

    @property
    def backup(self) -> Path | None:
        """The archive as it was before a jar was put in."""
        if self.path is None or self.path.is_dir():
            return None
        return self.path.with_name(self.path.name + BACKUP_SUFFIX)


def core_package(heron: HeronInstallation) -> CorePackage:
    """What containers of the cluster start from."""
    values: dict[str, object] = {}
    for name in ("client.yaml", "scheduler.yaml"):
        path = heron.home / "conf" / heron.cluster / name
        if path.is_file():
            values |= read_yaml(path)[1]
    if values.get(USE_URI_KEY, True) in (False, "false"):
        text = str(values.get(DIRECTORY_KEY) or "${HERON_DIST}/heron-core")
    else:
        text = str(values.get(URI_KEY) or "${HERON_DIST}/heron-core.tar.gz")
    return CorePackage(text, _on_this_machine(text, heron))


def _on_this_machine(text: str, heron: HeronInstallation) -> Path | None:
    known = {
        "HOME": str(Path.home()),
        "HERON_HOME": str(heron.home),
        "HERON_DIST": str(heron.home / "dist"),
    }
    found = re.sub(r"\$\{(\w+)\}", lambda m: known.get(m[1], m[0]), text.removeprefix("file://"))
    path = Path(found)
    if path.is_absolute() and (path.is_dir() or (path.is_file() and tarfile.is_tarfile(path))):
        return path
    return None


def put_jar(core: CorePackage, jar: Path) -> bool:
    """Make `jar` the plugin of a core package on this machine; False when it is there already."""
    assert core.path is not None
    content = jar.read_bytes()
    if core.path.is_dir():
        folder = core.path / JAR_FOLDER
        same = (folder / jar.name).is_file() and (folder / jar.name).read_bytes() == content
        if not same:
            folder.mkdir(parents=True, exist_ok=True)
            replace_file(folder / jar.name, content, mode=0o644)
        return not same
    held = _plugins(core.path)
    if held == {jar.name: content}:
        return False
    assert core.backup is not None
    if not held:
        # What is in place has none of ours, so it is the original, or a newer one.
        shutil.copy2(core.path, core.backup)
    _rewrite(core.path, {jar.name: content})
    return True


def take_jar(core: CorePackage) -> bool:
    """Take the plugin out of a core package; False when it is not in there.

    An archive is the original again, byte for byte, where nothing else in it has changed.
    """
    if core.path is None:
        return False
    if core.path.is_dir():
        jars = [core.path / JAR_FOLDER / name for name in JAR_NAMES.values()]
        found = [jar for jar in jars if jar.exists()]
        for jar in found:
            jar.unlink()
        return bool(found)
    assert core.backup is not None
    held = _plugins(core.path)
    if held:
        if core.backup.is_file() and _members(core.backup) == _members(core.path):
            core.backup.replace(core.path)
        else:
            _rewrite(core.path, {})
    core.backup.unlink(missing_ok=True)
    return bool(held)


def _is_plugin(member: tarfile.TarInfo) -> bool:
    folder, _, name = member.name.rpartition("/")
    return folder.endswith(JAR_FOLDER) and name in JAR_NAMES.values()


def _plugins(archive: Path) -> dict[str, bytes]:
    """Jars of the plugin in an archive, by name."""
    found = {}
    with tarfile.open(archive) as package:
        for member in package:
            if _is_plugin(member):
                file = package.extractfile(member)
                found[Path(member.name).name] = b"" if file is None else file.read()
    return found


def _members(archive: Path) -> list[tuple[str, int, float, int]]:
    """All in an archive but the plugin: name, size, time and mode."""
    with tarfile.open(archive) as package:
        return [(m.name, m.size, m.mtime, m.mode) for m in package if not _is_plugin(m)]


def _rewrite(archive: Path, jars: dict[str, bytes]) -> None:
    """Replace the plugin's jars in an archive; all else in it stays."""
    status = archive.stat()
    descriptor, name = tempfile.mkstemp(dir=archive.parent, prefix=f".{archive.name}.")
    os.close(descriptor)
    try:
        with tarfile.open(archive) as before, tarfile.open(name, "w:gz") as after:
            prefix = ""
            for member in before:
                if member.name.removeprefix("./").partition("/")[0] == ROOT:
                    prefix = member.name[: member.name.index(ROOT)]
                if not _is_plugin(member):
                    after.addfile(member, before.extractfile(member) if member.isreg() else None)
            for jar, content in jars.items():
                made = tarfile.TarInfo(f"{prefix}{ROOT}/{JAR_FOLDER}/{jar}")
                made.size, made.mode, made.mtime = len(content), 0o644, int(status.st_mtime)
                after.addfile(made, io.BytesIO(content))
        Path(name).chmod(status.st_mode & 0o7777)
        Path(name).replace(archive)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
