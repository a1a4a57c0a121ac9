"""``/v1/responses`` through a socket: every way to answer it, and every way it can fail."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.faults.server import FaultServer, Peer, Script
from tests.gateway import wire, wire_responses
from tests.gateway.conftest import Serve, provider, two
from tests.gateway.harness import CHAT, MESSAGES, Gateway

RESPONSES = "/v1/responses"
DIALECT = "openai-responses"
ECHO = {
    "providers": {"echo": {"type": "echo", "models": ["one"]}},
    "aliases": {"fast": {"targets": ["echo/one"]}},
}
USER = [{"role": "user", "content": "hi"}]


def wants_stream(peer: Peer) -> bool:
    return bool(json.loads(peer.request.body).get("stream"))


def good(dialect: str, text: str = "second") -> Script:
    """Answers properly, JSON or stream."""
    whole, pieces = {
        DIALECT: (wire_responses.response, wire_responses.stream),
        "openai-chat": (wire.chat, wire.chat_stream),
        "anthropic-messages": (wire.message, wire.message_stream),
    }[dialect]

    async def script(peer: Peer) -> None:
        if wants_stream(peer):
            await peer.stream(*pieces(text))
        else:
            await peer.answer(200, whole(text))

    return script


def ask(served: Gateway, model: str = "m", stream: bool = False, **fields: Any) -> Any:
    body = {"model": model, "input": "hi", "stream": stream, **fields}
    return served.ask(RESPONSES, body)


def events(body: bytes) -> list[Any]:
    """The events of a stream, their names and numbers checked."""
    found = []
    for block in body.decode().strip("\n").split("\n\n"):
        name, _, data = block.partition("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert event["sequence_number"] == len(found)
        found.append(event)
    return found


def text_of(answer: Any) -> str:
    """The text in an answer of either kind; a stream has exactly one end."""
    if answer.body.startswith(b"{"):
        whole = answer.json
    else:
        found = events(answer.body)
        whole = found[-1]["response"]
        ends = [e for e in found if e["type"] in ("response.completed", "response.failed")]
        assert ends == [found[-1]]
        said = "".join(e["delta"] for e in found if e["type"] == "response.output_text.delta")
        assert said == "".join(p["text"] for item in whole["output"] for p in item["content"])
    return "".join(part["text"] for item in whole["output"] for part in item["content"])


@pytest.mark.parametrize("path", [RESPONSES, "/responses", f"/aliases/fast{RESPONSES}"])
def test_every_address_answers(serve: Serve, path: str) -> None:
    served = serve(ECHO)
    for stream in (False, True):
        body = {"model": "fast", "input": "say it", "stream": stream}
        answer = served.ask(path, body)
        assert answer.status == 200, answer.body
        assert text_of(answer) == "say it"
        assert answer.headers["x-plexus-provider"] == "echo"


def test_a_tool_conversation_at_echo(serve: Serve) -> None:
    served = serve(ECHO)
    tools = [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]
    first = ask(served, "fast", input='echo:tool weather {"a": 1}', tools=tools).json
    (call,) = first["output"]
    assert (call["type"], call["arguments"]) == ("function_call", '{"a": 1}')
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "rain"}
    second = ask(served, "fast", input=[*USER, call, result], tools=tools)
    assert text_of(second) == "rain"


@pytest.mark.parametrize("upstream", [DIALECT, "openai-chat", "anthropic-messages"])
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_every_provider_answers(
    serve: Serve, first: FaultServer, upstream: str, stream: bool
) -> None:
    first.script = good(upstream, "héllo")
    served = serve(two(provider(first, upstream), provider(first)))
    answer = ask(served, "one", stream)
    assert answer.status == 200, answer.body
    assert text_of(answer) == "héllo"
    (request,) = first.requests
    assert (
        request.path
        == {
            DIALECT: "/v1/responses",
            "openai-chat": "/v1/chat/completions",
            "anthropic-messages": "/v1/messages",
        }[upstream]
    )


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_every_client_is_answered(
    serve: Serve, first: FaultServer, path: str, stream: bool
) -> None:
    first.script = good(DIALECT, "hello")
    served = serve(two(provider(first, DIALECT), provider(first)))
    answer = served.ask(path, model="one", stream=stream)
    assert answer.status == 200, answer.body
    letters = answer.body.decode().replace('": "', '":"')
    if stream:
        assert '"content":"h"' in letters or '"text":"h"' in letters
    else:
        assert '"content":"hello"' in letters or '"text":"hello"' in letters
    sent = json.loads(first.requests[0].body)
    assert sent["store"] is False
    assert sent["input"] == [{"role": "user", "content": "say something"}]


def test_bytes_pass_through(serve: Serve, first: FaultServer) -> None:
    async def script(peer: Peer) -> None:
        await peer.stream(*wire_responses.stream())

    first.script = script
    served = serve(two(provider(first, DIALECT), provider(first)))
    sent = b'{ "model":"one", "input":"hi","stream":true ,"x_new":1.0e1}'
    answer = served.ask(RESPONSES, sent)
    assert answer.body == b"".join(wire_responses.stream())
    assert first.requests[0].body == sent.replace(b'"one"', b'"m"')


def test_a_hidden_model(serve: Serve, first: FaultServer) -> None:
    first.script = good(DIALECT)
    config = two(provider(first, DIALECT), provider(first))
    config["aliases"]["m"]["reveal_model"] = False
    served = serve(config)
    for stream in (False, True):
        answer = ask(served, stream=stream)
        assert b"m-2026" not in answer.body
        assert b'"model":"m"' in answer.body.replace(b'": "', b'":"')


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("previous_response_id", "resp_1"),
        ("conversation", "conv_1"),
        ("background", True),
        ("prompt", {"id": "pmpt_1"}),
    ],
)
@pytest.mark.parametrize(
    "upstream", ["openai-chat", "anthropic-messages", "gemini", "bedrock-converse"]
)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_state_that_nobody_has(
    serve: Serve,
    first: FaultServer,
    second: FaultServer,
    field: str,
    value: Any,
    upstream: str,
    stream: bool,
) -> None:
    second.script = good(DIALECT, "stored")
    served = serve(two(provider(first, upstream), provider(second, DIALECT)))
    refused = ask(served, "one", stream, **{field: value})
    assert (refused.status, refused.error["param"]) == (400, field)
    assert refused.headers["x-should-retry"] == "false"
    assert not first.requests
    # The control: a target of this dialect gets it as it is.
    assert text_of(ask(served, "other", stream, **{field: value})) == "stored"
    assert json.loads(second.requests[0].body)[field] == value


@pytest.mark.parametrize("store", [True, False])
def test_store(serve: Serve, first: FaultServer, second: FaultServer, store: bool) -> None:
    """It is every client's default, so nobody is refused for it; nothing is stored (§8)."""
    first.script, second.script = good("anthropic-messages"), good(DIALECT)
    served = serve(two(provider(first, "anthropic-messages"), provider(second, DIALECT)))
    assert ask(served, "one", store=store).json["store"] is False
    assert "store" not in json.loads(first.requests[0].body)
    assert ask(served, "other", store=store).status == 200
    assert json.loads(second.requests[0].body)["store"] is store


