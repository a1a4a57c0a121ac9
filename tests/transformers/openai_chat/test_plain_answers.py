"""Answers that only say text are read in one look; what comes out is the same as in many."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from plexus.transformers.base import WireRequest
from plexus.transformers.openai_chat.plain_answer import plain_response
from plexus.transformers.openai_chat.response import parse_any_response
from plexus.unified.errors import PlexusError
from tests.streams.corpus import CORPUS, recorded
from tests.transformers.openai_chat.support import TARGET

WIRE = WireRequest(target=TARGET, path="", body=b"")
MESSAGES: list[Any] = [
    {"role": "assistant", "content": "hello"},
    {"role": "assistant", "content": "é\n{", "refusal": None, "annotations": []},
    {"content": ""},
    {"content": None},
    {"role": "assistant", "content": "hm", "refusal": "no"},
    {"role": "assistant", "content": "hm", "reasoning_content": "why"},
    {"content": "x", "annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}]},
    {"content": "x", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": ""}}]},
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
    message = source.choice(MESSAGES[:2] * 6 + MESSAGES)
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
        found = plain_response(body, WIRE)
        if found is not None:
            plain += 1
            assert found == parse_any_response(body, WIRE), body
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
