"""Where the plugin's jars are: inside the installed package, or built in a checkout."""

from __future__ import annotations

from pathlib import Path

# Package prefix of a Heron -> the jar that is compiled for it.
JAR_NAMES = {
    "org.apache.heron": "heron-bridge-plugin.jar",
    "com.twitter.heron": "heron-bridge-plugin-heron017.jar",
}

_PACKAGE = Path(__file__).parent
_FOLDERS = (_PACKAGE / "jars", _PACKAGE / "java" / "target")


class JarNotBuilt(Exception):
    """There is no jar to install; says how to get one."""


def plugin_jar(flavour: str, folders: tuple[Path, ...] = _FOLDERS) -> Path:
    """The jar for a flavour of Heron, a key of JAR_NAMES. Raises JarNotBuilt."""
    name = JAR_NAMES[flavour]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise JarNotBuilt(
        f"the plugin {name} is not built: in a checkout run `mvn -q package -DskipTests` in "
        "bridge/java; an installed heron-bridge carries it"
    )
