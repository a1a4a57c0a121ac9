"""reference/traps.md, C: usage and cost (T34 to T40)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.faults.server import FaultServer, Peer
from tests.gateway import conftest as gateways
from tests.gateway import wire
from tests.gateway.conftest import Serve, two
from tests.gateway.harness import read_until
from tests.traps.compiled import (
    CHAT,
    CLIENTS,
    CONVERSE,
    GEMINI,
    MESSAGES,
    REBUILT,
    RESPONSES,
    Json,
    answered,
    ask,
    attempt,
    block,
    chat_answer,
    chat_sse,
    converse_answer,
    converse_stream,
    delta,
    gemini_answer,
    message_answer,
    message_sse,
    relayed,
    response_answer,
    response_sse,
    sent,
    sse,
    stream,
    text_item,
)

Counts = tuple[int, int, int | None, int | None, int | None]
"""Prompt (caches included), completion (reasoning included), read, written, reasoning."""


def counted(client: str, usage: Json) -> Counts:
    """What a client's usage object says, in the words of the canonical form."""
    match client:
        case "openai-chat":
            inner = usage.get("prompt_tokens_details", {})
            outer = usage.get("completion_tokens_details", {})
            assert usage["total_tokens"] >= usage["prompt_tokens"] + usage["completion_tokens"]
            return (
                usage["prompt_tokens"],
                usage["completion_tokens"],
                inner.get("cached_tokens"),
                inner.get("cache_write_tokens"),
                outer.get("reasoning_tokens"),
            )
        case "openai-responses":
            inner, outer = usage["input_tokens_details"], usage["output_tokens_details"]
            assert usage["total_tokens"] >= usage["input_tokens"] + usage["output_tokens"]
            return (
                usage["input_tokens"],
                usage["output_tokens"],
                inner["cached_tokens"] or None,
                inner.get("cache_write_tokens") or None,
                outer["reasoning_tokens"] or None,
            )
        case "anthropic-messages":
            read, written = (
                usage.get(f"cache_{name}_input_tokens") or 0 for name in ("read", "creation")
            )
            inner = usage.get("output_tokens_details") or {}
            return (
                usage["input_tokens"] + read + written,
                usage["output_tokens"],
                read or None,
                written or None,
                inner.get("thinking_tokens"),
            )
        case _:
            thoughts = usage.get("thoughtsTokenCount")
            return (
                usage["promptTokenCount"],
                usage["candidatesTokenCount"] + (thoughts or 0),
                usage.get("cachedContentTokenCount"),
                None,
                thoughts,
            )


def usage_of(client: str, body: Json) -> Json:
    found: Json = body["usageMetadata" if client == GEMINI else "usage"]
    return found


def streamed_usage(client: str, events: list[Json]) -> Json:
    """The usage a client ends a stream with."""
    match client:
        case "openai-responses":
            return usage_of(client, events[-1]["response"])
        case "anthropic-messages":
            (start,) = (e["message"]["usage"] for e in events if e["type"] == "message_start")
            (end,) = (e["usage"] for e in events if e["type"] == "message_delta")
            return {**start, **end}
        case _:
            name = "usageMetadata" if client == GEMINI else "usage"
            return next(event[name] for event in reversed(events) if event.get(name))


def asking(client: str) -> Json:
    """A request for a stream whose usage the client wants to see."""
    more = {"stream_options": {"include_usage": True}} if client == CHAT else {}
    return ask(client, stream=True, **more)


def both(client: str, to: str, body: Json, raw: bytes, **more: Any) -> Counts:
    """The counts of an answer, the same as JSON and as a stream."""
    whole = counted(
        client, usage_of(client, answered(attempt(client, to, ask(client), **more), body))
    )
    events = stream(attempt(client, to, asking(client), **more), raw)
    assert counted(client, streamed_usage(client, events)) == whole
    return whole


