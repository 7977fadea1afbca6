"""Build hook: generates the protobuf modules, compiles the search kernel and puts the plugin jars
into the wheel.

`python hatch_build.py` does the first two in a checkout.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

JARS = ("heron-bridge-plugin.jar", "heron-bridge-plugin-heron017.jar")


def generate_protobuf(root: Path) -> None:
    """Write `bridge/wire/*_pb2.py`, their stubs and the gRPC stubs.

    The virtual path `bridge/wire` makes the generated modules import one another under the name
    of the package that they stand in.
    """
    proto_dir = root / "proto" / "heron" / "bridge" / "v1"
    files = sorted(f"bridge/wire/{path.name}" for path in proto_dir.glob("*.proto"))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"--proto_path=bridge/wire={proto_dir}",
            f"--python_out={root}",
            f"--pyi_out={root}",
            f"--grpc_python_out={root}",
            *files,
        ],
        check=True,
        cwd=root,
    )
    # heron.proto declares no service, so its gRPC module is empty.
    (root / "bridge" / "wire" / "heron_pb2_grpc.py").unlink(missing_ok=True)


def build_jars(root: Path) -> dict[str, str]:
    """Make sure both plugin jars exist; return where each goes in the wheel."""
    target = root / "bridge" / "java" / "target"
    if not all((target / jar).is_file() for jar in JARS):
        maven = shutil.which("mvn")
        if maven is None:
            raise RuntimeError(
                f"the plugin jars are missing from {target} and Maven is not installed; "
                "install a JDK and Maven (Debian: openjdk-17-jdk-headless maven), "
                "or build the jars first"
            )
        subprocess.run(
            [maven, "-B", "-q", "-DskipTests", "package"], check=True, cwd=root / "bridge" / "java"
        )
    return {str(target / jar): f"bridge/jars/{jar}" for jar in JARS}


def compile_kernel(root: Path) -> None:
    """Compile `packing/search/kernel.c` to the library beside it."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise RuntimeError(
            "the search kernel needs a C compiler and none is installed; "
            "install gcc (Debian: gcc libc6-dev)"
        )
    folder = root / "packing" / "search"
    # Written aside and put in place whole: a process may have the old one loaded.
    fresh = folder / "libkernel.so.new"
    subprocess.run(
        [compiler, "-O3", "-std=c11", "-shared", "-fPIC", "-fvisibility=hidden",
         "-o", str(fresh), str(folder / "kernel.c"), "-lm"],
        check=True,
    )  # fmt: skip
    fresh.replace(folder / "libkernel.so")


def _platform_tag() -> str:
    """This platform as wheels name it."""
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


class HeronBridgeBuildHook(BuildHookInterface):
    """Called by hatchling for wheels and editable installs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Generate and compile code; for a real wheel, add the jars as well."""
        root = Path(self.root)
        generate_protobuf(root)
        if self.target_name == "wheel":
            compile_kernel(root)
            build_data["pure_python"] = False
            # The library is C alone: any Python on this platform can load it.
            build_data["tag"] = f"py3-none-{_platform_tag()}"
        if self.target_name == "wheel" and version != "editable":
            build_data["force_include"].update(build_jars(root))


if __name__ == "__main__":
    generate_protobuf(Path(__file__).resolve().parent)
    compile_kernel(Path(__file__).resolve().parent)
