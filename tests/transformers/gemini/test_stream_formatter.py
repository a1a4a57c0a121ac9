"""Streams written for Google's clients: every event whole, no comments, no names, no end mark."""

import json
from typing import Any

import pytest
from msgspec import Raw

from plexus.streaming.framing import Frame
from plexus.transformers import gemini
from plexus.unified.chunks import (
    FinishReport,
    MessageStart,
    MessageStop,
    OpaqueChunk,
    PartDelta,
    PartStart,
    PartStop,
    Ping,
    StreamChunk,
    StreamError,
    UsageReport,
)
from plexus.unified.content import (
    Citation,
    ImageContent,
    MediaSource,
    RefusalContent,
    TextContent,
    ThinkingContent,
)
from plexus.unified.errors import UnifiedError
from plexus.unified.response import Finish, UnifiedUsage
from tests.transformers.gemini.support import (
    OWN,
    TARGET,
    USAGE,
    a_call,
    answered,
    candidate,
    event,
    parse,
    read,
    streamed_parts,
    written,
)

START = MessageStart(id="msg_1", model="claude", dialect="other")


def stream(*chunks: StreamChunk, finish: str | None = "stop", request: Any = None) -> list[Any]:
    end: tuple[StreamChunk, ...] = ()
    if finish is not None:
        end = (FinishReport(Finish(finish)), MessageStop())  # type: ignore[arg-type]
    return written((START, *chunks, *end), request)


def text(index: int, *pieces: str) -> list[StreamChunk]:
    deltas = [PartDelta(index, "text", piece) for piece in pieces]
    return [
        PartStart(index, TextContent(text="")),
        *deltas,
        PartStop(index, TextContent(text="".join(pieces))),
    ]


def test_each_fragment_is_an_answer() -> None:
    usage = UnifiedUsage(prompt_tokens=3, completion_tokens=2, total_tokens=5)
    first, second, last = stream(*text(0, "a", "b"), UsageReport(usage, final=True))
    tail = {"modelVersion": "claude", "responseId": "msg_1"}
    assert first == {"candidates": [candidate({"text": "a"}, finish=None)], **tail}
    assert second == {"candidates": [candidate({"text": "b"}, finish=None)], **tail}
    assert last == {"candidates": [candidate({"text": ""})], "usageMetadata": USAGE, **tail}


def test_T51_only_data_lines_and_blank_lines() -> None:
    formatter, encoder = gemini.stream_formatter(parse()), gemini.encoder()
    chunks = [START, Ping(), *text(0, "a\u2028b\n"), FinishReport(Finish("stop")), MessageStop()]
    raw = b"".join(encoder.encode(f) for chunk in chunks for f in formatter.feed(chunk))
    raw += encoder.keep_alive() + encoder.end()
    for line in raw.decode().split("\n"):
        assert line == "" or line.startswith("data: {")
    assert encoder.content_type == "text/event-stream; charset=utf-8"
    assert encoder.keep_alive() == b"\n"


def test_thoughts_and_summaries() -> None:
    part = ThinkingContent(summary=("One", "Two"))
    events = stream(
        PartStart(0, ThinkingContent()),
        PartDelta(0, "thinking_summary", "One", 0),
        PartDelta(0, "thinking_summary", "Two", 1),
        # The same again as text.
        PartDelta(0, "thinking", "One Two"),
        PartStop(0, part),
    )
    assert streamed_parts(events) == [
        {"text": "One", "thought": True},
        {"text": "\n\nTwo", "thought": True},
    ]


def test_a_call_leaves_whole() -> None:
    call = a_call("c1", "f", '{"x":1.0}')
    events = stream(
        PartStart(0, a_call("c1", "f", "")),
        PartDelta(0, "tool_args", '{"x":'),
        PartDelta(0, "tool_args", "1.0}"),
        PartStop(0, call),
        finish="tool_calls",
    )
    assert len(events) == 2
    assert streamed_parts(events) == [
        {"functionCall": {"id": "c1", "name": "f", "args": {"x": 1.0}}}
    ]
    assert events[-1]["candidates"][0]["finishReason"] == "STOP"


