"""Puts the plugin into a Heron installation, and takes it out again.

`enable` copies the jar to `lib/packing` and changes a cluster's `packing.yaml`; the original stays
beside it as a backup. `disable` brings back the original, byte for byte when nobody has edited the
file since, or else takes back the plugin's own keys only. Both may be repeated.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from bridge import flat_yaml
from bridge.plugin_jars import JAR_NAMES, plugin_jar

PLUGIN_CLASS = "org.heronbridge.BridgePacking"
DEFAULT_ADDRESS = "localhost:50550"
ADDRESS_KEY = "heron.packing.bridge.address"
# Key of a class -> key under which the plugin finds the class that was there before.
FALLBACK_KEYS = {
    "heron.class.packing.algorithm": "heron.packing.bridge.fallback.packing",
    "heron.class.repacking.algorithm": "heron.packing.bridge.fallback.repacking",
}
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


def enable(
    heron: HeronInstallation,
    address: str | None = None,
    flavour: str | None = None,
) -> Outcome:
    """Make a cluster pack through the bridge at `address`.

    Without an address an enabled cluster keeps its own, and another gets DEFAULT_ADDRESS. The
    flavour is the package prefix of the Heron, found out when None.
    """
    heron.check()
    text, values = _read(heron.packing_yaml)
    flavour = flavour or detect_flavour(heron, values)
    outcome = Outcome()
    if all(values.get(key) == PLUGIN_CLASS for key in FALLBACK_KEYS):
        original, address = None, address or str(values.get(ADDRESS_KEY, DEFAULT_ADDRESS))
        enabled = _edit(heron, text, {ADDRESS_KEY: address})
    else:
        original, address = text, address or DEFAULT_ADDRESS
        # One of the keys may be ours already, when somebody has taken back the other.
        if heron.backup.exists() and PLUGIN_CLASS in values.values():
            original = _reverted(heron, text, _read(heron.backup)[1])
        enabled = _enabled(heron, original, address)
    # The jar first: at no time does the configuration name a class that is not there.
    _install_jar(heron, flavour, outcome)
    if original is not None:
        _write(heron.backup, original, like=heron.packing_yaml)
        _write(heron.packing_yaml, enabled)
        outcome.did(
            f"{heron.packing_yaml} now names {PLUGIN_CLASS} and the address {address}; "
            f"the original is {heron.backup}"
        )
    elif values.get(ADDRESS_KEY) != address:
        _write(heron.packing_yaml, enabled)
        outcome.did(f"{heron.packing_yaml} now has the address {address}")
    if not outcome.changed:
        outcome.sentences.append(f"cluster {heron.cluster!r} is already enabled")
    return outcome


def disable(heron: HeronInstallation) -> Outcome:
    """Make a cluster pack as it did before `enable`."""
    heron.check()
    text, values = _read(heron.packing_yaml)
    outcome = Outcome()
    if heron.backup.exists():
        original, original_values = _read(heron.backup)
        if text == _enabled(heron, original, str(values.get(ADDRESS_KEY))):
            _write(heron.packing_yaml, original)
            outcome.did(f"{heron.packing_yaml} is the original again")
        else:
            _write(heron.packing_yaml, _reverted(heron, text, original_values))
            outcome.did(
                f"{heron.packing_yaml} was edited since it was enabled: the edits stay, the "
                "plugin's keys have their original values"
            )
        heron.backup.unlink()
    elif PLUGIN_CLASS in values.values():
        originals = _originals_from_fallbacks(heron, values)
        _write(heron.packing_yaml, _reverted(heron, text, originals))
        outcome.did(
            f"{heron.packing_yaml} names the classes of the plugin's fallback again; "
            f"there was no {heron.backup.name} to restore"
        )
    _remove_jars(heron, outcome)
    if not outcome.changed:
        outcome.sentences.append(f"cluster {heron.cluster!r} is not enabled")
    return outcome


def detect_flavour(heron: HeronInstallation, values: dict[str, object]) -> str:
    """Package prefix of a Heron: from the classes in its jars, or else from its packing.yaml."""
    found = {
        flavour
        for folder in ("packing", "scheduler", "statemgr")
        for jar in sorted((heron.home / "lib" / folder).glob("*.jar"))
        if jar.name not in JAR_NAMES.values()
        for flavour in _flavours_in(jar)
    }
    if not found:
        found = {
            flavour
            for flavour in JAR_NAMES
            if str(values.get("heron.class.packing.algorithm")).startswith(flavour + ".")
        }
    if len(found) != 1:
        raise InstallationError(
            f"cannot tell which Heron {heron.home} is: its jars hold classes of "
            f"{' and of '.join(sorted(found)) or 'neither kind'}; choose with --flavour "
            f"{' or '.join(JAR_NAMES)}"
        )
    return found.pop()


def _flavours_in(jar: Path) -> set[str]:
    try:
        with zipfile.ZipFile(jar) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return set()  # Java would not find anything in it either
    return {
        flavour
        for flavour in JAR_NAMES
        if any(name.startswith(flavour.replace(".", "/") + "/") for name in names)
    }


def _enabled(heron: HeronInstallation, original: str, address: str) -> str:
    """The original with the plugin's keys; depends on nothing else, so it can be recognised."""
    values = _parsed(heron.packing_yaml, original)
    changes = dict.fromkeys(FALLBACK_KEYS, PLUGIN_CLASS) | {ADDRESS_KEY: address}
    for key, fallback_key in FALLBACK_KEYS.items():
        before = values.get(key)
        # Without one, the plugin falls back to Heron's own default.
        if isinstance(before, str) and before != PLUGIN_CLASS and fallback_key not in values:
            changes[fallback_key] = before
    return _edit(heron, original, changes)


