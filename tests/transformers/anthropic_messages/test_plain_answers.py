"""Usual answers are read in one look; what comes out is the same as in many."""

from __future__ import annotations

import json
import random
from typing import Any

from msgspec.structs import replace

from plexus.streaming.framing import readable
from plexus.transformers.anthropic_messages.plain_answer import plain_response
from plexus.transformers.anthropic_messages.response import parse_any_response
from plexus.transformers.base import WireRequest
from plexus.transformers.capabilities import TargetModel
from plexus.unified.errors import PlexusError
from tests.fuzz.mutate import Mutator
from tests.fuzz.seeds import USUAL_ANSWERS, answers
from tests.streams.corpus import recorded, require_corpus

TARGET = TargetModel(provider="p", model="m", family="anthropic")
PLAIN = WireRequest(target=TARGET, path="", body=b"")
WIRES = (
    PLAIN,
    replace(PLAIN, tool_names={"f_": "f!"}, custom_tools=frozenset({"c"})),
    replace(PLAIN, structured_tool="f"),
)
BLOCKS: list[Any] = [
    {"type": "text", "text": "hello"},
    {"type": "text", "text": "", "citations": None},
    {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
    {"type": "thinking", "thinking": "hm", "signature": ""},
    {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1, 2]}},
    {"type": "tool_use", "id": "!", "name": "f_", "input": {}, "caller": {"type": "direct"}},
    {"type": "tool_use", "id": "t", "name": "c", "input": {"input": "free"}},
    {"type": "tool_use", "id": "t", "name": "f", "input": None},
    {"type": "tool_use", "id": "t", "name": "f"},
    {"type": "text", "text": "x", "citations": []},
    {"type": "text", "text": None},
    {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}},
    {"type": "redacted_thinking", "data": "x"},
    {"type": "odd"},
    {"text": "x"},
]
USAGE: dict[str, list[Any]] = {
    "input_tokens": [0, None, "1", 1.5],
    "output_tokens": [None],
    "cache_read_input_tokens": [0, 5, None],
    "cache_creation_input_tokens": [0, 7, None],
    "cache_creation": [
        None,
        {},
        {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 0},
        {"ephemeral_1h_input_tokens": None, "odd": 1},
    ],
    "output_tokens_details": [None, {}, {"thinking_tokens": 3}],
    "server_tool_use": [None, {"web_search_requests": 1}],
    "service_tier": [None, "standard", 1],
    "inference_geo": [None, "us"],
    "odd": [1],
}
ODD: dict[str, list[Any]] = {
    "type": ["message", "error", None],
    "role": ["assistant", None],
    "id": [None, ""],
    "model": [None, ""],
    "stop_reason": ["tool_use", "max_tokens", "refusal", "odd", "", None],
    "stop_sequence": [None, "x"],
    "stop_details": [None, {"explanation": "no"}],
    "container": [None, {"id": "c"}],
    "usage": [None, {}],
    "error": [None, {"message": "sorry"}],
    "content": [[], None],
}


def some_answer(source: random.Random) -> dict[str, Any]:
    blocks = source.choices(BLOCKS[:7] * 8 + BLOCKS, k=source.choice((1, 1, 2, 3)))
    usage: dict[str, Any] = {"input_tokens": 3, "output_tokens": 4}
    answer = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
    answer |= {"content": blocks, "stop_reason": "end_turn", "usage": usage}
    for given, choices in ((usage, USAGE), (answer, ODD)):
        for name, values in choices.items():
            if source.random() < 0.06:
                given[name] = source.choice(values)
    return answer


def compared(body: bytes) -> bool:
    """Whether the answer is a usual one; if so, both ways find the same."""
    body, plain = readable(body), False
    for wire in WIRES:
        found = plain_response(body, wire)
        if found is None:
            continue
        plain = True
        try:
            assert found == parse_any_response(body, wire), body
        except PlexusError as problem:
            raise AssertionError(body) from problem
    return plain


def test_one_look_sees_what_many_see() -> None:
    source = random.Random(7)
    plain = sum(compared(json.dumps(some_answer(source)).encode()) for _ in range(3000))
    assert 500 < plain < 2700


def test_mutated_answers() -> None:
    seeds = answers("anthropic-messages") + 3 * USUAL_ANSWERS["anthropic-messages"]
    mutator = Mutator(seeds, random.Random(7))
    assert sum(compared(mutator.document()) for _ in range(2000)) > 20


def test_recorded_answers() -> None:
    require_corpus()
    whole = [found.body for found in recorded("anthropic-messages") if not found.stream]
    assert sum(map(compared, whole))