def test_T41_parallel_calls_that_overlap() -> None:
    events = stream(
        PartStart(0, a_call("c1", "f", "")),
        PartStart(1, a_call("c2", "g", "")),
        PartDelta(1, "tool_args", "{}"),
        PartDelta(0, "tool_args", "{}"),
        PartStop(0, a_call("c1", "f")),
        PartStop(1, a_call("c2", "g")),
        finish="tool_calls",
    )
    assert [part["functionCall"]["name"] for part in streamed_parts(events)] == ["f", "g"]


@pytest.mark.parametrize(
    ("finish", "args"),
    [("length", None), ("tool_calls", {"_raw": '{"x":'}), ("stop", {"_raw": '{"x":'})],
)
def test_a_half_written_call(finish: str, args: Any) -> None:
    half = a_call("c1", "f", '{"x":')
    events = stream(PartStart(0, a_call("c1", "f", "")), PartStop(0, half), finish=finish)
    found = streamed_parts(events)
    assert [part["functionCall"]["args"] for part in found] == ([] if args is None else [args])


def test_parts_that_come_whole() -> None:
    image = ImageContent(source=MediaSource("base64", data="AAAA", media_type="image/png"))
    events = stream(PartStart(0, image), PartStop(0, image))
    assert streamed_parts(events) == [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]


def test_a_refusal() -> None:
    events = stream(
        PartStart(0, RefusalContent(text="")),
        PartDelta(0, "refusal", "I will not"),
        PartStop(0, RefusalContent(text="I will not")),
    )
    assert streamed_parts(events) == [{"text": "I will not"}]
    assert events[-1]["candidates"][0]["finishReason"] == "SAFETY"


def test_texts_in_the_start_of_parts() -> None:
    events = stream(
        PartStart(0, ThinkingContent(text="Hm")),
        PartStop(0, ThinkingContent(text="Hm")),
        PartStart(1, TextContent(text="so")),
        PartStop(1, TextContent(text="so")),
    )
    assert streamed_parts(events) == [{"text": "Hm", "thought": True}, {"text": "so"}]


def test_citations_stand_in_the_last_event() -> None:
    cited = TextContent(text="so", citations=(Citation("url", url="https://a.x", start=0, end=2),))
    *_, last = stream(
        PartStart(0, TextContent(text="")), PartDelta(0, "text", "so"), PartStop(0, cited)
    )
    grounding = last["candidates"][0]["groundingMetadata"]
    assert grounding["groundingChunks"] == [{"web": {"uri": "https://a.x"}}]
    assert grounding["groundingSupports"][0]["segment"] == {
        "startIndex": 0,
        "endIndex": 2,
        "text": "so",
    }


def test_several_choices() -> None:
    events = written(
        (
            START,
            PartStart(0, TextContent(text="")),
            PartStart(1, TextContent(text=""), 1),
            PartDelta(1, "text", "x"),
            PartDelta(0, "text", "a"),
            PartStop(0, TextContent(text="a")),
            PartStop(1, TextContent(text="x")),
            FinishReport(Finish("stop"), 0),
            FinishReport(Finish("length"), 1),
            MessageStop(),
        )
    )
    assert [e["candidates"][0]["index"] for e in events[:2]] == [1, 0]
    assert [c["finishReason"] for c in events[-1]["candidates"]] == ["STOP", "MAX_TOKENS"]


def test_T46_an_error_is_an_object_with_code_and_status() -> None:
    error = UnifiedError(kind="overloaded", message="busy", retry_after=2.0)
    *_, last = stream(*text(0, "a"), StreamError(error, partial=True), finish=None)
    assert (last["error"]["code"], last["error"]["status"]) == (503, "UNAVAILABLE")
    assert last["error"]["message"] == "busy"
    assert last["error"]["details"][-1]["retryDelay"] == "2s"


