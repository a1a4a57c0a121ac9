"""reference/traps.md, D: streaming, first part (T41 to T50).

``read`` is what a client's SDK makes of a stream, with what the SDKs demand of it asserted
(streaming.md §1, §3, §4, §6).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from msgspec import Struct

from tests.faults.server import FaultServer, Peer
from tests.gateway import conftest as gateways
from tests.gateway.conftest import Serve, two
from tests.traps.compiled import (
    CHAT,
    CLIENTS,
    CONVERSE,
    GEMINI,
    MESSAGES,
    PROVIDERS,
    REBUILT,
    RESPONSES,
    Json,
    answered,
    ask,
    attempt,
    block,
    call_item,
    chat_answer,
    chat_sse,
    converse_answer,
    converse_stream,
    delta,
    events,
    gemini_answer,
    message_answer,
    message_sse,
    piece,
    reasoning_item,
    relayed,
    response_answer,
    response_sse,
    sse,
    text_item,
    tools,
)

PAIRS = [(client, to) for client in CLIENTS for to in PROVIDERS]


class Seen(Struct):
    """A stream as its client keeps it; ``calls`` are (id, name, arguments)."""

    text: str = ""
    thinking: str = ""
    calls: list[tuple[str, str, Any]] = []
    order: list[str] = []
    finish: str | None = None
    error: Json | None = None


def read(client: str, data: bytes) -> Seen:
    found = events(data)
    reader = {
        CHAT: read_chat,
        RESPONSES: read_responses,
        MESSAGES: read_messages,
        GEMINI: read_gemini,
    }[client]
    return reader(found, data)


def read_chat(found: list[Json], data: bytes) -> Seen:
    seen = Seen()
    calls: dict[int, list[str]] = {}
    for event in found:
        if "error" in event:
            seen.error = event["error"]
            assert event is found[-1] and b"[DONE]" not in data
            break
        for choice in event["choices"]:
            if choice["index"] != 0:
                continue
            inner = choice["delta"]
            for name, kind in (("reasoning_content", "thinking"), ("content", "text")):
                if inner.get(name):
                    _say(seen, kind, inner[name])
            for part in inner.get("tool_calls", ()):
                index = part["index"]
                if index not in calls:
                    assert index == len(calls), "indexes are dense, from 0"
                    assert part["id"] and part["function"]["name"]
                    calls[index] = [part["id"], part["function"]["name"], ""]
                    seen.order.append("call")
                else:
                    # OpenAI's helper would concatenate them.
                    assert "id" not in part and "name" not in part["function"]
                calls[index][2] += part["function"].get("arguments") or ""
            if choice["finish_reason"] is not None:
                assert seen.finish is None
                seen.finish = choice["finish_reason"]
    seen.calls = [(one, name, json.loads(text)) for one, name, text in calls.values()]
    assert (seen.error is not None) ^ data.endswith(b"data: [DONE]\n\n")
    return seen


def read_responses(found: list[Json], data: bytes) -> Seen:
    seen = Seen()
    items: dict[int, Json] = {}
    texts: dict[int, str] = {}
    closed: set[int] = set()
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    for number, event in enumerate(found):
        kind, place = event["type"], event.get("output_index")
        assert (kind == "response.created") is (number == 0)
        if kind == "response.output_item.added":
            assert place not in items and len(items) == len(closed), "one item after the other"
            items[place] = event["item"]
            texts[place] = ""
            word = {"function_call": "call", "reasoning": "thinking", "message": "text"}
            seen.order.append(word[event["item"]["type"]])
        elif place is not None:
            assert place in items and place not in closed
            if kind.endswith(".delta"):
                texts[place] += event["delta"]
            if kind == "response.output_item.done":
                closed.add(place)
                assert event["item"]["id"] == items[place]["id"]
                items[place] = event["item"]
    last = found[-1]["response"]
    if found[-1]["type"] == "response.failed":
        seen.error = last["error"]
        assert seen.error and seen.error["code"] and seen.error["message"]
        return seen
    assert found[-1]["type"] in ("response.completed", "response.incomplete")
    assert last["output"] == [items[place] for place in sorted(items)], "nothing is missing"
    for place, item in sorted(items.items()):
        match item["type"]:
            case "message":
                seen.text += item["content"][0]["text"]
                assert item["content"][0]["text"] == texts[place]
            case "reasoning":
                seen.thinking += "".join(part["text"] for part in item["summary"])
            case "function_call":
                assert item["arguments"] == texts[place] or not texts[place]
                arguments = json.loads(item["arguments"])
                seen.calls.append((item["call_id"], item["name"], arguments))
    seen.finish = last["status"]
    return seen


def read_messages(found: list[Json], data: bytes) -> Seen:
    seen = Seen()
    kinds: list[str] = []
    texts: dict[int, str] = {}
    heads: dict[int, Json] = {}
    fitting = {
        "text_delta": ("text", "text"),
        "thinking_delta": ("thinking", "thinking"),
        "signature_delta": ("thinking", "signature"),
        "input_json_delta": ("tool_use", "partial_json"),
    }
    open_: int | None = None
    for event in found:
        match event["type"]:
            case "content_block_start":
                assert open_ is None and event["index"] == len(kinds), "one open block, dense"
                open_ = event["index"]
                kinds.append(event["content_block"]["type"])
                heads[open_], texts[open_] = event["content_block"], ""
                word = {"tool_use": "call", "thinking": "thinking", "text": "text"}
                seen.order.append(word[kinds[-1]])
            case "content_block_delta":
                kind, name = fitting[event["delta"]["type"]]
                assert event["index"] == open_ and kinds[open_] == kind, "the SDK would lose it"
                if name != "signature":
                    texts[open_] += event["delta"][name]
            case "content_block_stop":
                assert event["index"] == open_
                open_ = None
            case "message_delta":
                assert open_ is None and seen.finish is None
                seen.finish = event["delta"]["stop_reason"]
            case "error":
                assert event is found[-1]
                seen.error = event["error"]
    for index, kind in enumerate(kinds):
        if kind == "text":
            seen.text += texts[index]
        elif kind == "thinking":
            seen.thinking += texts[index]
        elif seen.error is None:
            arguments = json.loads(texts[index] or "{}")
            seen.calls.append((heads[index]["id"], heads[index]["name"], arguments))
    assert (seen.error is not None) ^ (found[-1]["type"] == "message_stop")
    return seen


def read_gemini(found: list[Json], data: bytes) -> Seen:
    seen = Seen()
    for event in found:
        if "error" in event:
            seen.error = event["error"]
            assert event is found[-1]
            return seen
        (candidate,) = event["candidates"]
        assert candidate["index"] == 0
        for part in candidate["content"]["parts"]:
            if "functionCall" in part:
                call = part["functionCall"]
                seen.calls.append((call["id"], call["name"], call.get("args", {})))
                seen.order.append("call")
            elif part.get("text"):
                _say(seen, "thinking" if part.get("thought") else "text", part["text"])
        seen.finish = candidate.get("finishReason") or seen.finish
    assert seen.finish is not None
    return seen


def _say(seen: Seen, kind: str, text: str) -> None:
    setattr(seen, kind, getattr(seen, kind) + text)
    if not seen.order or seen.order[-1] != kind:
        seen.order.append(kind)


def shown(client: str, to: str, raw: bytes, **more: Any) -> Seen:
    """What a client gets to read; of its own dialect through a step, so that it is rebuilt."""
    body = ask(client, stream=True, tools=tools(client, "f", "g"))
    own = REBUILT if client == to else {}
    return read(client, relayed(attempt(client, to, body, **{**own, **more}), raw))


FINISH = {CHAT: "tool_calls", RESPONSES: "completed", MESSAGES: "tool_use", GEMINI: "STOP"}
STOPPED = {CHAT: "stop", RESPONSES: "completed", MESSAGES: "end_turn", GEMINI: "STOP"}


# -- T41 to T45: calls ---------------------------------------------------------------------------


def function(place: int, call_id: str, name: str) -> list[Json]:
    """The announcement of a call in a Responses stream, and its first half."""
    item = {**call_item(call_id, name), "arguments": "", "status": "in_progress"}
    return [
        {"type": "response.output_item.added", "output_index": place, "item": item},
        arguments(place, call_id, '{"n"'),
    ]


def arguments(place: int, call_id: str, text: str) -> Json:
    kind = "response.function_call_arguments.delta"
    return {"type": kind, "output_index": place, "item_id": f"fc_{call_id}", "delta": text}


def function_done(place: int, call_id: str, name: str, text: str) -> Json:
    item = call_item(call_id, name, text)
    return {"type": "response.output_item.done", "output_index": place, "item": item}


def spoken(place: int, text: str) -> list[Json]:
    item = text_item(text)
    where = {"output_index": place, "item_id": "msg_1", "content_index": 0}
    return [
        {
            "type": "response.output_item.added",
            "output_index": place,
            "item": {**item, "content": []},
        },
        {"type": "response.output_text.delta", **where, "delta": text},
        {"type": "response.output_item.done", "output_index": place, "item": item},
    ]


def converse(index: int, inner: Json) -> tuple[str, Json]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": inner}


def tool_use(index: int, call_id: str, name: str) -> tuple[str, Json]:
    start = {"toolUse": {"toolUseId": call_id, "name": name}}
    return "contentBlockStart", {"contentBlockIndex": index, "start": start}


def open_tool(index: int, call_id: str, name: str) -> Json:
    part = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
    return {"type": "content_block_start", "index": index, "content_block": part}


def part_of(index: int, kind: str, **inner: str) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **inner}}


def stop_of(index: int) -> Json:
    return {"type": "content_block_stop", "index": index}


DONE_CALLS = [call_item("c0", "f", '{"n":1}'), call_item("c1", "g", '{"n":2}'), text_item("late")]
INTERLEAVED: dict[str, bytes] = {
    CHAT: chat_sse(
        delta(tool_calls=[piece(0, '{"n"', id="c0", name="f")]),
        delta(tool_calls=[piece(1, '{"n"', id="c1", name="g")]),
        delta(tool_calls=[piece(0, ":1}")]),
        delta(content="late"),
        delta(tool_calls=[piece(1, ":2}")]),
        delta("tool_calls"),
    ),
    RESPONSES: response_sse(
        *function(0, "c0", "f"),
        *function(1, "c1", "g"),
        arguments(0, "c0", ":1}"),
        *spoken(2, "late"),
        arguments(1, "c1", ":2}"),
        function_done(0, "c0", "f", '{"n":1}'),
        function_done(1, "c1", "g", '{"n":2}'),
        end=response_answer(*DONE_CALLS),
    ),
    MESSAGES: message_sse(
        open_tool(0, "c0", "f"),
        part_of(0, "input_json_delta", partial_json='{"n"'),
        open_tool(1, "c1", "g"),
        part_of(1, "input_json_delta", partial_json='{"n"'),
        part_of(0, "input_json_delta", partial_json=":1}"),
        # SGLang writes text into the open block of a call.
        part_of(1, "text_delta", text="late"),
        part_of(1, "input_json_delta", partial_json=":2}"),
        stop_of(0),
        stop_of(1),
        stop="tool_use",
    ),
    CONVERSE: converse_stream(
        tool_use(0, "c0", "f"),
        converse(0, {"toolUse": {"input": '{"n"'}}),
        tool_use(1, "c1", "g"),
        converse(1, {"toolUse": {"input": '{"n"'}}),
        converse(0, {"toolUse": {"input": ":1}"}}),
        converse(2, {"text": "late"}),
        converse(1, {"toolUse": {"input": ":2}"}}),
        *(("contentBlockStop", {"contentBlockIndex": index}) for index in range(3)),
        stop="tool_use",
    ),
}
TWO = [("c0", "f", {"n": 1}), ("c1", "g", {"n": 2})]


@pytest.mark.parametrize("to", INTERLEAVED)
@pytest.mark.parametrize("client", CLIENTS)
def test_T41_what_comes_interleaved_is_one_block_after_the_other(client: str, to: str) -> None:
    seen = shown(client, to, INTERLEAVED[to])
    assert seen.calls == TWO
    assert seen.text == "late"
    assert seen.finish == FINISH[client]


def text_part(index: int, text: str) -> list[Json]:
    return block(index, {"type": "text", "text": ""}, {"type": "text_delta", "text": text})


def tool_part(index: int, call_id: str, name: str, text: str) -> list[Json]:
    inner = part_of(index, "input_json_delta", partial_json=text)
    return [open_tool(index, call_id, name), inner, stop_of(index)]


BEHIND_TEXT: dict[str, bytes] = {
    CHAT: chat_sse(
        delta(content="so"),
        # Two calls in one chunk, the second with two entries of its own.
        delta(
            tool_calls=[
                piece(0, '{"n":1}', id="c0", name="f"),
                piece(1, '{"n"', id="c1", name="g"),
                piece(1, ":2}"),
            ]
        ),
        delta("tool_calls"),
    ),
    RESPONSES: response_sse(
        *spoken(0, "so"),
        *function(2, "c0", "f"),
        arguments(2, "c0", ":1}"),
        function_done(2, "c0", "f", '{"n":1}'),
        *function(5, "c1", "g"),
        arguments(5, "c1", ":2}"),
        function_done(5, "c1", "g", '{"n":2}'),
        end=response_answer(text_item("so"), *DONE_CALLS[:2]),
    ),
    MESSAGES: message_sse(
        *text_part(0, "so"),
        *tool_part(1, "c0", "f", '{"n":1}'),
        *tool_part(2, "c1", "g", '{"n":2}'),
        stop="tool_use",
    ),
    GEMINI: sse(
        gemini_answer({"text": "so"}, finish=None),
        gemini_answer(
            {"functionCall": {"id": "c0", "name": "f", "args": {"n": 1}}},
            {"functionCall": {"id": "c1", "name": "g", "args": {"n": 2}}},
        ),
    ),
    CONVERSE: converse_stream(
        converse(0, {"text": "so"}),
        tool_use(1, "c0", "f"),
        converse(1, {"toolUse": {"input": '{"n":1}'}}),
        tool_use(2, "c1", "g"),
        converse(2, {"toolUse": {"input": '{"n":2}'}}),
        stop="tool_use",
    ),
}


@pytest.mark.parametrize(("client", "to"), PAIRS)
def test_T42_calls_are_counted_by_themselves(client: str, to: str) -> None:
    """Not by block or item; two calls of one chunk are two."""
    seen = shown(client, to, BEHIND_TEXT[to])
    assert (seen.text, seen.calls) == ("so", TWO)
    assert seen.order == ["text", "call", "call"]


def test_T42_every_choice_counts_its_own() -> None:
    made = attempt(CHAT, CHAT, ask(CHAT, stream=True, n=2, tools=tools(CHAT)), **REBUILT)
    raw = chat_sse(
        delta(choice=0, tool_calls=[piece(0, "{}", id="a", name="f")]),
        delta(choice=1, tool_calls=[piece(0, "{}", id="b", name="f")]),
        delta(choice=1, tool_calls=[piece(1, "{}", id="c", name="f")]),
        delta("tool_calls", choice=0),
        delta("tool_calls", choice=1),
    )
    opened = [
        (choice["index"], part["index"], part["id"])
        for event in events(relayed(made, raw))
        for choice in event["choices"]
        for part in choice["delta"].get("tool_calls", ())
        if "id" in part
    ]
    assert opened == [(0, 0, "a"), (1, 0, "b"), (1, 1, "c")]


REPEATED: dict[str, list[list[Json]]] = {
    "id and name on every fragment": [
        [piece(0, '{"n"', id="c0", name="f")],
        [piece(0, ":1}", id="c0", name="f")],
        [piece(1, '{"n"', id="c1", name="g")],
        [piece(1, ":2}", id="c1", name="g")],
    ],
    "a new id on every fragment": [
        [piece(0, '{"n"', id="c0", name="f")],
        [piece(0, ":1}", id="x9")],
        [piece(1, '{"n"', id="c1", name="g")],
        [piece(1, ":2}", id="y9")],
    ],
    "empty ones on the later fragments": [
        [piece(0, '{"n"', id="c0", name="f")],
        [piece(0, ":1}", id="", name="")],
        [piece(1, '{"n"', id="c1", name="g")],
        [piece(1, ":2}", id="", name="")],
    ],
}


@pytest.mark.parametrize("how", REPEATED)
@pytest.mark.parametrize("client", CLIENTS)
def test_T43_id_and_name_come_once(client: str, how: str) -> None:
    chunks = [delta(tool_calls=pieces) for pieces in REPEATED[how]]
    seen = shown(client, CHAT, chat_sse(*chunks, delta("tool_calls")))
    assert seen.calls == TWO


ODD_INDEXES: dict[str, tuple[str, bytes]] = {
    "chat, from 1": (
        CHAT,
        chat_sse(
            delta(tool_calls=[piece(1, '{"n":1}', id="c0", name="f")]),
            delta(tool_calls=[piece(7, '{"n":2}', id="c1", name="g")]),
            delta("tool_calls"),
        ),
    ),
    "chat, without": (
        CHAT,
        chat_sse(
            delta(tool_calls=[piece(None, '{"n":1}', id="c0", name="f")]),
            delta(tool_calls=[piece(None, '{"n":2}', id="c1", name="g")]),
            delta("tool_calls"),
        ),
    ),
    "chat, always 0": (
        CHAT,
        chat_sse(
            delta(tool_calls=[piece(0, '{"n":1}', id="c0", name="f")]),
            delta(tool_calls=[piece(0, '{"n":2}', id="c1", name="g")]),
            delta("tool_calls"),
        ),
    ),
    "messages, from 1": (
        MESSAGES,
        message_sse(
            *tool_part(1, "c0", "f", '{"n":1}'),
            *tool_part(4, "c1", "g", '{"n":2}'),
            stop="tool_use",
        ),
    ),
    "messages, always 0": (
        MESSAGES,
        message_sse(
            *tool_part(0, "c0", "f", '{"n":1}'),
            *tool_part(0, "c1", "g", '{"n":2}'),
            stop="tool_use",
        ),
    ),
}


@pytest.mark.parametrize("which", ODD_INDEXES)
@pytest.mark.parametrize("client", CLIENTS)
def test_T44_indexes_begin_at_0_and_have_no_gaps(client: str, which: str) -> None:
    to, raw = ODD_INDEXES[which]
    assert shown(client, to, raw).calls == TWO


ONE_CALL: dict[str, tuple[Json, bytes]] = {
    CHAT: (
        chat_answer(
            {
                "content": None,
                "tool_calls": [
                    {
                        "id": "c0",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"n":1}'},
                    }
                ],
            },
            "stop",
        ),
        chat_sse(delta(tool_calls=[piece(0, '{"n":1}', id="c0", name="f")]), delta("stop")),
    ),
    MESSAGES: (
        message_answer({"type": "tool_use", "id": "c0", "name": "f", "input": {"n": 1}}),
        message_sse(*tool_part(0, "c0", "f", '{"n":1}')),
    ),
    GEMINI: (
        gemini_answer({"functionCall": {"id": "c0", "name": "f", "args": {"n": 1}}}),
        sse(gemini_answer({"functionCall": {"id": "c0", "name": "f", "args": {"n": 1}}})),
    ),
    CONVERSE: (
        converse_answer({"toolUse": {"toolUseId": "c0", "name": "f", "input": {"n": 1}}}),
        converse_stream(tool_use(0, "c0", "f"), converse(0, {"toolUse": {"input": '{"n":1}'}})),
    ),
}


def finish_of(client: str, body: Json) -> Any:
    match client:
        case "openai-chat":
            return body["choices"][0]["finish_reason"]
        case "openai-responses":
            return body["status"]
        case "anthropic-messages":
            return body["stop_reason"]
        case _:
            return body["candidates"][0]["finishReason"]


@pytest.mark.parametrize("to", ONE_CALL)
@pytest.mark.parametrize("client", CLIENTS)
def test_T45_a_finish_is_what_was_sent(client: str, to: str) -> None:
    """Calls that end with ``stop`` are calls; ``tool_calls`` without one is none."""
    body, raw = ONE_CALL[to]
    seen = shown(client, to, raw)
    assert (seen.calls, seen.finish) == ([TWO[0]], FINISH[client])
    more = REBUILT if client == to else {}
    asked = ask(client, tools=tools(client))
    assert finish_of(client, answered(attempt(client, to, asked, **more), body)) == FINISH[client]
    if to == CHAT:
        none = shown(client, to, chat_sse(delta(content="so"), delta("tool_calls")))
        assert (none.calls, none.finish) == ([], STOPPED[client])


# -- T46 to T50: ends ----------------------------------------------------------------------------


def error_chunk(**members: Any) -> Json:
    return {"id": "c_1", "object": "chat.completion.chunk", **members}


BROKE = {"code": 502, "message": "it broke"}
IN_STREAM: dict[str, tuple[str, list[bytes], bytes]] = {
    # How a provider says in a stream that it failed; content before it; the error.
    "chat": (CHAT, [sse(delta(content="so"))], sse({"error": {**BROKE, "type": "server_error"}})),
    "openrouter": (
        CHAT,
        [sse(delta(content="so"))],
        sse({**delta("error", content=""), "error": BROKE}),
    ),
    "groq": (CHAT, [sse(delta(content="so"))], sse(error_chunk(x_groq={"error": "it broke"}))),
    "cerebras": (
        CHAT,
        [sse(delta(content="so"))],
        sse({"error": {"message": "it broke"}, "status_code": 500}),
    ),
    "responses, failed": (
        RESPONSES,
        [response_sse(*spoken(0, "so")[:2])],
        sse(
            {
                "type": "response.failed",
                "response": response_answer(
                    status="failed", error={"code": "server_error", "message": "it broke"}
                ),
            },
            named=True,
        ),
    ),
    "responses, error": (
        RESPONSES,
        [response_sse(*spoken(0, "so")[:2])],
        sse({"type": "error", "code": "server_error", "message": "it broke"}, named=True),
    ),
    "messages": (
        MESSAGES,
        [message_sse(*text_part(0, "so")[:2], stop=None)],
        sse({"type": "error", "error": {"type": "api_error", "message": "it broke"}}, named=True),
    ),
    "gemini": (
        GEMINI,
        [sse(gemini_answer({"text": "so"}, finish=None))],
        sse({"error": {"code": 500, "message": "it broke", "status": "INTERNAL"}}),
    ),
}
BEGUN = {
    CHAT: b"",
    RESPONSES: response_sse(),
    MESSAGES: message_sse(stop=None),
    GEMINI: b"",
}


@pytest.mark.parametrize("how", IN_STREAM)
@pytest.mark.parametrize("client", CLIENTS)
def test_T46_an_error_in_a_stream_is_an_error(client: str, how: str) -> None:
    """After content in the client's own form; before it none of it is shown."""
    to, content, error = IN_STREAM[how]
    seen = shown(client, to, b"".join([*content, error]))
    assert seen.error is not None
    assert "it broke" in seen.error["message"]
    assert seen.finish is None
    assert seen.text in ("so", "")
    made = attempt(client, to, ask(client, stream=True), **(REBUILT if client == to else {}))
    early = made.stream()
    early.feed(BEGUN[to] + error)
    assert early.failure is not None and not early.committed


