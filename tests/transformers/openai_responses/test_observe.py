"""What is seen of answers that are passed through (canonical.md §8)."""

import json
from typing import Any

import pytest

from plexus.streaming.framing import Frame
from plexus.transformers import openai_responses as responses
from plexus.transformers.base import Observation, StreamFailure
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.translation import Passthrough
from plexus.unified.errors import UnifiedError
from tests.transformers.openai_responses.support import (
    call,
    completed,
    created,
    event,
    function_call,
    message,
    response,
    sse,
)

TARGET = TargetModel(provider="upstream", model="m-1", family="openai")
USAGE = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
SAID = event("output_text.delta", item_id="msg_1", content_index=0, delta="Hi")


def observed(found: dict[str, Any]) -> Observation:
    data = json.dumps(found).encode()
    return responses.stream_observer().observe(Frame(found["type"], data))


def failed(**error: Any) -> dict[str, Any]:
    return {"type": "response.failed", "response": response(status="failed", error=error)}


@pytest.mark.parametrize(
    ("found", "content"),
    [
        (created(), False),
        (event("output_item.added", item={"type": "message"}), False),
        (event("output_item.added", item={"type": "reasoning"}), False),
        (event("output_item.added", item={"type": "web_search_call"}), False),
        (event("output_item.added", item={"type": "function_call"}), True),
        (event("output_item.added", item={"type": "brand_new"}), True),
        (event("content_part.added"), False),
        (SAID, True),
        ({**SAID, "delta": ""}, False),
        (event("reasoning_summary_text.delta", delta="x"), True),
        (event("refusal.delta", delta="x"), True),
        (event("function_call_arguments.delta", delta="{"), True),
        ({"type": "response.brand_new"}, False),
    ],
)
def test_what_is_content(found: dict[str, Any], content: bool) -> None:
    assert observed(found) == Observation(content=content)


def test_the_end() -> None:
    found = observed(completed(message("x"), function_call(), usage=USAGE))
    assert (found.content, found.terminal, found.finish) == (True, True, "tool_calls")
    assert found.usage is not None and found.usage.total_tokens == 5
    cut = {
        "type": "response.incomplete",
        "response": response(
            status="incomplete", incomplete_details={"reason": "max_output_tokens"}
        ),
    }
    assert observed(cut).finish == "length"


def test_failures() -> None:
    found = observed(failed(code="rate_limit_exceeded", message="slow"))
    assert found.error is not None and found.error.kind == "rate_limit"
    assert not found.unsaid
    bare = observed({"type": "error", "code": "server_error", "message": "sorry"})
    assert bare.error is not None and bare.error.message == "sorry"
    assert bare.unsaid, "the official SDKs read over the bare event"


@pytest.mark.parametrize("data", [b"", b"[DONE]", b"not json", b"[]", b'{"type":5}'])
def test_what_cannot_be_read_shows_nothing(data: bytes) -> None:
    assert responses.stream_observer().observe(Frame("", data)) == Observation()


def test_whole_answers() -> None:
    body = json.dumps(response(message("x"), usage=USAGE)).encode()
    found = responses.observe_response(body)
    assert (found.content, found.terminal, found.finish) == (True, True, "stop")
    assert found.usage is not None and found.usage.prompt_tokens == 3


@pytest.mark.parametrize(
    "body",
    [
        b"<html></html>",
        b"{}",
        b'{"error":{"message":"no"}}',
        json.dumps(response(status="failed", error={"code": "x", "message": "no"})).encode(),
    ],
)
def test_T100_whole_answers_that_are_none(body: bytes) -> None:
    assert responses.observe_response(body).error is not None


def test_an_odd_answer_is_the_clients_to_judge() -> None:
    found = responses.observe_response(b'{"output":[5],"status":5}')
    assert (found.error, found.content) == (None, True)


def test_the_models_name_is_replaced_in_place() -> None:
    data = b'{ "type":"response.created","response":{"n":1.0,"model" : "gpt" } }'
    renamed = responses.rename_model(Frame("response.created", data), "mine")
    assert renamed.data == data.replace(b'"gpt"', b'"mine"')
    for other in (b'{"type":"x"}', b'{"response":{"a":1}}', b'{"response":5}', b'"response"'):
        frame = Frame("x", other)
        assert responses.rename_model(frame, "mine") is frame


def passed(raw: bytes) -> tuple[Any, bytes]:
    body = {"model": "a", "input": "hi", "stream": True}
    stream = Passthrough(responses, TARGET).prepare(call(body)).stream()
    return stream, stream.feed(raw)


def events(raw: bytes) -> list[Any]:
    decoder = responses.decoder()
    return [json.loads(frame.data) for frame in decoder.feed(raw) + decoder.close()]


def test_T15_a_stream_passes_byte_for_byte() -> None:
    raw = sse(created(), SAID, completed(message("Hi"), usage=USAGE))
    stream, out = passed(raw)
    assert out == raw
    assert (stream.committed, stream.finished, stream.finish) == (True, True, "stop")
    assert stream.close() == b""


def test_a_failure_continues_the_response_that_was_passed() -> None:
    """The response and its numbers go on, so that the SDK's helper can read it."""
    raw = sse(created(metadata={"a": "b"}), SAID)
    stream, out = passed(raw)
    assert out == raw
    *_, last = events(out + stream.fail(UnifiedError(kind="upstream", message="lost")))
    assert (last["type"], last["sequence_number"]) == ("response.failed", 2)
    assert (last["response"]["id"], last["response"]["metadata"]) == ("resp_1", {"a": "b"})
    assert last["response"]["error"]["message"] == "lost"


def test_T47_a_stream_that_is_cut_fails() -> None:
    stream, _ = passed(sse(created(), SAID))
    (last,) = events(stream.close())
    assert last["type"] == "response.failed"
    assert "closed the stream" in last["response"]["error"]["message"]


def test_T46_a_bare_error_event_becomes_a_failed_response() -> None:
    bare = {"type": "error", "code": "server_error", "message": "sorry", "param": None}
    stream, out = passed(sse(created(), SAID, bare, failed(code="x", message="y")))
    last = events(out)[-1]
    assert (last["type"], last["sequence_number"]) == ("response.failed", 2)
    assert last["response"]["error"] == {"code": "upstream_error", "message": "sorry"}
    assert stream.failure is not None
    assert [found["type"] for found in events(out)].count("response.failed") == 1


def test_a_failed_response_passes_as_it_came() -> None:
    raw = sse(created(), SAID, failed(code="server_error", message="sorry"))
    stream, out = passed(raw)
    assert out == raw
    assert stream.failure is not None and stream.failure.message == "sorry"


def test_the_observer_writes_failures() -> None:
    assert isinstance(responses.stream_observer(), StreamFailure)
