"""A Heron installation on this machine: where its files are, and changes to them as a whole.

A file is either the old one or the new one to whoever reads it; mode and owner stay.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from bridge import flat_yaml

BACKUP_SUFFIX = ".heron-bridge-backup"
COMMENT = "# Written by `heron-bridge enable`; `heron-bridge disable` removes it."


class InstallationError(Exception):
    """Why nothing can be installed or removed, in a sentence that names the file at fault."""


@dataclass
class Outcome:
    """What was done, in sentences; `changed` is False when all was as asked already."""

    changed: bool = False
    sentences: list[str] = field(default_factory=list)

    def did(self, sentence: str) -> None:
        """Report a change."""
        self.changed = True
        self.sentences.append(sentence)


@dataclass(frozen=True)
class HeronInstallation:
    """A Heron home (`$HERON_HOME`, with `conf` and `lib/packing`) and one of its clusters."""

    home: Path
    cluster: str = "local"

    @property
    def packing_yaml(self) -> Path:
        """The cluster's file; written through a symbolic link, if it is one."""
        return self.home / "conf" / self.cluster / "packing.yaml"

    @property
    def backup(self) -> Path:
        """The file as it was before `enable`."""
        return self.packing_yaml.with_name(self.packing_yaml.name + BACKUP_SUFFIX)

    @property
    def jar_folder(self) -> Path:
        """Every jar in here is on the class path of submit, update and the health manager."""
        return self.home / "lib" / "packing"

    def clusters(self) -> list[str]:
        """The clusters that have a packing.yaml."""
        return sorted(path.parent.name for path in self.home.glob("conf/*/packing.yaml"))

    def check(self) -> None:
        """Raise InstallationError unless the folders and the file are there."""
        for folder in (self.home / "conf", self.jar_folder):
            if not folder.is_dir():
                raise InstallationError(
                    f"{self.home} is no Heron installation: {folder} is no folder"
                )
        if not self.packing_yaml.is_file():
            clusters = ", ".join(self.clusters()) or "none"
            raise InstallationError(
                f"cluster {self.cluster!r} has no {self.packing_yaml}; "
                f"clusters with a packing.yaml: {clusters}"
            )


def edited(path: Path, text: str, changes: dict[str, str], gone: list[str] | None = None) -> str:
    """The text of a YAML file with other values, and without the keys `gone`."""
    try:
        text = flat_yaml.with_values(text, changes, COMMENT)
        return text if gone is None else flat_yaml.without_keys(text, gone, COMMENT)
    except flat_yaml.UnreadableYaml as error:
        raise InstallationError(f"{path}: {error}") from None


def parsed(path: Path, text: str) -> dict[str, object]:
    """Keys and values of a YAML file's text."""
    try:
        return flat_yaml.read(text)
    except flat_yaml.UnreadableYaml as error:
        raise InstallationError(f"{path} is no valid YAML: {error}") from None


def read_yaml(path: Path) -> tuple[str, dict[str, object]]:
    """A file's text, and its keys and values."""
    try:
        # Not read_text(), which would turn the line ends of Windows into others.
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise InstallationError(f"{path} is no UTF-8 text: {error.reason}") from None
    return text, parsed(path, text)


def write_text(path: Path, text: str, like: Path | None = None) -> None:
    """Replace a file's content, keeping its mode and owner, or those of another file."""
    real = path.resolve()
    status = (like or real).stat()
    replace_file(real, text.encode(), status.st_mode & 0o7777, (status.st_uid, status.st_gid))


def replace_file(
    path: Path, content: bytes, mode: int, owner: tuple[int, int] | None = None
) -> None:
    """Put a file in place as a whole: whoever reads finds the old content or the new one."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if owner is not None:
            # Giving a file away takes privileges; without them it is ours from now on.
            with contextlib.suppress(PermissionError):
                shutil.chown(name, *owner)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
