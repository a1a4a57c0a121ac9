"""Claude's thinking through a chat client and back: what the official helpers make of a stream.

openai-python's helper merges the entries of ``reasoning_details`` by index and joins their strings;
openai-node's keeps the last list it saw.  Anthropic refuses thinking that is not the whole it gave.
"""

from __future__ import annotations

import json
from typing import Any

from plexus.streaming.document import JsonBody
from plexus.transformers import anthropic_messages, openai_chat
from plexus.transformers.base import ClientCall, WireRequest
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.translation import Translate
from plexus.unified.fold import fold
from plexus.unified.request import Source

THOUGHT = {"type": "thinking", "thinking": "I look it up.", "signature": "c2lnbmVk"}
MORE = {"type": "thinking", "thinking": "And again.", "signature": "YWdhaW4="}
HIDDEN = {"type": "redacted_thinking", "data": "aGlkZGVu"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
TARGET = TargetModel(provider="p", model="claude", family="anthropic")

Json = dict[str, Any]


def translation(messages: list[Json], stream: bool) -> Any:
    body = {
        "model": "m",
        "stream": stream,
        "reasoning_effort": "high",
        "messages": [{"role": "user", "content": "hi"}, *messages],
        "tools": [{"type": "function", "function": {"name": "look"}}],
    }
    call = ClientCall(
        model="m",
        stream=stream,
        body=JsonBody.parse(json.dumps(body).encode()),
        source=Source(dialect="openai-chat", request_id="req_7", received=1),
    )
    return Translate(openai_chat, anthropic_messages, TARGET).prepare(call)


def provider_stream(blocks: list[Json]) -> bytes:
    """``blocks`` as Anthropic streams them, texts in two halves."""
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    events: list[Json] = [{"type": "message_start", "message": message}]
    for index, block in enumerate(blocks):
        empty = {**block, **({"thinking": "", "signature": ""} if "thinking" in block else {})}
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        text = block.get("thinking", "")
        deltas: list[Json] = [
            {"type": "thinking_delta", "thinking": half} for half in (text[:4], text[4:]) if half
        ]
        if text:
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        for delta in deltas:
            events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": "tool_use", "stop_sequence": None}
    events.append({"type": "message_delta", "delta": delta, "usage": usage})
    events.append({"type": "message_stop"})
    return b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), dumps(e)) for e in events)


def dumps(value: object) -> bytes:
    return json.dumps(value).encode()


def client_stream(blocks: list[Json]) -> bytes:
    stream = translation([], stream=True).stream()
    out: bytes = stream.feed(provider_stream(blocks)) + stream.close()
    assert stream.failure is None
    return out


def lists(stream: bytes) -> list[list[Json]]:
    """Every ``reasoning_details`` of a stream, in order."""
    chunks = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith(b"data: {")]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return [delta["reasoning_details"] for delta in deltas if "reasoning_details" in delta]


def sent_back(details: list[Json]) -> list[Json]:
    """The assistant's blocks that reach Anthropic when the client echoes ``details``."""
    calls = [{"id": "toolu_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    echo = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "p.",
        "reasoning_details": details,
        "tool_calls": calls,
    }
    result = {"role": "tool", "tool_call_id": "toolu_1", "content": "found"}
    wire: WireRequest = translation([echo, result], stream=False).wire
    blocks: list[Json] = json.loads(wire.body)["messages"][1]["content"]
    return blocks


def test_a_run_of_thinking_is_one_list_of_whole_entries() -> None:
    stream = client_stream([THOUGHT, HIDDEN, CALL])
    [details] = lists(stream)
    assert [entry["index"] for entry in details] == [0, 1]
    assert b'"reasoning_content":"I lo"' in stream
    assert sent_back(details) == [THOUGHT, HIDDEN, CALL]


def test_more_thinking_has_an_index_of_its_own() -> None:
    first, last = lists(client_stream([THOUGHT, MORE, CALL]))
    assert sent_back([*first, *last]) == [THOUGHT, MORE, CALL]


def test_the_end_of_a_list_is_worse_than_no_list() -> None:
    """What openai-node's helper echoes when there were several lists."""
    _, last = lists(client_stream([THOUGHT, MORE, CALL]))
    assert sent_back(last) == [CALL]


def test_our_own_stream_says_nothing_twice() -> None:
    wire = WireRequest(target=TARGET, path="/", body=b"{}", stream=True)
    decoder, parser = openai_chat.decoder(), openai_chat.stream_parser(wire)
    frames = decoder.feed(client_stream([THOUGHT, HIDDEN, MORE, CALL])) + decoder.close()
    chunks = [chunk for frame in frames for chunk in parser.feed(frame)] + parser.close()
    thinking = fold(chunks).choices[0].message.content[:3]
    assert [(part.text, part.proof.value) for part in thinking] == [  # type: ignore[union-attr]
        ("I look it up.", "c2lnbmVk"),
        ("", "aGlkZGVu"),
        ("And again.", "YWdhaW4="),
    ]