def _reverted(heron: HeronInstallation, text: str, originals: dict[str, object]) -> str:
    """The text with the original values of the keys that are the plugin's."""
    values = _parsed(heron.packing_yaml, text)
    keys = [key for key in FALLBACK_KEYS if values.get(key) == PLUGIN_CLASS]
    keys += [key for key in (ADDRESS_KEY, *FALLBACK_KEYS.values()) if key in values]
    back = {key: str(originals[key]) for key in keys if originals.get(key) is not None}
    return _edit(heron, text, back, gone=[key for key in keys if key not in back])


def _originals_from_fallbacks(
    heron: HeronInstallation, values: dict[str, object]
) -> dict[str, object]:
    originals = dict[str, object]()
    for key, fallback_key in FALLBACK_KEYS.items():
        if values.get(key) != PLUGIN_CLASS:
            continue
        fallback = values.get(fallback_key)
        if not isinstance(fallback, str) or fallback == "none":
            raise InstallationError(
                f"{heron.backup} is gone and {heron.packing_yaml} has no class in "
                f"{fallback_key}: set {key} by hand to the class that is wanted"
            )
        originals[key] = fallback
    return originals


def _edit(
    heron: HeronInstallation, text: str, changes: dict[str, str], gone: list[str] | None = None
) -> str:
    try:
        text = flat_yaml.with_values(text, changes, COMMENT)
        return text if gone is None else flat_yaml.without_keys(text, gone, COMMENT)
    except flat_yaml.UnreadableYaml as error:
        raise InstallationError(f"{heron.packing_yaml}: {error}") from None


def _parsed(path: Path, text: str) -> dict[str, object]:
    try:
        return flat_yaml.read(text)
    except flat_yaml.UnreadableYaml as error:
        raise InstallationError(f"{path} is no valid YAML: {error}") from None


def _read(path: Path) -> tuple[str, dict[str, object]]:
    try:
        # Not read_text(), which would turn the line ends of Windows into others.
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise InstallationError(f"{path} is no UTF-8 text: {error.reason}") from None
    return text, _parsed(path, text)


def _install_jar(heron: HeronInstallation, flavour: str, outcome: Outcome) -> None:
    source = plugin_jar(flavour)
    target = heron.jar_folder / source.name
    content = source.read_bytes()
    if not target.is_file() or target.read_bytes() != content:
        _replace(target, content, mode=0o644)
        outcome.did(f"copied {source.name} to {heron.jar_folder}")
    for name in JAR_NAMES.values():
        # Both would bring the same class, and which one Java takes is chance.
        if name != source.name and (heron.jar_folder / name).exists():
            (heron.jar_folder / name).unlink()
            outcome.did(f"removed {name}, which is for another Heron, from {heron.jar_folder}")


def _remove_jars(heron: HeronInstallation, outcome: Outcome) -> None:
    jars = [heron.jar_folder / name for name in JAR_NAMES.values()]
    jars = [jar for jar in jars if jar.exists()]
    # As text: a file that is no valid YAML may still be meant to name the class.
    users = [
        cluster
        for cluster in heron.clusters()
        if PLUGIN_CLASS.encode() in (heron.home / "conf" / cluster / "packing.yaml").read_bytes()
    ]
    for jar in jars:
        if users:
            outcome.sentences.append(f"{jar.name} stays: {', '.join(users)} still uses it")
        else:
            jar.unlink()
            outcome.did(f"removed {jar.name} from {heron.jar_folder}")


def _write(path: Path, text: str, like: Path | None = None) -> None:
    """Replace a file's content, keeping its mode and owner, or those of another file."""
    real = path.resolve()
    status = (like or real).stat()
    _replace(real, text.encode(), status.st_mode & 0o7777, (status.st_uid, status.st_gid))


def _replace(path: Path, content: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
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
