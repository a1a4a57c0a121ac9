"""Traps T51 to T67: streams, one test a trap (``reference/traps.md`` D)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from plexus.gateway.limits import Limits
from tests.faults.server import Peer, Script
from tests.gateway.harness import read_until
from tests.traps.dialects import (
    CHAT,
    CLIENTS,
    CONVERSE,
    GEMINI,
    HI,
    MESSAGES,
    PAIRS,
    PROVIDERS,
    RESPONSES,
    Call,
    Json,
    Piece,
    Result,
    Text,
    Thought,
    answer,
    asking,
    attempt,
    blocks_of,
    chunk,
    data,
    events,
    join,
    named,
    pieces,
    relayed,
    shown,
    stream,
    stream_objects,
    told,
    translated,
    whole,
    written,
)
from tests.traps.serving import Served, begin, chunked, everything, hello, says, spoken

SSE_PROVIDERS = (CHAT, RESPONSES, MESSAGES, GEMINI)
OSLO = '{"city":"Oslo"}'
SAID: list[Piece] = [
    Thought("Let me see.", "c2ln"),
    Text("Two towns."),
    Call("call_1", "weather", OSLO),
    Call("call_2", "weather", '{"city":"Bergen"}'),
]
ASKED_TO = [(client, provider) for client in CLIENTS for provider in SSE_PROVIDERS]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with everything(tmp_path_factory.mktemp("served")) as found:
        yield found


@pytest.fixture(scope="module")
def beating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Signs of life after a twentieth of a second; silence of two tenths ends a stream."""
    limits, timeouts = Limits(keep_alive=0.05), {"timeouts": {"idle": 0.2}}
    with everything(tmp_path_factory.mktemp("beating"), timeouts, limits=limits) as found:
        yield found


def silent(go: asyncio.Event, *said: Piece) -> Script:
    """An upstream that thinks without a word until ``go``."""

    async def script(peer: Peer) -> None:
        await go.wait()
        await says(*said)(peer)

    return script


def beaten(beating: Served, client: str, provider: str) -> bytes:
    """A whole stream, whose client got two signs of life before the first event."""
    go = asyncio.Event()
    beating.server.script = silent(go, *SAID)
    body = hello(client, tools=["weather"])
    with beating.gateway.raw(beating.request(client, provider, body, stream=True)) as sock:
        early = read_until(sock, b"\r\n\r\n")
        while early.partition(b"\r\n\r\n")[2].count(b"\r\n") < 4:  # Two chunks have come.
            early += sock.recv(65536)
        beating.server.call(go.set)
        return chunked(early + read_until(sock, b"\r\n0\r\n\r\n"))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_T51_gemini_streams_have_only_data_lines(beating: Served, provider: str) -> None:
    """Google's SDK raises on comments, names, ``data:`` without a space and ``[DONE]``."""
    raw = beaten(beating, GEMINI, provider)
    assert raw.startswith(b"\n\n")
    assert {line[:7] for line in raw.decode().split("\n")} <= {"", "data: {"}
    assert events(GEMINI, raw.lstrip(b"\n")).text == "Two towns."
    if provider == GEMINI:  # Passed through: also what a proxy before the provider adds.
        sloppy = stream(GEMINI, *SAID).replace(b"data: ", b": hm\n\nevent: message\ndata:")
        assert sloppy.count(b": hm") > 3
        found = shown(GEMINI, GEMINI, sloppy + b"data: [DONE]\n\n")
        assert (found.text, found.finish) == ("Two towns.", "STOP")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_T52_messages_events_have_their_names(beating: Served, provider: str) -> None:
    """An event without its name is dropped by the SDK without a word; ``events`` holds them all."""
    raw = beaten(beating, MESSAGES, provider)
    found = events(MESSAGES, raw)
    kinds = [event["type"] for event in found.events]
    assert kinds[: kinds.index("message_start")] == ["ping"] * kinds.index("message_start")
    assert kinds.count("ping") >= 2
    assert found.arguments == [{"city": "Oslo"}, {"city": "Bergen"}]
    if provider == MESSAGES:
        nameless = data(*stream_objects(MESSAGES, *SAID))
        assert shown(MESSAGES, MESSAGES, nameless).text == "Two towns."


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("client", [CHAT, RESPONSES])
def test_T53_signs_of_life_for_openai_are_comments(
    beating: Served, client: str, provider: str
) -> None:
    """An event without data raises in the SDK, and ``{}`` is a chunk without choices."""
    raw = beaten(beating, client, provider)
    assert raw.startswith(b": keep-alive\n\n")
    assert events(client, raw).text == "Two towns."
    if client == provider:
        pinged = stream(client, *SAID).replace(b"\n\n", b"\n\nevent: ping\n\ndata:\n\n")
        out = relayed(attempt(client, client, hello(client), stream=True), pinged)
        assert all(
            block[0].startswith((":", "data: {", "event: r", "data: [")) for block in blocks_of(out)
        )
        assert events(client, out).text == "Two towns."


