"""The most frequent events of a stream have short ways, in and out; they say what the long say."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest

from plexus.streaming.sse import SSEDecoder
from plexus.transformers.openai_responses.events import Event
from plexus.transformers.openai_responses.slots import Output
from plexus.transformers.openai_responses.stream_formatter import ResponsesStreamFormatter
from plexus.transformers.openai_responses.stream_parser import ResponsesStreamParser
from plexus.transformers.translation import UNREADABLE
from plexus.unified.chunks import (
    DeltaKind,
    MessageStart,
    PartDelta,
    PartStart,
    PartStop,
    StreamChunk,
)
from plexus.unified.content import TextContent
from plexus.unified.errors import PlexusError
from tests.fuzz.mutate import StreamMutator
from tests.fuzz.seeds import streams
from tests.transformers.openai_responses.support import event, parse, request_to, sse


class LongParser(ResponsesStreamParser):
    """Every event the general way."""

    def _more(self, event: Event, kind: DeltaKind, whole: bool) -> bool:
        return False


class CountingParser(ResponsesStreamParser):
    """Counts what goes the short way."""

    short = 0

    def _more(self, event: Event, kind: DeltaKind, whole: bool) -> bool:
        found = super()._more(event, kind, whole)
        self.short += found
        return found


def read(raw: bytes, parser: ResponsesStreamParser) -> tuple[list[StreamChunk], str]:
    """The chunks, and why there are no more."""
    chunks: list[StreamChunk] = []
    decoder = SSEDecoder()
    try:
        for frame in decoder.feed(raw) + decoder.close():
            chunks += parser.feed(frame)
        chunks += parser.close()
    except (*UNREADABLE, PlexusError) as problem:
        return chunks, str(problem)
    return chunks, ""


def same(raw: bytes) -> int:
    short = CountingParser(request_to())
    assert read(raw, short) == read(raw, LongParser(request_to())), raw
    return short.short


def test_seeds_and_recordings() -> None:
    seen = 0
    for frames in streams("openai-responses"):
        parts = [
            b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))
            for name, data in frames
        ]
        seen += same(b"".join(parts))
    assert seen


def test_mutated_streams() -> None:
    mutator = StreamMutator(streams("openai-responses"), Random(13))
    assert sum(same(mutator.stream()) for _ in range(1500)) > 500


HEAD = event("output_item.added", item={"type": "message", "id": "msg_1", "content": []})
DONE = event("output_item.done", item={"type": "message", "id": "msg_1", "content": []})


def delta(text: object, **members: Any) -> dict[str, object]:
    return event("output_text.delta", item_id="msg_1", content_index=0, delta=text, **members)


@pytest.mark.parametrize(
    ("between", "short"),
    [
        ([delta("b")], 2),
        ([delta("b", logprobs=[]), delta("c", logprobs=None)], 3),
        ([delta("b", logprobs=[{"token": "b"}])], 1),
        ([delta("")], 1),
        ([delta(None)], 1),
        ([DONE], 0),
        ([{**delta("b"), "item_id": "msg_2"}], 0),
        ([{**delta("b"), "content_index": 1}], 0),
        ([{**delta("b"), "output_index": None}], 1),
        ([{**delta("b"), "output_index": 1}], 0),
        ([event("refusal.delta", item_id="msg_1", content_index=0, delta="no")], 1),
        ([event("output_text.done", item_id="msg_1", content_index=0, text="ab")], 1),
    ],
)
def test_what_comes_between(between: list[dict[str, object]], short: int) -> None:
    assert same(sse(HEAD, delta("a"), *between, delta("z"))) == short


CALL = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": ""}


def args(text: str, place: int = 0) -> dict[str, Any]:
    kind = "function_call_arguments.delta"
    return event(kind, place, item_id=f"fc_{place + 1}", delta=text)


def summary(text: str, number: int = 0) -> dict[str, Any]:
    kind = "reasoning_summary_text.delta"
    return event(kind, item_id="rs_1", summary_index=number, delta=text)


def thought(text: str) -> dict[str, Any]:
    return event("reasoning_text.delta", item_id="rs_1", content_index=0, delta=text)


@pytest.mark.parametrize(
    ("events", "short"),
    [
        ([event("output_item.added", item=CALL), args("{"), args('"a":'), args("1}")], 2),
        ([args("{"), args("}")], 0),
        (
            [
                event("output_item.added", item=CALL),
                event("output_item.added", 1, item={**CALL, "id": "fc_2", "call_id": "d"}),
                args("{"),
                args("{", 1),
                args("}"),
                args("}", 1),
            ],
            0,
        ),
        ([summary("a"), summary("b"), summary("c", 1), summary("d", 1)], 2),
        ([{**summary("a"), "content_index": 1}, summary("b", 1), summary("c")], 0),
        ([thought("a"), thought("b"), summary("c"), thought("d")], 1),
    ],
)
def test_calls_and_reasoning(events: list[dict[str, Any]], short: int) -> None:
    assert same(sse(*events)) == short


def test_a_delta_is_written_as_any_event() -> None:
    one, other = Output(), Output()
    where = {"item_id": 'i"\n', "output_index": 3, "content_index": 0}
    head = one.head("response.refusal.delta", **where)
    for text in ("a", 'é"\\\n\r\x00{', "\U0001f600"):
        written = one.delta("response.refusal.delta", head, text)
        assert written == other.event("response.refusal.delta", **where, delta=text)
        written = one.delta("response.refusal.delta", head, text, b',"logprobs":[]')
        assert written == other.event("response.refusal.delta", **where, delta=text, logprobs=[])
    assert one.sequence == other.sequence == 6


def test_the_events_of_a_text() -> None:
    formatter = ResponsesStreamFormatter(parse(stream=True))
    chunks: list[StreamChunk] = [
        MessageStart(id="resp_1", model="m", dialect="openai-responses"),
        PartStart(0, TextContent(text="")),
        PartDelta(0, "text", "a"),
        PartDelta(0, "text", 'b"'),
        PartStop(0, TextContent(text='ab"')),
    ]
    frames = [frame for chunk in chunks for frame in formatter.feed(chunk)]
    item = msgspec.json.decode(frames[2].data)["item"]["id"]
    where = f'"item_id":"{item}","output_index":0,"content_index":0'
    kind = '"type":"response.output_text.delta"'
    assert [frame.data.decode() for frame in frames[4:6]] == [
        f'{{{kind},{where},"delta":"a","logprobs":[],"sequence_number":4}}',
        f'{{{kind},{where},"delta":"b\\"","logprobs":[],"sequence_number":5}}',
    ]
