"""The promise table: each row through a socket with real upstreams, each with its control.

| promise | where |
|---|---|
| first target 503, 429, refused, HTML, error before content: the second answers | here |
| after content: an in-band error, no second call | here |
| ``random`` keeps its weights; keys allowed, denied, expired, absent | ``test_choosing.py`` |
| every step at every level; the answer in mirrored order | ``test_steps.py`` |
| ``on_loss``: a header, or a 400 with ``param`` | ``test_losses.py`` |
| SIGTERM with open streams: none is cut in silence | ``test_drain.py`` |
| ``dev`` survives a broken save; a rebuild reaches no running server | ``test_processes.py`` |
| a client that leaves: the upstream is let go of, nothing is left | ``test_disconnects.py`` |
| mutated bodies: no 5xx of ours | ``test_mutated.py`` |
| faults of clients, providers and streams, by their id | ``tests/faults`` |
"""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from plexus.gateway.limits import Limits
from tests.faults.server import FaultServer, Peer, Script
from tests.gateway import wire
from tests.gateway.conftest import Serve, provider, two
from tests.gateway.harness import CHAT, MESSAGES, Gateway, read_until

DIALECTS = ("openai-chat", "anthropic-messages")
PATHS = {"openai-chat": CHAT, "anthropic-messages": MESSAGES}


def is_stream(peer: Peer) -> bool:
    return bool(json.loads(peer.request.body).get("stream"))


def good(dialect: str, text: str = "second") -> Script:
    """Answers properly, JSON or stream."""

    async def script(peer: Peer) -> None:
        chat = dialect == "openai-chat"
        if is_stream(peer):
            await peer.stream(*(wire.chat_stream(text) if chat else wire.message_stream(text)))
        else:
            await peer.answer(200, wire.chat(text) if chat else wire.message(text))

    return script


def status(code: int, dialect: str) -> Script:
    async def script(peer: Peer) -> None:
        body = wire.chat_error() if dialect == "openai-chat" else wire.message_error()
        await peer.answer(code, body)

    return script


def page(dialect: str) -> Script:
    async def script(peer: Peer) -> None:
        await peer.answer(200, b"<!doctype html><title>hello</title>", "text/html")

    return script


def unlabelled_page(dialect: str) -> Script:
    async def script(peer: Peer) -> None:
        await peer.answer(200, b"\n <html>no</html>", "application/json")

    return script


def error_first(dialect: str) -> Script:
    """A 200 whose only content is an error."""

    async def script(peer: Peer) -> None:
        chat = dialect == "openai-chat"
        error = wire.chat_error() if chat else wire.message_error()
        if not is_stream(peer):
            await peer.answer(200, error)
        elif chat:
            await peer.stream(b"data: %b\n\n" % error)
        else:
            await peer.stream(b"event: error\ndata: %b\n\n" % error)

    return script


def error_after_start(dialect: str) -> Script:
    """D10: role chunk or message_start, then an error, before any content."""

    async def script(peer: Peer) -> None:
        if dialect == "openai-chat":
            error = b"data: %b\n\n" % wire.chat_error()
            await peer.stream(wire.chat_stream()[0], error)
        else:
            error = b"event: error\ndata: %b\n\n" % wire.message_error()
            await peer.stream(*wire.message_stream()[:2], error)

    return script


def cut_before_content(dialect: str) -> Script:
    async def script(peer: Peer) -> None:
        chat = dialect == "openai-chat"
        start = wire.chat_stream()[0] if chat else wire.message_stream()[0]
        await peer.stream(start, end=False)
        peer.close()

    return script


def text_of(gateway: Gateway, path: str, body: bytes) -> str:
    """The text in an answer of either kind and dialect."""
    if body.startswith(b"{"):
        data = json.loads(body)
        if path == CHAT:
            return str(data["choices"][0]["message"]["content"])
        return str(data["content"][0]["text"])
    found = ""
    for line in body.decode().splitlines():
        if line.startswith("data: {"):
            data = json.loads(line[6:])
            if path == CHAT:
                found += "".join(c["delta"].get("content") or "" for c in data.get("choices", []))
            else:
                found += data.get("delta", {}).get("text", "")
    return found


FAILING = {
    "503": lambda dialect: status(503, dialect),
    "429": lambda dialect: status(429, dialect),
    "500": lambda dialect: status(500, dialect),
    "408": lambda dialect: status(408, dialect),
    "529": lambda dialect: status(529, dialect),
    "402": lambda dialect: status(402, dialect),
    "401": lambda dialect: status(401, dialect),
    "404": lambda dialect: status(404, dialect),
    "html-200": page,
    "unlabelled-html-200": unlabelled_page,
    "error-in-200": error_first,
}
STREAM_ONLY = {"error-after-start": error_after_start, "cut-before-content": cut_before_content}