ODD = "one\u2028two\u2029three\u0085four\x0bfive\u001csix\u2028"


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_T54_only_carriage_returns_and_line_feeds_end_a_line(client: str, provider: str) -> None:
    """``str.splitlines`` cuts JSON at six more characters; none of them is escaped here."""
    said = [Text(ODD), Call("call_1", "f", json.dumps({"city": ODD}, ensure_ascii=False))]
    raw = stream(provider, *said)
    assert "\u2028".encode() in raw
    for end in (b"\n", b"\r", b"\r\n")[: 1 if provider == CONVERSE else 3]:
        found = shown(client, provider, raw.replace(b"\n", end), hello(client, tools=["f"]))
        assert found.text == ODD
        assert found.arguments == [{"city": ODD}]


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_T55_characters_may_be_cut_and_the_last_blank_line_may_miss(
    client: str, provider: str
) -> None:
    said = [Text("Zürich 東京 🏔"), Call("call_1", "f", '{"city":"Tromsø 🏔"}')]
    raw = stream(provider, *said)
    short = raw if provider == CONVERSE else raw.rstrip(b"\n")
    for sent in (raw, short):
        # ``shown`` relays it byte by byte too.
        found = shown(client, provider, sent, hello(client, tools=["f"]))
        assert found.text == "Zürich 東京 🏔"
        assert found.arguments == [{"city": "Tromsø 🏔"}]
        assert found.error is None


@pytest.mark.parametrize("client", CLIENTS)
def test_T56_chunks_without_choices_or_delta_are_skipped(client: str) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    raw = data(
        chunk({}, choices=[], prompt_filter_results=[]),
        chunk({}, choices=None),
        chunk(None),
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"},
        chunk({"content": "he"}),
        chunk({"content": "llo", "role": None}),
        chunk(None, "stop"),
        chunk({}, choices=None, usage=usage),
        done=True,
    )
    prepared = translated(client, CHAT, hello(client), stream=True)
    found = events(client, relayed(prepared, raw))
    assert (found.text, found.error) == ("hello", None)
    # Passed through they are the provider's own; the gateway's look at them must not trip.
    relay = attempt(client, CHAT, hello(client), stream=True).stream()
    assert b"he" in relay.feed(raw) + relay.close()
    assert (relay.failure, relay.finish) == (None, "stop")


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("blank", ["", " ", "\n\n"])
def test_T57_blank_text_is_no_block(provider: str, blank: str) -> None:
    """Anthropic refuses blank text when the client sends the turn back."""
    said = [Text(blank), Call("call_1", "f", OSLO)]
    body = hello(MESSAGES, tools=["f"])
    if provider != MESSAGES:  # Its own client gets what Anthropic said.
        assert told(MESSAGES, provider, answer(provider, *said), body).blocks == ["tool_use"]
        assert shown(MESSAGES, provider, stream(provider, *said), body).blocks == ["tool_use"]
    history = [
        HI,
        ("assistant", said),
        ("tool", [Result("call_1", "f", "rain")]),
        ("user", [Text(blank), Text("and?")]),
    ]
    for client in CLIENTS:
        for strict in (MESSAGES, CONVERSE):
            if client == strict:
                continue
            made = attempt(client, strict, asking(client, *history, tools=["f"]))
            texts = [p.text for p in pieces(strict, written(strict, made)) if isinstance(p, Text)]
            assert texts[0] == "hi"
            assert all(text.strip() for text in texts)


