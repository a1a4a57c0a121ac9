"""The dialect of a target is chosen per request (design decision 7): each condition true and false.

One server speaks all dialects of a provider; the path of its one request tells which was chosen.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.faults.server import FaultServer, Peer
from tests.gateway import wire, wire_responses
from tests.gateway.conftest import Serve
from tests.gateway.harness import CHAT, MESSAGES, SAY, Answer, Gateway, Json

RESPONSES = "/v1/responses"
CLIENTS = ("openai-chat", "openai-responses", "anthropic-messages", "gemini")
STREAMS = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])

CHAT_TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
FLAT_TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}}
CLAUDE_TOOL = {"name": "f", "input_schema": {"type": "object"}}
GOOGLE_TOOL = {"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}
TOOLS = dict(zip(CLIENTS, (CHAT_TOOL, FLAT_TOOL, CLAUDE_TOOL, GOOGLE_TOOL), strict=True))

THINK: dict[str, Json] = {
    "openai-chat": {"reasoning_effort": "low"},
    "openai-responses": {"reasoning": {"effort": "low"}},
    "anthropic-messages": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
    "gemini": {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}},
}
OFF: dict[str, Json] = {
    "openai-chat": {"reasoning_effort": "none"},
    "openai-responses": {"reasoning": {"effort": "none"}},
    "anthropic-messages": {"thinking": {"type": "disabled"}},
    "gemini": {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}},
}


async def polyglot(peer: Peer) -> None:
    """Answers in the dialect of the path, JSON or stream."""
    path, body = peer.request.path, json.loads(peer.request.body)
    stream = bool(body.get("stream")) or "streamGenerateContent" in path
    if "generateContent" in path or "streamGenerateContent" in path:
        pieces, whole = wire.gemini_stream("fine"), json.dumps(wire.gemini("fine")).encode()
    elif path.endswith("/responses"):
        pieces, whole = wire_responses.stream("fine"), wire_responses.response("fine")
    elif path.endswith("/messages"):
        pieces, whole = wire.message_stream("fine"), wire.message("fine")
    else:
        pieces, whole = wire.chat_stream("fine"), wire.chat("fine")
    if stream:
        await peer.stream(*pieces)
    else:
        await peer.answer(200, whole)


async def broken(peer: Peer) -> None:
    await peer.answer(503, wire.chat_error())


def provider(server: FaultServer, dialects: str, model: str = "m", **more: Any) -> Json:
    """``dialects``: initials of chat, responses, messages and gemini."""
    names = {"c": "openai-chat", "r": "openai-responses", "m": "anthropic-messages", "g": "gemini"}
    url = f"http://127.0.0.1:{server.port}/v1"
    return {
        "api_base_url": {names[initial]: url for initial in dialects},
        "api_key": {"env": "UPSTREAM_KEY"},
        "models": [model],
        **more,
    }


def openai(server: FaultServer, model: str, dialects: str = "cr") -> Json:
    return provider(server, dialects, model, profile="openai")


def one(found: Json, **alias: Any) -> Json:
    (model,) = found["models"]
    target = {"targets": [f"p/{model}"]}
    strict = {**target, "on_loss": "error"}
    return {"providers": {"p": found}, "aliases": {"a": {**target, **alias}, "strict": strict}}


def path_of(client: str, model: str, stream: bool) -> str:
    if client == "gemini":
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/v1beta/models/{model}:{verb}"
    return dict(zip(CLIENTS, (CHAT, RESPONSES, MESSAGES), strict=False))[client]


def body_of(client: str, model: str, stream: bool, said: Json) -> Json:
    match client:
        case "gemini":
            return {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], **said}
        case "openai-responses":
            return {"model": model, "input": "hi", "stream": stream, **said}
        case "anthropic-messages":
            return {"model": model, "messages": SAY, "max_tokens": 99, "stream": stream, **said}
        case _:
            return {"model": model, "messages": SAY, "stream": stream, **said}


def ask(served: Gateway, client: str, stream: bool, model: str = "a", **said: Any) -> Answer:
    body = body_of(client, model, stream, said)
    return served.ask(path_of(client, model, stream), body)


def is_fine(client: str, stream: bool, answer: Answer) -> bool:
    """The whole text came, in whatever pieces."""
    assert answer.status == 200, answer.body
    if not stream:
        return b'"fine"' in answer.body
    text = answer.body.decode().replace('": "', '":"')
    deltas = {"openai-chat": '"content":"', "openai-responses": '"delta":"'}
    mark = deltas.get(client, '"text":"')
    letters = [piece.partition('"')[0] for piece in text.split(mark)[1:]]
    return "".join(letters).startswith("fine")


def tools(client: str) -> Json:
    return {"tools": [TOOLS[client]]}


def dialect_of(server: FaultServer) -> str:
    """Which dialect the last request was in."""
    path = server.requests[-1].path
    ends = {
        "/chat/completions": "openai-chat",
        "/responses": "openai-responses",
        "/messages": "anthropic-messages",
    }
    return next((name for end, name in ends.items() if path.endswith(end)), "gemini")


def warned(answer: Answer) -> list[str]:
    return [row["field"] for row in json.loads(answer.headers.get("x-plexus-warnings", "[]"))]


# -- function tools and reasoning, both dialects (openai-chat.md §7, trap T10) -----------------

CHOICES = [
    # model, what is asked, whether the model would refuse it in chat
    ("gpt-5.2", "tools, think", False),
    ("gpt-5.4", "tools, think", True),
    ("gpt-5.4", "tools", False),
    ("gpt-5.4", "think", False),
    ("gpt-5.4", "tools, off", False),
    ("gpt-5.5", "tools, think", True),
    ("gpt-5.5", "tools", False),
    ("gpt-5.6", "tools, think", True),
    ("gpt-5.6", "tools", True),
    ("gpt-5.6", "tools, off", False),
    ("gpt-5.6", "think", False),
    ("gpt-5.6", "", False),
    ("gpt-6-sol", "tools", True),
    ("gpt-6-astra", "tools, off", True),
    ("gpt-6-astra", "think", False),
]


def asked(client: str, words: str) -> Json:
    found: Json = {}
    for word in filter(None, words.split(", ")):
        found |= {"tools": tools(client), "think": THINK[client], "off": OFF[client]}[word]
    return found


@STREAMS
@pytest.mark.parametrize(("model", "words", "refused"), CHOICES)
def test_T10_a_chat_request_that_chat_refuses_goes_as_responses(
    serve: Serve, first: FaultServer, model: str, words: str, refused: bool, stream: bool
) -> None:
    first.script = polyglot
    served = serve(one(openai(first, model)))
    said = asked("openai-chat", words)
    answer = ask(served, "openai-chat", stream, **said)
    assert is_fine("openai-chat", stream, answer)
    assert dialect_of(first) == ("openai-responses" if refused else "openai-chat")
    sent = json.loads(first.requests[0].body)
    assert sent["model"] == model
    if refused:
        assert sent.get("reasoning", {}).get("effort") == THINKING[words]
        assert [tool["name"] for tool in sent["tools"]] == ["f"]
        assert "reasoning.tools" not in warned(answer)
    else:
        expected = {**body_of("openai-chat", model, stream, said)}
        assert {name: sent[name] for name in expected} == expected
        assert warned(answer) == []


THINKING = {"tools, think": "low", "tools": None, "tools, off": "low"}
"""The effort in Responses; a model that cannot stop gets its lowest."""


@STREAMS
@pytest.mark.parametrize("words", ["", "tools", "tools, think", "tools, off"])
def test_a_responses_client_is_passed_through(
    serve: Serve, first: FaultServer, words: str, stream: bool
) -> None:
    first.script = polyglot
    served = serve(one(openai(first, "gpt-5.6")))
    body = body_of("openai-responses", "a", stream, asked("openai-responses", words))
    raw = json.dumps(body).encode()
    answer = served.ask(RESPONSES, raw)
    assert is_fine("openai-responses", stream, answer)
    assert first.requests[0].path == RESPONSES
    assert first.requests[0].body == raw.replace(b'"a"', b'"gpt-5.6"')


@STREAMS
@pytest.mark.parametrize("words", ["", "tools, think"])
@pytest.mark.parametrize("client", ["anthropic-messages", "gemini"])
def test_other_clients_go_as_responses_at_once(
    serve: Serve, first: FaultServer, client: str, words: str, stream: bool
) -> None:
    first.script = polyglot
    served = serve(one(openai(first, "gpt-5.6")))
    assert is_fine(client, stream, ask(served, client, stream, **asked(client, words)))
    assert dialect_of(first) == "openai-responses"


def test_the_choice_and_its_reason_are_logged(serve: Serve, first: FaultServer) -> None:
    first.script = polyglot
    served = serve(one(openai(first, "gpt-5.6")))
    for words in ("tools", "think"):
        ask(served, "openai-chat", False, **asked("openai-chat", words))
    served.sink.wait_requests(2)
    (said,) = [fields for _, event, fields in served.sink.lines if event == "dialect chosen"]
    assert said["because"] == "function tools, reasoning not off"
    assert (said["target"], said["dialect"]) == ("p/gpt-5.6", "openai-responses")
    assert [line["dialect"] for line in served.sink.requests()] == [
        "openai-responses",
        "openai-chat",
    ]


def test_what_is_passed_through_stays_as_it_is(serve: Serve, first: FaultServer) -> None:
    """A look for facts changes no byte."""
    first.script = polyglot
    served = serve(one(openai(first, "gpt-5.6")))
    raw = b'{ "model":"a","tools" : [ %b ], "reasoning_effort":"none", "x":1.0e1,"messages":%b}'
    raw %= json.dumps(CHAT_TOOL).encode(), json.dumps(SAY).encode()
    assert served.ask(CHAT, raw).status == 200
    assert first.requests[0].body == raw.replace(b'"a"', b'"gpt-5.6"', 1)


@pytest.mark.parametrize(
    "said",
    [
        {"tools": "f"},
        {"tools": [1]},
        {"tools": [{"type": 1}]},
        {"tools": [CHAT_TOOL], "reasoning_effort": 5},
        {"tools": None, "functions": {}},
    ],
)
def test_facts_of_a_malformed_request(serve: Serve, first: FaultServer, said: Json) -> None:
    """The provider, or the dialect's reader, says what is wrong; nobody fails over it."""
    first.script = polyglot
    served = serve(one(openai(first, "gpt-5.6")))
    answer = ask(served, "openai-chat", False, **said)
    assert answer.status in (200, 400), answer.body
    if answer.status == 400:
        assert not first.requests
        assert answer.error["type"] == "invalid_request_error"


