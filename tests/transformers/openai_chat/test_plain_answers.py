"""Answers that only say text are read in one look; what comes out is the same as in many."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from msgspec.structs import replace

from plexus.transformers.base import WireRequest
from plexus.transformers.capabilities import Capabilities
from plexus.transformers.openai_chat.plain_answer import plain_response
from plexus.transformers.openai_chat.response import parse_any_response
from plexus.unified.errors import PlexusError
from tests.streams.corpus import CORPUS, recorded
from tests.transformers.openai_chat.support import TARGET

WIRE = WireRequest(target=TARGET, path="", body=b"")
WIRES = (
    WIRE,
    replace(WIRE, tool_names={"f": "f!"}),
    replace(WIRE, custom_tools=frozenset({"f"})),
    # What begins a text may be thinking, or the client's own words.
    replace(WIRE, prefix="h"),
    replace(
        WIRE, target=replace(TARGET, capabilities=Capabilities(think_tags=("<think>", "</think>")))
    ),
)


def call(call_id: Any = "c", name: Any = "f", arguments: Any = "{}", **more: Any) -> Any:
    return {"id": call_id, "function": {"name": name, "arguments": arguments}, **more}


PLAIN: list[Any] = [
    {"role": "assistant", "content": "hello"},
    {"role": "assistant", "content": "<think>hm</think>yes"},
    {"role": "assistant", "content": "é\n{", "refusal": None, "annotations": []},
    {"role": "assistant", "content": None, "tool_calls": [call(type="function", index=1)]},
    {"content": "x", "tool_calls": [call(), call("d", "g", '{"a": {}}', type="function")]},
    {"content": "x", "tool_calls": [call(arguments="")]},
    {"content": "x", "tool_calls": None},
]
MESSAGES: list[Any] = [
    *PLAIN,
    {"tool_calls": [call("x"), call("x")]},
    {"tool_calls": [call(arguments='{"a": 1}{"b": 2}')]},
    {"tool_calls": [call(name="f<|channel|>")]},
    {"tool_calls": [call(name="")]},
    {"tool_calls": [call(call_id=value) for value in ("", None, 3)]},
    {"tool_calls": [call(arguments={"a": 1})]},
    {"tool_calls": [call(type="custom", custom={"name": "c", "input": "x"})]},
    {"tool_calls": [call(extra_content={"google": {"thought_signature": "s"}})]},
    {"content": "", "tool_calls": []},
    {"content": ""},
    {"content": None},
    {"role": "assistant", "content": "hm", "refusal": "no"},
    {"role": "assistant", "content": "hm", "reasoning_content": "why"},
    {"content": "x", "annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}]},
    {"content": "odd", "vendor": 1},
    {"content": [{"type": "text", "text": "Mistral"}]},
]
ODD: dict[str, list[Any]] = {
    "usage": [None, {"prompt_tokens": 1, "completion_tokens": 2, "vendor": 1}, {}, 3],
    "system_fingerprint": [None, "fp", {"odd": 1}],
    "service_tier": [None, "default", "fast", 1],
    "created": [None, 1.5, "1", -1],
    "id": [None, ""],
    "model": [None, ""],
    "object": [None, "chat.completion", "error"],
    "vendor": [1],
    "error": [None, {"message": "sorry"}],
}


def some_answer(source: random.Random) -> dict[str, Any]:
    message = source.choice(PLAIN * 4 + MESSAGES)
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": "stop"}
    for name, values in {
        "index": [1, None],
        "logprobs": [None, {"content": []}],
        "finish_reason": ["length", "error", "eos", "tool_calls", "", None],
        "stop_reason": ["x"],
    }.items():
        if source.random() < 0.1:
            choice[name] = source.choice(values)
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    answer = {"id": "c", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    answer["choices"] = source.choice([[choice]] * 20 + [[], [choice, {**choice, "index": 1}]])
    for name, values in ODD.items():
        if source.random() < 0.1:
            answer[name] = source.choice(values)
    return answer


def test_one_look_sees_what_many_see() -> None:
    source = random.Random(7)
    plain = 0
    for _ in range(3000):
        body = json.dumps(some_answer(source)).encode()
        wire = source.choice(WIRES)
        found = plain_response(body, wire)
        if found is not None:
            plain += 1
            assert found == parse_any_response(body, wire), body
    assert 300 < plain < 2700


def test_recorded_answers() -> None:
    if not CORPUS.is_dir():
        pytest.skip("SKIPPED: ../shared/corpus with the recorded traffic is not here")
    plain = 0
    for exchange in recorded("openai-chat"):
        if exchange.stream or (found := plain_response(exchange.body, WIRE)) is None:
            continue
        plain += 1
        try:
            assert found == parse_any_response(exchange.body, WIRE), exchange.id
        except PlexusError as problem:
            raise AssertionError(exchange.id) from problem
    assert plain