PATHS = {
    CHAT: "/v1/chat/completions",
    RESPONSES: "/v1/responses",
    MESSAGES: "/v1/messages",
    GEMINI: "/v1beta/models/one:streamGenerateContent?alt=sse",
}


@pytest.mark.parametrize("how", IN_STREAM)
@pytest.mark.parametrize("client", CLIENTS)
def test_T46_before_content_it_is_a_status(
    serve: Serve, first: FaultServer, second: FaultServer, client: str, how: str
) -> None:
    to, _, error = IN_STREAM[how]

    async def script(peer: Peer) -> None:
        await peer.stream(BEGUN[to] + error)

    first.script = script
    served = serve(two(gateways.provider(first, to), gateways.provider(second)))
    body = {**ask(client, stream=True), "model": "one"}
    if client == GEMINI:
        body = ask(client)
    answer = served.ask(PATHS[client], body)
    assert answer.status >= 500
    assert "it broke" in answer.error["message"]


WHOLE: dict[str, list[bytes]] = {
    to: [piece + b"\n\n" for piece in raw.split(b"\n\n")[:-1]]
    for to, raw in {
        CHAT: chat_sse(delta(content="so"), delta(content="on"), delta("stop")),
        RESPONSES: response_sse(*spoken(0, "so"), end=response_answer(text_item("so"))),
        MESSAGES: message_sse(*text_part(0, "so")),
        GEMINI: sse(gemini_answer({"text": "so"}, finish=None), gemini_answer({"text": "on"})),
    }.items()
}
CUT_CONVERSE = converse_stream(converse(0, {"text": "so"}), converse(0, {"text": "on"}))


