"""``plexus`` as a process of its own, with what it says on stderr."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

from tests.gateway.harness import ENVIRONMENT, Json

ROOT = Path(__file__).parents[2]
DEADLINE = 30.0
"""Seconds within which a process must start, say something or end."""

_LISTENS = re.compile(r"Plexus listens on http://[0-9.]+:([0-9]+)")


class Plexus:
    """``python -m plexus ...`` in ``folder``; its words are collected as they come."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        path = os.environ.get("PYTHONPATH")
        own = {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join([str(ROOT), *([path] if path else [])])}
        self.child = subprocess.Popen(
            [sys.executable, "-m", "plexus", *arguments],
            cwd=folder,
            env={**os.environ, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._said = ""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def said(self) -> str:
        with self._changed:
            return self._said

    def wait(self, condition: Callable[[str], bool], what: str) -> None:
        """Until ``condition`` holds for all that was said."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self._said), DEADLINE), (
                f"waited in vain for {what}:\n{self._said}"
            )

    def wait_said(self, text: str, times: int = 1) -> None:
        self.wait(lambda said: said.count(text) >= times, f"{text!r} ({times})")

    def port(self) -> int:
        """Where it listens, once it does."""
        self.wait(lambda said: _LISTENS.search(said) is not None, "a port")
        found = _LISTENS.search(self.said)
        assert found is not None
        return int(found[1])

    def wait_refused(self, port: int) -> None:
        """Until nobody listens on ``port`` any more; looked at until it has ended."""
        deadline = monotonic() + DEADLINE
        with suppress(ConnectionRefusedError):
            while monotonic() < deadline:
                socket.create_connection(("127.0.0.1", port), timeout=DEADLINE).close()
                with suppress(subprocess.TimeoutExpired):
                    self.child.wait(0.02)
            raise AssertionError(f"somebody still listens on {port}:\n{self.said}")

    def signal(self, number: signal.Signals) -> None:
        self.child.send_signal(number)

    def end(self) -> int:
        """Its exit code, once it has ended and said its last word."""
        code = self.child.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return code

    def _read(self) -> None:
        assert self.child.stderr is not None
        with self.child.stderr as lines:
            for line in lines:
                with self._changed:
                    self._said += line
                    self._changed.notify_all()


@contextmanager
def plexus(folder: Path, *arguments: str) -> Iterator[Plexus]:
    """A process that ends with the block, politely where it can."""
    process = Plexus(folder, *arguments)
    try:
        yield process
    finally:
        if process.child.poll() is None:
            process.signal(signal.SIGTERM)
            process.signal(signal.SIGTERM)
        try:
            process.end()
        except subprocess.TimeoutExpired:
            process.child.kill()
            process.end()
            raise


def write_config(folder: Path, config: Json) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "plexus.json"
    path.write_text(json.dumps(config, indent=2))
    return path


def built(folder: Path) -> None:
    """``plexus build`` went well."""
    with plexus(folder, "build") as process:
        assert process.end() == 0, process.said
