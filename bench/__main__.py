"""The bench: ``python -m bench``, or ``make bench``.

One interleaved run: in every round each gateway is measured in each scenario, the order reversed in
every other round.  Nothing is asserted; bars are printed as PASS or FAIL.
"""

import argparse
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from bench.aliases import ALIASES, measure_aliases
from bench.check import TIMES, measure_check
from bench.gateways import PEERS, ROOT, installed
from bench.measure import (
    Direct,
    Sample,
    Server,
    cold_starts,
    compile_tools,
    measure,
    start_mock,
    warm_up,
)
from bench.processes import GATEWAY_CORE, LOAD_CORE, free_port, memory_mib
from bench.report import (
    bar,
    bar_of,
    print_crossings,
    print_ratios,
    print_scenarios,
    print_summary,
    print_table,
)
from bench.scenarios import SCENARIOS

STARTS = 5
START_BAR_S = 0.6
IDLE_BAR_MIB = 60.0
BUILD_BAR_S = 2.0
MANY_BAR_S = 0.7
CHECK_BAR_MS = 300.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--lab", type=Path, default=ROOT / "build/bench", help="scratch folder")
    parser.add_argument("--gateways", default="", help="comma-separated; all that are installed")
    parser.add_argument("--scenarios", default=",".join(SCENARIOS))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--starts", type=int, default=STARTS, help="cold starts, and builds")
    parser.add_argument("--checks", type=int, default=TIMES, help="processes of plexus check")
    parser.add_argument("--aliases", type=int, default=ALIASES)
    return parser.parse_args()


def print_machine() -> None:
    packages = ("uvicorn", "uvloop", "httptools", "falcon", "httpx2", "msgspec")
    found = ", ".join(f"{name} {version(name)}" for name in packages)
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    print(
        f"{cores} cores, load {load:.1f} at the start, Python {platform.python_version()}; {found}"
    )
    if GATEWAY_CORE == LOAD_CORE:
        print("*** ONE CORE: gateway, mock and driver share it; latencies mean nothing ***")


def run_rounds(
    servers: list[Server | Direct], names: list[str], lab: Path, rounds: int, seconds: float
) -> dict[str, dict[str, list[Sample]]]:
    samples: dict[str, dict[str, list[Sample]]] = {
        name: {server.name: [] for server in servers} for name in names
    }
    for server in servers:
        warm_up(server, PEERS.get(server.name), names, lab, seconds)
    for number in range(rounds):
        for name in names:
            for server in servers if number % 2 else servers[::-1]:
                peer = PEERS.get(server.name)
                sample = measure(server, peer, SCENARIOS[name], lab, seconds)
                if sample is not None:
                    samples[name][server.name].append(sample)
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return samples


def print_servers(servers: list[Server]) -> None:
    rows = (
        [
            server.name,
            f"{server.start_s:.2f}",
            f"{server.start_cpu_s:.2f}",
            f"{server.idle_mib:.1f}",
            f"{memory_mib(server.pids):.1f}",
        ]
        for server in servers
    )
    print("\n### Start and memory (proportional set size)")
    print_table(["gateway", "start s", "start CPU s", "idle MiB", "after the load MiB"], rows)


def print_bars(lab: Path, upstream: int, idle_mib: float, asked: argparse.Namespace) -> None:
    """Everything that is measured in whole processes."""
    starts, checks, aliases = asked.starts, asked.checks, asked.aliases
    print("\n### Start, memory, build, check\n")
    port = free_port()
    start = cold_starts("plexus", PEERS["plexus"].command(lab, port, upstream), port, lab, starts)
    bar_of(f"start to first answer, median of {starts}", start, START_BAR_S)
    bar("idle memory", idle_mib, IDLE_BAR_MIB, "MiB")
    built, started = measure_aliases(lab, upstream, aliases, starts)
    bar_of(f"{aliases:,} aliases: plexus build, median of {starts}", built, BUILD_BAR_S)
    bar_of(f"{aliases:,} aliases: start to first answer, median of {starts}", started, MANY_BAR_S)
    what = f"plexus check, six mistakes, median of {checks} processes"
    bar_of(what, measure_check(lab, checks), CHECK_BAR_MS, "ms")


def main() -> None:
    asked = arguments()
    lab = asked.lab.resolve()
    lab.mkdir(parents=True, exist_ok=True)
    compile_tools(lab)
    mock, upstream = start_mock(lab)
    servers: list[Server] = []
    try:
        for name in asked.gateways.split(",") if asked.gateways else installed():
            port = free_port()
            servers.append(Server(name, PEERS[name].command(lab, port, upstream), port, lab))
        print_machine()
        everyone: list[Server | Direct] = [Direct(upstream), *servers]
        names = asked.scenarios.split(",")
        samples = run_rounds(everyone, names, lab, asked.rounds, asked.seconds)
        print_scenarios(samples)
        print_summary(samples)
        print_servers(servers)
        by_name = {server.name: server for server in servers}
        if {"plexus", "ceiling-httpx2"} <= by_name.keys():
            print_ratios(samples)
        if "plexus" in by_name:
            print_crossings(samples)
            by_name["plexus"].stop()
            print_bars(lab, upstream, by_name["plexus"].idle_mib, asked)
    finally:
        for server in servers:
            server.stop()
        mock.terminate()


if __name__ == "__main__":
    main()
