"""A second turn with thinking and parallel tools: what Claude signed goes back as it was."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from plexus.streaming.eventstream import EventStreamEncoder
from plexus.streaming.framing import Frame
from plexus.transformers import bedrock_converse
from plexus.transformers.translation import Translate
from tests.transformers.bedrock_converse.support import CLAUDE, CLIENTS, NOVA, call, check, target

HIDDEN = base64.b64encode(b"EuQFCkgIBx").decode()
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "h"}}}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "m"}}}),
    (
        "contentBlockDelta",
        {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "Ep=="}}},
    ),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    (
        "contentBlockDelta",
        {"contentBlockIndex": 1, "delta": {"reasoningContent": {"redactedContent": HIDDEN}}},
    ),
    ("contentBlockStop", {"contentBlockIndex": 1}),
    *(
        event
        for index, city in ((2, "Oslo"), (3, "Rome"))
        for event in (
            (
                "contentBlockStart",
                {
                    "contentBlockIndex": index,
                    "start": {"toolUse": {"toolUseId": f"tooluse_{city}", "name": "weather"}},
                },
            ),
            (
                "contentBlockDelta",
                {
                    "contentBlockIndex": index,
                    "delta": {"toolUse": {"input": json.dumps({"city": city})}},
                },
            ),
            ("contentBlockStop", {"contentBlockIndex": index}),
        )
    ),
    ("messageStop", {"stopReason": "tool_use"}),
    ("metadata", {"usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}}),
]
WHOLE = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "Ep=="}}},
                {"reasoningContent": {"redactedContent": HIDDEN}},
                *(
                    {
                        "toolUse": {
                            "toolUseId": f"tooluse_{city}",
                            "name": "weather",
                            "input": {"city": city},
                        }
                    }
                    for city in ("Oslo", "Rome")
                ),
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
}
ASK = {"role": "user", "content": "weather?"}


def body(client: str, messages: list[dict[str, Any]], stream: bool) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    if client == "openai-chat":
        function = {"name": "weather", "parameters": schema}
        tools: list[dict[str, Any]] = [{"type": "function", "function": function}]
        return {"model": "m", "messages": messages, "tools": tools, "stream": stream}
    tools = [{"name": "weather", "input_schema": schema}]
    asked = {"model": "m", "max_tokens": 100, "messages": messages, "tools": tools}
    return {**asked, "stream": stream}


def chat_message(stream: bool, out: bytes) -> dict[str, Any]:
    """The assistant's message as a client that echoes everything keeps it."""
    if not stream:
        message: dict[str, Any] = json.loads(out)["choices"][0]["message"]
        return message
    found: dict[str, Any] = {"role": "assistant", "content": None, "reasoning_details": []}
    calls: list[dict[str, Any]] = []
    for line in out.splitlines():
        if not line.startswith(b"data: {"):
            continue
        for choice in json.loads(line[6:])["choices"]:
            delta = choice["delta"]
            found["reasoning_details"] += delta.get("reasoning_details", [])
            for piece in delta.get("tool_calls", []):
                if "id" in piece:
                    calls.append({**piece, "function": dict(piece["function"])})
                else:
                    function = calls[piece["index"]]["function"]
                    function["arguments"] += piece["function"]["arguments"]
    return {**found, "tool_calls": calls}


def messages_message(stream: bool, out: bytes) -> dict[str, Any]:
    if not stream:
        return {"role": "assistant", "content": json.loads(out)["content"]}
    blocks: list[dict[str, Any]] = []
    for line in out.splitlines():
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        if event["type"] == "content_block_start":
            blocks.append({**event["content_block"], "_input": ""})
        elif event["type"] == "content_block_delta":
            delta, block = event["delta"], blocks[-1]
            for name in ("thinking", "text"):
                if name in delta:
                    block[name] = block.get(name, "") + delta[name]
            block["_input"] += delta.get("partial_json", "")
            if "signature" in delta:
                block["signature"] = delta["signature"]
    for block in blocks:
        arguments = block.pop("_input")
        if block["type"] == "tool_use":
            block["input"] = json.loads(arguments or "{}")
    return {"role": "assistant", "content": blocks}


def results(client: str) -> list[dict[str, Any]]:
    said = [("tooluse_Oslo", "rain"), ("tooluse_Rome", "sun")]
    if client == "openai-chat":
        return [{"role": "tool", "tool_call_id": i, "content": text} for i, text in said]
    blocks = [{"type": "tool_result", "tool_use_id": i, "content": text} for i, text in said]
    return [{"role": "user", "content": blocks}]


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_second_turn(client: str, stream: bool) -> None:
    translation = Translate(CLIENTS[client], bedrock_converse, target(CLAUDE))
    prepared = translation.prepare(call(client, body(client, [ASK], stream)))
    if stream:
        encoder, upstream = EventStreamEncoder(), prepared.stream()
        raw = b"".join(
            encoder.encode(Frame(name, json.dumps(value).encode())) for name, value in EVENTS
        )
        out = upstream.feed(raw) + upstream.close()
        assert upstream.failure is None
    else:
        out = prepared.answer(json.dumps(WHOLE).encode(), "application/json").body
    read = chat_message if client == "openai-chat" else messages_message
    history = [ASK, read(stream, out), *results(client)]
    again = translation.prepare(call(client, body(client, history, stream)))
    sent = json.loads(again.wire.body)
    check(sent)
    assert sent["messages"][1] == WHOLE["output"]["message"]
    answered = sent["messages"][2]["content"]
    assert [block["toolResult"]["toolUseId"] for block in answered] == [
        "tooluse_Oslo",
        "tooluse_Rome",
    ]
    # Another family's model never sees what Claude signed.
    other = Translate(CLIENTS[client], bedrock_converse, target(NOVA))
    sent = json.loads(other.prepare(call(client, body(client, history, stream))).wire.body)
    assert [list(block) for block in sent["messages"][1]["content"]] == [["toolUse"], ["toolUse"]]
