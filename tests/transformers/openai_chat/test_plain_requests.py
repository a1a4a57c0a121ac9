"""Usual messages and tools are read in one look; what comes out is the same as in many."""

from __future__ import annotations

import json
import random
from typing import Any

from msgspec import Raw

from plexus.transformers.openai_chat.request_messages import (
    LegacyCalls,
    any_message,
    plain_message,
)
from plexus.transformers.openai_chat.request_tools import any_tool, plain_tool
from tests.fuzz.mutate import Mutator
from tests.fuzz.seeds import requests
from tests.streams.corpus import recorded, require_corpus
from tests.transformers.quick import agree, members

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
MESSAGE: dict[str, list[Any]] = {
    "content": [
        "",
        None,
        1,
        [],
        [{"type": "text", "text": "x"}],
        [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}],
        [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
        [{"type": "input_text", "text": "x"}],
        [{"type": "image_url", "image_url": {"url": "https://a/b.png"}}],
        ["bare"],
    ],
    "tool_calls": [
        [CALL],
        [CALL, {**CALL, "id": "d"}],
        [],
        None,
        [{**CALL, "id": ""}],
        [{**CALL, "id": None}],
        [{**CALL, "index": 0}],
        [{**CALL, "type": "custom"}],
        [{**CALL, "function": {"name": "f", "arguments": {"a": 1}}}],
        [{**CALL, "function": {"name": "f", "arguments": None, "odd": 1}}],
        [{**CALL, "extra_content": {"google": {"thought_signature": "s"}}}],
    ],
    "tool_call_id": ["c", "c", None],
    "refusal": [None, "no"],
    "name": ["ann", None],
    "reasoning_content": ["hm"],
    "odd": [1, None],
}
FUNCTION: dict[str, list[Any]] = {
    "description": [None, "d", 1],
    "parameters": [None, 3, [], {}, {"type": "object"}],
    "strict": [True, None],
    "odd": [1, None],
    "name": [None],
}
TOOL: dict[str, list[Any]] = {
    "type": [None, "custom", "web_search"],
    "cache_control": [{"type": "ephemeral"}],
    "odd": [1],
    "function": [None],
}


def mixed(source: random.Random, base: dict[str, Any], members: dict[str, list[Any]]) -> Any:
    """``base`` with some members set."""
    out = dict(base)
    for name, values in members.items():
        if source.random() < 0.2:
            out[name] = source.choice(values)
    return out


def same_message(raw: Raw) -> bool:
    return agree(raw, plain_message, lambda raw: any_message(raw, "messages[0]", LegacyCalls()))


def same_tool(raw: Raw) -> bool:
    return agree(raw, plain_tool, lambda raw: any_tool(raw, "tools[0]"))


def compared(body: bytes) -> int:
    """How many of the messages and tools of a request are usual ones."""
    messages, tools = members(body, "messages", "tools")
    return sum(map(same_message, messages)) + sum(map(same_tool, tools))


def test_made_messages_and_tools() -> None:
    source = random.Random(7)
    roles = ("system", "developer", "user", "assistant", "assistant", "tool", "function")
    messages = [
        mixed(source, {"role": source.choice(roles), "content": "hello"}, MESSAGE)
        for _ in range(4000)
    ]
    assert 800 < sum(same_message(Raw(json.dumps(one).encode())) for one in messages) < 3000
    tools = [
        mixed(
            source, {"type": "function", "function": mixed(source, {"name": "f"}, FUNCTION)}, TOOL
        )
        for _ in range(1000)
    ]
    assert 150 < sum(same_tool(Raw(json.dumps(one).encode())) for one in tools) < 900


def test_mutated_requests() -> None:
    mutator = Mutator(requests("openai-chat"), random.Random(7))
    assert sum(compared(mutator.document()) for _ in range(2000)) > 500


def test_recorded_requests() -> None:
    require_corpus()
    bodies = [found.request for found in recorded("openai-chat")]
    assert sum(compared(body) for body in bodies if body is not None)