# -- a provider that has chat alone ------------------------------------------------------------


@STREAMS
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("model", "words", "lost"),
    [
        ("gpt-5.4", "tools, think", True),
        ("gpt-5.4", "tools", False),
        ("gpt-5.6", "tools, think", True),
        ("gpt-5.6", "tools", True),
        ("gpt-5.6", "tools, off", False),
        ("gpt-5.6", "think", False),
    ],
)
def test_T10_with_chat_alone_reasoning_is_off_and_that_is_said(
    serve: Serve, first: FaultServer, client: str, model: str, words: str, lost: bool, stream: bool
) -> None:
    first.script = polyglot
    served = serve(one(openai(first, model, "c")))
    said = asked(client, words)
    answer = ask(served, client, stream, **said)
    assert is_fine(client, stream, answer)
    sent = json.loads(first.requests[0].body)
    assert sent.get("reasoning_effort") == (
        "none" if lost or "off" in words else "low" if "think" in words else None
    )
    assert ("reasoning.tools" in warned(answer)) is lost
    if lost:
        row = next(
            r for r in json.loads(answer.headers["x-plexus-warnings"]) if "tools" in r["field"]
        )
        assert row == {"field": "reasoning.tools", "outcome": "lost", "path": "reasoning"}
    # Under on_loss: error it is a 400 that names the field, and nobody is asked.
    count = len(first.requests)
    strict = ask(served, client, stream, "strict", **said)
    if lost:
        assert strict.status == 400, strict.body
        assert "on_loss" in strict.error["message"] and "reasoning" in strict.error["message"]
        assert len(first.requests) == count
    elif client == "openai-chat":
        # The control: what is not lost is not refused.
        assert is_fine(client, stream, strict)


