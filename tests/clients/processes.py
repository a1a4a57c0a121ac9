"""The processes of these tests: the upstream, the gateway, and node."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from tests.clients.scenarios import CLIENT_KEY, UPSTREAM_KEY

ROOT = Path(__file__).parents[2]
JS = Path(__file__).parent / "js"
DEADLINE = 40.0
"""Seconds that a process may take to start or to answer."""


class Process:
    """A child that is ended with the tests; what it says goes to ``log``."""

    def __init__(self, command: list[str], cwd: Path, env: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self.child = subprocess.Popen(
                command,
                cwd=cwd,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def stop(self) -> None:
        self.child.terminate()
        try:
            self.child.wait(DEADLINE)
        finally:
            self.child.kill()
            self.child.wait()


class Talker(Process):
    """A child that talks over pipes; ``line`` waits for its words with a deadline."""

    def __init__(
        self, command: list[str], cwd: Path, log: Path, env: dict[str, str] | None = None
    ) -> None:
        self._log = log
        self._buffer = b""
        with log.open("wb") as errors:
            self.child = subprocess.Popen(
                command,
                cwd=cwd,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=env,
            )

    def line(self) -> bytes:
        """The next line of stdout; raises AssertionError with the log when none comes."""
        deadline = time.monotonic() + DEADLINE
        stdout = _pipe(self.child.stdout)
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(stdout.fileno(), 1 << 20) if ready else b""
            assert data, f"{self.child.args!r} said nothing:\n{self._buffer!r}\n{self.log()}"
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def write(self, data: bytes) -> None:
        stdin = _pipe(self.child.stdin)
        stdin.write(data)
        stdin.flush()

    def stop(self) -> None:
        super().stop()
        _pipe(self.child.stdin).close()
        _pipe(self.child.stdout).close()


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


class Upstream(Talker):
    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.clients.upstream"]
        super().__init__(command, ROOT, folder / "upstream.log")
        self.port = int(self.line())

    def take(self, tag: str = "untagged", count: int = 0) -> list[dict[str, Any]]:
        """The requests that reached it under ``tag`` since they were last taken.

        Waits a moment for ``count`` of them, for what happens after the client has its answer.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        connection.request("GET", f"/seen/{tag}/{count}")
        records: list[dict[str, Any]] = json.load(connection.getresponse())
        connection.close()
        return records


class Gateway(Process):
    """``plexus build`` and ``plexus serve --generated`` of ``config`` in ``folder``."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "plexus.json").write_text(json.dumps(config, indent=2))
        env = {"UPSTREAM_KEY": UPSTREAM_KEY, "CLIENT_KEY": CLIENT_KEY, "RECORDED_KEY": "<key>"}
        path = os.environ.get("PYTHONPATH")
        env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([path] if path else [])])
        plexus = [sys.executable, "-m", "plexus"]
        built = subprocess.run(
            [*plexus, "build"],
            cwd=folder,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=DEADLINE * 3,
        )
        assert built.returncode == 0, built.stdout + built.stderr
        self.port = free_port()
        serve = [*plexus, "serve", "--generated", "generated", "--port", str(self.port)]
        super().__init__(serve, folder, env, folder / "serve.log")
        self._wait_until_open()

    def _wait_until_open(self) -> None:
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self.child.poll() is None, self.log()
                assert time.monotonic() < deadline, self.log()
                # Between two looks; a child that ends is noticed at once.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.child.wait(0.02)


class Driver(Talker):
    """One JSON line in, one out."""

    def call(self, command: dict[str, Any]) -> dict[str, Any]:
        self.write(json.dumps(command).encode() + b"\n")
        answer: dict[str, Any] = json.loads(self.line())
        assert "broken" not in answer, answer["broken"]
        return answer


class Node(Driver):
    """``js/driver.mjs``."""

    def __init__(self, folder: Path) -> None:
        super().__init__(["node", str(JS / "driver.mjs")], JS, folder / "node.log")


class Frameworks(Driver):
    """``py/driver.py`` in an environment of ``make clients``, with no variables but its own."""

    def __init__(self, folder: Path, environment: Path) -> None:
        command = [str(environment / "bin" / "python"), "-m", "tests.clients.py.driver"]
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LLM_USER_PATH": str(folder),
            "LANGSMITH_TRACING": "false",
        }
        super().__init__(command, ROOT, folder / "frameworks.log", env)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
