"""What the bridge costs: time to start, memory when idle, time of a round trip.

`python -m tests.benchmarks.bridge_footprint`. Memory is the sum over all processes of the bridge:
PSS counts a page that several of them share once, RSS counts it in each.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = Path(__file__).resolve().parents[2]
SERVICE = "heron.bridge.v1.PackingBridge"
REAL, STAND_IN = "bridge", "tests.bridge.serve_stand_in"
STARTS = 7
SETTLE_S = 2.0


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    children = [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    return [pid, *(member for child in children for member in family(child))]


def memory_mb(pid: int) -> dict[str, float]:
    """PSS and RSS in MB (10^6 bytes)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return {name: kilobytes[name] * 1024 / 1e6 for name in ("Pss", "Rss")}


def report_memory(title: str, pid: int) -> None:
    members = {member: memory_mb(member) for member in family(pid)}
    total = {name: sum(part[name] for part in members.values()) for name in ("Pss", "Rss")}
    print(f"{title}: PSS {total['Pss']:.0f} MB, RSS {total['Rss']:.0f} MB")
    for member, part in members.items():
        command = Path(f"/proc/{member}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        parent = "serve" if member == pid else command.split("multiprocessing.")[-1].split(" ")[0]
        print(f"    {parent:<20} PSS {part['Pss']:5.1f}  RSS {part['Rss']:5.1f}")


def start(module: str, path: Path) -> tuple[subprocess.Popen[bytes], grpc.Channel, float]:
    """Start a bridge; return it, a channel, and the seconds until health said SERVING."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", module, "serve", "--address", f"unix://{path}"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    while not path.exists():
        if process.poll() is not None:
            raise RuntimeError(f"{module} ended with status {process.returncode}")
        time.sleep(0.001)
    # The file is there a moment before somebody listens; a client then waits before it retries.
    quickly = [("grpc.initial_reconnect_backoff_ms", 5), ("grpc.min_reconnect_backoff_ms", 5)]
    channel = grpc.insecure_channel(
        f"unix://{path}", [("grpc.max_receive_message_length", -1), *quickly]
    )
    check = health_pb2_grpc.HealthStub(channel).Check
    request = health_pb2.HealthCheckRequest(service=SERVICE)
    serving = health_pb2.HealthCheckResponse.SERVING
    while check(request, timeout=60, wait_for_ready=True).status != serving:
        time.sleep(0.001)
    return process, channel, time.perf_counter() - started


def stop(process: subprocess.Popen[bytes], channel: grpc.Channel) -> None:
    channel.close()
    process.terminate()
    process.wait()


def round_trips_ms(channel: grpc.Channel, size_bytes: int, count: int) -> list[float]:
    call = channel.unary_unary(f"/{SERVICE}/Pack")
    request = b"echo " + bytes(size_bytes)
    times = []
    for _ in range(count):
        before = time.perf_counter()
        call(request)
        times.append(1000 * (time.perf_counter() - before))
    return sorted(times)


def main() -> None:
    print(f"load average {os.getloadavg()[0]:.1f}, cores {len(os.sched_getaffinity(0))}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bridge.sock"
        for module, name in ((REAL, "planning"), (STAND_IN, "empty answer")):
            seconds = []
            for _ in range(STARTS):
                process, channel, took_s = start(module, path)
                seconds.append(took_s)
                stop(process, channel)
            print(
                f"start to serving, {name}: median {statistics.median(seconds):.2f} s, "
                f"best {min(seconds):.2f} s, worst {max(seconds):.2f} s"
            )

        process, channel, _ = start(REAL, path)
        time.sleep(SETTLE_S)
        report_memory("idle after the start", process.pid)
        noise = channel.unary_unary(f"/{SERVICE}/Pack")
        for _ in range(20):
            try:
                noise(os.urandom(10_000_000))
            except grpc.RpcError as error:
                assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, error
        time.sleep(SETTLE_S)
        report_memory("idle after 20 requests of 10 MB noise", process.pid)
        stop(process, channel)

        process, channel, _ = start(STAND_IN, path)
        round_trips_ms(channel, 0, 100)
        for size_bytes, count in ((0, 500), (1_000_000, 50)):
            times = round_trips_ms(channel, size_bytes, count)
            print(
                f"round trip of {size_bytes:,} bytes, empty answer: median "
                f"{statistics.median(times):.2f} ms, p95 {times[int(0.95 * count)]:.2f} ms"
            )
        stop(process, channel)


if __name__ == "__main__":
    main()
