"""``groq``: what Groq refuses is gone, ids stay what they were."""

import json
from typing import Any

from plexus.transformers import openai_chat
from plexus.transformers.steps.groq import Groq
from tests.transformers.steps.support import (
    ASK,
    call_delta,
    choice_deltas,
    delta,
    edited,
    edited_bytes,
    prepared,
    sent,
    split_everywhere,
    sse,
)

STEP = Groq()
MARK = {"type": "ephemeral"}


def tool(parameters: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "parameters": parameters}}


def test_markers_go_wherever_they_stand() -> None:
    body = {
        "cache_control": MARK,
        "messages": [
            {"role": "system", "content": "a", "cache_control": MARK},
            {"role": "user", "content": [{"type": "text", "text": "b", "cache_control": MARK}]},
            {
                "role": "user",
                "content": [{"type": "text", "text": "c", "cache_control": MARK}],
                "cache_control": MARK,
            },
            {"role": "user", "content": 'about "cache_control"'},
        ],
        "tools": [{**tool({}), "cache_control": MARK}],
    }
    assert edited(STEP, body) == {
        "messages": [
            {"role": "system", "content": "a"},
            {"role": "user", "content": [{"type": "text", "text": "b"}]},
            {"role": "user", "content": [{"type": "text", "text": "c"}]},
            {"role": "user", "content": 'about "cache_control"'},
        ],
        "tools": [tool({})],
    }


def test_bug_schema_was_removed_at_the_top_only() -> None:
    """musistudio: ``$schema`` inside ``items`` or ``$defs`` still gets a 400."""
    url = "http://json-schema.org/draft-07/schema#"
    leaf = {"$schema": url, "type": "string"}
    given = {
        "$schema": url,
        "type": "object",
        "properties": {
            "$schema": {"type": "string", "description": "a property of that name stays"},
            "a": leaf,
            "b": {"type": "array", "items": leaf},
            "c": {"anyOf": [leaf, {"type": "null"}]},
            "d": {"enum": [{"$schema": "data stays"}]},
        },
        "$defs": {"x": {"properties": {"y": leaf}}},
        "additionalProperties": leaf,
        "default": {"$schema": "data stays"},
    }
    plain = {"type": "string"}
    assert edited(STEP, {"tools": [tool(given), tool(plain)]})["tools"] == [
        tool(
            {
                "type": "object",
                "properties": {
                    "$schema": {"type": "string", "description": "a property of that name stays"},
                    "a": plain,
                    "b": {"type": "array", "items": plain},
                    "c": {"anyOf": [plain, {"type": "null"}]},
                    "d": {"enum": [{"$schema": "data stays"}]},
                },
                "$defs": {"x": {"properties": {"y": plain}}},
                "additionalProperties": plain,
                "default": {"$schema": "data stays"},
            }
        ),
        tool(plain),
    ]


def test_other_bytes_stay() -> None:
    same = b'{ "messages" : [ {"role":"user","content":1.50e1} ] ,"tools":[{"type":"x"}] }'
    assert edited_bytes(STEP, same) == same
    number = b'{"maximum":1.50e1,"$schema":"x"}'
    body = b'{"tools":[{"function":{"parameters":%s}}]}' % number
    assert b'{"maximum":1.50e1}' in edited_bytes(STEP, body)


def test_malformed_bodies_are_the_providers_business() -> None:
    for body in (
        {"messages": "x", "tools": 5, "cache": 1},
        {"tools": [1, {"function": 5}, {"function": {"parameters": ["$schema"]}}]},
        {"tools": [tool({"properties": ["$schema"], "items": "$schema"})]},
    ):
        assert edited(STEP, body) == body


def test_only_chat_bodies_are_edited() -> None:
    body = {"messages": [{"role": "user", "content": "a", "cache_control": MARK}]}
    assert edited(STEP, body, "anthropic-messages") == body
    assert sent(prepared(openai_chat, openai_chat, {**ASK, **body}, wire_steps=[STEP])) == {
        **ASK,
        "messages": [{"role": "user", "content": "a"}],
    }


def test_bug_every_fragment_of_a_call_got_a_new_id_and_choice_index_was_raised() -> None:
    """musistudio: ``tool.id`` is made anew on each delta; calls behind text are choice 1."""
    data = sse(
        delta(role="assistant", content="so"),
        delta(tool_calls=[call_delta(0, "", id="call_1", name="f")]),
        delta(tool_calls=[call_delta(0, '{"a":', id="call_1")]),
        delta(tool_calls=[call_delta(0, "1}")]),
        delta("tool_calls"),
    )
    body = {**ASK, "stream": True}
    attempt = prepared(openai_chat, openai_chat, body, wire_steps=[STEP])
    assert split_everywhere(attempt, data) == data
    found = choice_deltas(data)
    assert {choice["index"] for choice in found} == {0}
    ids = [c.get("id") for choice in found for c in choice["delta"].get("tool_calls", ())]
    assert json.dumps(ids) == '["call_1", "call_1", null]'