@STREAMS
def test_a_loss_is_no_loss_where_responses_is_spoken(
    serve: Serve, first: FaultServer, stream: bool
) -> None:
    first.script = polyglot
    served = serve(one(openai(first, "gpt-5.6")))
    said = asked("openai-chat", "tools, think")
    assert is_fine("openai-chat", stream, ask(served, "openai-chat", stream, "strict", **said))
    # What that dialect cannot say is a loss there: the 400 names it.
    lost = ask(served, "openai-chat", stream, "strict", seed=7, **said)
    assert (lost.status, lost.error["param"], lost.error["code"]) == (400, "seed", "plexus_loss")
    assert is_fine("openai-chat", stream, ask(served, "openai-chat", stream, "strict", seed=7))


# -- failover: each target has candidates of its own -------------------------------------------


def pair(one: Json, other: Json) -> Json:
    (mine,), (theirs,) = one["models"], other["models"]
    targets = [f"first/{mine}", f"second/{theirs}"]
    return {
        "providers": {"first": one, "second": other},
        "aliases": {"a": {"selector": "in_order", "targets": targets}},
    }


@STREAMS
@pytest.mark.parametrize("words", ["tools, think", "think"])
def test_the_second_target_chooses_anew(
    serve: Serve, first: FaultServer, second: FaultServer, words: str, stream: bool
) -> None:
    """From Responses to chat, from the client's untouched call."""
    first.script, second.script = broken, polyglot
    served = serve(pair(openai(first, "gpt-5.6"), provider(second, "cr")))
    answer = ask(served, "openai-chat", stream, **asked("openai-chat", words))
    assert is_fine("openai-chat", stream, answer)
    assert dialect_of(first) == ("openai-responses" if "tools" in words else "openai-chat")
    assert dialect_of(second) == "openai-chat"
    sent = json.loads(second.requests[0].body)
    assert (sent["reasoning_effort"], sent["model"]) == ("low", "m")
    assert warned(answer) == []


