"""The images: a base system, the bridge on it, and the parts of Heron on it.

No base image is pulled, and nothing is fetched while an image is built: packages come from Debian
through debootstrap, wheels from PyPI through pip and jars from Maven Central through Maven, and
each image is put together with COPY. A tag carries a hash of what went in, so an image that has
been built once is found again, and one whose content has changed is not.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import ImageNotFound

from integration.engine import as_root

ROOT = Path(__file__).resolve().parent.parent
JAVA = Path(__file__).resolve().parent / "java"
PLUGIN = ROOT / "bridge" / "java"
REPOSITORY = "heron-bridge-integration"

SUITE = "bookworm"
PACKAGES = ("openjdk-17-jre-headless", "python3")
IMAGE_PYTHON = "3.11"  # bookworm's
# Weight that nothing in the tests reads.
UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt")

BRIDGE_HOME = "/opt/heron-bridge"
HERON_HOME = "/opt/heron"


@dataclass(frozen=True)
class Flavour:
    """One of the two names under which Heron's SPI exists."""

    name: str
    plugin_jar: str

    @property
    def class_path(self) -> str:
        """The class path of a JVM of this Heron with the plugin."""
        return f"{HERON_HOME}/{self.name}/*"


APACHE = Flavour("org.apache.heron", "heron-bridge-plugin.jar")
TWITTER = Flavour("com.twitter.heron", "heron-bridge-plugin-heron017.jar")
FLAVOURS = (APACHE, TWITTER)


def base_image(client: docker.DockerClient) -> str:
    """Debian with a JRE and Python."""
    recipe = "\n".join((SUITE, *PACKAGES, *UNUSED))
    tag = _tag("base", [recipe.encode()])
    if not _exists(client, tag):
        with _scratch() as scratch:
            archive = _debian(scratch)
            repository, version = tag.split(":")
            with archive.open("rb") as data:
                client.api.import_image_from_data(data, repository=repository, tag=version)
    return tag


def bridge_image(client: docker.DockerClient) -> str:
    """The bridge as its wheel installs it, in two layers: dependencies, and the code."""
    build_plugin()
    base = base_image(client)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    dependencies: list[str] = project["dependencies"]
    below = _tag("dependencies", [base.encode(), *(d.encode() for d in sorted(dependencies))])
    _build(client, below, base, lambda into: _install(dependencies, into), {"site": BRIDGE_HOME})

    sources = [ROOT / "pyproject.toml", ROOT / "hatch_build.py"]
    for folder, pattern in (("bridge", "*.py"), ("packing", "*.py"), ("proto", "*.proto")):
        sources += sorted((ROOT / folder).rglob(pattern))
    tag = _tag("bridge", [below.encode(), *_contents(sources)])
    _build(client, tag, below, _wheel, {"site": BRIDGE_HOME})
    return tag


def heron_image(client: docker.DockerClient) -> str:
    """The published parts of Heron and the topologies, without the plugin."""
    build_java()
    layout = {
        JAVA / "callsites-apache/target/callsites-apache-1-apache.jar": "org.apache.heron/spi.jar",
        JAVA / "callsites/target/callsites.jar": "com.twitter.heron/callsites.jar",
    }
    for jar in (JAVA / "callsites/target/lib").glob("*.jar"):
        layout[jar] = f"com.twitter.heron/{jar.name}"
    for module in ("topologies", "streamlet", "storm", "simulator"):
        layout[JAVA / module / "target" / f"{module}.jar"] = f"{module}/{module}.jar"
        for jar in (JAVA / module / "target/lib").glob("*.jar"):
            layout[jar] = f"{module}/{jar.name}"
    return _jars(client, "heron", base_image(client), layout)


def plugin_image(client: docker.DockerClient) -> str:
    """The parts of Heron with the plugin beside them."""
    build_plugin()
    layout = {plugin_jar(flavour): f"{flavour.name}/{flavour.plugin_jar}" for flavour in FLAVOURS}
    return _jars(client, "plugin", heron_image(client), layout)


def plugin_jar(flavour: Flavour) -> Path:
    """Where the build leaves the plugin."""
    return PLUGIN / "target" / flavour.plugin_jar


def _jars(client: docker.DockerClient, name: str, base: str, layout: dict[Path, str]) -> str:
    """An image of `base` plus jars."""
    sources = sorted(layout)
    places = [layout[source].encode() for source in sources]
    tag = _tag(name, [base.encode(), *_contents(sources), *places])

    def fill(into: Path) -> None:
        for source, target in layout.items():
            path = into / "heron" / target
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, path)

    _build(client, tag, base, fill, {"heron": HERON_HOME})
    return tag


