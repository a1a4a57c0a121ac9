"""A Responses client's stream, written (streaming.md §4)."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from plexus.transformers import openai_responses as responses
from plexus.transformers.proofs import open_envelope
from plexus.unified.chunks import (
    FinishReport,
    LogprobsDelta,
    MessageStart,
    MessageStop,
    PartDelta,
    PartStart,
    PartStop,
    StreamChunk,
    StreamError,
    UsageReport,
)
from plexus.unified.content import (
    Citation,
    Content,
    Origin,
    Proof,
    RefusalContent,
    ServerToolCallContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.errors import UnifiedError
from plexus.unified.fold import unfold
from plexus.unified.response import Finish, FinishReason, UnifiedUsage
from tests.transformers.openai_responses.support import (
    answered,
    formatted,
    message,
    parse,
    read,
    written,
)
from tests.transformers.openai_responses.support import completed as completed_event
from tests.transformers.openai_responses.support import created as created_event

START = MessageStart(id="msg_1", model="claude", dialect="other")
SIGNED = Proof("sig", "signature", Origin("anthropic"))


def ending(reason: FinishReason = "stop") -> list[StreamChunk]:
    usage = UnifiedUsage(prompt_tokens=3, completion_tokens=2, total_tokens=5)
    return [UsageReport(usage, final=True), FinishReport(Finish(reason)), MessageStop()]


def part(index: int, skeleton: Content, whole: Content, *deltas: PartDelta) -> list[StreamChunk]:
    return [PartStart(index, skeleton), *deltas, PartStop(index, whole)]


def text(index: int, *pieces: str) -> list[StreamChunk]:
    deltas = [PartDelta(index, "text", piece) for piece in pieces]
    return part(index, TextContent(text=""), TextContent(text="".join(pieces)), *deltas)


def kinds(events: Iterable[Any]) -> list[str]:
    return [found["type"].removeprefix("response.") for found in events]


def final(events: list[Any]) -> Any:
    """The last response object; every item in it was announced and done as it is there."""
    announced = [e["item"] for e in events if e["type"] == "response.output_item.added"]
    done = [e["item"] for e in events if e["type"] == "response.output_item.done"]
    whole = events[-1]["response"]
    ids = [item.get("id") for item in whole["output"]]
    assert ids == [item.get("id") for item in announced] == [item.get("id") for item in done]
    for first, last in zip(announced, whole["output"], strict=True):
        for name in ("type", "call_id", "name"):
            assert first.get(name) == last.get(name)
    assert {e["response"]["id"] for e in events if "response" in e} == {whole["id"]}
    return whole


def test_a_text() -> None:
    events = written([START, *text(0, "Hel", "lo"), *ending()])
    assert kinds(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    created = events[0]["response"]
    assert (created["status"], created["output"], created["usage"]) == ("in_progress", [], None)
    added = events[2]
    assert (added["output_index"], added["item"]["content"]) == (0, [])
    delta = events[4]
    assert (delta["delta"], delta["logprobs"], delta["content_index"]) == ("Hel", [], 0)
    assert delta["item_id"] == added["item"]["id"]
    assert events[6]["text"] == "Hello"
    whole = final(events)
    assert whole["output"][0]["content"][0]["text"] == "Hello"
    assert whole["usage"]["total_tokens"] == 5


def test_T52_T63_frames_have_names_and_numbers() -> None:
    """Numbers and names are checked by ``written``; here the bytes."""
    formatter, encoder = responses.stream_formatter(parse(stream=True)), responses.encoder()
    frames = [f for chunk in [START, *text(0, "\u2028")] for f in formatter.feed(chunk)]
    out = b"".join(map(encoder.encode, frames))
    assert out.startswith(b'event: response.created\ndata: {"type":"response.created",')
    assert "\u2028".encode() in out
    assert b"[DONE]" not in encoder.end()


def test_T53_the_keep_alive_is_a_comment() -> None:
    assert responses.encoder().keep_alive().startswith(b":")


def test_texts_next_to_each_other_share_a_message() -> None:
    events = written([START, *text(0, "a"), *text(1, "b"), *ending()])
    whole = final(events)
    assert [p["text"] for p in whole["output"][0]["content"]] == ["a", "b"]
    assert [e["content_index"] for e in events if e["type"].endswith("text.delta")] == [0, 1]


def test_thinking_then_a_call() -> None:
    thought = ThinkingContent(text="hm")
    chunks = [
        START,
        *part(
            0,
            ThinkingContent(),
            msgspec.structs.replace(thought, proof=SIGNED),
            PartDelta(0, "thinking", "h"),
            PartDelta(0, "thinking", "m"),
            PartDelta(0, "proof", SIGNED),
        ),
        *part(
            1,
            ToolCallContent(id="c", name="f"),
            ToolCallContent(id="c", name="f", arguments="{}"),
            PartDelta(1, "tool_args", "{}"),
        ),
        *ending("tool_calls"),
    ]
    events = written(chunks)
    assert kinds(events)[2:-1] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]
    whole = final(events)
    reasoning, call = whole["output"]
    assert open_envelope(reasoning["encrypted_content"]) == SIGNED
    assert (call["call_id"], call["arguments"], call["status"]) == ("c", "{}", "completed")


def test_summaries_keep_their_places() -> None:
    chunks = part(
        0,
        ThinkingContent(),
        ThinkingContent(summary=("a", "b")),
        PartDelta(0, "thinking_summary", "a", 0),
        PartDelta(0, "thinking_summary", "b", 1),
    )
    events = written([START, *chunks, *text(1, "x"), *ending()])
    deltas = [e for e in events if e["type"] == "response.reasoning_summary_text.delta"]
    assert [(e["summary_index"], e["delta"]) for e in deltas] == [(0, "a"), (1, "b")]
    assert [p["text"] for p in final(events)["output"][0]["summary"]] == ["a", "b"]


def call_chunks(index: int, pieces: list[str], **fields: Any) -> list[StreamChunk]:
    skeleton = ToolCallContent(id=f"c{index}", name="f", **fields)
    return [PartStart(index, skeleton), *(PartDelta(index, "tool_args", p) for p in pieces)]


def test_T41_T42_items_do_not_overlap() -> None:
    """Parallel calls whose fragments come in turns: one open item at a time."""
    chunks: list[StreamChunk] = [
        START,
        *text(0, "a"),
        *call_chunks(1, ['{"a"']),
        *call_chunks(2, ['{"b"']),
        PartDelta(1, "tool_args", ":1}"),
        PartDelta(2, "tool_args", ":2}"),
        PartStop(1, ToolCallContent(id="c1", name="f", arguments='{"a":1}')),
        PartStop(2, ToolCallContent(id="c2", name="f", arguments='{"b":2}')),
        *ending("tool_calls"),
    ]
    events = written(chunks)
    open_item: int | None = None
    for found in events:
        if found["type"] == "response.output_item.added":
            assert open_item is None
            open_item = found["output_index"]
        elif found["type"] == "response.output_item.done":
            assert found["output_index"] == open_item
            open_item = None
        elif "output_index" in found:
            assert found["output_index"] == open_item
    calls = final(events)["output"][1:]
    assert [call["arguments"] for call in calls] == ['{"a":1}', '{"b":2}']


def test_text_that_goes_on_after_a_call_is_a_new_message() -> None:
    chunks: list[StreamChunk] = [
        START,
        PartStart(0, TextContent(text="")),
        PartDelta(0, "text", "a"),
        *call_chunks(1, ["{}"]),
        PartDelta(0, "text", "b"),
        PartStop(0, TextContent(text="ab")),
        PartStop(1, ToolCallContent(id="c1", name="f", arguments="{}")),
        *ending("tool_calls"),
    ]
    whole = final(written(chunks))
    assert [item["type"] for item in whole["output"]] == ["message", "function_call", "message"]


def test_a_custom_call() -> None:
    chunks = [
        *call_chunks(0, ["l", "s"], kind="custom"),
        PartStop(0, ToolCallContent(id="c0", name="f", arguments="ls", kind="custom")),
    ]
    events = written([START, *chunks, *ending("tool_calls")])
    assert kinds(events)[2:-1] == [
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
    ]
    assert final(events)["output"][0]["input"] == "ls"


def test_a_refusal() -> None:
    whole = RefusalContent(text="No.")
    chunks = part(0, RefusalContent(text=""), whole, PartDelta(0, "refusal", "No."))
    events = written([START, *chunks, *ending("refusal")])
    assert kinds(events)[3:6] == ["content_part.added", "refusal.delta", "refusal.done"]
    assert events[-1]["type"] == "response.completed"


def test_citations_come_before_the_end_of_their_text() -> None:
    citation = Citation(kind="url", url="https://e.x")
    cited = TextContent(text="Hi", citations=(citation,))
    chunks = part(
        0,
        TextContent(text=""),
        cited,
        PartDelta(0, "text", "Hi"),
        PartDelta(0, "citation", citation),
    )
    events = written([START, *chunks, *ending()])
    (noted,) = [e for e in events if e["type"].endswith("annotation.added")]
    assert (noted["annotation_index"], noted["annotation"]["end_index"]) == (0, 2)
    assert kinds(events).index("output_text.annotation.added") < kinds(events).index(
        "output_text.done"
    )


def test_log_probabilities_ride_on_their_delta() -> None:
    token = {"token": "Hi", "bytes": [72, 105], "logprob": -0.1, "top_logprobs": []}
    noted = LogprobsDelta(0, Raw(msgspec.json.encode({"content": [token]})))
    start, delta, stop = text(0, "Hi")
    events = written([START, start, noted, delta, stop, *ending()])
    (found,) = [e for e in events if e["type"] == "response.output_text.delta"]
    assert found["logprobs"] == [token]


def test_a_web_search_has_its_usual_events() -> None:
    search = ServerToolCallContent(
        id="s",
        tool="web_search",
        name="web_search",
        dialect="anthropic-messages",
        raw=Raw(b"{}"),
        arguments='{"query":"x"}',
    )
    events = written([START, *part(0, search, search), *text(1, "a"), *ending()])
    assert kinds(events)[2:7] == [
        "output_item.added",
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
        "output_item.done",
    ]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("stop", "completed"), ("length", "incomplete"), ("content_filter", "incomplete")],
)
def test_exactly_one_end(reason: FinishReason, kind: str) -> None:
    events = written([START, *text(0, "a"), *ending(reason)])
    ends = [found for found in kinds(events) if found in ("completed", "incomplete", "failed")]
    assert ends == [kind]
    assert kinds(events)[-1] == kind
    assert final(events)["status"] == kind


def test_T49_the_end_holds_the_whole_output_and_usage() -> None:
    events = written([START, *text(0, "a"), FinishReport(Finish("stop")), MessageStop()])
    whole = final(events)
    assert whole["output"] and whole["usage"]["output_tokens"] == 1


def test_T46_an_error_is_a_failed_response() -> None:
    start, delta, _ = text(0, "a")
    error = UnifiedError(kind="overloaded", message="busy", retry_after=3.0)
    events = written([START, start, delta, StreamError(error)])
    last = events[-1]
    assert last["type"] == "response.failed"
    found = last["response"]
    assert (found["status"], found["id"]) == ("failed", events[0]["response"]["id"])
    assert found["error"] == {"code": "overloaded", "message": "busy (retry after 3 s)"}


def test_nothing_follows_the_end() -> None:
    formatter = responses.stream_formatter(parse(stream=True))
    for chunk in [START, *text(0, "a"), *ending()]:
        formatter.feed(chunk)
    error = StreamError(UnifiedError(kind="upstream", message="late"))
    assert formatter.feed(error) == []


@pytest.mark.parametrize("reason", ["error", "malformed_tool_call"])
def test_a_finish_that_is_an_error(reason: FinishReason) -> None:
    events = written([START, *text(0, "a"), *ending(reason)])
    assert events[-1]["type"] == "response.failed"


def test_T44_further_choices_are_left_out() -> None:
    other = [PartStart(1, TextContent(text=""), 1), PartDelta(1, "text", "b")]
    stop = PartStop(1, TextContent(text="b"))
    finish = FinishReport(Finish("length"), 1)
    chunks: list[StreamChunk] = [START, *text(0, "a"), *other, stop, *ending()[:-1], finish]
    events = written([*chunks, MessageStop()])
    assert len(final(events)["output"]) == 1
    assert events[-1]["type"] == "response.completed"


def test_a_stream_of_this_dialect_keeps_its_items() -> None:
    item = message("Hello", phase="final_answer")
    events = written(
        read(
            created_event(metadata={"a": "b"}),
            {
                "type": "response.output_item.added",
                "output_index": 0,
                "item": {**item, "content": []},
            },
            {
                "type": "response.output_text.delta",
                "output_index": 0,
                "content_index": 0,
                "item_id": "msg_1",
                "delta": "Hello",
            },
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            completed_event(item, metadata={"a": "b"}, store=True),
        )
    )
    whole = final(events)
    assert whole["output"][0]["id"] == "msg_1"
    assert whole["output"][0]["phase"] == "final_answer"
    assert (whole["id"], whole["store"], whole["metadata"]) == ("resp_1", True, {"a": "b"})


def test_json_and_stream_are_the_same() -> None:
    given = answered(
        ThinkingContent(text="hm", proof=SIGNED),
        TextContent(text="a"),
        ToolCallContent(id="c", name="f", arguments="{}"),
        finish="tool_calls",
    )
    events = written(unfold(given))
    assert final(events) == formatted(given, parse(stream=True))