@STREAMS
def test_from_chat_to_responses(
    serve: Serve, first: FaultServer, second: FaultServer, stream: bool
) -> None:
    first.script, second.script = broken, polyglot
    served = serve(pair(provider(first, "c"), openai(second, "gpt-5.4")))
    answer = ask(served, "openai-chat", stream, **asked("openai-chat", "tools, think"))
    assert is_fine("openai-chat", stream, answer)
    assert (dialect_of(first), dialect_of(second)) == ("openai-chat", "openai-responses")


@STREAMS
def test_a_model_without_a_way_out_is_not_asked(
    serve: Serve, first: FaultServer, second: FaultServer, stream: bool
) -> None:
    """Nothing but a refusal could come: the next target answers, and alone it is our own 400."""
    first.script = second.script = polyglot
    astra = openai(first, "gpt-6-astra", "c")
    served = serve(pair(astra, openai(second, "gpt-6-astra")))
    said = asked("openai-chat", "tools")
    assert is_fine("openai-chat", stream, ask(served, "openai-chat", stream, **said))
    assert not first.requests
    assert dialect_of(second) == "openai-responses"
    alone = serve(one(astra))
    refused = ask(alone, "openai-chat", stream, **said)
    assert (refused.status, refused.error["param"]) == (400, "tools")
    assert not first.requests
    assert is_fine("openai-chat", stream, ask(alone, "openai-chat", stream))


# -- server tools (mappings.md §11) ------------------------------------------------------------

