"""Puts the plugin into a Heron installation, and takes it out again.

`enable` copies the jar to `lib/packing` and changes a cluster's `packing.yaml`; the original stays
beside it as a backup. `disable` brings back the original, byte for byte when nobody has edited the
file since, or else takes back the plugin's own keys only. Both may be repeated. The health policy
is `bridge.health_installation`.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from bridge.health_installation import disable_policy, enable_policy
from bridge.heron_home import (
    HeronInstallation,
    InstallationError,
    Outcome,
    edited,
    parsed,
    read_yaml,
    replace_file,
    write_text,
)
from bridge.plugin_jars import JAR_NAMES, plugin_jar

PLUGIN_CLASS = "org.heronbridge.BridgePacking"
DEFAULT_ADDRESS = "localhost:50550"
ADDRESS_KEY = "heron.packing.bridge.address"
# Key of a class -> key under which the plugin finds the class that was there before.
FALLBACK_KEYS = {
    "heron.class.packing.algorithm": "heron.packing.bridge.fallback.packing",
    "heron.class.repacking.algorithm": "heron.packing.bridge.fallback.repacking",
}


def enable(
    heron: HeronInstallation,
    address: str | None = None,
    flavour: str | None = None,
    *,
    health_manager: bool = False,
) -> Outcome:
    """Make a cluster pack through the bridge at `address`, and with `health_manager` its health
    manager run the policy.

    Without an address an enabled cluster keeps its own, and another gets DEFAULT_ADDRESS. The
    flavour is the package prefix of the Heron, found out when None.
    """
    heron.check()
    text, values = read_yaml(heron.packing_yaml)
    flavour = flavour or detect_flavour(heron, values)
    outcome = Outcome()
    if all(values.get(key) == PLUGIN_CLASS for key in FALLBACK_KEYS):
        original, address = None, address or str(values.get(ADDRESS_KEY, DEFAULT_ADDRESS))
        enabled = edited(heron.packing_yaml, text, {ADDRESS_KEY: address})
    else:
        original, address = text, address or DEFAULT_ADDRESS
        # One of the keys may be ours already, when somebody has taken back the other.
        if heron.backup.exists() and PLUGIN_CLASS in values.values():
            original = _reverted(heron, text, read_yaml(heron.backup)[1])
        enabled = _enabled(heron, original, address)
    if health_manager:
        enable_policy(heron, flavour, plugin_jar(flavour), outcome)
    # The jar first: at no time does the configuration name a class that is not there.
    _install_jar(heron, flavour, outcome)
    if original is not None:
        write_text(heron.backup, original, like=heron.packing_yaml)
        write_text(heron.packing_yaml, enabled)
        outcome.did(
            f"{heron.packing_yaml} now names {PLUGIN_CLASS} and the address {address}; "
            f"the original is {heron.backup}"
        )
    elif values.get(ADDRESS_KEY) != address:
        write_text(heron.packing_yaml, enabled)
        outcome.did(f"{heron.packing_yaml} now has the address {address}")
    if health_manager and outcome.changed:
        outcome.sentences.append(
            f"the health manager asks {address} from container 0 of each topology: the bridge has "
            "to be reached from there"
        )
    if not outcome.changed:
        outcome.sentences.append(f"cluster {heron.cluster!r} is already enabled")
    return outcome


def disable(heron: HeronInstallation) -> Outcome:
    """Make a cluster pack as it did before `enable`."""
    heron.check()
    text, values = read_yaml(heron.packing_yaml)
    outcome = Outcome()
    if heron.backup.exists():
        original, original_values = read_yaml(heron.backup)
        if text == _enabled(heron, original, str(values.get(ADDRESS_KEY))):
            write_text(heron.packing_yaml, original)
            outcome.did(f"{heron.packing_yaml} is the original again")
        else:
            write_text(heron.packing_yaml, _reverted(heron, text, original_values))
            outcome.did(
                f"{heron.packing_yaml} was edited since it was enabled: the edits stay, the "
                "plugin's keys have their original values"
            )
        heron.backup.unlink()
    elif PLUGIN_CLASS in values.values():
        originals = _originals_from_fallbacks(heron, values)
        write_text(heron.packing_yaml, _reverted(heron, text, originals))
        outcome.did(
            f"{heron.packing_yaml} names the classes of the plugin's fallback again; "
            f"there was no {heron.backup.name} to restore"
        )
    disable_policy(heron, outcome)
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
            for keys in FALLBACK_KEYS.items()  # what is set, or was before `enable`
            for key in keys
            if str(values.get(key)).startswith(flavour + ".")
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
    values = parsed(heron.packing_yaml, original)
    changes = dict.fromkeys(FALLBACK_KEYS, PLUGIN_CLASS) | {ADDRESS_KEY: address}
    for key, fallback_key in FALLBACK_KEYS.items():
        before = values.get(key)
        # Without one, the plugin falls back to Heron's own default.
        if isinstance(before, str) and before != PLUGIN_CLASS and fallback_key not in values:
            changes[fallback_key] = before
    return edited(heron.packing_yaml, original, changes)


def _reverted(heron: HeronInstallation, text: str, originals: dict[str, object]) -> str:
    """The text with the original values of the keys that are the plugin's."""
    values = parsed(heron.packing_yaml, text)
    keys = [key for key in FALLBACK_KEYS if values.get(key) == PLUGIN_CLASS]
    keys += [key for key in (ADDRESS_KEY, *FALLBACK_KEYS.values()) if key in values]
    back = {key: str(originals[key]) for key in keys if originals.get(key) is not None}
    return edited(heron.packing_yaml, text, back, gone=[key for key in keys if key not in back])


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


def _install_jar(heron: HeronInstallation, flavour: str, outcome: Outcome) -> None:
    source = plugin_jar(flavour)
    target = heron.jar_folder / source.name
    content = source.read_bytes()
    if not target.is_file() or target.read_bytes() != content:
        replace_file(target, content, mode=0o644)
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