def argument_streams() -> dict[str, tuple[str, list[Any], Any]]:
    """Provider, its events and the arguments they mean, by how they come."""
    found: dict[str, tuple[str, list[Any], Any]] = {}
    oslo = {"city": "Oslo"}
    for name, value, means in (
        ("a string", OSLO, oslo),
        ("an object", oslo, oslo),
        ("null", None, {}),
        ("empty", "", {}),
    ):
        call = {"index": 0, "id": "call_1", "type": "function"}
        call["function"] = {"name": "f", "arguments": value}
        chunks = [chunk({"tool_calls": [call]}), chunk({}, "tool_calls")]
        found[f"chat: {name}"] = (CHAT, chunks, means)
    full = stream_objects(RESPONSES, Call("call_1", "f", OSLO))
    deltas = "response.function_call_arguments.delta"
    done = "response.function_call_arguments.done"
    found["responses: in .done"] = (RESPONSES, without(full, deltas), oslo)
    found["responses: in the item"] = (RESPONSES, without(full, deltas, done), oslo)
    added = "response.output_item.added"
    item = "response.output_item.done"
    end = without(full, deltas, done, added, item)
    found["responses: in the end"] = (RESPONSES, end, oslo)
    empty = stream_objects(RESPONSES, Call("call_1", "f", ""))
    found["responses: empty"] = (RESPONSES, empty, {})
    blocks = stream_objects(MESSAGES, Call("call_1", "f", ""))
    found["messages: none"] = (MESSAGES, blocks, {})
    started = json.loads(json.dumps(blocks))
    started[1]["content_block"]["input"] = oslo
    found["messages: in the start"] = (MESSAGES, started, oslo)
    for name, call, means in (
        ("no args", {"name": "f"}, {}),
        ("null", {"name": "f", "args": None}, {}),
        ("args", {"name": "f", "args": oslo}, oslo),
    ):
        candidate = {"content": {"role": "model", "parts": [{"functionCall": call}]}}
        body = {"candidates": [{**candidate, "finishReason": "STOP"}], "modelVersion": "m"}
        found[f"gemini: {name}"] = (GEMINI, [body], means)
    at = {"contentBlockIndex": 0}
    start = {"toolUse": {"toolUseId": "call_1", "name": "f"}}
    for name, deltas_, means in (("none", [], {}), ("empty", [""], {}), ("text", [OSLO], oslo)):
        found[f"converse: {name}"] = (
            CONVERSE,
            [
                ("messageStart", {"role": "assistant"}),
                ("contentBlockStart", {**at, "start": start}),
                *(
                    ("contentBlockDelta", {**at, "delta": {"toolUse": {"input": d}}})
                    for d in deltas_
                ),
                ("contentBlockStop", at),
                ("messageStop", {"stopReason": "tool_use"}),
                ("metadata", {"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}}),
            ],
            means,
        )
    return found


def without(found: list[Any], *types: str) -> list[Any]:
    return [event for event in found if event["type"] not in types]


ARGUMENTS = argument_streams()


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("form", ARGUMENTS)
def test_T58_arguments_come_in_every_form(form: str, client: str) -> None:
    provider, said, means = ARGUMENTS[form]
    prepared = translated(client, provider, hello(client, tools=["f"]), stream=True)
    found = events(client, relayed(prepared, join(provider, said)))
    assert [call.name for call in found.calls] == ["f"]
    assert found.arguments == [means]


@pytest.mark.parametrize("client", CLIENTS)
def test_T59_two_inputs_in_one_call_and_two_starts(client: str) -> None:
    """The Messages SDK keeps the first of two objects without a word."""
    body = hello(client, tools=["f"])
    twice = OSLO + '{"city":"Bergen"}'
    for provider in (CHAT, MESSAGES, CONVERSE):
        prepared = translated(client, provider, body, stream=True)
        found = events(client, relayed(prepared, stream(provider, Call("call_1", "f", twice))))
        assert found.error is not None, provider
    # A proxy before the provider asked again: before content the message starts anew, after it
    # there is an error and no second text.
    start, *rest = stream_objects(MESSAGES, Text("hello"))
    prepared = translated(client, MESSAGES, body, stream=True)
    found = events(client, relayed(prepared, named(start, start, *rest)))
    assert (found.text, found.error) == ("hello", None)
    prepared = translated(client, MESSAGES, body, stream=True)
    found = events(client, relayed(prepared, named(start, *rest[:3], start, *rest)))
    assert found.error is not None


@pytest.mark.parametrize("client", CLIENTS)
def test_T60_encrypted_reasoning_is_that_of_the_done_item(client: str) -> None:
    """What ``output_item.added`` has is not whole yet."""
    said = stream_objects(RESPONSES, Thought("Let me see.", "d2hvbGU="), Call("call_1", "f", OSLO))
    early = json.loads(json.dumps(said))
    added = next(event for event in early if event["type"] == "response.output_item.added")
    assert added["item"]["encrypted_content"] == "d2hvbGU="
    added["item"]["encrypted_content"] = "aGFsZg=="
    body = hello(client, tools=["f"])
    if client == RESPONSES:
        assert shown(client, client, named(*early), body).thinking == "Let me see."
    prepared = translated(client, RESPONSES, body, stream=True)
    expected = relayed(prepared, named(*said))
    assert relayed(translated(client, RESPONSES, body, stream=True), named(*early)) == expected
    assert b"aGFsZg" not in expected


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    "names", [["reasoning"], ["reasoning_content"], ["reasoning", "reasoning_content"]]
)
def test_T61_reasoning_is_read_under_both_names_and_once(client: str, names: list[str]) -> None:
    raw = data(
        *(chunk(dict.fromkeys(names, text)) for text in ("Let ", "me ", "see.")),
        chunk({"content": "hello"}),
        chunk({}, "stop"),
        done=True,
    )
    found = events(client, relayed(translated(client, CHAT, thoughtful(client), stream=True), raw))
    assert (found.thinking, found.text) == ("Let me see.", "hello")
    message = {"role": "assistant", "content": "hello", **dict.fromkeys(names, "Let me see.")}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = answer(CHAT, choices=[choice])
    made = translated(client, CHAT, thoughtful(client)).answer(body, "application/json")
    assert whole(client, made.body).thinking == "Let me see."


def thoughtful(client: str) -> Json:
    """A client that wants to read the thinking."""
    return hello(
        client,
        **{
            CHAT: {"reasoning_effort": "high"},
            RESPONSES: {"reasoning": {"effort": "high", "summary": "auto"}},
            MESSAGES: {"thinking": {"type": "adaptive"}},
            GEMINI: {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}},
        }[client],
    )