def test_nothing_follows_the_end() -> None:
    formatter = gemini.stream_formatter(parse())
    chunks = [START, *text(0, "a"), StreamError(UnifiedError(kind="server", message="x"))]
    for chunk in chunks:
        formatter.feed(chunk)
    assert formatter.feed(MessageStop()) == []


def test_an_answer_that_ended_in_an_error() -> None:
    assert "error" in stream(*text(0, "a"), finish="error")[-1]


def test_the_tier_is_said_first() -> None:
    first, *_ = written(answered(TextContent(text="a"), service_tier="flex"))
    assert first["usageMetadata"] == {"serviceTier": "flex"}


# -- Google's own, through a step ----------------------------------------------------------------


def test_googles_events_go_back_as_they_came() -> None:
    events = [
        event({"text": "H", "thought": True}),
        event({"text": "m", "thought": True}),
        event({"text": "so"}),
        event({"text": " on", "thoughtSignature": "c2ln"}),
        event({"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "dw=="}),
    ]
    last = event(finish="STOP", usageMetadata=USAGE)
    last["candidates"][0]["safetyRatings"] = [{"category": "X"}]
    out = written(read(*events, last))
    assert streamed_parts(out) == streamed_parts(events)
    assert out[-1]["candidates"][0]["safetyRatings"] == [{"category": "X"}]
    assert out[-1]["usageMetadata"] == USAGE


def test_a_fragment_waits_for_its_signature_only_until_the_next() -> None:
    formatter = gemini.stream_formatter(parse())
    chunks = read(event({"text": "a"}), event({"text": "b"}), event(finish="STOP"))
    sizes = [len(formatter.feed(chunk)) for chunk in chunks]
    kinds = [type(chunk).__name__ for chunk in chunks]
    assert sizes[kinds.index("PartDelta")] == 0
    assert sizes[kinds.index("PartDelta") + 1] == 1


def test_a_text_that_stays_open_is_written_before_what_follows() -> None:
    events = [
        event({"text": "a"}),
        event({"functionCall": {"name": "f", "args": {}}}),
        event(finish="STOP"),
    ]
    assert streamed_parts(written(read(*events))) == [
        {"text": "a"},
        {"functionCall": {"name": "f", "args": {}}},
    ]


def test_T82_a_blocked_prompt_has_no_candidates() -> None:
    (only,) = written(read({"promptFeedback": {"blockReason": "SAFETY"}, "responseId": "r1"}))
    assert "candidates" not in only
    assert only["promptFeedback"] == {"blockReason": "SAFETY"}


def test_events_nobody_else_knows() -> None:
    formatter = gemini.stream_formatter(parse())
    formatter.feed(MessageStart(id="r", model="m", dialect="gemini"))
    assert formatter.feed(OpaqueChunk("gemini", "", Raw(b'{"x": 1}'))) == [Frame("", b'{"x":1}')]
    assert formatter.feed(OpaqueChunk("other", "", Raw(b"{}"))) == []


def test_a_providers_line_ends_stay_out_of_an_event() -> None:
    raw = json.dumps(event({"text": "a"}, finish="STOP", extra={"x": [1, 2]}), indent=1).encode()
    decoder, parser = (
        gemini.decoder(),
        gemini.stream_parser(gemini.format_request(parse(), TARGET)),
    )
    chunks: list[StreamChunk] = []
    for frame in decoder.feed(b"[" + raw + b"]") + decoder.close():
        chunks += parser.feed(frame)
    formatter = gemini.stream_formatter(parse())
    frames = [frame for chunk in chunks + parser.close() for frame in formatter.feed(chunk)]
    assert all(b"\n" not in frame.data for frame in frames)
    assert json.loads(frames[-1].data)["extra"] == {"x": [1, 2]}


def test_proofs_of_googles_text() -> None:
    events = written(answered(TextContent(text="so", proof=OWN), dialect="gemini"))
    assert streamed_parts(events) == [{"text": "so", "thoughtSignature": "c2ln"}]