def cuts(to: str) -> Iterable[bytes]:
    """A stream, cut after each event that is not the last one that matters."""
    if to == CONVERSE:
        # Two messages: the start and a text.
        size = int.from_bytes(CUT_CONVERSE[:4], "big")
        yield CUT_CONVERSE[: size + int.from_bytes(CUT_CONVERSE[size : size + 4], "big")]
        return
    # Chat is whole with its finish reason, also without [DONE].
    end = -2 if to == CHAT else -1
    for count in range(2 if to in (RESPONSES, MESSAGES) else 1, len(WHOLE[to][:end]) + 1):
        yield b"".join(WHOLE[to][:count])


@pytest.mark.parametrize(("client", "to"), PAIRS)
def test_T47_a_stream_that_is_cut_is_no_success(client: str, to: str) -> None:
    for raw in cuts(to):
        for more in ({}, REBUILT) if client == to else ({},):
            made = attempt(client, to, ask(client, stream=True), **more)
            relay = made.stream()
            out = relay.feed(raw) + relay.close()
            assert relay.failure is not None and not relay.finished, raw
            if relay.committed:
                found = read(client, out) if more or client != to else None
                assert found is None or (found.error is not None and found.finish is None)
                assert b"before it was complete" in out


@pytest.mark.parametrize("ending", [b"", b"data: [DONE]\n\n"])
@pytest.mark.parametrize("client", CLIENTS)
def test_T48_a_terminal_event_is_an_end(client: str, ending: bytes) -> None:
    """Of Responses; ``[DONE]`` says nothing there, and only chat has it at all."""
    raw = b"".join(WHOLE[RESPONSES]) + ending
    seen = shown(client, RESPONSES, raw)
    assert (seen.text, seen.error, seen.finish) == ("so", None, STOPPED[client])
    relay = attempt(RESPONSES, RESPONSES, ask(RESPONSES, stream=True)).stream()
    assert relay.feed(raw) + relay.close() == raw
    assert relay.finished and relay.failure is None
    # A chat stream is whole with its finish reason.
    seen = shown(client, CHAT, b"".join(WHOLE[CHAT][:-1]))
    assert (seen.text, seen.error, seen.finish) == ("soon", None, STOPPED[client])