@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("fault", [*FAILING, *STREAM_ONLY])
def test_the_second_target_answers(
    serve: Serve,
    first: FaultServer,
    second: FaultServer,
    fault: str,
    stream: bool,
    client: str,
    upstream: str,
) -> None:
    first.script = {**FAILING, **STREAM_ONLY}[fault](upstream)
    second.script = good("openai-chat")
    served = serve(two(provider(first, upstream), provider(second)))
    path = PATHS[client]
    answer = served.ask(path, model="m", stream=stream)
    assert answer.status == 200, answer.body
    assert text_of(served, path, answer.body) == "second"
    assert answer.headers["x-plexus-provider"] == "second"
    assert answer.headers["x-plexus-attempts"] == "2"
    assert answer.headers["x-plexus-attempt-log"].startswith("first/m=")
    assert (len(first.requests), len(second.requests)) == (1, 1)
    # The control: without a second target the very same fault reaches the client.
    alone = served.ask(path, model="one", stream=stream)
    if fault == "error-in-200" and client == upstream == "anthropic-messages":
        # Said as the dialect says it, so it is passed through as it came (errors.md §3).
        assert alone.status == 200
        assert wire.message_error() in alone.body
    else:
        assert alone.status >= 400
        assert "error" in alone.json
    assert len(second.requests) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_a_refused_connection_leads_to_the_second(
    serve: Serve, second: FaultServer, stream: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    second.script = good("openai-chat")
    served = serve(two(provider(port), provider(second)))
    answer = served.ask(model="m", stream=stream)
    assert text_of(served, CHAT, answer.body) == "second"
    alone = served.ask(model="one", stream=stream)
    assert alone.status == 502
    assert alone.error["message"] == "first: the connection was refused"


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("how", ["error", "cut", "reset"])
def test_after_content_there_is_no_second_call(
    serve: Serve, first: FaultServer, second: FaultServer, how: str, client: str, upstream: str
) -> None:
    async def script(peer: Peer) -> None:
        chat = upstream == "openai-chat"
        pieces = wire.chat_stream()[:3] if chat else wire.message_stream()[:4]
        if how == "error":
            error = wire.chat_error() if chat else wire.message_error()
            name = b"" if chat else b"event: error\n"
            await peer.stream(*pieces, b"%bdata: %b\n\n" % (name, error))
        else:
            await peer.stream(*pieces, end=False)
            peer.close() if how == "cut" else peer.reset()

    first.script = script
    second.script = good("openai-chat")
    served = serve(two(provider(first, upstream), provider(second)))
    path = PATHS[client]
    answer = served.ask(path, model="m", stream=True)
    assert answer.status == 200
    assert text_of(served, path, answer.body) in ("he", "h")
    assert not second.requests
    last = answer.body.decode().rstrip("\n").split("\n\n")[-1]
    data = json.loads(last.partition("data: ")[2])
    assert "error" in data
    if client == "openai-chat":
        assert b"[DONE]" not in answer.body
        assert b'"finish_reason": "stop"' not in answer.body
        assert b'"finish_reason":"stop"' not in answer.body
    else:
        assert last.startswith("event: error\n")
        assert b"message_stop" not in answer.body
    # The control: with nothing but the start before the fault, the second answers.
    first.script = {"error": error_after_start}.get(how, cut_before_content)(upstream)
    assert text_of(served, path, served.ask(path, model="m", stream=True).body) == "second"


@pytest.mark.parametrize("code", [400, 413, 422])
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_the_clients_fault_stays_with_the_client(
    serve: Serve, first: FaultServer, second: FaultServer, code: int, stream: bool
) -> None:
    """C10: no failover, and the provider's own words, byte for byte."""

    async def script(peer: Peer) -> None:
        await peer.answer(code, b'{"error": {"message": "bad temperature",  "type": "x"}}')

    first.script = script
    second.script = good("openai-chat")
    served = serve(two(provider(first), provider(second)))
    answer = served.ask(model="m", stream=stream)
    assert answer.status == code
    assert answer.body == b'{"error": {"message": "bad temperature",  "type": "x"}}'
    assert not second.requests


def test_all_targets_failed(serve: Serve, first: FaultServer, second: FaultServer) -> None:
    first.script = status(500, "openai-chat")
    second.script = status(503, "openai-chat")
    served = serve(two(provider(first), provider(second)))
    answer = served.ask(model="m")
    assert answer.status == 503
    assert answer.error["code"] == "plexus_all_targets_failed"
    assert answer.headers["x-should-retry"] == "false"
    assert "first/m (500 server)" in answer.error["message"]
    assert served.ask(MESSAGES, model="m").status == 529
    # The control: one target's error is its own.
    single = served.ask(model="one")
    assert (single.status, single.body) == (500, wire.chat_error())
    assert "x-should-retry" not in single.headers


def test_when_every_target_is_limited_the_shortest_wait_counts(
    serve: Serve, first: FaultServer, second: FaultServer
) -> None:
    async def script(peer: Peer) -> None:
        wait = "2400" if peer.request.headers["host"].endswith(str(first.port)) else "7.2"
        await peer.answer(429, wire.chat_error(), retry_after=wait)

    first.script = second.script = script
    served = serve(two(provider(first), provider(second)))
    answer = served.ask(model="m")
    assert answer.status == 429
    assert answer.headers["retry-after"] == "8"
    assert served.ask(model="one").headers["retry-after"] == "60"


@pytest.mark.parametrize("code", [401, 403, 400])
@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("client", DIALECTS)
def test_the_providers_key_is_not_the_clients_trouble(
    serve: Serve, first: FaultServer, code: int, client: str, upstream: str
) -> None:
    """C12: 502, never 401; and the words of the provider may quote the key."""

    async def script(peer: Peer) -> None:
        error = b'{"type": "error", "error": {"message": "bad key 51c0ffee", "code": "%b"}}'
        await peer.answer(code, error % (b"api_key_invalid" if code == 400 else b""))

    first.script = script
    served = serve(two(provider(first, upstream), provider(first)))
    answer = served.ask(PATHS[client], model="one")
    assert answer.status == 502
    assert b"51c0ffee" not in answer.body
    assert answer.headers["x-should-retry"] == "false"
    assert [event for level, event, _ in served.sink.lines if level == "warn"]
    assert "51c0ffee" not in repr(served.sink.lines)


def test_a_hidden_model_behind_the_wildcard_has_the_name_that_was_asked(
    serve: Serve, first: FaultServer
) -> None:
    first.script = good("openai-chat")
    alias = {"targets": ["p/m"], "reveal_model": False}
    served = serve({"providers": {"p": provider(first)}, "aliases": {"*": alias}})
    assert served.ask(model="anything").json["model"] == "anything"


def test_hidden_names_are_taken_out_as_whole_words(serve: Serve, first: FaultServer) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(400, b'{"error": {"message": "model M: no room at m-2, p/m. (p)"}}')

    first.script = script
    alias = {"targets": ["p/m"], "reveal_model": False}
    served = serve({"providers": {"p": provider(first)}, "aliases": {"a": alias}})
    message = served.ask(model="a").error["message"]
    assert message == "model the model: no room at m-2, the model. (the model)"


def test_a_hidden_model_shows_no_provider(
    serve: Serve, first: FaultServer, second: FaultServer
) -> None:
    config = two(provider(first), provider(second))
    config["aliases"]["m"]["reveal_model"] = False
    first.script = status(503, "openai-chat")
    second.script = good("openai-chat")
    served = serve(config)
    for stream in (False, True):
        answer = served.ask(model="m", stream=stream)
        assert answer.status == 200
        assert not {"x-plexus-provider", "x-plexus-model", "x-plexus-attempt-log"} & set(
            answer.headers
        )
        assert b'"model":"m"' in answer.body.replace(b'": "', b'":"')
        assert b"m-2026" not in answer.body

    async def script(peer: Peer) -> None:
        await peer.answer(404, b'{"error": {"message": "no model m at second", "code": "x"}}')

    second.script = script
    refused = served.ask(model="m")
    assert refused.error["code"] == "plexus_all_targets_failed"
    assert "second" not in refused.error["message"]
    assert "second" not in refused.headers.values()


@pytest.mark.parametrize("late", [False, True], ids=["early", "after a sign of life"])
@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("client", DIALECTS)
def test_a_provider_that_does_not_stream(
    serve: Serve, first: FaultServer, client: str, upstream: str, late: bool
) -> None:
    """streaming.md §1: JSON is a success; whoever asked for a stream gets one (E16)."""
    beat = asyncio.Event()

    async def script(peer: Peer) -> None:
        if late:
            await beat.wait()
        text = wire.chat("whole") if upstream == "openai-chat" else wire.message("whole")
        await peer.answer(200, text)

    first.script = script
    config = {"providers": {"p": provider(first, upstream)}, "aliases": {"a": {"targets": ["p/m"]}}}
    served = serve(config, limits=Limits(keep_alive=0.05) if late else None)
    with served.open(PATHS[client], model="a", stream=True) as sock:
        head = read_until(sock, b"\r\n\r\n") if late else b""
        first.call(beat.set)
        whole = head + read_until(sock, b"\r\n0\r\n\r\n")
    assert whole.startswith(b"HTTP/1.1 200")
    assert b"content-type: text/event-stream" in whole
    assert text_of(served, PATHS[client], whole) == "whole"
    assert (b"data: [DONE]" if client == "openai-chat" else b"event: message_stop") in whole


def test_the_time_of_failover_is_bounded(serve: Serve, first: FaultServer) -> None:
    """Targets that say nothing may not add up for ever (docs/decisions/0014)."""

    async def script(peer: Peer) -> None:
        await peer.stall()

    first.script = script
    models = [f"m{number}" for number in range(12)]
    own = {**provider(first), "models": models}
    alias = {
        "selector": "in_order",
        "targets": [f"p/{model}" for model in models],
        "timeouts": {"first_content": 0.1},
    }
    served = serve({"providers": {"p": own}, "aliases": {"a": alias}})
    answer = served.ask(model="a")
    assert answer.status == 504
    assert 3 <= int(answer.headers["x-plexus-attempts"]) <= 4
