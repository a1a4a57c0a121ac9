"""The cheap look at what is passed through, and the model's name in it."""

import json
from typing import Any

import pytest

from plexus.streaming.framing import Frame
from plexus.transformers import gemini
from plexus.transformers.base import Observation
from plexus.transformers.gemini.framing import BARE
from tests.transformers.gemini.support import USAGE, candidate, completion, event


def whole(body: Any) -> Observation:
    return gemini.observe_response(body if isinstance(body, bytes) else json.dumps(body).encode())


def frames(*events: Any) -> list[Observation]:
    observer = gemini.stream_observer()
    return [observer.observe(Frame("", json.dumps(each).encode())) for each in events]


def test_an_answer() -> None:
    seen = whole(completion({"text": "a"}))
    assert (seen.content, seen.terminal, seen.finish, seen.error) == (True, True, "stop", None)
    assert seen.usage is not None
    assert seen.usage.prompt_tokens == 3
    assert whole(completion({"functionCall": {"name": "f"}})).finish == "tool_calls"


@pytest.mark.parametrize(
    ("body", "finish"),
    [
        ({"candidates": [candidate(finish="MAX_TOKENS")]}, "length"),
        ({"candidates": [{"finishReason": 3}]}, "content_filter"),
        ({"promptFeedback": {"blockReason": "SAFETY"}}, "content_filter"),
        ({"candidates": [candidate(finish="MALFORMED_FUNCTION_CALL")]}, "malformed_tool_call"),
        ({"candidates": [candidate({"text": "a"}, finish=None)]}, "stop"),
    ],
)
def test_T82_answers_without_text(body: Any, finish: str) -> None:
    seen = whole(body)
    assert (seen.error, seen.finish) == (None, finish)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}},
        b'[{"error":{"code":429,"message":"slow"}}]',
        {},
        {"candidates": []},
        {"candidates": [{"index": 0}]},
        b"<html>",
        b"[" * 5000,
        b'{"candidates":1}',
    ],
)
def test_T100_what_is_no_answer(body: Any) -> None:
    assert whole(body).error is not None


def test_counts_of_a_wrong_type_break_nothing() -> None:
    seen = whole(completion({"text": "a"}, usageMetadata={"promptTokenCount": "many"}))
    assert (seen.usage, seen.error) == (None, None)


def test_a_stream() -> None:
    blank, text, call, end = frames(
        event({"text": ""}, usageMetadata={"promptTokenCount": 3}),
        event({"text": "a"}),
        event({"functionCall": {"name": "f"}}),
        event(finish="STOP", usageMetadata={"candidatesTokenCount": 2}),
    )
    assert (blank.content, text.content, call.content) == (False, True, True)
    assert (end.terminal, end.finish) == (True, "tool_calls")
    assert end.usage is not None
    assert (end.usage.prompt_tokens, end.usage.completion_tokens) == (3, 2)
    assert not (text.terminal or call.terminal)


def test_a_blocked_prompt_is_an_end() -> None:
    (seen,) = frames({"promptFeedback": {"blockReason": "SAFETY"}})
    assert (seen.content, seen.terminal, seen.finish) == (True, True, "content_filter")


def test_errors_that_the_sdk_would_not_notice_are_said_again() -> None:
    error = {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}
    observer = gemini.stream_observer()
    said = observer.observe(Frame("", json.dumps(error).encode()))
    bare = observer.observe(Frame(BARE, json.dumps(error).encode()))
    array = observer.observe(Frame("", json.dumps([error]).encode()))
    junk = observer.observe(Frame("", b"{"))
    assert [seen.unsaid for seen in (said, bare, array, junk)] == [False, True, True, True]
    assert [seen.error.kind for seen in (said, bare, array, junk) if seen.error] == [
        "overloaded",
        "overloaded",
        "overloaded",
        "upstream",
    ]


@pytest.mark.parametrize("data", [b"", b" ", b"[DONE]", b'{"usageMetadata":{"trafficType":"X"}}'])
def test_what_says_nothing(data: bytes) -> None:
    seen = gemini.stream_observer().observe(Frame("", data))
    assert (seen.content, seen.terminal, seen.error, seen.usage) == (False, False, None, None)


def test_the_model_is_renamed_and_nothing_else() -> None:
    raw = b'{"a": 1.0, "modelVersion" : "gemini-x", "usageMetadata":{}}'
    renamed = gemini.rename_model(Frame("", raw), "fast")
    assert renamed.data == b'{"a": 1.0, "modelVersion" : "fast", "usageMetadata":{}}'
    for other in (b"", b"{}", b'{"x":{"modelVersion":"y"}}', b'"modelVersion"'):
        frame = Frame("", other)
        assert gemini.rename_model(frame, "fast") is frame


def test_usage_is_merged_by_its_highest_counts() -> None:
    *_, last = frames(
        event({"text": "a"}, usageMetadata={**USAGE, "thoughtsTokenCount": 9}),
        event(finish="STOP", usageMetadata=USAGE),
    )
    assert last.usage is not None
    assert last.usage.reasoning_tokens == 9