@pytest.mark.parametrize("client", CLIENTS)
def test_T49_an_empty_output_at_the_end_takes_nothing_back(client: str) -> None:
    thought = reasoning_item("why")
    where = {"output_index": 0, "item_id": "rs_1", "summary_index": 0}
    raw = response_sse(
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**thought, "summary": []},
        },
        {"type": "response.reasoning_summary_text.delta", **where, "delta": "why"},
        {"type": "response.output_item.done", "output_index": 0, "item": thought},
        *spoken(1, "so"),
        *function(2, "c0", "f"),
        arguments(2, "c0", ":1}"),
        function_done(2, "c0", "f", '{"n":1}'),
        end=response_answer(),
    )
    seen = shown(client, RESPONSES, raw)
    assert (seen.thinking, seen.text, seen.calls) == ("why", "so", TWO[:1])
    assert seen.finish == FINISH[client]
    # The other way round: what only stands there is not lost either.
    late = response_sse(end=response_answer(text_item("so"), call_item("c0", "f", '{"n":1}')))
    seen = shown(client, RESPONSES, late)
    assert (seen.text, seen.calls) == ("so", TWO[:1])


@pytest.mark.parametrize("to", PROVIDERS)
def test_T49_what_we_end_with_holds_everything(to: str) -> None:
    """``read`` compares the last event's output with the items."""
    assert shown(RESPONSES, to, BEHIND_TEXT[to]).calls == TWO


