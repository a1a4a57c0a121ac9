"""The vault: its bounds, its tenants, its clock; and when a served gateway writes to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from time import time

import pytest

from plexus.gateway.loader import load
from plexus.gateway.services import build
from plexus.gateway.vault import MemoryVault
from plexus.transformers.recall import Kept, Turn
from tests.faults.server import FaultServer, Peer
from tests.gateway import wire
from tests.gateway.agents import AGENTS
from tests.gateway.conftest import Serve, provider
from tests.gateway.harness import (
    CHAT,
    ENVIRONMENT,
    MESSAGES,
    Gateway,
    Json,
    Sink,
    compiled,
    post,
    read_until,
    serving,
)
from tests.gateway.strict import SAID, Anthropic

DAY = 24 * 3600.0
ROOM = 10_000


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def vault(clock: Clock, turns: int = 100, size: int = 100 * ROOM) -> MemoryVault:
    return MemoryVault(clock, turns, size, DAY)


def turn(name: str, size: int = 1_000) -> Turn:
    return Turn((), name, size)


def put(into: MemoryVault, name: str, *keys: bytes, tenant: str = "", size: int = 1_000) -> None:
    kept = Kept(keys or (name.encode(),), turn(name, size))
    asyncio.run(into.remember(tenant, kept))


def known(where: MemoryVault, *names: str, tenant: str = "") -> list[str]:
    found = asyncio.run(where.recall(tenant, [name.encode() for name in names]))
    return sorted({turn.family for turn in found.values()})


def test_a_turn_is_found_by_each_of_its_keys(clock: Clock) -> None:
    held = vault(clock)
    assert known(held, "c1") == []
    put(held, "turn", b"c1", b"c2")
    assert known(held, "c1", "c2", "c3") == ["turn"]
    assert asyncio.run(held.recall("", [b"c2", b"c3"])) == {b"c2": turn("turn")}


def test_each_tenant_has_its_own(clock: Clock) -> None:
    held = vault(clock)
    put(held, "ann's", b"c1", tenant="ann")
    put(held, "bob's", b"c1", tenant="bob")
    assert known(held, "c1", tenant="ann") == ["ann's"]
    assert known(held, "c1", tenant="bob") == ["bob's"]
    assert known(held, "c1") == []


def test_after_a_day_it_is_forgotten(clock: Clock) -> None:
    held = vault(clock)
    put(held, "a")
    clock.now += DAY / 2
    put(held, "b")
    assert known(held, "a", "b") == ["a", "b"]
    clock.now += DAY / 2 - 1
    assert known(held, "a", "b") == ["a", "b"]
    # Being asked for is no reason to stay longer.
    clock.now += 1
    assert known(held, "a", "b") == ["b"]
    clock.now += DAY / 2
    put(held, "c")
    assert len(held) == 1
    assert "1 turns" in repr(held)


def test_those_that_nobody_asked_for_make_room(clock: Clock) -> None:
    held = vault(clock, turns=3)
    for name in "abc":
        put(held, name)
    assert known(held, "a") == ["a"]
    put(held, "d")
    assert known(held, *"abcd") == ["a", "c", "d"]


def test_its_bytes_are_bounded(clock: Clock) -> None:
    held = vault(clock, size=3 * ROOM)
    for name in "abc":
        put(held, name, size=ROOM - 256)
    assert known(held, *"abc") == ["a", "b", "c"]
    put(held, "d", size=2 * ROOM - 256)
    assert known(held, *"abcd") == ["c", "d"]
    put(held, "huge", size=3 * ROOM)
    assert known(held, *"cd", "huge") == ["c", "d"]


def test_a_turn_that_says_the_same_again_takes_its_place(clock: Clock) -> None:
    held = vault(clock)
    put(held, "first", b"c1", b"c2")
    put(held, "again", b"c1", b"c2")
    assert known(held, "c1", "c2") == ["again"]
    assert len(held) == 1
    # One that shares a key only takes that.
    put(held, "other", b"c2", b"c3")
    assert asyncio.run(held.recall("", [b"c1", b"c2"])) == {
        b"c1": turn("again"),
        b"c2": turn("other"),
    }
    assert len(held) == 2


def test_of_many_turns_nothing_is_left_but_the_last(clock: Clock) -> None:
    held = vault(clock, turns=10)
    for number in range(10_000):
        put(held, str(number))
    assert len(held) == 10
    assert len(held._found) == 10
    assert len(held._ends) < 200
    clock.now += DAY
    assert known(held, "9999") == []
    assert (len(held), len(held._found), held._held) == (0, 0, 0)


def test_without_room_nothing_is_kept(clock: Clock) -> None:
    held = MemoryVault(clock, 0, ROOM, DAY)
    put(held, "a")
    assert known(held, "a") == []


# -- a served gateway ----------------------------------------------------------------------------


def one(server: FaultServer, dialect: str = "anthropic-messages") -> Json:
    models = {"m": {"capabilities": {"thinking": "budget"}}}
    return {
        "providers": {"p": provider(server, dialect, models=models)},
        "aliases": {"m": {"targets": ["p/m"]}},
    }


def held(served: Gateway) -> int:
    vault = served.services.vault
    assert isinstance(vault, MemoryVault)
    found: int = served.run(lambda: len(vault))
    return found


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_as_soon_as_it_knows_enough(
    serve: Serve, first: FaultServer, stream: bool
) -> None:
    first.script = upstream = Anthropic()
    served = serve(one(first))
    agent = AGENTS["openai-chat"]
    body = agent.ask("m", "quick", stream)
    with served.raw(post(CHAT, json.dumps(body).encode())) as sock:
        read_until(sock, b'"finish_reason":"tool_calls"')
    calls = [
        {"id": call_id, "type": "function", "function": {"name": "weather", "arguments": "{}"}}
        for call_id in upstream.ids("quick", 0)
    ]
    agent.go_on(body, {"role": "assistant", "content": SAID, "tool_calls": calls})
    assert served.ask(CHAT, body).status == 200
    assert upstream.seen["quick"] == ["whole", "whole"]
    assert held(served) == 2


def test_after_a_day_the_served_gateway_has_forgotten(
    serve: Serve, first: FaultServer, clock: Clock
) -> None:
    first.script = upstream = Anthropic()
    served = serve(one(first), clock=clock)
    agent = AGENTS["openai-chat"]
    body = agent.ask("m", "long ago", False)
    turn = agent.strip(agent.read(served.ask(CHAT, body), False))
    agent.go_on(body, turn)
    assert held(served) == 1
    clock.now += DAY - 1
    assert served.ask(CHAT, body).status == 200
    assert held(served) == 2
    clock.now += 1
    assert served.ask(CHAT, body).status == 200
    # The second answer is younger, but nobody asked for it.
    assert [note[:7] for note in upstream.seen["long ago"]] == ["whole", "whole", "lacking"]


@pytest.mark.parametrize("stream", [False, True])
def test_what_needs_no_proof_is_not_kept(serve: Serve, first: FaultServer, stream: bool) -> None:
    async def plain(peer: Peer) -> None:
        if json.loads(peer.request.body).get("stream"):
            await peer.stream(*wire.message_stream())
        else:
            await peer.answer(200, wire.message())

    first.script = plain
    served = serve(one(first))
    assert served.ask(CHAT, model="m", stream=stream).status == 200
    assert held(served) == 0
    # Nor what is passed through, whatever is in it.
    first.script = Anthropic()
    agent = AGENTS["anthropic-messages"]
    body = agent.ask("m", "through", stream)
    assert served.ask(MESSAGES, body).status == 200
    assert held(served) == 0
    chat = AGENTS["openai-chat"].ask("m", "translated", stream)
    assert served.ask(CHAT, chat).status == 200
    assert held(served) == 1


def test_an_answer_that_breaks_off_leaves_nothing(serve: Serve, first: FaultServer) -> None:
    whole = Anthropic()

    async def broken(peer: Peer) -> None:
        question = whole.question(json.loads(peer.request.body))
        await peer.stream(*whole.stream(question, 0)[:-2], end=False)
        peer.close()

    first.script = broken
    served = serve(one(first))
    answer = served.ask(CHAT, AGENTS["openai-chat"].ask("m", "half", True))
    assert b'"error"' in answer.body
    assert held(served) == 0


class Slow:
    """A store far away that never answers a write."""

    calls = words = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.writes = 0

    async def remember(self, tenant: str, kept: Kept) -> None:
        self.writes += 1
        await asyncio.Event().wait()

    async def recall(self, tenant: str, keys: Iterable[bytes]) -> Mapping[bytes, Turn]:
        self.asked.append((tenant, len(list(keys))))
        return {}


def test_nobody_waits_for_a_store_to_write(first: FaultServer, tmp_path: Path) -> None:
    """And the end of the server does not either: what was on its way is given up."""
    first.script = Anthropic()
    slow, sink = Slow(), Sink()
    services = build(
        load(compiled(one(first), tmp_path)),
        environment=ENVIRONMENT,
        log=sink,
        clock=time,
        random=Random(1),
        vault=slow,
    )
    agent = AGENTS["openai-chat"]
    with serving(services, sink) as served:
        for stream in (False, True):
            body = agent.ask("m", f"slow {stream}", stream)
            turn = agent.read(served.ask(CHAT, body), stream)
            agent.go_on(body, turn)
            assert served.ask(CHAT, body).status == 200
        assert served.run(lambda: slow.writes) == 4
    # One question for all calls of a history, and none where nothing was called.
    assert slow.asked == [("", 2), ("", 2)]