SEARCH = {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}
FETCH = {"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}
INTERPRETER = {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}


@STREAMS
@pytest.mark.parametrize(
    ("client", "dialects", "said", "upstream", "sent"),
    [
        # Chat's providers run none for others: the dialect that can say more is asked anyway.
        ("anthropic-messages", "cr", SEARCH, "openai-responses", [{"type": "web_search"}]),
        ("anthropic-messages", "cg", SEARCH, "gemini", [{"googleSearch": {}}]),
        ("openai-responses", "cm", {"tools": [{"type": "web_search"}]}, "anthropic-messages", None),
        # Only one of two can.
        ("anthropic-messages", "rg", SEARCH, "openai-responses", [{"type": "web_search"}]),
        ("anthropic-messages", "rg", FETCH, "gemini", [{"urlContext": {}}]),
        ("anthropic-messages", "rg", {}, "openai-responses", None),
        ("openai-responses", "mg", INTERPRETER, "gemini", [{"codeExecution": {}}]),
        ("openai-responses", "mg", {"tools": [FLAT_TOOL]}, "anthropic-messages", None),
        # The client's own dialect has them all.
        ("anthropic-messages", "mg", FETCH, "anthropic-messages", FETCH["tools"]),
        ("openai-responses", "rg", INTERPRETER, "openai-responses", INTERPRETER["tools"]),
        # One that nobody has chooses nothing.
        (
            "openai-responses",
            "mg",
            {"tools": [{"type": "file_search"}]},
            "anthropic-messages",
            None,
        ),
    ],
)
def test_a_server_tool_chooses_the_dialect_that_has_it(
    serve: Serve,
    first: FaultServer,
    client: str,
    dialects: str,
    said: Json,
    upstream: str,
    sent: list[Json] | None,
    stream: bool,
) -> None:
    first.script = polyglot
    served = serve(one(provider(first, dialects)))
    answer = ask(served, client, stream, **said)
    assert is_fine(client, stream, answer)
    assert dialect_of(first) == upstream
    if sent is not None:
        assert json.loads(first.requests[0].body)["tools"] == sent


@STREAMS
def test_web_search_options_go_to_a_model_that_searches(
    serve: Serve, first: FaultServer, stream: bool
) -> None:
    """In chat only the search models take them."""
    first.script = polyglot
    search: Json = {"web_search_options": {"search_context_size": "low"}}
    served = serve(one(openai(first, "gpt-4.1")))
    assert is_fine("openai-chat", stream, ask(served, "openai-chat", stream, **search))
    assert dialect_of(first) == "openai-responses"
    tool = {"type": "web_search", "search_context_size": "low"}
    assert json.loads(first.requests[-1].body)["tools"] == [tool]
    assert is_fine("openai-chat", stream, ask(served, "openai-chat", stream))
    assert dialect_of(first) == "openai-chat"
    served = serve(one(openai(first, "gpt-4o-search-preview")))
    assert is_fine("openai-chat", stream, ask(served, "openai-chat", stream, **search))
    assert dialect_of(first) == "openai-chat"
    sent = json.loads(first.requests[-1].body)
    assert sent["web_search_options"] == search["web_search_options"]


def test_two_conditions_at_once(serve: Serve, first: FaultServer) -> None:
    """Responses takes the reasoning, messages the search, and only messages both."""
    first.script = polyglot
    known = {"reasoning_with_tools": "unasked", "server_tools": {"openai-responses": []}}
    known["server_tools"]["openai-chat"] = []  # type: ignore[index]
    served = serve(one(provider(first, "crm", models={"m": {"capabilities": known}})))
    think = asked("openai-chat", "tools, think")
    search: Json = {"web_search_options": {}}
    for said, upstream in (
        ({}, "openai-chat"),
        (think, "openai-responses"),
        (search, "anthropic-messages"),
        ({**think, **search}, "anthropic-messages"),
    ):
        assert is_fine("openai-chat", False, ask(served, "openai-chat", False, **said))
        assert dialect_of(first) == upstream