def build_plugin() -> None:
    """Builds the plugin, if a source is newer than its jars."""
    if _stale([plugin_jar(flavour) for flavour in FLAVOURS], [PLUGIN, ROOT / "proto"]):
        _maven(PLUGIN, "-DskipTests", "package")


def build_java() -> None:
    """Builds the code of the tests, if a source is newer than its jars."""
    modules = (
        "topologies", "streamlet", "storm", "simulator", "callsites", "ratelimited", "overload",
    )  # fmt: skip
    jars = [JAVA / module / "target" / f"{module}.jar" for module in modules]
    jars.append(JAVA / "callsites-apache/target/callsites-apache-1-apache.jar")
    if _stale(jars, [JAVA]):
        # Clean, so that no jar of an earlier version stays on a class path.
        _maven(JAVA, "clean", "package")


def _stale(products: Iterable[Path], folders: Iterable[Path]) -> bool:
    products = list(products)
    if not all(product.exists() for product in products):
        return True
    built = min(product.stat().st_mtime for product in products)
    sources = (p for folder in folders for p in folder.rglob("*") if p.is_file())
    return any(
        p.stat().st_mtime > built
        for p in sources
        if "target" not in p.parts and p.suffix in {".java", ".xml", ".proto"}
    )


def _maven(folder: Path, *arguments: str) -> None:
    _run(["mvn", "--batch-mode", "--quiet", *arguments], folder)


def _debian(scratch: Path) -> Path:
    """An archive of a minimal Debian."""
    root = scratch / "root"
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    _run([*as_root(), *command, SUITE, str(root), *_mirror()], scratch)
    _run([*as_root(), "rm", "-rf", *(str(root / path) for path in UNUSED)], scratch)
    archive = scratch / "root.tar"
    _run([*as_root(), "tar", "--create", "--file", str(archive), "-C", str(root), "."], scratch)
    _run([*as_root(), "rm", "-rf", str(root)], scratch)
    return archive


def _mirror() -> list[str]:
    """The archive that this machine's own apt takes the suite from; none: debootstrap's default."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)"]
    listed = subprocess.run(
        [*command, "Created-By: Packages"], capture_output=True, text=True, check=False
    ).stdout
    found = (line.split() for line in listed.splitlines())
    return next(([uri] for uri, codename in found if codename == SUITE), [])


def _install(dependencies: list[str], into: Path) -> None:
    """The dependencies for the Python of the image, which need not be the one running here."""
    _pip(
        "install",
        "--target",
        str(into / "site"),
        "--python-version",
        IMAGE_PYTHON,
        "--only-binary=:all:",
        "--no-compile",
        *dependencies,
    )


def _wheel(into: Path) -> None:
    """The project as its wheel carries it; the build backend is among the tools for development."""
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(into), str(ROOT))
    (wheel,) = into.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(into / "site")
    wheel.unlink()
    # For installing the plugin, which is not done from this image.
    shutil.rmtree(into / "site" / "bridge" / "jars")


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    _run([*command, *arguments], ROOT)


def _build(
    client: docker.DockerClient,
    tag: str,
    base: str,
    fill: Callable[[Path], None],
    copies: dict[str, str],
) -> None:
    """An image of `base` plus folders that `fill` makes, unless it is there."""
    if _exists(client, tag):
        return
    with _scratch() as scratch:
        fill(scratch)
        lines = [f"FROM {base}", *(f"COPY {source} {into}" for source, into in copies.items())]
        (scratch / "Dockerfile").write_text("\n".join(lines) + "\n")
        client.images.build(path=str(scratch), tag=tag, rm=True)


def _tag(name: str, parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return f"{REPOSITORY}-{name}:{digest.hexdigest()[:16]}"


def _contents(files: Iterable[Path]) -> Iterator[bytes]:
    """Of an archive its members, because the time of the build is in the archive."""
    for file in files:
        if file.suffix == ".jar":
            with zipfile.ZipFile(file) as jar:
                members = sorted((i.filename, i.CRC) for i in jar.infolist())
            yield repr(members).encode()
        else:
            yield file.read_bytes()


def _exists(client: docker.DockerClient, tag: str) -> bool:
    try:
        client.images.get(tag)
    except ImageNotFound:
        return False
    return True


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="heron-bridge-image-") as folder:
        yield Path(folder)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        raise RuntimeError(f"{' '.join(command[:6])} … failed:\n{tail}")