def without_write(client: str, counts: Counts) -> Counts:
    """Gemini's clients have no word for what was written into a cache."""
    prompt, completion, read, written, reasoning = counts
    return prompt, completion, read, None if client == GEMINI else written, reasoning


def converse_text(text: str) -> tuple[str, Json]:
    return "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}}


CONVERSE_USAGE = {
    "inputTokens": 10,
    "outputTokens": 5,
    "totalTokens": 45,
    "cacheReadInputTokens": 20,
    "cacheWriteInputTokens": 10,
}


@pytest.mark.parametrize("client", CLIENTS)
def test_T34_bedrock_s_input_excludes_the_caches(client: str) -> None:
    body = converse_answer({"text": "so"}, usage=CONVERSE_USAGE)
    raw = converse_stream(converse_text("so"), **CONVERSE_USAGE)
    found = both(client, CONVERSE, body, raw)
    assert found == without_write(client, (40, 5, 20, 10, None))


ANTHROPIC_USAGE = {
    "input_tokens": 10,
    "cache_read_input_tokens": 20,
    "cache_creation_input_tokens": 10,
    "output_tokens": 5,
}


def text_block(text: str = "so", index: int = 0) -> list[Json]:
    inner = {"type": "text_delta", "text": text}
    return block(index, {"type": "text", "text": ""}, inner)


@pytest.mark.parametrize("client", [CHAT, RESPONSES, GEMINI])
def test_T35_a_prompt_counts_its_caches(client: str) -> None:
    body = message_answer({"type": "text", "text": "so"}, usage=ANTHROPIC_USAGE)
    raw = message_sse(*text_block(), usage=ANTHROPIC_USAGE)
    found = both(client, MESSAGES, body, raw)
    assert found == without_write(client, (40, 5, 20, 10, None))


OPENAI_USAGE = {
    "prompt_tokens": 40,
    "completion_tokens": 5,
    "total_tokens": 45,
    "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 10},
}
RESPONSES_USAGE = {
    "input_tokens": 40,
    "output_tokens": 5,
    "total_tokens": 45,
    "input_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 10},
    "output_tokens_details": {"reasoning_tokens": 0},
}


def test_T35_and_they_are_taken_off_once() -> None:
    """The reverse: Anthropic's clients add the three numbers up again."""
    chat = chat_answer({"content": "so"}, usage=OPENAI_USAGE)
    chat_raw = chat_sse(delta(content="so"), delta("stop"), usage_chunk(OPENAI_USAGE))
    done = response_answer(text_item(), usage=RESPONSES_USAGE)
    for to, body, raw in (
        (CHAT, chat, chat_raw),
        (RESPONSES, done, response_sse(end=done)),
    ):
        whole = answered(attempt(MESSAGES, to, ask(MESSAGES)), body)["usage"]
        assert {name: whole[name] for name in ANTHROPIC_USAGE} == ANTHROPIC_USAGE
        assert both(MESSAGES, to, body, raw)[:4] == (40, 5, 20, 10)


def usage_chunk(usage: Json) -> Json:
    return {"id": "c_1", "model": "m", "choices": [], "usage": usage}


def snapshots(start: Json, *ends: Json) -> bytes:
    """A Messages stream with this usage at its start, and these afterwards."""
    message = message_answer()
    begin = {**message, "stop_reason": None, "usage": start}
    deltas = [
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn" if end is ends[-1] else None},
            "usage": end,
        }
        for end in ends
    ]
    head = {"type": "message_start", "message": begin}
    return sse(head, *text_block(), *deltas, {"type": "message_stop"}, named=True)