def before_content(how: str, dialect: str) -> Script:
    """A stream that fails before it says anything."""

    async def script(peer: Peer) -> None:
        if dialect == DIALECT:
            start = wire_responses.stream()[:3]
            error = wire_responses.failed(3)
            if how == "bare-error":
                error = b'event: error\ndata: {"type":"error","message":"sorry"}\n\n'
        else:
            start = wire.chat_stream()[:1]
            error = b"data: %b\n\n" % wire.chat_error()
        if how == "cut":
            await peer.stream(*start, end=False)
            peer.close()
        else:
            await peer.stream(*start, error)

    return script


@pytest.mark.parametrize("upstream", [DIALECT, "openai-chat"])
@pytest.mark.parametrize("how", ["error", "bare-error", "cut"])
def test_before_content_the_second_answers(
    serve: Serve, first: FaultServer, second: FaultServer, how: str, upstream: str
) -> None:
    first.script = before_content(how, upstream)
    second.script = good(DIALECT)
    served = serve(two(provider(first, upstream), provider(second, DIALECT)))
    assert text_of(ask(served, stream=True)) == "second"
    # The control: without a second target it is an HTTP error.
    alone = ask(served, "one", True)
    assert alone.status >= 500
    assert alone.error["message"]


@pytest.mark.parametrize("upstream", [DIALECT, "openai-chat"])
@pytest.mark.parametrize("how", ["error", "bare-error", "cut", "reset"])
def test_after_content_the_response_fails(
    serve: Serve, first: FaultServer, second: FaultServer, how: str, upstream: str
) -> None:
    async def script(peer: Peer) -> None:
        own = upstream == DIALECT
        pieces = wire_responses.stream()[:5] if own else wire.chat_stream()[:3]
        if how in ("cut", "reset"):
            await peer.stream(*pieces, end=False)
            peer.close() if how == "cut" else peer.reset()
        elif not own:
            await peer.stream(*pieces, b"data: %b\n\n" % wire.chat_error())
        elif how == "error":
            await peer.stream(*pieces, wire_responses.failed(5))
        else:
            await peer.stream(*pieces, b'event: error\ndata: {"type":"error","code":"x"}\n\n')

    first.script = script
    served = serve(two(provider(first, upstream), provider(second)))
    answer = ask(served, stream=True)
    assert answer.status == 200
    assert not second.requests
    found = events(answer.body)
    last = found[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"]["message"]
    assert last["response"]["id"] == found[0]["response"]["id"]
    assert [e["type"] for e in found if e["type"].startswith("response.completed")] == []


def test_errors_have_chats_form(serve: Serve) -> None:
    served = serve(ECHO)
    unknown = ask(served, "fats")
    assert (unknown.status, unknown.error["code"]) == (404, "model_not_found")
    bad = ask(served, "fast", input=5)
    assert (bad.status, bad.error["param"]) == (400, "input")
    assert "POST" in served.ask(RESPONSES, None, "GET").headers["allow"]


def test_a_stop_sequence_ends_the_upstream_too(serve: Serve, first: FaultServer) -> None:
    """Responses has none: the text is cut here, and nobody pays for the rest."""

    async def script(peer: Peer) -> None:
        await peer.stream(*wire_responses.stream("one END of it")[:-2], end=False)
        await peer.stall()

    first.script = script
    served = serve(two(provider(first, DIALECT), provider(first)))
    answer = served.ask(MESSAGES, model="one", stream=True, stop_sequences=["END"])
    assert answer.status == 200
    assert b'"stop_sequence":"END"' in answer.body
    assert answer.body.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
    first.wait(lambda: first.open == 0, "the end of the upstream")