SAID_ELSEWHERE: list[tuple[Json, str, str]] = [
    ({}, "upstream_error", "failed, and not why"),
    (
        {"error": {"code": "rate_limit_exceeded", "message": "slow down"}},
        "rate_limit_exceeded",
        "slow",
    ),
    ({"code": "rate_limit_exceeded", "message": "slow down"}, "rate_limit_exceeded", "slow down"),
]


@pytest.mark.parametrize(("elsewhere", "code", "message"), SAID_ELSEWHERE)
@pytest.mark.parametrize("rebuilt", [False, True])
def test_T50_a_failed_response_says_why(
    rebuilt: bool, elsewhere: Json, code: str, message: str
) -> None:
    """In ``response.error``, where Codex looks, also when the provider says it elsewhere."""
    failed = {"type": "response.failed", "response": response_answer(status="failed"), **elsewhere}
    raw = response_sse(*spoken(0, "so")[:2], failed)
    more = REBUILT if rebuilt else {}
    seen = read(
        RESPONSES, relayed(attempt(RESPONSES, RESPONSES, ask(RESPONSES, stream=True), **more), raw)
    )
    assert seen.error is not None
    assert seen.error["code"] == code
    assert message in seen.error["message"]


@pytest.mark.parametrize("how", [how for how, (to, _, _) in IN_STREAM.items() if to != RESPONSES])
def test_T50_and_so_do_ours(how: str) -> None:
    to, content, error = IN_STREAM[how]
    seen = shown(RESPONSES, to, b"".join([*content, error]))
    assert seen.error is not None and seen.error["message"] and seen.error["code"]
