"""``openrouter``: its options in every body, its streams as they are."""

import json
from typing import Any

import msgspec
import pytest

from plexus.transformers import anthropic_messages, openai_chat
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.transformers.steps.openrouter import OpenRouter, Routing
from tests.transformers.steps.support import (
    ASK,
    DIALECTS,
    Json,
    call_delta,
    choice_deltas,
    delta,
    edited,
    edited_bytes,
    events,
    prepared,
    said,
    split_everywhere,
    sse,
)

STEP = OpenRouter(
    params={"models": ["b"]}, provider=Routing(only=("x/fp8",), allow_fallbacks=False)
)
TARGET = TargetModel(
    provider="p",
    model="m",
    family="openrouter",
    capabilities=Capabilities(reasoning_field="reasoning"),
)
STREAM: Json = {**ASK, "stream": True, "max_tokens": 9}
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def attempt(client: Any, body: Json) -> Any:
    return prepared(client, openai_chat, body, target=TARGET, wire_steps=[STEP])


@pytest.mark.parametrize("dialect", ["openai-chat", "anthropic-messages", "openai-responses"])
def test_options_go_into_every_body(dialect: str) -> None:
    assert edited(STEP, {"model": "m"}, dialect) == {
        "model": "m",
        "models": ["b"],
        "provider": {"only": ["x/fp8"], "allow_fallbacks": False},
    }


def test_the_configured_value_wins_and_objects_are_merged() -> None:
    sent = {"models": ["c"], "provider": {"only": ["y"], "order": ["z"]}}
    assert edited(STEP, sent) == {
        "models": ["b"],
        "provider": {"only": ["x/fp8"], "order": ["z"], "allow_fallbacks": False},
    }


def test_without_options_the_body_keeps_its_bytes() -> None:
    body = b'{ "model": "m", "provider": {"order" : []}, "x": 1.50 }'
    assert edited_bytes(OpenRouter(), body) == body


def test_every_field_of_the_routing_is_sent_as_written() -> None:
    given: Json = {
        "order": ["a"],
        "ignore": [],
        "require_parameters": True,
        "data_collection": "allow",
        "zdr": False,
        "quantizations": ["fp8"],
        "sort": {"by": "price", "partition": "none"},
        "max_price": {"prompt": 1},
        "preferred_min_throughput": {"p90": 50},
        "preferred_max_latency": 2,
    }
    made = msgspec.convert({"provider": given}, OpenRouter)
    assert edited(made, {})["provider"] == given


def test_bug_markers_and_images_were_rewritten() -> None:
    """musistudio: ``cache_control`` goes for all but Claude, a data URL gets a second prefix.

    OpenRouter reads markers for several vendors.
    """
    url = "data:image/png;base64,AAAA"
    parts = [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    messages = [{"role": "user", "content": parts}]
    for model in ("google/gemini", "anthropic/claude"):
        assert edited(OpenRouter(), {"model": model, "messages": messages})["messages"] == messages


@pytest.mark.parametrize("client", DIALECTS, ids=lambda dialect: dialect.NAME)
def test_bug_a_chunk_with_usage_overwrote_the_finish_reason(client: Any) -> None:
    """musistudio: with usage the reason is ``stop`` or ``tool_calls``; ``length`` is lost."""
    last = {**delta("length", content=""), "usage": USAGE}
    out = split_everywhere(attempt(client, STREAM), sse(delta(content="so"), last))
    found = json.dumps(events(out))
    assert '"length"' in found or '"max_tokens"' in found
    assert '"tool_calls"' not in found and '"end_turn"' not in found


def test_bug_usage_without_choices_was_an_exception() -> None:
    """musistudio: ``choices[0]`` of an empty list; the line is passed on as it came."""
    usage = {"id": "c_1", "model": "m", "choices": [], "usage": USAGE}
    data = sse(delta(content="so"), delta("stop"), usage)
    found = events(split_everywhere(attempt(anthropic_messages, STREAM), data))
    (end,) = (event for event in found if event["type"] == "message_delta")
    assert end["usage"]["output_tokens"] == 2


def test_bug_choice_index_was_raised_and_numeric_ids_were_replaced() -> None:
    """musistudio: ``tool_calls`` behind text are choice 1, and ``"1"`` becomes a new id a delta."""
    opening = delta(tool_calls=[call_delta(0, "", id="1", name="f")])
    rest = delta(tool_calls=[call_delta(0, "{}", id="1")])
    data = sse(delta(content="so"), opening, rest, delta("tool_calls"))
    out = split_everywhere(attempt(openai_chat, STREAM), data)
    assert {choice["index"] for choice in choice_deltas(out)} == {0}
    found = events(split_everywhere(attempt(anthropic_messages, STREAM), data))
    starts = [e["content_block"] for e in found if e["type"] == "content_block_start"]
    assert [(s["type"], s.get("id")) for s in starts] == [("text", None), ("tool_use", "1")]


def test_reasoning_is_thinking() -> None:
    data = sse(delta(reasoning="why"), delta(content="so"), delta("stop"))
    out = split_everywhere(attempt(openai_chat, STREAM), data)
    assert said(out, "reasoning") == "why"
    found = events(split_everywhere(attempt(anthropic_messages, STREAM), data))
    kinds = [e["content_block"]["type"] for e in found if e["type"] == "content_block_start"]
    assert kinds == ["thinking", "text"]


def test_an_error_in_the_stream_is_an_error() -> None:
    """musistudio sends a chunk of its own shape; the client's SDK must notice."""
    failed = {**delta("error", content=""), "error": {"code": 502, "message": "gone"}}
    stream = attempt(anthropic_messages, STREAM).stream()
    out = stream.feed(sse(delta(content="so"), failed, done=False)) + stream.close()
    assert stream.failure is not None
    assert events(out)[-1]["type"] == "error"
