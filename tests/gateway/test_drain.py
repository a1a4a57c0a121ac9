"""E1, E2: a server that is told to stop while streams are open cuts none of them in silence."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.faults.server import FaultServer, Peer, fault_server
from tests.gateway import wire
from tests.gateway.client import DEADLINE, Client, Ending, Idle
from tests.gateway.harness import CHAT, MESSAGES, Json, gateway
from tests.gateway.processes import Plexus, built, plexus, write_config

STREAMS = 50
UPSTREAMS = {"chat": "openai-chat", "messages": "anthropic-messages"}


def config(port: int) -> Json:
    """Aliases ``<model>-<provider>``; the upstream goes by the model."""
    models = ["talks", "ends", "waits"]
    return {
        "providers": {
            name: {
                "type": dialect,
                "api_base_url": f"http://127.0.0.1:{port}/v1",
                "api_key": {"env": "UPSTREAM_KEY"},
                "models": models,
            }
            for name, dialect in UPSTREAMS.items()
        },
        "aliases": {
            f"{model}-{name}": {"targets": [f"{name}/{model}"]}
            for name in UPSTREAMS
            for model in models
        },
    }


class Upstream:
    """Sends content and no more (``talks``), sends the rest when it is let (``ends``), or sends
    nothing at all (``waits``)."""

    def __init__(self, server: FaultServer) -> None:
        self.server = server
        self._let = threading.Event()
        server.script = self._script

    async def _script(self, peer: Peer) -> None:
        body = json.loads(peer.request.body)
        chat = peer.request.path.endswith("/chat/completions")
        pieces = wire.chat_stream("hello") if chat else wire.message_stream("hello")
        if body["model"] == "waits":
            await peer.stall()
            return
        await peer.stream(*pieces[:4], end=False)
        if body["model"] == "talks":
            await peer.stall()
            return
        await self.server.until(self._let.is_set)
        for piece in pieces[4:]:
            await peer.chunk(piece)
        await peer.raw(b"0\r\n\r\n")

    def let(self) -> None:
        """The streams that shall end may do so."""
        self._let.set()
        self.server.wake()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with fault_server() as server:
        yield Upstream(server)


@pytest.fixture
def served(tmp_path: Path, upstream: Upstream) -> Iterator[Plexus]:
    """A real ``plexus serve``."""
    write_config(tmp_path, config(upstream.server.port))
    built(tmp_path)
    with plexus(tmp_path, "serve", "--generated", "generated", "--port", "0") as server:
        yield server


@contextmanager
def opened(port: int, upstream: Upstream, model: str, count: int) -> Iterator[list[Client]]:
    """``count`` streams over all pairs of dialects, at the moment that ``model`` stands for."""
    with ExitStack() as stack:
        before = len(upstream.server.requests)
        clients = []
        for number in range(count):
            path = (CHAT, MESSAGES)[number % 2]
            name = f"{model}-{tuple(UPSTREAMS)[number // 2 % 2]}"
            clients.append(Client(port, path, name))
            stack.callback(clients[-1].close)
        upstream.server.wait(
            lambda: len(upstream.server.requests) == before + count, f"{count} calls"
        )
        for client in clients:
            if model != "waits":
                client.begin(b"h")
                assert client.status == 200
        yield clients


def endings(clients: list[Client]) -> Counter[Ending]:
    return Counter(client.ending() for client in clients)


def test_sigterm_with_open_streams(served: Plexus, upstream: Upstream) -> None:
    """Half of 50 end by themselves while it drains; a second signal ends the others with words."""
    port = served.port()
    with (
        opened(port, upstream, "ends", STREAMS // 2) as ending,
        opened(port, upstream, "talks", STREAMS // 2 - 5) as talking,
        opened(port, upstream, "waits", 5) as waiting,
    ):
        idle = Idle(port)
        served.signal(signal.SIGTERM)
        idle.wait_stopping()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        upstream.let()
        assert endings(ending) == {"complete": STREAMS // 2}
        assert served.child.poll() is None
        served.signal(signal.SIGTERM)
        assert endings(talking) == {"error": STREAMS // 2 - 5}
        assert endings(waiting) == {"error": 5}
        assert {client.status for client in waiting} == {503, 529}
    assert served.end() == 0
    assert served.said.count('"outcome":"stopped"') == STREAMS // 2, served.said
    assert "Traceback" not in served.said
    upstream.server.wait(lambda: upstream.server.open == 0, "the upstream connections to close")


def test_a_killed_server_cuts_its_streams(served: Plexus, upstream: Upstream) -> None:
    """The control: what nobody ended is seen to be cut."""
    with opened(served.port(), upstream, "talks", 4) as clients:
        served.signal(signal.SIGKILL)
        assert endings(clients) == {"cut": 4}
    assert served.end() == -signal.SIGKILL


def test_the_drain_has_a_limit(tmp_path: Path, upstream: Upstream, long: bool) -> None:
    """One signal is enough; in the long form with a process and its 30 seconds."""
    port = upstream.server.port
    if not long:
        with (
            gateway(config(port), tmp_path, drain=0.2) as own,
            opened(own.port, upstream, "talks", STREAMS) as clients,
        ):
            own.loop.call_soon_threadsafe(own.server.stop)
            assert endings(clients) == {"error": STREAMS}
        return
    write_config(tmp_path, config(port))
    built(tmp_path)
    with plexus(tmp_path, "serve", "--generated", "generated", "--port", "0") as server:
        with opened(server.port(), upstream, "talks", STREAMS) as clients:
            server.signal(signal.SIGTERM)
            assert endings(clients) == {"error": STREAMS}
        assert server.end() == 0


@contextmanager
def workers(folder: Path, upstream: Upstream, count: int) -> Iterator[Plexus]:
    write_config(folder, config(upstream.server.port))
    built(folder)
    serve = ("serve", "--generated", "generated", "--port", "0", "--workers", str(count))
    with plexus(folder, *serve) as server:
        yield server


def children(process: Plexus) -> list[int]:
    pid = process.child.pid
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_workers_drain_too(tmp_path: Path, upstream: Upstream) -> None:
    """And while they do, no new connection waits for an answer that nobody would give."""
    with workers(tmp_path, upstream, 2) as server:
        port = server.port()
        server.wait_said("the vault are kept per worker")
        with opened(port, upstream, "talks", 20) as clients:
            idle = [Idle(port) for _ in range(8)]
            server.signal(signal.SIGTERM)
            for connection in idle:
                connection.wait_stopping()
            server.wait_refused(port)
            assert len(children(server)) == 2
            server.signal(signal.SIGTERM)
            assert endings(clients) == {"error": 20}
        assert server.end() == 0


def test_e4_a_worker_that_dies_is_replaced(tmp_path: Path, upstream: Upstream) -> None:
    with workers(tmp_path, upstream, 2) as server:
        port = server.port()
        # A worker that dies within a second of its start would be taken for a broken one.
        with pytest.raises(subprocess.TimeoutExpired):
            server.child.wait(1.5)
        before = children(server)
        with opened(port, upstream, "ends", 20) as clients:
            os.kill(before[0], signal.SIGKILL)
            server.wait_said("died; starting another")
            upstream.let()
            found = endings(clients)
        # What ran in the dead one was cut; which that was, the kernel knows.
        assert found.keys() <= {"complete", "cut"}
        assert len({*before, *children(server)}) == 3
        with opened(port, upstream, "ends", 20) as clients:
            assert endings(clients) == {"complete": 20}


def test_dev_that_is_told_twice_ends_its_streams(tmp_path: Path, upstream: Upstream) -> None:
    write_config(tmp_path, config(upstream.server.port))
    with plexus(tmp_path, "dev", "--port", "0") as dev:
        port = dev.port()
        with opened(port, upstream, "talks", 4) as clients:
            idle = Idle(port)
            dev.signal(signal.SIGTERM)
            idle.wait_stopping()
            dev.signal(signal.SIGTERM)
            assert endings(clients) == {"error": 4}
        assert dev.end() == 0
