"""A5 to A7, D22: clients that leave at random moments; the upstream is let go of within a second.

Nothing of them may stay behind: no task, no socket, no connection of the pool.  The controls are
clients that stay all the while: they are answered in the end.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Event

import pytest
from msgspec import Struct

from plexus.gateway.limits import Limits
from tests.faults.server import DEADLINE, FaultServer, Peer, fault_server
from tests.gateway import wire
from tests.gateway.client import Client
from tests.gateway.conftest import Serve, provider
from tests.gateway.harness import CHAT, MESSAGES, Gateway, Json, post

COUNT, LONG_COUNT = 60, 1400
"""Clients; a sixth or so leaves before the upstream was called."""
AT_ONCE = 12
ABORT_S = 1.0
FLOOD = 500
BEAT_S = 0.05
UPSTREAMS = {"chat": "openai-chat", "messages": "anthropic-messages"}
TAG = re.compile(rb"tag-([0-9]+)-(\w+)-(\d)")
STAGES = ("silent", "head", "start", "content", "flood")
JSON_STAGES = ("silent", "head", "half")
"""How far the upstream gets with its answer before it waits for the gateway to leave."""


class Plan(Struct, frozen=True):
    """One client and its moment: after ``part`` of its request, when it is ``sent``, when the
    upstream is ``called`` or has come to its ``stage``, or when ``count`` bytes were read."""

    tag: str
    path: str
    alias: str
    stream: bool
    moment: str
    count: int
    reset: bool

    @property
    def request(self) -> bytes:
        body = {
            "model": self.alias,
            "messages": [{"role": "user", "content": self.tag}],
            "max_tokens": 9,
            "stream": self.stream,
        }
        return post(self.path, json.dumps(body).encode())


def plan(number: int, stream: bool, random: Random) -> Plan:
    stage = random.choice(STAGES if stream else JSON_STAGES)
    later = ["called", "stage", *(["read"] if stream else [])]
    return Plan(
        tag=f"tag-{number}-{stage}-{int(stream)}",
        path=random.choice((CHAT, MESSAGES)),
        alias=random.choice(("chat", "messages", "over")),
        stream=stream,
        moment=random.choice(["part", "sent", *later * 4]),
        count=random.randint(1, 30_000 if stage == "flood" else 300),
        reset=random.random() < 0.3,
    )


class Upstream:
    """Answers up to the stage that a tag names, waits, and marks when it was called and left."""

    def __init__(self, server: FaultServer) -> None:
        self.server = server
        self.stayers_may_end = Event()
        server.script = self._script

    async def _script(self, peer: Peer) -> None:
        if peer.request.path.startswith("/down/"):
            await peer.answer(503, wire.chat_error(), connection="close")
            peer.close()
            return
        chat = peer.request.path.endswith("/chat/completions")
        found = TAG.search(peer.request.body)
        assert found is not None
        tag, stage, stream = found[0].decode(), found[2].decode(), found[3] == b"1"
        self.server.mark(f"{tag} called")
        try:
            await (self._stream if stream else self._whole)(peer, chat, stage, tag)
            self.server.mark(f"{tag} stage")
            if stage != "stay":
                await peer.stall()
        finally:
            # Seen by its watch, or by a write that failed.
            if stage != "stay":
                self.server.mark(f"{tag} left")

    async def _whole(self, peer: Peer, chat: bool, stage: str, tag: str) -> None:
        body = wire.chat() if chat else wire.message()
        if stage == "stay":
            await self.server.until(self.stayers_may_end.is_set)
            await peer.answer(200, body)
        elif stage != "silent":
            await peer.head(200, "application/json", content_length=str(len(body)))
            if stage == "half":
                await peer.raw(body[: len(body) // 2])

    async def _stream(self, peer: Peer, chat: bool, stage: str, tag: str) -> None:
        pieces = wire.chat_stream("hello") if chat else wire.message_stream("hello")
        if stage == "silent":
            return
        until = {"head": 0, "start": 1, "content": 5, "flood": 4, "stay": 4}[stage]
        await peer.stream(*pieces[:until], end=False)
        if stage == "flood":
            self.server.mark(f"{tag} stage")
            for _ in range(FLOOD):
                if peer.left.is_set():
                    break
                await peer.chunk(pieces[3])
        if stage == "stay":
            await self.server.until(self.stayers_may_end.is_set)
            for piece in pieces[until:]:
                await peer.chunk(piece)
            await peer.raw(b"0\r\n\r\n")


def leave(gateway: Gateway, server: FaultServer, plan: Plan) -> tuple[Plan, bool, float]:
    """Be the client of ``plan``; whether its head was sent whole, and when it left."""
    request = plan.request
    head = request.index(b"\r\n\r\n") + 4
    sent = plan.count % len(request) if plan.moment == "part" else len(request)
    sock = gateway.raw(request[:sent])
    try:
        if plan.moment in ("called", "stage"):
            name = f"{plan.tag} {plan.moment}"
            server.wait(lambda: name in server.marks, name)
        elif plan.moment == "read":
            left = plan.count
            while left > 0:
                data = sock.recv(min(left, 65536))
                assert data, f"{plan} was left alone"
                left -= len(data)
        if plan.reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return plan, sent >= head, time.monotonic()
    finally:
        sock.close()


class Left(Struct, frozen=True):
    """What a gateway holds on to; ``pool`` as the upstream sees it."""

    tasks: int
    files: int
    pool: int
    clients: int
    open: int


def held(gateway: Gateway, server: FaultServer) -> Left:
    def look() -> Left:
        return Left(
            tasks=len(asyncio.all_tasks()),
            files=len(os.listdir("/proc/self/fd")),
            pool=server.open,
            clients=len(gateway.server.server_state.connections),
            open=len(gateway.services.open),
        )

    found: Left = gateway.run(look)
    return found


def settled(gateway: Gateway, server: FaultServer) -> Left:
    """What is held when nobody asks anything: the same in three looks.

    Sockets that another test's client left to the garbage collector must not go away in between.
    """
    gc.collect()
    looks: list[Left] = []
    deadline = time.monotonic() + DEADLINE
    while len(looks) < 3 or len({*looks[-3:]}) > 1 or looks[-1].clients or looks[-1].open:
        assert time.monotonic() < deadline, looks[-3:]
        looks.append(held(gateway, server))
    return looks[-1]


def wait_held(gateway: Gateway, server: FaultServer, expected: Left) -> None:
    """Until nothing more than ``expected`` is held; looked at turn by turn of the loop."""
    deadline = time.monotonic() + DEADLINE
    while (now := held(gateway, server)) != expected:
        assert time.monotonic() < deadline, f"{now} instead of {expected}"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with fault_server() as server:
        yield Upstream(server)


def config(server: FaultServer) -> Json:
    down = {**provider(server), "api_base_url": f"http://127.0.0.1:{server.port}/down"}
    return {
        "providers": {
            "down": down,
            **{name: provider(server, dialect) for name, dialect in UPSTREAMS.items()},
        },
        "aliases": {
            **{name: {"targets": [f"{name}/m"]} for name in UPSTREAMS},
            "over": {"selector": "in_order", "targets": ["down/m", "chat/m"]},
        },
    }


def staying(gateway: Gateway, upstream: Upstream, first: int) -> list[Client]:
    """Clients that do not leave: both client dialects, both providers, JSON and stream."""
    clients: list[Client] = []
    for path in (CHAT, MESSAGES):
        for alias in UPSTREAMS:
            for stream in (False, True):
                tag = f"tag-{first + len(clients)}-stay-{int(stream)}"
                clients.append(Client(gateway.port, path, alias, stream, tag))
    wanted = {f"tag-{first + n}-stay-{n % 2} called" for n in range(len(clients))}
    upstream.server.wait(lambda: wanted <= upstream.server.marks.keys(), "calls of all that stay")
    return clients


def answered(upstream: Upstream, clients: list[Client]) -> None:
    """Those that stayed get all of their answers."""
    upstream.stayers_may_end.set()
    upstream.server.wake()
    assert Counter(client.ending() for client in clients) == {"complete": len(clients)}
    upstream.stayers_may_end.clear()


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_clients_that_leave(
    serve: Serve, upstream: Upstream, seeded: Random, stream: bool, long: bool
) -> None:
    server = upstream.server
    served = serve(config(server), limits=Limits(keep_alive=BEAT_S))
    # Warm: as many connections in the pool as the clients that stay will need.
    answered(upstream, staying(served, upstream, 10_000))
    logged = len(served.sink.wait_requests(8))
    base = settled(served, server)
    stayed = staying(served, upstream, 20_000)
    plans = [plan(number, stream, seeded) for number in range(LONG_COUNT if long else COUNT)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        gone = list(pool.map(lambda one: leave(served, server, one), plans))
    lines = served.sink.wait_requests(logged + sum(whole for _, whole, _ in gone))[logged:]
    assert Counter((line["status"], line["outcome"]) for line in lines) == {
        (499, "client_closed"): len(lines)
    }
    answered(upstream, stayed)
    wait_held(served, server, base)
    # The pool is not only of the old size: each of its connections is taken and serves.
    made = server.connections
    answered(upstream, staying(served, upstream, 30_000))
    assert server.connections == made
    wait_held(served, server, base)
    late = [
        server.marks[f"{plan.tag} left"] - when
        for plan, _, when in gone
        if f"{plan.tag} called" in server.marks
    ]
    print(
        f"{len(plans):,} clients left {'a stream' if stream else 'a JSON call'}: "
        f"{len(late):,} upstream calls aborted, at most {max(late) * 1000:.0f} ms later; {base}"
    )
    assert max(late) <= ABORT_S
    assert len(late) >= (1000 if long else COUNT / 2)
