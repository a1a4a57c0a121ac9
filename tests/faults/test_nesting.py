"""Providers whose JSON nests deeper than Python recurses: an answer as broken as any other (D13).

Before content the next target is asked; after it an in-band error follows.  Never is it a bug of
Plexus, a 500.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from plexus.streaming.eventstream import EventStreamEncoder
from plexus.streaming.framing import Frame
from plexus.transformers.openai_responses.continuation import Collector
from tests.faults.server import FaultServer, Peer, Script, fault_server
from tests.gateway import clouds, wire, wire_responses
from tests.gateway.conftest import Serve, provider, two
from tests.gateway.harness import CHAT, MESSAGES, SAY, Answer, Gateway, Json

DEEP = b"[" * 100_000 + b"]" * 100_000
RESPONSES, GEMINI = "/v1/responses", "/v1beta/models/%s:%s"
CONTENTS = [{"parts": [{"text": "say something"}]}]
CLIENTS = pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES, GEMINI])
WHOLE = {
    "openai-chat": wire.chat(),
    "openai-responses": wire_responses.response(),
    "anthropic-messages": wire.message(),
    "gemini": json.dumps(wire.gemini()).encode(),
    "bedrock-converse": clouds.converse(),
}
PIECES = {
    "openai-chat": wire.chat_stream(),
    "openai-responses": wire_responses.stream(),
    "anthropic-messages": wire.message_stream(),
    "gemini": wire.gemini_stream(),
    "bedrock-converse": clouds.converse_stream(),
}
PROVIDERS = pytest.mark.parametrize("dialect", WHOLE)


@pytest.fixture(scope="module")
def lasting_first() -> Iterator[FaultServer]:
    with fault_server() as server:
        yield server


@pytest.fixture(scope="module")
def lasting_second() -> Iterator[FaultServer]:
    with fault_server() as server:
        yield server


@pytest.fixture
def first(lasting_first: FaultServer) -> FaultServer:
    """One for all tests, so that they can share gateways; but without a past."""
    lasting_first.forget()
    return lasting_first


@pytest.fixture
def second(lasting_second: FaultServer) -> FaultServer:
    lasting_second.forget()
    return lasting_second


def deep(body: bytes, deepest: bytes = DEEP) -> bytes:
    """A JSON object, or an event of one, with one more member."""
    return body.replace(b"{", b'{"x":%b,' % deepest, 1)


def event(dialect: str) -> bytes:
    """An event that is right but for its depth."""
    if dialect == "bedrock-converse":
        data = deep(b'{"contentBlockIndex":0,"delta":{"text":"x"}}')
        return EventStreamEncoder().encode(Frame("contentBlockDelta", data))
    return deep(PIECES[dialect][-3 if dialect == "openai-chat" else len(PIECES[dialect]) // 2])


async def stream(peer: Peer, dialect: str, pieces: list[bytes]) -> None:
    if dialect == "bedrock-converse":
        await clouds.binary(peer, pieces)
    else:
        await peer.stream(*pieces)


def whole(body: bytes, status: int = 200) -> Script:
    async def script(peer: Peer) -> None:
        await peer.answer(status, body)

    return script


def streamed(dialect: str, pieces: list[bytes]) -> Script:
    async def script(peer: Peer) -> None:
        await stream(peer, dialect, pieces)

    return script


async def chat(peer: Peer) -> None:
    if json.loads(peer.request.body).get("stream"):
        delta = {"role": "assistant", "content": "second"}
        await peer.stream(wire.chat_chunk(delta), wire.chat_chunk({}, "stop"), wire.DONE)
    else:
        await peer.answer(200, wire.chat("second"))


def ask(served: Gateway, path: str, model: str, stream: bool) -> Answer:
    if path == GEMINI:
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return served.ask(path % (model, verb), {"contents": CONTENTS})
    body: Json = {"model": model, "stream": stream}
    body |= {"input": "say something"} if path == RESPONSES else {"messages": SAY}
    return served.ask(path, {**body, "max_tokens": 100} if path == MESSAGES else body)


@CLIENTS
@PROVIDERS
@pytest.mark.parametrize("answered", ["json", "stream"])
@pytest.mark.parametrize("asked", ["json", "stream"])
def test_before_content(
    shared: Serve,
    first: FaultServer,
    second: FaultServer,
    asked: str,
    answered: str,
    dialect: str,
    path: str,
) -> None:
    """Also of a provider that streams unasked, or does not stream when it is asked."""
    if answered == "json":
        first.script = whole(deep(WHOLE[dialect]))
    else:
        first.script = streamed(dialect, [event(dialect), *PIECES[dialect]])
    second.script = chat
    served = shared(two(provider(first, dialect), provider(second)))
    answer = ask(served, path, "m", asked == "stream")
    assert (answer.status, answer.headers["x-plexus-attempts"]) == (200, "2"), answer
    assert b"second" in answer.body
    alone = ask(served, path, "one", asked == "stream")
    assert alone.status == 502, alone
    assert alone.error["message"].startswith("first")


@CLIENTS
@PROVIDERS
def test_after_content(
    shared: Serve, first: FaultServer, second: FaultServer, dialect: str, path: str
) -> None:
    pieces = PIECES[dialect]
    at = len(pieces) // 2
    first.script = streamed(dialect, [*pieces[:at], event(dialect), *pieces[at:]])
    served = shared(two(provider(first, dialect), provider(second)))
    answer = ask(served, path, "m", True)
    assert answer.status == 200
    assert not second.requests
    last = answer.body.decode().rpartition('"error":')[2]
    assert "first" in last and "hello" not in last, answer.body[-1000:]
    assert len(answer.body) < 10_000


@CLIENTS
@PROVIDERS
@pytest.mark.parametrize("status", [400, 429, 503])
def test_errors(
    shared: Serve, first: FaultServer, second: FaultServer, status: int, dialect: str, path: str
) -> None:
    """However deep their words are hidden, the status counts."""
    bodies = (b'{"error":{"message":%b}}', b'{"message":%b}', b'{"error":{"message":"m","x":%b}}')
    second.script = chat
    served = shared(two(provider(first, dialect), provider(second)))
    for body in bodies:
        first.script = whole(body % DEEP, status)
        for stream in (False, True):
            alone = ask(served, path, "one", stream)
            # Overloaded is 529 to clients of Messages.
            assert alone.status in ((503, 529) if status == 503 else (status,))
            answer = ask(served, path, "m", stream)
            assert answer.status == (400 if status == 400 else 200), answer


ARGUMENTS = ["[" * 100_000, '{"a":' * 3_000 + "1" + "}" * 3_000]
"""Text that is JSON too deep to be looked at."""


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=["list", "object"])
@pytest.mark.parametrize("path", [CHAT, RESPONSES])
@PROVIDERS
def test_arguments_in_a_request(
    shared: Serve, first: FaultServer, second: FaultServer, dialect: str, path: str, arguments: str
) -> None:
    """An agent repeats what a model once wrote; that it is no arguments is said elsewhere."""
    first.script = whole(WHOLE[dialect])
    served = shared(two(provider(first, dialect), provider(second)))
    function = {"name": "f", "arguments": arguments}
    if path == CHAT:
        call = {"id": "c", "type": "function", "function": function}
        said = [{"role": "assistant", "content": None, "tool_calls": [call]}]
        result = {"role": "tool", "tool_call_id": "c", "content": arguments}
        body: Json = {"model": "one", "messages": [*SAY, *said, result]}
    else:
        items = [
            {"type": "function_call", "call_id": "c", **function},
            {"type": "function_call_output", "call_id": "c", "output": arguments},
        ]
        body = {"model": "one", "input": [*SAY, *items]}
    answer = served.ask(path, body)
    assert answer.status == 200, answer
    assert arguments[:50] in first.requests[0].body.decode().replace("\\", "")


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=["list", "object"])
@CLIENTS
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_arguments_in_an_answer(
    shared: Serve,
    first: FaultServer,
    second: FaultServer,
    stream: bool,
    path: str,
    arguments: str,
) -> None:
    """The client gets them as text, as an object in which they stand, or an error in the stream."""
    call = {"index": 0, "id": "c", "type": "function"}
    call["function"] = {"name": "f", "arguments": arguments}
    delta = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": delta, "finish_reason": "tool_calls"}
    pieces = [wire.chat_chunk(delta), wire.chat_chunk({}, "tool_calls"), wire.DONE]
    first.script = streamed("openai-chat", pieces) if stream else whole(wire.chat(choices=[choice]))
    served = shared(two(provider(first), provider(second)))
    answer = ask(served, path, "one", stream)
    assert answer.status == 200, answer
    assert arguments[:50] in answer.body.decode().replace("\\", "")


BATCH = "/v1beta/models/%s:batchEmbedContents"
VECTORS = {
    "openai-chat": b'{"data":[{"index":0,"embedding":[0.5]}]}',
    "gemini": b'{"embeddings":[{"values":[0.5]}]}',
}


def embed(served: Gateway, path: str, model: str) -> Answer:
    if path == BATCH:
        return served.ask(path % model, {"requests": [{"content": CONTENTS[0]}]})
    return served.ask(path, {"model": model, "input": "one"})


@pytest.mark.parametrize("path", ["/v1/embeddings", BATCH])
@pytest.mark.parametrize("dialect", VECTORS)
def test_embeddings(
    shared: Serve, first: FaultServer, second: FaultServer, dialect: str, path: str
) -> None:
    other = "openai-chat" if dialect == "gemini" else "gemini"
    second.script = whole(VECTORS[other])
    served = shared(two(provider(first, dialect), provider(second, other)))
    inside = VECTORS[dialect].replace(b"[0.5]", DEEP)
    for body in (deep(VECTORS[dialect]), inside):
        first.script = whole(body)
        answer, alone = embed(served, path, "m"), embed(served, path, "one")
        if (path == BATCH) is (dialect == "gemini"):
            # Passed through, whatever it is; the client's own reader stumbles over it.
            assert (answer.status, answer.body) == (200, body)
            assert not second.requests
        else:
            assert (answer.status, answer.headers["x-plexus-attempts"]) == (200, "2"), answer
            assert b"0.5" in answer.body
            assert alone.status == 502, alone


COUNTS = {
    "anthropic-messages": b'{"input_tokens":5}',
    "openai-responses": b'{"input_tokens":5}',
    "gemini": b'{"totalTokens":5}',
    "bedrock-converse": b'{"inputTokens":5}',
}


def ask_count(served: Gateway, path: str, model: str) -> Answer:
    if path == GEMINI:
        return served.ask(path % (model, "countTokens"), {"contents": CONTENTS})
    said: Json = {"input": "hi"} if path.endswith("input_tokens") else {"messages": SAY}
    return served.ask(path, {"model": model, **said})


@pytest.mark.parametrize(
    "path", ["/v1/messages/count_tokens", "/v1/responses/input_tokens", GEMINI]
)
@pytest.mark.parametrize("dialect", COUNTS)
def test_counts(
    shared: Serve, first: FaultServer, second: FaultServer, dialect: str, path: str
) -> None:
    second.script = whole(COUNTS["anthropic-messages"])
    served = shared(two(provider(first, dialect), provider(second, "anthropic-messages")))
    inside = COUNTS[dialect].replace(b"5", DEEP)
    for body in (deep(COUNTS[dialect]), inside):
        first.script = whole(body)
        answer = ask_count(served, path, "m")
        assert (answer.status, answer.headers["x-plexus-attempts"]) == (200, "2"), answer
        assert 5 in answer.json.values()
        assert ask_count(served, path, "one").headers["x-plexus-estimated"] == "true"


def test_an_endpoint_that_is_passed_through(
    shared: Serve, first: FaultServer, second: FaultServer
) -> None:
    """What Plexus does not read of it is no failure of it."""
    served = shared(two(provider(first), provider(second)))
    body: Json = {"model": "one", "prompt": "say something"}
    said = deep(b'{"object":"text_completion","choices":[]}')
    first.script = whole(said)
    assert served.ask("/v1/completions", body).body == said
    pieces = [b"data: %b\n\n" % said, wire.DONE]
    first.script = streamed("openai-chat", pieces)
    assert served.ask("/v1/completions", {**body, "stream": True}).body == b"".join(pieces)


def test_what_a_websocket_remembers() -> None:
    """An event that is too deep shows nothing, and the next ones do."""
    found = Collector()
    *_, item, completed = (piece.partition(b"data: ")[2] for piece in wire_responses.stream())
    for event in (deep(item), deep(completed), completed):
        found.see(event)
    assert (found.response_id, len(found.items)) == ("resp_1", 1)


def test_a_choice_that_nobody_asked_for(shared: Serve, first: FaultServer) -> None:
    """The choices before it are not made up one by one, until the memory is full."""
    far = [
        wire.gemini_event(
            wire.gemini(
                "x",
                candidates=[
                    {
                        "index": 2**31,
                        "content": {"parts": [{"text": "far"}]},
                        "finishReason": "STOP",
                    }
                ],
            )
        )
    ]
    first.script = streamed("gemini", far)
    served = shared(two(provider(first, "gemini"), provider(first)))
    answer = ask(served, CHAT, "one", True)
    assert answer.status == 200 and b"far" in answer.body
    assert len(answer.body) < 100_000
