"""One gateway under load: start it, ask it, count its CPU time."""

import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from bench.gateways import Command, Peer
from bench.processes import (
    LOAD_CORE,
    Cost,
    cpu_seconds,
    free_port,
    memory_mib,
    middle,
    pinned,
    start,
    stop,
    tree,
)
from bench.scenarios import (
    CHAT,
    CHUNKS,
    PATHS,
    SCENARIOS,
    Scenario,
    request_body,
    request_path,
)

HERE = Path(__file__).parent
_START_LIMIT = 60.0


class Sample(NamedTuple):
    """One round of one scenario.  Times in microseconds, ``rate`` in units a second."""

    cpu: float
    rate: float
    latency: float
    latency_p99: float
    first_byte: float
    held: float
    held_p99: float
    errors: int


class Server:
    """A started gateway.

    ``start_s``: from spawn to its first 200 through the mock; ``idle_mib``: memory after that.
    """

    def __init__(self, name: str, command: Command, port: int, lab: Path) -> None:
        self.name, self.port = name, port
        self._log = lab / f"{name}.log"
        argv, env = command
        began = time.perf_counter()
        self._process = start(argv, env, lab, self._log)
        while not _answers(port):
            time.sleep(0.005)
            if self._process.poll() is not None or time.perf_counter() - began > _START_LIMIT:
                self.stop()
                raise SystemExit(f"{name} did not start:\n{self._log.read_text()[-2000:]}")
        self.start_s = time.perf_counter() - began
        self.pids = tree(self._process.pid)
        self.start_cpu_s = cpu_seconds(self.pids)
        time.sleep(0.5)
        self.idle_mib = memory_mib(self.pids)

    def stop(self) -> None:
        stop(self._process)


class Direct:
    """The driver talking to the mock itself: what latencies are compared with."""

    name = "direct"
    pids: tuple[int, ...] = ()

    def __init__(self, port: int) -> None:
        self.port = port


def _answers(port: int) -> bool:
    body = request_body(CHAT, "mock-100x0", False, 0).encode()
    head = (
        f"POST {PATHS[CHAT]} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.settimeout(20)
            connection.sendall(head.encode() + body)
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def compile_tools(lab: Path) -> None:
    """The mock and the driver, by gcc, into the lab."""
    if shutil.which("gcc") is None:
        raise SystemExit("the bench needs gcc for its mock upstream and its load driver")
    for tool in ("mock", "drive"):
        command = ["gcc", "-O2", "-Wall", "-o", str(lab / tool), str(HERE / f"{tool}.c")]
        subprocess.run(command, check=True)


def start_mock(lab: Path) -> tuple[subprocess.Popen[bytes], int]:
    port = free_port()
    mock = subprocess.Popen(pinned(LOAD_CORE, [str(lab / "mock"), str(port)]))
    while not _answers(port):
        time.sleep(0.01)
    return mock, port


def cold_starts(name: str, command: Command, port: int, lab: Path, times: int) -> Cost:
    """From spawn to first answer, files in cache: medians over ``times`` processes."""
    costs = []
    for _ in range(times):
        server = Server(name, command, port, lab)
        costs.append(Cost(server.start_s, server.start_cpu_s))
        server.stop()
    return middle(costs)


def measure(
    server: Server | Direct, peer: Peer | None, scenario: Scenario, lab: Path, seconds: float
) -> Sample | None:
    """One round; None where the gateway does not take part.  Errors are said on stderr."""
    prefix = "" if peer is None else peer.prefix(scenario)
    if prefix is None:
        return None
    # The mock itself is asked in the provider's dialect: it has no other.
    dialect = scenario.provider if peer is None else scenario.client
    model, stream = prefix + scenario.model, scenario.stream
    file = lab / "body.json"
    file.write_text(request_body(dialect, model, stream, scenario.size))
    # Paced streams begin spread over one pace, so that chunks do not come in step.
    stagger = int(scenario.model.split("x")[1]) // scenario.connections
    arguments = {
        "-p": server.port,
        "-u": request_path(dialect, model, stream),
        "-b": file,
        "-c": scenario.connections,
        "-n": scenario.connections if scenario.paced and seconds < 1 else 10_000_000,
        "-t": seconds,
        "-g": stagger,
    }
    argv = [str(lab / "drive"), *(str(word) for pair in arguments.items() for word in pair)]
    before = cpu_seconds(server.pids)
    done = subprocess.run(
        pinned(LOAD_CORE, argv), capture_output=True, text=True, timeout=seconds + 60
    )
    spent = cpu_seconds(server.pids) - before
    if not done.stdout:
        raise SystemExit(f"{server.name}: the driver failed: {done.stderr[-300:]}")
    return _sample(server.name, scenario, json.loads(done.stdout), spent, done.stderr)


def _sample(
    name: str, scenario: Scenario, out: dict[str, Any], spent: float, stderr: str
) -> Sample:
    errors = out["errors"] + out["unfinished"]
    if errors:
        print(f"{name}: {errors} failed or unfinished; {stderr[:300]}", file=sys.stderr)
    units = (out["ok"] or 1) * (CHUNKS if scenario.stream else 1)
    return Sample(
        cpu=spent * 1e6 / units,
        rate=units / out["wall_s"],
        latency=out["lat_us"]["p50"],
        latency_p99=out["lat_us"]["p99"],
        first_byte=out["ttft_us"]["p50"],
        held=out["tok_us"]["p50"],
        held_p99=out["tok_us"]["p99"],
        errors=errors,
    )


def warm_up(
    server: Server | Direct, peer: Peer | None, names: list[str], lab: Path, seconds: float
) -> None:
    for name in names:
        measure(server, peer, SCENARIOS[name], lab, min(0.7, seconds))