@pytest.mark.parametrize("client", CLIENTS)
def test_T62_content_is_a_list(client: str) -> None:
    """Mistral's chunks, also in deltas."""
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Let me see."}]}
    text = {"type": "text", "text": "hello"}
    raw = data(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": [thinking]}),
        chunk({"content": [text]}),
        chunk({"content": " you"}),
        chunk({}, "stop"),
        done=True,
    )
    found = events(client, relayed(translated(client, CHAT, thoughtful(client), stream=True), raw))
    assert (found.thinking, found.text) == ("Let me see.", "hello you")
    message = {"role": "assistant", "content": [thinking, text]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    made = translated(client, CHAT, thoughtful(client)).answer(
        answer(CHAT, choices=[choice]), "application/json"
    )
    found = whole(client, made.body)
    assert (found.thinking, found.text) == ("Let me see.", "hello")


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_T63_what_is_unknown_in_a_stream_is_skipped(client: str, provider: str) -> None:
    said = json.loads(json.dumps(stream_objects(provider, *SAID)))
    new = {"type": "response.brand_new" if provider == RESPONSES else "brand_new", "x": [1]}
    if provider == CONVERSE:
        for _, payload in said:
            payload["p"] = "abcdef"
        said.insert(2, ("brandNew", {"x": [1]}))
    else:
        for number, event in enumerate(said):
            event["obfuscation"] = "abcdef"
            event["sequence_number"] = number * 10
        if provider == MESSAGES:
            more = {"type": "brand_new_delta", "x": "abc"}
            said.insert(2, {"type": "content_block_delta", "index": 0, "delta": more})
        if provider in (RESPONSES, MESSAGES):
            said.insert(2, new)
    body = hello(client, tools=["weather"])
    noisy = relayed(translated(client, provider, body, stream=True), join(provider, said))
    plain = relayed(translated(client, provider, body, stream=True), stream(provider, *SAID))
    if client == provider:  # Which keeps what it does not know.
        assert replace(events(client, noisy), events=[]) == replace(
            events(client, plain), events=[]
        )
    else:
        assert noisy == plain


WORDS = {
    CHAT: {"stop", "length", "tool_calls", "content_filter"},
    RESPONSES: {"completed", "max_output_tokens", "content_filter"},
    MESSAGES: {"end_turn", "max_tokens", "model_context_window_exceeded", "tool_use", "refusal"},
    GEMINI: {"STOP", "MAX_TOKENS", "SAFETY", "OTHER"},
}
RAW_WORDS = {
    CHAT: ("eos", "model_length", "brand_new", "insufficient_system_resource"),
    MESSAGES: ("brand_new", "eos"),
    GEMINI: ("BRAND_NEW", "LANGUAGE", "PUP_LIMITED_DISABLED"),
    CONVERSE: ("brand_new", "guardrail_intervened"),
}
RAW = [
    (client, provider, word)
    for client in CLIENTS
    for provider, words in RAW_WORDS.items()
    for word in words
    if client != provider  # A client that speaks the dialect knows its words.
]


@pytest.mark.parametrize(("client", "provider", "word"), RAW)
def test_T64_words_for_the_end_are_a_closed_list(client: str, provider: str, word: str) -> None:
    own = {CHAT: "stop", MESSAGES: "end_turn", GEMINI: "STOP", CONVERSE: "end_turn"}[provider]

    def spelled(raw: bytes) -> bytes:
        assert raw.count(f'"{own}"'.encode()) == 1
        return raw.replace(f'"{own}"'.encode(), f'"{word}"'.encode())

    prepared = translated(client, provider, hello(client))
    said = stream_objects(provider, Text("hello"))
    streamed = join(provider, json.loads(spelled(json.dumps(said).encode())))
    found = events(
        client, relayed(translated(client, provider, hello(client), stream=True), streamed)
    )
    if word == "insufficient_system_resource":
        assert found.error is not None
        return
    assert found.finish in WORDS[client]
    if word == "model_length":
        assert found.finish in ("length", "max_output_tokens", "MAX_TOKENS") or client == MESSAGES
        assert found.finish != "end_turn"
    json_answer = prepared.answer(spelled(answer(provider, Text("hello"))), "application/json")
    assert whole(client, json_answer.body).finish == found.finish


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("pings", [True, False], ids=["pings", "silence"])
def test_T65_pings_are_life(beating: Served, client: str, pings: bool) -> None:
    """A long silent thought: the client hears something, and the upstream is not given up."""
    assert Limits().keep_alive == 15
    start, first, *rest = stream_objects(MESSAGES, Text("hello"))

    async def script(peer: Peer) -> None:
        await begin(peer)
        await peer.chunk(named(start, first, rest[0]))
        for _ in range(20):
            if pings:
                await peer.chunk(named({"type": "ping"}))
            with suppress(TimeoutError):
                await asyncio.wait_for(peer.left.wait(), 0.03)
        await peer.chunk(named(*rest[1:]))
        await peer.raw(b"0\r\n\r\n")

    beating.server.script = script
    raw = beating.ask(client, MESSAGES, hello(client), stream=True).body
    life = {MESSAGES: b"event: ping\n", GEMINI: b"\n\n\n"}.get(client, b": keep-alive\n\n")
    assert raw.count(life) >= 2 or not pings
    if client == GEMINI:
        lines = [line for line in raw.split(b"\n") if line]
        raw = b"\n\n".join(lines) + b"\n\n"
    found = events(client, raw)
    assert (found.error is None) == pings
    assert found.text == ("hello" if pings else found.text)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_T66_details_of_reasoning_have_an_index(provider: str) -> None:
    """OpenAI's helper raises without it; ``events`` looks at every one."""
    body = {**thoughtful(CHAT), **asking(CHAT, HI, tools=["weather"])}
    prepared = translated(CHAT, provider, body, stream=True)
    found = events(CHAT, relayed(prepared, stream(provider, *SAID)))
    details = [
        detail
        for event in found.events
        for choice in event["choices"]
        for detail in choice["delta"].get("reasoning_details", ())
    ]
    assert details or provider == CHAT
    nameless = data(
        chunk({"reasoning_details": [{"type": "reasoning.text", "text": "Let me see."}]}),
        chunk({"content": "hello"}),
        chunk({}, "stop"),
        done=True,
    )
    found = events(CHAT, relayed(translated(CHAT, CHAT, body, stream=True), nameless))
    assert (found.thinking, found.text) == ("Let me see.", "hello")


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_T67_a_provider_streams_unasked_or_not_at_all(
    served: Served, client: str, provider: str
) -> None:
    body = hello(client, tools=["weather"])

    async def other_way(peer: Peer) -> None:
        asks = "stream" in peer.request.path or b'"stream":true' in peer.request.body.replace(
            b" ", b""
        )
        if asks:
            await peer.answer(200, answer(spoken(peer), *SAID))
        else:
            await begin(peer)
            await peer.chunk(stream(spoken(peer), *SAID))
            await peer.raw(b"0\r\n\r\n")

    served.server.script = other_way
    unary = served.ask(client, provider, body)
    assert unary.headers["content-type"].startswith("application/json")
    streamed = served.ask(client, provider, body, stream=True)
    assert streamed.headers["content-type"] == "text/event-stream; charset=utf-8"
    for found in (whole(client, unary.body), events(client, streamed.body)):
        assert found.text == "Two towns."
        assert found.arguments == [{"city": "Oslo"}, {"city": "Bergen"}]
