"""Usual messages and tools are read in one look; what comes out is the same as in many."""

from __future__ import annotations

import json
import random
from typing import Any

from msgspec import Raw

from plexus.streaming.document import DocumentError, JsonBody
from plexus.transformers.anthropic_messages.content import parse_content
from plexus.transformers.anthropic_messages.request_parse import (
    any_message,
    plain_message,
    plain_system,
)
from plexus.transformers.anthropic_messages.tools import parse_tool, plain_tool
from plexus.unified.content import Origin
from tests.fuzz.mutate import Mutator
from tests.fuzz.seeds import requests
from tests.streams.corpus import recorded, require_corpus
from tests.transformers.quick import agree, members

NOBODY = Origin("anthropic")
MARK = {"type": "ephemeral", "ttl": "1h"}
BLOCKS: list[Any] = [
    {"type": "text", "text": "hello"},
    {"type": "text", "text": "", "citations": None, "cache_control": MARK},
    {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
    {"type": "thinking", "thinking": "hm", "signature": "plx1.bad"},
    {"type": "tool_use", "id": "t", "name": "f", "input": {"a": [1, 2]}, "cache_control": MARK},
    {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": {"type": "direct"}},
    {"type": "tool_use", "id": "t", "name": "f", "input": None},
    {"type": "tool_result", "tool_use_id": "t"},
    {"type": "tool_result", "tool_use_id": "t", "content": "ok", "is_error": None},
    {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "no"}]},
    {"type": "tool_result", "tool_use_id": "t", "content": None, "is_error": True},
    {"type": "text", "text": "x", "citations": []},
    {"type": "text", "text": "x", "cache_control": None},
    {"type": "text", "text": "x", "cache_control": {"type": None}},
    {"type": "text", "text": "x", "cache_control": {**MARK, "odd": 1}},
    {"type": "text", "text": 1},
    {"text": "x"},
    {"type": "tool_result", "tool_use_id": "t", "content": [{"text": "x"}]},
    {"type": "tool_use", "id": "t", "name": "f"},
    {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image"}]},
    {"type": "tool_result", "tool_use_id": None},
    {"type": "redacted_thinking", "data": "x"},
    {"type": "odd"},
]
TOOL: dict[str, list[Any]] = {
    "type": [None, "custom", "function", "bash_20250124"],
    "description": [None, "d", 1],
    "input_schema": [None, 3, [], {}],
    "strict": [True, None],
    "cache_control": [MARK, {"odd": 1}, None],
    "defer_loading": [True],
    "name": [None],
}


def some_message(source: random.Random) -> dict[str, Any]:
    content: Any = source.choice(["hello", "", None, 1])
    if source.random() < 0.8:
        content = source.choices(BLOCKS[:11] * 8 + BLOCKS, k=source.choice((0, 1, 2, 3)))
    role = source.choice(("user", "user", "assistant", "assistant", "system", "tool"))
    message = {"role": role, "content": content}
    for name, value in (("output_config", {"effort": "low"}), ("odd", 1)):
        if source.random() < 0.1:
            message[name] = value
    return message


def some_tool(source: random.Random) -> dict[str, Any]:
    tool: dict[str, Any] = {"name": "f", "input_schema": {"type": "object"}}
    for name, values in TOOL.items():
        if source.random() < 0.2:
            tool[name] = source.choice(values)
    return tool


def same_message(raw: Raw) -> bool:
    return agree(raw, plain_message, lambda raw: any_message(raw, "messages[0]"))


def same_tool(raw: Raw) -> bool:
    return agree(raw, plain_tool, lambda raw: parse_tool(raw, "tools[0]"))


def same_system(raw: Raw) -> bool:
    return agree(raw, plain_system, lambda raw: parse_content(raw, "system", NOBODY))


def compared(body: bytes) -> int:
    """How many of the messages, tools and system prompts of a request are usual ones."""
    messages, tools = members(body, "messages", "tools")
    return sum(map(same_message, messages)) + sum(map(same_tool, tools)) + _system(body)


def _system(body: bytes) -> bool:
    try:
        return same_system(JsonBody.parse(body).fields.get("system", Raw(b"[]")))
    except DocumentError:
        return False


def test_made_messages_and_tools() -> None:
    source = random.Random(7)
    messages = [Raw(json.dumps(some_message(source)).encode()) for _ in range(3000)]
    assert 700 < sum(map(same_message, messages)) < 2700
    systems = [source.choices(BLOCKS[:2] * 8 + BLOCKS, k=2) for _ in range(1000)]
    found = [same_system(Raw(json.dumps(system).encode())) for system in ["x", None, 1, *systems]]
    assert 100 < sum(found) < 900
    tools = [Raw(json.dumps(some_tool(source)).encode()) for _ in range(1000)]
    assert 300 < sum(map(same_tool, tools)) < 900


def test_mutated_requests() -> None:
    mutator = Mutator(requests("anthropic-messages"), random.Random(7))
    assert sum(compared(mutator.document()) for _ in range(2000)) > 500


def test_recorded_requests() -> None:
    require_corpus()
    bodies = [found.request for found in recorded("anthropic-messages")]
    assert sum(compared(body) for body in bodies if body is not None)
