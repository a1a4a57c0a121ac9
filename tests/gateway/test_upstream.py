"""The upstream over httpx2, and over httpx: how connections are kept, given up and closed."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from plexus.gateway.channel import Channel
from plexus.gateway.upstream import httpx as over_httpx2
from plexus.gateway.upstream.base import UpstreamFailed, UpstreamRequest
from plexus.routing.target import Timeouts
from tests.faults.server import FaultServer, Peer, fault_server
from tests.gateway.conftest import Serve, provider
from tests.gateway.harness import CHAT
from tests.gateway.wire import DONE, chat, chat_chunk


def over_httpx() -> ModuleType:
    """The same source over the library that httpx2 continues (decision 0001)."""
    if importlib.util.find_spec("httpx") is None:
        pytest.skip("*** SKIPPED: httpx is not installed: pip install 'plexus-gateway[httpx]' ***")
    source = Path(over_httpx2.__file__).read_text()
    assert source.count("import httpx2 as httpx") == 1
    module = ModuleType("upstream_over_httpx")
    exec(source.replace("import httpx2 as httpx", "import httpx"), vars(module))
    return module


@pytest.fixture(params=["httpx2", "httpx"])
def upstream(request: pytest.FixtureRequest) -> Any:
    """The module under test."""
    return over_httpx2 if request.param == "httpx2" else over_httpx()


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with fault_server(say_hello) as found:
        yield found


async def say_hello(peer: Peer) -> None:
    await peer.answer(body=b"hello")


def asked(server: FaultServer, **fields: Any) -> UpstreamRequest:
    request: dict[str, Any] = {
        "method": "POST",
        "url": f"{server.url}/chat/completions",
        "static_head": (("content-type", "application/json"),),
        "extra_headers": (("authorization", "Bearer sk-1"),),
        "body": b"{}",
        "dialect": "openai-chat",
        "model": "m",
        "timeouts": Timeouts(),
    }
    return UpstreamRequest(**{**request, **fields})


async def ask(up: Any, server: FaultServer, **fields: Any) -> bytes:
    answer = await up.open(asked(server, **fields))
    try:
        return b"".join([data async for data in answer])
    finally:
        await answer.aclose()


def run(up: Any, work: Callable[[], Any]) -> None:
    """``work``, and the end of the upstream."""

    async def main() -> None:
        try:
            await work()
        finally:
            await up.close()

    asyncio.run(main())


def test_a_connection_is_kept_for_the_next_request(upstream: Any, server: FaultServer) -> None:
    up = upstream.HttpxUpstream()

    async def work() -> None:
        for _ in range(5):
            assert await ask(up, server) == b"hello"

    run(up, work)
    assert [request.connection for request in server.requests] == [1] * 5
    server.wait(lambda: server.open == 0, "the end of the connection")


def test_requests_at_once_have_a_connection_each(upstream: Any, server: FaultServer) -> None:
    up = upstream.HttpxUpstream()

    async def all_there(peer: Peer) -> None:
        server.wake()
        await server.until(lambda: len(server.requests) % 4 == 0)
        await peer.answer(body=b"hello")

    server.script = all_there

    async def work() -> None:
        for _ in range(3):
            assert await asyncio.gather(*(ask(up, server) for _ in range(4))) == [b"hello"] * 4

    run(up, work)
    assert server.connections == 4
    server.wait(lambda: server.open == 0, "the end of the connections")


def test_connections_that_nobody_needs_are_closed(upstream: Any, server: FaultServer) -> None:
    now = [0.0]
    up = upstream.HttpxUpstream(clock=lambda: now[0])

    async def all_there(peer: Peer) -> None:
        server.wake()
        await server.until(lambda: len(server.requests) >= 3)
        await peer.answer(body=b"hello")

    server.script = all_there

    async def work() -> None:
        await asyncio.gather(*(ask(up, server) for _ in range(3)))
        assert server.open == 3
        now[0] += upstream.KEEPALIVE_EXPIRY_S + 1
        await ask(up, server)
        server.wait(lambda: server.open == 1, "the end of the idle connections")

    run(up, work)
    assert server.connections == 3


def test_a_connection_that_was_closed_while_idle_is_not_used(
    upstream: Any, server: FaultServer
) -> None:
    up = upstream.HttpxUpstream()

    async def answer_and_close(peer: Peer) -> None:
        await peer.answer(body=b"hello")
        peer.close()

    server.script = answer_and_close

    async def work() -> None:
        for _ in range(3):
            assert await ask(up, server) == b"hello"
            server.wait(lambda: server.open == 0, "the end of the connection")

    run(up, work)
    assert [request.connection for request in server.requests] == [1, 2, 3]


def test_a_kept_connection_that_breaks_unanswered_is_repeated_once(
    upstream: Any, server: FaultServer
) -> None:
    up = upstream.HttpxUpstream()

    async def only_the_first_of_a_connection(peer: Peer) -> None:
        known = [request.connection for request in server.requests]
        if known.count(peer.request.connection) == 1:
            await peer.answer(body=b"hello")
        else:
            peer.close()

    server.script = only_the_first_of_a_connection

    async def work() -> None:
        assert [await ask(up, server) for _ in range(2)] == [b"hello"] * 2

    run(up, work)
    assert [request.connection for request in server.requests] == [1, 1, 2]


def test_a_new_connection_that_breaks_unanswered_is_not_repeated(
    upstream: Any, server: FaultServer
) -> None:
    up = upstream.HttpxUpstream()

    async def close(peer: Peer) -> None:
        peer.close()

    server.script = close

    async def work() -> None:
        for _ in range(2):
            with pytest.raises(UpstreamFailed) as failed:
                await ask(up, server)
            assert failed.value.stage == "send"

    run(up, work)
    assert [request.connection for request in server.requests] == [1, 2]


def test_what_is_not_read_to_its_end_costs_the_connection(
    upstream: Any, server: FaultServer
) -> None:
    up = upstream.HttpxUpstream()

    async def half(peer: Peer) -> None:
        await peer.stream(b"first", end=False)
        await peer.stall()

    server.script = half

    async def work() -> None:
        answer = await up.open(asked(server))
        assert await anext(aiter(answer)) == b"first"
        await answer.aclose()
        server.wait(lambda: server.open == 0, "the end of the connection")
        server.script = say_hello
        assert await ask(up, server) == b"hello"

    run(up, work)
    assert [request.connection for request in server.requests] == [1, 2]


def test_a_cancelled_request_costs_the_connection(upstream: Any, server: FaultServer) -> None:
    up = upstream.HttpxUpstream()

    async def stall(peer: Peer) -> None:
        await peer.stall()

    async def work() -> None:
        await ask(up, server)
        server.script = stall
        task = asyncio.create_task(ask(up, server))
        await asyncio.to_thread(server.wait, lambda: len(server.requests) == 2, "the request")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.wait(lambda: server.open == 0, "the end of the connection")
        server.script = say_hello
        assert await ask(up, server) == b"hello"

    run(up, work)
    assert [request.connection for request in server.requests] == [1, 1, 2]


def test_servers_do_not_share_connections(upstream: Any, server: FaultServer) -> None:
    """One provider may have a server for each dialect."""
    up = upstream.HttpxUpstream()
    with fault_server(say_hello) as other:

        async def work() -> None:
            for _ in range(3):
                await ask(up, server)
                await ask(up, other)

        run(up, work)
        assert server.connections == other.connections == 1


def test_the_head_of_a_request(upstream: Any, server: FaultServer) -> None:
    up = upstream.HttpxUpstream()
    own = (("host", "gateway.example"),)

    async def work() -> None:
        await ask(up, server, body=b"12345")
        await ask(up, server, static_head=own, extra_headers=())

    run(up, work)
    first, second = server.requests
    assert first.body == b"12345"
    assert first.headers == {
        "host": f"127.0.0.1:{server.port}",
        "content-type": "application/json",
        "authorization": "Bearer sk-1",
        "content-length": "5",
    }
    assert second.headers == {"host": "gateway.example", "content-length": "2"}


@pytest.mark.parametrize("stream", [False, True])
def test_a_finished_request_waits_for_no_garbage_collector(
    serve: Serve, first: FaultServer, stream: bool
) -> None:
    """A cycle would keep 100 KB of prompt until some later collection."""

    async def answer(peer: Peer) -> None:
        if stream:
            await peer.stream(chat_chunk({"content": "x"}), chat_chunk({}, "stop"), DONE)
        else:
            await peer.answer(body=chat())

    first.script = answer
    config = {"providers": {"first": provider(first)}, "aliases": {"m": {"targets": ["first/m"]}}}
    served = serve(config)
    gc.collect()
    gc.disable()
    try:
        for count in range(1, 4):
            assert served.ask(CHAT, model="m", stream=stream).status == 200
            served.sink.wait_requests(count)
        # The line is written before the request's task ends: some turns of the loop later.
        for _ in range(100):
            served.run(lambda: None)
            left = [thing for thing in gc.get_objects() if isinstance(thing, Channel)]
            if not left:
                break
        assert not left
    finally:
        gc.enable()
