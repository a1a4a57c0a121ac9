"""Chunks that only say text, reasoning or calls are read in one look, with the same outcome."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec

from plexus.streaming.framing import Frame
from plexus.transformers.base import WireRequest
from plexus.transformers.openai_chat.stream_parser import ChatStreamParser
from plexus.unified.chunks import StreamChunk, StreamError
from tests.transformers.openai_chat.support import TARGET


def fragment(index: Any = 0, arguments: Any = "", **more: Any) -> Any:
    return {"index": index, "function": {"arguments": arguments}, **more}


def begin(index: int, call_id: Any, name: Any, arguments: str = "") -> Any:
    function = {"name": name, "arguments": arguments}
    return {"index": index, "id": call_id, "type": "function", "function": function}


PLAIN: list[Any] = [
    {"content": "word "},
    {"content": "é\n{"},
    {"role": "assistant", "content": "again"},
    {"content": None, "reasoning_content": "hm", "refusal": None},
    {"reasoning": "or"},
    {"content": "both", "reasoning_content": "", "reasoning": "hm"},
    {"role": "assistant", "content": None, "tool_calls": [begin(0, "c", "f")]},
    {"tool_calls": [fragment(0, '{"a":')]},
    {"tool_calls": [fragment(0, "1}"), begin(1, "d", "g!", "{}")]},
    {"tool_calls": []},
]
DELTAS: list[Any] = [
    *PLAIN,
    {"tool_calls": [begin(0, None, "f<|channel|>")]},
    {"tool_calls": [begin(0, "e", "h", '{"a":1}{"b":2}')]},
    {"tool_calls": [fragment(None, {"a": 1})]},
    {"tool_calls": [fragment("0")]},
    {"tool_calls": [fragment(0, "x", type="custom", custom={"name": "c", "input": "y"})]},
    {"tool_calls": [fragment(0, extra_content={"google": {"thought_signature": "s"}})]},
    {"reasoning_content": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "x"}]},
    {"reasoning": {"content": "odd"}},
    {"content": ""},
    {"content": None},
    {"role": "assistant"},
    {"reasoning_content": "hm"},
    {"content": "both", "reasoning_content": "hm"},
    {"content": [{"type": "text", "text": "Mistral"}]},
    {"content": {"decoded": "by Cloudflare"}},
    {"content": "odd", "vendor": 1},
    {"refusal": "no"},
    {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]},
    None,
]


def some_chunk(source: random.Random) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "delta": source.choice(PLAIN * 4 + DELTAS)}
    for name, values in {
        "index": [1, None, 500, "0"],
        "logprobs": [None, {"content": []}],
        "finish_reason": [None, "stop", "error"],
        "matched": [1],
    }.items():
        if source.random() < 0.12:
            choice[name] = source.choice(values)
    chunk: dict[str, Any] = {"id": "c-1", "object": "x", "created": 1, "model": "m"}
    chunk["choices"] = source.choice([[choice]] * 20 + [[], [choice, choice], None])
    for name, values in {
        "usage": [None, {"prompt_tokens": 1, "completion_tokens": 2}],
        "system_fingerprint": [None, "fp_1", "fp_2"],
        "service_tier": [None, "default"],
        "obfuscation": ["xxxx"],
        "error": [None, {"message": "sorry"}],
        "vendor": [None, 1],
    }.items():
        if source.random() < 0.06:
            chunk[name] = source.choice(values)
    return chunk


def read(chunks: list[dict[str, Any]]) -> list[list[StreamChunk] | str]:
    """What comes out for each chunk, and at the end."""
    parser = ChatStreamParser(WireRequest(target=TARGET, path="", body=b""))
    out: list[list[StreamChunk] | str] = []
    for chunk in chunks:
        try:
            found = parser.feed(Frame("", json.dumps(chunk).encode()))
        except msgspec.DecodeError:
            return [*out, "unreadable"]
        out.append(found)
        if any(isinstance(item, StreamError) for item in found):
            return out
    return [*out, parser.close()]


def test_one_look_sees_what_six_see() -> None:
    source = random.Random(5)
    for _ in range(1500):
        chunks = [some_chunk(source) for _ in range(source.randint(1, 12))]
        # "p" is padding that means nothing, and keeps a chunk from being plain.
        assert read(chunks) == read([{**chunk, "p": "x"} for chunk in chunks]), chunks