SNAPSHOTS = [
    # the end overwrites what it says, and keeps what it does not
    (
        {"input_tokens": 10, "cache_read_input_tokens": 4, "output_tokens": 1},
        [{"output_tokens": 7}],
        (14, 7, 4),
    ),
    # zeros at the start are no more than a place to put the numbers
    (
        {"input_tokens": 0, "output_tokens": 0},
        [{"input_tokens": 10, "output_tokens": 7}],
        (10, 7, None),
    ),
    # null says nothing
    (
        {"input_tokens": 10, "cache_read_input_tokens": 4, "output_tokens": 1},
        [{"input_tokens": None, "cache_read_input_tokens": None, "output_tokens": 7}],
        (14, 7, 4),
    ),
    # more than one: each a snapshot
    (
        {"input_tokens": 10, "output_tokens": 1},
        [{"output_tokens": 3}, {"output_tokens": 7}],
        (10, 7, None),
    ),
]


@pytest.mark.parametrize(("start", "ends", "counts"), SNAPSHOTS)
@pytest.mark.parametrize("client", CLIENTS)
def test_T36_snapshots_overwrite_each_other(
    client: str, start: Json, ends: list[Json], counts: tuple[int, int, int | None]
) -> None:
    more = REBUILT if client == MESSAGES else {}
    made = attempt(client, MESSAGES, asking(client), **more)
    found = counted(client, streamed_usage(client, stream(made, snapshots(start, *ends))))
    assert found[:3] == counts
    # The gateway's own account, passed through as well.
    for own in (made, attempt(client, MESSAGES, asking(client))):
        relay = own.stream()
        relay.feed(snapshots(start, *ends))
        relay.close()
        assert relay.usage is not None
        assert (relay.usage.prompt_tokens, relay.usage.completion_tokens) == counts[:2]


GEMINI_USAGE = {
    "promptTokenCount": 40,
    "cachedContentTokenCount": 20,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 7,
    "totalTokenCount": 52,
}


@pytest.mark.parametrize("client", CLIENTS)
def test_T37_gemini_s_thoughts_count_and_its_cache_is_inside(client: str) -> None:
    """In a stream the last event may lack what an earlier one had: the most that was seen."""
    body = gemini_answer({"text": "so"}, usageMetadata=GEMINI_USAGE)
    less = {"promptTokenCount": 40, "candidatesTokenCount": 5, "totalTokenCount": 45}
    raw = sse(
        gemini_answer({"text": "s"}, finish=None, usageMetadata=GEMINI_USAGE),
        gemini_answer({"text": "o"}, usageMetadata=less),
    )
    more = REBUILT if client == GEMINI else {}
    assert both(client, GEMINI, body, raw, **more) == (40, 12, 20, None, 7)


@pytest.mark.parametrize("client", [RESPONSES, MESSAGES, GEMINI])
def test_T38_reasoning_is_part_of_the_completion(client: str) -> None:
    """xAI leaves it out, which its total shows; a total that fits is not touched."""
    details = {"completion_tokens_details": {"reasoning_tokens": 7}}
    for completion, total in ((5, 22), (12, 22)):
        usage = {"prompt_tokens": 10, "completion_tokens": completion, "total_tokens": total}
        usage |= details
        body = chat_answer({"content": "so"}, usage=usage)
        raw = chat_sse(delta(content="so"), delta("stop"), usage_chunk(usage))
        found = both(client, CHAT, body, raw, profile="xai")
        assert found[:2] == (10, 12)
        assert found[4] in (7, None if client == MESSAGES else 7)


def in_choice(usage: Json) -> list[Json]:
    end = delta("stop")
    end["choices"][0]["usage"] = usage
    return [end]


