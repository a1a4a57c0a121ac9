"""Processes: starting, CPU time and memory, by the kernel's own count (Linux only)."""

import os
import re
import signal
import socket
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_CORES = sorted(os.sched_getaffinity(0))
GATEWAY_CORE, LOAD_CORE = _CORES[0], _CORES[1 % len(_CORES)]
"""The gateway has one core to itself; the mock upstream and the driver share the other."""


def pinned(core: int, argv: Sequence[str]) -> list[str]:
    return ["taskset", "-c", str(core), *argv]


def start(
    argv: Sequence[str], env: Mapping[str, str], lab: Path, log: Path
) -> subprocess.Popen[bytes]:
    """A process group of its own on the gateway's core, in a clean environment."""
    clean = {"PATH": os.environ["PATH"], "HOME": str(lab), "LANG": "C.UTF-8", **env}
    with log.open("wb") as out:
        return subprocess.Popen(
            pinned(GATEWAY_CORE, argv),
            env=clean,
            cwd=lab,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


class Cost(NamedTuple):
    """Seconds of a whole process: by the clock, and of CPU."""

    wall: float
    cpu: float


def middle(costs: Sequence[Cost]) -> Cost:
    """Medians."""
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
    )


def run(
    argv: Sequence[str], env: Mapping[str, str], folder: Path
) -> tuple[Cost, subprocess.CompletedProcess[str]]:
    """One process from spawn to exit."""
    began, before = time.perf_counter(), os.times()
    done = subprocess.run(argv, env=env, cwd=folder, capture_output=True, text=True)
    wall, after = time.perf_counter() - began, os.times()
    cpu = after.children_user + after.children_system
    return Cost(wall, cpu - before.children_user - before.children_system), done


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the process group: SIGTERM, and SIGKILL after ten seconds."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text().rsplit(")", 1)[1].split()[1]
        except OSError:
            continue
        children.setdefault(int(parent), []).append(int(stat.parent.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU time of living processes.  The clock id of a process is ~pid * 8 + 2 (Linux ABI)."""
    total = 0.0
    for pid in pids:
        try:
            total += time.clock_gettime((~pid << 3) | 2)
        except OSError:
            continue
    return total


def memory_mib(pids: Sequence[int]) -> float:
    """Proportional set size: shared pages count once over all processes."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(size) for size in re.findall(r"^Pss: +(\d+)", text, re.MULTILINE))
    return total / 1024


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
