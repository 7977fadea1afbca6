"""What the plugin costs Heron: `python -m integration.benchmark`.

Whole calls, from Heron's request to the plan that it gets, beside the packing class alone: warm in
one JVM for 10 to 10,000 instances, and cold, the first call of a fresh JVM. The packing class is a
plain round robin, because Heron's own is not published; another one can be named with its class
path in the environment variables PACKING_CLASS and PACKING_CLASS_PATH.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from integration.images import PLUGIN, build_plugin
from integration.main_job import serving

MAIN = "org.heronbridge.benchmark.PluginBenchmark"
DEALING = "org.heronbridge.driver.DealingPacking"
COLD_RUNS = 7


def class_path() -> str:
    """The plugin's classes, its tests' and all that they need, from Maven."""
    listing = PLUGIN / "target" / "benchmark-class-path"
    subprocess.run(
        ["mvn", "--batch-mode", "--quiet", "test-compile", "dependency:build-classpath",
         f"-Dmdep.outputFile={listing}"],
        cwd=PLUGIN,
        check=True,
    )  # fmt: skip
    classes = [PLUGIN / "target" / "classes", PLUGIN / "target" / "test-classes"]
    parts = [*map(str, classes), listing.read_text().strip()]
    return ":".join([*parts, *filter(None, [os.environ.get("PACKING_CLASS_PATH")])])


def main() -> None:
    """Print both tables."""
    build_plugin()
    packing_class = os.environ.get("PACKING_CLASS", DEALING)
    java = ["java", "-client", "-Xmx1g", "-cp", class_path(), MAIN]
    with tempfile.TemporaryDirectory(prefix="heron-bridge-") as folder:
        address = f"unix://{Path(folder) / 'bridge.sock'}"
        with serving(address):
            subprocess.run([*java, address, packing_class], check=True)
            took_s = []
            for _ in range(COLD_RUNS):
                started_s = time.monotonic()
                subprocess.run([*java, address, packing_class, "cold"], check=True)
                took_s.append(time.monotonic() - started_s)
    print(
        f"cold JVMs, whole process: median {statistics.median(took_s):.2f} s, "
        f"{min(took_s):.2f} to {max(took_s):.2f} s"
    )


if __name__ == "__main__":
    main()
