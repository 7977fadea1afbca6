"""Planning touches nothing of the world, and one module alone knows both sides of the wire."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKING = sorted((ROOT / "packing").rglob("*.py"))
BRIDGE = [p for p in sorted((ROOT / "bridge").rglob("*.py")) if "wire" not in p.parts[-2:-1]]

# Besides `packing` itself: what computes and nothing more.
PURE = {
    "__future__", "abc", "bisect", "collections", "copy", "ctypes", "dataclasses", "enum",
    "fractions", "functools", "graphlib", "heapq", "itertools", "math", "numba", "numpy",
    "operator", "packing", "scipy", "statistics", "types", "typing", "weakref",
}  # fmt: skip
WORLDLY_CALLS = {"open", "print", "input", "exec", "eval", "__import__", "breakpoint"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def names(path: Path) -> Iterator[str]:
    """Dotted names that are read in a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute | ast.Name):
            yield ast.unparse(node)


def test_there_is_something_to_check() -> None:
    assert len(PACKING) > 20
    assert len(BRIDGE) > 15


@pytest.mark.parametrize("path", PACKING, ids=lambda p: str(p.relative_to(ROOT)))
def test_planning_imports_only_what_computes(path: Path) -> None:
    assert {name.split(".")[0] for name in imports(path)} <= PURE


@pytest.mark.parametrize("path", PACKING, ids=lambda p: str(p.relative_to(ROOT)))
def test_planning_reads_no_file_and_draws_nothing_unseeded(path: Path) -> None:
    used = set(names(path))
    assert not used & WORLDLY_CALLS
    # numpy can do both. A generator with a seed is fine; the global one is nobody's.
    drawn = {n for n in used if n.startswith(("np.random.", "numpy.random."))}
    seeded = ("np.random.default_rng", "np.random.Generator", "np.random.SeedSequence")
    assert not [n for n in drawn if not n.startswith(seeded)]
    files = ("np.load", "np.save", "np.loadtxt", "np.savetxt", "np.genfromtxt", "np.fromfile")
    assert not [n for n in used if n.startswith(files)]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("default_rng", "SeedSequence")
        ):
            assert node.args or node.keywords, f"{path}:{node.lineno} draws without a seed"


def test_one_module_calls_compiled_c() -> None:
    calling = {str(p.relative_to(ROOT)) for p in PACKING if "ctypes" in set(imports(p))}
    assert calling == {"packing/search/kernel.py"}


def test_the_check_of_imports_can_fail() -> None:
    worldly = {name.split(".")[0] for name in imports(ROOT / "bridge" / "workload.py")}
    assert {"pathlib", "pydantic"} <= worldly - PURE


def test_planning_loads_without_the_rest() -> None:
    import subprocess  # noqa: PLC0415

    code = (
        "import sys, packing.choose, packing.planners, packing.conformance\n"
        "print([m for m in ('bridge', 'grpc', 'google.protobuf', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


PROTOBUF = ("google.protobuf", "bridge.wire")


def test_one_package_knows_protobuf() -> None:
    conversion = ROOT / "bridge" / "conversion"
    knowing = {
        str((conversion if conversion in path.parents else path).relative_to(ROOT))
        for path in BRIDGE
        if any(name.startswith(PROTOBUF) for name in imports(path))
    }
    # endpoint.py only registers the descriptors, for gRPC's reflection service.
    assert knowing == {"bridge/conversion", "bridge/endpoint.py"}
    endpoint = ROOT / "bridge" / "endpoint.py"
    ours = ("packing_bridge_pb2", "heron_pb2")
    assert not [name for name in names(endpoint) if name.startswith(ours)]
