"""The look at what is passed through (canonical.md §8; design decision 10)."""

import json
from typing import Any

import pytest

from plexus.streaming.framing import Frame
from plexus.transformers import openai_chat as chat
from plexus.transformers.base import Observation
from plexus.unified.response import UnifiedUsage
from tests.transformers.openai_chat.support import chunk, completion, delta

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
COUNTED = UnifiedUsage(prompt_tokens=3, completion_tokens=2, total_tokens=5)


def seen(value: Any, event: str = "") -> Observation:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return chat.stream_observer().observe(Frame(event, data))


@pytest.mark.parametrize(
    "members",
    [
        {"content": "x"},
        {"content": [{"type": "text", "text": "x"}]},
        {"refusal": "x"},
        {"reasoning_content": "x"},
        {"reasoning": "x"},
        {"reasoning": {"text": "x"}},
        {"tool_calls": [{"index": 0}]},
        {"function_call": {"name": "f"}},
        {"audio": {"id": "a"}},
        {"content": {"decoded": "by Cloudflare"}},
    ],
)
def test_content_commits(members: dict[str, Any]) -> None:
    found = seen(delta(**members))
    assert found.content
    assert not found.terminal


@pytest.mark.parametrize(
    "value",
    [
        delta(role="assistant", content=""),
        delta(content=None, tool_calls=[]),
        chunk(choices=[]),
        chunk(choices=None),
        chunk(choices=[{"index": 0, "delta": None}]),
        chunk(choices=[], prompt_filter_results=[{}]),
        {"error": None, **delta()},
        b"",
        b" ",
        b"not json",
        b"[]",
    ],
)
def test_nothing_to_see(value: Any) -> None:
    assert seen(value) == Observation()


@pytest.mark.parametrize("data", [b"[DONE]", b" [DONE] ", b'"[DONE]"', b"[done]"])
def test_the_end(data: bytes) -> None:
    assert seen(data) == Observation(terminal=True)


@pytest.mark.parametrize(
    ("word", "finish"),
    [("stop", "stop"), ("length", "length"), ("eos", "stop"), ("banana", "other")],
)
def test_a_finish_is_content_and_the_end(word: str, finish: Any) -> None:
    assert seen(delta(_finish=word)) == Observation(content=True, terminal=True, finish=finish)


def test_several_choices_end_together() -> None:
    observer = chat.stream_observer()

    def look(value: Any) -> Observation:
        return observer.observe(Frame("", json.dumps(value).encode()))

    look(delta(content="a"))
    look(delta(_index=1, content="b"))
    assert not look(delta(_index=1, _finish="stop")).terminal
    assert look(delta(_finish="stop")).terminal


@pytest.mark.parametrize(
    ("value", "only"),
    [
        (chunk(choices=[], usage=USAGE), True),
        ({**delta(content="x"), "usage": USAGE}, False),
        ({**delta(), "x_groq": {"usage": USAGE}}, False),
        (chunk(choices=[], x_groq={"usage": USAGE}), False),
        (chunk(choices=[{"index": 0, "delta": {}, "usage": USAGE}]), False),
    ],
)
def test_T39_T40_usage_anywhere(value: Any, only: bool) -> None:
    found = seen(value)
    assert found.usage == COUNTED
    assert found.usage_only is only


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"error": {"message": "m", "code": 429}}, "rate_limit"),
        ({"error": "words"}, "upstream"),
        ({**delta(), "error": {"message": "m", "type": "server_error", "code": 503}}, "overloaded"),
        ({**delta(), "x_groq": {"error": "m"}}, "upstream"),
        (chunk(choices=[], x_groq={"error": "m"}), "upstream"),
        (delta(_finish="error"), "upstream"),
        (
            chunk(
                choices=[
                    {
                        "index": 0,
                        "delta": {},
                        "finish_reason": "error",
                        "error": {"message": "m", "code": 429},
                    }
                ]
            ),
            "rate_limit",
        ),
        ({"object": "error", "message": "m", "code": 400}, "invalid_request"),
        ({"detail": "m"}, "upstream"),
    ],
)
def test_T46_errors_in_every_form(value: Any, kind: str) -> None:
    found = seen(value)
    assert found.error is not None
    assert found.error.kind == kind
    assert not found.terminal


def test_a_whole_answer() -> None:
    assert chat.observe_response(completion({"content": "x"}, usage=USAGE)) == Observation(
        content=True, terminal=True, usage=COUNTED, finish="stop"
    )


def test_an_answer_with_odd_members_is_still_one() -> None:
    body = completion({"content": {"decoded": 1}}, usage=USAGE)
    assert chat.observe_response(body) == Observation(content=True, terminal=True, usage=COUNTED)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"id":"x",  "model": "secret", "n":1.0}', b'{"id":"x",  "model": "alias", "n":1.0}'),
        (b'{"id":"x"}', b'{"id":"x"}'),
        (b"[DONE]", b"[DONE]"),
        (b"", b""),
        (b'{"model":', b'{"model":'),
    ],
)
def test_the_model_is_renamed_in_place(data: bytes, expected: bytes) -> None:
    frame = Frame("", data, b"raw")
    renamed = chat.rename_model(frame, "alias")
    assert renamed.data == expected
    assert (renamed is frame) is (data == expected)