PLACES: dict[str, tuple[str, Any]] = {
    "top level, last chunk": (CHAT, lambda u: [delta("stop"), usage_chunk(u)]),
    "top level, with the finish": (CHAT, lambda u: [{**delta("stop"), "usage": u}]),
    "every chunk": (CHAT, lambda u: [{**delta("stop"), "usage": u}, usage_chunk(u)]),
    "choices[0].usage": (CHAT, in_choice),
    "x_groq.usage": (CHAT, lambda u: [{**delta("stop"), "x_groq": {"id": "r", "usage": u}}]),
}
PLAIN = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("client", CLIENTS)
def test_T39_usage_is_found_wherever_it_stands(client: str, place: str) -> None:
    to, end = PLACES[place]
    raw = chat_sse(delta(content="so"), *end(PLAIN))
    more = REBUILT if client == CHAT else {}
    made = attempt(client, to, asking(client), **more)
    assert counted(client, streamed_usage(client, stream(made, raw)))[:2] == (10, 5)
    if client == CHAT:
        relay = attempt(CHAT, CHAT, asking(CHAT)).stream()
        assert relay.feed(raw) + relay.close()
        assert relay.usage is not None
        assert (relay.usage.prompt_tokens, relay.usage.completion_tokens) == (10, 5)


@pytest.mark.parametrize("client", CLIENTS)
def test_T39_usage_is_found_at_the_very_end(client: str) -> None:
    """Of Responses in the terminal event alone, of Converse behind ``messageStop``."""
    usage = {**RESPONSES_USAGE, "input_tokens": 10, "total_tokens": 15}
    usage["input_tokens_details"] = {"cached_tokens": 0}
    done = response_answer(text_item(), usage=usage)
    more = REBUILT if client == RESPONSES else {}
    made = attempt(client, RESPONSES, asking(client), **more)
    assert counted(client, streamed_usage(client, stream(made, response_sse(end=done))))[:2] == (
        10,
        5,
    )
    counts = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
    raw = converse_stream(converse_text("so"), **counts)
    made = attempt(client, CONVERSE, asking(client))
    assert counted(client, streamed_usage(client, stream(made, raw)))[:2] == (10, 5)


@pytest.mark.parametrize("wanted", [None, False, True])
def test_T40_usage_is_asked_for_and_hidden_again(wanted: bool | None) -> None:
    """Pass-through: the client sees the stream as it would have come without our asking."""
    options: Json = {} if wanted is None else {"stream_options": {"include_usage": wanted}}
    made = attempt(CHAT, CHAT, ask(CHAT, stream=True, **options))
    assert sent(made)["stream_options"]["include_usage"] is True
    plain = [delta(content="so"), delta("stop")]
    raw = chat_sse(*plain, usage_chunk(PLAIN))
    out = relayed(made, raw)
    assert out == (raw if wanted else chat_sse(*plain))
    relay = made.stream()
    relay.feed(raw)
    assert relay.usage is not None and relay.usage.prompt_tokens == 10
    # A vendor that cannot be asked is not.
    other = attempt(CHAT, CHAT, ask(CHAT, stream=True), profile="mistral")
    assert "stream_options" not in sent(other)
    for client in (RESPONSES, MESSAGES, GEMINI):
        asked = sent(attempt(client, CHAT, ask(client, stream=True)))
        assert asked["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("dialect", [CHAT, MESSAGES])
def test_T40_usage_of_a_client_that_leaves_is_counted(
    serve: Serve, first: FaultServer, second: FaultServer, dialect: str
) -> None:
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head(200, "text/event-stream", transfer_encoding="chunked")
        if dialect == CHAT:
            usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
            await peer.chunk(wire.chat_chunk({"content": "begun"}, usage=usage))
        else:
            for piece in wire.message_stream("begun")[:4]:
                await peer.chunk(piece)
        await go.wait()

    first.script = script
    served = serve(two(gateways.provider(first, dialect), gateways.provider(second)))
    path = {CHAT: "/v1/chat/completions", MESSAGES: "/v1/messages"}[dialect]
    sock = served.open(path, model="one", stream=True)
    read_until(sock, b"b" if dialect == CHAT else b'"b"')
    sock.close()
    (line,) = served.sink.wait_requests(1)
    first.call(go.set)
    assert line["outcome"] == "client_closed"
    assert line["tokens_in"] == (9 if dialect == CHAT else 3)
    assert json.dumps(line["tokens_out"])
