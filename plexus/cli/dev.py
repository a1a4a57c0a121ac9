"""``dev``: serve, and after every good change of the config build again and restart.

The server is a child process.  A config with mistakes, or without its secrets, leaves the old one
running.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from plexus.cli.build import show
from plexus.cli.paths import config_path, out_path, shown
from plexus.compiler.output import OutputError, write
from plexus.compiler.pipeline import examine, generated
from plexus.compiler.source import LIMIT
from plexus.manifest import ManifestError, digest, verify
from plexus.plain_files import plain_bytes

_TURN = 0.2
_SILENCE = 1.0
_PATIENCE = 10.0
_LAST_WORDS = 5.0


def dev(arguments: Namespace) -> int:
    """Watch until interrupted; the exit code is 0 then."""
    signal.signal(signal.SIGTERM, _interrupt)
    config, out = config_path(arguments), out_path(arguments)
    watched = Watched(config)
    server: subprocess.Popen[bytes] | None = None
    try:
        while True:
            if watched.changed() and _built(config, out) and _complete(config, out):
                server = _restarted(server, arguments, out)
            if server is not None and server.poll() is not None:
                print(f"the server ended with code {server.returncode}", file=sys.stderr)
                server = None
            time.sleep(_TURN)
    except KeyboardInterrupt:
        return 0
    finally:
        try:
            _stop(server)
        except KeyboardInterrupt:
            # Told twice: no server may be left behind, and none waits any longer.
            _stop(server)


class Watched:
    """A file whose content is looked at again when its time or size changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: object = None
        self._digest: str | None = None

    def changed(self) -> bool:
        """Whether the content differs from the last time this was asked; True the first time."""
        first = self._stamp is None
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        before, self._digest = self._digest, self._read()
        return first or before != self._digest

    def _look(self) -> object:
        try:
            state = self._path.stat()
        except OSError as error:
            return error.errno or -1
        return state.st_mtime_ns, state.st_size, state.st_ino

    def _read(self) -> str | None:
        try:
            return digest(plain_bytes(self._path, LIMIT))
        except OSError:
            return None


def _built(config: Path, out: Path) -> bool:
    examined = examine(config)
    show(examined, "text")
    if examined.failed:
        print("waiting for the next change", file=sys.stderr)
        return False
    try:
        written = write(out, generated(examined))
    except OutputError as error:
        print(f"error {error.code}: {error.message}", file=sys.stderr)
        return False
    print(f"{shown(out)} {'built' if written.changed else 'is up to date'}", file=sys.stderr)
    return True


def _complete(config: Path, out: Path) -> bool:
    """Whether a server would find its secrets and files; an old one goes on without them."""
    from plexus.gateway.loader import load
    from plexus.gateway.server import CannotServe, check_secrets

    try:
        check_secrets(load(out, verify(out), config.absolute().parent), os.environ)
    except CannotServe as problem:
        print(f"{problem}\nset them and start dev again, or change the config", file=sys.stderr)
        return False
    except ManifestError as error:
        # Another build was faster.
        print(f"{shown(error.path)}: {error.message}", file=sys.stderr)
        return False
    return True


def _restarted(
    server: subprocess.Popen[bytes] | None, arguments: Namespace, out: Path
) -> subprocess.Popen[bytes]:
    _stop(server)
    command = [sys.executable, "-m", "plexus", "serve"]
    command += ["--config", str(config_path(arguments)), "--out", str(out)]
    if arguments.host:
        command += ["--host", arguments.host]
    if arguments.port is not None:
        command += ["--port", str(arguments.port)]
    if arguments.allow_anonymous:
        command.append("--allow-anonymous")
    return subprocess.Popen(command, env=os.environ)


def _stop(server: subprocess.Popen[bytes] | None) -> None:
    """Let open answers finish, but not for ever: the port is needed.

    What is open after that ends with its dialect's error, as it does when this is called again.
    """
    if server is None or server.poll() is not None:
        return
    server.terminate()
    with suppress(subprocess.TimeoutExpired):
        server.wait(_SILENCE)
        return
    print(f"waiting for open answers, {_PATIENCE:g} s at most", file=sys.stderr)
    for seconds in (_PATIENCE, _LAST_WORDS):
        with suppress(subprocess.TimeoutExpired):
            server.wait(seconds)
            return
        server.terminate()
    server.kill()
    server.wait()


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
